//! rsplib's Randomized Priority Least Used: Weighted Random, where the weight is what one session more would leave of the
//! load.

use super::by_weight::Weight;
use crate::wire::Policy;

pub(super) fn weight(policy: &Policy<'_>) -> Weight {
    match policy {
        Policy::RandomizedPriorityLeastUsed { load, degradation } => {
            Weight::fixed((u32::MAX - load).saturating_sub(*degradation))
        }
        _ => Weight::fixed(0),
    }
}
