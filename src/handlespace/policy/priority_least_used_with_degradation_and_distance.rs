//! rsplib's Priority Least Used with Degradation and Distance Penalty Factor: as Priority Least Used with Degradation,
//! and the distance counts as load.

use super::ordered::Rank;
use crate::wire::Policy;

pub(super) fn rank(policy: &Policy<'_>) -> Rank {
    match policy {
        Policy::PriorityLeastUsedWithDegradationAndDistance { load, degradation, distance } => Rank {
            rank: distance.penalty().saturating_add(u64::from(*load) + u64::from(*degradation)),
            step: *degradation,
        },
        _ => Rank::fixed(0),
    }
}
