//! Who may be a peer, and who speaks for whom: one identifier an association, and an identifier belongs to the place where its
//! registrar lives (RFC 5353 §3.4.1, §6.1).
//!
//! An address is all there is to tell registrars apart by, without TLS. What it proves is little, but more than an identifier in a
//! message does, which anybody can write.

use core::net::IpAddr;

use super::Registrar;
use super::associations::{Association, Speaker};
use super::config::PeerAdmission;
use super::event::{Event, PeerRefusal};
use super::peers::{Peer, ReplyRequired, Status};
use super::timers::Timer;
use crate::endpoint::{Endpoint, EndpointBuf};
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::ServerIdentifier;
use crate::wire::enrp::{Body, Message};

/// Who has sent an ENRP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// A peer.
    Peer,
    /// Somebody who says to be a peer that lives elsewhere.
    Unproven,
    /// Somebody who is not listened to.
    Nobody,
}

/// When somebody was turned away last, so that it is not told too often.
#[derive(Debug, Default)]
pub(super) struct LastRefusal(Option<Instant>);

/// How often it is told that somebody was turned away.
const REFUSALS: core::time::Duration = core::time::Duration::from_secs(1);

impl Registrar {
    /// Whether a registrar at these addresses may be a peer.
    pub(super) fn may_be_peer(&self, endpoint: Endpoint<'_>) -> bool {
        match &self.config.peer_admission {
            PeerAdmission::Anyone => true,
            PeerAdmission::Listed(ranges) => endpoint
                .addresses
                .iter()
                .any(|address| self.is_configured(*address) || ranges.iter().any(|range| range.contains(*address))),
        }
    }

    /// Whether a peer was configured at this address.
    fn is_configured(&self, address: IpAddr) -> bool {
        self.configured.iter().any(|peer| peer.endpoint.as_endpoint().addresses.contains(&address))
    }

    /// Whether there is room for one more peer at these addresses. Others leave places for those that were configured.
    pub(super) fn has_room_for_peer(&self, addresses: impl Iterator<Item = IpAddr> + Clone) -> bool {
        let (limits, reserved) = (&self.config.limits, self.configured.len());
        if addresses.clone().any(|address| self.is_configured(address)) {
            return self.peers.len() < limits.peers.saturating_add(reserved);
        }
        let is_here = |address| addresses.clone().any(|here| here == address);
        let is_there = |peer: &&Peer| self.addresses_of(peer).any(is_here);
        self.peers.len() < limits.peers.saturating_sub(reserved)
            && self.peers.values().filter(is_there).count() < limits.address_peers
    }

    /// Where a peer is, as far as is known.
    fn addresses_of(&self, peer: &Peer) -> impl Iterator<Item = IpAddr> {
        let endpoint = peer.endpoint.as_ref().map(EndpointBuf::as_endpoint);
        let said = endpoint.map_or(&[][..], |endpoint| endpoint.addresses);
        let association = peer.association.and_then(|association| self.associations.get(association));
        said.iter().copied().chain(association.into_iter().flat_map(Association::addresses))
    }

    /// Somebody who wants to be a peer is turned away.
    pub(super) fn refuse_peer(&mut self, now: Instant, association: AssociationId, reason: PeerRefusal) {
        self.tell_refusal(now, association, reason);
        self.abort(now, association);
    }

    fn tell_refusal(&mut self, now: Instant, association: AssociationId, reason: PeerRefusal) {
        if let Some(address) = self.associations.get(association).and_then(Association::place)
            && self.last_refusal.0.is_none_or(|last| now.since(last) >= REFUSALS)
        {
            self.last_refusal.0 = Some(now);
            self.event(Event::PeerRefused { address, reason });
        }
    }

    /// A message has come on an association: who has sent it? A peer lives (RFC 5353 §3.4.1, §3.4.3).
    pub(super) fn heard(&mut self, now: Instant, association: AssociationId, sender: ServerIdentifier) -> Sender {
        let Some(entry) = self.associations.get(association) else { return Sender::Nobody };
        match entry.speaker {
            Speaker::Known(server) | Speaker::Claims(server) if server != sender => {
                self.refuse_peer(now, association, PeerRefusal::TwoIdentifiers);
                return Sender::Nobody;
            }
            Speaker::Known(_) => {}
            speaker => {
                if self.lives_elsewhere(entry, sender) {
                    if speaker != Speaker::Claims(sender) {
                        self.set_speaker(association, Speaker::Claims(sender));
                        self.tell_refusal(now, association, PeerRefusal::Impostor);
                        // It is asked where it lives. Should it not be there, it is here.
                        self.suspect(now, sender);
                    }
                    return Sender::Unproven;
                }
                if !self.peers.contains_key(&sender) && !self.has_room_for_peer(entry.addresses()) {
                    self.refuse_peer(now, association, PeerRefusal::TooMany);
                    return Sender::Nobody;
                }
                self.set_speaker(association, Speaker::Known(sender));
            }
        }
        self.is_alive(now, association, sender);
        if self.configured.is_empty() {
            self.mentor_found(now, association);
        }
        Sender::Peer
    }

    /// Another one may have been expected there.
    fn set_speaker(&mut self, association: AssociationId, speaker: Speaker) {
        let Some(entry) = self.associations.get_mut(association) else { return };
        let before = entry.server();
        entry.speaker = speaker;
        let now = entry.server();
        if before != now
            && let Some(peer) = before.and_then(|before| self.peers.get_mut(&before))
            && peer.association == Some(association)
        {
            peer.association = None;
        }
    }

    /// Whether a registrar is known to live at other addresses than the other end of an association has.
    fn lives_elsewhere(&self, here: &Association, server: ServerIdentifier) -> bool {
        let Some(peer) = self.peers.get(&server).filter(|peer| !peer.silent) else { return false };
        let mut addresses = self.addresses_of(peer).peekable();
        addresses.peek().is_some() && !addresses.any(|address| here.addresses().any(|other| other == address))
    }

    /// A peer lives, and speaks on this association.
    fn is_alive(&mut self, now: Instant, association: AssociationId, sender: ServerIdentifier) {
        let known = self.peers.contains_key(&sender);
        let peer = self.peers.entry(sender).or_insert(Peer::new());
        if !peer.association.is_some_and(|association| self.associations.is_open(association)) {
            peer.association = Some(association);
        }
        peer.revive();
        self.timers.set(Timer::PeerSilent(sender), now + self.config.max_time_last_heard);
        self.timers.stop(Timer::PeerNoResponse(sender));
        self.timers.stop(Timer::PeerNotActive(sender));
        if self.takeovers.contains_key(&sender) {
            self.abort_takeover(sender);
        }
        if !known {
            self.event(Event::PeerFound { peer: sender });
            // RFC 5353 §3.4.1: the new peer is made to tell all about itself.
            self.send_presence(association, sender, ReplyRequired::Yes);
        }
    }

    /// Somebody says to be a peer that lives elsewhere. It may be a registrar that does not know that it has another one's identifier
    /// (RFC 5353 §3.2.1), so it is told who is there, and nothing that it says counts.
    pub(super) fn unproven(&mut self, association: AssociationId, message: &Message<'_>) {
        match message.body {
            Body::Presence(presence) if presence.reply_required => {
                self.send_presence(association, message.sender, ReplyRequired::No);
            }
            Body::ListRequest => self.list_request(association, message.sender),
            _ => {}
        }
    }

    /// A peer is not where it lived. True if it has moved to where somebody says to be it.
    pub(super) fn has_moved(&mut self, now: Instant, server: ServerIdentifier) -> bool {
        let Some(association) = self.associations.claims_to_be(server) else { return false };
        if let Some(peer) = self.peers.get_mut(&server) {
            (peer.association, peer.endpoint) = (Some(association), None);
        }
        self.set_speaker(association, Speaker::Known(server));
        self.is_alive(now, association, server);
        self.send_presence(association, server, ReplyRequired::Yes);
        true
    }

    /// A peer tells where it is. Whoever was there before, under another identifier, is there no more.
    pub(super) fn supersede(&mut self, now: Instant, association: AssociationId, sender: ServerIdentifier) {
        let Some(endpoint) = self.peers.get(&sender).and_then(|peer| peer.endpoint.clone()) else { return };
        let is_there = |address| self.associations.has_address(association, address);
        if !endpoint.as_endpoint().addresses.iter().any(|address| is_there(*address)) {
            return;
        }
        let was_there = |(server, peer): &(&ServerIdentifier, &Peer)| {
            **server != sender
                && !peer.silent
                && peer.endpoint.as_ref().is_some_and(|other| other.meets(endpoint.as_endpoint()))
        };
        let before = self.peers.iter().find(was_there).map(|(server, _)| *server);
        if let Some(server) = before
            && let Some(peer) = self.peers.get_mut(&server)
        {
            peer.silent = true;
            if peer.status == Status::Active {
                self.suspect(now, server);
            }
        }
    }
}
