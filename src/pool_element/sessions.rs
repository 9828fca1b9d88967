//! What an element says to its users: messages on the data channel, cookies on the control channel (RFC 5352 §3.8).

use core::fmt;

use super::{PoolElement, Record};
use crate::client::send;
use crate::machine::{AssociationId, OutgoingMessage};
use crate::wire::PayloadProtocol;
use crate::wire::asap::Body;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The queue is full: fetch actions first. Or the message is larger than the queue.
    Full,
    /// SCTP has no empty messages.
    Empty,
    /// The payload protocol identifier of ASAP is the control channel's (RFC 5352 §5).
    ReservedProtocol,
    /// There is no such session.
    NoSession,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the queue has no room for the message",
            Self::Empty => "a message must have at least one octet",
            Self::ReservedProtocol => "the payload protocol identifier of ASAP is not for data",
            Self::NoSession => "there is no such session",
        })
    }
}

impl core::error::Error for SendError {}

impl SendError {
    /// Whether a message may go on a data channel at all.
    pub(crate) fn check(message: &OutgoingMessage<'_>) -> Result<(), Self> {
        if message.octets.is_empty() {
            return Err(Self::Empty);
        }
        if message.protocol == PayloadProtocol::ASAP {
            return Err(Self::ReservedProtocol);
        }
        Ok(())
    }
}

impl<const OCTETS: usize> PoolElement<OCTETS> {
    /// Sends a message to a user.
    ///
    /// # Errors
    ///
    /// The message was not taken; nothing has happened.
    pub fn send(&mut self, session: AssociationId, message: OutgoingMessage<'_>) -> Result<(), SendError> {
        SendError::check(&message)?;
        let OutgoingMessage { protocol, stream, delivery, octets } = message;
        let record = Record::Send { association: session, protocol, stream, delivery };
        self.outbox.push_octets(record, octets).map_err(|_| SendError::Full)
    }

    /// Sends a user the cookie that it is to bring to another element, should this one fail. It replaces those sent
    /// before. RFC 5352 §3.8: it should be signed, since it comes back by way of the user.
    ///
    /// # Errors
    ///
    /// The cookie was not taken; nothing has happened.
    pub fn send_cookie(&mut self, session: AssociationId, cookie: &[u8]) -> Result<(), SendError> {
        send(&mut self.outbox, session, &Body::Cookie(cookie).into()).map_err(|_| SendError::Full)
    }

    /// Ends a session in order.
    ///
    /// # Errors
    ///
    /// The queue is full, or the association is no session but leads to the home registrar.
    pub fn close_session(&mut self, session: AssociationId) -> Result<(), SendError> {
        if self.home_association() == Some(session) {
            return Err(SendError::NoSession);
        }
        self.outbox.push(Record::Close { association: session }).map_err(|_| SendError::Full)
    }
}
