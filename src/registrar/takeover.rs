//! Taking over a dead registrar's elements (RFC 5353 §3.5).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Registrar;
use super::event::Event;
use super::monitors::Dispute;
use super::peers::Status;
use super::timers::Timer;
use crate::handlespace::ElementIndex;
use crate::time::Instant;
use crate::wire::ServerIdentifier;
use crate::wire::enrp::Body;

/// A takeover that this registrar has initiated.
#[derive(Debug)]
pub(super) struct Takeover {
    /// The peers that have not acknowledged it yet.
    missing: BTreeSet<ServerIdentifier>,
    /// Whether those were asked a second time.
    repeated: bool,
}

impl Registrar {
    /// RFC 5353 §3.5.1.
    pub(super) fn initiate_takeover(&mut self, now: Instant, target: ServerIdentifier) {
        if self.takeovers.contains_key(&target) {
            return;
        }
        if let Some(peer) = self.peers.get_mut(&target) {
            peer.status = Status::NotActive;
        }
        self.timers.stop(Timer::PeerNotActive(target));
        self.group_cast(Body::InitTakeover(target));
        let others = self.peers.iter().filter(|(id, peer)| **id != target && peer.status == Status::Active);
        let missing = others.map(|(id, _)| *id).collect();
        self.takeovers.insert(target, Takeover { missing, repeated: false });
        self.timers.set(Timer::TakeoverAcks(target), now + self.config.max_time_no_response);
        self.event(Event::TakeoverInitiated { target });
        self.complete_if_acknowledged(now, target);
    }

    /// RFC 5353 §3.5.1, as a peer of the initiator.
    pub(super) fn init_takeover(&mut self, now: Instant, sender: ServerIdentifier, target: ServerIdentifier) {
        if target == self.identifier {
            // 1. A false alarm.
            self.announce_presence();
            return;
        }
        if self.takeovers.contains_key(&target) {
            // 2. Both want it: the one with the greater identifier gets it.
            if self.identifier > sender {
                return;
            }
            self.abort_takeover(target);
        }
        // 3.
        if let Some(peer) = self.peers.get_mut(&target) {
            peer.status = Status::NotActive;
            peer.succession.announce(sender);
            self.timers.stop(Timer::PeerSilent(target));
            // Should the initiator die before it is done, somebody has to notice.
            self.timers.set(Timer::PeerNotActive(target), now + self.config.max_time_last_heard);
            // The initiator may be wrong, or lie. What the target says itself ends the takeover at any point.
            self.ask_whether_alive(now, target);
        }
        self.send_to_peer(sender, Body::InitTakeoverAck(target));
    }

    pub(super) fn init_takeover_ack(&mut self, now: Instant, sender: ServerIdentifier, target: ServerIdentifier) {
        if let Some(takeover) = self.takeovers.get_mut(&target) {
            takeover.missing.remove(&sender);
            self.complete_if_acknowledged(now, target);
        }
    }

    /// Some have not acknowledged: they are asked once more, and then done without. They are watched over as peers, and
    /// the audit tells them the outcome.
    pub(super) fn takeover_acks_timeout(&mut self, now: Instant, target: ServerIdentifier) {
        let Some(takeover) = self.takeovers.get_mut(&target) else { return };
        if takeover.repeated {
            takeover.missing.clear();
            self.complete_if_acknowledged(now, target);
            return;
        }
        takeover.repeated = true;
        let missing: Vec<_> = takeover.missing.iter().copied().collect();
        for peer in missing {
            self.send_to_peer(peer, Body::InitTakeover(target));
        }
        self.timers.set(Timer::TakeoverAcks(target), now + self.config.max_time_no_response);
    }

    /// The target lives, or another registrar takes it over.
    pub(super) fn abort_takeover(&mut self, target: ServerIdentifier) {
        if self.takeovers.remove(&target).is_some() {
            self.timers.stop(Timer::TakeoverAcks(target));
            self.event(Event::TakeoverAborted { target });
        }
    }

    /// RFC 5353 §3.5.2.
    fn complete_if_acknowledged(&mut self, now: Instant, target: ServerIdentifier) {
        if !self.takeovers.get(&target).is_some_and(|takeover| takeover.missing.is_empty()) {
            return;
        }
        self.takeovers.remove(&target);
        self.timers.stop(Timer::TakeoverAcks(target));
        self.group_cast(Body::TakeoverServer(target));
        self.forget_peer(target);
        let elements = self.handlespace.owned_by(target).len();
        self.event(Event::TakenOver { target, elements });
        self.claiming.insert(target);
        self.claim(now, target);
    }

    /// Claims some of a dead peer's elements, and the rest as soon as other inputs have had their turn.
    pub(super) fn claim(&mut self, now: Instant, target: ServerIdentifier) {
        let step = self.config.limits.elements_per_step.max(1);
        let elements: Vec<ElementIndex> = self.handlespace.owned_by(target).take(step).collect();
        let more = elements.len() == step;
        for index in elements {
            self.handlespace.set_home(index, self.identifier);
            self.watch(now, index, None);
            self.introduce(now, index);
        }
        if more {
            self.timers.set(Timer::Claim(target), now);
        } else {
            self.claiming.remove(&target);
        }
    }

    /// A peer is on the list no more: nobody waits for its acknowledgement.
    pub(super) fn excuse(&mut self, now: Instant, peer: ServerIdentifier) {
        let targets: Vec<_> = self.takeovers.keys().copied().collect();
        for target in targets {
            self.init_takeover_ack(now, peer, target);
        }
    }

    /// RFC 5353 §3.5.2, as a peer of the initiator.
    pub(super) fn takeover_server(&mut self, now: Instant, sender: ServerIdentifier, target: ServerIdentifier) {
        if target == self.identifier {
            // The initiator is wrong. Those of this registrar's elements that have taken it for their home by then leave this one,
            // and it claims them.
            self.announce_presence();
            return;
        }
        match self.peers.get_mut(&target) {
            // It is not a peer that could be asked.
            None => self.taken_over_by(now, sender, target),
            Some(peer) => match (peer.succession.declare(sender), peer.silent) {
                (true, true) => self.taken_over_by(now, sender, target),
                // It has been asked, and may answer yet.
                (true, false) => {}
                // It has not been said before that it is to be taken over. Whether it lives has to be seen first.
                (false, _) => self.suspect(now, target),
            },
        }
    }

    /// A registrar that does not answer has been taken over by another.
    pub(super) fn taken_over_by(&mut self, now: Instant, by: ServerIdentifier, target: ServerIdentifier) {
        self.abort_takeover(target);
        self.forget_peer(target);
        self.excuse(now, target);
        let elements: Vec<ElementIndex> = self.handlespace.owned_by(target).collect();
        for index in elements {
            // What its new home has said of it already was not kept.
            if let Some(peer) = self.peers.get_mut(&by)
                && self.monitors.get(index).is_some_and(|monitor| monitor.dispute != Dispute::None)
            {
                peer.updates_missed = true;
            }
            self.leave_alone(index);
            self.handlespace.set_home(index, by);
        }
        self.event(Event::TakenOverByPeer { target, by });
    }

    /// A peer that was to be taken over by another registrar is still on the list: the initiator has failed. Or there are
    /// elements whose home nobody has told of.
    pub(super) fn peer_not_taken_over(&mut self, now: Instant, target: ServerIdentifier) {
        let is_left = match self.peers.get(&target) {
            Some(peer) => peer.status == Status::NotActive,
            None => self.is_orphaned(target),
        };
        if is_left && self.is_serving() {
            self.initiate_takeover(now, target);
        }
    }

    /// Whether there are elements of a registrar that is not known.
    fn is_orphaned(&self, home: ServerIdentifier) -> bool {
        home != self.identifier
            && !self.peers.contains_key(&home)
            && !self.claiming.contains(&home)
            && self.handlespace.owned_by(home).len() > 0
    }

    /// A table may name homes that died before this registrar heard of them. Nobody would take them over.
    pub(super) fn watch_over_orphans(&mut self, now: Instant) {
        let homes: Vec<_> = self.handlespace.homes().filter(|home| self.is_orphaned(*home)).collect();
        for home in homes {
            if !self.timers.is_running(Timer::PeerNotActive(home)) {
                self.timers.set(Timer::PeerNotActive(home), now + self.config.max_time_last_heard);
            }
        }
    }
}
