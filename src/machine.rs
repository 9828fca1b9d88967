//! The one shape of all machines: inputs in, actions out, and when to come back.
//!
//! ```text
//!     bytes, events, time ──▶ handle(now, input) ──▶ ┌─────────┐
//!     commands: methods of the role's own ─────────▶ │ machine │ ──▶ poll_action()  what to do
//!                                                    └─────────┘ ──▶ poll_timeout() when to call again
//! ```

use crate::endpoint::Endpoint;
use crate::time::Instant;
use crate::wire::PayloadProtocol;

/// A protocol state machine without any I/O.
///
/// # The embedder's duties
///
/// - Call [`handle`](Self::handle) with everything that happens, with a time that never goes backwards.
/// - After each `handle`, and after each command of the role, call [`poll_action`](Self::poll_action) until it gives
///   `None`, and do what it says. Actions not fetched pile up until the machine's queue is full.
/// - Call `handle` with [`Input::Timeout`] at the time that [`poll_timeout`](Self::poll_timeout) tells, at the
///   latest. Earlier does no harm. The time changes with every call of the other methods.
/// - Give each association that comes in from outside a name of its own, made with [`AssociationId::accepted`]. The
///   machine names those that it opens itself.
/// - If an association's peer takes less than is sent, say so with [`Input::SendBuffer`] while there is still room for what
///   the machine has queued: elements and users then take no more of the application's messages for it.
/// - Lose no message of an association that lives. If the buffer for it is full all the same, abort the association and
///   report it as [`CloseReason::Lost`]: registrars and elements then find out what the peer has missed.
/// - If the transport can tell which messages have not arrived when an association ends, report them with
///   [`Input::Undelivered`] first. This is of use to users only.
/// - Report each association's end with [`Input::Closed`], or [`Input::OpenFailed`] if it never came to be, once. No
///   report is due for one that the machine itself closed or aborted.
/// - Say [`OpenFailure::Unreachable`] only if the peer is to blame: users report such elements, and registrars remove them.
pub trait Machine {
    /// What the machine has to tell the application.
    type Event<'a>
    where
        Self: 'a;

    /// Something happened, or time passed.
    fn handle(&mut self, now: Instant, input: Input<'_>);

    /// The next thing to do. What it borrows stays as it is until the machine is called again.
    fn poll_action(&mut self) -> Option<Action<'_, Self::Event<'_>>>;

    /// When to call [`handle`](Self::handle) again at the latest; `None` if only for a reason.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// The name of an association: an SCTP association or a TCP connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssociationId(u32);

impl AssociationId {
    const ACCEPTED: u32 = 1 << 31;

    /// The name of an association that came in from outside. The adapter picks `number`; only its lower 31 bits
    /// count. A number may be used again once its association has ended.
    #[must_use]
    pub const fn accepted(number: u32) -> Self {
        Self(number | Self::ACCEPTED)
    }

    /// The name of an association that a machine opens.
    pub(crate) const fn opened(number: u32) -> Self {
        Self(number & !Self::ACCEPTED)
    }

    /// The name as a number, to be carried to an adapter that is elsewhere, as beyond a serial line.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The name that [`Self::to_bits`] has made a number of.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Whether the association came in from outside.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        self.0 & Self::ACCEPTED != 0
    }
}

impl core::fmt::Display for AssociationId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let side = if self.is_accepted() { "in" } else { "out" };
        write!(f, "{side}-{}", self.0 & !Self::ACCEPTED)
    }
}

impl core::fmt::Debug for AssociationId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "AssociationId({self})")
    }
}

/// Gives names to the associations that a machine opens.
#[derive(Clone, Debug, Default)]
pub(crate) struct AssociationNames {
    next: u32,
}

impl AssociationNames {
    pub(crate) fn next(&mut self) -> AssociationId {
        let name = AssociationId::opened(self.next);
        self.next = self.next.wrapping_add(1);
        name
    }
}

/// What an adapter tells a machine.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// Nothing but that time has passed.
    Timeout,
    /// An association that the machine asked for is there.
    Opened {
        /// Its name.
        association: AssociationId,
        /// Who is at the other end.
        peer: Endpoint<'a>,
    },
    /// An association came in from outside.
    Accepted {
        /// The name that the adapter gives it.
        association: AssociationId,
        /// What the local endpoint is for that it came in on. A registrar speaks ENRP only on associations for
        /// [`Purpose::Enrp`], and ASAP only on those for [`Purpose::Asap`].
        purpose: Purpose,
        /// Who is at the other end.
        peer: Endpoint<'a>,
    },
    /// An association that the machine asked for did not come to be.
    OpenFailed {
        /// Its name.
        association: AssociationId,
        /// Whose fault it is.
        reason: OpenFailure,
    },
    /// An association has ended, and not by the machine's doing.
    Closed {
        /// Its name.
        association: AssociationId,
        /// How it ended.
        reason: CloseReason,
    },
    /// A message came in.
    Message {
        /// On this association.
        association: AssociationId,
        /// What its octets are.
        protocol: PayloadProtocol,
        /// The octets.
        octets: &'a [u8],
    },
    /// A message that the machine had sent did not arrive, as far as the transport knows: its association has ended, or is
    /// about to. It is told ahead of [`Input::Closed`], or after the machine has aborted the association itself; of several
    /// messages in the order in which they were sent. A transport that cannot tell, as TCP, leaves it out.
    Undelivered {
        /// On this association.
        association: AssociationId,
        /// The message, as it was sent.
        message: OutgoingMessage<'a>,
        /// How much of it went out.
        progress: Progress,
    },
    /// What is sent on an association waits for its peer, or does so no longer. A new association has room. Registrars don't
    /// mind it.
    SendBuffer {
        /// The association's name.
        association: AssociationId,
        /// How it is now.
        state: SendBuffer,
    },
    /// A multicast datagram came in.
    Datagram {
        /// To which group.
        group: MulticastGroup,
        /// From where.
        from: core::net::SocketAddr,
        /// The octets.
        octets: &'a [u8],
    },
}

/// Whether a transport's buffer for an association takes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendBuffer {
    /// The application has to wait: there is room only for what the machine has to say by itself.
    Full,
    /// It takes more.
    HasRoom,
}

/// How far a message got that did not arrive, as far as the transport knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    /// Nothing of it was sent, or so little that the peer cannot have got it.
    Unsent,
    /// It was sent, and not acknowledged. It may have arrived.
    Unacknowledged,
}

/// Why an association did not come to be. Users report only elements that they cannot reach; what their own side cannot do is no
/// failure of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenFailure {
    /// The peer does not answer, or refuses.
    Unreachable,
    /// There is no such transport here, at all or for this purpose. To try again is of no use.
    Unsupported,
    /// This side cannot open it now, for example as it has too many, or no sockets are to be had.
    Local,
}

impl core::fmt::Display for OpenFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the peer cannot be reached",
            Self::Unsupported => "there is no such transport here",
            Self::Local => "no association can be opened here at the moment",
        })
    }
}

/// How an association ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer closed it in order.
    Shutdown,
    /// The peer aborted it, or started anew.
    Aborted,
    /// The peer no longer answers.
    Lost,
}

impl core::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Shutdown => "closed by the peer",
            Self::Aborted => "aborted by the peer",
            Self::Lost => "the peer no longer answers",
        })
    }
}

/// What a machine tells its adapter to do.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action<'a, E> {
    /// Open an association. [`Input::Opened`] or [`Input::OpenFailed`] is the answer. A user may open several to the same
    /// element, one a session: an adapter whose transport knows only one between two ports takes another local port.
    Open {
        /// The name it will have.
        association: AssociationId,
        /// What it is for. An adapter that has several local endpoints chooses by it.
        purpose: Purpose,
        /// Where to.
        remote: Endpoint<'a>,
    },
    /// Send a message. Messages of one association and stream arrive in order, unless unordered.
    Send {
        /// On this association.
        association: AssociationId,
        /// The message.
        message: OutgoingMessage<'a>,
    },
    /// Close an association in order: what has been sent arrives.
    Close {
        /// Its name, not to be used afterwards.
        association: AssociationId,
    },
    /// End an association at once.
    Abort {
        /// Its name, not to be used afterwards.
        association: AssociationId,
    },
    /// Send a datagram to a multicast group.
    Multicast {
        /// Which one.
        group: MulticastGroup,
        /// The octets.
        octets: &'a [u8],
    },
    /// Tell the application.
    Event(E),
}

/// A message to be sent on an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutgoingMessage<'a> {
    /// What its octets are.
    pub protocol: PayloadProtocol,
    /// The SCTP stream: 0 for ASAP and ENRP, any for applications.
    pub stream: u16,
    /// Whether it has to keep its place among the stream's messages.
    pub delivery: Delivery,
    /// Whether another element may get it in place of one that has failed. It is for users; adapters only hand it back
    /// with [`Input::Undelivered`].
    pub failover: Failover,
    /// The octets; at least one, as SCTP knows no empty messages.
    pub octets: &'a [u8],
}

impl<'a> OutgoingMessage<'a> {
    /// An application's message: ordered, on stream 0, without a protocol identifier, and for another element if its own
    /// fails.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self {
            protocol: PayloadProtocol::UNSPECIFIED,
            stream: 0,
            delivery: Delivery::Ordered,
            failover: Failover::Allowed,
            octets,
        }
    }
}

/// An application's message, received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncomingMessage<'a> {
    /// What its octets are.
    pub protocol: PayloadProtocol,
    /// The octets.
    pub octets: &'a [u8],
}

/// Whether a message keeps its place among those of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Delivery {
    /// Behind all that were sent before.
    #[default]
    Ordered,
    /// As soon as possible.
    Unordered,
}

/// Whether a message may go to another element when the one that it was for has failed before it was sent (RFC 5352
/// §6.5.5, ASAP_SEND_FAILOVER and ASAP_SEND_NO_FAILOVER).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Failover {
    /// It goes to the next element by itself.
    #[default]
    Allowed,
    /// It comes back to the application.
    Forbidden,
}

/// What an association is for, and what an endpoint is for on which associations come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// ASAP with a registrar or an element.
    Asap,
    /// ENRP with another registrar.
    Enrp,
    /// A session of a user with an element.
    Session,
}

/// The multicast groups of RSerPool. Their addresses are the adapter's to know (RFC 5352 §8.4, RFC 5353 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MulticastGroup {
    /// Announcements of registrars to elements and users.
    Asap,
    /// Announcements among registrars.
    Enrp,
}
