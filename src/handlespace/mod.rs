//! The registrar's data: pools and their elements, who owns them, and what is chosen from them (RFC 5352 §3.1–3.3,
//! RFC 5353 §3.3, §3.6.2).
//!
//! An element is kept as the octets of its Pool Element parameter, so that a response is put together by copying. Two
//! hash tables, seeded against collisions on purpose, find pools by handle and elements by pool and identifier. The
//! elements of each registrar are linked with each other. How elements are chosen is the matter of [`policy`].

mod checksum;
mod element;
mod elements;
mod owners;
pub mod policy;
mod pool;

pub use self::checksum::OwnerChecksum;
pub use self::element::{Element, ElementIndex};

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use self::element::PoolIndex;
use self::elements::Elements;
use self::owners::Owners;
use self::policy::{Chosen, SelectionPolicy, States};
use self::pool::{Pool, Pools};
use crate::random::Random;
use crate::wire::{
    CauseCode, ErrorCause, PeChecksum, PeIdentifier, Policy, PolicyType, PoolElement, PoolHandle, ServerIdentifier,
    Transport,
};

/// How much a handlespace may hold. What goes over it is refused with "Lack of Resources".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandlespaceLimits {
    /// Pools. Default 100,000.
    pub pools: usize,
    /// Elements in all. Default 10,000,000, and never more than 2^31.
    pub elements: usize,
    /// Elements of one pool. Default 1,000,000.
    pub elements_per_pool: usize,
    /// Octets of a pool handle. Default 255.
    pub pool_handle: usize,
    /// Octets of an element's description. Default 1024.
    pub element: usize,
}

impl Default for HandlespaceLimits {
    fn default() -> Self {
        Self { pools: 100_000, elements: 10_000_000, elements_per_pool: 1_000_000, pool_handle: 255, element: 1_024 }
    }
}

/// Pools, elements, owners.
#[derive(Debug)]
pub struct Handlespace {
    limits: HandlespaceLimits,
    hasher: FixedState,
    random: Random,
    pools: Pools,
    elements: Elements,
    /// The elements by pool and identifier.
    table: HashTable<ElementIndex>,
    owners: Owners,
    /// Policies that the embedder has added.
    added_policies: Vec<(PolicyType, NewPolicy)>,
    /// Room to encode an element, and for what a resolution has chosen; kept, so that neither allocates.
    scratch: Vec<u8>,
    chosen: Chosen,
}

/// Makes a policy for a new pool.
pub type NewPolicy = fn() -> Box<dyn SelectionPolicy>;

/// What a registration has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The element is new.
    New,
    /// The element was known; this was its home.
    Updated {
        /// The registrar that owned it before.
        previous_home: ServerIdentifier,
    },
}

/// Why an element is not taken.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum RegisterError<'a> {
    /// The pool has another policy.
    InconsistentPolicy(Policy<'a>),
    /// The pool's elements have another transport.
    InconsistentTransportType(Transport<'a>),
    /// The pool's elements use their transport otherwise: with or without control channel.
    InconsistentTransportUse,
    /// A limit is reached.
    LackOfResources,
}

impl<'a> RegisterError<'a> {
    /// The error cause for it (RFC 5354 §3.12.6–3.12.9).
    #[must_use]
    pub const fn cause(&self) -> ErrorCause<'a> {
        match *self {
            Self::InconsistentPolicy(policy) => ErrorCause::inconsistent_pooling_policy(policy),
            Self::InconsistentTransportType(transport) => ErrorCause::inconsistent_transport_type(transport),
            Self::InconsistentTransportUse => ErrorCause::new(CauseCode::INCONSISTENT_DATA_CONTROL_CONFIGURATION),
            Self::LackOfResources => ErrorCause::new(CauseCode::LACK_OF_RESOURCES),
        }
    }
}

/// What a resolution has found: the pool's policy and the elements that were chosen.
#[derive(Clone, Copy, Debug)]
pub struct Resolution<'a> {
    /// The policy of the pool.
    pub policy_type: PolicyType,
    chosen: &'a [ElementIndex],
    elements: &'a Elements,
}

impl<'a> Resolution<'a> {
    /// The elements that were chosen, in order. None if no element of the pool can serve, as with weights of zero.
    pub fn elements(&self) -> impl Iterator<Item = &'a Element> + use<'a> {
        let elements = self.elements;
        self.chosen.iter().filter_map(|index| elements.get(*index))
    }
}

/// Where the reading of the table goes on. Whatever comes and goes between two readings, each element that stays is read
/// once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cursor(u32);

impl Cursor {
    /// Where all reading begins.
    pub const START: Self = Self(0);
}

impl Handlespace {
    /// An empty handlespace. What `seed` is decides what the random policies choose, and makes the hash tables
    /// unpredictable if it is random and secret.
    #[must_use]
    pub fn new(limits: HandlespaceLimits, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let hasher = FixedState::with_seed(random.u64());
        Self {
            limits: HandlespaceLimits { elements: limits.elements.min(1 << 31), ..limits },
            pools: Pools::new(hasher.clone()),
            hasher,
            random,
            elements: Elements::new(),
            table: HashTable::new(),
            owners: Owners::default(),
            added_policies: Vec::new(),
            scratch: Vec::new(),
            chosen: Chosen::new(),
        }
    }

    /// Adds a policy, or replaces one, for the pools that will come.
    pub fn add_policy(&mut self, policy_type: PolicyType, new: NewPolicy) {
        self.added_policies.retain(|(other, _)| *other != policy_type);
        self.added_policies.push((policy_type, new));
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many pools there are.
    #[must_use]
    pub fn pool_count(&self) -> usize {
        self.pools.len()
    }

    /// The element.
    #[must_use]
    pub fn element(&self, index: ElementIndex) -> Option<&Element> {
        self.elements.get(index)
    }

    /// The pool of an element.
    #[must_use]
    pub fn pool_handle(&self, element: &Element) -> PoolHandle<'_> {
        self.pools.get(element.pool).map_or(PoolHandle::new(&[]), Pool::handle)
    }

    /// Marks an element until it registers again (RFC 5353 §3.6.3).
    pub(crate) fn mark(&mut self, index: ElementIndex) {
        if let Some(element) = self.elements.get_mut(index) {
            element.marked = true;
        }
    }

    fn hash(&self, pool: PoolIndex, identifier: PeIdentifier) -> u64 {
        hash(&self.hasher, pool, identifier)
    }

    /// Looks an element up.
    #[must_use]
    pub fn find(&self, pool_handle: PoolHandle<'_>, identifier: PeIdentifier) -> Option<ElementIndex> {
        self.find_in(self.pools.find(pool_handle)?, identifier)
    }

    fn find_in(&self, pool: PoolIndex, identifier: PeIdentifier) -> Option<ElementIndex> {
        let is_it = |index: &ElementIndex| {
            self.elements.get(*index).is_some_and(|e| e.pool == pool && e.identifier() == identifier)
        };
        self.table.find(self.hash(pool, identifier), is_it).copied()
    }

    /// Adds an element, or replaces what is known of it. Its home is the one that it says. A pool's first element
    /// sets the pool's policy, transport type and transport use; the others have to agree (RFC 5352 §3.1).
    ///
    /// # Errors
    ///
    /// The element is refused, and nothing has changed.
    pub fn register(
        &mut self,
        pool_handle: PoolHandle<'_>,
        element: &PoolElement<'_>,
    ) -> Result<(ElementIndex, Registered), RegisterError<'_>> {
        let pool = self.pools.find(pool_handle);
        let known = pool.and_then(|pool| self.find_in(pool, element.identifier));
        let encoded = self.encode(element).filter(|_| pool_handle.octets().len() <= self.limits.pool_handle);
        // Decided by itself, so that what an error borrows is borrowed only then.
        let refusal = self.refuse(pool, element, known);
        let length = match (refusal, encoded) {
            (None, Some(length)) => length,
            (refusal, _) => {
                return Err(match refusal.unwrap_or(Refusal::Resources) {
                    Refusal::Policy => RegisterError::InconsistentPolicy(self.example(pool).policy),
                    Refusal::TransportType => {
                        RegisterError::InconsistentTransportType(self.example(pool).user_transport)
                    }
                    Refusal::TransportUse => RegisterError::InconsistentTransportUse,
                    Refusal::Resources => RegisterError::LackOfResources,
                });
            }
        };
        Ok(match (pool, known) {
            (Some(pool), Some(index)) => (index, self.update(pool, index, element, length)),
            (pool, _) => {
                let pool = pool.unwrap_or_else(|| {
                    let policy = self.new_policy(element.policy.policy_type());
                    let octets = self.scratch.get(..length).unwrap_or_default();
                    self.pools.insert(Pool::new(pool_handle, element, octets, policy))
                });
                (self.add(pool, element, length), Registered::New)
            }
        })
    }

    fn new_policy(&self, policy_type: PolicyType) -> Box<dyn SelectionPolicy> {
        match self.added_policies.iter().find(|(added, _)| *added == policy_type) {
            Some((_, new)) => new(),
            None => policy::policy(policy_type),
        }
    }

    /// Writes an element into the scratch room; `None` if it is larger than an element may be.
    fn encode(&mut self, element: &PoolElement<'_>) -> Option<usize> {
        if self.scratch.len() != self.limits.element {
            self.scratch.resize(self.limits.element, 0);
        }
        element.encode(&mut self.scratch).ok()
    }

    /// `length` is that of the element's octets in the scratch room.
    fn add(&mut self, pool: PoolIndex, element: &PoolElement<'_>, length: usize) -> ElementIndex {
        let Self { elements, table, hasher, owners, pools, scratch, .. } = self;
        let index = elements.insert(Element::new(pool, scratch.get(..length).unwrap_or_default()));
        table.insert_unique(hash(hasher, pool, element.identifier), index, |index| {
            elements.get(*index).map_or(0, |element| hash(hasher, element.pool, element.identifier()))
        });
        if let Some(pool) = pools.get_mut(pool) {
            owners.add(elements, index, pool.handle());
            pool.policy.add(&mut States::new(elements), index, &element.policy);
            pool.count += 1;
        }
        index
    }

    /// `length` is that of the element's octets in the scratch room.
    fn update(&mut self, pool: PoolIndex, index: ElementIndex, element: &PoolElement<'_>, length: usize) -> Registered {
        let Self { elements, owners, pools, scratch, .. } = self;
        let octets = scratch.get(..length).unwrap_or_default();
        let (Some(old), Some(pool)) = (elements.get(index), pools.get_mut(pool)) else { return Registered::New };
        let previous_home = old.home();
        // Policies of the RFC borrow nothing; what another one has in addition is the embedder's.
        let old_policy = old.policy().to_static().unwrap_or(Policy::RoundRobin);
        if previous_home != element.home {
            owners.remove(elements, index, pool.handle());
        }
        if let Some(entry) = elements.get_mut(index) {
            entry.replace(octets);
        }
        if previous_home != element.home {
            owners.add(elements, index, pool.handle());
        }
        pool.policy.update(&mut States::new(elements), index, &old_policy, &element.policy);
        Registered::Updated { previous_home }
    }

    fn refuse(
        &self,
        pool: Option<PoolIndex>,
        element: &PoolElement<'_>,
        known: Option<ElementIndex>,
    ) -> Option<Refusal> {
        let Some(pool) = pool.and_then(|pool| self.pools.get(pool)) else {
            let full = self.pools.len() >= self.limits.pools || self.len() >= self.limits.elements;
            return full.then_some(Refusal::Resources);
        };
        // RFC 5352 §3.1: the same tests for new members and for those that register again.
        if pool.policy_type != element.policy.policy_type() {
            return Some(Refusal::Policy);
        }
        if pool.transport_protocol != element.user_transport.protocol() {
            return Some(Refusal::TransportType);
        }
        if pool.transport_use != element.user_transport.transport_use() {
            return Some(Refusal::TransportUse);
        }
        let full =
            known.is_none() && (self.len() >= self.limits.elements || pool.count >= self.limits.elements_per_pool);
        full.then_some(Refusal::Resources)
    }

    /// The element that has made a pool what it is.
    fn example(&self, pool: Option<PoolIndex>) -> PoolElement<'_> {
        pool.and_then(|pool| self.pools.get(pool)).map_or(Element::NOTHING, Pool::example)
    }

    /// Removes an element, and its pool with the last one.
    pub fn remove(&mut self, index: ElementIndex) -> Option<Element> {
        let Self { elements, owners, pools, .. } = self;
        let (pool_index, identifier) = elements.get(index).map(|element| (element.pool, element.identifier()))?;
        let pool = pools.get_mut(pool_index)?;
        owners.remove(elements, index, pool.handle());
        pool.policy.remove(&mut States::new(elements), index);
        pool.count -= 1;
        let empty = pool.count == 0;
        let hash = self.hash(pool_index, identifier);
        if let Ok(entry) = self.table.find_entry(hash, |other| *other == index) {
            entry.remove();
        }
        let element = self.elements.remove(index);
        if empty {
            self.pools.remove(pool_index);
        }
        element
    }

    /// Gives an element another home.
    pub fn set_home(&mut self, index: ElementIndex, home: ServerIdentifier) {
        let Self { elements, owners, pools, .. } = self;
        let Some(pool) = elements.get(index).and_then(|element| pools.get(element.pool)) else { return };
        owners.remove(elements, index, pool.handle());
        if let Some(element) = elements.get_mut(index) {
            element.set_home(home);
        }
        owners.add(elements, index, pool.handle());
    }

    /// The checksum over the elements of one registrar (RFC 5353 §3.6.2).
    #[must_use]
    pub fn checksum(&self, home: ServerIdentifier) -> PeChecksum {
        self.owners.checksum(home)
    }

    /// The elements of one registrar.
    pub fn owned_by(&self, home: ServerIdentifier) -> impl Iterator<Item = ElementIndex> + '_ {
        self.owners.elements(&self.elements, home)
    }

    /// How many elements a registrar has.
    #[must_use]
    pub fn owned_count(&self, home: ServerIdentifier) -> usize {
        self.owners.count(home)
    }

    /// Chooses up to `items` elements of a pool by its policy; `None` if there is no such pool.
    pub fn resolve(&mut self, pool_handle: PoolHandle<'_>, items: usize) -> Option<Resolution<'_>> {
        let Self { elements, pools, random, chosen, .. } = self;
        let pool = pools.find(pool_handle)?;
        let pool = pools.get_mut(pool)?;
        chosen.clear();
        pool.policy.select(&mut States::new(elements), random, items.min(pool.count), chosen);
        Some(Resolution { policy_type: pool.policy_type, chosen, elements })
    }

    /// The elements from `cursor` on, all or those of one home, each with where the reading goes on behind it.
    pub fn read_from(
        &self,
        cursor: Cursor,
        home: Option<ServerIdentifier>,
    ) -> impl Iterator<Item = (&Element, Cursor)> + '_ {
        self.elements
            .from(cursor.0)
            .map(|(index, element)| (element, Cursor(index.0 + 1)))
            .filter(move |(element, _)| home.is_none_or(|home| element.home() == home))
    }
}

fn hash(hasher: &FixedState, pool: PoolIndex, identifier: PeIdentifier) -> u64 {
    hasher.hash_one(u64::from(pool.0) << 32 | u64::from(identifier.0))
}

enum Refusal {
    Policy,
    TransportType,
    TransportUse,
    Resources,
}
