//! A node: a machine, its application, its clock, and where it is.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use rserpool::pool_element::{ElementConfig, PoolElement};
use rserpool::pool_user::{PoolUser, Updates, UserConfig};
use rserpool::registrar::{Announcements, Registrar, RegistrarConfig, RegistrarEvent, TakeoverSuggestions};
use rserpool::wire::{PayloadProtocol, PeIdentifier, Policy, ServerIdentifier, TransportUse};
use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, EndpointBuf, Input, Instant, Machine, MulticastGroup, OpenFailure,
    Progress, Protocol, Purpose, SendBuffer, UserTransport,
};

use crate::applications::{self, ElementApplication, UserApplication};
use crate::network::Message;
use crate::promise::{self, PoolMessage};
use crate::random::Random;
use crate::scenario::{Discovery, NodeId, Scenario};

pub(crate) const ASAP_PORT: u16 = 3863;
pub(crate) const ENRP_PORT: u16 = 9901;
pub(crate) const SERVICE_PORT: u16 = 7_000;

/// An element with room for many users.
pub(crate) type Element = PoolElement<256>;

/// A user with room for a session, and for messages to all elements of a small pool.
pub(crate) type User = PoolUser<8, 32, 4096>;

/// What a node has to be told.
#[derive(Debug)]
pub(crate) enum Told {
    Opened { association: AssociationId, peer: NodeId, port: u16 },
    Accepted { association: AssociationId, purpose: Purpose, peer: NodeId, port: u16 },
    OpenFailed { association: AssociationId },
    Closed { association: AssociationId, reason: CloseReason },
    Message { association: AssociationId, protocol: PayloadProtocol, octets: Vec<u8> },
    Undelivered { association: AssociationId, message: Message, progress: Progress },
    SendBuffer { association: AssociationId, state: SendBuffer },
    Datagram { from: NodeId, group: MulticastGroup, octets: Vec<u8> },
}

/// What a node wants to have done.
#[derive(Debug)]
pub(crate) enum Wanted {
    Open {
        association: AssociationId,
        purpose: Purpose,
        to: IpAddr,
        port: u16,
    },
    Send {
        association: AssociationId,
        message: Message,
    },
    End {
        association: AssociationId,
        reason: CloseReason,
    },
    Multicast {
        group: MulticastGroup,
        octets: Vec<u8>,
    },
    /// Something worth a line in the trace.
    Note(String),
    /// A registrar has taken another one over.
    TakenOver(ServerIdentifier),
    /// It has come to its orderly end.
    Leave,
    /// An element's application has got a message to its pool.
    Delivered {
        message: PoolMessage,
        element: PeIdentifier,
    },
    /// A user's application has said a message to its pool.
    Said(PoolMessage),
    /// It is told that one has not arrived, as far as is known.
    CameBack(PoolMessage),
    /// It is told that one was not sent.
    Unsent {
        message: PoolMessage,
        element: Option<PeIdentifier>,
    },
    /// An application has seen something that must not be.
    Complaint(String),
}

#[derive(Debug)]
pub(crate) enum Role {
    Registrar(Box<Registrar>),
    /// In the place of a registrar.
    Hostile,
    Element(Box<Element>, ElementApplication),
    User(Box<User>, UserApplication),
}

/// A node's own time.
#[derive(Clone, Copy, Debug)]
struct Clock {
    started_at: u64,
    offset: u64,
    /// Parts of a million that it goes too fast, if positive.
    drift: i64,
}

impl Clock {
    fn local(self, at: u64) -> Instant {
        let elapsed = at.saturating_sub(self.started_at);
        let gained = (i128::from(elapsed) * i128::from(self.drift) / 1_000_000) as i64;
        Instant::from_micros(self.offset + elapsed.saturating_add_signed(gained))
    }

    /// The first moment at which the node's clock shows `local`, or a little later.
    fn global(self, local: Instant) -> u64 {
        let elapsed = local.as_micros().saturating_sub(self.offset);
        let rate = (1_000_000 + self.drift).max(1) as u128;
        let elapsed = (u128::from(elapsed) * 1_000_000).div_ceil(rate).saturating_add(1);
        self.started_at.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) role: Role,
    clock: Clock,
    pub(crate) alive: bool,
    pub(crate) paused: bool,
    /// Whether it only seems to be there: its host answers for it.
    pub(crate) hangs: bool,
    /// What came in while it was paused.
    pub(crate) withheld: VecDeque<Told>,
    /// For when it is to be woken, if it is.
    pub(crate) wake_at: Option<u64>,
    /// The registrars that it was told of.
    known: Vec<NodeId>,
    /// Whether it is to be a member of its pool, if it is an element.
    pub(crate) member: bool,
    /// Names for associations that come in.
    accepted: u32,
    /// How many associations have failed, or were given up.
    pub(crate) failures: u64,
    /// How many elements it has reported as unreachable.
    pub(crate) reports: u64,
}

pub(crate) fn address(node: NodeId) -> IpAddr {
    let number = node.0 as u32 + 1;
    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | number))
}

/// The node at an address.
pub(crate) fn node_at(address: IpAddr) -> Option<NodeId> {
    let IpAddr::V4(address) = address else { return None };
    (address.to_bits() >> 24 == 10).then(|| NodeId((address.to_bits() & 0x00ff_ffff) as usize - 1))
}

/// The identifier of a registrar or an element: which node it is, and how often it was started under another one.
pub(crate) const fn identifier(node: NodeId, incarnation: u32) -> u32 {
    (node.0 as u32 + 1) | (incarnation + 1) << 24
}

fn endpoint(node: NodeId, port: u16) -> EndpointBuf {
    EndpointBuf::single(Protocol::Sctp, address(node), port)
}

/// The pool that an element belongs to, or that a user asks for.
fn pool(number: usize, scenario: &Scenario) -> String {
    let pools = scenario.elements.div_ceil(40).max(1);
    format!("pool-{}", number % pools)
}

/// Some other elements of an element's pool, for its business card.
fn failover_order(number: usize, scenario: &Scenario, random: &mut Random) -> Vec<NodeId> {
    let pools = scenario.elements.div_ceil(40).max(1);
    let mut others = Vec::new();
    for _ in 0..random.below(4) {
        let other = number % pools + pools * random.index(scenario.elements.div_ceil(pools));
        if other != number && other < scenario.elements {
            others.push(NodeId(scenario.registrars + other));
        }
    }
    others
}

/// The policy of a pool.
fn policy(pool: &str, number: usize) -> Policy<'static> {
    let value = number as u32 % 7;
    match pool.bytes().map(usize::from).sum::<usize>() % 4 {
        0 => Policy::LeastUsed { load: value << 24 },
        1 => Policy::WeightedRandom { weight: value + 1 },
        2 => Policy::Priority { priority: value },
        _ => Policy::RoundRobin,
    }
}

impl Node {
    /// A node that starts now. `incarnation` says how often it was started under another identifier before.
    pub(crate) fn new(id: NodeId, incarnation: u32, at: u64, scenario: &Scenario, random: &mut Random) -> Self {
        let drift = scenario.drift_ppm as i64;
        let clock = Clock {
            started_at: at,
            // Clocks start anywhere.
            offset: random.below(1 << 40),
            drift: random.below(2 * drift as u64 + 1) as i64 - drift,
        };
        let mut identifier = identifier(id, incarnation);
        if id.0 < scenario.namesakes.min(scenario.registrars) && incarnation == 0 {
            identifier = self::identifier(NodeId(0), 0);
        }
        let announced = scenario.discovery == Discovery::Announced;
        let known = if announced { 1 } else { scenario.registrars };
        // Not all know the same, or in the same order.
        let known: Vec<NodeId> = (0..known).map(|step| NodeId((id.0 + step) % scenario.registrars)).collect();
        let mut found = Vec::new();
        let role = if scenario.hostile_node() == Some(id) {
            Role::Hostile
        } else if id.0 < scenario.registrars {
            let mut config = RegistrarConfig::new(endpoint(id, ENRP_PORT), random.u64());
            config.identifier = ServerIdentifier(identifier);
            config.asap = vec![endpoint(id, ASAP_PORT)];
            if !announced {
                // Itself as well, as in a list that is the same everywhere.
                let others = (0..scenario.registrars).filter(|other| *other != id.0 || scenario.seed.is_multiple_of(4));
                config.peers = others.map(|other| endpoint(NodeId(other), ENRP_PORT)).collect();
            }
            if scenario.takeovers_are_suggested() {
                config.takeover_suggestions = TakeoverSuggestions::On;
            }
            config.announcements = if announced { Announcements::On } else { Announcements::Off };
            Role::Registrar(Box::new(Registrar::new(config)))
        } else if id.0 < scenario.registrars + scenario.elements {
            let number = id.0 - scenario.registrars;
            let pool = pool(number, scenario);
            let transport = UserTransport::sctp(&[address(id)], SERVICE_PORT, TransportUse::DataPlusControl);
            let config = transport
                .and_then(|transport| ElementConfig::new(pool.as_bytes(), PeIdentifier(identifier), transport).ok());
            let Some(mut config) = config else { unreachable_configuration() };
            config.policy = policy(&pool, number);
            let mut element = PoolElement::new(config);
            let failover_order = failover_order(number, scenario, random);
            let _ = promise::with_elements(&failover_order, |elements| element.set_failover_order(elements));
            // An element has room for a few.
            found.extend(
                known
                    .into_iter()
                    .take_while(|registrar| element.add_registrar(endpoint(*registrar, ASAP_PORT)).is_ok()),
            );
            element.register(clock.local(at));
            Role::Element(Box::new(element), ElementApplication::new(PeIdentifier(identifier)))
        } else {
            let mut config = UserConfig::default();
            config.seed = random.u64();
            config.updates = if random.chance(500_000) { Updates::Asked } else { Updates::Off };
            let mut user = User::new(config);
            found.extend(
                known.into_iter().take_while(|registrar| user.add_registrar(endpoint(*registrar, ASAP_PORT)).is_ok()),
            );
            Role::User(Box::new(user), UserApplication::new(pool(id.0, scenario), Random::new(random.u64())))
        };
        Self {
            role,
            clock,
            alive: true,
            paused: false,
            hangs: false,
            withheld: VecDeque::new(),
            wake_at: None,
            known: found,
            member: true,
            accepted: 0,
            failures: 0,
            reports: 0,
        }
    }

    /// Whether its host answers.
    pub(crate) const fn is_there(&self) -> bool {
        self.alive && (!self.paused || self.hangs)
    }

    pub(crate) fn local(&self, at: u64) -> Instant {
        self.clock.local(at)
    }

    /// Whether it can find a registrar, of those that live.
    pub(crate) fn can_find(&self, scenario: &Scenario, lives: impl Fn(NodeId) -> bool) -> bool {
        scenario.discovery == Discovery::Announced || self.known.iter().any(|registrar| lives(*registrar))
    }

    /// A name for an association that comes in.
    pub(crate) fn name(&mut self) -> AssociationId {
        self.accepted += 1;
        AssociationId::accepted(self.accepted)
    }

    /// When it wants to be woken.
    pub(crate) fn timeout(&self) -> Option<u64> {
        let timeout = match &self.role {
            Role::Registrar(registrar) => registrar.poll_timeout(),
            Role::Hostile => None,
            Role::Element(element, application) => {
                [element.poll_timeout(), application.timeout()].into_iter().flatten().min()
            }
            Role::User(user, application) => [user.poll_timeout(), application.timeout()].into_iter().flatten().min(),
        };
        timeout.map(|local| self.clock.global(local))
    }

    /// Hands on what it is told, or that time has passed.
    pub(crate) fn handle(&mut self, at: u64, told: Option<&Told>) {
        let now = self.local(at);
        let mut addresses = [IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        if let Some(Told::Opened { peer, .. } | Told::Accepted { peer, .. }) = told {
            addresses = [address(*peer)];
        }
        let peer = |port| Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port };
        let input = match told {
            None => Input::Timeout,
            Some(Told::Opened { association, port, .. }) => {
                Input::Opened { association: *association, peer: peer(*port) }
            }
            Some(Told::Accepted { association, purpose, port, .. }) => {
                Input::Accepted { association: *association, purpose: *purpose, peer: peer(*port) }
            }
            Some(Told::OpenFailed { association }) => {
                Input::OpenFailed { association: *association, reason: OpenFailure::Unreachable }
            }
            Some(Told::Closed { association, reason }) => Input::Closed { association: *association, reason: *reason },
            Some(Told::Message { association, protocol, octets }) => {
                Input::Message { association: *association, protocol: *protocol, octets }
            }
            Some(Told::Undelivered { association, message, progress }) => {
                Input::Undelivered { association: *association, message: message.as_outgoing(), progress: *progress }
            }
            Some(Told::SendBuffer { association, state }) => {
                Input::SendBuffer { association: *association, state: *state }
            }
            Some(Told::Datagram { from, group, octets }) => {
                Input::Datagram { group: *group, from: (address(*from), ASAP_PORT).into(), octets }
            }
        };
        match &mut self.role {
            Role::Registrar(registrar) => registrar.handle(now, input),
            Role::Hostile => {}
            Role::Element(element, _) => element.handle(now, input),
            Role::User(user, _) => user.handle(now, input),
        }
    }

    /// All that it wants to have done.
    pub(crate) fn wanted(&mut self, at: u64, wanted: &mut Vec<Wanted>) {
        let now = self.local(at);
        match &mut self.role {
            Role::Registrar(registrar) => {
                drain(&mut **registrar, wanted, |event, wanted| {
                    wanted.push(Wanted::Note(format!("{event:?}")));
                    match event {
                        RegistrarEvent::TakenOver { target, .. } => wanted.push(Wanted::TakenOver(target)),
                        RegistrarEvent::ShutDown => wanted.push(Wanted::Leave),
                        _ => {}
                    }
                });
            }
            Role::Hostile => {}
            Role::Element(element, application) => loop {
                drain(&mut **element, wanted, |event, wanted| application.event(now, event, wanted));
                if !application.act(element, now) {
                    break;
                }
            },
            Role::User(user, application) => loop {
                drain(&mut **user, wanted, |event, wanted| application.event(now, event, wanted));
                let goes_on = application.act(user, now);
                wanted.extend(application.take_said().map(Wanted::Said));
                if !goes_on {
                    break;
                }
            },
        }
    }
}

/// Fetches all actions of a machine.
fn drain<M: Machine>(machine: &mut M, wanted: &mut Vec<Wanted>, mut event: impl FnMut(M::Event<'_>, &mut Vec<Wanted>)) {
    while let Some(action) = machine.poll_action() {
        match action {
            Action::Open { association, purpose, remote } => {
                let to = remote.addresses.first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                wanted.push(Wanted::Open { association, purpose, to, port: remote.port });
            }
            Action::Send { association, message } => {
                let (protocol, failover, octets) = (message.protocol, message.failover, message.octets.to_vec());
                wanted.push(Wanted::Send { association, message: Message { protocol, failover, octets } });
            }
            Action::Close { association } => wanted.push(Wanted::End { association, reason: CloseReason::Shutdown }),
            Action::Abort { association } => wanted.push(Wanted::End { association, reason: CloseReason::Aborted }),
            Action::Multicast { group, octets } => wanted.push(Wanted::Multicast { group, octets: octets.to_vec() }),
            Action::Event(happened) => event(happened, wanted),
            _ => {}
        }
    }
}

#[expect(clippy::panic, reason = "the simulator makes the configuration itself")]
fn unreachable_configuration() -> ! {
    panic!("{}", applications::BROKEN)
}
