//! What goes over a limit, or does not fit its pool, is refused with the RFC's cause, and nothing has changed.

use std::net::{IpAddr, Ipv4Addr};

use rserpool::handlespace::{Cursor, Handlespace, HandlespaceLimits};
use rserpool::wire::{
    CauseCode, CauseInformation, IpProtocol, PeIdentifier, Policy, PoolElement, PoolHandle, ServerIdentifier,
    Transport, TransportProtocol, TransportUse,
};

use crate::support::{POOL, element};

/// All that can be seen of a handlespace.
fn state(space: &Handlespace) -> (usize, usize, u16, Vec<Vec<u8>>) {
    let octets = space.read_from(Cursor::START, None).map(|(element, _)| element.octets().to_vec());
    (space.len(), space.pool_count(), space.checksum(ServerIdentifier(1)).0, octets.collect())
}

/// The cause with which an element is refused.
#[track_caller]
fn refused(space: &mut Handlespace, pool: &[u8], element: &PoolElement<'_>) -> CauseCode {
    let before = state(space);
    let cause = space.register(PoolHandle::new(pool), element).unwrap_err().cause().code;
    assert_eq!(state(space), before);
    cause
}

fn limited(limits: HandlespaceLimits) -> Handlespace {
    Handlespace::new(limits, 1)
}

#[test]
fn elements_in_all_and_of_a_pool_are_limited_but_those_that_are_there_may_register_again() {
    let limits = HandlespaceLimits { elements: 3, elements_per_pool: 2, ..HandlespaceLimits::default() };
    let mut space = limited(limits);
    for identifier in [1, 2] {
        space.register(POOL, &element(identifier, 1, Policy::RoundRobin)).unwrap();
    }
    assert_eq!(refused(&mut space, b"pool", &element(3, 1, Policy::RoundRobin)), CauseCode::LACK_OF_RESOURCES);
    space.register(POOL, &element(2, 1, Policy::RoundRobin)).unwrap();
    space.register(PoolHandle::new(b"other"), &element(3, 1, Policy::RoundRobin)).unwrap();
    assert_eq!(refused(&mut space, b"other", &element(4, 1, Policy::RoundRobin)), CauseCode::LACK_OF_RESOURCES);
    assert_eq!(refused(&mut space, b"third", &element(4, 1, Policy::RoundRobin)), CauseCode::LACK_OF_RESOURCES);
    let index = space.find(POOL, PeIdentifier(1)).unwrap();
    assert!(space.remove(index));
    space.register(POOL, &element(4, 1, Policy::RoundRobin)).unwrap();
}

#[test]
fn pools_are_limited_and_a_pool_that_is_empty_makes_room() {
    let mut space = limited(HandlespaceLimits { pools: 1, ..HandlespaceLimits::default() });
    let (index, _) = space.register(POOL, &element(1, 1, Policy::RoundRobin)).unwrap();
    assert_eq!(refused(&mut space, b"other", &element(1, 1, Policy::RoundRobin)), CauseCode::LACK_OF_RESOURCES);
    space.remove(index);
    assert_eq!(space.pool_count(), 0);
    space.register(PoolHandle::new(b"other"), &element(1, 1, Policy::RoundRobin)).unwrap();
}

#[test]
fn pool_handles_addresses_and_descriptions_are_limited() {
    let limits = HandlespaceLimits { pool_handle: 4, addresses: 2, element: 80, ..HandlespaceLimits::default() };
    let mut space = limited(limits);
    assert_eq!(refused(&mut space, b"pools", &element(1, 1, Policy::RoundRobin)), CauseCode::LACK_OF_RESOURCES);
    let addresses = [1, 2, 3].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
    let plain = element(1, 1, Policy::RoundRobin);
    let user = |count| PoolElement {
        user_transport: Transport::sctp(7, TransportUse::DataOnly, &addresses[..count]),
        ..plain
    };
    let asap = |count| PoolElement {
        asap_transport: Some(Transport::sctp(7, TransportUse::DataOnly, &addresses[..count])),
        ..user(1)
    };
    assert_eq!(refused(&mut space, b"pool", &user(3)), CauseCode::LACK_OF_RESOURCES);
    assert_eq!(refused(&mut space, b"pool", &asap(3)), CauseCode::LACK_OF_RESOURCES);
    space.register(POOL, &user(2)).unwrap();
    space.register(POOL, &asap(2)).unwrap();
    // 16 octets, 40 for the user transport, 8 for the policy, 24 for the other transport.
    let large = PoolElement { asap_transport: asap(2).asap_transport, ..user(2) };
    let policy = Policy::Other { policy_type: rserpool::wire::PolicyType(0x8000_0000), data: b"twelve octet" };
    assert_eq!(large.encoded_len(), 72);
    let larger = PoolElement { policy, ..large };
    assert_eq!(refused(&mut space, b"more", &larger), CauseCode::LACK_OF_RESOURCES);
}

#[test]
fn a_pool_keeps_its_policy_and_says_which_it_is() {
    // RFC 5352 §3.1, RFC 5354 §3.12.6.
    let mut space = limited(HandlespaceLimits::default());
    space.register(POOL, &element(1, 1, Policy::LeastUsed { load: 7 })).unwrap();
    let other = element(2, 1, Policy::RoundRobin);
    assert_eq!(refused(&mut space, b"pool", &other), CauseCode::INCONSISTENT_POOLING_POLICY);
    let cause = space.register(POOL, &other).unwrap_err().cause();
    assert_eq!(cause.information, CauseInformation::Policy(Policy::LeastUsed { load: 7 }));
    // The same goes for a member that registers again.
    let again = element(1, 1, Policy::RoundRobin);
    assert_eq!(refused(&mut space, b"pool", &again), CauseCode::INCONSISTENT_POOLING_POLICY);
}

#[test]
fn a_pool_keeps_its_transport_type_and_use() {
    // RFC 5352 §3.1, RFC 5354 §3.12.8, §3.12.9.
    let mut space = limited(HandlespaceLimits::default());
    space.register(POOL, &element(1, 1, Policy::RoundRobin)).unwrap();
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let tcp = PoolElement {
        user_transport: Transport::ip(IpProtocol::Tcp, 80, address),
        ..element(2, 1, Policy::RoundRobin)
    };
    assert_eq!(refused(&mut space, b"pool", &tcp), CauseCode::INCONSISTENT_TRANSPORT_TYPE);
    let cause = space.register(POOL, &tcp).unwrap_err().cause();
    let CauseInformation::Transport(transport) = cause.information else { panic!("{cause:?}") };
    assert_eq!(transport.protocol(), TransportProtocol::Sctp);
    let addresses = [address];
    let with_control = PoolElement {
        user_transport: Transport::sctp(7, TransportUse::DataPlusControl, &addresses),
        ..element(2, 1, Policy::RoundRobin)
    };
    let code = CauseCode::INCONSISTENT_DATA_CONTROL_CONFIGURATION;
    assert_eq!(refused(&mut space, b"pool", &with_control), code);
}
