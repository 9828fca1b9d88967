//! Associations that an adapter's sockets carry by themselves, as the kernel's SCTP does.

use std::net::IpAddr;

use bytes::Bytes;
use rserpool::CloseReason;
use rserpool::wire::PayloadProtocol;

use crate::delivery::Undelivered;

/// Names such an association. Numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DirectHandle(pub u64);

/// What has happened to one.
#[derive(Debug)]
pub enum DirectEvent {
    /// One that was asked for stands.
    Opened {
        /// Its name.
        association: DirectHandle,
        /// The peer's addresses.
        addresses: Vec<IpAddr>,
        /// The peer's port.
        port: u16,
    },
    /// One came in.
    Accepted {
        /// Its name.
        association: DirectHandle,
        /// The peer's addresses.
        addresses: Vec<IpAddr>,
        /// The peer's port.
        port: u16,
    },
    /// One that was asked for did not come to be.
    OpenFailed {
        /// Its name.
        association: DirectHandle,
    },
    /// One has ended.
    Closed {
        /// Its name.
        association: DirectHandle,
        /// How.
        reason: CloseReason,
    },
    /// A message has not arrived.
    Undelivered {
        /// On this association.
        association: DirectHandle,
        /// The message.
        message: Undelivered,
    },
    /// A message has come.
    Message {
        /// On this association.
        association: DirectHandle,
        /// What it is.
        protocol: PayloadProtocol,
        /// Its octets.
        octets: Bytes,
    },
}
