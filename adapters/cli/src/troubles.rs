//! Trouble of users and elements that may be over in a moment, and is told when it lasts: no registrar answers, or none knows the pool.

use std::time::Duration;

use rserpool::Instant;
use rserpool::pool_user::{ResolutionFailure, UserEvent};
use rserpool::wire::CauseCode;
use tracing::{info, warn};

use crate::endpoint::EndpointArg;

/// After how much time it is told.
const AFTER: Duration = Duration::from_secs(1);

/// Whether some trouble lasts.
#[derive(Debug, Default)]
struct Patience {
    since: Option<Instant>,
    is_told: bool,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tell {
    Nothing,
    Trouble,
    Over,
}

impl Patience {
    /// How it is now.
    fn look(&mut self, now: Instant, is_trouble: bool) -> Tell {
        if !is_trouble {
            let before = std::mem::take(self);
            return if before.is_told { Tell::Over } else { Tell::Nothing };
        }
        let since = *self.since.get_or_insert(now);
        if self.is_told || now.since(since) < AFTER {
            return Tell::Nothing;
        }
        self.is_told = true;
        Tell::Trouble
    }

    /// When to look again.
    fn deadline(&self) -> Option<Instant> {
        self.since.filter(|_| !self.is_told).map(|since| since + AFTER)
    }
}

/// The hunt for a registrar.
#[derive(Debug)]
pub(crate) struct Hunt {
    registrars: String,
    patience: Patience,
}

impl Hunt {
    /// For these registrars, or for those that announce themselves.
    pub(crate) fn new(registrars: &[EndpointArg]) -> Self {
        let registrars: Vec<String> = registrars.iter().map(ToString::to_string).collect();
        Self { registrars: registrars.join(", "), patience: Patience::default() }
    }

    /// Tells of it when it lasts, and when it is over.
    pub(crate) fn look(&mut self, now: Instant, is_hunting: bool) {
        let registrars = &self.registrars;
        match self.patience.look(now, is_hunting) {
            Tell::Nothing => {}
            Tell::Trouble if registrars.is_empty() => {
                warn!(event = "no_registrar", "no registrar announces itself, or those that do so do not answer");
            }
            Tell::Trouble => warn!(event = "no_registrar", registrars, "no registrar answers, trying on"),
            Tell::Over => info!(event = "registrar_found", "a registrar answers"),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.patience.deadline()
    }
}

/// What a user may have to wait for.
#[derive(Debug)]
pub(crate) struct Troubles {
    pool: String,
    hunt: Hunt,
    /// Whether a registrar has said that it does not know the pool.
    is_unknown: bool,
    unknown: Patience,
}

impl Troubles {
    pub(crate) fn new(pool: &str, registrars: &[EndpointArg]) -> Self {
        Self { pool: pool.into(), hunt: Hunt::new(registrars), is_unknown: false, unknown: Patience::default() }
    }

    /// The user has told something.
    pub(crate) fn event(&mut self, event: &UserEvent<'_>) {
        match event {
            UserEvent::Resolved(_) | UserEvent::Established { .. } => self.is_unknown = false,
            UserEvent::ResolutionFailed { failure, .. } => {
                self.is_unknown = *failure == ResolutionFailure::Rejected(Some(CauseCode::UNKNOWN_POOL_HANDLE));
                if !self.is_unknown {
                    warn!(pool = self.pool, reason = ?failure, "the pool cannot be resolved, trying again");
                }
            }
            _ => {}
        }
    }

    /// Tells of what lasts, and of what is over.
    pub(crate) fn look(&mut self, now: Instant, is_hunting: bool) {
        self.hunt.look(now, is_hunting);
        match self.unknown.look(now, self.is_unknown) {
            Tell::Nothing => {}
            Tell::Trouble => {
                warn!(event = "unknown_pool", pool = self.pool, "the registrar knows no such pool, asking again");
            }
            Tell::Over => info!(event = "pool_found", pool = self.pool, "the registrar knows the pool"),
        }
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.hunt.deadline().into_iter().chain(self.unknown.deadline()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_a_second_is_told_once_and_again_after_it_was_over() {
        let mut patience = Patience::default();
        let at = Instant::from_millis;
        assert_eq!(patience.look(at(50), false), Tell::Nothing);
        assert_eq!(patience.look(at(100), true), Tell::Nothing);
        assert_eq!(patience.deadline(), Some(at(1_100)));
        assert_eq!(patience.look(at(1_099), true), Tell::Nothing);
        assert_eq!(patience.look(at(1_100), true), Tell::Trouble);
        assert_eq!(patience.deadline(), None);
        assert_eq!(patience.look(at(9_000), true), Tell::Nothing);
        assert_eq!(patience.look(at(9_001), false), Tell::Over);
        assert_eq!(patience.look(at(9_002), true), Tell::Nothing);
        assert_eq!(patience.look(at(9_003), false), Tell::Nothing);
        assert_eq!(patience.look(at(9_004), true), Tell::Nothing);
        assert_eq!(patience.look(at(10_004), true), Tell::Trouble);
    }
}
