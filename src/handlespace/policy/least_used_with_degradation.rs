//! Least Used with Degradation (RFC 5356 §5.2): each time that an element is given to a user its load counts as that
//! much higher, until it registers again.

use super::ordered::Ordered;
use crate::wire::Policy;

/// The policy.
pub(super) fn policy() -> Ordered {
    Ordered::counting(|policy, count| match policy {
        Policy::LeastUsedWithDegradation { load, degradation } => {
            u64::from(*load) + u64::from(*degradation) * u64::from(count)
        }
        _ => 0,
    })
}
