//! Least Used (RFC 5356 §5.1): the lowest load first; equal loads go round.

use super::ordered::Rank;
use crate::wire::Policy;

pub(super) fn rank(policy: &Policy<'_>) -> Rank {
    match policy {
        Policy::LeastUsed { load } => Rank::fixed(u64::from(*load)),
        _ => Rank::fixed(0),
    }
}
