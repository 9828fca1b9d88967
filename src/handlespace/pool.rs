//! Pools: what their elements have in common, their members, and the policy at work.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use super::checksum::{Block, HandleSum};
use super::element::{ElementIndex, PoolIndex};
use super::policy::{Allocated, List, Member, Seat, Seats, SelectionPolicy, Selector};
use crate::random::Random;
use crate::wire::{PeIdentifier, Policy, PolicyType, PoolElement, PoolHandle, TransportProtocol, TransportUse};

/// Up to so many members are looked through, which is faster than a hash table, and takes less room.
const FEW: usize = 128;

/// So many identifiers are compared at once.
const ROW: usize = 16;

/// No element, in the seat of a number that is free.
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

/// A pool. Its first element has made it what it is (RFC 5352 §3.1).
#[derive(Debug)]
pub(super) struct Pool {
    handle: Handle,
    handle_sum: HandleSum,
    pub(super) nature: Nature,
    /// The members' identifiers, by number, and what is left of them where the number is free.
    identifiers: Vec<u32>,
    /// The members' seats, by number.
    seats: Vec<Seat>,
    /// Chooses among the members that have the pool's policy.
    policy: Selector<Allocated>,
    /// How many have it.
    choosable: usize,
    /// The members by identifier, once they are many.
    table: Option<Box<HashTable<u32>>>,
    /// Numbers that are free.
    free: Vec<Member>,
    pub(super) attention: Attention,
}

/// What the elements of a pool have in common (RFC 5352 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nature {
    pub(super) policy: PolicyType,
    pub(super) transport: TransportProtocol,
    pub(super) transport_use: TransportUse,
}

impl Nature {
    pub(super) fn of(element: &PoolElement<'_>) -> Self {
        Self {
            policy: element.policy.policy_type(),
            transport: element.user_transport.protocol(),
            transport_use: element.user_transport.transport_use(),
        }
    }
}

/// Whether somebody wants to know that a pool has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attention {
    /// Nobody does, or knows it already.
    None,
    Watched,
}

impl Pool {
    /// A pool without elements yet.
    pub(super) fn new(handle: PoolHandle<'_>, nature: Nature, policy: Selector<Allocated>) -> Self {
        Self {
            handle: Handle::new(handle),
            handle_sum: HandleSum::new(handle),
            nature,
            identifiers: Vec::new(),
            seats: Vec::new(),
            policy,
            choosable: 0,
            table: None,
            free: Vec::new(),
            attention: Attention::None,
        }
    }

    pub(super) fn handle(&self) -> PoolHandle<'_> {
        PoolHandle::new(self.handle.octets())
    }

    /// What a member adds to its owner's checksum.
    pub(super) const fn checksum_block(&self, identifier: PeIdentifier) -> Block {
        Block::new(self.handle_sum, identifier)
    }

    /// How many elements it has.
    pub(super) const fn len(&self) -> usize {
        self.seats.len() - self.free.len()
    }

    /// The element that is a member.
    pub(super) fn element(&self, member: Member) -> Option<ElementIndex> {
        let seat = self.seats.get(member.0 as usize)?;
        (seat.element != NONE).then_some(ElementIndex(seat.element))
    }

    /// Its members, with their elements.
    pub(super) fn members(&self) -> impl Iterator<Item = (Member, ElementIndex)> + '_ {
        let members = (0..).map(Member).zip(&self.seats).filter(|(_, seat)| seat.element != NONE);
        members.map(|(member, seat)| (member, ElementIndex(seat.element)))
    }

    /// Whether members are left, but none with the pool's policy.
    pub(super) const fn has_lost_its_policy(&self) -> bool {
        self.choosable == 0 && self.len() > 0
    }

    pub(super) fn find(&self, identifier: PeIdentifier, hasher: &FixedState) -> Option<(Member, ElementIndex)> {
        let is_it = |member: u32| {
            let same = self.identifiers.get(member as usize) == Some(&identifier.0);
            self.element(Member(member)).filter(|_| same).map(|index| (Member(member), index))
        };
        if self.is_small() {
            // Whole rows at once, which processors do in a few steps.
            let rows = (0..).step_by(ROW).zip(self.identifiers.chunks(ROW));
            let mut hits = rows.filter(|(_, row)| row.iter().fold(false, |hit, other| hit | (*other == identifier.0)));
            return hits.find_map(|(first, row)| (first..first + row.len() as u32).find_map(is_it));
        }
        let found = self.table.as_ref()?.find(hash(hasher, identifier), |member| is_it(*member).is_some());
        is_it(*found?)
    }

    fn is_small(&self) -> bool {
        self.identifiers.len() <= FEW
    }

    /// The pool becomes what one of its members is. [`Self::choose_from`] is to follow for each of them.
    pub(super) fn renew(&mut self, nature: Nature, policy: Selector<Allocated>) {
        (self.nature, self.policy, self.choosable) = (nature, policy, 0);
        for seat in &mut self.seats {
            *seat = Seat::new(seat.element);
        }
    }

    /// Has the policy choose from a member as well, if it has the pool's policy. False if it has not.
    pub(super) fn choose_from(&mut self, member: Member, policy: &Policy<'_>) -> bool {
        let fits = policy.policy_type() == self.nature.policy;
        if fits {
            self.choosable += 1;
            self.policy.add(&mut Seats(&mut self.seats), member, policy);
        }
        fits
    }

    fn leave_out(&mut self, member: Member) {
        self.choosable -= 1;
        self.policy.remove(&mut Seats(&mut self.seats), member);
    }

    /// Adds an element, which is chosen after [`Self::choose_from`] only.
    pub(super) fn add(&mut self, index: ElementIndex, identifier: PeIdentifier, hasher: &FixedState) -> Member {
        let member = self.free.pop().unwrap_or(Member(self.seats.len() as u32));
        let seat = Seat::new(index.0);
        match (self.seats.get_mut(member.0 as usize), self.identifiers.get_mut(member.0 as usize)) {
            (Some(place), Some(old)) => (*place, *old) = (seat, identifier.0),
            _ => {
                List::push(&mut self.seats, seat);
                List::push(&mut self.identifiers, identifier.0);
            }
        }
        if !self.is_small() {
            let Self { identifiers, table, seats, .. } = self;
            let of = |member: &u32| {
                let identifier = identifiers.get(*member as usize).copied();
                hash(hasher, PeIdentifier(identifier.unwrap_or(0)))
            };
            if let Some(table) = table {
                table.insert_unique(hash(hasher, identifier), member.0, of);
            } else {
                // There are many for the first time: the others have been there without.
                let mut all = Box::new(HashTable::with_capacity(seats.len()));
                let members = (0..).zip(seats.iter()).filter(|(_, seat)| seat.element != NONE);
                for (member, _) in members {
                    all.insert_unique(of(&member), member, of);
                }
                *table = Some(all);
            }
        }
        member
    }

    /// An element has registered again. Gives whether it is chosen from now on.
    pub(super) fn update(&mut self, member: Member, was_choosable: bool, policy: &Policy<'_>) -> bool {
        match (was_choosable, policy.policy_type() == self.nature.policy) {
            (true, true) => {
                self.policy.update(&mut Seats(&mut self.seats), member, policy);
                true
            }
            (true, false) => {
                self.leave_out(member);
                false
            }
            (false, _) => self.choose_from(member, policy),
        }
    }

    /// Removes a member.
    pub(super) fn remove(&mut self, member: Member, was_choosable: bool, hasher: &FixedState) {
        let Some(identifier) = self.identifiers.get(member.0 as usize).copied() else { return };
        if was_choosable {
            self.leave_out(member);
        }
        if let Some(seat) = self.seats.get_mut(member.0 as usize) {
            seat.element = NONE;
        }
        self.free.push(member);
        if let Some(table) = &mut self.table
            && let Ok(entry) = table.find_entry(hash(hasher, PeIdentifier(identifier)), |other| *other == member.0)
        {
            entry.remove();
        }
    }

    /// Chooses members, and returns how many.
    pub(super) fn select(&mut self, random: &mut Random, chosen: &mut [Member]) -> usize {
        self.policy.select(&mut Seats(&mut self.seats), random, chosen)
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
