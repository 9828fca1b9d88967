//! The start-up: finding a mentor among the peers, getting its list of registrars and its handle table
//! (RFC 5353 §3.2).

use alloc::vec::Vec;

use super::Registrar;
use super::event::Event;
use super::peers::{Status, send};
use super::timers::Timer;
use crate::endpoint::EndpointBuf;
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::enrp::{Body, ListResponse, Message};
use crate::wire::{Sequence, ServerIdentifier, ServerInformation, TransportUse, Unknown};

/// How far the start-up has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has happened yet.
    Starting,
    /// Associations with the configured peers are being opened.
    FindingMentor { refusals: u8 },
    /// The mentor was asked for its list of registrars.
    RequestingList { mentor: AssociationId, refusals: u8 },
    /// The mentor was asked for its handle table.
    Downloading { mentor: AssociationId, refusals: u8 },
    /// A mentor has refused; after a while one is asked again.
    Refused { by: AssociationId, refusals: u8 },
    /// Over.
    Serving,
}

impl Registrar {
    pub(super) fn start(&mut self, now: Instant) {
        self.timers.set(Timer::Heartbeat, now + self.config.peer_heartbeat_cycle);
        if self.configured.is_empty() {
            // RFC 5353 §3.2.2.1: alone, as far as it knows.
            self.serve(now);
            return;
        }
        self.find_mentor(now, 0);
    }

    fn find_mentor(&mut self, now: Instant, refusals: u8) {
        self.phase = Phase::FindingMentor { refusals };
        self.timers.set(Timer::Mentor, now + self.config.max_time_no_response);
        self.reconnect(now);
        self.serve_if_alone(now);
    }

    /// The start-up is over.
    pub(super) fn serve(&mut self, now: Instant) {
        self.phase = Phase::Serving;
        self.timers.stop(Timer::Mentor);
        self.event(Event::Serving);
        self.announce(now);
        self.announce_presence();
    }

    /// An association with a peer is open. While a mentor is looked for, it is one.
    pub(super) fn mentor_found(&mut self, now: Instant, association: AssociationId) {
        if let Phase::FindingMentor { refusals } = self.phase {
            self.request_list(now, association, refusals);
        }
    }

    /// RFC 5353 §3.2.2.2.
    fn request_list(&mut self, now: Instant, mentor: AssociationId, refusals: u8) {
        self.phase = Phase::RequestingList { mentor, refusals };
        self.timers.set(Timer::Mentor, now + self.config.max_time_no_response);
        let receiver = self.server_at(mentor);
        send(&mut self.outbox, mentor, &Message::new(self.identifier, receiver, Body::ListRequest));
    }

    fn server_at(&self, association: AssociationId) -> ServerIdentifier {
        self.associations.get(association).and_then(|entry| entry.server).unwrap_or(ServerIdentifier::NONE)
    }

    pub(super) fn list_response(&mut self, now: Instant, association: AssociationId, response: &ListResponse<'_>) {
        let Phase::RequestingList { mentor, refusals } = self.phase else { return };
        if mentor != association {
            return;
        }
        if response.rejected {
            self.refused(now, association, refusals);
            return;
        }
        for server in &response.servers {
            self.learn_peer(now, server.identifier, EndpointBuf::from_transport(&server.transport));
        }
        self.phase = Phase::Downloading { mentor, refusals };
        self.request_table(now, mentor);
    }

    /// RFC 5353 §3.2.3: asks the mentor for the handle table, or the next part of it.
    pub(super) fn request_table(&mut self, now: Instant, mentor: AssociationId) {
        self.timers.set(Timer::Mentor, now + self.config.max_time_no_response);
        let body = Body::HandleTableRequest { own_children_only: false };
        let receiver = self.server_at(mentor);
        send(&mut self.outbox, mentor, &Message::new(self.identifier, receiver, body));
    }

    /// The mentor is starting up itself, or too busy, or silent.
    pub(super) fn refused(&mut self, now: Instant, by: AssociationId, refusals: u8) {
        let refusals = refusals.saturating_add(1);
        if refusals > self.config.max_mentor_refusals {
            // Two that start at once would refuse each other for ever.
            self.serve(now);
            return;
        }
        self.phase = Phase::Refused { by, refusals };
        let wait = self.random.around(self.config.mentor_retry);
        self.timers.set(Timer::Mentor, now + wait);
    }

    pub(super) fn mentor_timeout(&mut self, now: Instant) {
        match self.phase {
            Phase::Starting | Phase::Serving => {}
            // No peer could be reached.
            Phase::FindingMentor { .. } => self.serve(now),
            Phase::RequestingList { mentor, refusals } | Phase::Downloading { mentor, refusals } => {
                self.refused(now, mentor, refusals);
            }
            Phase::Refused { by, refusals } => self.ask_next_mentor(now, by, refusals),
        }
    }

    /// Asks the next open peer behind the one that has refused; the same again if there is no other.
    fn ask_next_mentor(&mut self, now: Instant, refused_by: AssociationId, refusals: u8) {
        let open: Vec<AssociationId> = self
            .configured
            .iter()
            .filter_map(|peer| peer.association.or_else(|| self.associations.find(peer.endpoint.as_endpoint())))
            .filter(|association| self.associations.is_open(*association))
            .collect();
        let behind = open.iter().position(|association| *association == refused_by).map_or(0, |index| index + 1);
        match open.get(behind).or_else(|| open.first()) {
            Some(mentor) => self.request_list(now, *mentor, refusals),
            None => self.find_mentor(now, refusals),
        }
    }

    /// An association has ended; maybe it led to the mentor, or was the last hope to find one.
    pub(super) fn mentor_lost(&mut self, now: Instant, association: AssociationId) {
        match self.phase {
            Phase::RequestingList { mentor, refusals } | Phase::Downloading { mentor, refusals }
                if mentor == association =>
            {
                self.refused(now, mentor, refusals);
            }
            Phase::FindingMentor { .. } => self.serve_if_alone(now),
            _ => {}
        }
    }

    fn serve_if_alone(&mut self, now: Instant) {
        if self.configured.iter().all(|peer| self.associations.find(peer.endpoint.as_endpoint()).is_none()) {
            self.serve(now);
        }
    }

    /// RFC 5353 §3.2.2.2, as a mentor.
    pub(super) fn list_request(&mut self, association: AssociationId, sender: ServerIdentifier) {
        let Self { peers, outbox, identifier, phase, .. } = self;
        let serving = *phase == Phase::Serving;
        let known = peers.iter().filter(|(id, peer)| **id != sender && peer.status == Status::Active);
        let servers: Vec<ServerInformation<'_>> = known
            .filter_map(|(id, peer)| {
                let transport = peer.endpoint.as_ref()?.as_transport(TransportUse::DataOnly);
                Some(ServerInformation { identifier: *id, transport, unknown: Unknown::NONE })
            })
            .take(if serving { usize::MAX } else { 0 })
            .collect();
        let response = ListResponse { rejected: !serving, servers: Sequence::new(&servers) };
        send(outbox, association, &Message::new(*identifier, sender, Body::ListResponse(response)));
    }
}
