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
mod sessions;

use core::net::SocketAddr;

pub use self::config::{ElementConfig, MAX_POOL_HANDLE, UserTransport};
pub use self::event::{ElementEvent, IncomingMessage, RegistrationFailure};
pub use self::sessions::SendError;

use self::event::Record;
use crate::asap_input::receive;
use crate::client::{queue_hunt, send};
use crate::endpoint::EndpointBuf;
use crate::hunt::Hunt;
use crate::machine::{Action, AssociationId, AssociationNames, CloseReason, Input, Machine, MulticastGroup};
use crate::outbox::Outbox;
use crate::time::{Instant, earliest};
use crate::wire::asap::{self, Body, ElementReference, EndpointKeepAlive, Message};
use crate::wire::{PayloadProtocol, Policy, PoolHandle, ServerIdentifier};

/// How many registrars an element knows at most, configured and announced.
const MAX_REGISTRARS: usize = 4;
/// How many actions it queues at most.
const MAX_ACTIONS: usize = 16;

/// What to do once a home registrar is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Register,
    Deregister,
}

/// Where the element stands with its registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not registered and not about to be.
    Idle,
    /// Looking for a home registrar.
    Hunting(Goal),
    /// Waiting for the home registrar's answer to a registration until T2 expires.
    Registering { home: AssociationId, t2: Instant },
    /// A member of the pool. The registration is renewed as T4 expires.
    Registered { home: AssociationId, t4: Instant },
    /// Waiting for the home registrar's answer to a deregistration until T3 expires.
    Deregistering { home: AssociationId, t3: Instant },
}

/// A pool element. `OCTETS` is the room for messages that wait to be fetched with
/// [`poll_action`](Machine::poll_action), and so the limit of a message's size.
///
/// ```
/// use core::net::{IpAddr, Ipv4Addr};
/// use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement, UserTransport};
/// use rserpool::wire::{PeIdentifier, Policy, TransportUse};
/// use rserpool::{Action, EndpointBuf, Input, Instant, Machine, Protocol};
///
/// let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// let service = UserTransport::sctp(&[localhost], 7000, TransportUse::DataPlusControl).ok_or("no address")?;
/// let mut config = ElementConfig::new(b"echo", PeIdentifier(0x1234), service).ok_or("pool handle too long")?;
/// config.policy = Policy::RoundRobin;
///
/// let mut element: PoolElement = PoolElement::new(config);
/// element.add_registrar(EndpointBuf::single(Protocol::Sctp, localhost, 3863)).map_err(|_| "too many")?;
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
/// # Ok::<(), &'static str>(())
/// ```
#[derive(Debug)]
pub struct PoolElement<const OCTETS: usize = 1536> {
    config: ElementConfig,
    state: State,
    hunt: Hunt<MAX_REGISTRARS>,
    names: AssociationNames,
    /// The home registrar's identifier, once a keep-alive has told it.
    home: ServerIdentifier,
    /// Registrations since the last success that got no answer.
    attempts: u8,
    outbox: Outbox<Record, MAX_ACTIONS, OCTETS>,
    /// The record that the last action was made of, for what the action borrows.
    current: Option<Record>,
}

impl<const OCTETS: usize> PoolElement<OCTETS> {
    /// An element that is not registered yet.
    #[must_use]
    pub fn new(config: ElementConfig) -> Self {
        Self {
            hunt: Hunt::new(config.hunt),
            config,
            state: State::Idle,
            names: AssociationNames::default(),
            home: ServerIdentifier::NONE,
            attempts: 0,
            outbox: Outbox::new(),
            current: None,
        }
    }

    /// Adds a registrar to the list that the hunt for a home goes through.
    ///
    /// # Errors
    ///
    /// The list is full; the endpoint comes back.
    pub fn add_registrar(&mut self, endpoint: EndpointBuf) -> Result<(), EndpointBuf> {
        self.hunt.add(endpoint)
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
        self.attempts = 0;
        match self.state {
            State::Idle | State::Hunting(_) => self.hunt_for(now, Goal::Register),
            State::Registering { home, .. } | State::Registered { home, .. } | State::Deregistering { home, .. } => {
                self.send_registration(now, home);
            }
        }
    }

    /// Changes the policy and its values, and registers again if it is registered (RFC 5352 §6.5.2).
    pub fn set_policy(&mut self, now: Instant, policy: Policy<'static>) {
        self.config.policy = policy;
        if let State::Registered { home, .. } = self.state {
            self.send_registration(now, home);
        }
    }

    /// Leaves the pool: the primitive of RFC 5352 §6.2. [`ElementEvent::Deregistered`] tells when it is done.
    pub fn deregister(&mut self, now: Instant) {
        match self.state {
            State::Idle => self.event(Record::Deregistered),
            State::Hunting(_) => self.hunt_for(now, Goal::Deregister),
            State::Registering { home, .. } | State::Registered { home, .. } => self.send_deregistration(now, home),
            State::Deregistering { .. } => {}
        }
    }

    fn reference(config: &ElementConfig) -> ElementReference<'_> {
        ElementReference { pool_handle: PoolHandle::new(&config.pool_handle), identifier: config.identifier }
    }

    fn home_association(&self) -> Option<AssociationId> {
        match self.state {
            State::Registering { home, .. } | State::Registered { home, .. } | State::Deregistering { home, .. } => {
                Some(home)
            }
            State::Idle | State::Hunting(_) => None,
        }
    }

    fn hunt_for(&mut self, now: Instant, goal: Goal) {
        self.state = State::Hunting(goal);
        let Self { hunt, names, outbox, .. } = self;
        hunt.start(now, names, &mut |action| queue_hunt(outbox, &action));
    }

    /// RFC 5352 §3.1 R2–R4.
    fn send_registration(&mut self, now: Instant, home: AssociationId) {
        let Self { config, outbox, .. } = self;
        let element = config.pool_element();
        let message = Body::Registration(asap::Registration {
            pool_handle: PoolHandle::new(&config.pool_handle),
            pool_element: element,
        });
        // Without room for it T2 expires, and the element tries again.
        let _ = send(outbox, home, &message.into());
        self.state = State::Registering { home, t2: now + self.config.t2_registration };
    }

    /// RFC 5352 §3.2 D1–D4.
    fn send_deregistration(&mut self, now: Instant, home: AssociationId) {
        let message = Body::Deregistration(Self::reference(&self.config));
        let _ = send(&mut self.outbox, home, &message.into());
        self.state = State::Deregistering { home, t3: now + self.config.t3_deregistration };
    }

    fn event(&mut self, record: Record) {
        let _ = self.outbox.push(record);
    }

    /// The home registrar does not answer, or is gone: look for another (RFC 5352 §3.1, §3.2, §3.6).
    fn leave_home(&mut self, now: Instant, goal: Goal) {
        self.home = ServerIdentifier::NONE;
        self.hunt_for(now, goal);
    }

    fn opened(&mut self, now: Instant, association: AssociationId) {
        let Self { hunt, outbox, .. } = self;
        if !hunt.opened(now, association, &mut |action| queue_hunt(outbox, &action)) {
            // An attempt that was given up.
            let _ = self.outbox.push(Record::Abort { association });
            return;
        }
        match self.state {
            State::Hunting(Goal::Register) => self.send_registration(now, association),
            State::Hunting(Goal::Deregister) => self.send_deregistration(now, association),
            // The hunt is on in the state of hunting only.
            _ => {}
        }
    }

    fn closed(&mut self, now: Instant, association: AssociationId, reason: CloseReason) {
        if self.home_association() == Some(association) {
            let goal = match self.state {
                State::Deregistering { .. } => Goal::Deregister,
                _ => Goal::Register,
            };
            self.event(Record::HomeLost { reason });
            self.leave_home(now, goal);
            return;
        }
        if association.is_accepted() {
            self.event(Record::SessionClosed { session: association, reason });
        }
    }

    fn timeout(&mut self, now: Instant) {
        match self.state {
            State::Registering { home, t2 } if t2 <= now => {
                let _ = self.outbox.push(Record::Abort { association: home });
                self.attempts = self.attempts.saturating_add(1);
                // RFC 5352 §3.1: past the threshold, report and stop.
                if self.attempts > self.config.max_reg_attempt {
                    self.state = State::Idle;
                    self.event(Record::RegistrationFailed(RegistrationFailure::NoAnswer));
                } else {
                    self.leave_home(now, Goal::Register);
                }
            }
            State::Registered { home, t4 } if t4 <= now => self.send_registration(now, home),
            State::Deregistering { home, t3 } if t3 <= now => {
                let _ = self.outbox.push(Record::Abort { association: home });
                self.leave_home(now, Goal::Deregister);
            }
            _ => {}
        }
        let Self { hunt, names, outbox, .. } = self;
        hunt.timeout(now, names, &mut |action| queue_hunt(outbox, &action));
    }

    fn message(&mut self, now: Instant, association: AssociationId, octets: &[u8]) {
        let outbox = &mut self.outbox;
        let Some(message) = receive(octets, |reply| _ = send(outbox, association, reply)) else { return };
        match message.body {
            Body::RegistrationResponse(response) => self.registration_response(now, association, &response),
            Body::DeregistrationResponse(response) => self.deregistration_response(now, association, &response),
            Body::EndpointKeepAlive(keep_alive) => self.keep_alive(now, association, &keep_alive),
            Body::CookieEcho(cookie) if association.is_accepted() => {
                let _ = self.outbox.push_octets(Record::CookieEcho { session: association }, cookie);
            }
            // What other roles are to handle, and errors: nothing to be done about them here.
            _ => {}
        }
    }

    fn registration_response(
        &mut self,
        now: Instant,
        association: AssociationId,
        response: &asap::RegistrationResponse<'_>,
    ) {
        if response.element != Self::reference(&self.config) {
            return;
        }
        let State::Registering { home, .. } = self.state else { return };
        if home != association {
            return;
        }
        if response.rejected {
            let cause = response.error.and_then(|causes| causes.first()).map(|cause| cause.code);
            // RFC 5352 §3.1: MUST NOT try again without correcting the error. The application has to.
            self.state = State::Idle;
            let _ = self.outbox.push(Record::Close { association: home });
            self.event(Record::RegistrationFailed(RegistrationFailure::Rejected(cause)));
            return;
        }
        self.attempts = 0;
        self.state = State::Registered { home, t4: now + self.config.t4_reregistration() };
        self.event(Record::Registered { home: self.home });
    }

    fn deregistration_response(
        &mut self,
        now: Instant,
        association: AssociationId,
        response: &asap::DeregistrationResponse<'_>,
    ) {
        if response.element != Self::reference(&self.config) || self.home_association() != Some(association) {
            return;
        }
        let rejected = response.error.and_then(|causes| causes.first()).map(|cause| cause.code);
        match (self.state, rejected) {
            (State::Deregistering { home, .. }, None) => {
                self.state = State::Idle;
                let _ = self.outbox.push(Record::Close { association: home });
                self.event(Record::Deregistered);
            }
            (State::Deregistering { home, .. }, Some(cause)) => {
                self.state = State::Idle;
                let _ = self.outbox.push(Record::Close { association: home });
                self.event(Record::DeregistrationRejected { cause });
            }
            // Unasked for: the registration's life has ended (RFC 5352 §3.2). The application has not asked for that.
            (State::Registered { home, .. }, _) => {
                self.event(Record::RegistrationExpired);
                self.send_registration(now, home);
            }
            _ => {}
        }
    }

    /// RFC 5352 §3.4 KA1, KA2.
    fn keep_alive(&mut self, now: Instant, association: AssociationId, keep_alive: &EndpointKeepAlive<'_>) {
        let for_another = keep_alive.identifier.is_some_and(|identifier| identifier != self.config.identifier);
        if keep_alive.pool_handle != PoolHandle::new(&self.config.pool_handle) || for_another {
            return;
        }
        let message = Body::EndpointKeepAliveAck(Self::reference(&self.config));
        let _ = send(&mut self.outbox, association, &message.into());
        if self.home_association() == Some(association) {
            self.home = keep_alive.server;
        } else if keep_alive.new_home {
            // Also the old one, if it comes over a new association: the old association has ended, or soon will.
            self.adopt(now, association, keep_alive.server);
        }
    }

    /// A registrar has taken over: it is the home now.
    fn adopt(&mut self, now: Instant, association: AssociationId, server: ServerIdentifier) {
        let old = self.home_association().filter(|old| *old != association);
        match self.state {
            State::Idle => return,
            State::Registered { t4, .. } => self.state = State::Registered { home: association, t4 },
            // Whether the old home has handled the request is not known; the new one has not.
            State::Registering { .. } | State::Hunting(Goal::Register) => self.send_registration(now, association),
            State::Deregistering { .. } | State::Hunting(Goal::Deregister) => {
                self.send_deregistration(now, association);
            }
        }
        let Self { hunt, outbox, .. } = self;
        hunt.stop(&mut |action| queue_hunt(outbox, &action));
        if let Some(association) = old {
            let _ = self.outbox.push(Record::Close { association });
        }
        self.home = server;
        self.event(Record::HomeChanged { home: server });
    }
}

impl<const OCTETS: usize> Machine for PoolElement<OCTETS> {
    type Event<'a> = ElementEvent<'a>;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Timeout => {}
            Input::Opened { association, .. } => self.opened(now, association),
            // Who comes in tells by its first message whether it is a user or a registrar.
            Input::Accepted { association, peer } => {
                if let Some(peer) = EndpointBuf::new(peer.protocol, peer.addresses, peer.port) {
                    self.event(Record::Accepted { session: association, peer });
                }
            }
            Input::OpenFailed { association } => {
                let Self { hunt, names, outbox, .. } = self;
                hunt.failed(association, names, &mut |action| queue_hunt(outbox, &action));
            }
            Input::Closed { association, reason } => self.closed(now, association, reason),
            Input::Message { association, protocol: PayloadProtocol::ASAP, octets } => {
                self.message(now, association, octets);
            }
            Input::Message { association, protocol, octets } => {
                if self.outbox.push_octets(Record::Data { session: association, protocol }, octets).is_err() {
                    self.event(Record::MessageTooLarge { session: association, length: octets.len() });
                }
            }
            Input::Datagram { group: MulticastGroup::Asap, from, octets } => self.datagram(now, from, octets),
            Input::Datagram { .. } => {}
        }
        self.timeout(now);
    }

    fn poll_action(&mut self) -> Option<Action<'_, ElementEvent<'_>>> {
        let (record, octets) = self.outbox.pop()?;
        let record = self.current.insert(record);
        Some(record.as_action(octets))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.state {
            State::Idle | State::Hunting(_) => None,
            State::Registering { t2: at, .. }
            | State::Registered { t4: at, .. }
            | State::Deregistering { t3: at, .. } => Some(at),
        };
        earliest(own, self.hunt.poll_timeout())
    }
}

impl<const OCTETS: usize> PoolElement<OCTETS> {
    fn datagram(&mut self, now: Instant, from: SocketAddr, octets: &[u8]) {
        let Ok(decoded) = Message::decode(octets) else { return };
        let Body::ServerAnnounce(announce) = decoded.message.body else { return };
        let Self { hunt, names, outbox, .. } = self;
        hunt.announced(now, &announce, from, names, &mut |action| queue_hunt(outbox, &action));
    }
}
