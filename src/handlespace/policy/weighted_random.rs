//! Weighted Random (RFC 5356 §4.4): the chance of an element is its weight's part of the sum of all.

use super::by_weight::Weight;
use crate::wire::Policy;

pub(super) fn weight(policy: &Policy<'_>) -> Weight {
    match policy {
        Policy::WeightedRandom { weight } => Weight::fixed(*weight),
        _ => Weight::fixed(0),
    }
}
