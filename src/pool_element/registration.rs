//! Membership in the pool: registration, its renewal, deregistration, keep-alives, and the home registrar (RFC 5352
//! §3.1, §3.2, §3.4, §3.6).

use super::{ElementConfig, Goal, PoolElement, Record, RegistrationFailure, State};
use crate::client::{queue_hunt, send};
use crate::machine::{AssociationId, CloseReason};
use crate::time::Instant;
use crate::wire::asap::{self, Body, ElementReference, EndpointKeepAlive};
use crate::wire::{PoolHandle, ServerIdentifier};

impl<const SESSIONS: usize, const OCTETS: usize> PoolElement<SESSIONS, OCTETS> {
    pub(super) fn reference(config: &ElementConfig) -> ElementReference<'_> {
        ElementReference { pool_handle: PoolHandle::new(&config.pool_handle), identifier: config.identifier }
    }

    pub(super) fn home_association(&self) -> Option<AssociationId> {
        match self.state {
            State::Registering { home, .. } | State::Registered { home, .. } | State::Deregistering { home, .. } => {
                Some(home)
            }
            State::Idle | State::Hunting(_) => None,
        }
    }

    pub(super) fn hunt_for(&mut self, now: Instant, goal: Goal) {
        self.state = State::Hunting(goal);
        let Self { hunt, names, outbox, .. } = self;
        hunt.start(now, names, &mut |action| queue_hunt(outbox, &action));
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
        self.state = State::Registering { home, t2: now + self.config.t2_registration };
    }

    /// The configuration has changed: it is registered again, at once or after a while.
    pub(super) fn changed(&mut self, now: Instant) {
        let earliest = self.registered_at.map_or(now, |at| at + self.config.change_interval);
        self.change_due = Some(now.max(earliest));
        self.register_change(now);
    }

    /// A change during a registration waits for its answer.
    fn register_change(&mut self, now: Instant) {
        if let State::Registered { home, .. } = self.state
            && self.change_due.is_some_and(|due| due <= now)
        {
            self.send_registration(now, home);
        }
    }

    /// RFC 5352 §3.2 D1–D4.
    pub(super) fn send_deregistration(&mut self, now: Instant, home: AssociationId) {
        let message = Body::Deregistration(Self::reference(&self.config));
        let _ = send(&mut self.outbox, home, &message.into());
        self.state = State::Deregistering { home, t3: now + self.config.t3_deregistration };
    }

    pub(super) fn event(&mut self, record: Record) {
        let _ = self.outbox.push(record);
    }

    /// The home registrar does not answer, or is gone: look for another (RFC 5352 §3.1, §3.2, §3.6).
    pub(super) fn leave_home(&mut self, now: Instant, goal: Goal) {
        self.home = ServerIdentifier::NONE;
        self.resolution_failed();
        self.hunt_for(now, goal);
    }

    pub(super) fn opened(&mut self, now: Instant, association: AssociationId) {
        let Self { hunt, outbox, .. } = self;
        if !hunt.opened(now, association, &mut |action| queue_hunt(outbox, &action)) {
            // An attempt that was given up.
            let _ = self.outbox.push(Record::Abort { association });
            return;
        }
        match self.state {
            State::Hunting(Goal::Register) => self.send_registration(now, association),
            State::Hunting(Goal::Deregister) => self.send_deregistration(now, association),
            // The hunt is on in the state of hunting only.
            _ => {}
        }
    }

    pub(super) fn closed(&mut self, now: Instant, association: AssociationId, reason: CloseReason) {
        if self.home_association() == Some(association) {
            self.sessions.remove(association);
            self.event(Record::HomeLost { reason });
            match self.state {
                State::Deregistering { .. } => self.leave_home(now, Goal::Deregister),
                State::Registering { .. } => self.attempt_failed(now, reason),
                _ => self.leave_home(now, Goal::Register),
            }
            return;
        }
        if self.sessions.remove(association) {
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
            self.home = ServerIdentifier::NONE;
            self.event(Record::RegistrationFailed(RegistrationFailure::NoAnswer));
        } else {
            self.leave_home(now, Goal::Register);
        }
    }

    pub(super) fn forget_failures(&mut self) {
        (self.failed_attempts, self.failed_at) = (0, None);
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        match self.state {
            State::Registering { home, t2 } if t2 <= now => {
                let _ = self.outbox.push(Record::Abort { association: home });
                self.attempt_failed(now, CloseReason::Lost);
            }
            State::Registered { home, t4 } if t4 <= now => self.send_registration(now, home),
            State::Deregistering { home, t3 } if t3 <= now => {
                let _ = self.outbox.push(Record::Abort { association: home });
                self.leave_home(now, Goal::Deregister);
            }
            _ => {}
        }
        self.register_change(now);
        if self.query.as_ref().is_some_and(|query| query.t1 <= now) {
            self.resolution_failed();
        }
        let Self { hunt, names, outbox, .. } = self;
        hunt.timeout(now, names, &mut |action| queue_hunt(outbox, &action));
    }

    pub(super) fn registration_response(
        &mut self,
        now: Instant,
        association: AssociationId,
        response: &asap::RegistrationResponse<'_>,
    ) {
        if response.element != Self::reference(&self.config) {
            return;
        }
        let State::Registering { home, .. } = self.state else { return };
        if home != association {
            return;
        }
        if response.rejected {
            let cause = response.error.and_then(|causes| causes.first()).map(|cause| cause.code);
            // RFC 5352 §3.1: MUST NOT try again without correcting the error. The application has to.
            self.state = State::Idle;
            let _ = self.outbox.push(Record::Close { association: home });
            self.event(Record::RegistrationFailed(RegistrationFailure::Rejected(cause)));
            return;
        }
        self.forget_failures();
        self.state = State::Registered { home, t4: now + self.config.t4_reregistration() };
        self.event(Record::Registered { home: self.home });
    }

    pub(super) fn deregistration_response(
        &mut self,
        now: Instant,
        association: AssociationId,
        response: &asap::DeregistrationResponse<'_>,
    ) {
        if response.element != Self::reference(&self.config) || self.home_association() != Some(association) {
            return;
        }
        let rejected = response.error.and_then(|causes| causes.first()).map(|cause| cause.code);
        match (self.state, rejected) {
            (State::Deregistering { home, .. }, None) => {
                self.state = State::Idle;
                self.hunt.home_serves();
                let _ = self.outbox.push(Record::Close { association: home });
                self.event(Record::Deregistered);
            }
            (State::Deregistering { home, .. }, Some(cause)) => {
                self.state = State::Idle;
                let _ = self.outbox.push(Record::Close { association: home });
                self.event(Record::DeregistrationRejected { cause });
            }
            // Unasked for: the registration's life has ended (RFC 5352 §3.2). The application has not asked for that.
            (State::Registered { home, .. }, _) => {
                self.event(Record::RegistrationExpired);
                self.send_registration(now, home);
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
        if self.home_association() == Some(association) {
            self.home = keep_alive.server;
        } else if keep_alive.new_home || matches!(self.state, State::Hunting(_)) {
            // Also the old one, if it comes over a new association: the old association has ended, or soon will. And who looks
            // for a home has found one in a registrar that asks: between the two there may be no second association.
            self.adopt(now, association, keep_alive.server);
        }
    }

    /// A registrar has taken over: it is the home now.
    pub(super) fn adopt(&mut self, now: Instant, association: AssociationId, server: ServerIdentifier) {
        let old = self.home_association().filter(|old| *old != association);
        match self.state {
            State::Idle => return,
            State::Registered { t4, .. } => self.state = State::Registered { home: association, t4 },
            // Whether the old home has handled the request is not known; the new one has not.
            State::Registering { .. } | State::Hunting(Goal::Register) => self.send_registration(now, association),
            State::Deregistering { .. } | State::Hunting(Goal::Deregister) => {
                self.send_deregistration(now, association);
            }
        }
        let Self { hunt, outbox, .. } = self;
        hunt.stop(&mut |action| queue_hunt(outbox, &action));
        if let Some(association) = old {
            let _ = self.outbox.push(Record::Close { association });
        }
        self.home = server;
        self.event(Record::HomeChanged { home: server });
    }
}
