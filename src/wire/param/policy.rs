//! Pool Member Selection Policy (RFC 5354 §3.8) with the nine policies of RFC 5356 §§4–5.
//!
//! ```text
//! |   Type = 0x8          |      Length = variable        |
//! |   Policy Type                                         |
//! :   Policy-specific data: nothing; a weight, a priority :
//! :   or a load; or a load and a load degradation         :
//! ```

use core::fmt;

use super::POLICY;
use crate::wire::encode::Sink;
use crate::wire::error::{DecodeError, DecodeErrorKind};
use crate::wire::sequence::{Item, WriteItem};
use crate::wire::tlv::RawParameter;

/// The number of a policy (RFC 5356 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyType(pub u32);

impl PolicyType {
    /// Round Robin, RFC 5356 §4.1. The default: every component has it.
    pub const ROUND_ROBIN: Self = Self(0x0000_0001);
    /// Weighted Round Robin, RFC 5356 §4.2.
    pub const WEIGHTED_ROUND_ROBIN: Self = Self(0x0000_0002);
    /// Random, RFC 5356 §4.3.
    pub const RANDOM: Self = Self(0x0000_0003);
    /// Weighted Random, RFC 5356 §4.4.
    pub const WEIGHTED_RANDOM: Self = Self(0x0000_0004);
    /// Priority, RFC 5356 §4.5.
    pub const PRIORITY: Self = Self(0x0000_0005);
    /// Least Used, RFC 5356 §5.1.
    pub const LEAST_USED: Self = Self(0x4000_0001);
    /// Least Used with Degradation, RFC 5356 §5.2.
    pub const LEAST_USED_WITH_DEGRADATION: Self = Self(0x4000_0002);
    /// Priority Least Used, RFC 5356 §5.3.
    pub const PRIORITY_LEAST_USED: Self = Self(0x4000_0003);
    /// Randomized Least Used, RFC 5356 §5.4.
    pub const RANDOMIZED_LEAST_USED: Self = Self(0x4000_0004);

    /// Whether the policy uses values that change while the element runs: the A bit.
    #[must_use]
    pub const fn is_adaptive(self) -> bool {
        self.0 & 0x4000_0000 != 0
    }

    /// Whether the policy is not a standard's: the X bit.
    #[must_use]
    pub const fn is_private(self) -> bool {
        self.0 & 0x8000_0000 != 0
    }

    /// The policy's name in RFC 5356; "unknown" for others.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ROUND_ROBIN => "Round Robin",
            Self::WEIGHTED_ROUND_ROBIN => "Weighted Round Robin",
            Self::RANDOM => "Random",
            Self::WEIGHTED_RANDOM => "Weighted Random",
            Self::PRIORITY => "Priority",
            Self::LEAST_USED => "Least Used",
            Self::LEAST_USED_WITH_DEGRADATION => "Least Used with Degradation",
            Self::PRIORITY_LEAST_USED => "Priority Least Used",
            Self::RANDOMIZED_LEAST_USED => "Randomized Least Used",
            _ => "unknown",
        }
    }
}

impl fmt::Display for PolicyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

impl fmt::Debug for PolicyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyType({self}, {})", self.name())
    }
}

/// A policy with an element's values for it. Loads and degradations are parts of `u32::MAX`, which is 100 %
/// (RFC 5356 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy<'a> {
    /// RFC 5356 §4.1.
    RoundRobin,
    /// RFC 5356 §4.2.
    WeightedRoundRobin {
        /// The element's capacity relative to the others'.
        weight: u32,
    },
    /// RFC 5356 §4.3.
    Random,
    /// RFC 5356 §4.4.
    WeightedRandom {
        /// The element's capacity relative to the others'.
        weight: u32,
    },
    /// RFC 5356 §4.5.
    Priority {
        /// Larger numbers come first.
        priority: u32,
    },
    /// RFC 5356 §5.1.
    LeastUsed {
        /// Current load.
        load: u32,
    },
    /// RFC 5356 §5.2.
    LeastUsedWithDegradation {
        /// Current load.
        load: u32,
        /// What each new session adds to it.
        degradation: u32,
    },
    /// RFC 5356 §5.3.
    PriorityLeastUsed {
        /// Current load.
        load: u32,
        /// What a new session would add to it.
        degradation: u32,
    },
    /// RFC 5356 §5.4.
    RandomizedLeastUsed {
        /// Current load.
        load: u32,
    },
    /// A policy that is not known here, kept as it is.
    Other {
        /// Its number.
        policy_type: PolicyType,
        /// Its policy-specific data.
        data: &'a [u8],
    },
}

impl<'a> Policy<'a> {
    /// Its number.
    #[must_use]
    pub const fn policy_type(&self) -> PolicyType {
        match self {
            Self::RoundRobin => PolicyType::ROUND_ROBIN,
            Self::WeightedRoundRobin { .. } => PolicyType::WEIGHTED_ROUND_ROBIN,
            Self::Random => PolicyType::RANDOM,
            Self::WeightedRandom { .. } => PolicyType::WEIGHTED_RANDOM,
            Self::Priority { .. } => PolicyType::PRIORITY,
            Self::LeastUsed { .. } => PolicyType::LEAST_USED,
            Self::LeastUsedWithDegradation { .. } => PolicyType::LEAST_USED_WITH_DEGRADATION,
            Self::PriorityLeastUsed { .. } => PolicyType::PRIORITY_LEAST_USED,
            Self::RandomizedLeastUsed { .. } => PolicyType::RANDOMIZED_LEAST_USED,
            Self::Other { policy_type, .. } => *policy_type,
        }
    }

    /// The policy without borrowed data; `None` if it has some.
    #[must_use]
    pub const fn to_static(self) -> Option<Policy<'static>> {
        Some(match self {
            Self::RoundRobin => Policy::RoundRobin,
            Self::WeightedRoundRobin { weight } => Policy::WeightedRoundRobin { weight },
            Self::Random => Policy::Random,
            Self::WeightedRandom { weight } => Policy::WeightedRandom { weight },
            Self::Priority { priority } => Policy::Priority { priority },
            Self::LeastUsed { load } => Policy::LeastUsed { load },
            Self::LeastUsedWithDegradation { load, degradation } => {
                Policy::LeastUsedWithDegradation { load, degradation }
            }
            Self::PriorityLeastUsed { load, degradation } => Policy::PriorityLeastUsed { load, degradation },
            Self::RandomizedLeastUsed { load } => Policy::RandomizedLeastUsed { load },
            Self::Other { policy_type, data: [] } => Policy::Other { policy_type, data: &[] },
            Self::Other { .. } => return None,
        })
    }

    /// The policy in a parameter that is one.
    pub(crate) fn read(parameter: &RawParameter<'a>) -> Result<Self, DecodeError> {
        let (number, data) = parameter.value().split_first_chunk().ok_or_else(|| parameter.length_error())?;
        let policy_type = PolicyType(u32::from_be_bytes(*number));
        let none = || if data.is_empty() { Ok(()) } else { Err(parameter.length_error()) };
        let one = || data.try_into().map(u32::from_be_bytes).map_err(|_| parameter.length_error());
        let two = || match data {
            &[a, b, c, d, e, f, g, h] => Ok((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))),
            _ => Err(parameter.length_error()),
        };
        Ok(match policy_type {
            PolicyType::ROUND_ROBIN => none().map(|()| Self::RoundRobin)?,
            PolicyType::WEIGHTED_ROUND_ROBIN => Self::WeightedRoundRobin { weight: one()? },
            PolicyType::RANDOM => none().map(|()| Self::Random)?,
            PolicyType::WEIGHTED_RANDOM => Self::WeightedRandom { weight: one()? },
            PolicyType::PRIORITY => Self::Priority { priority: one()? },
            PolicyType::LEAST_USED => Self::LeastUsed { load: one()? },
            PolicyType::LEAST_USED_WITH_DEGRADATION => {
                let (load, degradation) = two()?;
                Self::LeastUsedWithDegradation { load, degradation }
            }
            PolicyType::PRIORITY_LEAST_USED => {
                let (load, degradation) = two()?;
                Self::PriorityLeastUsed { load, degradation }
            }
            PolicyType::RANDOMIZED_LEAST_USED => Self::RandomizedLeastUsed { load: one()? },
            // RFC 5356 §7.1: reserved, invalid values.
            PolicyType(value @ (0 | 0x4000_0000)) => {
                return Err(DecodeError {
                    offset: parameter.offset.saturating_add(4),
                    ..parameter.error(DecodeErrorKind::PolicyType { value })
                });
            }
            policy_type => Self::Other { policy_type, data },
        })
    }

    pub(crate) fn write(&self, sink: &mut impl Sink) {
        sink.parameter(POLICY, |sink| {
            sink.u32(self.policy_type().0);
            match self {
                Self::RoundRobin | Self::Random => {}
                Self::WeightedRoundRobin { weight: value }
                | Self::WeightedRandom { weight: value }
                | Self::Priority { priority: value }
                | Self::LeastUsed { load: value }
                | Self::RandomizedLeastUsed { load: value } => sink.u32(*value),
                Self::LeastUsedWithDegradation { load, degradation }
                | Self::PriorityLeastUsed { load, degradation } => {
                    sink.u32(*load);
                    sink.u32(*degradation);
                }
                Self::Other { data, .. } => sink.put(data),
            }
        });
    }
}

impl<'a> Item<'a> for Policy<'a> {
    fn from_parameter(parameter: &RawParameter<'a>) -> Option<Self> {
        if parameter.parameter_type == POLICY { Self::read(parameter).ok() } else { None }
    }
}

impl WriteItem for Policy<'_> {
    fn write(&self, sink: &mut impl Sink) {
        Policy::write(self, sink);
    }
}
