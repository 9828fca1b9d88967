//! Priority (RFC 5356 §4.5): the highest priority first. In which order those of equal priority come is left open; here
//! they go round.

use super::ordered::Ordered;
use crate::wire::Policy;

/// The policy.
pub(super) fn policy() -> Ordered {
    Ordered::new(|policy, _| match policy {
        Policy::Priority { priority } => u64::from(u32::MAX - priority),
        _ => u64::MAX,
    })
}
