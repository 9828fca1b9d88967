//! The handlespace workload: register, resolve, register again, read the table, deregister; each timed on its own, one
//! thread, no network. And how many octets an element takes.
//!
//! `cargo bench --bench handlespace -- POOLS ELEMENTS POLICY-NUMBER ITEMS` runs one row and prints one JSON object.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use rserpool::handlespace::{Cursor, ElementTimer, Handlespace, HandlespaceLimits};
use rserpool::wire::{
    PeIdentifier, Policy, PolicyType, PoolElement, PoolHandle, RegistrationLife, ServerIdentifier, Transport,
    TransportUse, Unknown,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// Octets that are in use.
fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// xorshift, with a fixed seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
    }
}

fn policy(policy_type: PolicyType, numbers: &mut Numbers) -> Policy<'static> {
    let weight = 1 + (numbers.next() % 10) as u32;
    let (load, degradation) = (numbers.next() as u32, u32::MAX / 100);
    match policy_type {
        PolicyType::WEIGHTED_ROUND_ROBIN => Policy::WeightedRoundRobin { weight },
        PolicyType::RANDOM => Policy::Random,
        PolicyType::WEIGHTED_RANDOM => Policy::WeightedRandom { weight },
        PolicyType::PRIORITY => Policy::Priority { priority: weight },
        PolicyType::LEAST_USED => Policy::LeastUsed { load },
        PolicyType::LEAST_USED_WITH_DEGRADATION => Policy::LeastUsedWithDegradation { load, degradation },
        PolicyType::PRIORITY_LEAST_USED => Policy::PriorityLeastUsed { load, degradation },
        PolicyType::RANDOMIZED_LEAST_USED => Policy::RandomizedLeastUsed { load },
        _ => Policy::RoundRobin,
    }
}

const HOME: ServerIdentifier = ServerIdentifier(0x1234);

fn register(
    space: &mut Handlespace,
    handle: &[u8],
    identifier: u32,
    policy_type: PolicyType,
    numbers: &mut Numbers,
) -> bool {
    let address = [IpAddr::V4(Ipv4Addr::from(identifier))];
    let element = PoolElement {
        identifier: PeIdentifier(identifier),
        home: HOME,
        life: RegistrationLife(300),
        user_transport: Transport::sctp(7, TransportUse::DataOnly, &address),
        policy: policy(policy_type, numbers),
        asap_transport: Some(Transport::sctp(3863, TransportUse::DataOnly, &address)),
        unknown: Unknown::NONE,
    };
    let Ok((index, _)) = space.register(PoolHandle::new(handle), &element) else { return false };
    let expiry = rserpool::Instant::from_millis(1_000_000 + numbers.next() % 1_000_000);
    space.set_timer(index, ElementTimer::Expiry, Some(expiry));
    true
}

fn rate(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

fn row(pools: usize, per_pool: usize, policy_type: PolicyType, items: usize, at_least: Duration) -> String {
    let mut numbers = Numbers(88_172_645_463_325_252);
    let handles: Vec<String> = (0..pools).map(|pool| format!("pool-{pool:08}")).collect();
    let count = pools * per_pool;
    let mut elements: Vec<(usize, u32)> =
        (0..count).map(|number| (number / per_pool, numbers.next() as u32 | 1)).collect();
    numbers.shuffle(&mut elements);
    let limits =
        HandlespaceLimits { elements: 1 << 30, elements_per_pool: 1 << 30, pools: 1 << 30, ..Default::default() };

    let before = live();
    let mut space = Handlespace::new(limits, 1);
    let start = Instant::now();
    for (pool, identifier) in &elements {
        assert!(register(&mut space, handles[*pool].as_bytes(), *identifier, policy_type, &mut numbers));
    }
    let register_rate = rate(count, start);
    let bytes = (live() - before) as f64 / count as f64;

    let (start, mut resolved) = (Instant::now(), 0);
    let allocations = ALLOCATOR.stats().allocations;
    while start.elapsed() < at_least {
        for _ in 0..1000 {
            let handle = handles[(numbers.next() % pools as u64) as usize].as_bytes();
            let resolution = space.resolve(PoolHandle::new(handle), items).expect("the pool is there");
            black_box(resolution.elements().last());
            resolved += 1;
        }
    }
    let resolve_rate = rate(resolved, start);
    let resolve_allocations = ALLOCATOR.stats().allocations - allocations;

    numbers.shuffle(&mut elements);
    let start = Instant::now();
    for (pool, identifier) in &elements {
        assert!(register(&mut space, handles[*pool].as_bytes(), *identifier, policy_type, &mut numbers));
    }
    let again_rate = rate(count, start);

    let (start, mut seen) = (Instant::now(), 0);
    while start.elapsed() < at_least / 2 {
        let mut cursor = Cursor::START;
        loop {
            let before = seen;
            for (element, next) in space.read_from(cursor, Some(HOME)).take(128) {
                black_box(element);
                cursor = next;
                seen += 1;
            }
            if seen == before {
                break;
            }
        }
    }
    let table_rate = rate(seen, start);

    numbers.shuffle(&mut elements);
    let start = Instant::now();
    for (pool, identifier) in &elements {
        let index = space.find(PoolHandle::new(handles[*pool].as_bytes()), PeIdentifier(*identifier));
        assert!(index.is_some_and(|index| space.remove(index)));
    }
    let deregister_rate = rate(count, start);
    assert!(space.is_empty());

    format!(
        "{{\"pools\":{pools},\"elements\":{per_pool},\"policy\":{},\"items\":{items},\"register\":{register_rate:.0},\
         \"resolve\":{resolve_rate:.0},\"reregister\":{again_rate:.0},\"table\":{table_rate:.0},\
         \"deregister\":{deregister_rate:.0},\"bytes_per_element\":{bytes:.0},\"resolve_allocations\":{resolve_allocations}}}",
        policy_type.0
    )
}

fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .expect("a number")
}

fn main() {
    let arguments: Vec<u64> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).map(|a| number(&a)).collect();
    let second = Duration::from_millis(if std::env::var_os("Q").is_some() { 5 } else { 1000 });
    if let [pools, elements, policy, items] = arguments[..] {
        println!("{}", row(pools as usize, elements as usize, PolicyType(policy as u32), items as usize, second));
        return;
    }
    for (pools, elements, policy, items) in [
        (1, 1_000, PolicyType::ROUND_ROBIN, 3),
        (1, 1_000, PolicyType::LEAST_USED, 3),
        (1, 1_000, PolicyType::WEIGHTED_RANDOM, 3),
        (1_000, 10, PolicyType::ROUND_ROBIN, 3),
        (1_000, 100, PolicyType::ROUND_ROBIN, 3),
        (1, 10_000, PolicyType::WEIGHTED_RANDOM, 20),
    ] {
        println!("{}", row(pools, elements, policy, items, second / 2));
    }
}
