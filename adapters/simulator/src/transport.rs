//! What becomes of associations: opened, used, given up.

use std::net::IpAddr;

use rserpool::{AssociationId, CloseReason, Progress, Purpose};

use crate::network::{End, LinkId, Message, TRANSMISSIONS, Trouble, backoff, other};
use crate::node::{ASAP_PORT, ENRP_PORT, Node, Role, Told, node_at};
use crate::scenario::NodeId;
use crate::simulation::{Event, Simulation};
use crate::trace::{Happening, fingerprint};

impl Simulation<'_> {
    pub(crate) fn open(
        &mut self,
        id: NodeId,
        association: AssociationId,
        purpose: Purpose,
        to: IpAddr,
        peer_port: u16,
    ) {
        let target = node_at(to).filter(|target| target.0 < self.nodes.len());
        let Some(target) = target else {
            self.plan(self.now + 1_000, Event::Tell(id, Told::OpenFailed { association }));
            return;
        };
        let port = match (self.node(id).map(|node| &node.role), purpose) {
            (Some(Role::Registrar(_) | Role::Hostile), Purpose::Enrp) => ENRP_PORT,
            (Some(Role::Registrar(_) | Role::Hostile), _) => ASAP_PORT,
            _ => 40_000 + (self.sequence % 20_000) as u16,
        };
        let end = |node, there| End { node, association, there };
        self.note(id, Happening::Opens { association, to: target });
        let link = self.network.add([end(id, true), end(target, false)]);
        self.connect(link, port, peer_port, 0);
    }

    /// The four messages that set up an association, as one step there and one back.
    pub(crate) fn connect(&mut self, id: LinkId, port: u16, peer_port: u16, attempts: u32) {
        let Some([us, them]) = self.network.get(id).map(|link| link.ends) else { return };
        if !us.there {
            return;
        }
        let failed = Told::OpenFailed { association: us.association };
        let there = self.network.packet(us.node, them.node, self.scenario, &mut self.random);
        let back = self.network.packet(them.node, us.node, self.scenario, &mut self.random);
        let answers = self.node(them.node).is_some_and(Node::is_there);
        match (there, back) {
            (Some(there), Some(back)) if answers => {
                let Some(node) = self.node_mut(them.node) else { return };
                let association = node.name();
                self.network.accepted(id, association);
                let purpose = match peer_port {
                    ENRP_PORT => Purpose::Enrp,
                    ASAP_PORT => Purpose::Asap,
                    _ => Purpose::Session,
                };
                let accepted = Told::Accepted { association, purpose, peer: us.node, port };
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

    /// A node sends a message.
    pub(crate) fn send(&mut self, id: NodeId, association: AssociationId, message: Message) {
        let Some((link, side)) = self.network.find(id, association) else { return };
        let to = self.network.get(link).and_then(|link| link.ends.get(other(side))).map(|end| end.node);
        if let Some(to) = to {
            let (protocol, octets) = (message.protocol, &message.octets);
            let message_type = octets.first().copied().unwrap_or(0);
            let (length, fingerprint) = (octets.len(), fingerprint(octets));
            self.note(id, Happening::Sends { to, protocol, message_type, length, fingerprint });
        }
        self.check_message(id, message.protocol, &message.octets);
        let buffer = self.scenario.buffer;
        let Some(direction) = self.network.get_mut(link).and_then(|link| link.directions.get_mut(side)) else { return };
        match direction.push(buffer, message) {
            Err(message) => self.overrun(link, side, message),
            Ok(()) if direction.waiting.len() == 1 && direction.attempts == 0 => self.transmit(link, side),
            Ok(()) => {}
        }
        self.tell_of_room(link, side);
    }

    /// Tells an end whether what it sends has to wait.
    fn tell_of_room(&mut self, id: LinkId, side: usize) {
        let buffer = self.scenario.buffer;
        let Some(link) = self.network.get_mut(id) else { return };
        let Some(end) = link.ends.get(side).copied().filter(|end| end.there) else { return };
        let news = link.directions.get_mut(side).and_then(|direction| direction.news(buffer));
        if let Some(state) = news {
            self.plan(self.now, Event::Tell(end.node, Told::SendBuffer { association: end.association, state }));
        }
    }

    /// More is sent than the other end takes: an adapter then ends the association.
    fn overrun(&mut self, link: LinkId, side: usize, message: Message) {
        let Some(ends) = self.network.get(link).map(|link| link.ends) else { return };
        let Some(us) = ends.get(side) else { return };
        self.truth.unheard(self.now);
        let us = *us;
        let delay = self.random.within(&self.scenario.delay_us);
        self.give_back(link, side);
        let told = Told::Undelivered { association: us.association, message, progress: Progress::Unsent };
        self.plan(self.now, Event::Tell(us.node, told));
        self.network.leave(link, side);
        self.plan(self.now + delay, Event::End { link, side: other(side), reason: CloseReason::Aborted });
        let told = Told::Closed { association: us.association, reason: CloseReason::Lost };
        self.plan(self.now + 1, Event::Tell(us.node, told));
    }

    /// An end is about to lose its association, and is told what has not arrived of what it has sent.
    pub(crate) fn give_back(&mut self, link: LinkId, side: usize) {
        let Some((end, undelivered)) = self.network.get_mut(link).and_then(|link| {
            let end = link.ends.get(side).copied().filter(|end| end.there)?;
            Some((end, link.directions.get_mut(side)?.take_undelivered()))
        }) else {
            return;
        };
        for (message, progress) in undelivered {
            let told = Told::Undelivered { association: end.association, message, progress };
            self.plan(self.now, Event::Tell(end.node, told));
        }
    }

    /// A node ends an association.
    pub(crate) fn end(&mut self, id: NodeId, association: AssociationId, reason: CloseReason) {
        let Some((link, side)) = self.network.find(id, association) else { return };
        if reason != CloseReason::Shutdown {
            self.give_back(link, side);
        }
        // What was sent arrives before, as far as it can.
        let mut not_before = 0;
        let mut late = Vec::new();
        if let Some(direction) = self.network.get_mut(link).and_then(|open| open.directions.get_mut(side)) {
            let has_arrived = std::mem::take(&mut direction.has_arrived);
            for waiting in direction.waiting.drain(..).skip(usize::from(has_arrived)) {
                direction.not_before += backoff(direction.attempts);
                late.push((direction.not_before, waiting));
            }
            not_before = direction.not_before;
        }
        if reason == CloseReason::Shutdown {
            for (at, Message { protocol, octets, .. }) in late {
                self.plan(at, Event::Arrive { link, side: other(side), protocol, octets });
            }
        }
        self.network.leave(link, side);
        let delay = self.random.within(&self.scenario.delay_us);
        let at = (self.now + delay).max(not_before + 1);
        self.plan(at, Event::End { link, side: other(side), reason });
    }

    /// Sends what waits at an end, in order, until something is lost.
    pub(crate) fn transmit(&mut self, id: LinkId, side: usize) {
        self.transmit_all(id, side);
        self.tell_of_room(id, side);
    }

    fn transmit_all(&mut self, id: LinkId, side: usize) {
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
            let slow = self.network.is_spoilt(Trouble::Slow, from.node, to.node);
            let rate = self.scenario.slow_octets_per_s.max(1);
            let Some(direction) = self.network.get_mut(id).and_then(|link| link.directions.get_mut(side)) else {
                return;
            };
            if slow && now < direction.busy_until {
                let at = direction.busy_until;
                self.plan(at, Event::Retry { link: id, side });
                return;
            }
            match packet {
                Some(delay) => {
                    direction.attempts = 0;
                    direction.not_before = direction.not_before.max(now + delay) + 1;
                    let at = direction.not_before;
                    let has_arrived = std::mem::take(&mut direction.has_arrived);
                    if let Some(Message { protocol, octets, .. }) = direction.pop() {
                        direction.busy_until = now + octets.len() as u64 * 1_000_000 / rate;
                        if !has_arrived {
                            self.plan(at, Event::Arrive { link: id, side: other(side), protocol, octets });
                        }
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
                    if answers
                        && !self.network.is_spoilt(Trouble::Cut, from.node, to.node)
                        && self.random.chance(500_000)
                    {
                        self.arrive_unacknowledged(id, side);
                    }
                    return;
                }
            }
        }
    }

    /// What waits first at an end gets through, and nobody there knows: the acknowledgement is lost.
    fn arrive_unacknowledged(&mut self, id: LinkId, side: usize) {
        let delay = self.random.within(&self.scenario.delay_us);
        let now = self.now;
        let Some(direction) = self.network.get_mut(id).and_then(|link| link.directions.get_mut(side)) else { return };
        if std::mem::replace(&mut direction.has_arrived, true) {
            return;
        }
        direction.not_before = direction.not_before.max(now + delay) + 1;
        let at = direction.not_before;
        if let Some(Message { protocol, octets, .. }) = direction.waiting.front().cloned() {
            self.plan(at, Event::Arrive { link: id, side: other(side), protocol, octets });
        }
    }

    /// Both ends give an association up, not quite at the same time.
    fn lose(&mut self, id: LinkId) {
        self.truth.unheard(self.now);
        for side in [0, 1] {
            let at = self.now + self.random.below(1_500_000);
            self.plan(at, Event::End { link: id, side, reason: CloseReason::Lost });
        }
    }

    /// Heartbeats of an association, at the time when they would notice something that began a while ago.
    pub(crate) fn notice(&mut self, id: LinkId) {
        let Some([a, b]) = self.network.get(id).map(|link| link.ends) else { return };
        let dead = |end: End| self.node(end.node).is_none_or(|node| !node.is_there());
        let is_cut = |from: End, to: End| self.network.is_spoilt(Trouble::Cut, from.node, to.node);
        if is_cut(a, b) || is_cut(b, a) || dead(a) || dead(b) || a.there != b.there {
            self.lose(id);
        }
    }

    /// Lets the associations of a node notice, some time later, that something is wrong.
    pub(crate) fn let_notice(&mut self, links: Vec<LinkId>) {
        for link in links {
            let at = self.now + 500_000 + self.random.below(3_000_000);
            self.plan(at, Event::Notice { link });
        }
    }
}
