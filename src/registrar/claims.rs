//! Who has the last word on an element (RFC 5353 §3.3): a peer speaks for its own elements, and for those that it says are its own as
//! long as nobody objects who knows better.
//!
//! The RFC has a registrar take whatever it is told. Then one message with a foreign registrar's identifier in it, or about a foreign
//! registrar's element, changes what all users are told. So an element that has a living home stays with it until
//!
//! - the home has asked the element, if the home is this registrar, and the element does not answer, or has left it;
//! - the home has not objected within MAX-TIME-NO-RESPONSE, if it is another one. A home objects by ENRP_HANDLE_UPDATE with ADD_PE.
//!   A claim that changes nothing for users counts at once, and until then.

use super::Registrar;
use super::monitors::{Dispute, Monitor, Second};
use crate::handlespace::{ElementIndex, ElementTimer};
use crate::time::Instant;
use crate::wire::enrp::{HandleUpdate, UpdateAction};
use crate::wire::{PoolElement, PoolHandle, ServerIdentifier};

impl Registrar {
    /// RFC 5353 §3.3.1, §3.3.2, as a peer.
    pub(super) fn handle_update(&mut self, now: Instant, sender: ServerIdentifier, update: &HandleUpdate<'_>) {
        let (pool_handle, element) = (update.pool_handle, &update.pool_element);
        if !self.is_serving() {
            self.heard_meanwhile.note(pool_handle, element.identifier);
        }
        match update.action {
            UpdateAction::AddPe if element.home == sender => {
                self.claimed(now, sender, pool_handle, element);
                if update.takeover_suggested
                    && let Some(index) = self.handlespace.find(pool_handle, element.identifier)
                {
                    self.takeover_suggested(now, sender, index);
                }
            }
            // Nobody speaks for another registrar's elements.
            UpdateAction::AddPe => {}
            UpdateAction::DelPe => self.said_to_be_gone(now, sender, pool_handle, element),
        }
    }

    /// A peer says that an element is its own.
    pub(super) fn claimed(
        &mut self,
        now: Instant,
        by: ServerIdentifier,
        pool_handle: PoolHandle<'_>,
        element: &PoolElement<'_>,
    ) {
        let known = self.handlespace.find(pool_handle, element.identifier);
        let home = known.and_then(|index| self.handlespace.element(index)).map(|element| element.home());
        match (known, home) {
            (Some(index), Some(home)) if home == self.identifier => {
                if !self.contest(now, by, index) {
                    self.absorb(pool_handle, element);
                    self.offer_taken(by);
                }
            }
            (Some(index), Some(home)) if home == by => self.home_speaks(now, index, pool_handle, element),
            (Some(index), Some(home)) if self.is_home_alive(home) => {
                self.await_objection(now, by, index, pool_handle, element);
            }
            // Beyond the limit only what is known already is changed.
            (None, _) if self.handlespace.owned_by(by).len() >= self.config.limits.peer_elements => {}
            _ => self.absorb(pool_handle, element),
        }
    }

    /// Whether a registrar has a say on its elements: it is a peer, and has not failed to say that it lives.
    pub(super) fn is_home_alive(&self, home: ServerIdentifier) -> bool {
        self.peers.get(&home).is_some_and(|peer| !peer.silent)
    }

    /// A peer claims an element that is ours. False if it may have it: it was offered to it, or has not said itself that this
    /// registrar is its home.
    fn contest(&mut self, now: Instant, by: ServerIdentifier, index: ElementIndex) -> bool {
        let recent = self.config.max_time_no_response;
        let Some(monitor) = self.monitors.get_mut(index).filter(|monitor| monitor.offered_to != by) else {
            return false;
        };
        if monitor.confirmed.is_none() {
            return false;
        }
        monitor.dispute = Dispute::ClaimedBy(by);
        if !monitor.objected.is_some_and(|at| at.is_within(recent, now)) {
            self.send_keep_alive(now, index);
        }
        true
    }

    /// An element that a peer has claimed is ours still, as it has said itself: all peers are told, but not too often.
    pub(super) fn object(&mut self, now: Instant, index: ElementIndex) {
        let recent = self.config.max_time_no_response;
        let Some(monitor) = self.monitors.get_mut(index) else { return };
        if !monitor.objected.is_some_and(|at| at.is_within(recent, now)) {
            monitor.objected = Some(Second::at(now));
            self.announce_update(UpdateAction::AddPe, index);
        }
    }

    /// A peer claims another one's element, whose home lives, and may object. If nothing changes for users the peer has it until
    /// then; otherwise it does not.
    fn await_objection(
        &mut self,
        now: Instant,
        by: ServerIdentifier,
        index: ElementIndex,
        pool_handle: PoolHandle<'_>,
        element: &PoolElement<'_>,
    ) {
        let monitor = self.monitors.get(index).copied();
        let Some(known) = self.handlespace.element(index) else { return };
        let (home, view) = (known.home(), known.view());
        let is_same = view.user_transport == element.user_transport && view.policy == element.policy;
        let objected = monitor.and_then(|monitor| monitor.objected);
        let dispute = monitor.map_or(Dispute::None, |monitor| monitor.dispute);
        match dispute {
            // It objects.
            Dispute::CameFrom { home, .. } if home == by => {
                self.absorb(pool_handle, element);
                self.monitors.insert(index, Monitor { objected: Some(Second::at(now)), ..Monitor::new(None) });
                return;
            }
            Dispute::ClaimedBy(_) => return,
            _ if objected.is_some_and(|at| at.is_within(self.config.max_time_last_heard, now)) => return,
            _ => {}
        }
        if is_same && !monitor.is_some_and(|monitor| monitor.asked) {
            self.absorb(pool_handle, element);
            let dispute = Dispute::CameFrom { home, gone: false };
            self.monitors.insert(index, Monitor { dispute, ..Monitor::new(None) });
        } else {
            let monitor = monitor.unwrap_or(Monitor::new(None));
            self.monitors.insert(index, Monitor { dispute: Dispute::ClaimedBy(by), ..monitor });
            self.fetch_again(by);
        }
        if !monitor.is_some_and(|monitor| monitor.asked) {
            let until = now + self.config.max_time_no_response;
            self.handlespace.set_timer(index, ElementTimer::KeepAlive, Some(until));
        }
    }

    /// Not all is kept that a peer has said of its elements.
    fn fetch_again(&mut self, peer: ServerIdentifier) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.updates_missed = true;
        }
    }

    /// An element's home tells of it, which is an objection to all who claim it.
    fn home_speaks(
        &mut self,
        now: Instant,
        index: ElementIndex,
        pool_handle: PoolHandle<'_>,
        element: &PoolElement<'_>,
    ) {
        let Some(monitor) = self.monitors.get(index).copied() else { return self.absorb(pool_handle, element) };
        let objected = match monitor.dispute {
            // The home that it had before may object yet.
            Dispute::CameFrom { .. } => return self.fetch_again(element.home),
            Dispute::ClaimedBy(_) => Some(Second::at(now)),
            Dispute::None => monitor.objected,
        };
        self.absorb(pool_handle, element);
        if objected.is_some_and(|at| at.is_within(self.config.max_time_last_heard, now)) {
            self.monitors.insert(index, Monitor { objected, ..Monitor::new(None) });
        }
    }

    /// The time to object is over.
    pub(super) fn nobody_objects(&mut self, now: Instant, index: ElementIndex) {
        match self.monitors.get(index).map(|monitor| monitor.dispute) {
            Some(Dispute::CameFrom { gone: true, .. }) => self.remove_quietly(index),
            Some(Dispute::ClaimedBy(_)) if self.concede(now, index) => {}
            _ => self.leave_alone(index),
        }
    }

    /// An element goes to the peer that claims it. What that peer has said of it was not kept, and is fetched. False if there is no
    /// such peer.
    pub(super) fn concede(&mut self, now: Instant, index: ElementIndex) -> bool {
        let claimant = self.monitors.get(index).and_then(|monitor| monitor.dispute.claimant());
        let Some(claimant) = claimant.filter(|claimant| self.peers.contains_key(claimant)) else { return false };
        self.fetch_again(claimant);
        self.leave_alone(index);
        self.handlespace.set_home(index, claimant);
        self.offer_taken(claimant);
        self.audit(now, claimant, self.handlespace.checksum(claimant));
        true
    }

    /// A peer says that an element is gone. Its home knows best: this registrar asks the element if it is its own, and
    /// heeds nobody but the home otherwise.
    fn said_to_be_gone(
        &mut self,
        now: Instant,
        sender: ServerIdentifier,
        pool_handle: PoolHandle<'_>,
        element: &PoolElement<'_>,
    ) {
        let Some(index) = self.handlespace.find(pool_handle, element.identifier) else { return };
        if self.owns(index) {
            self.send_keep_alive(now, index);
            return;
        }
        let Some(home) = self.handlespace.element(index).map(|element| element.home()) else { return };
        let is_its_successor =
            || self.peers.get(&home).is_some_and(|peer| peer.silent && peer.succession.is_by(sender));
        if home != sender && !is_its_successor() {
            return;
        }
        match self.monitors.get_mut(index).map(|monitor| &mut monitor.dispute) {
            Some(Dispute::CameFrom { gone, .. }) => *gone = true,
            dispute => {
                if let Some(claimant) = dispute.and_then(|dispute| dispute.claimant()) {
                    self.fetch_again(claimant);
                }
                self.remove_quietly(index);
            }
        }
    }

    /// Removes an element, as its home has.
    pub(super) fn remove_quietly(&mut self, index: ElementIndex) {
        self.admit_contender(index);
        self.leave_alone(index);
        self.handlespace.remove(index);
    }
}
