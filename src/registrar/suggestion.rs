//! Suggestions to take an element over: a flag in ENRP_HANDLE_UPDATE by which a registrar with many elements offers one to a peer
//! with few. Not of RFC 5353, but of an Internet-Draft (draft-dreibholz-rserpool-enrp-takeover) and of rsplib. Without it a registrar
//! that comes back after it was taken over has nothing to do until new elements register.
//!
//! The peer asks the element with ASAP_ENDPOINT_KEEP_ALIVE and its H flag (RFC 5352 §3.4) to take it as its home; when the element
//! has answered, the peer owns it and says so to all others (RFC 5353 §3.3.1).

use super::event::Event;
use super::monitors::Monitor;
use super::peers::Status;
use super::{Registrar, TakeoverSuggestions};
use crate::handlespace::ElementIndex;
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::ServerIdentifier;
use crate::wire::enrp::UpdateAction;

/// So often a peer may suggest elements though it has no more than this registrar. rsplib's suggest all to the registrar with the
/// greatest identifier: what was suggested to such a one would come back, and go again, without end.
const MAX_CONTRARY: u8 = 3;

impl Registrar {
    /// An element has registered here: if a peer has so few that the two come closer to each other by it, it is offered the element.
    pub(super) fn suggest_takeover(&mut self, now: Instant, index: ElementIndex) {
        if self.config.takeover_suggestions == TakeoverSuggestions::Off || !self.is_serving() {
            return;
        }
        let mut own = self.handlespace.owned_by(self.identifier).len();
        let mut few: Option<(usize, ServerIdentifier)> = None;
        for (identifier, peer) in &mut self.peers {
            if peer.offers_end <= now {
                // What was not taken until now will not be taken any more.
                peer.offered = 0;
            }
            own = own.saturating_sub(peer.offered);
            let is_there = peer.association.is_some_and(|association| self.associations.is_open(association));
            // Who has not told where it is only reads.
            let takes_part = peer.endpoint.is_some() && peer.contrary < MAX_CONTRARY;
            if peer.status == Status::Active && is_there && takes_part {
                let elements = self.handlespace.owned_by(*identifier).len().saturating_add(peer.offered);
                few = Some(few.map_or((elements, *identifier), |other| other.min((elements, *identifier))));
            }
        }
        let Some((elements, identifier)) = few else { return };
        if elements.saturating_add(1) < own {
            if let Some(peer) = self.peers.get_mut(&identifier) {
                peer.offered = peer.offered.saturating_add(1);
                peer.offers_end = now + self.config.max_time_no_response;
            }
            if let Some(monitor) = self.monitors.get_mut(index) {
                monitor.offered_to = identifier;
            }
            self.tell_update(UpdateAction::AddPe, index, Some(identifier));
        }
    }

    /// A peer has an element more, perhaps one that it was offered.
    pub(super) fn offer_taken(&mut self, peer: ServerIdentifier) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.offered = peer.offered.saturating_sub(1);
        }
    }

    /// A peer offers an element of its own.
    pub(super) fn takeover_suggested(&mut self, now: Instant, home: ServerIdentifier, index: ElementIndex) {
        if self.config.takeover_suggestions == TakeoverSuggestions::Off || !self.is_serving() {
            return;
        }
        let own = self.handlespace.owned_by(self.identifier).len();
        if self.handlespace.owned_by(home).len() <= own
            && let Some(peer) = self.peers.get_mut(&home)
        {
            peer.contrary = peer.contrary.saturating_add(1);
        }
        if self.owns(index) {
            return;
        }
        self.monitors.insert(index, Monitor::new(None));
        self.introduce(now, index);
    }

    /// Whether the element of another home is asked to take this registrar as its home.
    pub(super) fn is_courted(&self, index: ElementIndex) -> bool {
        !self.owns(index) && self.monitors.get(index).is_some_and(|monitor| monitor.home_unknown)
    }

    /// It has accepted.
    pub(super) fn moved_in(&mut self, now: Instant, index: ElementIndex, association: AssociationId) {
        self.handlespace.set_home(index, self.identifier);
        self.watch(now, index, Some(association));
        self.announce_update(UpdateAction::AddPe, index);
        if let Some(element) = self.handlespace.element(index) {
            let pool_handle = self.handlespace.pool_handle(element).octets().into();
            self.event(Event::Registered { pool_handle, identifier: element.identifier() });
        }
    }
}
