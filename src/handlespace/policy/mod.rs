//! The selection policies of RFC 5356 and nine more that rsplib has, one file each.
//!
//! A policy says in which order a pool's members are given to users. It knows them by number ([`Member`]), notes two
//! numbers for each ([`Seats`]), and has lists of its own: for a registrar in allocated storage, for a user's cache in
//! storage of a fixed capacity. Each way to choose has its structure:
//!
//! | policies | structure | joining, leaving, changing | k of n members |
//! |---|---|---|---|
//! | Round Robin | a ring | 1 | k |
//! | Random | an array | 1 | k |
//! | Weighted Random and those that are randomized | a tree of sums | log n | k log n |
//! | Priority, Least Used and their like | a heap | log n, mostly 1 | k |
//! | those with degradation | a heap | log n, mostly 1 | k log n |
//! | Weighted Round Robin | two heaps | log n, mostly 1 | k + log n |

mod by_weight;
mod heap;
mod least_used;
mod least_used_with_degradation;
mod least_used_with_degradation_and_distance;
mod least_used_with_distance;
mod lists;
mod ordered;
mod priority;
mod priority_least_used;
mod priority_least_used_with_degradation;
mod priority_least_used_with_degradation_and_distance;
mod priority_least_used_with_distance;
mod random;
mod randomized_least_used;
mod randomized_least_used_with_degradation;
mod randomized_priority_least_used;
mod randomized_priority_least_used_with_degradation;
mod round_robin;
mod seats;
mod sort;
mod sum_tree;
mod weighted_random;
mod weighted_random_with_distance;
mod weighted_round_robin;

#[cfg(feature = "alloc")]
pub(crate) use self::lists::{Allocated, List};
pub(crate) use self::lists::{Fixed, Storage};
pub(crate) use self::seats::Seat;
pub use self::seats::Seats;

use core::fmt::Debug;

use self::by_weight::ByWeight;
use self::ordered::Ordered;
use self::random::RandomPolicy;
use self::round_robin::RoundRobin;
use self::weighted_round_robin::WeightedRoundRobin;
use crate::random::Random;
use crate::wire::{Policy, PolicyType};

/// A member of a pool, by number. Numbers are small, and used again when their members have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member(pub u32);

impl Member {
    /// No member.
    pub(crate) const NONE: Self = Self(u32::MAX);

    const fn place(self) -> usize {
        self.0 as usize
    }
}

/// A selection policy at work in one pool.
///
/// The pool calls it with every change of its members. A member that was added is updated when it registers again, and
/// removed when it leaves.
pub trait SelectionPolicy: Debug + Send {
    /// A member has come, with the values `policy`.
    fn add(&mut self, seats: &mut Seats<'_>, member: Member, policy: &Policy<'_>);

    /// A member has registered again, with the values `policy`, which may be the same as before.
    fn update(&mut self, seats: &mut Seats<'_>, member: Member, policy: &Policy<'_>);

    /// A member leaves.
    fn remove(&mut self, seats: &mut Seats<'_>, member: Member);

    /// Chooses different members, the best first, as many as `chosen` has room for or there are; and returns how many.
    fn select(&mut self, seats: &mut Seats<'_>, random: &mut dyn RandomSource, chosen: &mut [Member]) -> usize;
}

/// Random numbers for a policy: the same seed gives the same numbers.
pub trait RandomSource {
    /// A number from 0 to `below` − 1; 0 if `below` is 0.
    fn below(&mut self, below: u64) -> u64;
}

impl RandomSource for Random {
    fn below(&mut self, below: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(below)) >> 64) as u64
    }
}

/// A policy that is known here, or one of the embedder's.
#[derive(Debug)]
pub(crate) enum Selector<S: Storage> {
    RoundRobin(RoundRobin),
    WeightedRoundRobin(WeightedRoundRobin<S>),
    Random(RandomPolicy<S>),
    ByWeight(ByWeight<S>),
    Ordered(Ordered<S>),
    #[cfg(feature = "alloc")]
    Added(alloc::boxed::Box<dyn SelectionPolicy>),
}

impl<S: Storage> Selector<S> {
    /// The policy for a pool whose members register with `policy_type`; `None` if it is not known.
    pub(crate) fn new(policy_type: PolicyType) -> Option<Self> {
        let ordered = |rank| Self::Ordered(Ordered::new(rank));
        let by_weight = |weight| Self::ByWeight(ByWeight::new(weight));
        Some(match policy_type {
            PolicyType::ROUND_ROBIN => Self::round_robin(),
            PolicyType::WEIGHTED_ROUND_ROBIN => Self::WeightedRoundRobin(WeightedRoundRobin::default()),
            PolicyType::RANDOM => Self::Random(RandomPolicy::default()),
            PolicyType::WEIGHTED_RANDOM => by_weight(weighted_random::weight),
            PolicyType::PRIORITY => ordered(priority::rank),
            PolicyType::LEAST_USED => ordered(least_used::rank),
            PolicyType::LEAST_USED_WITH_DEGRADATION => ordered(least_used_with_degradation::rank),
            PolicyType::PRIORITY_LEAST_USED => ordered(priority_least_used::rank),
            PolicyType::RANDOMIZED_LEAST_USED => by_weight(randomized_least_used::weight),
            PolicyType::RANDOMIZED_PRIORITY_LEAST_USED => by_weight(randomized_priority_least_used::weight),
            PolicyType::RANDOMIZED_LEAST_USED_WITH_DEGRADATION => {
                by_weight(randomized_least_used_with_degradation::weight)
            }
            PolicyType::PRIORITY_LEAST_USED_WITH_DEGRADATION => ordered(priority_least_used_with_degradation::rank),
            PolicyType::RANDOMIZED_PRIORITY_LEAST_USED_WITH_DEGRADATION => {
                by_weight(randomized_priority_least_used_with_degradation::weight)
            }
            PolicyType::WEIGHTED_RANDOM_WITH_DISTANCE => by_weight(weighted_random_with_distance::weight),
            PolicyType::LEAST_USED_WITH_DISTANCE => ordered(least_used_with_distance::rank),
            PolicyType::LEAST_USED_WITH_DEGRADATION_AND_DISTANCE => {
                ordered(least_used_with_degradation_and_distance::rank)
            }
            PolicyType::PRIORITY_LEAST_USED_WITH_DISTANCE => ordered(priority_least_used_with_distance::rank),
            PolicyType::PRIORITY_LEAST_USED_WITH_DEGRADATION_AND_DISTANCE => {
                ordered(priority_least_used_with_degradation_and_distance::rank)
            }
            _ => return None,
        })
    }

    /// The default policy (RFC 5356 §4.1.1).
    pub(crate) fn round_robin() -> Self {
        Self::RoundRobin(RoundRobin::default())
    }
}

/// Calls the policy that is at work.
macro_rules! at_work {
    ($selector:expr, $policy:ident => $call:expr) => {
        match $selector {
            Self::RoundRobin($policy) => $call,
            Self::WeightedRoundRobin($policy) => $call,
            Self::Random($policy) => $call,
            Self::ByWeight($policy) => $call,
            Self::Ordered($policy) => $call,
            #[cfg(feature = "alloc")]
            Self::Added($policy) => $call,
        }
    };
}

impl<S: Storage> SelectionPolicy for Selector<S> {
    fn add(&mut self, seats: &mut Seats<'_>, member: Member, policy: &Policy<'_>) {
        at_work!(self, at_work => at_work.add(seats, member, policy));
    }

    fn update(&mut self, seats: &mut Seats<'_>, member: Member, policy: &Policy<'_>) {
        at_work!(self, at_work => at_work.update(seats, member, policy));
    }

    fn remove(&mut self, seats: &mut Seats<'_>, member: Member) {
        at_work!(self, at_work => at_work.remove(seats, member));
    }

    fn select(&mut self, seats: &mut Seats<'_>, random: &mut dyn RandomSource, chosen: &mut [Member]) -> usize {
        at_work!(self, at_work => at_work.select(seats, random, chosen))
    }
}
