//! The handlespace as a whole: what changes, changes in all indices at once.

use alloc::boxed::Box;
use alloc::vec::Vec;

use foldhash::quality::FixedState;

use super::checksum::OwnerChecksum;
use super::element::{Element, ElementIndex, Flags, PoolIndex};
use super::elements::Elements;
use super::owners::Owners;
use super::policy::{Allocated, Member, SelectionPolicy, Selector};
use super::pool::{Attention, Nature, Pool, Pools};
use super::timers::{ElementTimer, Wheel};
use crate::random::Random;
use crate::time::Instant;
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
    /// Addresses of each of an element's transports. Default 16.
    pub addresses: usize,
}

impl Default for HandlespaceLimits {
    fn default() -> Self {
        Self {
            pools: 100_000,
            elements: 10_000_000,
            elements_per_pool: 1_000_000,
            pool_handle: 255,
            element: 1_024,
            addresses: 16,
        }
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
    owners: Owners,
    timers: Wheel,
    /// Policies that the embedder has added.
    added_policies: Vec<(PolicyType, NewPolicy)>,
    /// Room to encode an element, and for what a resolution has chosen; kept, so that neither allocates.
    scratch: Vec<u8>,
    chosen: Vec<Member>,
    /// Pools that were watched and have changed.
    changed: Vec<Box<[u8]>>,
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

/// What a resolution has found.
#[derive(Clone, Copy, Debug)]
pub struct Resolution<'a> {
    chosen: &'a [Member],
    pool: &'a Pool,
    elements: &'a Elements,
}

impl<'a> Resolution<'a> {
    /// The elements that were chosen, in order. None if no element of the pool can serve, as with weights of zero.
    pub fn elements(&self) -> impl Iterator<Item = Element<'a>> + Clone + use<'a> {
        let Self { pool, elements, .. } = *self;
        self.chosen.iter().filter_map(move |member| elements.get(pool.element(*member)?))
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

/// Elements are named by 31 bits.
const fn capped(mut limits: HandlespaceLimits) -> HandlespaceLimits {
    if limits.elements > 1 << 31 {
        limits.elements = 1 << 31;
    }
    limits
}

impl Handlespace {
    /// An empty handlespace. What `seed` is decides what the random policies choose, and makes the hash tables
    /// unpredictable if it is random and secret.
    #[must_use]
    pub fn new(limits: HandlespaceLimits, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let hasher = FixedState::with_seed(random.u64());
        Self {
            limits: capped(limits),
            pools: Pools::new(hasher.clone()),
            hasher,
            random,
            elements: Elements::default(),
            owners: Owners::default(),
            timers: Wheel::default(),
            added_policies: Vec::new(),
            scratch: Vec::new(),
            chosen: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// From now on it takes no more than this. What is already there stays.
    pub fn set_limits(&mut self, limits: HandlespaceLimits) {
        self.limits = capped(limits);
    }

    /// The next change of a pool is to be told once by [`Self::take_changed`], if the pool is there.
    pub(crate) fn watch(&mut self, pool_handle: PoolHandle<'_>) {
        if let Some(pool) = self.pools.find(pool_handle).and_then(|index| self.pools.get_mut(index)) {
            pool.attention = Attention::Watched;
        }
    }

    /// A pool that was watched and has changed, or is gone.
    pub(crate) fn take_changed(&mut self) -> Option<Box<[u8]>> {
        self.changed.pop()
    }

    /// No timer of any element runs any more.
    pub(crate) fn stop_timers(&mut self) {
        self.timers = Wheel::default();
    }

    /// Adds a policy, or replaces one, for the pools that will come.
    pub fn add_policy(&mut self, policy_type: PolicyType, new: NewPolicy) {
        self.added_policies.retain(|(other, _)| *other != policy_type);
        self.added_policies.push((policy_type, new));
    }

    /// Whether a policy is known here: one of RFC 5356, of rsplib, or one that was added.
    #[must_use]
    pub fn knows_policy(&self, policy_type: PolicyType) -> bool {
        self.policy(policy_type).is_some()
    }

    fn policy(&self, policy_type: PolicyType) -> Option<Selector<Allocated>> {
        match self.added_policies.iter().find(|(added, _)| *added == policy_type) {
            Some((_, new)) => Some(Selector::Added(new())),
            None => Selector::new(policy_type),
        }
    }

    /// The policy for a pool that an element creates.
    fn new_policy(&self, first: &PoolElement<'_>) -> Selector<Allocated> {
        self.policy(first.policy.policy_type()).unwrap_or_else(Selector::round_robin)
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
    pub fn element(&self, index: ElementIndex) -> Option<Element<'_>> {
        self.elements.get(index)
    }

    /// The pool of an element.
    #[must_use]
    pub fn pool_handle(&self, element: Element<'_>) -> PoolHandle<'_> {
        self.pools.get(element.slot.pool).map_or(PoolHandle::new(&[]), Pool::handle)
    }

    /// Marks an element until it registers again (RFC 5353 §3.6.3).
    pub(crate) fn mark(&mut self, index: ElementIndex) {
        if let Some(slot) = self.elements.slot_mut(index) {
            slot.flags.set(Flags::MARKED, true);
        }
    }

    /// Looks an element up.
    #[must_use]
    pub fn find(&self, pool_handle: PoolHandle<'_>, identifier: PeIdentifier) -> Option<ElementIndex> {
        self.pools.get(self.pools.find(pool_handle)?)?.find(identifier, &self.hasher).map(|(_, index)| index)
    }

    /// Adds an element, or replaces what is known of it. Its home is the one that it says. A pool's first element
    /// sets the pool's policy, transport type and transport use; the others have to agree (RFC 5352 §3.1). A policy that
    /// is not known here is done by round robin, the default (RFC 5356 §4.1.1).
    ///
    /// # Errors
    ///
    /// The element is refused, and nothing has changed.
    pub fn register(
        &mut self,
        pool_handle: PoolHandle<'_>,
        element: &PoolElement<'_>,
    ) -> Result<(ElementIndex, Registered), RegisterError<'_>> {
        self.enter(pool_handle, element, Pool::refuses)
    }

    /// Like [`register`](Self::register), on the word of the element's home: what the elements of a pool have in common
    /// is that registrar's to judge. One with another policy than its pool has here is a member like the others, so that all
    /// registrars list the same, but no user is given it: what its values are worth beside the others' nobody can say. When
    /// no element with the pool's policy is left, the pool takes the policy of one that is.
    ///
    /// # Errors
    ///
    /// There is no room.
    pub fn adopt(
        &mut self,
        pool_handle: PoolHandle<'_>,
        element: &PoolElement<'_>,
    ) -> Result<(ElementIndex, Registered), RegisterError<'_>> {
        self.enter(pool_handle, element, |_, _| None)
    }

    fn enter(
        &mut self,
        pool_handle: PoolHandle<'_>,
        element: &PoolElement<'_>,
        judge: fn(&Pool, &PoolElement<'_>) -> Option<Refusal>,
    ) -> Result<(ElementIndex, Registered), RegisterError<'_>> {
        let pool_index = self.pools.find(pool_handle);
        let encoded = self.encode(element).filter(|length| {
            pool_handle.octets().len() <= self.limits.pool_handle && self.has_few_addresses(element, *length)
        });
        let pool = pool_index.and_then(|index| self.pools.get(index));
        let known = pool.and_then(|pool| pool.find(element.identifier, &self.hasher));
        // Decided by itself, so that what an error borrows is borrowed only then.
        let refusal = self.refuse(pool, known).or_else(|| judge(pool?, element));
        let length = match (refusal, encoded) {
            (None, Some(length)) => length,
            (refusal, _) => return Err(self.error(refusal.unwrap_or(Refusal::Resources), pool_index)),
        };
        Ok(match (pool_index, known) {
            (Some(pool), Some((member, index))) => (index, self.update(pool, member, index, element, length)),
            (pool, _) => {
                let pool = pool.unwrap_or_else(|| {
                    let policy = self.new_policy(element);
                    self.pools.insert(Pool::new(pool_handle, Nature::of(element), policy))
                });
                (self.add(pool, element, length), Registered::New)
            }
        })
    }

    /// What is told of a refusal, with an element as an example that has what the pool's elements have in common.
    fn error(&self, refusal: Refusal, pool: Option<PoolIndex>) -> RegisterError<'_> {
        let pool = pool.and_then(|pool| self.pools.get(pool));
        let members = pool.into_iter().flat_map(Pool::members);
        let mut views = members.filter_map(|(_, index)| self.element(index)).map(Element::view);
        let is_example = |view: &PoolElement<'_>| pool.and_then(|pool| pool.refuses(view)).is_none();
        let example = views.find(is_example).unwrap_or(Element::NOTHING);
        match refusal {
            Refusal::Policy => RegisterError::InconsistentPolicy(example.policy),
            Refusal::TransportType => RegisterError::InconsistentTransportType(example.user_transport),
            Refusal::TransportUse => RegisterError::InconsistentTransportUse,
            Refusal::Resources => RegisterError::LackOfResources,
        }
    }

    /// Whether the transports of an element of so many octets have no more addresses than they may.
    fn has_few_addresses(&self, element: &PoolElement<'_>, length: usize) -> bool {
        // An address takes 8 octets or more.
        if length < self.limits.addresses.saturating_mul(8) {
            return true;
        }
        let transports = [Some(&element.user_transport), element.asap_transport.as_ref()];
        transports.into_iter().flatten().all(|transport| transport.addresses().nth(self.limits.addresses).is_none())
    }

    /// Writes an element into the scratch room; `None` if it is larger than an element may be.
    fn encode(&mut self, element: &PoolElement<'_>) -> Option<usize> {
        if self.scratch.len() != self.limits.element {
            self.scratch.resize(self.limits.element, 0);
        }
        element.encode(&mut self.scratch).ok()
    }

    /// `length` is that of the element's octets in the scratch room.
    fn add(&mut self, pool_index: PoolIndex, element: &PoolElement<'_>, length: usize) -> ElementIndex {
        let Self { changed, hasher, elements, owners, pools, scratch, .. } = self;
        let index = elements.insert(pool_index, scratch.get(..length).unwrap_or_default());
        if let Some(pool) = pools.get_mut(pool_index) {
            note_change(changed, pool);
            let member = pool.add(index, element.identifier, hasher);
            let is_choosable = pool.choose_from(member, &element.policy);
            owners.add(elements, index, element.home, pool.checksum_block(element.identifier));
            if let Some(slot) = elements.slot_mut(index) {
                slot.member = member;
                slot.flags.set(Flags::CHOOSABLE, is_choosable);
            }
        }
        index
    }

    /// `length` is that of the element's octets in the scratch room.
    fn update(
        &mut self,
        pool_index: PoolIndex,
        member: Member,
        index: ElementIndex,
        element: &PoolElement<'_>,
        length: usize,
    ) -> Registered {
        let Self { changed, elements, owners, pools, scratch, .. } = self;
        let (Some(old), Some(pool)) = (elements.get(index), pools.get_mut(pool_index)) else { return Registered::New };
        let previous_home = old.home();
        if pool.attention == Attention::Watched && Some(old.octets()) != scratch.get(..length) {
            note_change(changed, pool);
        }
        let is_choosable = pool.update(member, old.slot.flags.has(Flags::CHOOSABLE), &element.policy);
        if previous_home != element.home {
            owners.remove(elements, index, previous_home, pool.checksum_block(element.identifier));
            owners.add(elements, index, element.home, pool.checksum_block(element.identifier));
        }
        elements.replace(index, scratch.get(..length).unwrap_or_default());
        if let Some(slot) = elements.slot_mut(index) {
            slot.flags.set(Flags::CHOOSABLE, is_choosable);
        }
        if pool.has_lost_its_policy() {
            self.renew_policy(pool_index);
        }
        Registered::Updated { previous_home }
    }

    /// Whether there is no room.
    fn refuse<T>(&self, pool: Option<&Pool>, known: Option<T>) -> Option<Refusal> {
        let Some(pool) = pool else {
            let full = self.pools.len() >= self.limits.pools
                || self.len() >= self.limits.elements
                || self.limits.elements_per_pool == 0;
            return full.then_some(Refusal::Resources);
        };
        let full =
            known.is_none() && (self.len() >= self.limits.elements || pool.len() >= self.limits.elements_per_pool);
        full.then_some(Refusal::Resources)
    }

    /// Removes an element, and its pool with the last one. False if there is no such element.
    pub fn remove(&mut self, index: ElementIndex) -> bool {
        let Self { changed, hasher, elements, owners, pools, .. } = self;
        let Some(element) = elements.get(index) else { return false };
        let (pool_index, member) = (element.slot.pool, element.slot.member);
        let was_choosable = element.slot.flags.has(Flags::CHOOSABLE);
        let (home, identifier) = (element.home(), element.identifier());
        if let Some(pool) = pools.get_mut(pool_index) {
            owners.remove(elements, index, home, pool.checksum_block(identifier));
            note_change(changed, pool);
            if pool.len() == 1 {
                pools.remove(pool_index);
            } else {
                pool.remove(member, was_choosable, hasher);
            }
        }
        elements.remove(index);
        if self.pools.get(pool_index).is_some_and(Pool::has_lost_its_policy) {
            self.renew_policy(pool_index);
        }
        true
    }

    /// The last element with a pool's policy has gone: the pool takes that of another.
    fn renew_policy(&mut self, pool_index: PoolIndex) {
        let Some(pool) = self.pools.get(pool_index) else { return };
        let Some(example) = pool.members().find_map(|(_, index)| self.elements.get(index)).map(Element::view) else {
            return;
        };
        let (nature, policy) = (Nature::of(&example), self.new_policy(&example));
        let members: Vec<_> = pool.members().collect();
        let Self { elements, pools, .. } = self;
        let Some(pool) = pools.get_mut(pool_index) else { return };
        pool.renew(nature, policy);
        for (member, index) in members {
            let is_choosable = elements.get(index).is_some_and(|it| pool.choose_from(member, &it.view().policy));
            if let Some(slot) = elements.slot_mut(index) {
                slot.flags.set(Flags::CHOOSABLE, is_choosable);
            }
        }
    }

    /// Gives an element another home.
    pub fn set_home(&mut self, index: ElementIndex, home: ServerIdentifier) {
        let Self { elements, owners, pools, .. } = self;
        let Some(element) = elements.get(index) else { return };
        let Some(pool) = pools.get(element.slot.pool) else { return };
        let (previous_home, block) = (element.home(), pool.checksum_block(element.identifier()));
        owners.remove(elements, index, previous_home, block);
        owners.add(elements, index, home, block);
        elements.set_home(index, home);
    }

    /// The checksum over the elements of one registrar (RFC 5353 §3.6.2).
    #[must_use]
    pub fn checksum(&self, home: ServerIdentifier) -> PeChecksum {
        self.owners.checksum(home).get()
    }

    /// The checksum over the elements of several registrars.
    pub(crate) fn joint_checksum(&self, homes: impl Iterator<Item = ServerIdentifier>) -> PeChecksum {
        homes.fold(OwnerChecksum::default(), |sum, home| sum.with(self.owners.checksum(home))).get()
    }

    /// The registrars that own elements.
    pub fn homes(&self) -> impl Iterator<Item = ServerIdentifier> + '_ {
        self.owners.homes()
    }

    /// The elements of one registrar.
    pub fn owned_by(&self, home: ServerIdentifier) -> impl ExactSizeIterator<Item = ElementIndex> + '_ {
        self.owners.elements(home).iter().map(|index| ElementIndex(*index))
    }

    /// Chooses up to `items` elements of a pool by its policy; `None` if there is no such pool.
    pub fn resolve(&mut self, pool_handle: PoolHandle<'_>, items: usize) -> Option<Resolution<'_>> {
        let Self { elements, pools, random, chosen, .. } = self;
        let pool = pools.find(pool_handle)?;
        let pool = pools.get_mut(pool)?;
        chosen.resize(items.min(pool.len()), Member::NONE);
        let count = pool.select(random, chosen);
        Some(Resolution { chosen: chosen.get(..count)?, pool, elements })
    }

    /// The elements from `cursor` on, all or those of one home, each with where the reading goes on behind it.
    pub fn read_from(
        &self,
        cursor: Cursor,
        home: Option<ServerIdentifier>,
    ) -> impl Iterator<Item = (Element<'_>, Cursor)> + '_ {
        self.elements.from(cursor.0, home).map(|(index, element)| (element, Cursor(index.0 + 1)))
    }

    /// Sets a timer of an element, anew if it is running, or stops it. It is due within about a millisecond behind the
    /// moment, and ends with the element.
    pub fn set_timer(&mut self, index: ElementIndex, timer: ElementTimer, at: Option<Instant>) {
        self.timers.set(&mut self.elements, index, timer, at);
    }

    /// Whether a timer of an element is running.
    #[must_use]
    pub fn is_timer_set(&self, index: ElementIndex, timer: ElementTimer) -> bool {
        Wheel::is_set(&self.elements, index, timer)
    }

    /// When to look for timers that are due, at the latest. Now and then there will be none.
    #[must_use]
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Stops a timer that is due, and says which; `None` if there is no further one.
    pub fn take_due_timer(&mut self, now: Instant) -> Option<(ElementIndex, ElementTimer)> {
        self.timers.take_due(&mut self.elements, now)
    }
}

impl Pool {
    /// RFC 5352 §3.1: the same tests for new members and for those that register again.
    fn refuses(&self, element: &PoolElement<'_>) -> Option<Refusal> {
        let (pool, element) = (self.nature, Nature::of(element));
        if pool.policy != element.policy {
            return Some(Refusal::Policy);
        }
        if pool.transport != element.transport {
            return Some(Refusal::TransportType);
        }
        (pool.transport_use != element.transport_use).then_some(Refusal::TransportUse)
    }
}

enum Refusal {
    Policy,
    TransportType,
    TransportUse,
    Resources,
}

/// Remembers that a pool has changed, if somebody wants to know.
fn note_change(changed: &mut Vec<Box<[u8]>>, pool: &mut Pool) {
    if core::mem::replace(&mut pool.attention, Attention::None) == Attention::Watched {
        changed.push(pool.handle().octets().into());
    }
}
