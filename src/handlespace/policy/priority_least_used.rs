//! Priority Least Used (RFC 5356 §5.3): the lowest sum of load and degradation first; equal sums go round.

use super::ordered::Rank;
use crate::wire::Policy;

pub(super) fn rank(policy: &Policy<'_>) -> Rank {
    match policy {
        Policy::PriorityLeastUsed { load, degradation } => Rank::fixed(u64::from(*load) + u64::from(*degradation)),
        _ => Rank::fixed(0),
    }
}
