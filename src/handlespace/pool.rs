//! Pools: what their elements have in common, their members, and the policy at work.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use super::element::{ElementIndex, PoolIndex};
use super::policy::{Allocated, List, Member, Selector};
use crate::wire::{PeIdentifier, PolicyType, PoolElement, PoolHandle, TransportProtocol, TransportUse};

/// Up to so many members are looked through one by one.
const FEW: usize = 16;

/// No element, in the entry of a member's number that is free.
const NONE: u32 = u32::MAX;

/// A pool handle, in place if it is short.
#[derive(Debug)]
enum Handle {
    Short { length: u8, octets: [u8; 30] },
    Long(Box<[u8]>),
}

impl Handle {
    fn new(handle: PoolHandle<'_>) -> Self {
        let octets = handle.octets();
        let mut short = [0; 30];
        match short.get_mut(..octets.len()) {
            Some(place) => {
                place.copy_from_slice(octets);
                Self::Short { length: octets.len() as u8, octets: short }
            }
            None => Self::Long(octets.into()),
        }
    }

    fn octets(&self) -> &[u8] {
        match self {
            Self::Short { length, octets } => octets.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(octets) => octets,
        }
    }
}

/// A member, or a number that is free: then `element` is none, and `identifier` is the next free number.
#[derive(Clone, Copy, Debug)]
struct MemberEntry {
    identifier: u32,
    element: u32,
}

/// A pool. Its first element has made it what it is (RFC 5352 §3.1).
#[derive(Debug)]
pub(super) struct Pool {
    handle: Handle,
    pub(super) policy: Selector<Allocated>,
    pub(super) policy_type: PolicyType,
    pub(super) transport_protocol: TransportProtocol,
    pub(super) transport_use: TransportUse,
    /// The members, by number.
    members: Vec<MemberEntry>,
    /// The members by identifier, once there are more than a few.
    table: HashTable<u32>,
    /// The first free number.
    free: u32,
    count: u32,
}

impl Pool {
    /// A pool without elements yet.
    pub(super) fn new(handle: PoolHandle<'_>, first: &PoolElement<'_>, policy: Selector<Allocated>) -> Self {
        Self {
            handle: Handle::new(handle),
            policy_type: first.policy.policy_type(),
            transport_protocol: first.user_transport.protocol(),
            transport_use: first.user_transport.transport_use(),
            policy,
            members: Vec::new(),
            table: HashTable::new(),
            free: NONE,
            count: 0,
        }
    }

    pub(super) fn handle(&self) -> PoolHandle<'_> {
        PoolHandle::new(self.handle.octets())
    }

    /// How many elements it has.
    pub(super) const fn len(&self) -> usize {
        self.count as usize
    }

    /// The element that is a member.
    pub(super) fn element(&self, member: Member) -> Option<ElementIndex> {
        let entry = self.members.get(member.0 as usize)?;
        (entry.element != NONE).then_some(ElementIndex(entry.element))
    }

    /// Any of its elements.
    pub(super) fn any_element(&self) -> Option<ElementIndex> {
        self.members.iter().find(|entry| entry.element != NONE).map(|entry| ElementIndex(entry.element))
    }

    pub(super) fn find(&self, identifier: PeIdentifier, hasher: &FixedState) -> Option<ElementIndex> {
        let is_it = |entry: &&MemberEntry| entry.identifier == identifier.0 && entry.element != NONE;
        if self.members.len() <= FEW {
            return self.members.iter().find(is_it).map(|entry| ElementIndex(entry.element));
        }
        let entry = |member: u32| self.members.get(member as usize);
        let found = self.table.find(hash(hasher, identifier), |member| entry(*member).as_ref().is_some_and(is_it));
        entry(*found?).map(|entry| ElementIndex(entry.element))
    }

    /// The number of the next member.
    pub(super) fn next_member(&self) -> Member {
        Member(if self.free == NONE { self.members.len() as u32 } else { self.free })
    }

    /// Adds an element with the number that is next.
    pub(super) fn add(&mut self, index: ElementIndex, identifier: PeIdentifier, hasher: &FixedState) {
        let member = self.next_member();
        let entry = MemberEntry { identifier: identifier.0, element: index.0 };
        self.count += 1;
        match self.members.get_mut(member.0 as usize) {
            Some(place) => self.free = core::mem::replace(place, entry).identifier,
            None => List::push(&mut self.members, entry),
        }
        let Self { members, table, .. } = self;
        let of = |member: &u32| {
            let entry = members.get(*member as usize);
            hash(hasher, PeIdentifier(entry.map_or(0, |entry| entry.identifier)))
        };
        match members.len() {
            ..=FEW => {}
            // The first that is one too many: the others have been there without.
            length if table.is_empty() => {
                table.reserve(length, of);
                for (number, entry) in members.iter().enumerate() {
                    if entry.element != NONE {
                        table.insert_unique(hash(hasher, PeIdentifier(entry.identifier)), number as u32, of);
                    }
                }
            }
            _ => {
                table.insert_unique(hash(hasher, identifier), member.0, of);
            }
        }
    }

    /// Removes a member.
    pub(super) fn remove(&mut self, member: Member, hasher: &FixedState) {
        let Some(entry) = self.members.get_mut(member.0 as usize) else { return };
        let identifier = PeIdentifier(entry.identifier);
        *entry = MemberEntry { identifier: core::mem::replace(&mut self.free, member.0), element: NONE };
        self.count -= 1;
        if let Ok(entry) = self.table.find_entry(hash(hasher, identifier), |other| *other == member.0) {
            entry.remove();
        }
    }
}

fn hash(hasher: &FixedState, identifier: PeIdentifier) -> u64 {
    hasher.hash_one(identifier.0)
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
