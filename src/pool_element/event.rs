//! What an element tells its application, and the records that its actions are made of.

use crate::client::ClientRecord;
use crate::endpoint::EndpointBuf;
use crate::machine::{Action, AssociationId, CloseReason, Delivery, OutgoingMessage, Purpose};
use crate::wire::{CauseCode, PayloadProtocol, ServerIdentifier};

/// What an element tells its application.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ElementEvent<'a> {
    /// It is a member of its pool now, or its registration was renewed.
    Registered {
        /// The home registrar, if it has told its identifier yet.
        home: ServerIdentifier,
    },
    /// It is not: the application has to correct something and register again.
    RegistrationFailed(RegistrationFailure),
    /// Its registration has expired, and its registrar has removed it. It registers again at once.
    RegistrationExpired,
    /// It has left its pool.
    Deregistered,
    /// It could not leave its pool.
    DeregistrationRejected {
        /// The registrar's first cause.
        cause: CauseCode,
    },
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
    /// A message of a user.
    Data {
        /// The session.
        session: AssociationId,
        /// The message.
        message: IncomingMessage<'a>,
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

/// An application's message, received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncomingMessage<'a> {
    /// What its octets are.
    pub protocol: PayloadProtocol,
    /// The octets.
    pub octets: &'a [u8],
}

/// Why an element is no member of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationFailure {
    /// Registrars were found, but MAX-REG-ATTEMPT registrations got no answer.
    NoAnswer,
    /// The registrar rejected it, for this cause if it gave one.
    Rejected(Option<CauseCode>),
}

/// An action in the queue, without its octets.
#[derive(Clone, Debug)]
pub(super) enum Record {
    Open { association: AssociationId, remote: EndpointBuf },
    Send { association: AssociationId, protocol: PayloadProtocol, stream: u16, delivery: Delivery },
    Close { association: AssociationId },
    Abort { association: AssociationId },
    Registered { home: ServerIdentifier },
    RegistrationFailed(RegistrationFailure),
    RegistrationExpired,
    Deregistered,
    DeregistrationRejected { cause: CauseCode },
    HomeLost { reason: CloseReason },
    HomeChanged { home: ServerIdentifier },
    Accepted { session: AssociationId, peer: EndpointBuf },
    CookieEcho { session: AssociationId },
    Data { session: AssociationId, protocol: PayloadProtocol },
    MessageTooLarge { session: AssociationId, length: usize },
    SessionClosed { session: AssociationId, reason: CloseReason },
}

impl ClientRecord for Record {
    fn open_registrar(association: AssociationId, remote: EndpointBuf) -> Self {
        Self::Open { association, remote }
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
    pub(super) fn as_action<'a>(&'a self, octets: &'a [u8]) -> Action<'a, ElementEvent<'a>> {
        Action::Event(match *self {
            Self::Open { association, ref remote } => {
                return Action::Open { association, purpose: Purpose::Asap, remote: remote.as_endpoint() };
            }
            Self::Send { association, protocol, stream, delivery } => {
                let message = OutgoingMessage { protocol, stream, delivery, octets };
                return Action::Send { association, message };
            }
            Self::Close { association } => return Action::Close { association },
            Self::Abort { association } => return Action::Abort { association },
            Self::Registered { home } => ElementEvent::Registered { home },
            Self::RegistrationFailed(failure) => ElementEvent::RegistrationFailed(failure),
            Self::RegistrationExpired => ElementEvent::RegistrationExpired,
            Self::Deregistered => ElementEvent::Deregistered,
            Self::DeregistrationRejected { cause } => ElementEvent::DeregistrationRejected { cause },
            Self::HomeLost { reason } => ElementEvent::HomeLost { reason },
            Self::HomeChanged { home } => ElementEvent::HomeChanged { home },
            Self::Accepted { session, ref peer } => ElementEvent::Accepted { session, peer },
            Self::CookieEcho { session } => ElementEvent::CookieEcho { session, cookie: octets },
            Self::Data { session, protocol } => {
                ElementEvent::Data { session, message: IncomingMessage { protocol, octets } }
            }
            Self::MessageTooLarge { session, length } => ElementEvent::MessageTooLarge { session, length },
            Self::SessionClosed { session, reason } => ElementEvent::SessionClosed { session, reason },
        })
    }
}
