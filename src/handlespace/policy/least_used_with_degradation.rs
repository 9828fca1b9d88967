//! Least Used with Degradation (RFC 5356 §5.2): each time that an element is given to a user its load counts as that
//! much higher, until it registers again.

use super::ordered::Rank;
use crate::wire::Policy;

pub(super) fn rank(policy: &Policy<'_>) -> Rank {
    match policy {
        Policy::LeastUsedWithDegradation { load, degradation } => Rank { rank: u64::from(*load), step: *degradation },
        _ => Rank::fixed(0),
    }
}
