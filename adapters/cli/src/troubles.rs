//! Trouble of users and elements that may be over in a moment, and is told when it lasts: no registrar answers, or none knows the pool.

use std::time::Duration;

use rserpool::pool_user::{ResolutionFailure, UserEvent};
use rserpool::wire::CauseCode;
use rserpool::{Instant, NoRegistrar};
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

/// The registrars that are to answer, and whether they do.
#[derive(Debug)]
pub(crate) struct Registrars {
    names: String,
    /// What was told last of them.
    told: Option<NoRegistrar>,
}

impl Registrars {
    /// These, or those that announce themselves.
    pub(crate) fn new(registrars: &[EndpointArg]) -> Self {
        let names: Vec<String> = registrars.iter().map(ToString::to_string).collect();
        Self { names: names.join(", "), told: None }
    }

    /// None answers.
    pub(crate) fn are_silent(&mut self, reason: NoRegistrar) {
        if self.told.replace(reason) == Some(reason) {
            return;
        }
        let registrars = &self.names;
        if registrars.is_empty() {
            let reason = match reason {
                NoRegistrar::NoneKnown => "no registrar announces itself",
                _ => "no registrar that has announced itself answers",
            };
            warn!(event = "no_registrar", "{reason}, trying again");
        } else {
            warn!(event = "no_registrar", registrars, "{reason}, trying again");
        }
    }

    /// One has answered.
    pub(crate) fn answer(&mut self) {
        if self.told.take().is_some() {
            info!(event = "registrar_found", "a registrar answers");
        }
    }
}

/// What a user may have to wait for.
#[derive(Debug)]
pub(crate) struct Troubles {
    pool: String,
    registrars: Registrars,
    /// Whether a registrar has said that it does not know the pool.
    is_unknown: bool,
    unknown: Patience,
}

impl Troubles {
    pub(crate) fn new(pool: &str, registrars: &[EndpointArg]) -> Self {
        Self {
            pool: pool.into(),
            registrars: Registrars::new(registrars),
            is_unknown: false,
            unknown: Patience::default(),
        }
    }

    /// The user has told something.
    pub(crate) fn event(&mut self, event: &UserEvent<'_>) {
        match event {
            UserEvent::NoRegistrar(reason) => self.registrars.are_silent(*reason),
            UserEvent::HomeFound => self.registrars.answer(),
            UserEvent::Established { .. } => self.is_unknown = false,
            UserEvent::Resolved(_) => {
                self.registrars.answer();
                self.is_unknown = false;
            }
            UserEvent::ResolutionFailed { failure, .. } => {
                if *failure != ResolutionFailure::NoAnswer {
                    self.registrars.answer();
                }
                self.is_unknown = *failure == ResolutionFailure::Rejected(Some(CauseCode::UNKNOWN_POOL_HANDLE));
                if !self.is_unknown {
                    warn!(pool = self.pool, reason = ?failure, "the pool cannot be resolved, trying again");
                }
            }
            _ => {}
        }
    }

    /// Tells of what lasts, and of what is over.
    pub(crate) fn look(&mut self, now: Instant) {
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
        self.unknown.deadline()
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
