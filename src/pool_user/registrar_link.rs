//! The user and its home registrar: finding one, asking it, reporting to it (RFC 5352 §3.3, §3.5–3.7).

use super::cache::{ElementKey, Request};
use super::event::{Record, ResolutionFailure};
use super::{Home, PoolUser, Updates};
use crate::client::{queue_hunt, send};
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::PoolHandle;
use crate::wire::asap::{Body, ElementReference, HandleResolution, HandleResolutionResponse};

impl<const SESSIONS: usize, const ELEMENTS: usize, const OCTETS: usize> PoolUser<SESSIONS, ELEMENTS, OCTETS> {
    /// RFC 5352 §3.3 NR1–NR4. A pool whose resolution is under way already is left alone.
    pub(super) fn request(&mut self, now: Instant, pool: usize) {
        let Some(pool) = self.pools.get_mut(pool) else { return };
        if pool.request != Request::None {
            return;
        }
        pool.request = Request::Wanted { t1: now + self.config.t1_enrp_request, retransmits: 0 };
        self.send_requests(now);
    }

    /// Sends what waits for a home registrar, or looks for one.
    fn send_requests(&mut self, now: Instant) {
        let wanted = self.pools.iter().any(|pool| matches!(pool.request, Request::Wanted { .. }));
        if !wanted && self.unreachable.is_empty() {
            return;
        }
        let Home::Found(home) = self.home else {
            self.hunt_for_home(now);
            return;
        };
        let Self { pools, outbox, config, unreachable, .. } = self;
        for element in &*unreachable {
            let reference =
                ElementReference { pool_handle: PoolHandle::new(&element.pool_handle), identifier: element.identifier };
            let _ = send(outbox, home, &Body::EndpointUnreachable(reference).into());
        }
        unreachable.clear();
        for pool in pools {
            let Request::Wanted { retransmits, .. } = pool.request else { continue };
            let request = HandleResolution {
                pool_handle: pool.handle(),
                send_updates: config.updates == Updates::Asked,
                items: config.items,
            };
            // Without room for it T1 expires, and the request goes out again.
            let _ = send(outbox, home, &Body::HandleResolution(request).into());
            pool.request = Request::Sent { t1: now + config.t1_enrp_request, retransmits };
        }
    }

    fn hunt_for_home(&mut self, now: Instant) {
        self.home = Home::Hunting;
        let Self { hunt, names, outbox, .. } = self;
        hunt.start(now, names, &mut |action| queue_hunt(outbox, &action));
    }

    pub(super) fn home_found(&mut self, now: Instant, association: AssociationId) {
        self.home = Home::Found(association);
        self.event(Record::HomeFound);
        self.send_requests(now);
        self.end_waits(now);
    }

    /// The registrar is gone: what it was asked is asked of the next (RFC 5352 §3.7.1). Without anything to ask the
    /// hunt waits until there is.
    pub(super) fn home_lost(&mut self, now: Instant) {
        self.home = Home::None;
        for pool in &mut self.pools {
            // RFC 5352 §2.2.5: updates are to be asked for again.
            pool.end_updates(now + self.config.stale_cache_value);
            if let Request::Sent { t1, retransmits } = pool.request {
                pool.request = Request::Wanted { t1, retransmits };
            }
        }
        self.send_requests(now);
    }

    pub(super) fn link_timeout(&mut self, now: Instant) {
        let Self { hunt, names, outbox, .. } = self;
        hunt.timeout(now, names, &mut |action| queue_hunt(outbox, &action));
        let expired = |request: &Request| match *request {
            Request::Sent { t1, .. } | Request::Wanted { t1, .. } => t1 <= now,
            Request::None => false,
        };
        while let Some(index) = self.pools.iter().position(|pool| expired(&pool.request)) {
            self.t1_expired(now, index);
        }
    }

    /// RFC 5352 §3.7.2: ask again, of another registrar, up to MAX-REQUEST-RETRANSMIT times. T1 runs as well while
    /// there is no registrar to ask.
    fn t1_expired(&mut self, now: Instant, index: usize) {
        let t1 = now + self.config.t1_enrp_request;
        let Some(pool) = self.pools.get_mut(index) else { return };
        let (retransmits, was_sent) = match pool.request {
            Request::None => return,
            Request::Wanted { retransmits, .. } => (retransmits, false),
            Request::Sent { retransmits, .. } => (retransmits, true),
        };
        if retransmits >= self.config.max_request_retransmit {
            pool.request = Request::None;
            self.resolution_failed(now, index, ResolutionFailure::NoAnswer);
        } else {
            pool.request = Request::Wanted { t1, retransmits: retransmits + 1 };
        }
        match self.home {
            Home::Found(association) if was_sent => {
                let _ = self.outbox.push(Record::Abort { association });
                self.event(Record::HomeLost);
                self.home_lost(now);
            }
            _ => self.send_requests(now),
        }
    }

    fn resolution_failed(&mut self, now: Instant, index: usize, failure: ResolutionFailure) {
        let Self { pools, outbox, .. } = self;
        if let Some(pool) = pools.get(index) {
            let _ = outbox.push_octets(Record::ResolutionFailed { failure }, pool.handle().octets());
        }
        self.resume_sessions(now, index);
        self.dispatch(now, index);
    }

    /// `octets` are the whole response, for the application to read.
    pub(super) fn resolution_response(&mut self, now: Instant, octets: &[u8], response: &HandleResolutionResponse<'_>) {
        let Some(index) = self.pools.iter().position(|pool| pool.handle() == response.pool_handle) else { return };
        let Some(pool) = self.pools.get_mut(index) else { return };
        match pool.request {
            Request::Sent { .. } => pool.request = Request::None,
            // The registrar tells by itself that the pool has changed (RFC 5352 §2.2.5, the S bit).
            _ if pool.is_updated() => {}
            _ => return,
        }
        self.hunt.home_serves();
        match response.error {
            Some(causes) => {
                let cause = causes.first().map(|cause| cause.code);
                pool.invalidate();
                self.resolution_failed(now, index, ResolutionFailure::Rejected(cause));
            }
            None => {
                pool.fill(response, now + self.config.stale_cache_value);
                let _ = self.outbox.push_octets(Record::Resolved, octets);
                self.resume_sessions(now, index);
                self.dispatch(now, index);
            }
        }
    }

    /// RFC 5352 §3.5: tell a registrar that an element cannot be reached.
    pub(super) fn report(&mut self, now: Instant, element: ElementKey) {
        if !self.unreachable.contains(&element) {
            // With too many reports waiting for a registrar, this one is left out: reports are a SHOULD.
            let _ = self.unreachable.push(element);
        }
        self.send_requests(now);
    }
}
