//! The registrar's data: pools and their elements, who owns them, and what is chosen from them (RFC 5352 §3.1–3.3,
//! RFC 5353 §3.3, §3.6.2).
//!
//! An element is kept as the octets of its Pool Element parameter, so that a response is put together by copying.

mod checksum;
mod element;
mod policy;
mod pool;

pub use self::checksum::OwnerChecksum;
pub use self::element::{Element, ElementIndex};

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use self::pool::Pool;
use crate::wire::{
    CauseCode, ErrorCause, PeChecksum, PeIdentifier, Policy, PolicyType, PoolElement, PoolHandle, ServerIdentifier,
    Transport,
};

/// How much a handlespace may hold. What goes over it is refused with "Lack of Resources".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandlespaceLimits {
    /// Pools. Default 100,000.
    pub pools: usize,
    /// Elements in all. Default 10,000,000.
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
    pools: BTreeMap<Box<[u8]>, Pool>,
    elements: Vec<Option<Element>>,
    free: Vec<ElementIndex>,
    count: usize,
    owners: BTreeMap<ServerIdentifier, Owner>,
}

#[derive(Debug, Default)]
struct Owner {
    elements: BTreeSet<ElementIndex>,
    checksum: OwnerChecksum,
}

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
pub struct Resolution<'a> {
    /// The policy of the pool.
    pub policy_type: PolicyType,
    /// The elements, in order.
    pub elements: Vec<&'a Element>,
}

/// Where the reading of the table goes on: behind this element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pool_handle: Box<[u8]>,
    identifier: PeIdentifier,
}

impl Handlespace {
    /// An empty handlespace.
    #[must_use]
    pub fn new(limits: HandlespaceLimits) -> Self {
        Self {
            limits,
            pools: BTreeMap::new(),
            elements: Vec::new(),
            free: Vec::new(),
            count: 0,
            owners: BTreeMap::new(),
        }
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many pools there are.
    #[must_use]
    pub fn pool_count(&self) -> usize {
        self.pools.len()
    }

    /// The element.
    #[must_use]
    pub fn element(&self, index: ElementIndex) -> Option<&Element> {
        self.elements.get(index.0 as usize)?.as_ref()
    }

    /// Marks an element until it registers again (RFC 5353 §3.6.3).
    pub(crate) fn mark(&mut self, index: ElementIndex) {
        if let Some(Some(element)) = self.elements.get_mut(index.0 as usize) {
            element.marked = true;
        }
    }

    /// Looks an element up.
    #[must_use]
    pub fn find(&self, pool_handle: PoolHandle<'_>, identifier: PeIdentifier) -> Option<ElementIndex> {
        self.pools.get(pool_handle.octets())?.find(identifier)
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
        let known = self.find(pool_handle, element.identifier);
        // Checked by its own so that the borrow of an error ends there.
        if let Some(refusal) = self.refuse(pool_handle, element, known) {
            return Err(match refusal {
                Refusal::Policy => RegisterError::InconsistentPolicy(self.example(pool_handle).policy),
                Refusal::TransportType => {
                    RegisterError::InconsistentTransportType(self.example(pool_handle).user_transport)
                }
                Refusal::TransportUse => RegisterError::InconsistentTransportUse,
                Refusal::Resources => RegisterError::LackOfResources,
            });
        }
        let entry = Element::new(pool_handle, element);
        match known {
            Some(index) => {
                let mut previous_home = ServerIdentifier::NONE;
                if let Some(Some(place)) = self.elements.get_mut(index.0 as usize) {
                    previous_home = place.home();
                    *place = entry;
                }
                self.change_owner(index, pool_handle, element.identifier, Some(previous_home), Some(element.home));
                Ok((index, Registered::Updated { previous_home }))
            }
            None => {
                let index = self.place(entry);
                self.count += 1;
                let pool = self.pools.entry(pool_handle.octets().into()).or_insert_with(|| Pool::new(element));
                pool.add(index, element);
                self.change_owner(index, pool_handle, element.identifier, None, Some(element.home));
                Ok((index, Registered::New))
            }
        }
    }

    fn place(&mut self, element: Element) -> ElementIndex {
        match self.free.pop() {
            Some(index) => {
                if let Some(place) = self.elements.get_mut(index.0 as usize) {
                    *place = Some(element);
                }
                index
            }
            None => {
                // The limit of elements keeps the number far below 2^32.
                let index = ElementIndex(self.elements.len() as u32);
                self.elements.push(Some(element));
                index
            }
        }
    }

    fn refuse(
        &self,
        pool_handle: PoolHandle<'_>,
        element: &PoolElement<'_>,
        known: Option<ElementIndex>,
    ) -> Option<Refusal> {
        let too_large =
            Element::size(element) > self.limits.element || pool_handle.octets().len() > self.limits.pool_handle;
        let Some(pool) = self.pools.get(pool_handle.octets()) else {
            let full = self.pools.len() >= self.limits.pools || self.count >= self.limits.elements;
            return (too_large || full).then_some(Refusal::Resources);
        };
        // RFC 5352 §3.1: the same tests for new members and for those that register again.
        if pool.policy_type() != element.policy.policy_type() {
            return Some(Refusal::Policy);
        }
        if pool.transport_protocol() != element.user_transport.protocol() {
            return Some(Refusal::TransportType);
        }
        if pool.transport_use() != element.user_transport.transport_use() {
            return Some(Refusal::TransportUse);
        }
        let full =
            known.is_none() && (self.count >= self.limits.elements || pool.len() >= self.limits.elements_per_pool);
        (too_large || full).then_some(Refusal::Resources)
    }

    /// Any element of a pool, to show what the pool is like.
    fn example(&self, pool_handle: PoolHandle<'_>) -> PoolElement<'_> {
        let first = self.pools.get(pool_handle.octets()).and_then(Pool::first).and_then(|index| self.element(index));
        first.map_or(Element::NOTHING, Element::view)
    }

    /// Removes an element, and its pool with the last one.
    pub fn remove(&mut self, index: ElementIndex) -> Option<Element> {
        let element = self.elements.get_mut(index.0 as usize)?.take()?;
        self.free.push(index);
        self.count -= 1;
        let handle = element.pool_handle();
        if let Some(pool) = self.pools.get_mut(handle.octets()) {
            pool.remove(element.identifier());
            if pool.len() == 0 {
                self.pools.remove(handle.octets());
            }
        }
        self.change_owner(index, element.pool_handle(), element.identifier(), Some(element.home()), None);
        Some(element)
    }

    /// Gives an element another home.
    pub fn set_home(&mut self, index: ElementIndex, home: ServerIdentifier) {
        let Some(Some(element)) = self.elements.get_mut(index.0 as usize) else { return };
        let previous = element.home();
        element.set_home(home);
        let (handle, identifier) = (element.pool_handle_box(), element.identifier());
        self.change_owner(index, PoolHandle::new(&handle), identifier, Some(previous), Some(home));
    }

    fn change_owner(
        &mut self,
        index: ElementIndex,
        pool_handle: PoolHandle<'_>,
        identifier: PeIdentifier,
        from: Option<ServerIdentifier>,
        to: Option<ServerIdentifier>,
    ) {
        if from == to {
            return;
        }
        if let Some(owner) = from.and_then(|from| self.owners.get_mut(&from)) {
            owner.elements.remove(&index);
            owner.checksum.remove(pool_handle, identifier);
            if owner.elements.is_empty() {
                from.map(|from| self.owners.remove(&from));
            }
        }
        if let Some(to) = to {
            let owner = self.owners.entry(to).or_default();
            owner.elements.insert(index);
            owner.checksum.add(pool_handle, identifier);
        }
    }

    /// The checksum over the elements of one registrar (RFC 5353 §3.6.2).
    #[must_use]
    pub fn checksum(&self, home: ServerIdentifier) -> PeChecksum {
        self.owners.get(&home).map_or(OwnerChecksum::default().get(), |owner| owner.checksum.get())
    }

    /// The elements of one registrar.
    pub fn owned_by(&self, home: ServerIdentifier) -> impl Iterator<Item = ElementIndex> + '_ {
        self.owners.get(&home).into_iter().flat_map(|owner| owner.elements.iter().copied())
    }

    /// Chooses up to `items` elements of a pool by its policy; `None` if there is no such pool.
    pub fn resolve(&mut self, pool_handle: PoolHandle<'_>, items: usize) -> Option<Resolution<'_>> {
        let pool = self.pools.get_mut(pool_handle.octets())?;
        let policy_type = pool.policy_type();
        let chosen = pool.select(items);
        let elements = chosen.into_iter().filter_map(|index| self.element(index)).collect();
        Some(Resolution { policy_type, elements })
    }

    /// The elements behind `cursor` by pool handle and identifier, all or those of one home, each with its index. The
    /// reading may stop at any of them and go on later from [`Element::cursor`]: whatever comes and goes in between,
    /// each element that stays is read once.
    pub fn read_from<'a>(
        &'a self,
        cursor: Option<&Cursor>,
        home: Option<ServerIdentifier>,
    ) -> impl Iterator<Item = &'a Element> + use<'a> {
        use core::ops::Bound;
        let start: Bound<Box<[u8]>> = cursor.map_or(Bound::Unbounded, |c| Bound::Included(c.pool_handle.clone()));
        let cursor = cursor.cloned();
        self.pools
            .range((start, Bound::Unbounded))
            .flat_map(move |(handle, pool)| {
                let behind = cursor.as_ref().filter(|cursor| cursor.pool_handle == *handle).map(|c| c.identifier);
                pool.behind(behind)
            })
            .filter_map(|index| self.element(index))
            .filter(move |element| home.is_none_or(|home| element.home() == home))
    }
}

enum Refusal {
    Policy,
    TransportType,
    TransportUse,
    Resources,
}
