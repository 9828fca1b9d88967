//! Whether a service takes connections, as far as is known: from connections of users, and from some that are opened to find out.

use std::time::Duration;

use rserpool::Instant;

/// After how many failures in a row a service counts as dead, and after how many successes as alive again.
const IN_A_ROW: u32 = 2;
/// When to look again after a result that may change what is thought of the service.
const AGAIN: Duration = Duration::from_millis(200);

/// Whether a service has taken a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Taken,
    Refused,
}

/// What is thought of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Alive,
    Dead,
}

/// A service's health.
pub(super) struct Health {
    interval: Duration,
    /// Nothing at the start.
    standing: Option<Standing>,
    /// How many attempts in a row speak against that.
    against: u32,
    /// When to look next.
    looks_at: Instant,
}

impl Health {
    /// Nothing is known yet; it is to be looked at once.
    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, standing: None, against: 0, looks_at: Instant::ZERO }
    }

    /// When to try a connection.
    pub(super) const fn looks_at(&self) -> Instant {
        self.looks_at
    }

    /// It cannot be looked now.
    pub(super) fn postpone(&mut self, now: Instant) {
        self.looks_at = now + self.interval;
    }

    /// A connection was tried. What is thought of the service, if that has changed.
    pub(super) fn tried(&mut self, now: Instant, attempt: Attempt) -> Option<Standing> {
        let standing = match attempt {
            Attempt::Taken => Standing::Alive,
            Attempt::Refused => Standing::Dead,
        };
        self.looks_at = now + self.interval;
        if self.standing == Some(standing) {
            self.against = 0;
            return None;
        }
        self.against += 1;
        if self.standing.is_some() && self.against < IN_A_ROW {
            self.looks_at = now + self.interval.min(AGAIN);
            return None;
        }
        (self.standing, self.against) = (Some(standing), 0);
        self.standing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Attempt::{Refused, Taken};
    use Standing::{Alive, Dead};

    const NOW: Instant = Instant::from_millis(1_000);
    const INTERVAL: Duration = Duration::from_secs(5);

    fn after(attempts: &[Attempt]) -> (Health, Option<Standing>) {
        let mut health = Health::new(INTERVAL);
        let last = attempts.iter().map(|attempt| health.tried(NOW, *attempt)).last().flatten();
        (health, last)
    }

    #[test]
    fn the_first_attempt_decides() {
        assert_eq!(after(&[]).0.looks_at(), Instant::ZERO);
        assert_eq!(after(&[Taken]).1, Some(Alive));
        assert_eq!(after(&[Refused]).1, Some(Dead));
    }

    #[test]
    fn later_two_in_a_row_do_and_the_second_follows_soon() {
        for (first, other, standing) in [(Taken, Refused, Dead), (Refused, Taken, Alive)] {
            let (health, change) = after(&[first, other]);
            assert_eq!((health.looks_at(), change), (NOW + AGAIN, None));
            let (health, change) = after(&[first, other, other]);
            assert_eq!((health.looks_at(), change), (NOW + INTERVAL, Some(standing)));
            assert_eq!(after(&[first, other, first, other]).1, None);
            assert_eq!(after(&[first, other, other, other]).1, None);
        }
    }
}
