//! Whether peers live (RFC 5353 §3.4.3): who is silent, lost, or said to be dead by others is asked, and dead if there is no answer.

use super::Registrar;
use super::associations::{Association, Speaker, Standing};
use super::event::Event;
use super::outbox::Record;
use super::peers::{ReplyRequired, Status};
use super::timers::Timer;
use crate::machine::{AssociationId, OpenFailure};
use crate::time::Instant;
use crate::wire::ServerIdentifier;

impl Registrar {
    /// An association has ended, or could not be opened; maybe it led to a peer.
    pub(super) fn enrp_ended(
        &mut self,
        now: Instant,
        association: AssociationId,
        ended: &Association,
        failure: Option<OpenFailure>,
    ) {
        for peer in &mut self.configured {
            if peer.association == Some(association) {
                peer.association = None;
            }
        }
        self.timers.stop(Timer::Discovery(association));
        self.mentor_lost(now, association);
        let Some(identifier) = ended.server() else { return };
        let Some(peer) = self.peers.get_mut(&identifier) else { return };
        peer.updates_missed = true;
        if peer.association != Some(association) {
            return;
        }
        peer.association = None;
        match (peer.status, ended.standing) {
            // What cannot be done here is no sign that the peer is dead. It has the rest of its time.
            (Status::Suspected | Status::NotActive, Standing::Opening) if failure == Some(OpenFailure::Local) => {}
            // RFC 5353 §3.4.3: the send fails.
            (Status::Suspected | Status::NotActive, Standing::Opening) => self.peer_dead(now, identifier),
            // It has only read here, and told of nothing: there is nobody to ask, and nothing to take over.
            (Status::Active, _)
                if peer.endpoint.is_none() && self.handlespace.owned_by(identifier).next().is_none() =>
            {
                self.forget_peer(identifier);
            }
            (Status::Active, _) => self.suspect(now, identifier),
            // It has been asked, and has the rest of its time.
            (Status::Suspected | Status::NotActive, Standing::Open) => {}
        }
    }

    /// RFC 5353 §3.4.3: a peer has not been heard for MAX-TIME-LAST-HEARD, or its association is gone; it is asked
    /// whether it lives.
    pub(super) fn suspect(&mut self, now: Instant, identifier: ServerIdentifier) {
        let Some(peer) = self.peers.get_mut(&identifier) else { return };
        if peer.status == Status::Active {
            peer.status = Status::Suspected;
            self.timers.stop(Timer::PeerSilent(identifier));
            self.event(Event::PeerSuspected { peer: identifier });
            self.ask_whether_alive(now, identifier);
        }
    }

    /// Asks a peer whether it lives. It may answer within MAX-TIME-NO-RESPONSE of the first time that it was asked.
    pub(super) fn ask_whether_alive(&mut self, now: Instant, identifier: ServerIdentifier) {
        if !self.timers.is_running(Timer::PeerNoResponse(identifier)) {
            if self.peers.get(&identifier).is_none_or(|peer| peer.silent && peer.status == Status::NotActive) {
                return;
            }
            self.timers.set(Timer::PeerNoResponse(identifier), now + self.config.max_time_no_response);
        }
        // If the association has to be opened first, the question follows then.
        if let Some(association) = self.reach(identifier) {
            self.send_presence(association, identifier, ReplyRequired::Yes);
        }
    }

    /// RFC 5353 §3.4.3: a peer has not answered within MAX-TIME-NO-RESPONSE, or cannot be reached.
    pub(super) fn peer_dead(&mut self, now: Instant, identifier: ServerIdentifier) {
        self.timers.stop(Timer::PeerNoResponse(identifier));
        if self.has_moved(now, identifier) {
            return;
        }
        let Some(peer) = self.peers.get_mut(&identifier) else { return };
        peer.silent = true;
        if let Some(successor) = peer.succession.declared() {
            self.taken_over_by(now, successor, identifier);
            return;
        }
        if peer.status == Status::NotActive {
            // RFC 5353 §3.5.1: another registrar takes it over.
            return;
        }
        self.event(Event::PeerDead { peer: identifier });
        if self.is_serving() {
            self.initiate_takeover(now, identifier);
            self.excuse(now, identifier);
        } else {
            self.forget_peer(identifier);
        }
    }

    /// Takes a peer off the list.
    pub(super) fn forget_peer(&mut self, identifier: ServerIdentifier) {
        let Some(peer) = self.peers.remove(&identifier) else { return };
        for timer in [
            Timer::PeerSilent(identifier),
            Timer::PeerNoResponse(identifier),
            Timer::PeerNotActive(identifier),
            Timer::Sync(identifier),
            Timer::Download(identifier),
        ] {
            self.timers.stop(timer);
        }
        // Another registrar may speak there by now.
        if let Some(association) = peer.association
            && let Some(entry) = self.associations.get(association)
            && matches!(entry.speaker, Speaker::Expected(server) | Speaker::Known(server) if server == identifier)
        {
            self.associations.remove(association);
            self.outbox.push(Record::Abort { association });
        }
    }
}
