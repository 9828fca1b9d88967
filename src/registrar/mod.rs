//! The registrar, which the RFCs also call ENRP server: it keeps the handlespace, serves elements and users
//! (ASAP, RFC 5352), and agrees with its peers and takes over from those that die (ENRP, RFC 5353).
//!
//! One file an affair: requests of elements and users and who may have them, what users are told by itself, keep-alives, peers,
//! announcements, identifiers, start-up, synchronization, takeover, the orderly end.

mod admission;
mod announce;
mod asap;
mod associations;
mod claims;
mod config;
mod contenders;
mod event;
mod guard;
mod identity;
mod keep_alive;
mod liveness;
mod monitors;
mod openings;
mod outbox;
mod peers;
mod reconfigure;
mod reports;
mod shutdown;
mod stall;
mod startup;
mod suggestion;
mod sync;
mod takeover;
mod timers;
mod updates;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

pub use self::config::{
    AddressCheck, Announcements, PeerAdmission, Rates, RegistrarConfig, RegistrarLimits, TakeoverSuggestions,
};
pub use self::event::{PeerRefusal, RegistrarEvent, RemovalReason};

use self::admission::LastRefusal;
use self::associations::{Associations, Standing};
use self::contenders::Contenders;
use self::event::Event;
use self::guard::Counts;
use self::monitors::Monitors;
use self::openings::{Attempt, Openings};
use self::outbox::{Outbox, Record};
use self::peers::{ConfiguredPeer, Peer};
use self::reconfigure::handlespace_limits;
use self::reports::Reports;
use self::stall::Stall;
use self::startup::{HeardMeanwhile, Phase};
use self::takeover::Takeover;
use self::timers::{Timer, Timers};
use self::updates::Updates;
use crate::handlespace::{ElementIndex, ElementTimer, Handlespace};
use crate::machine::{Action, AssociationId, Input, Machine, MulticastGroup, OpenFailure, Purpose};
use crate::random::Random;
use crate::time::{Instant, earliest};
use crate::wire::{PayloadProtocol, ServerIdentifier};

/// A registrar.
///
/// ```
/// use core::net::SocketAddr;
/// use rserpool::registrar::{Registrar, RegistrarConfig, RegistrarEvent};
/// use rserpool::{Action, Input, Instant, Machine};
///
/// let enrp = SocketAddr::from(([127, 0, 0, 1], 9901));
/// // A real one takes its seed from the operating system's randomness.
/// let mut registrar = Registrar::new(RegistrarConfig::new(enrp, 42));
///
/// // The event loop. This one has no network: it ends after its first round.
/// let mut input = Some(Input::Timeout);
/// while let Some(next) = input.take() {
///     registrar.handle(Instant::from_millis(1), next);
///     while let Some(action) = registrar.poll_action() {
///         match action {
///             Action::Open { association, remote, .. } => {
///                 println!("connect to {remote}, call it {association}");
///             }
///             Action::Send { association, message } => println!("send {} octets", message.octets.len()),
///             Action::Close { association } | Action::Abort { association } => println!("end {association}"),
///             Action::Multicast { octets, .. } => println!("announce {} octets", octets.len()),
///             Action::Event(RegistrarEvent::Serving) => println!("here I am"),
///             Action::Event(event) => println!("{event:?}"),
///             _ => {}
///         }
///     }
///     // Here a real loop waits for its sockets, but no longer than this:
///     let _until = registrar.poll_timeout();
/// }
/// assert!(registrar.is_serving());
/// ```
#[derive(Debug)]
pub struct Registrar {
    config: RegistrarConfig,
    identifier: ServerIdentifier,
    random: Random,
    phase: Phase,
    handlespace: Handlespace,
    /// The elements that this registrar owns or asks, and how they are.
    monitors: Monitors,
    reports: Reports,
    contenders: Contenders,
    associations: Associations,
    openings: Openings,
    /// What all associations together have asked for.
    counts: Counts,
    configured: alloc::vec::Vec<ConfiguredPeer>,
    peers: BTreeMap<ServerIdentifier, Peer>,
    /// The takeovers that this registrar has initiated, by target.
    takeovers: BTreeMap<ServerIdentifier, Takeover>,
    /// The dead peers whose elements are being claimed.
    claiming: BTreeSet<ServerIdentifier>,
    /// What homes have told while the handle table was being downloaded.
    heard_meanwhile: HeardMeanwhile,
    /// Elements that still have to learn that this registrar is their home.
    adopted: VecDeque<ElementIndex>,
    /// When it has changed its identifier last, as another registrar had the same.
    identifier_changed: Option<Instant>,
    last_refusal: LastRefusal,
    updates: Updates,
    timers: Timers,
    stall: Stall,
    /// Room for the elements of a response.
    scratch: alloc::vec::Vec<u8>,
    outbox: Outbox,
    current: Option<Record>,
}

impl Registrar {
    /// A registrar that begins its start-up with the first input.
    #[must_use]
    pub fn new(config: RegistrarConfig) -> Self {
        let mut random = Random::new(config.seed);
        // RFC 5353 §3.2.1: a random number that is not zero, the same for the registrar's lifetime.
        let identifier = match config.identifier {
            ServerIdentifier::NONE => ServerIdentifier(random.non_zero_u32()),
            identifier => identifier,
        };
        let configured = config.peers.iter().cloned().map(ConfiguredPeer::new).collect();
        let handlespace = Handlespace::new(handlespace_limits(&config), random.u64());
        let mut timers = Timers::default();
        timers.set(Timer::Start, Instant::ZERO);
        Self {
            identifier,
            random,
            phase: Phase::Starting,
            handlespace,
            monitors: Monitors::default(),
            reports: Reports::default(),
            contenders: Contenders::default(),
            associations: Associations::default(),
            openings: Openings::default(),
            counts: Counts::default(),
            configured,
            peers: BTreeMap::new(),
            takeovers: BTreeMap::new(),
            claiming: BTreeSet::new(),
            heard_meanwhile: HeardMeanwhile::default(),
            adopted: VecDeque::new(),
            identifier_changed: None,
            last_refusal: LastRefusal::default(),
            updates: Updates::default(),
            timers,
            stall: Stall::NONE,
            scratch: alloc::vec::Vec::new(),
            outbox: Outbox::default(),
            current: None,
            config,
        }
    }

    /// Its identifier among registrars. It changes if another one turns out to have the same.
    #[must_use]
    pub fn identifier(&self) -> ServerIdentifier {
        self.identifier
    }

    /// Whether its start-up is over and it serves elements and users.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// What it knows of pools and elements.
    #[must_use]
    pub fn handlespace(&self) -> &Handlespace {
        &self.handlespace
    }

    /// The registrars that it knows, without itself.
    pub fn peers(&self) -> impl Iterator<Item = ServerIdentifier> + '_ {
        self.peers.keys().copied()
    }

    /// The registrars that it is about to take over.
    pub fn takeovers(&self) -> impl Iterator<Item = ServerIdentifier> + '_ {
        self.takeovers.keys().copied().chain(self.claiming.iter().copied())
    }

    fn event(&mut self, event: Event) {
        self.outbox.push(Record::Event(event));
    }

    fn accepted(&mut self, now: Instant, association: AssociationId, purpose: Purpose, peer: crate::Endpoint<'_>) {
        let is_leaving = matches!(self.phase, Phase::Leaving { .. } | Phase::Gone);
        if is_leaving || self.associations.len() >= self.config.limits.associations {
            self.outbox.push(Record::Abort { association });
            return;
        }
        self.associations.accepted(association, purpose, peer);
        for address in peer.addresses {
            self.openings.is_inhabited(*address);
        }
        if purpose == Purpose::Enrp && !self.may_be_peer(peer) {
            self.refuse_peer(now, association, PeerRefusal::NotListed);
        }
    }

    fn opened(&mut self, now: Instant, association: AssociationId, peer: crate::Endpoint<'_>) {
        if !self.associations.opened(association, peer) {
            self.outbox.push(Record::Abort { association });
            return;
        }
        self.attempt_ended(association, Attempt::Succeeded);
        self.enrp_opened(now, association);
        self.keep_alive_opened(association);
    }

    fn ended(&mut self, now: Instant, association: AssociationId, failure: Option<OpenFailure>) {
        let Some(ended) = self.associations.remove(association) else { return };
        if ended.standing == Standing::Opening {
            // What cannot be done here says nothing of who is there.
            let is_local = failure == Some(OpenFailure::Local);
            self.attempt_ended(association, if is_local { Attempt::GivenUp } else { Attempt::Failed });
        }
        self.updates_ended(association);
        self.enrp_ended(now, association, &ended, failure);
        self.elements_ended(now, &ended, failure);
    }

    /// This registrar ends an association at once, and does without it.
    fn abort(&mut self, now: Instant, association: AssociationId) {
        self.outbox.push(Record::Abort { association });
        self.ended(now, association, None);
    }

    fn run_timers(&mut self, now: Instant) {
        // Timers set while these run are due at the next call, so that a step that goes on at once is interrupted.
        for timer in self.timers.take_due(now) {
            match timer {
                Timer::Start => self.start(now),
                Timer::Mentor => self.mentor_timeout(now),
                Timer::Reconnect => self.reconnect(now),
                Timer::Heartbeat => self.heartbeat(now),
                Timer::Announce => self.announce(now),
                Timer::PeerSilent(peer) => self.suspect(now, peer),
                Timer::PeerNoResponse(peer) if self.is_behind(now) => self.ask_whether_alive(now, peer),
                Timer::PeerNoResponse(peer) => self.peer_dead(now, peer),
                Timer::PeerNotActive(peer) => self.peer_not_taken_over(now, peer),
                Timer::Sync(peer) => self.end_audit(now, peer),
                Timer::Download(peer) => self.abort_download(peer),
                Timer::Discovery(association) => self.discovery_timeout(now, association),
                Timer::TakeoverAcks(target) => self.takeover_acks_timeout(now, target),
                Timer::Claim(target) => self.claim(now, target),
                Timer::Adopt => self.adopt(now),
                // They have their turn after each input.
                Timer::Updates | Timer::Openings => {}
                Timer::Leave => self.leave(now),
            }
        }
        // Whatever else is due, the next input has its turn first.
        for _ in 0..self.config.limits.elements_per_step.max(1) {
            let Some((index, timer)) = self.handlespace.take_due_timer(now) else { break };
            match timer {
                ElementTimer::Expiry if self.is_behind(now) => self.postpone_expiry(index),
                ElementTimer::Expiry => self.expired(now, index),
                ElementTimer::KeepAlive => self.keep_alive_due(now, index),
            }
        }
    }
}

impl Machine for Registrar {
    type Event<'a> = RegistrarEvent<'a>;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.notice_stall(now);
        match input {
            Input::Timeout => {}
            Input::Opened { association, peer } => self.opened(now, association, peer),
            Input::Accepted { association, purpose, peer } => {
                self.accepted(now, association, purpose, peer);
            }
            Input::OpenFailed { association, reason } => self.ended(now, association, Some(reason)),
            Input::Closed { association, .. } => self.ended(now, association, None),
            Input::Message { association, protocol: PayloadProtocol::ASAP, octets } => {
                self.asap_message(now, association, octets);
            }
            Input::Message { association, protocol: PayloadProtocol::ENRP, octets } => {
                self.enrp_message(now, association, octets);
            }
            Input::Undelivered { .. } | Input::SendBuffer { .. } => {}
            Input::Datagram { group: MulticastGroup::Enrp, octets, .. } => self.registrar_announced(now, octets),
            // Registrars have no data channel, and hear announcements of each other only.
            Input::Message { .. } | Input::Datagram { .. } => {}
        }
        self.run_timers(now);
        self.register_contenders(now);
        self.go_on_opening(now);
        self.tell_updates(now);
    }

    fn poll_action(&mut self) -> Option<Action<'_, RegistrarEvent<'_>>> {
        let record = self.outbox.pop()?;
        let record = self.current.insert(record);
        Some(record.as_action(self.outbox.octets()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.timers.next(), self.handlespace.next_timer())
    }
}

/// A pool handle with its element's identifier, owned.
pub(crate) type OwnedHandle = Box<[u8]>;
