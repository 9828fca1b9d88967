//! rsplib's Priority Least Used with Degradation: the lowest load after one session more first, where each time that an
//! element was given since it registered counts as a session.

use super::ordered::Rank;
use crate::wire::Policy;

pub(super) fn rank(policy: &Policy<'_>) -> Rank {
    match policy {
        Policy::PriorityLeastUsedWithDegradation { load, degradation } => {
            Rank { rank: u64::from(*load) + u64::from(*degradation), step: *degradation }
        }
        _ => Rank::fixed(0),
    }
}
