//! Pools: what their elements have in common, and the policy at work.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use super::element::{Element, PoolIndex};
use super::policy::SelectionPolicy;
use crate::wire::{PolicyType, PoolElement, PoolHandle, TransportProtocol, TransportUse};

/// A pool. Its first element has made it what it is (RFC 5352 §3.1).
#[derive(Debug)]
pub(super) struct Pool {
    handle: Box<[u8]>,
    pub(super) policy_type: PolicyType,
    pub(super) transport_protocol: TransportProtocol,
    pub(super) transport_use: TransportUse,
    pub(super) policy: Box<dyn SelectionPolicy>,
    /// How many elements it has.
    pub(super) count: usize,
    /// The description of the element that has made it what it is, to show others.
    example: Box<[u8]>,
}

impl Pool {
    /// A pool without elements yet.
    pub(super) fn new(
        handle: PoolHandle<'_>,
        first: &PoolElement<'_>,
        octets: &[u8],
        policy: Box<dyn SelectionPolicy>,
    ) -> Self {
        Self {
            handle: handle.octets().into(),
            policy_type: first.policy.policy_type(),
            transport_protocol: first.user_transport.protocol(),
            transport_use: first.user_transport.transport_use(),
            policy,
            count: 0,
            example: octets.into(),
        }
    }

    pub(super) fn example(&self) -> PoolElement<'_> {
        PoolElement::from_octets(&self.example).unwrap_or(Element::NOTHING)
    }

    pub(super) fn handle(&self) -> PoolHandle<'_> {
        PoolHandle::new(&self.handle)
    }
}

/// All pools, found by their handles.
#[derive(Debug)]
pub(super) struct Pools {
    pools: Vec<Option<Pool>>,
    free: Vec<PoolIndex>,
    table: HashTable<PoolIndex>,
    hasher: FixedState,
}

impl Pools {
    pub(super) fn new(hasher: FixedState) -> Self {
        Self { pools: Vec::new(), free: Vec::new(), table: HashTable::new(), hasher }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn get(&self, index: PoolIndex) -> Option<&Pool> {
        self.pools.get(index.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: PoolIndex) -> Option<&mut Pool> {
        self.pools.get_mut(index.0 as usize)?.as_mut()
    }

    pub(super) fn find(&self, handle: PoolHandle<'_>) -> Option<PoolIndex> {
        let hash = self.hasher.hash_one(handle.octets());
        self.table.find(hash, |index| self.get(*index).is_some_and(|pool| pool.handle() == handle)).copied()
    }

    pub(super) fn insert(&mut self, pool: Pool) -> PoolIndex {
        let index = self.free.pop().unwrap_or_else(|| {
            self.pools.push(None);
            PoolIndex((self.pools.len() - 1) as u32)
        });
        let Self { pools, table, hasher, .. } = self;
        let hash = hasher.hash_one(pool.handle().octets());
        if let Some(place) = pools.get_mut(index.0 as usize) {
            *place = Some(pool);
        }
        table.insert_unique(hash, index, |index| {
            let pool = pools.get(index.0 as usize).and_then(Option::as_ref);
            pool.map_or(0, |pool| hasher.hash_one(pool.handle().octets()))
        });
        index
    }

    pub(super) fn remove(&mut self, index: PoolIndex) {
        let Some(pool) = self.pools.get_mut(index.0 as usize).and_then(Option::take) else { return };
        let hash = self.hasher.hash_one(pool.handle().octets());
        if let Ok(entry) = self.table.find_entry(hash, |other| *other == index) {
            entry.remove();
        }
        self.free.push(index);
    }
}
