//! Priority (RFC 5356 §4.5): the highest priority first. In which order those of equal priority come is left open; here
//! they go round.

use super::ordered::Rank;
use crate::wire::Policy;

pub(super) fn rank(policy: &Policy<'_>) -> Rank {
    match policy {
        Policy::Priority { priority } => Rank::fixed(u64::from(u32::MAX - priority)),
        _ => Rank::fixed(u64::MAX),
    }
}
