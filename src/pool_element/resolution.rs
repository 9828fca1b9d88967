//! What an element asks its home registrar: who else is in its pool, or in another (RFC 5352 §3.3). An element that is a
//! user as well resolves here, over the association on which it has registered.

use core::fmt;

use heapless::Vec;

use super::{PoolElement, Record, State};
use crate::client::request::{Expiry, Request};
use crate::client::sizes::PoolHandleBuf;
use crate::client::{ResolutionFailure, send};
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::PoolHandle;
use crate::wire::asap::{Body, HandleResolution, HandleResolutionResponse};

/// What is to be resolved.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pool_handle: PoolHandleBuf,
    origin: Origin,
    request: Request,
}

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Application,
    /// A user has given a business card.
    Card,
}

impl Query {
    /// When T1 expires.
    pub(super) const fn t1(&self) -> Instant {
        self.request.t1()
    }
}

/// Why a pool cannot be resolved now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveError {
    /// The answer to another request has not come yet.
    Busy,
    /// The pool handle is longer than [`MAX_POOL_HANDLE`](super::MAX_POOL_HANDLE).
    PoolHandleTooLong,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "another pool is being resolved",
            Self::PoolHandleTooLong => "the pool handle is too long",
        })
    }
}

impl core::error::Error for ResolveError {}

impl<const SESSIONS: usize, const OCTETS: usize> PoolElement<SESSIONS, OCTETS> {
    /// Asks the home registrar for the elements of a pool. Without one, as before it has registered, it looks for a registrar to ask.
    /// The answer comes as [`ElementEvent::Resolved`](super::ElementEvent::Resolved) or
    /// [`ElementEvent::ResolutionFailed`](super::ElementEvent::ResolutionFailed).
    ///
    /// # Errors
    ///
    /// It is not asked.
    pub fn resolve(&mut self, now: Instant, pool_handle: PoolHandle<'_>) -> Result<(), ResolveError> {
        if self.query.as_ref().is_some_and(|query| query.origin == Origin::Application) {
            return Err(ResolveError::Busy);
        }
        self.begin_query(now, pool_handle, Origin::Application)
    }

    fn begin_query(&mut self, now: Instant, pool_handle: PoolHandle<'_>, origin: Origin) -> Result<(), ResolveError> {
        let pool_handle = Vec::from_slice(pool_handle.octets()).map_err(|_| ResolveError::PoolHandleTooLong)?;
        self.query = Some(Query { pool_handle, origin, request: Request::new(now, self.config.request_timers()) });
        self.ask(now);
        Ok(())
    }

    /// RFC 5352 §3.9 BC1: the pool of a user's business card is resolved, once a session. What the application wants to know goes
    /// ahead of it, and an element that is no member looks for no registrar because of it.
    pub(super) fn resolve_card(&mut self, now: Instant, session: AssociationId, pool_handle: PoolHandle<'_>) {
        if self.query.is_none() && self.is_registered() && self.sessions.is_first_card(session) {
            let _ = self.begin_query(now, pool_handle, Origin::Card);
        }
    }

    /// RFC 5352 §3.3 NR1–NR4.
    pub(super) fn ask(&mut self, now: Instant) {
        let Some(query) = self.query.as_mut().filter(|query| query.request.is_wanted()) else { return };
        let Some(home) = self.link.home() else { return self.link.hunt(now, &mut self.outbox) };
        let pool_handle = PoolHandle::new(&query.pool_handle);
        let request = HandleResolution { pool_handle, send_updates: false, items: None };
        // Without room for it T1 expires, and it is sent again.
        let _ = send(&mut self.outbox, home, &Body::HandleResolution(request).into());
        query.request.sent(now, self.config.request_timers());
        self.link.expects(now);
    }

    /// The registrar that was asked is left: the next one is asked (RFC 5352 §3.7.1).
    pub(super) fn ask_anew(&mut self, now: Instant) {
        if let Some(query) = &mut self.query {
            query.request.renew();
        }
        self.ask(now);
    }

    pub(super) fn resolution_response(
        &mut self,
        association: AssociationId,
        octets: &[u8],
        response: &HandleResolutionResponse<'_>,
    ) {
        let is_its = |query: &mut Query| PoolHandle::new(&query.pool_handle) == response.pool_handle;
        if self.link.home() != Some(association) || self.query.take_if(is_its).is_none() {
            return;
        }
        if self.state == State::Idle {
            self.link.home_serves();
        }
        match response.error {
            None => _ = self.outbox.push_octets(Record::Resolved, octets),
            Some(causes) => {
                let failure = ResolutionFailure::Rejected(causes.first().map(|cause| cause.code));
                let _ = self.outbox.push_octets(Record::ResolutionFailed(failure), response.pool_handle.octets());
            }
        }
        self.query_ended();
    }

    pub(super) fn query_timeout(&mut self, now: Instant) {
        let Some(query) = self.query.as_mut().filter(|query| query.t1() <= now) else { return };
        match query.request.expire(now, self.config.request_timers()) {
            Expiry::Again => {
                // RFC 5352 §3.7.2: in parallel, a hunt begins.
                if self.link.home().is_some() {
                    self.link.hunt_beside(now, &mut self.outbox);
                }
                self.ask(now);
            }
            Expiry::Over => {
                if let Some(query) = self.query.take() {
                    let failure = ResolutionFailure::NoAnswer;
                    let _ = self.outbox.push_octets(Record::ResolutionFailed(failure), &query.pool_handle);
                }
                self.query_ended();
            }
        }
    }

    /// Nothing is asked any more: no other home is looked for, and an element that is no member needs none.
    fn query_ended(&mut self) {
        if self.link.home().is_some() || self.state == State::Idle {
            self.link.end_hunt(&mut self.outbox);
        }
        self.rest();
    }

    /// An element that is no member, and asks nothing, leaves its registrar.
    pub(super) fn rest(&mut self) {
        if self.state == State::Idle
            && self.query.is_none()
            && let Some(association) = self.link.lose()
        {
            self.event(Record::Close { association });
        }
    }
}
