//! Membership in the pool: registration, its renewal, deregistration, keep-alives, and the home registrar (RFC 5352
//! §3.1, §3.2, §3.4, §3.6).

use super::{ElementConfig, Goal, PoolElement, Record, RegistrationFailure, State};
use crate::client::link::Opened;
use crate::client::send;
use crate::machine::{AssociationId, CloseReason};
use crate::time::Instant;
use crate::wire::asap::{self, Body, ElementReference, EndpointKeepAlive};
use crate::wire::{PoolHandle, ServerIdentifier};

impl<const SESSIONS: usize, const OCTETS: usize> PoolElement<SESSIONS, OCTETS> {
    pub(super) fn reference(config: &ElementConfig) -> ElementReference<'_> {
        ElementReference { pool_handle: PoolHandle::new(&config.pool_handle), identifier: config.identifier }
    }

    /// Asks the home registrar for what is wanted, or looks for one.
    pub(super) fn pursue(&mut self, now: Instant, goal: Goal) {
        match (self.link.home(), goal) {
            (Some(home), Goal::Register) => self.send_registration(now, home),
            (Some(home), Goal::Deregister) => self.send_deregistration(now, home),
            (None, _) => {
                self.state = State::Hunting(goal);
                self.link.hunt(now, &mut self.outbox);
            }
        }
    }

    /// What is to be asked of a new home registrar.
    const fn goal(&self) -> Option<Goal> {
        match self.state {
            State::Idle => None,
            State::Hunting(goal) => Some(goal),
            State::Registering { .. } | State::Registered { .. } => Some(Goal::Register),
            State::Deregistering { .. } => Some(Goal::Deregister),
        }
    }

    /// RFC 5352 §3.1 R2–R4.
    pub(super) fn send_registration(&mut self, now: Instant, home: AssociationId) {
        let Self { config, outbox, .. } = self;
        let element = config.pool_element();
        let message = Body::Registration(asap::Registration {
            pool_handle: PoolHandle::new(&config.pool_handle),
            pool_element: element,
        });
        // Without room for it T2 expires, and the element tries again.
        let _ = send(outbox, home, &message.into());
        self.registered_at = Some(now);
        self.change_due = None;
        self.state = State::Registering { t2: now + self.config.t2_registration };
    }

    /// The configuration has changed: it is registered again, at once or after a while.
    pub(super) fn changed(&mut self, now: Instant) {
        let earliest = self.registered_at.map_or(now, |at| at + self.config.change_interval);
        self.change_due = Some(now.max(earliest));
        self.register_change(now);
    }

    /// A change during a registration waits for its answer.
    fn register_change(&mut self, now: Instant) {
        if self.is_registered() && self.change_due.is_some_and(|due| due <= now) {
            self.pursue(now, Goal::Register);
        }
    }

    /// RFC 5352 §3.2 D1–D4.
    pub(super) fn send_deregistration(&mut self, now: Instant, home: AssociationId) {
        let message = Body::Deregistration(Self::reference(&self.config));
        let _ = send(&mut self.outbox, home, &message.into());
        self.state = State::Deregistering { t3: now + self.config.t3_deregistration };
    }

    pub(super) fn event(&mut self, record: Record) {
        let _ = self.outbox.push(record);
    }

    /// Ends an association with a registrar.
    fn end(&mut self, association: Option<AssociationId>, record: impl FnOnce(AssociationId) -> Record) {
        if let Some(association) = association {
            self.sessions.remove(association);
            self.event(record(association));
        }
    }

    /// The home registrar does not answer, or is gone: look for another (RFC 5352 §3.1, §3.2, §3.6).
    fn lose_home(&mut self, now: Instant, reason: CloseReason) {
        self.link.lose();
        self.home = ServerIdentifier::NONE;
        if let State::Registering { .. } = self.state {
            self.attempt_failed(now, reason);
        }
        if let Some(goal) = self.goal() {
            self.pursue(now, goal);
        }
        self.ask_anew(now);
    }

    pub(super) fn opened(&mut self, now: Instant, association: AssociationId) {
        match self.link.opened(now, association, &mut self.outbox) {
            // An attempt that was given up.
            Opened::NotOurs => self.event(Record::Abort { association }),
            Opened::Home { instead_of: None } => self.home_found(now),
            // RFC 5352 §3.7.2: the home does not answer, and another registrar does.
            Opened::Home { instead_of: old } => {
                self.end(old, |association| Record::Abort { association });
                self.home = ServerIdentifier::NONE;
                self.event(Record::HomeLost { reason: CloseReason::Lost });
                self.home_found(now);
            }
        }
    }

    fn home_found(&mut self, now: Instant) {
        if let Some(goal) = self.goal() {
            self.pursue(now, goal);
        }
        self.ask_anew(now);
    }

    pub(super) fn closed(&mut self, now: Instant, association: AssociationId, reason: CloseReason) {
        let is_users = self.sessions.remove(association);
        if self.link.home() == Some(association) {
            self.event(Record::HomeLost { reason });
            self.lose_home(now, reason);
        } else if is_users {
            self.event(Record::SessionClosed { session: association, reason });
        }
    }

    /// A registration has got no answer. RFC 5352 §3.1: it is tried elsewhere, and past MAX-REG-ATTEMPT the application is told, and
    /// the element stops.
    fn attempt_failed(&mut self, now: Instant, reason: CloseReason) {
        // A registrar that is starting ends associations. What it ends within T5 is one failure.
        let is_same = |at| now.since(at) < self.config.hunt.t5_serverhunt;
        if reason == CloseReason::Lost || !self.failed_at.is_some_and(is_same) {
            self.failed_at = Some(now);
            self.failed_attempts = self.failed_attempts.saturating_add(1);
        }
        if self.failed_attempts > self.config.max_reg_attempt {
            self.state = State::Idle;
            self.event(Record::RegistrationFailed(RegistrationFailure::NoAnswer));
        }
    }

    pub(super) fn forget_failures(&mut self) {
        (self.failed_attempts, self.failed_at) = (0, None);
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        match self.state {
            State::Registering { t2: at } | State::Deregistering { t3: at } if at <= now => {
                let home = self.link.lose();
                self.end(home, |association| Record::Abort { association });
                self.lose_home(now, CloseReason::Lost);
            }
            State::Registered { t4 } if t4 <= now => self.pursue(now, Goal::Register),
            _ => {}
        }
        self.register_change(now);
        self.query_timeout(now);
        self.link.timeout(now, &mut self.outbox);
    }

    pub(super) fn registration_response(
        &mut self,
        now: Instant,
        association: AssociationId,
        response: &asap::RegistrationResponse<'_>,
    ) {
        let is_waiting = matches!(self.state, State::Registering { .. }) && self.link.home() == Some(association);
        if response.element != Self::reference(&self.config) || !is_waiting {
            return;
        }
        if response.rejected {
            let cause = response.error.and_then(|causes| causes.first()).map(|cause| cause.code);
            // RFC 5352 §3.1: MUST NOT try again without correcting the error. The application has to.
            self.state = State::Idle;
            self.rest();
            self.event(Record::RegistrationFailed(RegistrationFailure::Rejected(cause)));
            return;
        }
        self.forget_failures();
        self.state = State::Registered { t4: now + self.config.t4_reregistration() };
        self.event(Record::Registered { home: self.home });
    }

    pub(super) fn deregistration_response(
        &mut self,
        now: Instant,
        association: AssociationId,
        response: &asap::DeregistrationResponse<'_>,
    ) {
        if response.element != Self::reference(&self.config) || self.link.home() != Some(association) {
            return;
        }
        let rejected = response.error.and_then(|causes| causes.first()).map(|cause| cause.code);
        match self.state {
            State::Deregistering { .. } => {
                self.state = State::Idle;
                // Who comes back does not wait, as one does who was removed.
                self.link.home_serves();
                self.rest();
                self.event(match rejected {
                    None => Record::Deregistered,
                    Some(cause) => Record::DeregistrationRejected { cause },
                });
            }
            // Unasked for: the registration's life has ended (RFC 5352 §3.2). The application has not asked for that.
            State::Registered { .. } => {
                self.event(Record::RegistrationExpired);
                self.pursue(now, Goal::Register);
            }
            _ => {}
        }
    }

    /// RFC 5352 §3.4 KA1, KA2.
    pub(super) fn keep_alive(&mut self, now: Instant, association: AssociationId, keep_alive: &EndpointKeepAlive<'_>) {
        self.sessions.is_registrar(association);
        let for_another = keep_alive.identifier.is_some_and(|identifier| identifier != self.config.identifier);
        if keep_alive.pool_handle != PoolHandle::new(&self.config.pool_handle) || for_another {
            return;
        }
        match self.state {
            // There is no registration that the message could be about: it is discarded (KA1). An answer would keep the
            // element in the table of a registrar that has missed its deregistration.
            State::Idle => return,
            // The registrar is to remove the element, so it is not told that the element is there.
            State::Deregistering { .. } | State::Hunting(Goal::Deregister) => {}
            State::Registering { .. } | State::Registered { .. } | State::Hunting(Goal::Register) => {
                let message = Body::EndpointKeepAliveAck(Self::reference(&self.config));
                let _ = send(&mut self.outbox, association, &message.into());
            }
        }
        if self.link.home() == Some(association) {
            self.home = keep_alive.server;
        } else if keep_alive.new_home || matches!(self.state, State::Hunting(_)) {
            // Also the old one, if it comes over a new association: the old association has ended, or soon will. And who looks
            // for a home has found one in a registrar that asks: between the two there may be no second association.
            self.adopt(now, association, keep_alive.server);
        }
    }

    /// A registrar has taken over: it is the home now.
    fn adopt(&mut self, now: Instant, association: AssociationId, server: ServerIdentifier) {
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
