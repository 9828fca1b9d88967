//! Randomized Least Used (RFC 5356 §5.4): Weighted Random, where the weight is what is left of the load.

use super::by_weight::Weight;
use crate::wire::Policy;

pub(super) fn weight(policy: &Policy<'_>) -> Weight {
    match policy {
        Policy::RandomizedLeastUsed { load } => Weight::fixed(u32::MAX - load),
        _ => Weight::fixed(0),
    }
}
