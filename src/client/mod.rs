//! What elements and users have in common: the actions of their hunt, their ASAP messages, and why they do not send one of
//! the application's.

pub(crate) mod alarm;
pub(crate) mod business_card;
pub(crate) mod hunt;
pub(crate) mod link;
pub(crate) mod outbox;
pub(crate) mod request;
pub(crate) mod sizes;
pub(crate) mod transport;

use core::fmt;

use self::hunt::HuntAction;
use self::outbox::{Full, Outbox};
use crate::machine::{AssociationId, Delivery, Failover, OutgoingMessage};
use crate::wire::asap::Message;
use crate::wire::{CauseCode, PayloadProtocol};

/// What is kept of a message beside its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageHeader {
    pub(crate) protocol: PayloadProtocol,
    pub(crate) stream: u16,
    pub(crate) delivery: Delivery,
    pub(crate) failover: Failover,
}

impl MessageHeader {
    /// A message on the control channel, or to a registrar (RFC 5352 §5).
    pub(crate) const CONTROL: Self =
        Self { protocol: PayloadProtocol::ASAP, stream: 0, delivery: Delivery::Ordered, failover: Failover::Forbidden };

    pub(crate) const fn of(message: &OutgoingMessage<'_>) -> Self {
        let OutgoingMessage { protocol, stream, delivery, failover, .. } = *message;
        Self { protocol, stream, delivery, failover }
    }

    pub(crate) const fn with(self, octets: &[u8]) -> OutgoingMessage<'_> {
        let Self { protocol, stream, delivery, failover } = self;
        OutgoingMessage { protocol, stream, delivery, failover, octets }
    }
}

/// The records of a client's queue that are made here.
pub(crate) trait ClientRecord: Sized {
    /// An association to a registrar is to be opened, its endpoint packed behind the record.
    fn open_registrar(association: AssociationId) -> Self;

    /// An association is to end at once.
    fn abort(association: AssociationId) -> Self;

    /// A message is to be sent, its octets behind the record.
    fn send(association: AssociationId, header: MessageHeader) -> Self;
}

/// Queues what the hunt wants.
pub(crate) fn queue_hunt<R: ClientRecord, const RECORDS: usize, const OCTETS: usize>(
    outbox: &mut Outbox<R, RECORDS, OCTETS>,
    action: &HuntAction<'_>,
) {
    // Without room for it the attempt never succeeds, and T5 expires.
    let _ = match action {
        HuntAction::Open { association, endpoint } => {
            outbox.push_with(R::open_registrar(*association), |buffer| endpoint.pack(buffer))
        }
        HuntAction::Abort { association } => outbox.push(R::abort(*association)),
    };
}

/// Queues an ASAP message.
pub(crate) fn send<R: ClientRecord, const RECORDS: usize, const OCTETS: usize>(
    outbox: &mut Outbox<R, RECORDS, OCTETS>,
    association: AssociationId,
    message: &Message<'_>,
) -> Result<(), Full> {
    let record = R::send(association, MessageHeader::CONTROL);
    outbox.push_with(record, |buffer| message.encode(buffer))
}

/// Why a pool could not be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolutionFailure {
    /// No registrar has answered, MAX-REQUEST-RETRANSMIT repetitions included.
    NoAnswer,
    /// The registrar said no, for this cause if it gave one: "Unknown Pool Handle" mostly.
    Rejected(Option<CauseCode>),
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The queue is full: fetch actions first. Or the message is larger than the queue.
    Full,
    /// The peer takes less than is sent to it: wait until the session is ready again, as an event tells.
    Congested,
    /// SCTP has no empty messages.
    Empty,
    /// The payload protocol identifier of ASAP is the control channel's (RFC 5352 §5).
    ReservedProtocol,
    /// There is no such session.
    NoSession,
    /// The session has no control channel, on which cookies and business cards go (RFC 5352 §3.8, §3.9).
    NoControlChannel,
    /// The cookie is longer than the element's users keep
    /// ([`ElementConfig::max_cookie`](crate::pool_element::ElementConfig::max_cookie)).
    CookieTooLong {
        /// The longest cookie that may be sent, in octets.
        limit: usize,
    },
    /// As many sessions or pools are in use as there is room for.
    NoRoom,
    /// The pool handle is longer than [`MAX_POOL_HANDLE`](crate::pool_element::MAX_POOL_HANDLE).
    PoolHandleTooLong,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CookieTooLong { limit } => return write!(f, "a cookie has at most {limit} octets here"),
            Self::Full => "the queue has no room for the message",
            Self::Congested => "the peer takes less than is sent to it",
            Self::Empty => "a message must have at least one octet",
            Self::ReservedProtocol => "the payload protocol identifier of ASAP is not for data",
            Self::NoSession => "there is no such session",
            Self::NoControlChannel => "the session has no control channel",
            Self::NoRoom => "no room for another session or pool",
            Self::PoolHandleTooLong => "the pool handle is too long",
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
