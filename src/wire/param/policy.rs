//! Pool Member Selection Policy (RFC 5354 §3.8) with the nine policies of RFC 5356 §§4–5, and nine that rsplib has for
//! private use.
//!
//! ```text
//! |   Type = 0x8          |      Length = variable        |
//! |   Policy Type                                         |
//! :   Policy-specific data: nothing; a weight, a priority :
//! :   or a load; a load and a load degradation            :
//! ```
//!
//! rsplib's policies that know distances have two numbers more at the end: the penalty factor, and the distance.

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

    /// Randomized Priority Least Used, of rsplib.
    pub const RANDOMIZED_PRIORITY_LEAST_USED: Self = Self(0xb000_1001);
    /// Randomized Least Used with Degradation, of rsplib.
    pub const RANDOMIZED_LEAST_USED_WITH_DEGRADATION: Self = Self(0xb000_1002);
    /// Priority Least Used with Degradation, of rsplib.
    pub const PRIORITY_LEAST_USED_WITH_DEGRADATION: Self = Self(0xb000_1003);
    /// Randomized Priority Least Used with Degradation, of rsplib.
    pub const RANDOMIZED_PRIORITY_LEAST_USED_WITH_DEGRADATION: Self = Self(0xb000_1004);
    /// Weighted Random with Distance Penalty Factor, of rsplib.
    pub const WEIGHTED_RANDOM_WITH_DISTANCE: Self = Self(0xb000_2001);
    /// Least Used with Distance Penalty Factor, of rsplib.
    pub const LEAST_USED_WITH_DISTANCE: Self = Self(0xb000_2002);
    /// Least Used with Degradation and Distance Penalty Factor, of rsplib.
    pub const LEAST_USED_WITH_DEGRADATION_AND_DISTANCE: Self = Self(0xb000_2003);
    /// Priority Least Used with Distance Penalty Factor, of rsplib.
    pub const PRIORITY_LEAST_USED_WITH_DISTANCE: Self = Self(0xb000_2004);
    /// Priority Least Used with Degradation and Distance Penalty Factor, of rsplib.
    pub const PRIORITY_LEAST_USED_WITH_DEGRADATION_AND_DISTANCE: Self = Self(0xb000_2005);

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

    /// The policy's name in RFC 5356, or what stands for the name that rsplib has for its own; "unknown" for others.
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
            Self::RANDOMIZED_PRIORITY_LEAST_USED => "Randomized Priority Least Used",
            Self::RANDOMIZED_LEAST_USED_WITH_DEGRADATION => "Randomized Least Used with Degradation",
            Self::PRIORITY_LEAST_USED_WITH_DEGRADATION => "Priority Least Used with Degradation",
            Self::RANDOMIZED_PRIORITY_LEAST_USED_WITH_DEGRADATION => "Randomized Priority Least Used with Degradation",
            Self::WEIGHTED_RANDOM_WITH_DISTANCE => "Weighted Random with Distance Penalty Factor",
            Self::LEAST_USED_WITH_DISTANCE => "Least Used with Distance Penalty Factor",
            Self::LEAST_USED_WITH_DEGRADATION_AND_DISTANCE => "Least Used with Degradation and Distance Penalty Factor",
            Self::PRIORITY_LEAST_USED_WITH_DISTANCE => "Priority Least Used with Distance Penalty Factor",
            Self::PRIORITY_LEAST_USED_WITH_DEGRADATION_AND_DISTANCE => {
                "Priority Least Used with Degradation and Distance Penalty Factor"
            }
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
    /// Randomized Least Used, with the load after one session more.
    RandomizedPriorityLeastUsed {
        /// Current load.
        load: u32,
        /// What a new session would add to it.
        degradation: u32,
    },
    /// Randomized Least Used, where sessions since the registration count.
    RandomizedLeastUsedWithDegradation {
        /// Current load.
        load: u32,
        /// What each new session adds to it.
        degradation: u32,
    },
    /// Priority Least Used, where sessions since the registration count.
    PriorityLeastUsedWithDegradation {
        /// Current load.
        load: u32,
        /// What each new session adds to it.
        degradation: u32,
    },
    /// Randomized Least Used, with the load after one session more, where sessions since the registration count.
    RandomizedPriorityLeastUsedWithDegradation {
        /// Current load.
        load: u32,
        /// What each new session adds to it.
        degradation: u32,
    },
    /// Weighted Random, where the distance takes from the weight.
    WeightedRandomWithDistance {
        /// The element's capacity relative to the others'.
        weight: u32,
        /// How far it is.
        distance: Distance,
    },
    /// Least Used, where the distance counts as load.
    LeastUsedWithDistance {
        /// Current load.
        load: u32,
        /// How far it is.
        distance: Distance,
    },
    /// Least Used with Degradation, where the distance counts as load.
    LeastUsedWithDegradationAndDistance {
        /// Current load.
        load: u32,
        /// What each new session adds to it.
        degradation: u32,
        /// How far it is.
        distance: Distance,
    },
    /// Priority Least Used, where the distance counts as load.
    PriorityLeastUsedWithDistance {
        /// Current load.
        load: u32,
        /// What a new session would add to it.
        degradation: u32,
        /// How far it is.
        distance: Distance,
    },
    /// Priority Least Used, where sessions since the registration count, and the distance counts as load.
    PriorityLeastUsedWithDegradationAndDistance {
        /// Current load.
        load: u32,
        /// What each new session adds to it.
        degradation: u32,
        /// How far it is.
        distance: Distance,
    },
    /// A policy that is not known here, kept as it is.
    Other {
        /// Its number.
        policy_type: PolicyType,
        /// Its policy-specific data.
        data: &'a [u8],
    },
}

/// How far an element is from those who ask for it, and how much that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Distance {
    /// The penalty for each unit of distance, as a part of `u32::MAX`.
    pub factor: u32,
    /// The distance, in any unit; rsplib takes milliseconds. 0 while it is not known.
    pub distance: u32,
}

impl Distance {
    /// Factor times distance, where `u32::MAX` is 100 % of load or weight.
    #[must_use]
    pub const fn penalty(self) -> u64 {
        (self.factor as u64).saturating_mul(self.distance as u64)
    }
}

/// How many numbers a policy has at most.
const VALUES: usize = 4;

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
            Self::RandomizedPriorityLeastUsed { .. } => PolicyType::RANDOMIZED_PRIORITY_LEAST_USED,
            Self::RandomizedLeastUsedWithDegradation { .. } => PolicyType::RANDOMIZED_LEAST_USED_WITH_DEGRADATION,
            Self::PriorityLeastUsedWithDegradation { .. } => PolicyType::PRIORITY_LEAST_USED_WITH_DEGRADATION,
            Self::RandomizedPriorityLeastUsedWithDegradation { .. } => {
                PolicyType::RANDOMIZED_PRIORITY_LEAST_USED_WITH_DEGRADATION
            }
            Self::WeightedRandomWithDistance { .. } => PolicyType::WEIGHTED_RANDOM_WITH_DISTANCE,
            Self::LeastUsedWithDistance { .. } => PolicyType::LEAST_USED_WITH_DISTANCE,
            Self::LeastUsedWithDegradationAndDistance { .. } => PolicyType::LEAST_USED_WITH_DEGRADATION_AND_DISTANCE,
            Self::PriorityLeastUsedWithDistance { .. } => PolicyType::PRIORITY_LEAST_USED_WITH_DISTANCE,
            Self::PriorityLeastUsedWithDegradationAndDistance { .. } => {
                PolicyType::PRIORITY_LEAST_USED_WITH_DEGRADATION_AND_DISTANCE
            }
            Self::Other { policy_type, .. } => *policy_type,
        }
    }

    /// The policy of a number that is known here, with its values, in the order of [`Self::values`]; `None` if the number is not
    /// known or has another number of values.
    #[must_use]
    pub const fn with_values(policy_type: PolicyType, values: &[u32]) -> Option<Self> {
        Some(match (policy_type, values) {
            (PolicyType::ROUND_ROBIN, []) => Self::RoundRobin,
            (PolicyType::WEIGHTED_ROUND_ROBIN, &[weight]) => Self::WeightedRoundRobin { weight },
            (PolicyType::RANDOM, []) => Self::Random,
            (PolicyType::WEIGHTED_RANDOM, &[weight]) => Self::WeightedRandom { weight },
            (PolicyType::PRIORITY, &[priority]) => Self::Priority { priority },
            (PolicyType::LEAST_USED, &[load]) => Self::LeastUsed { load },
            (PolicyType::LEAST_USED_WITH_DEGRADATION, &[load, degradation]) => {
                Self::LeastUsedWithDegradation { load, degradation }
            }
            (PolicyType::PRIORITY_LEAST_USED, &[load, degradation]) => Self::PriorityLeastUsed { load, degradation },
            (PolicyType::RANDOMIZED_LEAST_USED, &[load]) => Self::RandomizedLeastUsed { load },
            (PolicyType::RANDOMIZED_PRIORITY_LEAST_USED, &[load, degradation]) => {
                Self::RandomizedPriorityLeastUsed { load, degradation }
            }
            (PolicyType::RANDOMIZED_LEAST_USED_WITH_DEGRADATION, &[load, degradation]) => {
                Self::RandomizedLeastUsedWithDegradation { load, degradation }
            }
            (PolicyType::PRIORITY_LEAST_USED_WITH_DEGRADATION, &[load, degradation]) => {
                Self::PriorityLeastUsedWithDegradation { load, degradation }
            }
            (PolicyType::RANDOMIZED_PRIORITY_LEAST_USED_WITH_DEGRADATION, &[load, degradation]) => {
                Self::RandomizedPriorityLeastUsedWithDegradation { load, degradation }
            }
            (PolicyType::WEIGHTED_RANDOM_WITH_DISTANCE, &[weight, factor, distance]) => {
                Self::WeightedRandomWithDistance { weight, distance: Distance { factor, distance } }
            }
            (PolicyType::LEAST_USED_WITH_DISTANCE, &[load, factor, distance]) => {
                Self::LeastUsedWithDistance { load, distance: Distance { factor, distance } }
            }
            (PolicyType::LEAST_USED_WITH_DEGRADATION_AND_DISTANCE, &[load, degradation, factor, distance]) => {
                let distance = Distance { factor, distance };
                Self::LeastUsedWithDegradationAndDistance { load, degradation, distance }
            }
            (PolicyType::PRIORITY_LEAST_USED_WITH_DISTANCE, &[load, degradation, factor, distance]) => {
                let distance = Distance { factor, distance };
                Self::PriorityLeastUsedWithDistance { load, degradation, distance }
            }
            (PolicyType::PRIORITY_LEAST_USED_WITH_DEGRADATION_AND_DISTANCE, &[load, degradation, factor, distance]) => {
                let distance = Distance { factor, distance };
                Self::PriorityLeastUsedWithDegradationAndDistance { load, degradation, distance }
            }
            _ => return None,
        })
    }

    /// Its values with their names, in the order in which they are sent: weight, priority, load, degradation,
    /// distance_penalty_factor, distance. None for a policy that is not known here.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, u32)> + use<> {
        let load = |load| Some(("load", load));
        let weight = |weight| Some(("weight", weight));
        let degradation = |degradation| Some(("degradation", degradation));
        let factor = |distance: Distance| Some(("distance_penalty_factor", distance.factor));
        let far = |distance: Distance| Some(("distance", distance.distance));
        let values: [_; VALUES] = match *self {
            Self::RoundRobin | Self::Random | Self::Other { .. } => [None; VALUES],
            Self::WeightedRoundRobin { weight: value } | Self::WeightedRandom { weight: value } => {
                [weight(value), None, None, None]
            }
            Self::Priority { priority } => [Some(("priority", priority)), None, None, None],
            Self::LeastUsed { load: value } | Self::RandomizedLeastUsed { load: value } => {
                [load(value), None, None, None]
            }
            Self::LeastUsedWithDegradation { load: value, degradation: more }
            | Self::PriorityLeastUsed { load: value, degradation: more }
            | Self::RandomizedPriorityLeastUsed { load: value, degradation: more }
            | Self::RandomizedLeastUsedWithDegradation { load: value, degradation: more }
            | Self::PriorityLeastUsedWithDegradation { load: value, degradation: more }
            | Self::RandomizedPriorityLeastUsedWithDegradation { load: value, degradation: more } => {
                [load(value), degradation(more), None, None]
            }
            Self::WeightedRandomWithDistance { weight: value, distance } => {
                [weight(value), factor(distance), far(distance), None]
            }
            Self::LeastUsedWithDistance { load: value, distance } => {
                [load(value), factor(distance), far(distance), None]
            }
            Self::LeastUsedWithDegradationAndDistance { load: value, degradation: more, distance }
            | Self::PriorityLeastUsedWithDistance { load: value, degradation: more, distance }
            | Self::PriorityLeastUsedWithDegradationAndDistance { load: value, degradation: more, distance } => {
                [load(value), degradation(more), factor(distance), far(distance)]
            }
        };
        values.into_iter().flatten()
    }

    /// The policy in a parameter that is one.
    pub(crate) fn read(parameter: &RawParameter<'a>) -> Result<Self, DecodeError> {
        let (number, data) = parameter.value().split_first_chunk().ok_or_else(|| parameter.length_error())?;
        let policy_type = PolicyType(u32::from_be_bytes(*number));
        // RFC 5356 §7.1: reserved, invalid values.
        if let PolicyType(value @ (0 | 0x4000_0000)) = policy_type {
            return Err(DecodeError {
                offset: parameter.offset.saturating_add(4),
                ..parameter.error(DecodeErrorKind::PolicyType { value })
            });
        }
        let (words, rest) = data.as_chunks();
        let mut values = [0; VALUES];
        for (value, word) in values.iter_mut().zip(words) {
            *value = u32::from_be_bytes(*word);
        }
        let values = values.get(..words.len()).filter(|_| rest.is_empty());
        match values.and_then(|values| Self::with_values(policy_type, values)) {
            Some(policy) => Ok(policy),
            // A number for private use may mean something else to others.
            None if policy_type.is_private() || policy_type.name() == "unknown" => {
                Ok(Self::Other { policy_type, data })
            }
            None => Err(parameter.length_error()),
        }
    }

    #[inline]
    pub(crate) fn write(&self, sink: &mut impl Sink) {
        let number = self.policy_type().0;
        match *self {
            Self::RoundRobin | Self::Random => sink.short_parameter(POLICY, [number]),
            Self::WeightedRoundRobin { weight: value }
            | Self::WeightedRandom { weight: value }
            | Self::Priority { priority: value }
            | Self::LeastUsed { load: value }
            | Self::RandomizedLeastUsed { load: value } => sink.short_parameter(POLICY, [number, value]),
            Self::LeastUsedWithDegradation { load, degradation }
            | Self::PriorityLeastUsed { load, degradation }
            | Self::RandomizedPriorityLeastUsed { load, degradation }
            | Self::RandomizedLeastUsedWithDegradation { load, degradation }
            | Self::PriorityLeastUsedWithDegradation { load, degradation }
            | Self::RandomizedPriorityLeastUsedWithDegradation { load, degradation } => {
                sink.short_parameter(POLICY, [number, load, degradation]);
            }
            Self::WeightedRandomWithDistance { weight: value, distance }
            | Self::LeastUsedWithDistance { load: value, distance } => {
                sink.short_parameter(POLICY, [number, value, distance.factor, distance.distance]);
            }
            Self::LeastUsedWithDegradationAndDistance { load, degradation, distance }
            | Self::PriorityLeastUsedWithDistance { load, degradation, distance }
            | Self::PriorityLeastUsedWithDegradationAndDistance { load, degradation, distance } => {
                sink.short_parameter(POLICY, [number, load, degradation, distance.factor, distance.distance]);
            }
            Self::Other { data, .. } => sink.parameter(POLICY, [number], |sink| sink.put(data)),
        }
    }
}

impl<'a> Item<'a> for Policy<'a> {
    fn from_parameter(parameter: &RawParameter<'a>) -> Option<Self> {
        Self::read(parameter).ok()
    }

    fn is_type(parameter_type: u16) -> bool {
        parameter_type == POLICY
    }
}

impl WriteItem for Policy<'_> {
    fn write(&self, sink: &mut impl Sink) {
        Policy::write(self, sink);
    }
}
