//! What differs between the RFCs and the one deployed implementation, rsplib, as a choice.

use core::time::Duration;

use crate::wire::RegistrationLife;

/// Whose habits to follow where they contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Profile {
    /// The RFCs to the letter.
    #[default]
    Rfc,
    /// rsplib 3.4: a registration life is in milliseconds, not seconds.
    Rsplib,
}

impl Profile {
    /// A registration life as it goes on the wire; `None` is an infinite one.
    #[must_use]
    pub fn life_to_wire(self, life: Option<Duration>) -> RegistrationLife {
        match (self, life) {
            (_, None) => RegistrationLife::INFINITE,
            (Self::Rfc, Some(life)) => RegistrationLife::from_duration(life),
            (Self::Rsplib, Some(life)) => RegistrationLife(i32::try_from(life.as_millis()).unwrap_or(i32::MAX)),
        }
    }

    /// A registration life from the wire; `None` is an infinite one.
    #[must_use]
    pub fn life_from_wire(self, life: RegistrationLife) -> Option<Duration> {
        match self {
            Self::Rfc => life.duration(),
            Self::Rsplib => u64::try_from(life.0).ok().map(Duration::from_millis),
        }
    }
}
