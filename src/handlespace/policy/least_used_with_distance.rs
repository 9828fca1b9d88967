//! rsplib's Least Used with Distance Penalty Factor: the distance, times its factor, counts as load.

use super::ordered::Rank;
use crate::wire::Policy;

pub(super) fn rank(policy: &Policy<'_>) -> Rank {
    match policy {
        Policy::LeastUsedWithDistance { load, distance } => {
            Rank::fixed(distance.penalty().saturating_add((*load).into()))
        }
        _ => Rank::fixed(0),
    }
}
