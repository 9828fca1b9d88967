//! The user and its home registrar: asking it, reporting to it, and what happens when it is lost (RFC 5352 §3.3, §3.5–3.7).

use super::cache::ElementKey;
use super::event::Record;
use super::{CookieStore, PoolUser, Updates};
use crate::client::request::{Expiry, Request};
use crate::client::{ResolutionFailure, send};
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::PoolHandle;
use crate::wire::asap::{Body, ElementReference, HandleResolution, HandleResolutionResponse};

/// An element that cannot be reached.
#[derive(Clone, Debug)]
pub(super) struct Report {
    element: ElementKey,
    /// When a registrar was told; `None` if there was none yet.
    sent: Option<Instant>,
}

impl<const SESSIONS: usize, const ELEMENTS: usize, const OCTETS: usize, C: CookieStore>
    PoolUser<SESSIONS, ELEMENTS, OCTETS, C>
{
    /// RFC 5352 §3.3 NR1–NR4. A pool whose resolution is under way already is left alone.
    pub(super) fn request(&mut self, now: Instant, pool: usize) {
        let Some(pool) = self.pools.get_mut(pool).filter(|pool| pool.request.is_none()) else { return };
        pool.request = Some(Request::new(now, self.config.request_timers()));
        self.send_requests(now);
    }

    /// Sends what waits for a home registrar, or looks for one.
    fn send_requests(&mut self, now: Instant) {
        let wanted = self.pools.iter().any(|pool| pool.request.is_some_and(|request| request.is_wanted()));
        if !wanted && self.reports.iter().all(|report| report.sent.is_some()) {
            return;
        }
        let Some(home) = self.link.home() else { return self.link.hunt(now, &mut self.outbox) };
        let Self { pools, outbox, config, reports, link, .. } = self;
        for Report { element, sent } in reports.iter_mut().filter(|report| report.sent.is_none()) {
            let reference =
                ElementReference { pool_handle: PoolHandle::new(&element.pool_handle), identifier: element.identifier };
            let _ = send(outbox, home, &Body::EndpointUnreachable(reference).into());
            *sent = Some(now);
        }
        for pool in pools {
            let request = HandleResolution {
                pool_handle: PoolHandle::new(&pool.pool_handle),
                send_updates: config.updates == Updates::Asked,
                items: config.items,
            };
            let Some(waiting) = pool.request.as_mut().filter(|request| request.is_wanted()) else { continue };
            // Without room for it T1 expires, and the request goes out again.
            let _ = send(outbox, home, &Body::HandleResolution(request).into());
            waiting.sent(now, config.request_timers());
            link.expects(now);
        }
    }

    /// There is a home registrar. `instead_of` is the association with the one before, which does not answer, but stands.
    pub(super) fn home_found(&mut self, now: Instant, instead_of: Option<AssociationId>) {
        if let Some(association) = instead_of {
            // RFC 5352 §3.7.2: the one that responds is adopted.
            self.event(Record::Abort { association });
            self.event(Record::HomeLost);
            self.ask_anew(now);
        }
        self.event(Record::HomeFound);
        self.send_requests(now);
        self.end_waits(now);
    }

    /// What the last home was asked is to be asked of the next (RFC 5352 §3.7.1, §2.2.5).
    fn ask_anew(&mut self, now: Instant) {
        for pool in &mut self.pools {
            pool.end_updates(now + self.config.stale_cache_value);
            if let Some(request) = &mut pool.request {
                request.renew();
            }
        }
    }

    /// The registrar is gone. Without anything to ask the hunt waits until there is.
    pub(super) fn home_lost(&mut self, now: Instant) {
        self.link.lose();
        self.event(Record::HomeLost);
        self.ask_anew(now);
        self.send_requests(now);
    }

    pub(super) fn link_timeout(&mut self, now: Instant) {
        self.link.timeout(now, &mut self.outbox);
        let expired = |request: Request| request.t1() <= now;
        while let Some(index) = self.pools.iter().position(|pool| pool.request.is_some_and(expired)) {
            self.t1_expired(now, index);
        }
        self.complain(now);
    }

    /// Tells the application if no registrar does what the user wants.
    fn complain(&mut self, now: Instant) {
        if self.pools.iter().all(|pool| pool.request.is_none())
            && self.reports.iter().all(|report| report.sent.is_some())
        {
            self.link.expects_nothing();
        }
        if let Some(reason) = self.link.complaint(now) {
            self.event(Record::NoRegistrar(reason));
        }
    }

    /// RFC 5352 §3.7.2: the home is asked again, and another one looked for in parallel. One that has not answered any request is
    /// left.
    fn t1_expired(&mut self, now: Instant, index: usize) {
        let timers = self.config.request_timers();
        let Some(pool) = self.pools.get_mut(index) else { return };
        let Some(request) = &mut pool.request else { return };
        let was_sent = request.is_sent();
        match request.expire(now, timers) {
            Expiry::Again => {
                if self.link.home().is_some() {
                    self.link.hunt_beside(now, &mut self.outbox);
                }
                self.send_requests(now);
            }
            Expiry::Over => {
                pool.request = None;
                if let Some(association) = self.link.home().filter(|_| was_sent) {
                    self.event(Record::Abort { association });
                    self.home_lost(now);
                    // RFC 5352 §3.6: who times out on a request needs a new home.
                    self.link.hunt(now, &mut self.outbox);
                }
                self.resolution_failed(now, index, ResolutionFailure::NoAnswer);
            }
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
        // Without a request the registrar tells by itself that the pool has changed (RFC 5352 §2.2.5, the S bit).
        if pool.request.take_if(|request| request.is_sent()).is_none() && !pool.is_updated() {
            return;
        }
        self.link.home_serves();
        self.link.end_hunt(&mut self.outbox);
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

    /// RFC 5352 §3.5: tell a registrar that an element cannot be reached. RFC 5355 §2.13: not too often.
    pub(super) fn report(&mut self, now: Instant, element: ElementKey) {
        let interval = self.config.report_interval;
        self.reports.retain(|report| report.sent.is_none_or(|sent| sent + interval > now));
        if self.reports.iter().all(|report| report.element != element) {
            // With too many reports this one is left out: they are a SHOULD.
            let _ = self.reports.push(Report { element, sent: None });
        }
        self.send_requests(now);
    }
}
