//! Random sequences of operations on the handlespace and on the model: everything observable is the same after each.

use rserpool::handlespace::Cursor;
use rserpool::wire::{PeIdentifier, Policy, PoolHandle};

use crate::support::{space, try_register};
use crate::world::{Numbers, World};

/// xorshift.
struct Xorshift(u64);

impl Numbers for Xorshift {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % below
    }
}

/// Runs a seed's steps, and compares all that can be seen after each step, or after each so many.
fn run(seed: u64, steps: usize, identifiers: u64, compare_every: usize) {
    let mut numbers = Xorshift(seed * 0x9e37_79b9 + 88_172_645_463_325_252);
    let mut world = World::new(identifiers);
    // Should one panic, the seed is known.
    println!("seed {seed}");
    for step in 0..steps {
        world.step(&mut numbers);
        if step % compare_every == 0 {
            world.compare();
        }
    }
    world.compare();
}

#[test]
fn small_pools() {
    for seed in 0..40 {
        run(seed, 800, 8, 1);
    }
    for seed in 40..150 {
        run(seed, 800, 8, 16);
    }
}

#[test]
fn large_pools() {
    for seed in 0..4 {
        run(seed, 25_000, 1_000, 2_000);
    }
}

#[test]
fn a_table_is_read_in_pieces_while_it_changes_and_each_element_that_stays_is_read_once() {
    for seed in 0..40 {
        let mut numbers = Xorshift(seed + 77);
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
