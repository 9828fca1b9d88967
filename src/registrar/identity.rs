//! Two registrars with the same identifier (RFC 5353 §3.2.1), and elements that have to learn who their home is.
//!
//! The RFC asks for an identifier that stays the same for a registrar's lifetime, and finds no harm in two that are the
//! same. But neither would listen to the other, and each would see the other's elements as its own. So one of them starts a
//! new life as far as its peers can tell: it takes another identifier, and its elements with it.

use alloc::vec::Vec;

use super::Registrar;
use super::associations::Association;
use super::event::Event;
use super::outbox::Record;
use super::peers::{ReplyRequired, own_endpoint};
use super::timers::Timer;
use crate::handlespace::ElementIndex;
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::ServerIdentifier;
use crate::wire::enrp::{Body, Message, UpdateAction};

impl Registrar {
    /// A message has come from a registrar with this one's identifier: itself, or another one.
    pub(super) fn namesake(&mut self, now: Instant, association: AssociationId, message: &Message<'_>) {
        let Body::Presence(presence) = message.body else {
            self.send_presence(association, self.identifier, ReplyRequired::Yes);
            return;
        };
        if presence.reply_required {
            self.send_presence(association, self.identifier, ReplyRequired::No);
        }
        let Some(other) = own_endpoint(self.identifier, &presence) else { return };
        let (us, them) = (self.config.enrp.as_endpoint(), other.as_endpoint());
        if !them.addresses.iter().any(|address| self.associations.has_address(association, *address)) {
            // It is not where it says to be.
            return;
        }
        if self.config.enrp.meets(them) {
            self.leads_to_itself(now, association);
        } else if !self.is_serving() || (us.addresses, us.port) < (them.addresses, them.port) {
            // Both sides compare the same, and one of them yields. One that does not serve yet has nothing to lose.
            self.change_identifier(now);
        }
    }

    /// This registrar is among the peers that it was told of.
    fn leads_to_itself(&mut self, now: Instant, association: AssociationId) {
        if !association.is_accepted() {
            self.configured.retain(|peer| peer.association != Some(association));
            // It may know itself as a peer under an identifier that it has had.
            if let Some(former) = self.associations.get(association).and_then(Association::server) {
                self.forget_peer(former);
            }
            if self.associations.get(association).is_some() {
                self.abort(now, association);
            }
        }
    }

    pub(super) fn change_identifier(&mut self, now: Instant) {
        // Whoever claims to be a namesake again and again would keep this registrar busy.
        let pause = self.config.max_time_last_heard;
        if self.identifier_changed.is_some_and(|last| now < last + pause) {
            return;
        }
        self.identifier_changed = Some(now);
        let from = self.identifier;
        let to = loop {
            let to = ServerIdentifier(self.random.non_zero_u32());
            if to != from && !self.peers.contains_key(&to) {
                break to;
            }
        };
        // Of the elements under the old identifier some are the namesake's. Ours are under watch.
        let ours = self.handlespace.owned_by(from).filter(|index| self.monitors.get(*index).is_some());
        self.adopted.extend(ours);
        self.identifier = to;
        self.event(Event::IdentifierChanged { from, to });
        // An association has one identifier at each end, as long as it stands.
        let old: Vec<_> = self.associations.to_registrars().map(|(association, _)| association).collect();
        for association in old {
            self.associations.remove(association);
            self.outbox.push(Record::Close { association });
        }
        for peer in &mut self.configured {
            peer.association = None;
        }
        for peer in self.peers.values_mut() {
            (peer.association, peer.updates_missed) = (None, true);
        }
        self.reconnect(now);
        for peer in self.peers.keys().copied().collect::<Vec<_>>() {
            self.reach(peer);
        }
        self.timers.set(Timer::Adopt, now);
    }

    /// Tells some elements that this registrar is their home, under the identifier that it has now, and the rest as soon as
    /// other inputs have had their turn.
    pub(super) fn adopt(&mut self, now: Instant) {
        for _ in 0..self.config.limits.elements_per_step.max(1) {
            let Some(index) = self.adopted.pop_front() else { return };
            // It may have registered again meanwhile, moved, or left.
            let is_watched = self.monitors.get(index).is_some();
            if self.owns(index) == is_watched {
                continue;
            }
            self.handlespace.set_home(index, self.identifier);
            if !is_watched {
                self.watch(now, index, None);
            }
            // Whoever has not said lately that this is its home may have another one by now.
            if self.monitors.get(index).is_some_and(|monitor| monitor.confirmed.is_some() || !is_watched) {
                self.introduce(now, index);
            }
            self.announce_update(UpdateAction::AddPe, index);
        }
        self.timers.set(Timer::Adopt, now);
    }

    /// RFC 5352 §3.4: a keep-alive with the H flag tells an element its home.
    pub(super) fn introduce(&mut self, now: Instant, index: ElementIndex) {
        if let Some(monitor) = self.monitors.get_mut(index) {
            monitor.home_unknown = true;
        }
        self.send_keep_alive(now, index);
    }
}
