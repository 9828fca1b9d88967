//! What differs between the RFCs and the one deployed implementation, rsplib, as a choice, and what is recognised without one.

use core::time::Duration;

use crate::wire::RegistrationLife;

/// Whose habits to follow where they contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Profile {
    /// The RFCs to the letter.
    #[default]
    Rfc,
    /// rsplib 3.4: a registration life is in milliseconds, not seconds, and a pool handle has at most 32 octets.
    Rsplib,
}

/// A registration life as it was meant (RFC 5354 §3.10), as far as its number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does not end.
    Infinite,
    /// So long.
    Certain(Duration),
    /// The number is plausible in milliseconds, as rsplib has it, rather than in seconds, as the RFCs have it, or the other way
    /// round, but not certainly so. A registrar asks such an element when the shorter time is over, keeps it if it answers,
    /// and removes it when the longer one is over.
    InDoubt {
        /// The number taken as milliseconds.
        shorter: Duration,
        /// The number taken as seconds.
        longer: Duration,
    },
}

impl Life {
    /// The more probable time; `None` is an infinite one.
    #[must_use]
    pub const fn probable(self) -> Option<Duration> {
        match self {
            Self::Infinite => None,
            Self::Certain(life) | Self::InDoubt { shorter: life, .. } => Some(life),
        }
    }
}

/// No element lives for less than ten seconds by choice, as it takes a registrar half of that to find out that it is dead.
const LEAST_MILLISECONDS: u64 = 10_000;
/// Above a day whoever counts seconds has whole days, or an infinite life; and rsplib has 90,000 ms by default, or more.
const DAY: u64 = 86_400;

impl Profile {
    /// How many octets a pool handle may have (RFC 5354 §3.9). A registrar of rsplib's ends when it sees more than 32, whether
    /// an element, a user or another registrar sends them: with its profile, a registrar refuses such elements, and the program
    /// has no such elements and users.
    #[must_use]
    pub const fn max_pool_handle(self) -> usize {
        match self {
            Self::Rfc => 65_531,
            Self::Rsplib => 32,
        }
    }

    /// A registration life as it goes on the wire; `None` is an infinite one.
    #[must_use]
    pub fn life_to_wire(self, life: Option<Duration>) -> RegistrationLife {
        match (self, life) {
            (_, None) => RegistrationLife::INFINITE,
            (Self::Rfc, Some(life)) => RegistrationLife::from_duration(life),
            (Self::Rsplib, Some(life)) => RegistrationLife(i32::try_from(life.as_millis()).unwrap_or(i32::MAX)),
        }
    }

    /// A registration life from the wire.
    ///
    /// | number | [`Profile::Rfc`] | [`Profile::Rsplib`] |
    /// |---|---|---|
    /// | negative | infinite | infinite |
    /// | below 10,000 | seconds | seconds |
    /// | up to 86,400, and whole days (times of 86,400) | seconds | in doubt |
    /// | other times of 1,000 | in doubt | in doubt |
    /// | others | seconds | in doubt |
    #[must_use]
    pub fn life_from_wire(self, life: RegistrationLife) -> Life {
        let Ok(number) = u64::try_from(life.0) else { return Life::Infinite };
        let (seconds, milliseconds) = (Duration::from_secs(number), Duration::from_millis(number));
        let is_doubtful = match self {
            Self::Rfc => number > DAY && !number.is_multiple_of(DAY) && number.is_multiple_of(1_000),
            Self::Rsplib => number >= LEAST_MILLISECONDS,
        };
        if is_doubtful { Life::InDoubt { shorter: milliseconds, longer: seconds } } else { Life::Certain(seconds) }
    }
}
