//! What an element tells its application, and the records that its actions are made of.

use crate::client::alarm::NoRegistrar;
use crate::client::{ClientRecord, MessageHeader, ResolutionFailure};
use crate::endpoint::EndpointBuf;
use crate::machine::{Action, AssociationId, CloseReason, IncomingMessage, Purpose};
use crate::wire::asap::{Body, BusinessCard, HandleResolutionResponse, Message};
use crate::wire::{CauseCode, PayloadProtocol, PoolHandle, ServerIdentifier};

/// What an element tells its application.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ElementEvent<'a> {
    /// It is a member of its pool now, or its registration was renewed.
    Registered {
        /// The home registrar, if it has told its identifier yet.
        home: ServerIdentifier,
    },
    /// The registrar has accepted the registration, and warns: it may have changed some of its values (RFC 5352 §2.2.3).
    RegistrationWarning {
        /// The registrar's first cause.
        cause: CauseCode,
    },
    /// It is not: the application has to correct something and register again.
    RegistrationFailed(RegistrationFailure),
    /// Its registration has expired, and its registrar has removed it. It registers again at once.
    RegistrationExpired,
    /// It has left its pool.
    Deregistered,
    /// After [`PoolElement::drain`](super::PoolElement::drain): it has left its pool, and its last user has gone.
    Drained,
    /// It could not leave its pool.
    DeregistrationRejected {
        /// The registrar's first cause.
        cause: CauseCode,
    },
    /// No registrar has answered for a second, and from then on for as long as T5 each time. The element goes on trying.
    NoRegistrar(NoRegistrar),
    /// The association with the home registrar is gone; the element looks for another.
    HomeLost {
        /// How it ended.
        reason: CloseReason,
    },
    /// Another registrar has made itself the home.
    HomeChanged {
        /// The new one.
        home: ServerIdentifier,
    },
    /// An association came in: a user, or a registrar.
    Accepted {
        /// The session, if it is a user.
        session: AssociationId,
        /// Who is at the other end.
        peer: &'a EndpointBuf,
    },
    /// A user that has failed over to this element brings the last cookie of the element it had before. It comes
    /// ahead of all data of the session.
    CookieEcho {
        /// The session.
        session: AssociationId,
        /// The cookie, as the other element sent it.
        cookie: &'a [u8],
    },
    /// A user that is an element as well gives its business card: its pool, and in which order that pool's elements are to
    /// be tried. [`PoolUser::open_session_by_card`](crate::pool_user::PoolUser::open_session_by_card) heeds it.
    BusinessCard {
        /// The session.
        session: AssociationId,
        /// The card.
        card: BusinessCard<'a>,
    },
    /// The home registrar has told the elements of a pool, as it was asked, or as a user's business card names the pool.
    Resolved(HandleResolutionResponse<'a>),
    /// The home registrar has not told the elements of a pool.
    ResolutionFailed {
        /// The pool.
        pool_handle: PoolHandle<'a>,
        /// Why.
        failure: ResolutionFailure,
    },
    /// A message of a user.
    Data {
        /// The session.
        session: AssociationId,
        /// The message.
        message: IncomingMessage<'a>,
    },
    /// Messages for a user are taken again, after [`SendError::Congested`](crate::SendError::Congested).
    Ready {
        /// The session.
        session: AssociationId,
    },
    /// A message was larger than the machine's buffer. It is lost.
    MessageTooLarge {
        /// The session.
        session: AssociationId,
        /// The message's size in octets.
        length: usize,
    },
    /// An association that came in has ended.
    SessionClosed {
        /// The session.
        session: AssociationId,
        /// How it ended.
        reason: CloseReason,
    },
}

/// Why an element is no member of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationFailure {
    /// Registrars were found, but more than MAX-REG-ATTEMPT registrations got no answer.
    NoAnswer,
    /// The registrar rejected it, for this cause if it gave one.
    Rejected(Option<CauseCode>),
}

/// An action in the queue, without its octets.
#[derive(Clone, Debug)]
pub(super) enum Record {
    /// Its octets are the packed endpoint.
    Open {
        association: AssociationId,
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
    Registered {
        home: ServerIdentifier,
    },
    RegistrationWarning {
        cause: CauseCode,
    },
    RegistrationFailed(RegistrationFailure),
    RegistrationExpired,
    Deregistered,
    Drained,
    DeregistrationRejected {
        cause: CauseCode,
    },
    NoRegistrar(NoRegistrar),
    HomeLost {
        reason: CloseReason,
    },
    HomeChanged {
        home: ServerIdentifier,
    },
    /// Its octets are the packed endpoint.
    Accepted {
        session: AssociationId,
    },
    /// Its octets are the whole message.
    BusinessCard {
        session: AssociationId,
    },
    /// Its octets are the whole response.
    Resolved,
    /// Its octets are the pool handle.
    ResolutionFailed(ResolutionFailure),
    CookieEcho {
        session: AssociationId,
    },
    Data {
        session: AssociationId,
        protocol: PayloadProtocol,
    },
    Ready {
        session: AssociationId,
    },
    MessageTooLarge {
        session: AssociationId,
        length: usize,
    },
    SessionClosed {
        session: AssociationId,
        reason: CloseReason,
    },
}

impl ClientRecord for Record {
    fn open_registrar(association: AssociationId) -> Self {
        Self::Open { association }
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
    ) -> Option<Action<'a, ElementEvent<'a>>> {
        Some(Action::Event(match self {
            Self::Open { association } => {
                *endpoint = EndpointBuf::unpack(octets);
                let remote = endpoint.as_ref()?.as_endpoint();
                return Some(Action::Open { association, purpose: Purpose::Asap, remote });
            }
            Self::Send { association, header } => {
                return Some(Action::Send { association, message: header.with(octets) });
            }
            Self::Close { association } => return Some(Action::Close { association }),
            Self::Abort { association } => return Some(Action::Abort { association }),
            Self::Registered { home } => ElementEvent::Registered { home },
            Self::RegistrationWarning { cause } => ElementEvent::RegistrationWarning { cause },
            Self::RegistrationFailed(failure) => ElementEvent::RegistrationFailed(failure),
            Self::RegistrationExpired => ElementEvent::RegistrationExpired,
            Self::Deregistered => ElementEvent::Deregistered,
            Self::Drained => ElementEvent::Drained,
            Self::DeregistrationRejected { cause } => ElementEvent::DeregistrationRejected { cause },
            Self::NoRegistrar(reason) => ElementEvent::NoRegistrar(reason),
            Self::HomeLost { reason } => ElementEvent::HomeLost { reason },
            Self::HomeChanged { home } => ElementEvent::HomeChanged { home },
            Self::Accepted { session } => {
                *endpoint = EndpointBuf::unpack(octets);
                ElementEvent::Accepted { session, peer: endpoint.as_ref()? }
            }
            Self::CookieEcho { session } => ElementEvent::CookieEcho { session, cookie: octets },
            Self::BusinessCard { session } => match Message::decode(octets).ok()?.message.body {
                Body::BusinessCard(card) => ElementEvent::BusinessCard { session, card },
                _ => return None,
            },
            Self::Resolved => match Message::decode(octets).ok()?.message.body {
                Body::HandleResolutionResponse(response) => ElementEvent::Resolved(response),
                _ => return None,
            },
            Self::ResolutionFailed(failure) => {
                ElementEvent::ResolutionFailed { pool_handle: PoolHandle::new(octets), failure }
            }
            Self::Data { session, protocol } => {
                ElementEvent::Data { session, message: IncomingMessage { protocol, octets } }
            }
            Self::Ready { session } => ElementEvent::Ready { session },
            Self::MessageTooLarge { session, length } => ElementEvent::MessageTooLarge { session, length },
            Self::SessionClosed { session, reason } => ElementEvent::SessionClosed { session, reason },
        }))
    }
}
