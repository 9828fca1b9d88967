//! Any operations on the handlespace, which does what the naive model of the tests does.
#![no_main]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a fuzz target fails by panicking")]

#[path = "../../tests/handlespace/model.rs"]
mod model;
#[path = "../../tests/handlespace/world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;

/// Numbers from the fuzzer's octets: one for small numbers, more for larger ones, zeros when they have run out.
struct Octets<'a>(&'a [u8]);

impl world::Numbers for Octets<'_> {
    fn below(&mut self, below: u64) -> u64 {
        let mut value = 0;
        let mut range = 1;
        while range < below {
            let (octet, rest) = self.0.split_first().unwrap_or((&0, &[]));
            self.0 = rest;
            value = value << 8 | u64::from(*octet);
            range <<= 8;
        }
        value % below
    }
}

fuzz_target!(|octets: &[u8]| {
    let mut octets = Octets(octets);
    let mut world = world::World::new(6);
    while !octets.0.is_empty() {
        world.step(&mut octets);
    }
    world.compare();
});
