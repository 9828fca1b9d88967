//! The start-up: finding a mentor among the peers, getting its list of registrars and its handle table
//! (RFC 5353 §3.2).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::associations::{Association, Standing};
use super::config::Announcements;
use super::event::Event;
use super::peers::{Peer, ReplyRequired, Status, send};
use super::timers::Timer;
use super::{OwnedHandle, Registrar};
use crate::endpoint::EndpointBuf;
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::enrp::{Body, ListResponse, Message};
use crate::wire::{PeIdentifier, PoolHandle, Sequence, ServerIdentifier, ServerInformation, TransportUse, Unknown};

/// How many registrars a list holds, at most: what fits into one message, as RFC 5353 §2.6 knows no further parts.
/// Whoever is left out makes itself known.
const MAX_SERVERS: usize = 600;

/// What homes have told of their elements while the handle table is being downloaded: it is newer than what the mentor's
/// table says.
#[derive(Debug, Default)]
pub(super) struct HeardMeanwhile(BTreeSet<(OwnedHandle, PeIdentifier)>);

impl HeardMeanwhile {
    /// How many are remembered. Of more the mentor's word counts, until the audit.
    const MAX: usize = 100_000;

    pub(super) fn note(&mut self, pool_handle: PoolHandle<'_>, identifier: PeIdentifier) {
        if self.0.len() < Self::MAX {
            self.0.insert((pool_handle.octets().into(), identifier));
        }
    }

    pub(super) fn contains(&self, pool_handle: PoolHandle<'_>, identifier: PeIdentifier) -> bool {
        !self.0.is_empty() && self.0.contains(&(pool_handle.octets().into(), identifier))
    }
}

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
    /// The orderly end has begun, and may take until then.
    Leaving { until: Instant },
    /// It has come.
    Gone,
}

impl Registrar {
    pub(super) fn start(&mut self, now: Instant) {
        self.timers.set(Timer::Heartbeat, now + self.config.peer_heartbeat_cycle);
        self.find_mentor(now, 0);
    }

    fn find_mentor(&mut self, now: Instant, refusals: u8) {
        self.phase = Phase::FindingMentor { refusals };
        self.timers.set(Timer::Mentor, now + self.config.max_time_no_response);
        self.reconnect(now);
        self.announce_to_registrars(ReplyRequired::Yes);
        // RFC 5353 §3.2.2.1: without any it is alone, as far as it knows.
        self.serve_if_alone(now);
    }

    /// The start-up is over.
    pub(super) fn serve(&mut self, now: Instant) {
        self.phase = Phase::Serving;
        self.heard_meanwhile = HeardMeanwhile::default();
        self.timers.stop(Timer::Mentor);
        if !self.adopted.is_empty() {
            self.timers.set(Timer::Adopt, now);
        }
        self.event(Event::Serving);
        self.announce(now);
        self.announce_presence();
    }

    /// An association with a peer is open, or a peer has spoken. While a mentor is looked for, it is one.
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
        self.associations.get(association).and_then(Association::server).unwrap_or(ServerIdentifier::NONE)
    }

    /// The mentor's list. It initializes the peer list.
    pub(super) fn list_response(&mut self, now: Instant, association: AssociationId, response: &ListResponse<'_>) {
        let Phase::RequestingList { mentor, refusals } = self.phase else { return };
        if mentor != association {
            return;
        }
        if response.rejected {
            self.refused(now, association, refusals);
            return;
        }
        let identifier = self.identifier;
        for server in &response.servers {
            self.learn_peer(now, server.identifier, EndpointBuf::from_transport(&server.transport));
        }
        if self.identifier != identifier {
            // All begins anew under another identifier, on other associations.
            self.find_mentor(now, refusals);
            return;
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

    /// Whether the handle table is being downloaded from this peer.
    pub(super) fn is_downloading_from(&self, peer: ServerIdentifier) -> Option<(AssociationId, u8)> {
        let Phase::Downloading { mentor, refusals } = self.phase else { return None };
        (self.server_at(mentor) == peer).then_some((mentor, refusals))
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
            Phase::Starting | Phase::Serving | Phase::Leaving { .. } | Phase::Gone => {}
            // No peer could be reached.
            Phase::FindingMentor { .. } => self.serve(now),
            Phase::RequestingList { mentor, refusals } | Phase::Downloading { mentor, refusals } => {
                self.end_audit(now, self.server_at(mentor));
                self.refused(now, mentor, refusals);
            }
            Phase::Refused { by, refusals } => self.ask_next_mentor(now, by, refusals),
        }
    }

    /// Asks the next registrar behind the one that has refused; the same again if there is no other.
    fn ask_next_mentor(&mut self, now: Instant, refused_by: AssociationId, refusals: u8) {
        let open = || self.associations.to_registrars().filter(|(_, entry)| entry.standing == Standing::Open);
        let next = open().map(|(association, _)| association).find(|association| *association > refused_by);
        match next.or_else(|| open().map(|(association, _)| association).next()) {
            Some(mentor) => self.request_list(now, mentor, refusals),
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
        // Whoever may hear an announcement is given time to answer.
        if self.config.announcements == Announcements::Off && self.associations.to_registrars().next().is_none() {
            self.serve(now);
        }
    }

    /// RFC 5353 §3.2.2.2, as a mentor.
    pub(super) fn list_request(&mut self, association: AssociationId, sender: ServerIdentifier) {
        let Self { peers, outbox, identifier, phase, .. } = self;
        let serving = *phase == Phase::Serving;
        // One with the same identifier elsewhere is listed, so that the one that asks hears of it.
        let asks = |id: ServerIdentifier, peer: &Peer| id == sender && peer.association == Some(association);
        let known = peers.iter().filter(|(id, peer)| !asks(**id, peer) && peer.status != Status::NotActive);
        let servers: Vec<ServerInformation<'_>> = known
            .filter_map(|(id, peer)| {
                let transport = peer.endpoint.as_ref()?.as_transport(TransportUse::DataOnly);
                Some(ServerInformation { identifier: *id, transport, unknown: Unknown::NONE })
            })
            .take(if serving { MAX_SERVERS } else { 0 })
            .collect();
        let response = ListResponse { rejected: !serving, servers: Sequence::new(&servers) };
        send(outbox, association, &Message::new(*identifier, sender, Body::ListResponse(response)));
    }
}
