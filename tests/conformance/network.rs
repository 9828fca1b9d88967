//! A network in memory, with virtual time: nodes with one machine each, associations between them, deaths and pauses.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rserpool::handlespace::Cursor;
use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement};
use rserpool::pool_user::{PoolUser, UserConfig, UserEvent};
use rserpool::registrar::{Registrar, RegistrarConfig, RegistrarEvent};
use rserpool::wire::{ErrorCause, PayloadProtocol, PeIdentifier, ServerIdentifier, TransportUse, asap};
use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, EndpointBuf, Input, Instant, Machine, OpenFailure, Protocol, Purpose,
    UserTransport,
};

use crate::events::{Event, Log};

/// How long anything takes from one node to another.
const DELAY: Duration = Duration::from_millis(1);
/// After how much time the transport notices that a peer is dead.
const LOSS: Duration = Duration::from_millis(300);
/// After how much time the transport gives up to open an association to a node that does not answer.
const GIVE_UP: Duration = Duration::from_secs(2);

pub(crate) const ASAP_PORT: u16 = 3863;
const ENRP_PORT: u16 = 9901;
const SERVICE_PORT: u16 = 7000;
const USER_PORTS: u16 = 50_000;

/// Where whoever is no node comes from.
pub(crate) const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Names a node.
pub(crate) type NodeId = usize;

/// A machine, and what it has told.
pub(crate) enum Role {
    Registrar(Box<Registrar>, Log<RegistrarEvent<'static>>),
    Element(Box<PoolElement>, Log<ElementEvent<'static>>),
    User(Box<PoolUser>, Log<UserEvent<'static>>),
}

/// An event that nodes of one role tell.
pub(crate) trait Told: Sized {
    /// What a node of this role has told. A node of another role never tells such an event: a test that looks for one
    /// there is wrong, and fails.
    fn by(role: &Role) -> &Log<Self>;
}

impl Told for RegistrarEvent<'static> {
    fn by(role: &Role) -> &Log<Self> {
        let Role::Registrar(_, events) = role else { panic!("no registrar") };
        events
    }
}

impl Told for ElementEvent<'static> {
    fn by(role: &Role) -> &Log<Self> {
        let Role::Element(_, events) = role else { panic!("no element") };
        events
    }
}

impl Told for UserEvent<'static> {
    fn by(role: &Role) -> &Log<Self> {
        let Role::User(_, events) = role else { panic!("no user") };
        events
    }
}

struct Node {
    role: Role,
    alive: bool,
    /// A paused node gets nothing until it goes on.
    paused: bool,
    withheld: Vec<Delivery>,
}

/// What comes to a node.
#[derive(Clone)]
enum Delivery {
    Opened(AssociationId, (IpAddr, u16)),
    Accepted(AssociationId, Purpose, (IpAddr, u16)),
    OpenFailed(AssociationId),
    Closed(AssociationId, CloseReason),
    Message(AssociationId, PayloadProtocol, Vec<u8>),
}

/// One end of an association: its node, its name there, its port.
#[derive(Clone, Copy, PartialEq, Eq)]
struct End {
    node: NodeId,
    association: AssociationId,
    port: u16,
}

/// A message that was sent: when, by whom, to whom, what.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) protocol: PayloadProtocol,
    pub(crate) octets: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct Network {
    pub(crate) now: Instant,
    nodes: Vec<Node>,
    links: Vec<[End; 2]>,
    /// Nodes between which nothing gets through.
    separated: Vec<[NodeId; 2]>,
    queue: BTreeMap<(Instant, u64), (NodeId, Delivery)>,
    sequence: u64,
    accepted: u32,
    user_ports: u16,
    /// Every message, in order.
    pub(crate) sent: Vec<Sent>,
    /// Every attempt to open an association: when, and by whom.
    pub(crate) attempts: Vec<(Instant, NodeId)>,
}

pub(crate) fn address(node: NodeId) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, node as u8 + 1))
}

/// What the endpoint at a port is for.
fn purpose_of(port: u16) -> Purpose {
    match port {
        ASAP_PORT => Purpose::Asap,
        ENRP_PORT => Purpose::Enrp,
        _ => Purpose::Session,
    }
}

fn registrar_config(node: NodeId, peers: &[NodeId]) -> RegistrarConfig {
    let enrp = |node| EndpointBuf::single(Protocol::Sctp, address(node), ENRP_PORT);
    let mut config = RegistrarConfig::new(enrp(node), node as u64);
    config.identifier = ServerIdentifier(0x100 + node as u32);
    config.peers = peers.iter().map(|peer| enrp(*peer)).collect();
    config
}

/// Registrars that know each other and serve.
pub(crate) fn cluster(size: usize) -> (Network, Vec<NodeId>) {
    let mut net = Network::new();
    let mut registrars = Vec::new();
    for _ in 0..size {
        registrars.push(net.registrar(&registrars.clone()));
        net.run(Duration::from_secs(1));
    }
    assert!(registrars.iter().all(|registrar| net.is_serving(*registrar)));
    (net, registrars)
}

impl Network {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn add(&mut self, role: Role) -> NodeId {
        self.nodes.push(Node { role, alive: true, paused: false, withheld: Vec::new() });
        let node = self.nodes.len() - 1;
        self.pump(node);
        node
    }

    /// A registrar with the identifier 0x100 + its number, which knows `peers`.
    pub(crate) fn registrar(&mut self, peers: &[NodeId]) -> NodeId {
        self.registrar_with(peers, |_| {})
    }

    pub(crate) fn registrar_with(&mut self, peers: &[NodeId], adjust: impl FnOnce(&mut RegistrarConfig)) -> NodeId {
        let mut config = registrar_config(self.nodes.len(), peers);
        adjust(&mut config);
        self.add(Role::Registrar(Box::new(Registrar::new(config)), Log::default()))
    }

    /// An element that registers at once.
    pub(crate) fn element(&mut self, pool: &str, identifier: u32, registrars: &[NodeId]) -> NodeId {
        self.element_with(pool, identifier, registrars, |_| {})
    }

    pub(crate) fn element_with(
        &mut self,
        pool: &str,
        identifier: u32,
        registrars: &[NodeId],
        adjust: impl FnOnce(&mut ElementConfig),
    ) -> NodeId {
        let transport =
            UserTransport::sctp(&[address(self.nodes.len())], SERVICE_PORT, TransportUse::DataPlusControl).unwrap();
        let mut config = ElementConfig::new(pool.as_bytes(), PeIdentifier(identifier), transport).unwrap();
        adjust(&mut config);
        let mut element = PoolElement::new(config);
        for registrar in registrars {
            element.add_registrar(EndpointBuf::single(Protocol::Sctp, address(*registrar), ASAP_PORT)).unwrap();
        }
        element.register(self.now);
        self.add(Role::Element(Box::new(element), Log::default()))
    }

    pub(crate) fn user(&mut self, registrars: &[NodeId]) -> NodeId {
        self.user_with(registrars, UserConfig::default())
    }

    pub(crate) fn user_with(&mut self, registrars: &[NodeId], config: UserConfig) -> NodeId {
        let mut user = PoolUser::new(config);
        for registrar in registrars {
            user.add_registrar(EndpointBuf::single(Protocol::Sctp, address(*registrar), ASAP_PORT)).unwrap();
        }
        self.add(Role::User(Box::new(user), Log::default()))
    }

    /// A registrar's process ends and starts again, and nobody has noticed yet.
    pub(crate) fn restart_registrar(&mut self, node: NodeId, peers: &[NodeId]) {
        self.kill(node);
        let config = registrar_config(node, peers);
        let Role::Registrar(registrar, _) = &mut self.nodes[node].role else { panic!("no registrar") };
        **registrar = Registrar::new(config);
        self.nodes[node].alive = true;
        self.pump(node);
    }

    /// Gives a registrar to `act`, and carries out what that leads to.
    pub(crate) fn with_registrar<R>(&mut self, node: NodeId, act: impl FnOnce(&mut Registrar, Instant) -> R) -> R {
        let now = self.now;
        let Role::Registrar(registrar, _) = &mut self.nodes[node].role else { panic!("no registrar") };
        let result = act(registrar, now);
        self.pump(node);
        result
    }

    pub(crate) fn with_element<R>(&mut self, node: NodeId, act: impl FnOnce(&mut PoolElement, Instant) -> R) -> R {
        let now = self.now;
        let Role::Element(element, _) = &mut self.nodes[node].role else { panic!("no element") };
        let result = act(element, now);
        self.pump(node);
        result
    }

    pub(crate) fn with_user<R>(&mut self, node: NodeId, act: impl FnOnce(&mut PoolUser, Instant) -> R) -> R {
        let now = self.now;
        let Role::User(user, _) = &mut self.nodes[node].role else { panic!("no user") };
        let result = act(user, now);
        self.pump(node);
        result
    }

    /// Kills a node: it does nothing any more, and its peers notice after a while.
    pub(crate) fn kill(&mut self, node: NodeId) {
        self.nodes[node].alive = false;
        let (gone, kept) =
            std::mem::take(&mut self.links).into_iter().partition(|ends| ends.iter().any(|e| e.node == node));
        self.links = kept;
        let gone: Vec<[End; 2]> = gone;
        for other in gone.into_iter().flatten().filter(|end| end.node != node) {
            self.deliver(LOSS, other.node, Delivery::Closed(other.association, CloseReason::Lost));
        }
    }

    /// Stops a node without ending its associations.
    pub(crate) fn pause(&mut self, node: NodeId) {
        self.nodes[node].paused = true;
    }

    pub(crate) fn resume(&mut self, node: NodeId) {
        self.nodes[node].paused = false;
        for delivery in std::mem::take(&mut self.nodes[node].withheld) {
            self.deliver(Duration::ZERO, node, delivery);
        }
    }

    /// Cuts all associations between two nodes; both notice.
    pub(crate) fn cut(&mut self, a: NodeId, b: NodeId) {
        let between = |ends: &[End; 2]| ends.iter().all(|end| end.node == a || end.node == b);
        let (gone, kept) = std::mem::take(&mut self.links).into_iter().partition(between);
        self.links = kept;
        let gone: Vec<[End; 2]> = gone;
        for end in gone.into_iter().flatten() {
            self.deliver(LOSS, end.node, Delivery::Closed(end.association, CloseReason::Lost));
        }
    }

    /// Cuts all associations between two nodes, and lets nothing through until they are joined.
    pub(crate) fn separate(&mut self, a: NodeId, b: NodeId) {
        self.cut(a, b);
        self.separated.push([a, b]);
    }

    pub(crate) fn join(&mut self, a: NodeId, b: NodeId) {
        self.separated.retain(|pair| *pair != [a, b]);
    }

    fn are_separated(&self, a: NodeId, b: NodeId) -> bool {
        self.separated.iter().any(|pair| pair.contains(&a) && pair.contains(&b))
    }

    /// Sends octets to a node on a new association, as a stranger would.
    pub(crate) fn inject(&mut self, to: NodeId, protocol: PayloadProtocol, octets: &[u8]) -> AssociationId {
        self.inject_from(STRANGER, to, protocol, octets)
    }

    /// The same from an address.
    pub(crate) fn inject_from(
        &mut self,
        from: IpAddr,
        to: NodeId,
        protocol: PayloadProtocol,
        octets: &[u8],
    ) -> AssociationId {
        let association = self.new_accepted();
        let stranger = (from, 40_000 + self.accepted as u16);
        let purpose = if protocol == PayloadProtocol::ENRP { Purpose::Enrp } else { Purpose::Asap };
        self.deliver(Duration::ZERO, to, Delivery::Accepted(association, purpose, stranger));
        self.inject_on(to, association, protocol, octets);
        association
    }

    /// Sends octets to a node on an association of [`Self::inject`].
    pub(crate) fn inject_on(
        &mut self,
        to: NodeId,
        association: AssociationId,
        protocol: PayloadProtocol,
        octets: &[u8],
    ) {
        self.deliver(Duration::ZERO, to, Delivery::Message(association, protocol, octets.to_vec()));
    }

    fn new_accepted(&mut self) -> AssociationId {
        self.accepted += 1;
        AssociationId::accepted(self.accepted)
    }

    fn deliver(&mut self, delay: Duration, node: NodeId, delivery: Delivery) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), (node, delivery));
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_until(end, |_| false);
        self.now = end;
    }

    /// Lets time pass until `done`, and fails if that takes longer than `limit`.
    #[track_caller]
    pub(crate) fn wait(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.now + limit;
        assert!(self.run_until(end, done), "not within {limit:?}");
    }

    fn run_until(&mut self, end: Instant, done: impl Fn(&Self) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            let timeouts = self.nodes.iter().enumerate().filter(|(_, node)| node.alive && !node.paused);
            let timeout = timeouts.filter_map(|(id, node)| Some((node.poll_timeout()?, id))).min();
            let delivery = self.queue.keys().next().copied();
            let next = [timeout.map(|(at, _)| at), delivery.map(|(at, _)| at)].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { return false };
            self.now = self.now.max(next);
            match delivery.filter(|(at, _)| *at <= next) {
                Some(key) => {
                    let (node, delivery) = self.queue.remove(&key).unwrap();
                    self.handle(node, delivery);
                }
                None => {
                    let (_, node) = timeout.unwrap();
                    self.nodes[node].handle(self.now, Input::Timeout);
                    self.pump(node);
                    let again = self.nodes[node].poll_timeout();
                    assert!(again.is_none_or(|again| again >= self.now), "a timeout in the past");
                }
            }
        }
    }

    fn handle(&mut self, node: NodeId, delivery: Delivery) {
        if !self.nodes[node].alive {
            return;
        }
        if self.nodes[node].paused {
            self.nodes[node].withheld.push(delivery);
            return;
        }
        let (now, target) = (self.now, &mut self.nodes[node]);
        let (address, port) = match &delivery {
            Delivery::Opened(_, peer) | Delivery::Accepted(_, _, peer) => *peer,
            _ => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        };
        let addresses = [address];
        let peer = Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port };
        let input = match &delivery {
            Delivery::Opened(association, _) => Input::Opened { association: *association, peer },
            Delivery::Accepted(association, purpose, _) => {
                Input::Accepted { association: *association, purpose: *purpose, peer }
            }
            Delivery::OpenFailed(association) => {
                Input::OpenFailed { association: *association, reason: OpenFailure::Unreachable }
            }
            Delivery::Closed(association, reason) => Input::Closed { association: *association, reason: *reason },
            Delivery::Message(association, protocol, octets) => {
                Input::Message { association: *association, protocol: *protocol, octets }
            }
        };
        target.handle(now, input);
        self.pump(node);
    }

    /// Carries out all that a node wants to have done.
    fn pump(&mut self, node: NodeId) {
        for action in self.nodes[node].actions(self.now) {
            match action {
                Wanted::Open(association, purpose, remote) => self.open(node, association, purpose, &remote),
                Wanted::Send(association, protocol, octets) => {
                    let Some((_, other)) = self.find(node, association) else { continue };
                    self.sent.push(Sent { at: self.now, from: node, to: other.node, protocol, octets: octets.clone() });
                    self.deliver(DELAY, other.node, Delivery::Message(other.association, protocol, octets));
                }
                Wanted::End(association, reason) => {
                    let Some((index, other)) = self.find(node, association) else { continue };
                    self.links.remove(index);
                    self.deliver(DELAY, other.node, Delivery::Closed(other.association, reason));
                }
            }
        }
    }

    /// The port that an association is opened from. Users have another one each time.
    fn port(&mut self, node: NodeId, purpose: Purpose) -> u16 {
        match (&self.nodes[node].role, purpose) {
            (Role::Registrar(..), Purpose::Enrp) => ENRP_PORT,
            (Role::Registrar(..), _) => ASAP_PORT,
            (Role::Element(..), _) => SERVICE_PORT,
            (Role::User(..), _) => {
                self.user_ports += 1;
                USER_PORTS + self.user_ports
            }
        }
    }

    /// The link of an association, and its other end.
    fn find(&self, node: NodeId, association: AssociationId) -> Option<(usize, End)> {
        self.links.iter().enumerate().find_map(|(index, [a, b])| {
            if (a.node, a.association) == (node, association) {
                return Some((index, *b));
            }
            ((b.node, b.association) == (node, association)).then_some((index, *a))
        })
    }

    fn open(&mut self, node: NodeId, association: AssociationId, purpose: Purpose, remote: &EndpointBuf) {
        self.attempts.push((self.now, node));
        let remote = remote.as_endpoint();
        let target = (0..self.nodes.len())
            .find(|target| remote.addresses.contains(&address(*target)) && self.nodes[*target].listens_at(remote.port));
        let port = self.port(node, purpose);
        let Some(target) = target.filter(|target| self.nodes[*target].alive) else {
            self.deliver(10 * DELAY, node, Delivery::OpenFailed(association));
            return;
        };
        if self.nodes[target].paused || self.are_separated(node, target) {
            self.deliver(GIVE_UP, node, Delivery::OpenFailed(association));
            return;
        }
        let exists = |[a, b]: &[End; 2]| {
            let pair = [(a.node, a.port), (b.node, b.port)];
            pair.contains(&(node, port)) && pair.contains(&(target, remote.port))
        };
        // SCTP knows one association between two ports, and a machine that asks for a second has lost count. Only
        // when both ask at the same time it cannot know.
        assert!(
            !self.links.iter().any(exists) || purpose == Purpose::Enrp,
            "{node} opens a second association to {target}"
        );
        let accepted = self.new_accepted();
        let ours = End { node, association, port };
        let theirs = End { node: target, association: accepted, port: remote.port };
        self.links.push([ours, theirs]);
        self.deliver(DELAY, target, Delivery::Accepted(accepted, purpose_of(remote.port), (address(node), port)));
        self.deliver(2 * DELAY, node, Delivery::Opened(association, (address(target), remote.port)));
    }

    /// What a node has told.
    pub(crate) fn events<E: Told>(&self, node: NodeId) -> &Log<E> {
        E::by(&self.nodes[node].role)
    }

    /// The messages of a protocol and type that a node has sent to another.
    pub(crate) fn messages(&self, from: NodeId, to: NodeId, protocol: PayloadProtocol, kind: u8) -> Vec<&Sent> {
        let matching = |sent: &&Sent| {
            (sent.from, sent.to, sent.protocol) == (from, to, protocol) && sent.octets.first() == Some(&kind)
        };
        self.sent.iter().filter(matching).collect()
    }

    /// Shows the error cause with which a registrar has first refused an element.
    #[track_caller]
    pub(crate) fn refused(&self, registrar: NodeId, element: NodeId, look: impl FnOnce(ErrorCause<'_>)) {
        let kind = asap::message_type::REGISTRATION_RESPONSE;
        let answers = self.messages(registrar, element, PayloadProtocol::ASAP, kind);
        let decoded = asap::Message::decode(&answers[0].octets).unwrap();
        let asap::Body::RegistrationResponse(response) = decoded.message.body else { panic!("another answer") };
        assert!(response.rejected);
        look(response.error.unwrap().first().unwrap());
    }

    /// The elements of a pool as a registrar knows them: identifier and home.
    pub(crate) fn table(&self, registrar: NodeId) -> Vec<(u32, u32)> {
        let Role::Registrar(registrar, _) = &self.nodes[registrar].role else { panic!("no registrar") };
        let handlespace = registrar.handlespace();
        let elements = handlespace.read_from(Cursor::START, None);
        let mut elements: Vec<_> =
            elements.map(|(e, _)| (handlespace.pool_handle(e), e.identifier().0, e.home().0)).collect();
        elements.sort_unstable();
        elements.into_iter().map(|(_, identifier, home)| (identifier, home)).collect()
    }

    /// A registrar's elements: where their users come to, in the order of identifiers.
    pub(crate) fn places(&self, registrar: NodeId) -> Vec<IpAddr> {
        let Role::Registrar(registrar, _) = &self.nodes[registrar].role else { panic!("no registrar") };
        let elements = registrar.handlespace().read_from(Cursor::START, None);
        let mut elements: Vec<_> = elements.map(|(element, _)| element.view()).collect();
        elements.sort_unstable_by_key(|element| element.identifier);
        elements.iter().flat_map(|element| element.user_transport.addresses()).collect()
    }

    pub(crate) fn is_serving(&self, registrar: NodeId) -> bool {
        let Role::Registrar(registrar, _) = &self.nodes[registrar].role else { panic!("no registrar") };
        registrar.is_serving()
    }

    pub(crate) fn peers(&self, registrar: NodeId) -> Vec<u32> {
        let Role::Registrar(registrar, _) = &self.nodes[registrar].role else { panic!("no registrar") };
        registrar.peers().map(|peer| peer.0).collect()
    }
}

/// A test that fails shows what all nodes have told.
impl Drop for Network {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut all: Vec<_> = (self.nodes.iter().enumerate())
                .flat_map(|(id, node)| node.lines().into_iter().map(move |(at, event)| (at, id, event)))
                .collect();
            all.sort_by_key(|(at, id, _)| (*at, *id));
            for (at, id, event) in all {
                eprintln!("{:>9} us  node {id}  {event}", at.as_micros());
            }
        }
    }
}

/// What a machine wants, owned.
enum Wanted {
    Open(AssociationId, Purpose, EndpointBuf),
    Send(AssociationId, PayloadProtocol, Vec<u8>),
    End(AssociationId, CloseReason),
}

fn drain<M: Machine, E: Copy + Debug>(machine: &mut M, now: Instant, events: &mut Log<E>) -> Vec<Wanted>
where
    for<'a> M::Event<'a>: Event<Kept = E>,
{
    let mut wanted = Vec::new();
    while let Some(action) = machine.poll_action() {
        wanted.push(match action {
            Action::Open { association, purpose, remote } => {
                let remote = EndpointBuf::new(remote.protocol, remote.addresses, remote.port).unwrap();
                Wanted::Open(association, purpose, remote)
            }
            Action::Send { association, message } => {
                Wanted::Send(association, message.protocol, message.octets.to_vec())
            }
            Action::Close { association } => Wanted::End(association, CloseReason::Shutdown),
            Action::Abort { association } => Wanted::End(association, CloseReason::Aborted),
            Action::Event(event) => {
                events.push(now, event);
                continue;
            }
            _ => continue,
        });
    }
    wanted
}

impl Node {
    fn handle(&mut self, now: Instant, input: Input<'_>) {
        match &mut self.role {
            Role::Registrar(machine, _) => machine.handle(now, input),
            Role::Element(machine, _) => machine.handle(now, input),
            Role::User(machine, _) => machine.handle(now, input),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.role {
            Role::Registrar(machine, _) => machine.poll_timeout(),
            Role::Element(machine, _) => machine.poll_timeout(),
            Role::User(machine, _) => machine.poll_timeout(),
        }
    }

    fn actions(&mut self, now: Instant) -> Vec<Wanted> {
        match &mut self.role {
            Role::Registrar(machine, events) => drain(machine.as_mut(), now, events),
            Role::Element(machine, events) => drain(machine.as_mut(), now, events),
            Role::User(machine, events) => drain(machine.as_mut(), now, events),
        }
    }

    /// What it has told, for people to read.
    fn lines(&self) -> Vec<(Instant, String)> {
        match &self.role {
            Role::Registrar(_, events) => events.lines().collect(),
            Role::Element(_, events) => events.lines().collect(),
            Role::User(_, events) => events.lines().collect(),
        }
    }

    fn listens_at(&self, port: u16) -> bool {
        match self.role {
            Role::Registrar(..) => port == ASAP_PORT || port == ENRP_PORT,
            Role::Element(..) => port == SERVICE_PORT,
            Role::User(..) => false,
        }
    }
}
