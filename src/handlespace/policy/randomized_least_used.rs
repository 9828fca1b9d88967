//! Randomized Least Used (RFC 5356 §5.4): Weighted Random, where the weight is what is left of the load.

use super::weighted_random::ByWeight;
use crate::wire::Policy;

/// The policy.
pub(super) fn policy() -> ByWeight {
    ByWeight::new(|policy| match policy {
        Policy::RandomizedLeastUsed { load } => u32::MAX - load,
        _ => 0,
    })
}
