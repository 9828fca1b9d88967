//! rsplib's Randomized Priority Least Used with Degradation: Randomized Priority Least Used, where each time that an
//! element was given since it registered counts as load.

use super::by_weight::Weight;
use crate::wire::Policy;

pub(super) fn weight(policy: &Policy<'_>) -> Weight {
    match policy {
        Policy::RandomizedPriorityLeastUsedWithDegradation { load, degradation } => {
            Weight { weight: (u32::MAX - load).saturating_sub(*degradation), step: *degradation }
        }
        _ => Weight::fixed(0),
    }
}
