//! How much of a heap a small registrar takes, with limits for a closed network: what a device has to set aside for one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::alloc::System;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rserpool::registrar::{Registrar, RegistrarConfig};
use rserpool::wire::asap::{Body, HandleResolution, Message, Registration};
use rserpool::wire::{
    PayloadProtocol, PeIdentifier, Policy, PoolElement, PoolHandle, RegistrationLife, ServerIdentifier, Transport,
    TransportUse, Unknown,
};
use rserpool::{Action, AssociationId, CloseReason, Endpoint, EndpointBuf, Input, Instant, Machine, Protocol, Purpose};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many octets are in use.
fn in_use() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// A registrar, and the most that it has taken.
struct Measured {
    registrar: Registrar,
    before: usize,
    most: usize,
}

impl Measured {
    fn look(&mut self) {
        self.most = self.most.max(in_use() - self.before);
    }

    fn input(&mut self, now: Instant, input: Input<'_>) -> bool {
        self.registrar.handle(now, input);
        self.look();
        let mut turned_away = false;
        while let Some(action) = self.registrar.poll_action() {
            turned_away |= matches!(action, Action::Abort { .. });
        }
        self.look();
        turned_away
    }

    fn says(&mut self, now: Instant, association: AssociationId, body: Body<'_>) {
        let message = Message::from(body);
        let mut octets = [0; 256];
        let length = message.encode(&mut octets).unwrap();
        let octets = octets.get(..length).unwrap();
        self.input(now, Input::Message { association, protocol: PayloadProtocol::ASAP, octets });
    }
}

#[test]
fn a_registrar_for_a_small_closed_network_needs_a_small_heap_whatever_comes() {
    let before = in_use();
    let here = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let mut config = RegistrarConfig::new(EndpointBuf::single(Protocol::Sctp, here, 9901), 7);
    config.resolution_items = 8;
    let limits = &mut config.limits;
    (limits.associations, limits.peers, limits.downloads) = (24, 4, 1);
    (limits.updates, limits.association_updates) = (8, 2);
    (limits.table_response_elements, limits.elements_per_step) = (4, 4);
    (limits.handlespace.pools, limits.handlespace.elements, limits.handlespace.element) = (4, 16, 128);
    let mut measured = Measured { registrar: Registrar::new(config), before, most: 0 };
    let mut now = Instant::ZERO;
    measured.input(now, Input::Timeout);

    // Many more come than it takes, with elements in many more pools, and ask for updates; some go, and others come.
    let mut turned_away = 0;
    for round in 0..50u32 {
        for number in 0..40u32 {
            let association = AssociationId::accepted(round * 40 + number);
            let addresses = [IpAddr::V4(Ipv4Addr::new(10, 1, round as u8, number as u8))];
            let peer = Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port: 7_000 };
            if measured.input(now, Input::Accepted { association, purpose: Purpose::Asap, peer }) {
                turned_away += 1;
                continue;
            }
            let pool = [b'a' + (number % 7) as u8];
            let pool_handle = PoolHandle::new(&pool);
            let pool_element = PoolElement {
                identifier: PeIdentifier(round * 40 + number),
                home: ServerIdentifier::NONE,
                life: RegistrationLife(300),
                user_transport: Transport::sctp(7_000, TransportUse::DataPlusControl, &addresses),
                policy: Policy::RoundRobin,
                asap_transport: None,
                unknown: Unknown::NONE,
            };
            measured.says(now, association, Body::Registration(Registration { pool_handle, pool_element }));
            let request = HandleResolution { pool_handle, send_updates: true, items: None };
            measured.says(now, association, Body::HandleResolution(request));
        }
        for number in (0..40u32).step_by(2) {
            let association = AssociationId::accepted(round * 40 + number);
            measured.input(now, Input::Closed { association, reason: CloseReason::Lost });
        }
        for _ in 0..100 {
            now = now + Duration::from_millis(500);
            measured.input(now, Input::Timeout);
        }
    }
    assert!(turned_away > 100, "{turned_away}");
    assert!(measured.registrar.handlespace().len() <= 16);
    let (most, itself) = (measured.most, size_of::<Registrar>());
    println!("a registrar for 16 elements and 24 associations takes {itself} octets and up to {most} of a heap");
    assert!(most < 40 * 1024, "{most}");
}
