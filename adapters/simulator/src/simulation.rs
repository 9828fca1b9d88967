//! Running a scenario: what happens when, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use rserpool::wire::PayloadProtocol;
use rserpool::{AssociationId, CloseReason, MulticastGroup, Purpose};

use crate::check;
use crate::network::{End, LinkId, Network, TRANSMISSIONS, backoff, other};
use crate::node::{ASAP_PORT, ENRP_PORT, Node, Role, Told, Wanted, node_at};
use crate::random::Random;
use crate::scenario::{FaultKind, NodeId, Scenario};
use crate::trace::{Keep, Trace};

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
    /// Promises that were broken, in words.
    pub violations: Vec<String>,
    /// The trace, if it was asked for.
    pub trace: Vec<String>,
}

/// Something that will happen.
#[derive(Debug)]
enum Event {
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
}

pub(crate) struct Simulation<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) now: u64,
    sequence: u64,
    /// By time, then by the order in which they were planned; the events themselves are in `events`.
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    pub(crate) nodes: Vec<Node>,
    incarnations: Vec<u32>,
    network: Network,
    random: Random,
    pub(crate) trace: Trace,
    messages: u64,
    pub(crate) violations: Vec<String>,
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
    simulate(scenario, Keep::Lines)
}

fn simulate(scenario: &Scenario, keep: Keep) -> Report {
    let mut simulation = Simulation::new(scenario, keep);
    simulation.run_until(scenario.faults_until_us);
    simulation.heal();
    let before = check::progress(&simulation);
    simulation.run_until(scenario.faults_until_us + scenario.quiet_us);
    check::settled(&mut simulation, &before);
    let (requests, answered) = check::requests(&simulation);
    Report {
        digest: simulation.trace.digest(),
        virtual_us: simulation.now,
        messages: simulation.messages,
        requests,
        answered,
        violations: simulation.violations,
        trace: simulation.trace.lines,
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
            network: Network::default(),
            random,
            trace: Trace::new(keep),
            messages: 0,
            violations: Vec::new(),
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
        simulation
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id.0)
    }

    fn plan(&mut self, at: u64, event: Event) {
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

    fn run_until(&mut self, end: u64) {
        while let Some(Reverse((at, _, place))) = self.queue.peek().copied().filter(|next| next.0.0 <= end) {
            self.queue.pop();
            self.now = at;
            self.free.push(place);
            if let Some(event) = self.events.get_mut(place).and_then(Option::take) {
                self.happen(event);
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
                    self.network.leave(link, side);
                    self.tell(end.node, Told::Closed { association: end.association, reason });
                }
            }
            Event::Notice { link } => self.notice(link),
            Event::Fault(number) => {
                if let Some(fault) = self.scenario.faults.get(number) {
                    self.strike(fault.kind);
                }
            }
        }
    }

    /// Tells a node something, now or when it goes on.
    fn tell(&mut self, id: NodeId, told: Told) {
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
        match &told {
            Some(Told::Opened { association, .. }) => {
                self.trace.note(now, format_args!("{id} has opened {association}"))
            }
            Some(Told::OpenFailed { association }) => {
                self.trace.note(now, format_args!("{id} could not open {association}"));
            }
            Some(Told::Closed { association, reason }) => {
                self.trace.note(now, format_args!("{id} {association}: {reason}"));
            }
            _ => {}
        }
        let mut wanted = std::mem::take(&mut self.wanted);
        let Some(node) = self.node_mut(id) else { return };
        node.handle(now, told.as_ref());
        node.wanted(now, &mut wanted);
        let timeout = node.timeout();
        let planned = node.wake_at;
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

    fn check_node(&mut self, id: NodeId) {
        if let Some(violation) = self.node(id).and_then(|node| check::node(node, self.now))
            && self.violations.len() < 20
        {
            let violation = format!("{id}: {violation}");
            self.trace.note(self.now, format_args!("VIOLATION {violation}"));
            self.violations.push(violation);
        }
    }

    fn carry_out(&mut self, id: NodeId, wanted: Wanted) {
        match wanted {
            Wanted::Open { association, purpose, to, port } => self.open(id, association, purpose, to, port),
            Wanted::Send { association, protocol, octets } => {
                let Some((link, side)) = self.network.find(id, association) else { return };
                self.messages += 1;
                let to = self.network.get(link).and_then(|link| link.ends.get(other(side))).map(|end| end.node);
                if let Some(to) = to {
                    let kind = octets.first().copied().unwrap_or(0);
                    self.trace.note(self.now, format_args!("{id} -> {to} {} {kind}", protocol.0));
                }
                let Some(direction) = self.network.get_mut(link).and_then(|link| link.directions.get_mut(side)) else {
                    return;
                };
                direction.waiting.push_back((protocol, octets));
                if direction.waiting.len() == 1 && direction.attempts == 0 {
                    self.transmit(link, side);
                }
            }
            Wanted::End { association, reason } => {
                let Some((link, side)) = self.network.find(id, association) else { return };
                // What was sent arrives before, as far as it can.
                let mut not_before = 0;
                let mut late = Vec::new();
                if let Some(open) = self.network.get_mut(link)
                    && let Some(direction) = open.directions.get_mut(side)
                {
                    for waiting in direction.waiting.drain(..) {
                        direction.not_before += backoff(direction.attempts);
                        late.push((direction.not_before, waiting));
                    }
                    not_before = direction.not_before;
                }
                if reason == CloseReason::Shutdown {
                    for (at, (protocol, octets)) in late {
                        self.plan(at, Event::Arrive { link, side: other(side), protocol, octets });
                    }
                }
                self.network.leave(link, side);
                let delay = self.random.within(&self.scenario.delay_us);
                let at = (self.now + delay).max(not_before + 1);
                self.plan(at, Event::End { link, side: other(side), reason });
            }
            Wanted::Multicast { group, octets } => self.multicast(id, group, &octets),
            Wanted::Note(text) => self.trace.note(self.now, format_args!("{id} {text}")),
        }
    }

    fn multicast(&mut self, from: NodeId, group: MulticastGroup, octets: &[u8]) {
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

    fn open(&mut self, id: NodeId, association: AssociationId, purpose: Purpose, to: IpAddr, peer_port: u16) {
        let target = node_at(to).filter(|target| target.0 < self.nodes.len());
        let Some(target) = target else {
            self.plan(self.now + 1_000, Event::Tell(id, Told::OpenFailed { association }));
            return;
        };
        let port = match (self.node(id).map(|node| &node.role), purpose) {
            (Some(Role::Registrar(_)), Purpose::Enrp) => ENRP_PORT,
            (Some(Role::Registrar(_)), _) => ASAP_PORT,
            _ => 40_000 + (self.sequence % 20_000) as u16,
        };
        let end = |node, there| End { node, association, there };
        self.trace.note(self.now, format_args!("{id} opens {association} to {target}"));
        let link = self.network.add([end(id, true), end(target, false)]);
        self.connect(link, port, peer_port, 0);
    }

    /// The four messages that set up an association, as one step there and one back.
    fn connect(&mut self, id: LinkId, port: u16, peer_port: u16, attempts: u32) {
        let Some([us, them]) = self.network.get(id).map(|link| link.ends) else { return };
        if !us.there {
            return;
        }
        let failed = Told::OpenFailed { association: us.association };
        let there = self.network.packet(us.node, them.node, self.scenario, &mut self.random);
        let back = self.network.packet(them.node, us.node, self.scenario, &mut self.random);
        let answers = self.node(them.node).is_some_and(|node| node.alive && !node.paused);
        match (there, back) {
            (Some(there), Some(back)) if answers => {
                let Some(node) = self.node_mut(them.node) else { return };
                let association = node.name();
                self.network.accepted(id, association);
                let accepted = Told::Accepted { association, peer: us.node, port };
                self.plan(self.now + there, Event::Tell(them.node, accepted));
                let opened = Told::Opened { association: us.association, peer: them.node, port: peer_port };
                self.plan(self.now + there + back, Event::Tell(us.node, opened));
                if let Some(link) = self.network.get_mut(id) {
                    let [forth, reply] = &mut link.directions;
                    (forth.not_before, reply.not_before) = (self.now + there, self.now + there + back);
                }
            }
            // Nobody is there, and its host says so.
            (Some(there), Some(back)) if self.node(them.node).is_some_and(|node| !node.alive) => {
                self.network.leave(id, 0);
                self.plan(self.now + there + back, Event::Tell(us.node, failed));
            }
            _ if attempts + 1 >= TRANSMISSIONS => {
                self.network.leave(id, 0);
                self.tell(us.node, failed);
            }
            _ => {
                let again = Event::Connect { link: id, port, peer_port, attempts: attempts + 1 };
                self.plan(self.now + backoff(attempts), again);
            }
        }
    }

    /// Sends what waits at an end, in order, until something is lost.
    fn transmit(&mut self, id: LinkId, side: usize) {
        loop {
            let Some(link) = self.network.get(id) else { return };
            let (Some(from), Some(to)) = (link.ends.get(side).copied(), link.ends.get(other(side)).copied()) else {
                return;
            };
            if !from.there {
                return;
            }
            if link.directions.get(side).is_none_or(|direction| direction.waiting.is_empty()) {
                return;
            }
            let answers = to.there && self.node(to.node).is_some_and(|node| node.alive);
            let packet = self.network.packet(from.node, to.node, self.scenario, &mut self.random).filter(|_| answers);
            let now = self.now;
            let Some(direction) = self.network.get_mut(id).and_then(|link| link.directions.get_mut(side)) else {
                return;
            };
            match packet {
                Some(delay) => {
                    direction.attempts = 0;
                    direction.not_before = direction.not_before.max(now + delay) + 1;
                    let at = direction.not_before;
                    if let Some((protocol, octets)) = direction.waiting.pop_front() {
                        self.plan(at, Event::Arrive { link: id, side: other(side), protocol, octets });
                    }
                }
                None if direction.attempts + 1 >= TRANSMISSIONS => {
                    self.lose(id);
                    return;
                }
                None => {
                    direction.attempts += 1;
                    let wait = backoff(direction.attempts);
                    self.plan(now + wait, Event::Retry { link: id, side });
                    return;
                }
            }
        }
    }

    /// Both ends give an association up, not quite at the same time.
    fn lose(&mut self, id: LinkId) {
        for side in [0, 1] {
            let at = self.now + self.random.below(1_500_000);
            self.plan(at, Event::End { link: id, side, reason: CloseReason::Lost });
        }
    }

    /// Heartbeats of an association, at the time when they would notice something that began a while ago.
    fn notice(&mut self, id: LinkId) {
        let Some([a, b]) = self.network.get(id).map(|link| link.ends) else { return };
        let dead = |end: End| self.node(end.node).is_none_or(|node| !node.alive || node.paused);
        let cut = self.network.is_cut(a.node, b.node) || self.network.is_cut(b.node, a.node);
        if cut || dead(a) || dead(b) || a.there != b.there {
            self.lose(id);
        }
    }

    /// Lets the associations of a node notice, some time later, that something is wrong.
    fn let_notice(&mut self, links: Vec<LinkId>) {
        for link in links {
            let at = self.now + 500_000 + self.random.below(3_000_000);
            self.plan(at, Event::Notice { link });
        }
    }

    fn strike(&mut self, kind: FaultKind) {
        self.trace.note(self.now, format_args!("{kind:?}"));
        match kind {
            FaultKind::Crash(id) => {
                let links = self.network.of_node(id);
                let Some(node) = self.node_mut(id).filter(|node| node.alive) else { return };
                node.alive = false;
                node.withheld.clear();
                for (link, side) in links {
                    self.network.leave(link, side);
                    // Its host says that nobody is there, or nobody says anything.
                    let wait = if self.random.chance(500_000) { 10_000 } else { self.random.below(3_000_000) };
                    let event = Event::End { link, side: other(side), reason: CloseReason::Lost };
                    self.plan(self.now + wait, event);
                }
            }
            FaultKind::Restart(id) => self.restart(id, 0),
            FaultKind::RestartAnew(id) => self.restart(id, 1),
            FaultKind::Pause(id) => {
                if let Some(node) = self.node_mut(id).filter(|node| node.alive) {
                    node.paused = true;
                    let links = self.network.of_node(id).into_iter().map(|(link, _)| link).collect();
                    self.let_notice(links);
                }
            }
            FaultKind::Resume(id) => self.resume(id),
            FaultKind::Cut(from, to) => {
                self.network.set_cut(from, to, true);
                let links = self.network.between(from, to);
                self.let_notice(links);
            }
            FaultKind::Heal(from, to) => self.network.set_cut(from, to, false),
            FaultKind::Deregister(id) => self.command(id, false),
            FaultKind::Register(id) => self.command(id, true),
        }
    }

    fn command(&mut self, id: NodeId, member: bool) {
        let now = self.now;
        let Some(node) = self.node_mut(id).filter(|node| node.alive && !node.paused) else { return };
        let local = node.local(now);
        if let Role::Element(element, _) = &mut node.role {
            if member {
                element.register(local)
            } else {
                element.deregister(local)
            }
            node.member = member;
            self.tell_now(id, None);
        }
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
        node.paused = false;
        let withheld = std::mem::take(&mut node.withheld);
        for told in withheld {
            self.tell(id, told);
        }
        self.tell_now(id, None);
    }

    /// The faults are over: whoever was stopped goes on, and everyone reaches everyone.
    fn heal(&mut self) {
        self.network.heal_all();
        for id in 0..self.nodes.len() {
            self.resume(NodeId(id));
        }
    }
}
