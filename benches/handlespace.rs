//! The handlespace workload: register, resolve, register again, read the table, deregister; each timed on its own, one
//! thread, no network. And how many octets an element takes, and how many allocations resolving and registering again.
//!
//! `cargo bench --bench handlespace` prints a table; `-- --quick` a shorter one, in less time; `-- --json` one JSON object a
//! row. `-- POOLS ELEMENTS POLICY-NUMBER ITEMS` runs one row and prints its JSON object.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
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
        PolicyType::ROUND_ROBIN => Policy::RoundRobin,
        PolicyType::WEIGHTED_ROUND_ROBIN => Policy::WeightedRoundRobin { weight },
        PolicyType::RANDOM => Policy::Random,
        PolicyType::WEIGHTED_RANDOM => Policy::WeightedRandom { weight },
        PolicyType::PRIORITY => Policy::Priority { priority: weight },
        PolicyType::LEAST_USED => Policy::LeastUsed { load },
        PolicyType::LEAST_USED_WITH_DEGRADATION => Policy::LeastUsedWithDegradation { load, degradation },
        PolicyType::PRIORITY_LEAST_USED => Policy::PriorityLeastUsed { load, degradation },
        PolicyType::RANDOMIZED_LEAST_USED => Policy::RandomizedLeastUsed { load },
        other => panic!("the policies of RFC 5356 are measured, and {other} is none"),
    }
}

const SECOND: Duration = Duration::from_secs(1);
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

/// One row: operations a second, and what they took.
struct Row {
    pools: usize,
    per_pool: usize,
    policy_type: PolicyType,
    items: usize,
    register: f64,
    resolve: f64,
    register_again: f64,
    table: f64,
    deregister: f64,
    bytes_per_element: f64,
    resolve_allocations: usize,
    register_again_allocations: usize,
}

impl Row {
    fn json(&self) -> String {
        let Self { pools, per_pool, policy_type, items, register, resolve, .. } = self;
        let Self { register_again, table, deregister, bytes_per_element, .. } = self;
        format!(
            "{{\"pools\":{pools},\"elements\":{per_pool},\"policy\":{},\"items\":{items},\"register\":{register:.0},\
             \"resolve\":{resolve:.0},\"reregister\":{register_again:.0},\"table\":{table:.0},\
             \"deregister\":{deregister:.0},\"bytes_per_element\":{bytes_per_element:.0},\
             \"resolve_allocations\":{},\"reregister_allocations\":{}}}",
            policy_type.0, self.resolve_allocations, self.register_again_allocations
        )
    }

    const HEAD: &'static str = "   pools x elements  policy                        items  register  resolve  again   \
                                table  deregister  octets  allocations\n\
                                                                                          (millions a second)";

    fn line(&self) -> String {
        let million = |rate: f64| rate / 1e6;
        format!(
            "{:>8} x {:<8} {:30} {:>4} {:>9.2} {:>8.2} {:>6.2} {:>7.0} {:>11.2} {:>7.0} {:>6} {:>5}",
            self.pools,
            self.per_pool,
            self.policy_type.name(),
            self.items,
            million(self.register),
            million(self.resolve),
            million(self.register_again),
            million(self.table),
            million(self.deregister),
            self.bytes_per_element,
            self.resolve_allocations,
            self.register_again_allocations,
        )
    }
}

fn row(pools: usize, per_pool: usize, policy_type: PolicyType, items: usize, at_least: Duration) -> Row {
    let mut numbers = Numbers(88_172_645_463_325_252);
    let handles: Vec<String> = (0..pools).map(|pool| format!("pool-{pool:08}")).collect();
    let count = pools * per_pool;
    let mut elements: Vec<(u32, u32)> =
        (0..count).map(|number| ((number / per_pool) as u32, numbers.next() as u32 | 1)).collect();
    numbers.shuffle(&mut elements);
    let limits =
        HandlespaceLimits { elements: 1 << 30, elements_per_pool: 1 << 30, pools: 1 << 30, ..Default::default() };

    let before = live();
    let mut space = Handlespace::new(limits, 1);
    let start = Instant::now();
    for (pool, identifier) in &elements {
        assert!(register(&mut space, handles[*pool as usize].as_bytes(), *identifier, policy_type, &mut numbers));
    }
    let register_rate = rate(count, start);
    // Of elements that are drawn with the same identifier only the first is new.
    let bytes_per_element = (live() - before) as f64 / space.len() as f64;

    // The first resolution makes room for all further ones.
    space.resolve(PoolHandle::new(handles[0].as_bytes()), items);
    let allocations = ALLOCATOR.stats().allocations;
    let (start, mut resolved) = (Instant::now(), 0);
    while start.elapsed() < at_least {
        for _ in 0..1000 {
            let handle = handles[(numbers.next() % pools as u64) as usize].as_bytes();
            let resolution = space.resolve(PoolHandle::new(handle), items).expect("the pool is there");
            black_box(resolution.elements().last());
            resolved += 1;
        }
    }
    let resolve = rate(resolved, start);
    let resolve_allocations = ALLOCATOR.stats().allocations - allocations;

    numbers.shuffle(&mut elements);
    let allocations = ALLOCATOR.stats().allocations;
    let start = Instant::now();
    for (pool, identifier) in &elements {
        assert!(register(&mut space, handles[*pool as usize].as_bytes(), *identifier, policy_type, &mut numbers));
    }
    let register_again = rate(count, start);
    let register_again_allocations = ALLOCATOR.stats().allocations - allocations;

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
    let table = rate(seen, start);

    numbers.shuffle(&mut elements);
    let start = Instant::now();
    for (pool, identifier) in &elements {
        let index = space.find(PoolHandle::new(handles[*pool as usize].as_bytes()), PeIdentifier(*identifier));
        black_box(index.is_some_and(|index| space.remove(index)));
    }
    let deregister = rate(count, start);
    assert!(space.is_empty());
    Row {
        pools,
        per_pool,
        policy_type,
        items,
        register: register_rate,
        resolve,
        register_again,
        table,
        deregister,
        bytes_per_element,
        resolve_allocations,
        register_again_allocations,
    }
}

fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .expect("a number")
}

const ALL_POLICIES: [PolicyType; 9] = [
    PolicyType::ROUND_ROBIN,
    PolicyType::WEIGHTED_ROUND_ROBIN,
    PolicyType::RANDOM,
    PolicyType::WEIGHTED_RANDOM,
    PolicyType::PRIORITY,
    PolicyType::LEAST_USED,
    PolicyType::LEAST_USED_WITH_DEGRADATION,
    PolicyType::PRIORITY_LEAST_USED,
    PolicyType::RANDOMIZED_LEAST_USED,
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let numbers: Vec<u64> =
        arguments.iter().filter(|argument| !argument.starts_with("--")).map(|a| number(a)).collect();
    if let [pools, elements, policy, items] = numbers[..] {
        let policy_type = PolicyType(policy as u32);
        println!("{}", row(pools as usize, elements as usize, policy_type, items as usize, SECOND).json());
        return;
    }
    assert!(numbers.is_empty(), "POOLS ELEMENTS POLICY-NUMBER ITEMS, or none of them");
    let (sizes, time) = match has("--quick") {
        true => (&[(1, 1_000), (1_000, 100)][..], SECOND / 5),
        false => (&[(1, 1_000), (1_000, 10), (1_000, 100), (10_000, 100)][..], SECOND),
    };
    let small = sizes.iter().flat_map(|size| ALL_POLICIES.map(|policy_type| (*size, policy_type, 3)));
    if !has("--json") {
        println!("{}", Row::HEAD);
    }
    for ((pools, elements), policy_type, items) in small.chain([((1, 10_000), PolicyType::WEIGHTED_RANDOM, 20)]) {
        let row = row(pools, elements, policy_type, items, time);
        println!("{}", if has("--json") { row.json() } else { row.line() });
    }
}
