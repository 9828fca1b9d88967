//! Priority Least Used (RFC 5356 §5.3): the lowest sum of load and degradation first; equal sums go round.

use super::ordered::Ordered;
use crate::wire::Policy;

/// The policy.
pub(super) fn policy() -> Ordered {
    Ordered::new(|policy, _| match policy {
        Policy::PriorityLeastUsed { load, degradation } => u64::from(*load) + u64::from(*degradation),
        _ => 0,
    })
}
