//! Keep-alives, and registrars that make themselves the home (RFC 5352 §3.4).
//!
//! RFC 5352 §3.4 KA2.4 has an element follow whoever asks with the H flag. Then one message takes an element from its registrar. So only a
//! registrar that the element knows is followed at once. A stranger is followed if the home is silent, which it is if the stranger
//! has taken it over; an element without a home first waits for the registrars that it knows. A stranger gets no answer before, as an
//! answer would make it the home.

use core::time::Duration;

use super::sessions::Origin;
use super::{Goal, PoolElement, Record, State};
use crate::client::send;
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::asap::{Body, EndpointKeepAlive, HandleResolution};
use crate::wire::{PoolHandle, ServerIdentifier};

/// How often the home is asked at most whether it lives, whoever comes.
const QUESTION_INTERVAL: Duration = Duration::from_secs(1);

/// A registrar that the element does not know wants to be its home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    association: AssociationId,
    server: ServerIdentifier,
    /// When the home is to be asked whether it lives; `None` if it was asked, or need not be.
    asks: Option<Instant>,
    /// The stranger is followed if nobody that the element knows has spoken by then.
    until: Instant,
}

impl Claim {
    pub(super) const fn association(&self) -> AssociationId {
        self.association
    }

    pub(super) fn timeout(&self) -> Instant {
        self.asks.unwrap_or(self.until)
    }
}

impl<const SESSIONS: usize, const OCTETS: usize> PoolElement<SESSIONS, OCTETS> {
    /// RFC 5352 §3.4 KA1, KA2.
    pub(super) fn keep_alive(&mut self, now: Instant, association: AssociationId, keep_alive: &EndpointKeepAlive<'_>) {
        self.sessions.is_registrar(association);
        let for_another = keep_alive.identifier.is_some_and(|identifier| identifier != self.config.identifier);
        // Without a registration there is none that the message could be about: it is discarded (KA1). An answer would keep the
        // element in the table of a registrar that has missed its deregistration.
        if keep_alive.pool_handle != PoolHandle::new(&self.config.pool_handle)
            || for_another
            || self.state == State::Idle
        {
            return;
        }
        let (home, server) = (self.link.home(), keep_alive.server);
        if home == Some(association) {
            self.acknowledge(association);
            self.home = server;
        } else if home.is_some() && !keep_alive.new_home {
            self.acknowledge(association);
        } else if self.sessions.origin(association) == Origin::KnownRegistrar || self.link.nobody_answers() {
            // Also the old home, if it comes over a new association: the old association has ended, or soon will. And who looks
            // for a home has found one in a registrar that asks: between the two there may be no second association.
            self.follow(now, association, server);
        } else {
            self.examine(now, association, server);
        }
    }

    /// RFC 5352 §3.4 KA2. A registrar that is to remove the element is not told that the element is there.
    fn acknowledge(&mut self, association: AssociationId) {
        if !matches!(self.state, State::Deregistering { .. } | State::Hunting(Goal::Deregister)) {
            let message = Body::EndpointKeepAliveAck(Self::reference(&self.config));
            let _ = send(&mut self.outbox, association, &message.into());
        }
    }

    /// A stranger wants to be the home.
    fn examine(&mut self, now: Instant, association: AssociationId, server: ServerIdentifier) {
        match self.claim {
            Some(claim) if claim.association == association => return,
            Some(_) => return self.end(Some(association), |association| Record::Abort { association }),
            None => {}
        }
        // Who registers or deregisters has asked its home already.
        let asks = self.is_registered().then(|| self.home_asked.map_or(now, |at| now.max(at + QUESTION_INTERVAL)));
        let until = asks.unwrap_or(now) + self.config.home_silence;
        self.claim = Some(Claim { association, server, asks, until });
    }

    /// Asks the home something that it has to answer, and that changes nothing there: for the elements of the pool.
    fn ask_home(&mut self, now: Instant) {
        let Some(home) = self.link.home() else { return };
        let pool_handle = PoolHandle::new(&self.config.pool_handle);
        let question = HandleResolution { pool_handle, send_updates: false, items: None };
        let _ = send(&mut self.outbox, home, &Body::HandleResolution(question).into());
        self.home_asked = Some(now);
    }

    /// The home lives, or another registrar that the element knows. A stranger learns that it has not got the element.
    pub(super) fn refuse_claim(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.end(Some(claim.association), |association| Record::Abort { association });
        }
    }

    /// The association with the home has ended. False if there is no stranger to follow.
    pub(super) fn follow_claim(&mut self, now: Instant) -> bool {
        let Some(Claim { association, server, .. }) = self.claim.take() else { return false };
        self.follow(now, association, server);
        true
    }

    /// A stranger is followed when nobody has spoken whom the element knows.
    pub(super) fn settle_claim(&mut self, now: Instant) {
        if self.state == State::Idle {
            self.refuse_claim();
        }
        if let Some(claim) = &mut self.claim
            && claim.asks.take_if(|at| *at <= now).is_some()
        {
            self.ask_home(now);
        }
        if self.claim.is_some_and(|claim| claim.until <= now || self.link.nobody_answers()) {
            self.follow_claim(now);
        }
    }

    /// A registrar is the home now, by its own will.
    fn follow(&mut self, now: Instant, association: AssociationId, server: ServerIdentifier) {
        self.claim.take_if(|claim| claim.association == association);
        self.refuse_claim();
        self.acknowledge(association);
        let old = self.link.adopt(association, &mut self.outbox);
        match self.goal() {
            // It has taken over the registration as well.
            _ if self.is_registered() => {}
            // Whether the old home has handled the request is not known; the new one has not.
            Some(goal) => self.pursue(now, goal),
            None => {}
        }
        self.ask_anew(now);
        self.end(old, |association| Record::Close { association });
        self.home = server;
        self.event(Record::HomeChanged { home: server });
    }
}
