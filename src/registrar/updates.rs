//! Telling users by itself what changes in the pools that they have resolved, if they have asked for that (RFC 5352 §2.2.5,
//! the S bit, and §2.2.6, the A bit).

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use super::timers::Timer;
use super::{OwnedHandle, Registrar};
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::PoolHandle;

/// A pool that somebody wants to be told of.
#[derive(Debug, Default)]
struct Watched {
    /// How many elements each of them wants at most.
    subscribers: BTreeMap<AssociationId, usize>,
    /// When they were told last.
    told_at: Option<Instant>,
}

/// Who wants to be told of which pools.
#[derive(Debug, Default)]
pub(super) struct Updates {
    pools: BTreeMap<OwnedHandle, Watched>,
    by_association: BTreeMap<AssociationId, BTreeSet<OwnedHandle>>,
    count: usize,
    /// Pools that have changed since their subscribers were told.
    changed: BTreeSet<OwnedHandle>,
    /// Who is to be told now.
    pending: VecDeque<(OwnedHandle, AssociationId)>,
}

impl Updates {
    fn remove(&mut self, pool_handle: &[u8], association: AssociationId) {
        if let Some(pools) = self.by_association.get_mut(&association) {
            pools.remove(pool_handle);
            if pools.is_empty() {
                self.by_association.remove(&association);
            }
        }
        if let Some(watched) = self.pools.get_mut(pool_handle)
            && watched.subscribers.remove(&association).is_some()
        {
            self.count -= 1;
            if watched.subscribers.is_empty() {
                self.pools.remove(pool_handle);
            }
        }
    }
}

impl Registrar {
    /// A user has resolved a pool, and asks for updates. Whether it gets them depends on how many there are.
    pub(super) fn subscribe(&mut self, association: AssociationId, pool_handle: PoolHandle<'_>, items: usize) -> bool {
        let limits = &self.config.limits;
        let (updates, octets) = (&mut self.updates, pool_handle.octets());
        let known = updates.by_association.get(&association);
        let is_new = !known.is_some_and(|pools| pools.contains(octets));
        let too_many = known.map_or(0, BTreeSet::len) >= limits.association_updates || updates.count >= limits.updates;
        if is_new && too_many {
            return false;
        }
        let handle: OwnedHandle = octets.into();
        updates.by_association.entry(association).or_default().insert(handle.clone());
        updates.pools.entry(handle).or_default().subscribers.insert(association, items);
        updates.count += usize::from(is_new);
        self.handlespace.watch(pool_handle);
        true
    }

    /// A user does not want to be told of a pool any more.
    pub(super) fn unsubscribe(&mut self, association: AssociationId, pool_handle: PoolHandle<'_>) {
        self.updates.remove(pool_handle.octets(), association);
    }

    /// RFC 5352 §2.2.5: updates end with the association.
    pub(super) fn updates_ended(&mut self, association: AssociationId) {
        for pool_handle in self.updates.by_association.remove(&association).unwrap_or_default() {
            self.updates.remove(&pool_handle, association);
        }
    }

    /// Notes which pools have changed, and tells their subscribers once the last time is long enough ago.
    pub(super) fn tell_updates(&mut self, now: Instant) {
        while let Some(pool_handle) = self.handlespace.take_changed() {
            if self.updates.pools.contains_key(&pool_handle) {
                self.updates.changed.insert(pool_handle);
            }
        }
        if self.updates.changed.is_empty() && self.updates.pending.is_empty() {
            return;
        }
        let interval = self.config.update_interval;
        let mut later: Option<Instant> = None;
        let Updates { pools, changed, pending, .. } = &mut self.updates;
        changed.retain(|pool_handle| {
            let Some(watched) = pools.get_mut(pool_handle) else { return false };
            let due = watched.told_at.map_or(now, |told_at| told_at + interval);
            if due > now {
                later = Some(later.map_or(due, |other| other.min(due)));
                return true;
            }
            watched.told_at = Some(now);
            pending.extend(watched.subscribers.keys().map(|association| (pool_handle.clone(), *association)));
            false
        });
        for _ in 0..self.config.limits.elements_per_step.max(1) {
            let Some((pool_handle, association)) = self.updates.pending.pop_front() else { break };
            self.update(association, &pool_handle);
        }
        let next = if self.updates.pending.is_empty() { later } else { Some(now) };
        if let Some(next) = next {
            self.timers.set(Timer::Updates, next);
        }
    }

    fn update(&mut self, association: AssociationId, pool_handle: &[u8]) {
        let watched = self.updates.pools.get(pool_handle);
        let Some(items) = watched.and_then(|watched| watched.subscribers.get(&association).copied()) else { return };
        let handle = PoolHandle::new(pool_handle);
        // From now on whatever changes is news again.
        self.handlespace.watch(handle);
        if !self.resolve(association, handle, items, super::asap::Answer::Update) {
            // RFC 5352 §2.2.5: when the pool comes to be again nobody is told.
            self.unsubscribe(association, handle);
        }
    }
}
