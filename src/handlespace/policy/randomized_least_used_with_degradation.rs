//! rsplib's Randomized Least Used with Degradation: Randomized Least Used, where each time that an element was given since
//! it registered counts as load.

use super::by_weight::Weight;
use crate::wire::Policy;

pub(super) fn weight(policy: &Policy<'_>) -> Weight {
    match policy {
        Policy::RandomizedLeastUsedWithDegradation { load, degradation } => {
            Weight { weight: u32::MAX - load, step: *degradation }
        }
        _ => Weight::fixed(0),
    }
}
