//! The handlespace as the RFCs say it, without any thought of speed: lists, searched from end to end.

use std::collections::BTreeSet;

use rserpool::wire::{Distance, Policy};

/// An element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) identifier: u32,
    pub(crate) home: u32,
    policy: Policy<'static>,
    /// How often it was given since it registered (RFC 5356 §5.2.2).
    given: u64,
    /// When it had its turn last, or came.
    turn: u64,
    /// When its life ends.
    expiry: Option<u64>,
}

/// A pool: its elements in the order in which they came.
#[derive(Clone, Debug, Default)]
struct Pool {
    name: Vec<u8>,
    elements: Vec<Entry>,
    /// Whose turn it is, for round robin: an index.
    head: usize,
}

/// The handlespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pools: Vec<Pool>,
    turns: u64,
}

/// The order of the policies that have one.
fn rank(entry: &Entry) -> u128 {
    let sum =
        |load: u32, degradation: u32, sessions: u64| u128::from(load) + u128::from(degradation) * u128::from(sessions);
    let penalty = |distance: Distance| u128::from(distance.factor) * u128::from(distance.distance);
    match entry.policy {
        Policy::Priority { priority } => u128::from(u32::MAX - priority),
        Policy::LeastUsed { load } => load.into(),
        Policy::PriorityLeastUsed { load, degradation } => sum(load, degradation, 1),
        Policy::LeastUsedWithDegradation { load, degradation } => sum(load, degradation, entry.given),
        Policy::PriorityLeastUsedWithDegradation { load, degradation } => sum(load, degradation, entry.given + 1),
        Policy::LeastUsedWithDistance { load, distance } => sum(load, 0, 0) + penalty(distance),
        Policy::LeastUsedWithDegradationAndDistance { load, degradation, distance } => {
            sum(load, degradation, entry.given) + penalty(distance)
        }
        Policy::PriorityLeastUsedWithDistance { load, degradation, distance } => {
            sum(load, degradation, 1) + penalty(distance)
        }
        Policy::PriorityLeastUsedWithDegradationAndDistance { load, degradation, distance } => {
            sum(load, degradation, entry.given + 1) + penalty(distance)
        }
        _ => 0,
    }
}

impl Model {
    fn pool(&mut self, name: &[u8]) -> Option<&mut Pool> {
        self.pools.iter_mut().find(|pool| pool.name == name)
    }

    /// RFC 5352 §3.1. False if the element is rejected.
    pub(crate) fn register(&mut self, name: &[u8], identifier: u32, home: u32, policy: Policy<'static>) -> bool {
        self.turns += 1;
        let turn = self.turns;
        let new = Entry { identifier, home, policy, given: 0, turn, expiry: None };
        let Some(pool) = self.pool(name) else {
            self.pools.push(Pool { name: name.to_vec(), elements: vec![new], head: 0 });
            return true;
        };
        if pool.elements[0].policy.policy_type() != policy.policy_type() {
            return false;
        }
        match pool.elements.iter_mut().find(|entry| entry.identifier == identifier) {
            Some(entry) => *entry = Entry { turn: entry.turn, ..new },
            None => pool.elements.push(new),
        }
        true
    }

    /// RFC 5352 §3.2. False if there is no such element.
    pub(crate) fn deregister(&mut self, name: &[u8], identifier: u32) -> bool {
        let Some(pool) = self.pool(name) else { return false };
        let Some(at) = pool.elements.iter().position(|entry| entry.identifier == identifier) else { return false };
        pool.elements.remove(at);
        if at < pool.head {
            pool.head -= 1;
        }
        if pool.head >= pool.elements.len() {
            pool.head = 0;
        }
        self.pools.retain(|pool| !pool.elements.is_empty());
        true
    }

    /// RFC 5353 §3.5.2: all elements of one registrar get another home.
    pub(crate) fn take_over(&mut self, from: u32, to: u32) {
        for entry in self.pools.iter_mut().flat_map(|pool| &mut pool.elements) {
            if entry.home == from {
                entry.home = to;
            }
        }
    }

    /// What a resolution has to give; `None` if there is no such pool. Only for policies that leave no choice.
    pub(crate) fn resolve(&mut self, name: &[u8], items: usize) -> Option<Vec<u32>> {
        let turn = self.turns + 1;
        self.turns = turn;
        let pool = self.pool(name)?;
        if matches!(pool.elements[0].policy, Policy::RoundRobin | Policy::Other { .. }) {
            // RFC 5356 §4.1.2.
            let count = pool.elements.len();
            let chosen = (0..count.min(items)).map(|step| pool.elements[(pool.head + step) % count].identifier);
            let chosen = chosen.collect();
            pool.head = if items > 0 { (pool.head + 1) % count } else { pool.head };
            return Some(chosen);
        }
        let mut order: Vec<usize> = (0..pool.elements.len()).collect();
        order.sort_by_key(|index| (rank(&pool.elements[*index]), pool.elements[*index].turn));
        order.truncate(items);
        let chosen = order.iter().map(|index| pool.elements[*index].identifier).collect();
        for (place, index) in order.iter().enumerate() {
            let entry = &mut pool.elements[*index];
            entry.given += 1;
            if place == 0 {
                entry.turn = turn;
            }
        }
        Some(chosen)
    }

    /// The members of a pool that can serve.
    pub(crate) fn able(&self, name: &[u8]) -> Vec<u32> {
        let weightless = |entry: &&Entry| match entry.policy {
            Policy::WeightedRoundRobin { weight } | Policy::WeightedRandom { weight } => weight == 0,
            Policy::RandomizedLeastUsed { load } | Policy::RandomizedLeastUsedWithDegradation { load, .. } => {
                load == u32::MAX
            }
            Policy::RandomizedPriorityLeastUsed { load, degradation }
            | Policy::RandomizedPriorityLeastUsedWithDegradation { load, degradation } => {
                u64::from(load) + u64::from(degradation) >= u64::from(u32::MAX)
            }
            Policy::WeightedRandomWithDistance { weight, distance } => {
                // Less than half of one is none.
                let penalty = f64::from(distance.factor) / f64::from(u32::MAX) * f64::from(distance.distance);
                f64::from(weight) * (1.0 - penalty) < 0.499_999
            }
            _ => false,
        };
        let pool = self.pools.iter().find(|pool| pool.name == name);
        let elements = pool.into_iter().flat_map(|pool| &pool.elements);
        elements.filter(|entry| !weightless(entry)).map(|entry| entry.identifier).collect()
    }

    pub(crate) fn has_pool(&self, name: &[u8]) -> bool {
        self.pools.iter().any(|pool| pool.name == name)
    }

    fn entry(&self, name: &[u8], identifier: u32) -> Option<&Entry> {
        let pool = self.pools.iter().find(|pool| pool.name == name)?;
        pool.elements.iter().find(|entry| entry.identifier == identifier)
    }

    pub(crate) fn policy(&self, name: &[u8], identifier: u32) -> Option<Policy<'static>> {
        self.entry(name, identifier).map(|entry| entry.policy)
    }

    pub(crate) fn set_expiry(&mut self, name: &[u8], identifier: u32, expiry: Option<u64>) {
        let entries = self.pool(name).into_iter().flat_map(|pool| &mut pool.elements);
        for entry in entries.filter(|entry| entry.identifier == identifier) {
            entry.expiry = expiry;
        }
    }

    /// RFC 5352 §3.2: elements leave when their lives end. Which they were.
    pub(crate) fn expire(&mut self, now: u64) -> BTreeSet<(Vec<u8>, u32)> {
        let expired: BTreeSet<(Vec<u8>, u32)> = self
            .table()
            .into_iter()
            .filter(|(name, identifier, _)| {
                self.entry(name, *identifier).and_then(|entry| entry.expiry).is_some_and(|expiry| expiry <= now)
            })
            .map(|(name, identifier, _)| (name, identifier))
            .collect();
        for (name, identifier) in &expired {
            self.deregister(name, *identifier);
        }
        expired
    }

    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.pools.iter().flat_map(|pool| &pool.elements).filter_map(|entry| entry.expiry).min()
    }

    /// All elements, with their pools.
    pub(crate) fn table(&self) -> Vec<(Vec<u8>, u32, u32)> {
        let entries = self.pools.iter().flat_map(|pool| pool.elements.iter().map(move |entry| (pool, entry)));
        let mut table: Vec<_> =
            entries.map(|(pool, entry)| (pool.name.clone(), entry.identifier, entry.home)).collect();
        table.sort_unstable();
        table
    }

    /// RFC 5353 §3.6.2: RFC 1071 over pool handles, padded, and identifiers.
    pub(crate) fn checksum(&self, home: u32) -> u16 {
        let mut octets = Vec::new();
        for (name, identifier, owner) in self.table() {
            if owner == home {
                octets.extend(&name);
                octets.resize(octets.len().next_multiple_of(4), 0);
                octets.extend(identifier.to_be_bytes());
            }
        }
        let mut sum: u64 = octets.chunks(2).map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}
