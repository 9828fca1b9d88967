//! The pool element: it registers its service with a home registrar, keeps the registration alive, answers
//! keep-alives, and talks to its users on their associations (RFC 5352 §3.1–3.4, §3.8).
//!
//! ```text
//!          register()            home found           response
//!   Idle ───────────▶ Hunting ─────────────▶ Registering ─────▶ Registered ──▶ (T4: Registering again)
//!    ▲                   ▲  home lost, T2 or T3 expired │             │
//!    └── deregistered ───┴──────────────────────────────┴── Deregistering ◀── deregister()
//! ```

mod config;
mod event;
mod keep_alive;
mod registration;
mod resolution;
mod sessions;

use core::net::SocketAddr;

pub use self::config::{ConfigError, ElementConfig};
pub use self::event::{ElementEvent, RegistrationFailure};
pub use self::resolution::ResolveError;
pub use crate::client::sizes::MAX_POOL_HANDLE;

use self::event::Record;
use self::keep_alive::Claim;
use self::resolution::Query;
use self::sessions::{Added, FailoverOrder, Origin, Sessions};
use crate::asap_input::receive;
use crate::client::hunt::TooManyRegistrars;
use crate::client::link::Link;
use crate::client::outbox::Outbox;
use crate::client::send;
use crate::client::sizes::{MAX_ACTIONS, MAX_REGISTRARS};
use crate::client::transport::UserTransport;
use crate::endpoint::{Endpoint, EndpointBuf};
use crate::machine::{Action, AssociationId, Input, Machine, MulticastGroup};
use crate::time::{Instant, earliest};
use crate::wire::asap::{Body, Message};
use crate::wire::{PayloadProtocol, Policy, ServerIdentifier};

/// What to do once a home registrar is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Register,
    Deregister,
}

/// Whether the element takes new users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    Serving,
    /// It is to end, once its users have gone.
    Draining,
    /// It has told so.
    Drained,
}

/// Where the element stands with its registration. What it has asked of a registrar it has asked of its home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not registered and not about to be. It has a home only to ask it something.
    Idle,
    /// Looking for a home registrar.
    Hunting(Goal),
    /// Waiting for the home registrar's answer to a registration until T2 expires.
    Registering { t2: Instant },
    /// A member of the pool. The registration is renewed as T4 expires.
    Registered { t4: Instant },
    /// Waiting for the home registrar's answer to a deregistration until T3 expires.
    Deregistering { t3: Instant },
}

/// A pool element with up to `SESSIONS` users and registrars at a time that have come to it. An eighth of the places is left
/// for registrars; users that are too many are turned away, and go on with other elements. `OCTETS` is the room for messages that wait to be fetched with [`poll_action`](Machine::poll_action), and so the limit
/// of a message's size.
///
/// ```
/// use core::net::SocketAddr;
/// use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement};
/// use rserpool::wire::{PeIdentifier, Policy};
/// use rserpool::{Action, Input, Instant, Machine};
///
/// // SCTP at port 7000, with a control channel; [`UserTransport`](crate::UserTransport) has other forms.
/// let service = SocketAddr::from(([127, 0, 0, 1], 7000));
/// let mut config = ElementConfig::new(b"echo", PeIdentifier(0x1234), service)?;
/// config.policy = Policy::RoundRobin;
///
/// let mut element: PoolElement = PoolElement::new(config);
/// element.add_registrar(SocketAddr::from(([127, 0, 0, 1], 3863)))?;
/// element.register(Instant::ZERO);
///
/// // The event loop. This one has no network: it gives up as soon as the machine asks for it.
/// let mut input = Some(Input::Timeout);
/// while let Some(next) = input.take() {
///     element.handle(Instant::from_millis(1), next);
///     while let Some(action) = element.poll_action() {
///         match action {
///             Action::Open { association, remote, .. } => {
///                 println!("connect to {remote}, call it {association}");
///             }
///             Action::Send { association, message } => println!("send {} octets", message.octets.len()),
///             Action::Close { association } | Action::Abort { association } => println!("end {association}"),
///             Action::Event(ElementEvent::Data { session, message }) => println!("a request from {session}"),
///             Action::Event(event) => println!("{event:?}"),
///             _ => {}
///         }
///     }
///     // Here a real loop waits for its sockets, but no longer than this:
///     let _until = element.poll_timeout();
/// }
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PoolElement<const SESSIONS: usize = 16, const OCTETS: usize = 1536> {
    config: ElementConfig,
    state: State,
    link: Link<MAX_REGISTRARS>,
    /// The home registrar's identifier, once a keep-alive has told it.
    home: ServerIdentifier,
    /// Registrations since the last success that have failed.
    failed_attempts: u8,
    /// When the last one failed that was counted.
    failed_at: Option<Instant>,
    /// When the last registration was sent.
    registered_at: Option<Instant>,
    /// When a change of the configuration is to be registered.
    change_due: Option<Instant>,
    query: Option<Query>,
    claim: Option<Claim>,
    /// When the home was asked last whether it lives.
    home_asked: Option<Instant>,
    sessions: Sessions<SESSIONS>,
    duty: Duty,
    failover_order: FailoverOrder,
    outbox: Outbox<Record, MAX_ACTIONS, OCTETS>,
    /// The endpoint of the last action, which borrows it.
    endpoint: Option<EndpointBuf>,
}

impl<const SESSIONS: usize, const OCTETS: usize> PoolElement<SESSIONS, OCTETS> {
    /// An element that is not registered yet.
    #[must_use]
    pub fn new(config: ElementConfig) -> Self {
        Self {
            link: Link::new(config.hunt),
            config,
            state: State::Idle,
            home: ServerIdentifier::NONE,
            failed_attempts: 0,
            failed_at: None,
            registered_at: None,
            change_due: None,
            query: None,
            claim: None,
            home_asked: None,
            sessions: Sessions::new(),
            duty: Duty::Serving,
            failover_order: FailoverOrder::default(),
            outbox: Outbox::new(),
            endpoint: None,
        }
    }

    /// Adds a registrar to the list that the hunt for a home goes through.
    ///
    /// # Errors
    ///
    /// The list is full.
    pub fn add_registrar(&mut self, endpoint: impl Into<EndpointBuf>) -> Result<(), TooManyRegistrars> {
        self.link.add(endpoint.into())
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &ElementConfig {
        &self.config
    }

    /// Whether it is a member of its pool, as far as it knows.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        matches!(self.state, State::Registered { .. })
    }

    /// Registers, or registers again with the configuration as it is now: the primitive of RFC 5352 §6.1. The
    /// answer comes as [`ElementEvent::Registered`] or [`ElementEvent::RegistrationFailed`].
    pub fn register(&mut self, now: Instant) {
        self.forget_failures();
        self.duty = Duty::Serving;
        self.pursue(now, Goal::Register);
    }

    /// Changes the policy and its values, and registers again if it is registered (RFC 5352 §6.5.2), but not before
    /// [`change_interval`](ElementConfig::change_interval) is over.
    pub fn set_policy(&mut self, now: Instant, policy: Policy<'static>) {
        self.config.policy = policy;
        self.changed(now);
    }

    /// Changes where its users reach it, and registers again like [`Self::set_policy`]. Its users that are there are given
    /// the new business card.
    ///
    /// # Errors
    ///
    /// Users cannot come there; nothing has changed.
    pub fn set_user_transport(&mut self, now: Instant, user_transport: UserTransport) -> Result<(), ConfigError> {
        user_transport.check()?;
        self.config.user_transport = user_transport;
        self.changed(now);
        self.sessions.renew_cards();
        Ok(())
    }

    /// Leaves the pool: the primitive of RFC 5352 §6.2. [`ElementEvent::Deregistered`] tells when it is done.
    pub fn deregister(&mut self, now: Instant) {
        match self.state {
            State::Idle => self.event(Record::Deregistered),
            State::Hunting(_) | State::Registering { .. } | State::Registered { .. } => {
                self.pursue(now, Goal::Deregister);
            }
            State::Deregistering { .. } => {}
        }
    }

    /// Leaves the pool, and takes no new users: [`ElementEvent::Drained`] tells when those that were there have gone. The
    /// application may send them away with [`Self::close_session`]; they go on with other elements.
    pub fn drain(&mut self, now: Instant) {
        if self.duty == Duty::Serving {
            self.duty = Duty::Draining;
            self.deregister(now);
            self.check_drained();
        }
    }

    /// Whether it is looking for a home registrar.
    #[must_use]
    pub fn is_hunting(&self) -> bool {
        self.link.is_hunting()
    }
}

impl<const SESSIONS: usize, const OCTETS: usize> Machine for PoolElement<SESSIONS, OCTETS> {
    type Event<'a> = ElementEvent<'a>;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Timeout => {}
            Input::Opened { association, .. } => self.opened(now, association),
            // Who comes in tells by its first message whether it is a user or a registrar.
            Input::Accepted { association, peer, .. } => self.accepted(association, peer),
            Input::OpenFailed { association, .. } => _ = self.link.failed(now, association, &mut self.outbox),
            Input::Closed { association, reason } => self.closed(now, association, reason),
            Input::Message { association, protocol: PayloadProtocol::ASAP, octets } => {
                self.message(now, association, octets);
            }
            Input::Message { association, protocol, octets } => self.data(association, protocol, octets),
            // Whether answers have arrived is for users to find out, who ask again.
            Input::Undelivered { .. } => {}
            Input::SendBuffer { association, state } => self.send_buffer(association, state),
            Input::Datagram { group: MulticastGroup::Asap, from, octets } => self.datagram(now, from, octets),
            Input::Datagram { .. } => {}
        }
        self.timeout(now);
        self.check_drained();
    }

    fn poll_action(&mut self) -> Option<Action<'_, ElementEvent<'_>>> {
        if self.outbox.is_empty() {
            self.give_cards();
        }
        let (record, octets) = self.outbox.pop()?;
        record.into_action(octets, &mut self.endpoint)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.state {
            State::Idle | State::Hunting(_) => None,
            State::Registered { t4 } => earliest(Some(t4), self.change_due),
            State::Registering { t2: at } | State::Deregistering { t3: at } => Some(at),
        };
        let query = self.query.as_ref().map(Query::t1);
        let claim = self.claim.as_ref().map(Claim::timeout);
        earliest(earliest(earliest(own, query), claim), self.link.poll_timeout())
    }
}

impl<const SESSIONS: usize, const OCTETS: usize> PoolElement<SESSIONS, OCTETS> {
    fn message(&mut self, now: Instant, association: AssociationId, octets: &[u8]) {
        let outbox = &mut self.outbox;
        let Some(message) = receive(octets, |reply| _ = send(outbox, association, reply)) else { return };
        if self.link.home() == Some(association) {
            self.refuse_claim();
        }
        match message.body {
            Body::RegistrationResponse(response) => self.registration_response(now, association, &response),
            Body::DeregistrationResponse(response) => self.deregistration_response(now, association, &response),
            Body::EndpointKeepAlive(keep_alive) => self.keep_alive(now, association, &keep_alive),
            Body::CookieEcho(cookie) if self.speaks_with(association).is_ok() => {
                let _ = self.outbox.push_octets(Record::CookieEcho { session: association }, cookie);
            }
            Body::BusinessCard(card) if self.speaks_with(association).is_ok() => {
                let _ = self.outbox.push_octets(Record::BusinessCard { session: association }, octets);
                self.resolve_card(now, association, card.pool_handle);
            }
            Body::HandleResolutionResponse(response) => self.resolution_response(association, octets, &response),
            Body::Error(causes) => self.error(association, causes),
            // What other roles are to handle.
            _ => {}
        }
    }

    fn accepted(&mut self, association: AssociationId, peer: Endpoint<'_>) {
        let has_left = self.duty != Duty::Serving && self.state == State::Idle;
        let origin = if self.link.knows(peer) { Origin::KnownRegistrar } else { Origin::Elsewhere };
        match if has_left { Added::No } else { self.sessions.add(association, origin) } {
            Added::Yes => {}
            Added::InsteadOf(silent) => self.turn_away(silent),
            Added::No => return self.turn_away(association),
        }
        if let Some(peer) = EndpointBuf::new(peer.protocol, peer.addresses, peer.port) {
            let record = Record::Accepted { session: association };
            let _ = self.outbox.push_with(record, |buffer| peer.pack(buffer));
        }
    }

    fn data(&mut self, session: AssociationId, protocol: PayloadProtocol, octets: &[u8]) {
        if self.speaks_with(session).is_err() {
            return;
        }
        if self.outbox.push_octets(Record::Data { session, protocol }, octets).is_err() {
            self.event(Record::MessageTooLarge { session, length: octets.len() });
        }
    }

    fn datagram(&mut self, now: Instant, from: SocketAddr, octets: &[u8]) {
        let Ok(decoded) = Message::decode(octets) else { return };
        let Body::ServerAnnounce(announce) = decoded.message.body else { return };
        self.link.announced(now, &announce, from, &mut self.outbox);
    }
}
