//! What a user tells its application, and the records that its actions are made of.

use super::cache::HandleBuf;
use super::session::SessionId;
use crate::client::ClientRecord;
use crate::endpoint::EndpointBuf;
use crate::machine::{Action, AssociationId, CloseReason, Delivery, OutgoingMessage, Purpose};
use crate::pool_element::IncomingMessage;
use crate::wire::asap::{Body, HandleResolutionResponse, Message};
use crate::wire::{CauseCode, PayloadProtocol, PeIdentifier, PoolHandle};

/// What a user tells its application.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum UserEvent<'a> {
    /// A home registrar was found.
    HomeFound,
    /// The association with the home registrar is gone.
    HomeLost,
    /// A registrar has told the elements of a pool.
    Resolved(HandleResolutionResponse<'a>),
    /// A pool could not be resolved. Sessions with it try again after a while.
    ResolutionFailed {
        /// The pool.
        pool_handle: PoolHandle<'a>,
        /// Why.
        failure: ResolutionFailure,
    },
    /// A session has an element. If it is not the session's first, the last cookie has been sent to it, and what the
    /// application had sent to the one before has to be sent again.
    Established {
        /// The session.
        session: SessionId,
        /// The element.
        identifier: PeIdentifier,
        /// How many elements the session has had or tried before.
        failovers: u32,
    },
    /// The session's element is dead, or could not be reached; the next one is tried.
    Failover {
        /// The session.
        session: SessionId,
        /// The dead element.
        identifier: PeIdentifier,
        /// How its association ended; `None` if it never was, or the application said so.
        reason: Option<CloseReason>,
    },
    /// A message of the session's element.
    Data {
        /// The session.
        session: SessionId,
        /// The message.
        message: IncomingMessage<'a>,
    },
    /// A message was larger than the machine's buffer. It is lost.
    MessageTooLarge {
        /// The session.
        session: SessionId,
        /// The message's size in octets.
        length: usize,
    },
    /// A cookie was longer than [`MAX_COOKIE`](super::MAX_COOKIE). The session has none now.
    CookieTooLong {
        /// The session.
        session: SessionId,
        /// The cookie's length in octets.
        length: usize,
    },
}

/// Why a pool could not be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolutionFailure {
    /// No registrar has answered, MAX-REQUEST-RETRANSMIT repetitions included.
    NoAnswer,
    /// The registrar said no, for this cause if it gave one: "Unknown Pool Handle" mostly.
    Rejected(Option<CauseCode>),
}

/// An action in the queue, without its octets.
#[derive(Clone, Debug)]
pub(super) enum Record {
    OpenRegistrar {
        association: AssociationId,
        remote: EndpointBuf,
    },
    OpenElement {
        association: AssociationId,
        remote: EndpointBuf,
    },
    Send {
        association: AssociationId,
        protocol: PayloadProtocol,
        stream: u16,
        delivery: Delivery,
    },
    Close {
        association: AssociationId,
    },
    Abort {
        association: AssociationId,
    },
    HomeFound,
    HomeLost,
    /// Its octets are the whole response.
    Resolved,
    ResolutionFailed {
        pool_handle: HandleBuf,
        failure: ResolutionFailure,
    },
    Established {
        session: SessionId,
        identifier: PeIdentifier,
        failovers: u32,
    },
    Failover {
        session: SessionId,
        identifier: PeIdentifier,
        reason: Option<CloseReason>,
    },
    Data {
        session: SessionId,
        protocol: PayloadProtocol,
    },
    MessageTooLarge {
        session: SessionId,
        length: usize,
    },
    CookieTooLong {
        session: SessionId,
        length: usize,
    },
}

impl ClientRecord for Record {
    fn open_registrar(association: AssociationId, remote: EndpointBuf) -> Self {
        Self::OpenRegistrar { association, remote }
    }

    fn abort(association: AssociationId) -> Self {
        Self::Abort { association }
    }

    fn send(association: AssociationId, protocol: PayloadProtocol, stream: u16, delivery: Delivery) -> Self {
        Self::Send { association, protocol, stream, delivery }
    }
}

impl Record {
    /// The action, with the octets that belong to it.
    pub(super) fn as_action<'a>(&'a self, octets: &'a [u8]) -> Action<'a, UserEvent<'a>> {
        let open = |association, purpose, remote: &'a EndpointBuf| Action::Open {
            association,
            purpose,
            remote: remote.as_endpoint(),
        };
        Action::Event(match *self {
            Self::OpenRegistrar { association, ref remote } => return open(association, Purpose::Asap, remote),
            Self::OpenElement { association, ref remote } => return open(association, Purpose::Session, remote),
            Self::Send { association, protocol, stream, delivery } => {
                let message = OutgoingMessage { protocol, stream, delivery, octets };
                return Action::Send { association, message };
            }
            Self::Close { association } => return Action::Close { association },
            Self::Abort { association } => return Action::Abort { association },
            Self::HomeFound => UserEvent::HomeFound,
            Self::HomeLost => UserEvent::HomeLost,
            Self::Resolved => match Message::decode(octets).map(|decoded| decoded.message.body) {
                Ok(Body::HandleResolutionResponse(response)) => UserEvent::Resolved(response),
                // They were decoded when they came in.
                _ => UserEvent::HomeFound,
            },
            Self::ResolutionFailed { ref pool_handle, failure } => {
                UserEvent::ResolutionFailed { pool_handle: PoolHandle::new(pool_handle), failure }
            }
            Self::Established { session, identifier, failovers } => {
                UserEvent::Established { session, identifier, failovers }
            }
            Self::Failover { session, identifier, reason } => UserEvent::Failover { session, identifier, reason },
            Self::Data { session, protocol } => {
                UserEvent::Data { session, message: IncomingMessage { protocol, octets } }
            }
            Self::MessageTooLarge { session, length } => UserEvent::MessageTooLarge { session, length },
            Self::CookieTooLong { session, length } => UserEvent::CookieTooLong { session, length },
        })
    }
}
