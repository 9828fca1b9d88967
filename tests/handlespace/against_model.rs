//! Random sequences of operations on the handlespace and on the model: everything observable is the same after each.

use std::collections::BTreeSet;

use rserpool::handlespace::{Cursor, Element, Handlespace};
use rserpool::wire::{PeIdentifier, Policy, PolicyType, PoolHandle, ServerIdentifier};

use crate::model::Model;
use crate::support::{space, try_register};

/// xorshift.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % below
    }
}

/// A policy with few different values, so that equal ones occur.
fn policy(kind: u64, numbers: &mut Numbers) -> Policy<'static> {
    let value = numbers.below(4) as u32;
    let extreme = [0, 1, u32::MAX / 2, u32::MAX][numbers.below(4) as usize];
    match kind {
        0 => Policy::RoundRobin,
        1 => Policy::WeightedRoundRobin { weight: value },
        2 => Policy::Random,
        3 => Policy::WeightedRandom { weight: value },
        4 => Policy::Priority { priority: extreme },
        5 => Policy::LeastUsed { load: extreme },
        6 => Policy::LeastUsedWithDegradation { load: extreme, degradation: value },
        7 => Policy::PriorityLeastUsed { load: extreme, degradation: value },
        _ => Policy::RandomizedLeastUsed { load: extreme },
    }
}

fn run(seed: u64, steps: usize, elements: u64) {
    let mut numbers = Numbers(seed * 0x9e37_79b9 + 88_172_645_463_325_252);
    let (mut space, mut model) = (space(), Model::default());
    // A pool for each policy, so that its kind is known.
    let name = |kind: u64| format!("pool-{kind}{}", "x".repeat(kind as usize)).into_bytes();
    for step in 0..steps {
        let kind = numbers.below(9);
        let (name, identifier) = (name(kind), numbers.below(elements) as u32);
        let handle = PoolHandle::new(&name);
        match numbers.below(10) {
            0..=3 => {
                // Now and then a policy that is not the pool's.
                let kind = if numbers.below(10) == 0 { numbers.below(9) } else { kind };
                let policy = policy(kind, &mut numbers);
                let home = 1 + numbers.below(3) as u32;
                let taken = try_register(&mut space, handle, identifier, home, policy).is_ok();
                assert_eq!(taken, model.register(&name, identifier, home, policy), "seed {seed}, step {step}");
            }
            4..=5 => {
                let found = space.find(handle, PeIdentifier(identifier));
                assert_eq!(found.is_some(), model.deregister(&name, identifier), "seed {seed}, step {step}");
                assert_eq!(found.is_some(), found.is_some_and(|index| space.remove(index)));
            }
            6 => {
                let (from, to) = (1 + numbers.below(3) as u32, 1 + numbers.below(3) as u32);
                let owned: Vec<_> = space.owned_by(ServerIdentifier(from)).collect();
                assert_eq!(owned.len(), space.owned_by(ServerIdentifier(from)).len());
                for index in owned {
                    space.set_home(index, ServerIdentifier(to));
                }
                model.take_over(from, to);
            }
            _ => {
                let items = numbers.below(6) as usize;
                let resolution = space.resolve(handle, items);
                let given: Option<Vec<u32>> =
                    resolution.map(|resolution| resolution.elements().map(|e| e.identifier().0).collect());
                // A pool's kind is its first element's, which is not always that of its name.
                let expected = model.resolve(&name, items);
                assert_eq!(given.is_some(), expected.is_some());
                let Some((given, expected)) = given.zip(expected) else { continue };
                if leaves_no_choice(&space, handle) {
                    assert_eq!(given, expected, "seed {seed}, step {step}, {kind}");
                } else {
                    let able: BTreeSet<u32> = model.able(&name).into_iter().collect();
                    let distinct: BTreeSet<u32> = given.iter().copied().collect();
                    assert_eq!(distinct.len(), given.len(), "seed {seed}, step {step}");
                    assert!(distinct.is_subset(&able), "seed {seed}, step {step}: {given:?} of {able:?}");
                    assert_eq!(given.len(), items.min(able.len()), "seed {seed}, step {step}");
                }
            }
        }
        if step % (elements as usize * 2) == 0 {
            compare(&space, &model);
        }
    }
    compare(&space, &model);
}

/// Whether the model knows what a pool's policy gives: it neither draws, nor has several ways to be even.
fn leaves_no_choice(space: &Handlespace, handle: PoolHandle<'_>) -> bool {
    let elements = space.read_from(Cursor::START, None).map(|(element, _)| element);
    let mut members = elements.filter(|element| space.pool_handle(*element) == handle);
    let choice = [
        PolicyType::WEIGHTED_ROUND_ROBIN,
        PolicyType::RANDOM,
        PolicyType::WEIGHTED_RANDOM,
        PolicyType::RANDOMIZED_LEAST_USED,
    ];
    members.next().is_some_and(|element| !choice.contains(&element.view().policy.policy_type()))
}

fn compare(space: &Handlespace, model: &Model) {
    let entry =
        |element: Element<'_>| (space.pool_handle(element).octets().to_vec(), element.identifier().0, element.home().0);
    let mut table: Vec<_> = space.read_from(Cursor::START, None).map(|(element, _)| entry(element)).collect();
    table.sort_unstable();
    assert_eq!(table, model.table());
    assert_eq!(space.len(), table.len());
    let pools: BTreeSet<_> = table.iter().map(|(pool, ..)| pool.clone()).collect();
    assert_eq!(space.pool_count(), pools.len());
    for home in 1..=3 {
        assert_eq!(space.checksum(ServerIdentifier(home)).0, model.checksum(home));
        let mut owned: Vec<_> =
            space.owned_by(ServerIdentifier(home)).map(|index| entry(space.element(index).unwrap())).collect();
        owned.sort_unstable();
        let expected: Vec<_> = table.iter().filter(|(.., owner)| *owner == home).cloned().collect();
        assert_eq!(owned, expected);
    }
}

#[test]
fn small_pools() {
    for seed in 0..150 {
        run(seed, 400, 8);
    }
}

#[test]
fn large_pools() {
    for seed in 0..4 {
        run(seed, 12_000, 1_000);
    }
}

#[test]
fn a_table_is_read_in_pieces_while_it_changes_and_each_element_that_stays_is_read_once() {
    for seed in 0..40 {
        let mut numbers = Numbers(seed + 77);
        let mut space = space();
        let stays = |identifier: u32| !identifier.is_multiple_of(3);
        for identifier in 0..600 {
            try_register(&mut space, PoolHandle::new(b"pool"), identifier, 1, Policy::RoundRobin).unwrap();
        }
        let (mut cursor, mut seen, mut next) = (Cursor::START, Vec::new(), 1000 * 3);
        loop {
            let piece: Vec<_> =
                space.read_from(cursor, None).take(16).map(|(e, next)| (e.identifier().0, next)).collect();
            let Some((_, behind)) = piece.last() else { break };
            cursor = *behind;
            seen.extend(piece.iter().map(|(identifier, _)| *identifier));
            // Some leave, others come, in between.
            for _ in 0..20 {
                let identifier = numbers.below(600) as u32;
                let found = space.find(PoolHandle::new(b"pool"), PeIdentifier(identifier));
                if let Some(index) = found.filter(|_| !stays(identifier)) {
                    space.remove(index);
                }
                if numbers.below(4) == 0 && next < 1200 * 3 {
                    try_register(&mut space, PoolHandle::new(b"pool"), next, 1, Policy::RoundRobin).unwrap();
                    next += 3;
                }
            }
        }
        let mut stayed: Vec<u32> = seen.into_iter().filter(|identifier| stays(*identifier)).collect();
        stayed.sort_unstable();
        assert_eq!(stayed, (0..600).filter(|identifier| stays(*identifier)).collect::<Vec<_>>(), "seed {seed}");
    }
}
