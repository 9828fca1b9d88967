//! rsplib's Weighted Random with Distance Penalty Factor: the distance, times its factor, is the part of the weight that
//! does not count. What is left is rounded to a whole number, so that weights should not be small.

use super::by_weight::Weight;
use crate::wire::Policy;

pub(super) fn weight(policy: &Policy<'_>) -> Weight {
    match policy {
        Policy::WeightedRandomWithDistance { weight, distance } => {
            let all = u64::from(u32::MAX);
            let counts = all.saturating_sub(distance.penalty());
            // No more than the weight.
            Weight::fixed(((u64::from(*weight) * counts + all / 2) / all) as u32)
        }
        _ => Weight::fixed(0),
    }
}
