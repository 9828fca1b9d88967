//! rsplib's Least Used with Degradation and Distance Penalty Factor: as Least Used with Degradation, and the distance
//! counts as load.

use super::ordered::Rank;
use crate::wire::Policy;

pub(super) fn rank(policy: &Policy<'_>) -> Rank {
    match policy {
        Policy::LeastUsedWithDegradationAndDistance { load, degradation, distance } => {
            Rank { rank: distance.penalty().saturating_add((*load).into()), step: *degradation }
        }
        _ => Rank::fixed(0),
    }
}
