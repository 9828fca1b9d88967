//! What has happened to an association, whoever carries it.

use std::net::IpAddr;

use bytes::Bytes;
use rserpool::wire::PayloadProtocol;
use rserpool::{AssociationId, CloseReason, Endpoint, Input, OpenFailure, Protocol, Purpose, SendBuffer};

use crate::delivery::Undelivered;

/// Something has happened to an association, which `H` names.
#[derive(Clone, Debug)]
pub struct Event<H> {
    /// The association.
    pub association: H,
    /// What has happened.
    pub news: News,
}

/// Who is at the other end of an association.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The transport protocol.
    pub protocol: Protocol,
    /// Its addresses; at least one.
    pub addresses: Vec<IpAddr>,
    /// Its port.
    pub port: u16,
}

impl Peer {
    /// The same, borrowed.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint<'_> {
        Endpoint { protocol: self.protocol, addresses: &self.addresses, port: self.port }
    }
}

/// What has happened to an association. The end of one that the machine itself has ended is no news.
#[derive(Clone, Debug)]
pub enum News {
    /// It was asked for, and stands.
    Opened(Peer),
    /// It came in, on an endpoint for this purpose.
    Accepted(Purpose, Peer),
    /// It was asked for, and did not come to be.
    OpenFailed(OpenFailure),
    /// It has ended.
    Closed(CloseReason),
    /// A message has not arrived, as far as is known; its association is about to end.
    Undelivered(Undelivered),
    /// What is sent waits for the peer, or does so no longer.
    SendBuffer(SendBuffer),
    /// A message has come.
    Message {
        /// What it is.
        protocol: PayloadProtocol,
        /// Its octets.
        octets: Bytes,
    },
}

impl News {
    /// What a machine is told, which knows the association by this name.
    #[must_use]
    pub fn input(&self, association: AssociationId) -> Input<'_> {
        match self {
            Self::Opened(peer) => Input::Opened { association, peer: peer.endpoint() },
            Self::Accepted(purpose, peer) => Input::Accepted { association, purpose: *purpose, peer: peer.endpoint() },
            Self::OpenFailed(reason) => Input::OpenFailed { association, reason: *reason },
            Self::Closed(reason) => Input::Closed { association, reason: *reason },
            Self::Undelivered(undelivered) => {
                Input::Undelivered { association, message: undelivered.message(), progress: undelivered.progress() }
            }
            Self::SendBuffer(state) => Input::SendBuffer { association, state: *state },
            Self::Message { protocol, octets } => Input::Message { association, protocol: *protocol, octets },
        }
    }

    /// Whether the association is no more.
    #[must_use]
    pub const fn is_the_end(&self) -> bool {
        matches!(self, Self::OpenFailed(_) | Self::Closed(_))
    }
}
