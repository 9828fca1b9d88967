//! When to tell the application that no registrar answers.

use core::fmt;
use core::time::Duration;

use crate::time::Instant;

/// How long a registrar may take until the application is told. The protocol's own timers, T1 to T5, are much longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why no registrar has done yet what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoRegistrar {
    /// None is known: none was configured, and none has announced itself.
    NoneKnown,
    /// None of those that are known can be reached.
    Unreachable,
    /// None of those that are known has answered.
    Silent,
}

impl fmt::Display for NoRegistrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoneKnown => "no registrar is known",
            Self::Unreachable => "no registrar can be reached",
            Self::Silent => "no registrar answers",
        })
    }
}

/// Goes off while something is asked for that no registrar does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Alarm(Option<Instant>);

impl Alarm {
    /// Something is asked for.
    pub(crate) fn set(&mut self, now: Instant) {
        self.0.get_or_insert(now + PATIENCE);
    }

    /// Nothing is asked for any more.
    pub(crate) const fn stop(&mut self) {
        self.0 = None;
    }

    /// Whether it goes off. It does so again after `interval`.
    pub(crate) fn goes_off(&mut self, now: Instant, interval: Duration) -> bool {
        let is_due = self.0.is_some_and(|at| at <= now);
        if is_due {
            self.0 = Some(now + interval);
        }
        is_due
    }

    pub(crate) const fn timeout(&self) -> Option<Instant> {
        self.0
    }
}
