//! Octets in, octets out, on one thread: how many messages the codec decodes and encodes again in a second, and how many
//! requests a registrar serves that has 100,000 elements; and how long it takes to take over the elements of another.
//!
//! `cargo bench --bench throughput`; with `-- --quick` in less time, with `-- --json` as one JSON object.

#![allow(missing_docs, clippy::expect_used, clippy::cast_precision_loss, reason = "a benchmark")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant as Clock};

use rserpool::registrar::{Rates, Registrar, RegistrarConfig};
use rserpool::wire::asap::{Body, HandleResolution, HandleResolutionResponse, Message, Registration};
use rserpool::wire::enrp;
use rserpool::wire::{
    PayloadProtocol, PeIdentifier, Policy, PoolElement, PoolHandle, RegistrationLife, Sequence, ServerIdentifier,
    Transport, TransportUse, Unknown,
};
use rserpool::{Action, AssociationId, Endpoint, EndpointBuf, Input, Instant, Machine, Protocol, Purpose};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const POOLS: u32 = 1_000;
const ELEMENTS: u32 = 100_000;

fn element(identifier: u32, address: &[IpAddr]) -> PoolElement<'_> {
    PoolElement {
        identifier: PeIdentifier(identifier),
        home: ServerIdentifier::NONE,
        life: RegistrationLife(300),
        user_transport: Transport::sctp(7, TransportUse::DataOnly, address),
        policy: Policy::LeastUsed { load: identifier },
        asap_transport: None,
        unknown: Unknown::NONE,
    }
}

fn handle(number: u32) -> String {
    format!("pool-{:08}", number % POOLS)
}

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut octets = vec![0; message.encoded_len()];
    message.encode(&mut octets).expect("there is room");
    octets
}

fn registration(number: u32) -> Vec<u8> {
    let (handle, address) = (handle(number), [IpAddr::V4(Ipv4Addr::from(number))]);
    let registration = Registration {
        pool_handle: PoolHandle::new(handle.as_bytes()),
        pool_element: element(number.wrapping_mul(0x85eb_ca6b), &address),
    };
    encoded(&Body::Registration(registration).into())
}

fn response() -> Vec<u8> {
    let address = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let elements = [1, 2, 3].map(|identifier| element(identifier, &address));
    let response = HandleResolutionResponse {
        pool_handle: PoolHandle::new(b"pool-00000001"),
        accept_updates: false,
        policy: Some(Policy::LeastUsed { load: 1 }),
        pool_elements: Sequence::new(&elements),
        error: None,
    };
    encoded(&Body::HandleResolutionResponse(response).into())
}

/// How many messages are decoded and encoded again in a second, and how many allocations that took in all.
fn codec(octets: &[u8], time: Duration) -> (f64, usize) {
    let mut buffer = vec![0; octets.len()];
    let allocations = ALLOCATOR.stats().allocations;
    let (start, mut count) = (Clock::now(), 0);
    while start.elapsed() < time {
        for _ in 0..1_000 {
            let decoded = Message::decode(black_box(octets)).expect("it is right");
            black_box(decoded.message.encode(black_box(&mut buffer)).expect("there is room"));
        }
        count += 1_000;
    }
    assert_eq!(buffer, octets);
    (f64::from(count) / start.elapsed().as_secs_f64(), ALLOCATOR.stats().allocations - allocations)
}

/// A registrar and its network: what it sends is looked at, no more.
struct Server {
    registrar: Registrar,
    now: Instant,
    octets_sent: usize,
}

impl Server {
    fn new() -> Self {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut config = RegistrarConfig::new(EndpointBuf::single(Protocol::Sctp, address, 9901), 1);
        config.resolution_items = 3;
        config.limits.associations = 1 << 20;
        config.limits.association_rates = Rates::UNLIMITED;
        config.limits.rates = Rates::UNLIMITED;
        let mut server = Self { registrar: Registrar::new(config), now: Instant::from_millis(1), octets_sent: 0 };
        server.input(Input::Timeout);
        assert!(server.registrar.is_serving());
        server
    }

    fn input(&mut self, input: Input<'_>) {
        self.registrar.handle(self.now, input);
        while let Some(action) = self.registrar.poll_action() {
            if let Action::Send { message, .. } = black_box(action) {
                self.octets_sent += message.octets.len();
            }
        }
    }

    fn accept(&mut self, number: u32) -> AssociationId {
        let association = AssociationId::accepted(number);
        let addresses = [IpAddr::V4(Ipv4Addr::from(number))];
        let peer = Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port: 3863 };
        self.input(Input::Accepted { association, purpose: Purpose::Asap, peer });
        association
    }

    fn message(&mut self, association: AssociationId, octets: &[u8]) {
        self.input(Input::Message { association, protocol: PayloadProtocol::ASAP, octets });
    }
}

struct Figures {
    registrations: f64,
    registrations_again: f64,
    resolutions: f64,
    resolution_allocations: usize,
}

fn registrar(time: Duration) -> Figures {
    let mut server = Server::new();
    let messages: Vec<Vec<u8>> = (0..ELEMENTS).map(registration).collect();
    let associations: Vec<AssociationId> = (0..ELEMENTS).map(|number| server.accept(number)).collect();
    let mut registrations = || {
        let start = Clock::now();
        for (octets, association) in messages.iter().zip(&associations) {
            server.message(*association, octets);
        }
        f64::from(ELEMENTS) / start.elapsed().as_secs_f64()
    };
    let (new, again) = (registrations(), registrations());
    assert_eq!(server.registrar.handlespace().len(), ELEMENTS as usize);

    let user = server.accept(ELEMENTS);
    let requests: Vec<Vec<u8>> = (0..POOLS)
        .map(|number| {
            let handle = handle(number.wrapping_mul(7_919));
            let pool_handle = PoolHandle::new(handle.as_bytes());
            let request = HandleResolution { pool_handle, send_updates: false, items: None };
            encoded(&Body::HandleResolution(request).into())
        })
        .collect();
    server.message(user, requests.first().expect("there are some"));
    let allocations = ALLOCATOR.stats().allocations;
    let (start, mut count) = (Clock::now(), 0);
    while start.elapsed() < time {
        for octets in &requests {
            server.message(user, octets);
        }
        count += POOLS;
    }
    Figures {
        registrations: new,
        registrations_again: again,
        resolutions: f64::from(count) / start.elapsed().as_secs_f64(),
        resolution_allocations: ALLOCATOR.stats().allocations - allocations,
    }
}

/// How long a registrar computes to take over the 100,000 elements of another, and the longest single step of it.
fn takeover() -> (Duration, Duration) {
    let mut server = Server::new();
    let (me, target) = (server.registrar.identifier(), ServerIdentifier(0xdead));
    let peer = server.accept(ELEMENTS + 1);
    let enrp = |server: &mut Server, body: enrp::Body<'_>| {
        let message = enrp::Message::new(target, me, body);
        let mut octets = vec![0; message.encoded_len()];
        message.encode(&mut octets).expect("there is room");
        server.input(Input::Message { association: peer, protocol: PayloadProtocol::ENRP, octets: &octets });
    };
    let address = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let server_information = enrp_server_information(target, Transport::sctp(9901, TransportUse::DataOnly, &address));
    enrp(&mut server, server_information);
    for number in 0..ELEMENTS {
        let (handle, address) = (handle(number), [IpAddr::V4(Ipv4Addr::from(number))]);
        let pool_element = PoolElement {
            home: target,
            asap_transport: Some(Transport::sctp(3863, TransportUse::DataOnly, &address)),
            ..element(number.wrapping_mul(0x85eb_ca6b), &address)
        };
        let update = enrp::HandleUpdate {
            action: enrp::UpdateAction::AddPe,
            pool_handle: PoolHandle::new(handle.as_bytes()),
            pool_element,
            takeover_suggested: false,
        };
        enrp(&mut server, enrp::Body::HandleUpdate(update));
    }
    assert_eq!(server.registrar.handlespace().owned_by(target).len(), ELEMENTS as usize);
    // The peer falls silent. Time passes; only the computing counts.
    let (mut all, mut longest) = (Duration::ZERO, Duration::ZERO);
    while server.registrar.handlespace().owned_by(me).len() < ELEMENTS as usize {
        server.now = server.now.max(server.registrar.poll_timeout().expect("it waits for something"));
        let start = Clock::now();
        server.input(Input::Timeout);
        let step = start.elapsed();
        all += step;
        longest = longest.max(step);
    }
    (all, longest)
}

fn enrp_server_information<'a>(identifier: ServerIdentifier, transport: Transport<'a>) -> enrp::Body<'a> {
    enrp::Body::Presence(enrp::Presence {
        reply_required: false,
        checksum: None,
        server_information: Some(rserpool::wire::ServerInformation { identifier, transport, unknown: Unknown::NONE }),
    })
}

fn main() {
    let has = |name: &str| std::env::args().any(|argument| argument == name);
    let time = Duration::from_millis(if has("--quick") { 300 } else { 2_000 });
    let ((registrations, a), (responses, b)) = (codec(&registration(7), time), codec(&response(), time));
    let figures = registrar(time);
    let (all, longest) = takeover();
    let rows = [
        ("codec_registrations_per_s", registrations),
        ("codec_responses_of_3_per_s", responses),
        ("codec_allocations", (a + b) as f64),
        ("registrar_registrations_per_s", figures.registrations),
        ("registrar_registrations_again_per_s", figures.registrations_again),
        ("registrar_resolutions_of_3_per_s", figures.resolutions),
        ("registrar_resolution_allocations", figures.resolution_allocations as f64),
        ("takeover_of_100000_us", all.as_micros() as f64),
        ("takeover_longest_step_us", longest.as_micros() as f64),
    ];
    if has("--json") {
        let fields: Vec<String> = rows.iter().map(|(name, value)| format!("\"{name}\":{value:.0}")).collect();
        println!("{{{}}}", fields.join(","));
    } else {
        for (name, value) in rows {
            println!("{name:40} {value:>12.0}");
        }
    }
}
