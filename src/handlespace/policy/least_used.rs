//! Least Used (RFC 5356 §5.1): the lowest load first; equal loads go round.

use super::ordered::Ordered;
use crate::wire::Policy;

/// The policy.
pub(super) fn policy() -> Ordered {
    Ordered::new(|policy, _| match policy {
        Policy::LeastUsed { load } => u64::from(*load),
        _ => 0,
    })
}
