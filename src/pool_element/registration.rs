//! Membership in the pool: registration, its renewal, deregistration, and the home registrar that is looked for (RFC 5352 §3.1,
//! §3.2, §3.6).

use super::{ElementConfig, Goal, PoolElement, Record, RegistrationFailure, State};
use crate::client::link::Opened;
use crate::client::send;
use crate::machine::{AssociationId, CloseReason};
use crate::time::Instant;
use crate::wire::asap::{self, Body, ElementReference};
use crate::wire::{CauseCode, ErrorCause, PoolHandle, Sequence, ServerIdentifier};

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
    pub(super) const fn goal(&self) -> Option<Goal> {
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
        self.link.expects(now);
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
        self.link.expects(now);
        self.state = State::Deregistering { t3: now + self.config.t3_deregistration };
    }

    pub(super) fn event(&mut self, record: Record) {
        let _ = self.outbox.push(record);
    }

    /// Ends an association with a registrar.
    pub(super) fn end(&mut self, association: Option<AssociationId>, record: impl FnOnce(AssociationId) -> Record) {
        if let Some(association) = association {
            self.sessions.remove(association);
            self.event(record(association));
        }
    }

    /// The home registrar does not answer, or is gone: look for another (RFC 5352 §3.1, §3.2, §3.6).
    fn lose_home(&mut self, now: Instant, reason: CloseReason) {
        self.link.lose();
        self.home = ServerIdentifier::NONE;
        if self.follow_claim(now) {
            return;
        }
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
        self.refuse_claim();
        if let Some(goal) = self.goal() {
            self.pursue(now, goal);
        }
        self.ask_anew(now);
    }

    pub(super) fn closed(&mut self, now: Instant, association: AssociationId, reason: CloseReason) {
        let is_users = self.sessions.remove(association);
        self.claim.take_if(|claim| claim.association() == association);
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
        self.settle_claim(now);
        self.complain(now);
    }

    /// Tells the application if no registrar does what the element wants.
    fn complain(&mut self, now: Instant) {
        if matches!(self.state, State::Idle | State::Registered { .. }) && self.query.is_none() {
            self.link.expects_nothing();
        }
        if let Some(reason) = self.link.complaint(now) {
            self.event(Record::NoRegistrar(reason));
        }
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
        let cause = response.error.and_then(|causes| causes.first()).map(|cause| cause.code);
        if response.rejected {
            return self.rejected(cause);
        }
        self.forget_failures();
        self.state = State::Registered { t4: now + self.config.t4_reregistration() };
        self.event(Record::Registered { home: self.home });
        if let Some(cause) = cause {
            self.event(Record::RegistrationWarning { cause });
        }
    }

    /// RFC 5352 §3.1: MUST NOT try again without correcting the error. The application has to.
    fn rejected(&mut self, cause: Option<CauseCode>) {
        self.state = State::Idle;
        self.rest();
        self.event(Record::RegistrationFailed(RegistrationFailure::Rejected(cause)));
    }

    /// A registrar that cannot read a registration may say so by ASAP_ERROR (RFC 5352 §2.2.14): then there will be no response. An error
    /// does not say what it is about, so it counts only if nothing else is asked for. In spite of an unrecognized parameter the rest
    /// is processed.
    pub(super) fn error(&mut self, association: AssociationId, causes: Sequence<'_, ErrorCause<'_>>) {
        let is_registering = matches!(self.state, State::Registering { .. }) && self.link.home() == Some(association);
        let cause = causes.iter().map(|cause| cause.code).find(|code| *code != CauseCode::UNRECOGNIZED_PARAMETER);
        if is_registering && self.query.is_none() && cause.is_some() {
            self.rejected(cause);
        }
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
}
