//! A handle resolution that has no answer yet: T1-ENRPrequest and its repetitions (RFC 5352 §3.3, §3.7.2).

use core::time::Duration;

use crate::time::Instant;

/// T1-ENRPrequest, and MAX-REQUEST-RETRANSMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestTimers {
    pub(crate) t1: Duration,
    pub(crate) max_retransmit: u8,
}

/// Whether a request has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It goes out as soon as there is a home registrar.
    Wanted,
    /// The home registrar has it.
    Sent,
}

/// A request, to be sent or waiting for its answer. T1 runs in either case, so that it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    t1: Instant,
    retransmits: u8,
    stage: Stage,
}

/// What follows when T1 expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// The request is to be sent again.
    Again,
    /// It was repeated often enough.
    Over,
}

impl Request {
    /// A request that is to be sent.
    pub(crate) fn new(now: Instant, timers: RequestTimers) -> Self {
        Self { t1: now + timers.t1, retransmits: 0, stage: Stage::Wanted }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.stage == Stage::Wanted
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.stage == Stage::Sent
    }

    /// It was sent. RFC 5352 §3.3 NR4.
    pub(crate) fn sent(&mut self, now: Instant, timers: RequestTimers) {
        (self.t1, self.stage) = (now + timers.t1, Stage::Sent);
    }

    /// The registrar that has it is left: the next one has to be asked (RFC 5352 §3.7.1).
    pub(crate) fn renew(&mut self) {
        self.stage = Stage::Wanted;
    }

    /// When T1 expires.
    pub(crate) const fn t1(&self) -> Instant {
        self.t1
    }

    /// T1 has expired. RFC 5352 §3.7.2: the request is repeated up to MAX-REQUEST-RETRANSMIT times.
    pub(crate) fn expire(&mut self, now: Instant, timers: RequestTimers) -> Expiry {
        if self.retransmits >= timers.max_retransmit {
            return Expiry::Over;
        }
        *self = Self { t1: now + timers.t1, retransmits: self.retransmits + 1, stage: Stage::Wanted };
        Expiry::Again
    }
}
