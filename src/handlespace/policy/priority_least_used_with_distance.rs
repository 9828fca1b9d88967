//! rsplib's Priority Least Used with Distance Penalty Factor: as Priority Least Used, and the distance counts as load.

use super::ordered::Rank;
use crate::wire::Policy;

pub(super) fn rank(policy: &Policy<'_>) -> Rank {
    match policy {
        Policy::PriorityLeastUsedWithDistance { load, degradation, distance } => {
            Rank::fixed(distance.penalty().saturating_add(u64::from(*load) + u64::from(*degradation)))
        }
        _ => Rank::fixed(0),
    }
}
