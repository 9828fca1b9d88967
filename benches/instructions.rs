//! How many instructions the hot paths take, counted by Valgrind, so that it does not matter how busy the machine is. Each
//! count is for 100 operations, and has a limit a tenth above what it was when it was set: over it, the benchmark fails.
//!
//! `cargo bench --bench instructions` needs valgrind and gungraun-runner of the version in Cargo.lock.

#![allow(missing_docs, unused_qualifications, clippy::expect_used, reason = "a benchmark, and what its macros make")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use rserpool::Instant;
use rserpool::handlespace::{ElementIndex, ElementTimer, Handlespace, HandlespaceLimits};
use rserpool::wire::asap::{Body, HandleResolutionResponse, Message, Registration};
use rserpool::wire::{
    Distance, PeIdentifier, Policy, PolicyType, PoolElement, PoolHandle, RegistrationLife, Sequence, ServerIdentifier,
    Transport, TransportUse, Unknown,
};

const OPERATIONS: u32 = 100;
const MEMBERS: u32 = 1_000;
const POOL: PoolHandle<'static> = PoolHandle::new(b"pool-00000001");

/// A policy with values that differ from element to element.
fn policy(policy_type: PolicyType, number: u32) -> Policy<'static> {
    let (load, degradation) = (number.wrapping_mul(0x9e37_79b9), u32::MAX / 100);
    let weight = 1 + load % 10;
    let distance = Distance { factor: u32::MAX / 1_000, distance: load % 100 };
    match policy_type {
        PolicyType::WEIGHTED_ROUND_ROBIN => Policy::WeightedRoundRobin { weight },
        PolicyType::RANDOM => Policy::Random,
        PolicyType::WEIGHTED_RANDOM => Policy::WeightedRandom { weight },
        PolicyType::PRIORITY => Policy::Priority { priority: weight },
        PolicyType::LEAST_USED => Policy::LeastUsed { load },
        PolicyType::LEAST_USED_WITH_DEGRADATION => Policy::LeastUsedWithDegradation { load, degradation },
        PolicyType::PRIORITY_LEAST_USED => Policy::PriorityLeastUsed { load, degradation },
        PolicyType::RANDOMIZED_LEAST_USED => Policy::RandomizedLeastUsed { load },
        PolicyType::LEAST_USED_WITH_DISTANCE => Policy::LeastUsedWithDistance { load, distance },
        _ => Policy::RoundRobin,
    }
}

fn register(space: &mut Handlespace, number: u32, policy: Policy<'static>) -> ElementIndex {
    let address = [IpAddr::V4(Ipv4Addr::from(number))];
    let element = PoolElement {
        identifier: PeIdentifier(number.wrapping_mul(0x85eb_ca6b)),
        home: ServerIdentifier(0x1234),
        life: RegistrationLife(300),
        user_transport: Transport::sctp(7, TransportUse::DataOnly, &address),
        policy,
        asap_transport: Some(Transport::sctp(3863, TransportUse::DataOnly, &address)),
        unknown: Unknown::NONE,
    };
    let (index, _) = space.register(POOL, &element).expect("there is room");
    space.set_timer(index, ElementTimer::Expiry, Some(Instant::from_millis(300_000)));
    index
}

fn space(policy_type: PolicyType) -> (Handlespace, PolicyType) {
    let mut space = Handlespace::new(HandlespaceLimits::default(), 1);
    for number in 1..=MEMBERS {
        register(&mut space, number, policy(policy_type, number));
    }
    // What a first resolution allocates is there from then on.
    space.resolve(POOL, 3);
    (space, policy_type)
}

/// A limit for the instructions of 100 operations.
fn limit(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

#[library_benchmark]
#[bench::round_robin(args = (PolicyType::ROUND_ROBIN), setup = space, config = limit(46_300))]
#[bench::weighted_round_robin(args = (PolicyType::WEIGHTED_ROUND_ROBIN), setup = space, config = limit(130_900))]
#[bench::random(args = (PolicyType::RANDOM), setup = space, config = limit(58_600))]
#[bench::weighted_random(args = (PolicyType::WEIGHTED_RANDOM), setup = space, config = limit(109_300))]
#[bench::priority(args = (PolicyType::PRIORITY), setup = space, config = limit(116_300))]
#[bench::least_used(args = (PolicyType::LEAST_USED), setup = space, config = limit(86_800))]
#[bench::least_used_with_degradation(args = (PolicyType::LEAST_USED_WITH_DEGRADATION), setup = space, config = limit(185_900))]
#[bench::priority_least_used(args = (PolicyType::PRIORITY_LEAST_USED), setup = space, config = limit(86_800))]
#[bench::randomized_least_used(args = (PolicyType::RANDOMIZED_LEAST_USED), setup = space, config = limit(109_300))]
#[bench::least_used_with_distance(args = (PolicyType::LEAST_USED_WITH_DISTANCE), setup = space, config = limit(90_100))]
fn resolve((mut space, _): (Handlespace, PolicyType)) -> Handlespace {
    for _ in 0..OPERATIONS {
        black_box(space.resolve(POOL, 3).expect("the pool is there").elements().last());
    }
    space
}

#[library_benchmark]
#[bench::round_robin(args = (PolicyType::ROUND_ROBIN), setup = space, config = limit(145_800))]
#[bench::weighted_round_robin(args = (PolicyType::WEIGHTED_ROUND_ROBIN), setup = space, config = limit(188_200))]
#[bench::weighted_random(args = (PolicyType::WEIGHTED_RANDOM), setup = space, config = limit(155_400))]
#[bench::least_used(args = (PolicyType::LEAST_USED), setup = space, config = limit(173_700))]
fn register_new((mut space, policy_type): (Handlespace, PolicyType)) -> Handlespace {
    for number in 1..=OPERATIONS {
        register(&mut space, MEMBERS + number, policy(policy_type, number));
    }
    space
}

#[library_benchmark]
#[bench::round_robin(args = (PolicyType::ROUND_ROBIN), setup = space, config = limit(98_700))]
#[bench::weighted_round_robin(args = (PolicyType::WEIGHTED_ROUND_ROBIN), setup = space, config = limit(133_800))]
#[bench::weighted_random(args = (PolicyType::WEIGHTED_RANDOM), setup = space, config = limit(110_500))]
#[bench::least_used(args = (PolicyType::LEAST_USED), setup = space, config = limit(114_200))]
fn register_again((mut space, policy_type): (Handlespace, PolicyType)) -> Handlespace {
    for number in 1..=OPERATIONS {
        register(&mut space, number, policy(policy_type, number + 7));
    }
    space
}

#[library_benchmark]
#[bench::round_robin(args = (PolicyType::ROUND_ROBIN), setup = space, config = limit(68_100))]
#[bench::weighted_round_robin(args = (PolicyType::WEIGHTED_ROUND_ROBIN), setup = space, config = limit(87_400))]
#[bench::weighted_random(args = (PolicyType::WEIGHTED_RANDOM), setup = space, config = limit(74_700))]
#[bench::least_used(args = (PolicyType::LEAST_USED), setup = space, config = limit(78_800))]
fn deregister((mut space, _): (Handlespace, PolicyType)) -> Handlespace {
    for number in 1..=OPERATIONS {
        let index = space.find(POOL, PeIdentifier(number.wrapping_mul(0x85eb_ca6b)));
        black_box(index.is_some_and(|index| space.remove(index)));
    }
    space
}

fn an_element(address: &[IpAddr]) -> PoolElement<'_> {
    PoolElement {
        identifier: PeIdentifier(0x1234_5678),
        home: ServerIdentifier(0),
        life: RegistrationLife(300),
        user_transport: Transport::sctp(7, TransportUse::DataOnly, address),
        policy: Policy::LeastUsed { load: 1 },
        asap_transport: None,
        unknown: Unknown::NONE,
    }
}

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut octets = vec![0; message.encoded_len()];
    message.encode(&mut octets).expect("there is room");
    octets
}

fn a_registration() -> Vec<u8> {
    let address = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    encoded(&Body::Registration(Registration { pool_handle: POOL, pool_element: an_element(&address) }).into())
}

fn a_response() -> Vec<u8> {
    let address = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let elements = [an_element(&address); 3];
    let response = HandleResolutionResponse {
        pool_handle: POOL,
        accept_updates: false,
        policy: Some(Policy::LeastUsed { load: 1 }),
        pool_elements: Sequence::new(&elements),
        error: None,
    };
    encoded(&Body::HandleResolutionResponse(response).into())
}

#[library_benchmark]
#[bench::registration(args = (), setup = a_registration, config = limit(127_900))]
#[bench::response_of_three(args = (), setup = a_response, config = limit(280_400))]
fn decode(octets: Vec<u8>) -> Vec<u8> {
    for _ in 0..OPERATIONS {
        black_box(Message::decode(black_box(&octets)).expect("it is right"));
    }
    octets
}

#[library_benchmark]
#[bench::registration(args = (), setup = a_registration, config = limit(172_200))]
#[bench::response_of_three(args = (), setup = a_response, config = limit(327_400))]
fn decode_and_encode(octets: Vec<u8>) -> Vec<u8> {
    let mut buffer = vec![0; octets.len()];
    for _ in 0..OPERATIONS {
        let decoded = Message::decode(black_box(&octets)).expect("it is right");
        black_box(decoded.message.encode(black_box(&mut buffer)).expect("there is room"));
    }
    buffer
}

library_benchmark_group!(name = handlespace, benchmarks = [resolve, register_new, register_again, deregister]);
library_benchmark_group!(name = wire, benchmarks = [decode, decode_and_encode]);

main!(library_benchmark_groups = [handlespace, wire]);
