//! A pool: its elements by identifier, what they have in common, and the state of its policy.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use super::element::ElementIndex;
use super::policy::RoundRobin;
use crate::wire::{PeIdentifier, PolicyType, PoolElement, TransportProtocol, TransportUse};

#[derive(Debug)]
pub(super) struct Pool {
    policy_type: PolicyType,
    transport_protocol: TransportProtocol,
    transport_use: TransportUse,
    elements: BTreeMap<PeIdentifier, ElementIndex>,
    order: RoundRobin,
}

impl Pool {
    /// An empty pool of the kind that its first element makes it (RFC 5352 §3.1).
    pub(super) fn new(first: &PoolElement<'_>) -> Self {
        Self {
            policy_type: first.policy.policy_type(),
            transport_protocol: first.user_transport.protocol(),
            transport_use: first.user_transport.transport_use(),
            elements: BTreeMap::new(),
            order: RoundRobin::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }

    pub(super) fn policy_type(&self) -> PolicyType {
        self.policy_type
    }

    pub(super) fn transport_protocol(&self) -> TransportProtocol {
        self.transport_protocol
    }

    pub(super) fn transport_use(&self) -> TransportUse {
        self.transport_use
    }

    pub(super) fn find(&self, identifier: PeIdentifier) -> Option<ElementIndex> {
        self.elements.get(&identifier).copied()
    }

    pub(super) fn first(&self) -> Option<ElementIndex> {
        self.elements.values().next().copied()
    }

    pub(super) fn add(&mut self, index: ElementIndex, element: &PoolElement<'_>) {
        self.elements.insert(element.identifier, index);
        self.order.add(index);
    }

    pub(super) fn remove(&mut self, identifier: PeIdentifier) {
        if let Some(index) = self.elements.remove(&identifier) {
            self.order.remove(index);
        }
    }

    pub(super) fn select(&mut self, items: usize) -> Vec<ElementIndex> {
        self.order.select(items)
    }

    /// The elements with identifiers greater than `identifier`, or all, in order.
    pub(super) fn behind(&self, identifier: Option<PeIdentifier>) -> impl Iterator<Item = ElementIndex> + use<'_> {
        let start = identifier.map_or(Bound::Unbounded, Bound::Excluded);
        self.elements.range((start, Bound::Unbounded)).map(|(_, index)| *index)
    }
}
