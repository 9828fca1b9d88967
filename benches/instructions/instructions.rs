//! How many instructions the hot paths take, counted by Valgrind, so that it does not matter how busy the machine is. Each
//! count is for 100 operations, and has a limit a tenth above what it was when it was set: over it, the benchmark fails.
//!
//! `cargo bench --bench instructions` needs valgrind. It starts itself again under it, once for each count.

#![allow(missing_docs, clippy::expect_used, clippy::panic, reason = "a benchmark")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, ExitCode, Stdio};

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

fn resolve((mut space, _): (Handlespace, PolicyType)) -> Handlespace {
    for _ in 0..OPERATIONS {
        black_box(space.resolve(POOL, 3).expect("the pool is there").elements().last());
    }
    space
}

fn register_new((mut space, policy_type): (Handlespace, PolicyType)) -> Handlespace {
    for number in 1..=OPERATIONS {
        register(&mut space, MEMBERS + number, policy(policy_type, number));
    }
    space
}

fn register_again((mut space, policy_type): (Handlespace, PolicyType)) -> Handlespace {
    for number in 1..=OPERATIONS {
        register(&mut space, number, policy(policy_type, number + 7));
    }
    space
}

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

fn decode(octets: Vec<u8>) -> Vec<u8> {
    for _ in 0..OPERATIONS {
        black_box(Message::decode(black_box(&octets)).expect("it is right"));
    }
    octets
}

fn decode_and_encode(octets: Vec<u8>) -> Vec<u8> {
    let mut buffer = vec![0; octets.len()];
    for _ in 0..OPERATIONS {
        let decoded = Message::decode(black_box(&octets)).expect("it is right");
        black_box(decoded.message.encode(black_box(&mut buffer)).expect("there is room"));
    }
    buffer
}

/// Something to count: the instructions that it may take, and how it is done.
struct Case {
    name: &'static str,
    limit: u64,
    run: fn(),
}

impl Case {
    const fn new(name: &'static str, limit: u64, run: fn()) -> Self {
        Self { name, limit, run }
    }
}

const CASES: &[Case] = &[
    Case::new("resolve, round robin", 46_300, || count(space(PolicyType::ROUND_ROBIN), resolve)),
    Case::new("resolve, weighted round robin", 130_900, || count(space(PolicyType::WEIGHTED_ROUND_ROBIN), resolve)),
    Case::new("resolve, random", 58_600, || count(space(PolicyType::RANDOM), resolve)),
    Case::new("resolve, weighted random", 109_300, || count(space(PolicyType::WEIGHTED_RANDOM), resolve)),
    Case::new("resolve, priority", 116_300, || count(space(PolicyType::PRIORITY), resolve)),
    Case::new("resolve, least used", 86_800, || count(space(PolicyType::LEAST_USED), resolve)),
    Case::new("resolve, least used with degradation", 185_900, || {
        count(space(PolicyType::LEAST_USED_WITH_DEGRADATION), resolve)
    }),
    Case::new("resolve, priority least used", 86_800, || count(space(PolicyType::PRIORITY_LEAST_USED), resolve)),
    Case::new("resolve, randomized least used", 109_300, || count(space(PolicyType::RANDOMIZED_LEAST_USED), resolve)),
    Case::new("resolve, least used with distance", 90_100, || {
        count(space(PolicyType::LEAST_USED_WITH_DISTANCE), resolve)
    }),
    Case::new("register_new, round robin", 145_800, || count(space(PolicyType::ROUND_ROBIN), register_new)),
    Case::new("register_new, weighted round robin", 188_200, || {
        count(space(PolicyType::WEIGHTED_ROUND_ROBIN), register_new)
    }),
    Case::new("register_new, weighted random", 155_400, || count(space(PolicyType::WEIGHTED_RANDOM), register_new)),
    Case::new("register_new, least used", 173_700, || count(space(PolicyType::LEAST_USED), register_new)),
    Case::new("register_again, round robin", 98_700, || count(space(PolicyType::ROUND_ROBIN), register_again)),
    Case::new("register_again, weighted round robin", 133_800, || {
        count(space(PolicyType::WEIGHTED_ROUND_ROBIN), register_again)
    }),
    Case::new("register_again, weighted random", 110_500, || count(space(PolicyType::WEIGHTED_RANDOM), register_again)),
    Case::new("register_again, least used", 114_200, || count(space(PolicyType::LEAST_USED), register_again)),
    Case::new("deregister, round robin", 68_100, || count(space(PolicyType::ROUND_ROBIN), deregister)),
    Case::new("deregister, weighted round robin", 87_400, || {
        count(space(PolicyType::WEIGHTED_ROUND_ROBIN), deregister)
    }),
    Case::new("deregister, weighted random", 74_700, || count(space(PolicyType::WEIGHTED_RANDOM), deregister)),
    Case::new("deregister, least used", 78_800, || count(space(PolicyType::LEAST_USED), deregister)),
    Case::new("decode, registration", 127_900, || count(a_registration(), decode)),
    Case::new("decode, response of three", 280_400, || count(a_response(), decode)),
    Case::new("decode_and_encode, registration", 172_200, || count(a_registration(), decode_and_encode)),
    Case::new("decode_and_encode, response of three", 327_400, || count(a_response(), decode_and_encode)),
];

/// Valgrind counts while this function is on the stack.
#[inline(never)]
fn counted<I, O>(input: I, operation: fn(I) -> O) -> O {
    operation(input)
}

fn count<I, O>(input: I, operation: fn(I) -> O) {
    black_box(counted(black_box(input), black_box(operation)));
}

/// Starts a case under Valgrind.
fn start(case: &Case) -> Child {
    let program = std::env::current_exe().expect("this program has a path");
    Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*instructions*counted*"])
        .arg(program)
        .arg(case.name)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("valgrind is installed")
}

/// How many instructions Valgrind has counted.
fn collected(valgrind: Child) -> u64 {
    let output = valgrind.wait_with_output().expect("valgrind runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let count =
        said.lines().find_map(|line| line.split_once("Collected : ")).and_then(|(_, count)| count.trim().parse().ok());
    count.filter(|count| *count > 0).unwrap_or_else(|| panic!("valgrind has counted nothing: {said}"))
}

fn main() -> ExitCode {
    if let Some(case) = std::env::args().nth(1).and_then(|name| CASES.iter().find(|case| case.name == name)) {
        (case.run)();
        return ExitCode::SUCCESS;
    }
    println!("{:50} {:>12} {:>9}", "instructions of 100 operations", "instructions", "limit");
    let mut exceeded = 0;
    for together in CASES.chunks(std::thread::available_parallelism().map_or(1, |cores| cores.get())) {
        let started: Vec<_> = together.iter().map(|case| (case, start(case))).collect();
        for (case, valgrind) in started {
            let count = collected(valgrind);
            let verdict = if count > case.limit { "  EXCEEDED" } else { "" };
            exceeded += usize::from(count > case.limit);
            println!("{:50} {count:>12} {:>9}{verdict}", case.name, case.limit);
        }
    }
    println!("{} counts, {exceeded} over their limits", CASES.len());
    if exceeded == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
