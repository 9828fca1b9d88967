//! Running a scenario: what happens when, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rserpool::wire::{PayloadProtocol, Policy};
use rserpool::{CloseReason, Failover, MulticastGroup, Purpose};

use crate::check;
use crate::network::{LinkId, Message, Network, Trouble, other};
use crate::node::{ASAP_PORT, ENRP_PORT, Node, Role, Told, Wanted, address};
use crate::promise::Ledger;
use crate::random::Random;
use crate::scenario::{FaultKind, How, NodeId, Scenario};
use crate::trace::{Happening, Keep, Trace, TraceEntry};
use crate::truth::Truth;

/// How a simulation went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// A number that is the same for the same trace.
    pub digest: u64,
    /// How much time passed in the simulation.
    pub virtual_us: u64,
    /// Messages that were sent.
    pub messages: u64,
    /// Requests of users.
    pub requests: u64,
    /// Answers to them.
    pub answered: u64,
    /// How many messages each node has sent.
    pub sent: Vec<u64>,
    /// Promises that were broken, in words.
    pub violations: Vec<String>,
    /// The trace, if it was asked for.
    pub trace: Vec<TraceEntry>,
}

/// How often the end is put off.
const MANY_EXTENSIONS: usize = 20;

/// So many broken promises are enough.
const MANY_VIOLATIONS: usize = 20;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// A node's time has come, if it still waits for it.
    Wake(NodeId),
    /// A node is told something that has nothing to do with a link.
    Tell(NodeId, Told),
    /// A message is at the end of its way.
    Arrive { link: LinkId, side: usize, protocol: PayloadProtocol, octets: Vec<u8> },
    /// What has not got through is sent again.
    Retry { link: LinkId, side: usize },
    /// An association is asked for, so many times in vain before.
    Connect { link: LinkId, port: u16, peer_port: u16, attempts: u32 },
    /// An end learns that its association is over.
    End { link: LinkId, side: usize, reason: CloseReason },
    /// Whether an idle association has noticed that its other end does not answer.
    Notice { link: LinkId },
    /// A fault strikes.
    Fault(usize),
    /// A hostile node says something.
    Hostility(usize),
}

/// How a node goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vanishing {
    AtOnce,
    InOrder,
}

pub(crate) struct Simulation<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) now: u64,
    pub(crate) sequence: u64,
    /// By time, then by the order in which they were planned; the events themselves are in `events`.
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    pub(crate) nodes: Vec<Node>,
    incarnations: Vec<u32>,
    pub(crate) network: Network,
    pub(crate) random: Random,
    trace: Trace,
    pub(crate) truth: Truth,
    /// How many messages each node has sent, and had sent when the tables were last looked at.
    pub(crate) sent: Vec<u64>,
    pub(crate) sent_before: Vec<u64>,
    pub(crate) violations: Vec<String>,
    pub(crate) ledger: Ledger,
    wanted: Vec<Wanted>,
}

/// Runs a scenario.
#[must_use]
pub fn run(scenario: &Scenario) -> Report {
    simulate(scenario, Keep::Digest)
}

/// Runs a scenario, and keeps its trace.
#[must_use]
pub fn run_with_trace(scenario: &Scenario) -> Report {
    simulate(scenario, Keep::Entries)
}

fn simulate(scenario: &Scenario, keep: Keep) -> Report {
    let mut simulation = Simulation::new(scenario, keep);
    simulation.run_checked_until(scenario.faults_until_us);
    simulation.heal();
    let before = check::progress(&simulation);
    let end = scenario.faults_until_us + scenario.quiet_us;
    simulation.run_checked_until(end.saturating_sub(check::COST_US).max(scenario.faults_until_us));
    let sent_before = simulation.sent.clone();
    simulation.run_checked_until(end);
    if scenario.quiet_us >= 2 * check::COST_US && simulation.truth.quiet_for(simulation.now) >= check::COST_US {
        check::cost(&mut simulation, &sent_before);
    }
    // Packets are lost all the time, and now and then an association with them. Then it takes a while again.
    for _ in 0..MANY_EXTENSIONS {
        let quiet = simulation.truth.quiet_for(simulation.now);
        if quiet >= check::EXTENSION_US || scenario.quiet_us < check::EXTENSION_US {
            break;
        }
        simulation.run_checked_until(simulation.now + check::EXTENSION_US - quiet);
    }
    check::settled(&mut simulation, &before);
    let (requests, answered) = check::requests(&simulation);
    Report {
        digest: simulation.trace.digest(),
        virtual_us: simulation.now,
        messages: simulation.sent.iter().sum(),
        requests,
        answered,
        sent: simulation.sent,
        violations: simulation.violations,
        trace: simulation.trace.entries,
    }
}

impl<'s> Simulation<'s> {
    fn new(scenario: &'s Scenario, keep: Keep) -> Self {
        let mut random = Random::new(scenario.seed);
        let nodes: Vec<Node> =
            (0..scenario.nodes()).map(|id| Node::new(NodeId(id), 0, 0, scenario, &mut random)).collect();
        let mut simulation = Self {
            scenario,
            now: 0,
            sequence: 0,
            queue: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            incarnations: vec![0; nodes.len()],
            nodes,
            network: Network::new(scenario.nodes()),
            random,
            trace: Trace::new(keep),
            truth: Truth::default(),
            sent: vec![0; scenario.nodes()],
            sent_before: vec![0; scenario.nodes()],
            violations: Vec::new(),
            ledger: Ledger::default(),
            wanted: Vec::new(),
        };
        for id in 0..simulation.nodes.len() {
            // Not all at the same moment.
            let at = simulation.random.below(2_000_000);
            simulation.plan_wake(NodeId(id), at);
        }
        for (number, fault) in scenario.faults.iter().enumerate() {
            simulation.plan(fault.at_us, Event::Fault(number));
        }
        for (number, hostility) in scenario.hostile.iter().enumerate() {
            simulation.plan(hostility.at_us, Event::Hostility(number));
        }
        simulation
    }

    /// Notes what happens at a node.
    pub(crate) fn note(&mut self, id: NodeId, what: Happening) {
        self.trace.note(self.now, Some(id), what);
    }

    /// Notes that a promise is broken.
    pub(crate) fn violated(&mut self, node: Option<NodeId>, what: &str) {
        self.trace.note(self.now, node, Happening::Violation(what.into()));
        if self.violations.len() < MANY_VIOLATIONS {
            self.violations.push(node.map_or_else(|| what.into(), |node| format!("{node}: {what}")));
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id.0)
    }

    pub(crate) fn plan(&mut self, at: u64, event: Event) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        if let Some(slot) = self.events.get_mut(place) {
            *slot = Some(event);
        }
        self.sequence += 1;
        self.queue.push(Reverse((at.max(self.now), self.sequence, place)));
    }

    fn plan_wake(&mut self, id: NodeId, at: u64) {
        if let Some(node) = self.node_mut(id) {
            node.wake_at = Some(at);
        }
        self.plan(at, Event::Wake(id));
    }

    /// Lets time pass, and looks every now and then whether all is as it should.
    fn run_checked_until(&mut self, end: u64) {
        while self.now < end {
            let next = (self.now / check::EVERY_US + 1) * check::EVERY_US;
            self.run_until(next.min(end));
            check::on_the_way(self);
        }
    }

    fn run_until(&mut self, end: u64) {
        while let Some(Reverse((at, _, place))) = self.queue.peek().copied().filter(|next| next.0.0 <= end) {
            self.queue.pop();
            self.now = at;
            self.free.push(place);
            if let Some(event) = self.events.get_mut(place).and_then(Option::take) {
                self.happen(event);
            }
            // Whoever breaks promises all the time may never come to an end.
            if self.violations.len() >= MANY_VIOLATIONS {
                break;
            }
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(id) => {
                let now = self.now;
                if self.node(id).is_some_and(|node| node.alive && !node.paused && node.wake_at == Some(now)) {
                    self.tell_now(id, None);
                }
            }
            Event::Tell(id, told) => self.tell(id, told),
            Event::Arrive { link, side, protocol, octets } => {
                let Some(end) = self.network.get(link).and_then(|link| link.ends.get(side)).copied() else { return };
                if end.there {
                    self.tell(end.node, Told::Message { association: end.association, protocol, octets });
                }
            }
            Event::Retry { link, side } => self.transmit(link, side),
            Event::Connect { link, port, peer_port, attempts } => self.connect(link, port, peer_port, attempts),
            Event::End { link, side, reason } => {
                let Some(end) = self.network.get(link).and_then(|link| link.ends.get(side)).copied() else { return };
                if end.there {
                    self.give_back(link, side);
                    self.network.leave(link, side);
                    self.plan(self.now, Event::Tell(end.node, Told::Closed { association: end.association, reason }));
                }
            }
            Event::Notice { link } => self.notice(link),
            Event::Hostility(number) => self.be_hostile(number),
            Event::Fault(number) => {
                if let Some(fault) = self.scenario.faults.get(number) {
                    self.strike(fault.kind);
                }
            }
        }
    }

    /// Tells a node something, now or when it goes on.
    pub(crate) fn tell(&mut self, id: NodeId, told: Told) {
        let Some(node) = self.node_mut(id) else { return };
        if !node.alive {
            return;
        }
        if node.paused {
            node.withheld.push_back(told);
        } else {
            self.tell_now(id, Some(told));
        }
    }

    fn tell_now(&mut self, id: NodeId, told: Option<Told>) {
        let now = self.now;
        match told {
            Some(Told::Opened { association, .. }) => self.note(id, Happening::Opened(association)),
            Some(Told::OpenFailed { association }) => self.note(id, Happening::OpenFailed(association)),
            Some(Told::Closed { association, reason }) => self.note(id, Happening::Closed(association, reason)),
            _ => {}
        }
        if matches!(
            told,
            Some(Told::OpenFailed { .. } | Told::Closed { reason: CloseReason::Aborted | CloseReason::Lost, .. })
        ) && let Some(node) = self.node_mut(id)
        {
            node.failures += 1;
        }
        let mut wanted = std::mem::take(&mut self.wanted);
        let Some(node) = self.node_mut(id) else { return };
        node.handle(now, told.as_ref());
        node.wanted(now, &mut wanted);
        let timeout = node.timeout();
        let planned = node.wake_at;
        self.check_wanted(id, &wanted);
        for what in wanted.drain(..) {
            self.carry_out(id, what);
        }
        self.wanted = wanted;
        match timeout {
            Some(at) if planned.is_none_or(|planned| planned <= now || at < planned) => {
                // A machine that wants to be called again at once is given a moment, so that others come in between.
                self.plan_wake(id, at.max(now + 1));
            }
            _ => {}
        }
        self.check_node(id);
    }

    fn carry_out(&mut self, id: NodeId, wanted: Wanted) {
        match wanted {
            Wanted::Open { association, purpose, to, port } => self.open(id, association, purpose, to, port),
            Wanted::Send { association, message } => self.send(id, association, message),
            Wanted::End { association, reason } => self.end(id, association, reason),
            Wanted::Multicast { group, octets } => self.multicast(id, group, &octets),
            Wanted::Note(text) => self.note(id, Happening::Tells(text)),
            Wanted::TakenOver(target) => self.check_takeover(id, target),
            Wanted::Leave => self.vanish(id, Vanishing::InOrder),
            Wanted::Complaint(wrong) => self.violated(Some(id), &wrong),
            Wanted::Said(message) => self.ledger.said(message, id, self.now),
            Wanted::CameBack(message) => self.ledger.came_back(message),
            Wanted::Delivered { message, element } => {
                if let Some(wrong) = self.ledger.delivered(message, element) {
                    self.violated(Some(id), wrong);
                }
            }
            Wanted::Unsent { message, element } => {
                if let Some(wrong) = self.ledger.unsent(message, element) {
                    self.violated(Some(id), wrong);
                }
            }
        }
    }

    fn multicast(&mut self, from: NodeId, group: MulticastGroup, octets: &[u8]) {
        self.note(from, Happening::Multicasts(group));
        for to in (0..self.nodes.len()).map(NodeId).filter(|to| *to != from) {
            // Datagrams are lost, and now and then come twice.
            let copies = if self.random.chance(10_000) { 2 } else { 1 };
            for _ in 0..copies {
                if let Some(delay) = self.network.packet(from, to, self.scenario, &mut self.random) {
                    let told = Told::Datagram { from, group, octets: octets.to_vec() };
                    self.plan(self.now + delay, Event::Tell(to, told));
                }
            }
        }
    }

    fn strike(&mut self, kind: FaultKind) {
        self.trace.note(self.now, None, Happening::Fault(kind));
        self.truth.strike(self.now, kind, &self.nodes);
        match kind {
            FaultKind::Crash(id) => self.vanish(id, Vanishing::AtOnce),
            FaultKind::Restart(id) => self.restart(id, 0),
            FaultKind::RestartAnew(id) => self.restart(id, 1),
            FaultKind::Pause(id) => {
                if let Some(node) = self.node_mut(id).filter(|node| node.alive) {
                    node.paused = true;
                    let links = self.network.of_node(id).into_iter().map(|(link, _)| link).collect();
                    self.let_notice(links);
                }
            }
            FaultKind::Hang(id) => {
                if let Some(node) = self.node_mut(id).filter(|node| node.alive && !node.paused) {
                    (node.paused, node.hangs) = (true, true);
                }
            }
            FaultKind::Resume(id) => self.resume(id),
            FaultKind::Cut(from, to) => {
                self.network.spoil(Trouble::Cut, from, to);
                let links = self.network.between(from, to);
                self.let_notice(links);
            }
            FaultKind::Heal(from, to) => self.network.heal(Trouble::Cut, from, to),
            FaultKind::Slow(from, to) => self.network.spoil(Trouble::Slow, from, to),
            FaultKind::Fast(from, to) => self.network.heal(Trouble::Slow, from, to),
            FaultKind::Deregister(id)
            | FaultKind::Drain(id)
            | FaultKind::Register(id)
            | FaultKind::Load(id, _)
            | FaultKind::GiveUp(id)
            | FaultKind::ShutDown(id) => self.command(id, kind),
        }
    }

    /// A node is gone, and what ends its associations had.
    fn vanish(&mut self, id: NodeId, how: Vanishing) {
        let links = self.network.of_node(id);
        let Some(node) = self.node_mut(id).filter(|node| node.alive) else { return };
        node.alive = false;
        node.withheld.clear();
        for (link, side) in links {
            self.network.leave(link, side);
            // Its host says that nobody is there, or nobody says anything.
            let says_so = how == Vanishing::InOrder || self.random.chance(500_000);
            let wait = if says_so { 10_000 } else { self.random.below(3_000_000) };
            self.plan(self.now + wait, Event::End { link, side: other(side), reason: CloseReason::Lost });
        }
    }

    fn be_hostile(&mut self, number: usize) {
        let Some(id) = self.scenario.hostile_node() else { return };
        let Some(hostility) = self.scenario.hostile.get(number).filter(|_| self.node(id).is_some_and(|n| n.alive))
        else {
            return;
        };
        let links = self.network.between(id, hostility.to);
        let pick = self.random.index(links.len().max(1));
        let association = links.get(pick).and_then(|link| {
            let ends = self.network.get(*link)?.ends;
            ends.iter().find(|end| end.node == id && end.there).map(|end| end.association)
        });
        let (protocol, purpose, port) = match hostility.how {
            How::Announcement => return self.multicast(id, MulticastGroup::Enrp, &hostility.octets),
            How::Abort => {
                if let Some(association) = association {
                    self.end(id, association, CloseReason::Aborted);
                }
                return;
            }
            How::Enrp => (PayloadProtocol::ENRP, Purpose::Enrp, ENRP_PORT),
            How::Asap => (PayloadProtocol::ASAP, Purpose::Asap, ASAP_PORT),
        };
        let association = match association {
            Some(association) => association,
            None => {
                // Names that no machine gives count from the other end.
                let Some(node) = self.node_mut(id) else { return };
                let association = node.name();
                self.open(id, association, purpose, address(hostility.to), port);
                association
            }
        };
        let (failover, octets) = (Failover::Forbidden, hostility.octets.clone());
        self.send(id, association, Message { protocol, failover, octets });
    }

    /// The application wants something.
    fn command(&mut self, id: NodeId, kind: FaultKind) {
        let now = self.now;
        let Some(node) = self.node_mut(id).filter(|node| node.alive && !node.paused) else { return };
        let local = node.local(now);
        match (&mut node.role, kind) {
            (Role::Element(element, _), FaultKind::Register(_)) => {
                element.register(local);
                node.member = true;
            }
            (Role::Element(element, application), FaultKind::Deregister(_)) => {
                application.stay_away();
                element.deregister(local);
                node.member = false;
            }
            (Role::Element(element, application), FaultKind::Drain(_)) => {
                application.stay_away();
                element.drain(local);
                node.member = false;
            }
            (Role::Registrar(registrar), FaultKind::ShutDown(_)) => registrar.shut_down(local),
            (Role::Element(element, _), FaultKind::Load(_, value)) => {
                let policy = with_value(&element.config().policy, value);
                element.set_policy(local, policy);
            }
            (Role::User(user, application), FaultKind::GiveUp(_)) => {
                application.give_up(user, local);
                node.failures += 1;
            }
            _ => return,
        }
        self.tell_now(id, None);
    }

    fn restart(&mut self, id: NodeId, anew: u32) {
        let Some(incarnation) = self.incarnations.get_mut(id.0) else { return };
        if self.nodes.get(id.0).is_none_or(|node| node.alive) {
            return;
        }
        *incarnation += anew;
        let node = Node::new(id, *incarnation, self.now, self.scenario, &mut self.random);
        if let Some(place) = self.nodes.get_mut(id.0) {
            *place = node;
        }
        self.plan_wake(id, self.now + 1_000);
    }

    fn resume(&mut self, id: NodeId) {
        let Some(node) = self.node_mut(id).filter(|node| node.alive && node.paused) else { return };
        (node.paused, node.hangs) = (false, false);
        let withheld = std::mem::take(&mut node.withheld);
        for told in withheld {
            self.tell(id, told);
        }
        self.tell_now(id, None);
    }

    /// The faults are over: whoever was stopped goes on, and everyone reaches everyone.
    fn heal(&mut self) {
        if let Some(id) = self.scenario.hostile_node() {
            self.strike(FaultKind::Crash(id));
        }
        self.trace.note(self.now, None, Happening::Healed);
        self.truth.unheard(self.now);
        self.network.heal_all();
        for id in (0..self.nodes.len()).map(NodeId) {
            if self.node(id).is_some_and(|node| node.paused) {
                self.strike(FaultKind::Resume(id));
            }
        }
    }
}

/// A policy of the same type with another value, if it has any.
fn with_value(policy: &Policy<'static>, value: u32) -> Policy<'static> {
    match policy {
        Policy::LeastUsed { .. } => Policy::LeastUsed { load: value },
        Policy::WeightedRandom { .. } => Policy::WeightedRandom { weight: value % 1_000 + 1 },
        Policy::Priority { .. } => Policy::Priority { priority: value },
        other => *other,
    }
}
