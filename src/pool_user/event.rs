//! What a user tells its application, and the records that its actions are made of.

use super::session::SessionId;
use crate::client::alarm::NoRegistrar;
use crate::client::{ClientRecord, MessageHeader, ResolutionFailure};
use crate::endpoint::EndpointBuf;
use crate::machine::{Action, AssociationId, CloseReason, IncomingMessage, OutgoingMessage, Progress, Purpose};
use crate::wire::asap::{Body, BusinessCard, HandleResolutionResponse, Message};
use crate::wire::{PayloadProtocol, PeIdentifier, PoolHandle, TransportProtocol};

/// What a user tells its application.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum UserEvent<'a> {
    /// A home registrar was found.
    HomeFound,
    /// The association with the home registrar is gone.
    HomeLost,
    /// No registrar has answered for a second, and from then on for as long as T5 each time. The user goes on trying.
    NoRegistrar(NoRegistrar),
    /// A registrar has told the elements of a pool, as it was asked, or because they have changed.
    Resolved(HandleResolutionResponse<'a>),
    /// A pool could not be resolved, or is gone. Sessions with it try again after a while.
    ResolutionFailed {
        /// The pool.
        pool_handle: PoolHandle<'a>,
        /// Why.
        failure: ResolutionFailure,
    },
    /// A session has an element. If it is not the session's first, the last cookie has been sent to it, and what the
    /// application had sent to the one before, and what may have been lost with it, has to be sent again. (A message that
    /// was not sent at all goes to the next element by itself, if the transport tells of it; an application that repeats what
    /// has no answer forbids that by [`Failover::Forbidden`](crate::Failover::Forbidden).) What has been held back goes out now, or waits for
    /// [`PoolUser::resume`](super::PoolUser::resume), as the session's [`FailoverMode`](super::FailoverMode) says.
    Established {
        /// The session.
        session: SessionId,
        /// The element.
        identifier: PeIdentifier,
        /// How many elements the session has had or tried before.
        failovers: u32,
    },
    /// The session's element is dead, or could not be reached, or has ended the session. The next one is tried, or the
    /// application has to say so, as the session's [`FailoverMode`](super::FailoverMode) says.
    Failover {
        /// The session.
        session: SessionId,
        /// The element.
        identifier: PeIdentifier,
        /// How its association ended; `None` if it never was, or the application said so.
        reason: Option<CloseReason>,
    },
    /// A session is over, as it cannot have an element of its pool. What was to be sent has come back before, by
    /// [`Self::Undelivered`].
    SessionEnded {
        /// The session, whose name is of no more use.
        session: SessionId,
        /// Why.
        reason: SessionEnd,
    },
    /// A session's element gives a business card of another pool than the session's (RFC 5352 §3.9). Failovers stay in the session's
    /// pool; the other one is resolved, if there is room for it, and
    /// [`PoolUser::open_session_by_card`](super::PoolUser::open_session_by_card) opens a session with it.
    BusinessCard {
        /// The session.
        session: SessionId,
        /// The card.
        card: BusinessCard<'a>,
    },
    /// A message of an element (RFC 5352 §6.6).
    Data {
        /// The session, by which an answer can be sent.
        session: SessionId,
        /// The element.
        identifier: PeIdentifier,
        /// The message.
        message: IncomingMessage<'a>,
    },
    /// A message did not arrive, as far as is known, and is not sent by itself to another element (RFC 5352 §6.7). What
    /// the transport cannot tell is not told here.
    Undelivered {
        /// The pool that it was for.
        pool_handle: PoolHandle<'a>,
        /// The session that it was for; `None` if it was for the pool.
        session: Option<SessionId>,
        /// The element that should have got it, if one was chosen.
        identifier: Option<PeIdentifier>,
        /// How far it got.
        progress: Progress,
        /// The message, or the beginning of it, if there is no room for the rest.
        message: OutgoingMessage<'a>,
    },
    /// Messages for a session's element are taken again, after [`SendError::Congested`](crate::SendError::Congested). So they are
    /// after [`Self::Failover`].
    Ready {
        /// The session.
        session: SessionId,
    },
    /// A message was larger than the machine's buffer. It is lost.
    MessageTooLarge {
        /// The session.
        session: SessionId,
        /// The message's size in octets.
        length: usize,
    },
    /// A cookie was longer than the user keeps. The session has none now.
    CookieTooLong {
        /// The session.
        session: SessionId,
        /// The cookie's length in octets.
        length: usize,
        /// The longest cookie that the user keeps, in octets.
        limit: usize,
    },
}

/// Why a session is over that the application has not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The pool's elements serve over transports that the user does not have, as this one. Sessions are over SCTP, or over TCP if the
    /// adapter has that for them. The application may speak to the elements by itself: see
    /// [`PoolUser::primary`](super::PoolUser::primary).
    NoTransport(TransportProtocol),
}

impl core::fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoTransport(protocol) => {
                write!(f, "the pool is reached over {protocol}, which is not there for sessions")
            }
        }
    }
}

/// An action in the queue, without its octets.
#[derive(Clone, Debug)]
pub(super) enum Record {
    /// Its octets are the packed endpoint.
    Open {
        association: AssociationId,
        purpose: Purpose,
    },
    Send {
        association: AssociationId,
        header: MessageHeader,
    },
    Close {
        association: AssociationId,
    },
    Abort {
        association: AssociationId,
    },
    HomeFound,
    HomeLost,
    NoRegistrar(NoRegistrar),
    /// Its octets are the whole response.
    Resolved,
    /// Its octets are the pool handle.
    ResolutionFailed {
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
    SessionEnded {
        session: SessionId,
        reason: SessionEnd,
    },
    /// Its octets are the whole message.
    BusinessCard {
        session: SessionId,
    },
    Data {
        session: SessionId,
        identifier: PeIdentifier,
        protocol: PayloadProtocol,
    },
    /// Its octets are the pool handle, and the message.
    Undelivered {
        pool_handle_length: u8,
        session: Option<SessionId>,
        identifier: Option<PeIdentifier>,
        progress: Progress,
        header: MessageHeader,
    },
    Ready {
        session: SessionId,
    },
    MessageTooLarge {
        session: SessionId,
        length: usize,
    },
    CookieTooLong {
        session: SessionId,
        length: usize,
        limit: usize,
    },
}

impl ClientRecord for Record {
    fn open_registrar(association: AssociationId) -> Self {
        Self::Open { association, purpose: Purpose::Asap }
    }

    fn abort(association: AssociationId) -> Self {
        Self::Abort { association }
    }

    fn send(association: AssociationId, header: MessageHeader) -> Self {
        Self::Send { association, header }
    }
}

impl Record {
    /// The action, with the octets that belong to it. An endpoint among them is put into `endpoint`, to be borrowed.
    pub(super) fn into_action<'a>(
        self,
        octets: &'a [u8],
        endpoint: &'a mut Option<EndpointBuf>,
    ) -> Option<Action<'a, UserEvent<'a>>> {
        Some(Action::Event(match self {
            Self::Open { association, purpose } => {
                *endpoint = EndpointBuf::unpack(octets);
                let remote = endpoint.as_ref()?.as_endpoint();
                return Some(Action::Open { association, purpose, remote });
            }
            Self::Send { association, header } => {
                return Some(Action::Send { association, message: header.with(octets) });
            }
            Self::Close { association } => return Some(Action::Close { association }),
            Self::Abort { association } => return Some(Action::Abort { association }),
            Self::HomeFound => UserEvent::HomeFound,
            Self::HomeLost => UserEvent::HomeLost,
            Self::NoRegistrar(reason) => UserEvent::NoRegistrar(reason),
            Self::Resolved => match Message::decode(octets).ok()?.message.body {
                Body::HandleResolutionResponse(response) => UserEvent::Resolved(response),
                _ => return None,
            },
            Self::ResolutionFailed { failure } => {
                UserEvent::ResolutionFailed { pool_handle: PoolHandle::new(octets), failure }
            }
            Self::Established { session, identifier, failovers } => {
                UserEvent::Established { session, identifier, failovers }
            }
            Self::Failover { session, identifier, reason } => UserEvent::Failover { session, identifier, reason },
            Self::SessionEnded { session, reason } => UserEvent::SessionEnded { session, reason },
            Self::BusinessCard { session } => match Message::decode(octets).ok()?.message.body {
                Body::BusinessCard(card) => UserEvent::BusinessCard { session, card },
                _ => return None,
            },
            Self::Data { session, identifier, protocol } => {
                UserEvent::Data { session, identifier, message: IncomingMessage { protocol, octets } }
            }
            Self::Undelivered { pool_handle_length, session, identifier, progress, header } => {
                let (pool_handle, octets) = octets.split_at_checked(pool_handle_length.into())?;
                let (pool_handle, message) = (PoolHandle::new(pool_handle), header.with(octets));
                UserEvent::Undelivered { pool_handle, session, identifier, progress, message }
            }
            Self::Ready { session } => UserEvent::Ready { session },
            Self::MessageTooLarge { session, length } => UserEvent::MessageTooLarge { session, length },
            Self::CookieTooLong { session, length, limit } => UserEvent::CookieTooLong { session, length, limit },
        }))
    }
}
