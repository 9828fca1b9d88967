//! Operations on the handlespace and on the model at the same time, and the comparison of all that can be seen of both.
//! Where the operations come from is left to others: random numbers, or a fuzzer.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use rserpool::Instant;
use rserpool::handlespace::{Cursor, Element, ElementTimer, Handlespace, HandlespaceLimits};
use rserpool::wire::{
    Distance, PeIdentifier, Policy, PolicyType, PoolElement, PoolHandle, RegistrationLife, ServerIdentifier, Transport,
    TransportUse, Unknown,
};

use crate::model::Model;

/// The policies, and the last one that nobody knows.
const POLICIES: u64 = 19;

/// Where numbers come from: one from 0 to `below` − 1.
pub(crate) trait Numbers {
    /// The next one.
    fn below(&mut self, below: u64) -> u64;
}

/// A policy with few different values, so that equal ones occur, and extreme ones.
fn policy(kind: u64, numbers: &mut impl Numbers) -> Policy<'static> {
    let value = numbers.below(4) as u32;
    let load = [0, 1, u32::MAX / 2, u32::MAX][numbers.below(4) as usize];
    let degradation = [0, 1, 2, u32::MAX][value as usize];
    let distance = || Distance { factor: load, distance: value };
    match kind {
        0 => Policy::RoundRobin,
        1 => Policy::WeightedRoundRobin { weight: value },
        2 => Policy::Random,
        3 => Policy::WeightedRandom { weight: value },
        4 => Policy::Priority { priority: load },
        5 => Policy::LeastUsed { load },
        6 => Policy::LeastUsedWithDegradation { load, degradation },
        7 => Policy::PriorityLeastUsed { load, degradation },
        8 => Policy::RandomizedLeastUsed { load },
        9 => Policy::RandomizedPriorityLeastUsed { load, degradation },
        10 => Policy::RandomizedLeastUsedWithDegradation { load, degradation },
        11 => Policy::PriorityLeastUsedWithDegradation { load, degradation },
        12 => Policy::RandomizedPriorityLeastUsedWithDegradation { load, degradation },
        13 => Policy::WeightedRandomWithDistance { weight: value, distance: distance() },
        14 => Policy::LeastUsedWithDistance { load, distance: distance() },
        15 => Policy::LeastUsedWithDegradationAndDistance { load, degradation, distance: distance() },
        16 => Policy::PriorityLeastUsedWithDistance { load, degradation, distance: distance() },
        17 => Policy::PriorityLeastUsedWithDegradationAndDistance { load, degradation, distance: distance() },
        _ => Policy::Other { policy_type: PolicyType(0x8000_0001), data: b"four" },
    }
}

/// Whether the model knows what a pool's policy gives: it neither draws, nor has several ways to be even.
fn leaves_no_choice(kind: u64) -> bool {
    !matches!(kind, 1..=3 | 8..=10 | 12 | 13)
}

/// A reading of the table that is under way.
#[derive(Debug, Default)]
struct Reading {
    cursor: Cursor,
    /// What was there all the time, and must be read.
    staying: BTreeSet<(Vec<u8>, u32)>,
    read: BTreeSet<(Vec<u8>, u32)>,
}

/// Both.
#[derive(Debug)]
pub(crate) struct World {
    space: Handlespace,
    model: Model,
    now: u64,
    identifiers: u64,
    reading: Reading,
}

/// Milliseconds, nearly: what timers are exact to.
fn instant(ticks: u64) -> Instant {
    Instant::from_micros(ticks << 10)
}

impl World {
    /// Both empty. Elements have so many different identifiers.
    pub(crate) fn new(identifiers: u64) -> Self {
        let space = Handlespace::new(HandlespaceLimits::default(), 1);
        Self { space, model: Model::default(), now: 0, identifiers, reading: Reading::default() }
    }

    /// One operation on both. Panics if they differ.
    pub(crate) fn step(&mut self, numbers: &mut impl Numbers) {
        // A pool for each policy, so that its kind is known.
        let kind = numbers.below(POLICIES);
        let name = format!("pool-{kind}{}", "x".repeat(kind as usize)).into_bytes();
        let identifier = numbers.below(self.identifiers) as u32;
        match numbers.below(12) {
            0..=3 => self.register(kind, &name, identifier, numbers),
            4..=5 => self.deregister(&name, identifier),
            6 => self.take_over(1 + numbers.below(3) as u32, 1 + numbers.below(3) as u32),
            7 => self.let_time_pass(numbers),
            8 => self.read_on(numbers.below(20) as usize),
            _ => self.resolve(kind, &name, numbers.below(6) as usize),
        }
    }

    fn register(&mut self, kind: u64, name: &[u8], identifier: u32, numbers: &mut impl Numbers) {
        // Now and then a policy that is not the pool's; but never the first one, which would make it the pool's.
        let known = self.model.has_pool(name);
        let kind = if known && numbers.below(10) == 0 { numbers.below(POLICIES) } else { kind };
        let policy = policy(kind, numbers);
        let home = 1 + numbers.below(3) as u32;
        let address = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let element = PoolElement {
            identifier: PeIdentifier(identifier),
            home: ServerIdentifier(home),
            life: RegistrationLife(300),
            user_transport: Transport::sctp(7, TransportUse::DataOnly, &address),
            policy,
            // Now and then one more transport, so that elements of all sizes occur.
            asap_transport: (numbers.below(3) == 0).then(|| Transport::sctp(8, TransportUse::DataOnly, &address)),
            unknown: Unknown::NONE,
        };
        let taken = self.space.register(PoolHandle::new(name), &element).ok().map(|(index, _)| index);
        assert_eq!(taken.is_some(), self.model.register(name, identifier, home, policy));
        let Some(index) = taken else { return };
        // From one tick to about a year; or none.
        let life = 1 + (numbers.below(1 << 16) << numbers.below(20));
        let expiry = (numbers.below(4) > 0).then(|| self.now + life);
        self.space.set_timer(index, ElementTimer::Expiry, expiry.map(instant));
        self.model.set_expiry(name, identifier, expiry);
    }

    fn deregister(&mut self, name: &[u8], identifier: u32) {
        let found = self.space.find(PoolHandle::new(name), PeIdentifier(identifier));
        assert_eq!(found.is_some(), self.model.deregister(name, identifier));
        assert_eq!(found.is_some(), found.is_some_and(|index| self.space.remove(index)));
        self.reading.staying.remove(&(name.to_vec(), identifier));
    }

    fn take_over(&mut self, from: u32, to: u32) {
        let owned: Vec<_> = self.space.owned_by(ServerIdentifier(from)).collect();
        assert_eq!(owned.len(), self.model.table().iter().filter(|(.., home)| *home == from).count());
        for index in owned {
            self.space.set_home(index, ServerIdentifier(to));
        }
        self.model.take_over(from, to);
    }

    /// Elements whose life ends are removed, at the tick and not before.
    fn let_time_pass(&mut self, numbers: &mut impl Numbers) {
        self.now += numbers.below(1 << 16) << numbers.below(16);
        let mut expired = BTreeSet::new();
        while let Some((index, timer)) = self.space.take_due_timer(instant(self.now)) {
            assert_eq!(timer, ElementTimer::Expiry);
            let element = self.space.element(index).unwrap();
            expired.insert((self.space.pool_handle(element).octets().to_vec(), element.identifier().0));
            assert!(self.space.remove(index));
        }
        assert_eq!(expired, self.model.expire(self.now));
        self.reading.staying.retain(|element| !expired.contains(element));
        if let Some(next) = self.model.next_expiry() {
            let until = self.space.next_timer().unwrap();
            assert!(until <= instant(next), "{until:?} is later than {next} ticks");
        }
    }

    fn resolve(&mut self, kind: u64, name: &[u8], items: usize) {
        let resolution = self.space.resolve(PoolHandle::new(name), items);
        let given: Option<Vec<u32>> =
            resolution.map(|resolution| resolution.elements().map(|e| e.identifier().0).collect());
        let expected = self.model.resolve(name, items);
        assert_eq!(given.is_some(), expected.is_some());
        let Some((given, expected)) = given.zip(expected) else { return };
        if leaves_no_choice(kind) {
            assert_eq!(given, expected, "policy {kind}");
            return;
        }
        let able: BTreeSet<u32> = self.model.able(name).into_iter().collect();
        let distinct: BTreeSet<u32> = given.iter().copied().collect();
        assert_eq!(distinct.len(), given.len(), "policy {kind}: {given:?}");
        assert!(distinct.is_subset(&able), "policy {kind}: {given:?} of {able:?}");
        assert_eq!(given.len(), items.min(able.len()), "policy {kind}");
    }

    /// Reads some more of the table, or begins anew. What was there all the time is read once in the end.
    fn read_on(&mut self, most: usize) {
        if self.reading.cursor == Cursor::START {
            self.reading.staying = self.model.table().into_iter().map(|(pool, id, _)| (pool, id)).collect();
        }
        let mut count = 0;
        for (element, next) in self.space.read_from(self.reading.cursor, None).take(most) {
            let key = (self.space.pool_handle(element).octets().to_vec(), element.identifier().0);
            let is_new = self.reading.read.insert(key.clone());
            assert!(is_new || !self.reading.staying.contains(&key), "read twice");
            self.reading.cursor = next;
            count += 1;
        }
        if count < most {
            assert!(self.reading.staying.is_subset(&self.reading.read), "not read");
            self.reading = Reading::default();
        }
    }

    /// Compares all that can be seen of both.
    pub(crate) fn compare(&self) {
        let (space, model) = (&self.space, &self.model);
        let entry = |element: Element<'_>| {
            (space.pool_handle(element).octets().to_vec(), element.identifier().0, element.home().0)
        };
        let mut table: Vec<_> = space.read_from(Cursor::START, None).map(|(element, _)| entry(element)).collect();
        table.sort_unstable();
        assert_eq!(table, model.table());
        assert_eq!(space.len(), table.len());
        for (element, _) in space.read_from(Cursor::START, None) {
            let view = element.view();
            let pool = space.pool_handle(element);
            assert_eq!(Some(view.policy), model.policy(pool.octets(), view.identifier.0));
        }
        let pools: BTreeSet<_> = table.iter().map(|(pool, ..)| pool.clone()).collect();
        assert_eq!(space.pool_count(), pools.len());
        for home in 1..=3 {
            assert_eq!(space.checksum(ServerIdentifier(home)).0, model.checksum(home));
            let owned = space.owned_by(ServerIdentifier(home)).map(|index| entry(space.element(index).unwrap()));
            let mut owned: Vec<_> = owned.collect();
            owned.sort_unstable();
            let expected: Vec<_> = table.iter().filter(|(.., owner)| *owner == home).cloned().collect();
            assert_eq!(owned, expected);
        }
    }
}
