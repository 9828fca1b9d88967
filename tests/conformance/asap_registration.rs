//! Registration, deregistration, keep-alives (RFC 5352 §3.1, §3.2, §3.4, §3.5).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rserpool::handlespace::Cursor;
use rserpool::pool_element::{ElementEvent, RegistrationFailure};
use rserpool::registrar::{RegistrarEvent, RemovalReason};
use rserpool::wire::asap::{self, Body, ElementReference, message_type};
use rserpool::wire::{
    CauseCode, CauseInformation, PayloadProtocol, PeIdentifier, Policy, PolicyType, PoolElement, PoolHandle,
    RegistrationLife, ServerIdentifier, Transport, TransportUse, Unknown,
};

use crate::events::event;
use crate::network::{Network, NodeId, address};

const ASAP: PayloadProtocol = PayloadProtocol::ASAP;
const SECOND: Duration = Duration::from_secs(1);

/// The elements that a registrar has removed, and why.
fn removed(net: &Network, registrar: NodeId) -> Vec<(u32, RemovalReason)> {
    net.events(registrar).pick(|event: RegistrarEvent<'_>| match event {
        RegistrarEvent::Removed { identifier, reason, .. } => Some((identifier.0, reason)),
        _ => None,
    })
}

/// The elements that a registrar has refused, and why.
fn refusals(net: &Network, registrar: NodeId) -> Vec<(u32, CauseCode)> {
    net.events(registrar).pick(|event: RegistrarEvent<'_>| match event {
        RegistrarEvent::RegistrationRefused { identifier, cause, .. } => Some((identifier.0, cause)),
        _ => None,
    })
}

/// Why an element was rejected.
fn rejections(net: &Network, element: NodeId) -> Vec<CauseCode> {
    net.events(element).pick(|event: ElementEvent<'_>| match event {
        ElementEvent::RegistrationFailed(RegistrationFailure::Rejected(cause)) => cause,
        _ => None,
    })
}

#[test]
fn an_element_registers_and_the_registrar_owns_it_and_records_where_it_speaks_asap() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element("pool", 7, &[registrar]);
    net.wait(SECOND, |net| net.events(element).has(event!(ElementEvent::Registered { .. })));
    assert_eq!(net.table(registrar), [(7, 0x100)]);
    net.with_registrar(registrar, |registrar, _| {
        let (entry, _) = registrar.handlespace().read_from(Cursor::START, None).next().unwrap();
        // RFC 5352 §3.1 4.
        let addresses = [address(element)];
        assert_eq!(entry.view().asap_transport, Some(Transport::sctp(7000, TransportUse::DataOnly, &addresses)));
    });
}

#[test]
fn an_element_registers_again_before_its_registration_expires() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element_with("pool", 7, &[registrar], |config| config.life = Some(Duration::from_secs(100)));
    net.run(Duration::from_secs(1000));
    // T4 is 20 s less than the life: registrations at 0, 80, 160, … s.
    let times: Vec<u64> = net
        .messages(element, registrar, ASAP, message_type::REGISTRATION)
        .iter()
        .map(|sent| sent.at.as_micros() / 1_000_000)
        .collect();
    assert_eq!(times, [0, 80, 160, 240, 320, 400, 480, 560, 640, 720, 800, 880, 960]);
    assert_eq!(net.table(registrar), [(7, 0x100)]);
    assert!(!net.events(registrar).has(event!(RegistrarEvent::Removed { .. })));
}

#[test]
fn an_element_that_does_not_register_again_is_removed_when_its_life_ends() {
    let mut net = Network::new();
    // No keep-alive finds out before that nobody is there.
    let registrar = net.registrar_with(&[], |config| config.keep_alive_interval = Duration::from_secs(36_000));
    let addresses = [crate::network::STRANGER];
    for (identifier, life) in [(8, RegistrationLife(60)), (9, RegistrationLife::INFINITE)] {
        let pool_element = PoolElement {
            identifier: PeIdentifier(identifier),
            home: ServerIdentifier::NONE,
            life,
            user_transport: Transport::sctp(7000, TransportUse::DataPlusControl, &addresses),
            policy: Policy::RoundRobin,
            asap_transport: None,
            unknown: Unknown::NONE,
        };
        let registration = asap::Registration { pool_handle: PoolHandle::new(b"pool"), pool_element };
        let message = asap::Message::from(Body::Registration(registration));
        let mut octets = vec![0; message.encoded_len()];
        message.encode(&mut octets).unwrap();
        net.inject(registrar, ASAP, &octets);
    }
    net.run(Duration::from_secs(59));
    assert_eq!(net.table(registrar), [(8, 0x100), (9, 0x100)]);
    net.run(Duration::from_secs(2));
    assert_eq!(net.table(registrar), [(9, 0x100)]);
    assert_eq!(removed(&net, registrar), [(8, RemovalReason::Expired)]);
}

#[test]
fn a_registration_that_differs_from_its_pool_is_rejected_with_its_cause() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    net.element("pool", 1, &[registrar]);
    net.run(SECOND);
    let policy = net.element_with("pool", 2, &[registrar], |config| config.policy = Policy::Random);
    net.run(SECOND);
    assert_eq!(rejections(&net, policy), [CauseCode::INCONSISTENT_POOLING_POLICY]);

    let try_transport = |net: &mut Network, user_transport: Transport<'_>| {
        let pool_element = PoolElement {
            identifier: PeIdentifier(3),
            home: ServerIdentifier::NONE,
            life: RegistrationLife(60),
            user_transport,
            policy: Policy::RoundRobin,
            asap_transport: None,
            unknown: Unknown::NONE,
        };
        let registration = asap::Registration { pool_handle: PoolHandle::new(b"pool"), pool_element };
        let message = asap::Message::from(Body::Registration(registration));
        let mut octets = vec![0; message.encoded_len()];
        message.encode(&mut octets).unwrap();
        net.inject(registrar, ASAP, &octets);
        net.run(SECOND);
    };
    let here = crate::network::STRANGER;
    let tcp = Transport::ip(rserpool::wire::param::transport::IpProtocol::Tcp, 80, here);
    try_transport(&mut net, tcp);
    try_transport(&mut net, Transport::sctp(80, TransportUse::DataOnly, &[here]));
    assert_eq!(
        refusals(&net, registrar),
        [
            (2, CauseCode::INCONSISTENT_POOLING_POLICY),
            (3, CauseCode::INCONSISTENT_TRANSPORT_TYPE),
            (3, CauseCode::INCONSISTENT_DATA_CONTROL_CONFIGURATION)
        ]
    );
    assert_eq!(net.table(registrar), [(1, 0x100)]);
}

#[test]
fn an_identifier_in_use_by_a_living_element_elsewhere_is_not_unique() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    net.element("pool", 1, &[registrar]);
    net.run(SECOND);
    let other = net.element("pool", 1, &[registrar]);
    net.run(SECOND);
    assert_eq!(rejections(&net, other), [CauseCode::NON_UNIQUE_PE_IDENTIFIER]);
}

#[test]
fn limits_are_answered_with_lack_of_resources_and_leave_the_state_as_it_was() {
    let mut net = Network::new();
    let registrar = net.registrar_with(&[], |config| config.limits.handlespace.elements = 2);
    for identifier in 1..=3 {
        net.element("pool", identifier, &[registrar]);
        net.run(SECOND);
    }
    assert_eq!(net.table(registrar), [(1, 0x100), (2, 0x100)]);
    assert_eq!(refusals(&net, registrar), [(3, CauseCode::LACK_OF_RESOURCES)]);
}

#[test]
fn an_element_deregisters_and_its_pool_goes_with_the_last_one() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element("pool", 7, &[registrar]);
    net.run(SECOND);
    net.with_element(element, |element, now| element.deregister(now));
    net.wait(SECOND, |net| net.events(element).has(event!(ElementEvent::Deregistered)));
    assert_eq!(removed(&net, registrar), [(7, RemovalReason::Deregistered)]);
    assert_eq!(net.table(registrar), []);
    assert_eq!(net.with_registrar(registrar, |registrar, _| registrar.handlespace().pool_count()), 0);
}

#[test]
fn deregistering_an_element_that_is_not_known_is_granted() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    net.run(SECOND);
    let element = ElementReference { pool_handle: PoolHandle::new(b"none"), identifier: PeIdentifier(1) };
    let mut octets = [0; 64];
    let length = asap::Message::from(Body::Deregistration(element)).encode(&mut octets).unwrap();
    net.inject(registrar, ASAP, &octets[..length]);
    net.run(SECOND);
    // The answer goes to a stranger that the network does not know; it must not be an error for the registrar.
    assert!(net.is_serving(registrar));
}

#[test]
fn living_elements_answer_keep_alives_and_stay() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    // It does not register again meanwhile: that would count as a sign of life, too.
    let element = net.element_with("pool", 7, &[registrar], |config| config.life = None);
    net.run(Duration::from_secs(590));
    let asked = net.messages(registrar, element, ASAP, message_type::ENDPOINT_KEEP_ALIVE);
    let answered = net.messages(element, registrar, ASAP, message_type::ENDPOINT_KEEP_ALIVE_ACK);
    assert_eq!(asked.len(), answered.len());
    // Every 30 s plus/minus 50 percent: between 13 and 40 in ten minutes, and not at a fixed pace (RFC 5352 §3.5).
    assert!((13..=40).contains(&asked.len()), "{} keep-alives", asked.len());
    let gaps: Vec<_> = asked.windows(2).map(|pair| pair[1].at.since(pair[0].at).as_millis() / 1000).collect();
    assert!(gaps.iter().any(|gap| *gap != gaps[0]), "{gaps:?}");
    assert!(gaps.iter().all(|gap| (14..=46).contains(gap)), "{gaps:?}");
    assert_eq!(net.table(registrar), [(7, 0x100)]);
}

#[test]
fn a_dead_element_is_removed_as_soon_as_it_cannot_be_reached() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element("pool", 7, &[registrar]);
    net.run(SECOND);
    net.kill(element);
    net.wait(SECOND, |net| removed(net, registrar) == [(7, RemovalReason::Unreachable)]);
    assert_eq!(net.table(registrar), []);
}

#[test]
fn an_element_that_hangs_is_removed_when_it_does_not_answer_a_keep_alive() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element("pool", 7, &[registrar]);
    net.run(SECOND);
    net.pause(element);
    // The next keep-alive comes within 45 s, and may stay unanswered for 5 s.
    net.wait(Duration::from_secs(51), |net| removed(net, registrar) == [(7, RemovalReason::Unreachable)]);
    assert_eq!(net.table(registrar), []);
}

#[test]
fn a_keep_alive_for_another_pool_is_silently_discarded() {
    // RFC 5352 §3.4 KA1.
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element("pool", 7, &[registrar]);
    net.run(SECOND);
    for (pool, expected) in [("other", 0), ("pool", 1)] {
        let keep_alive = asap::EndpointKeepAlive {
            server: ServerIdentifier(0x999),
            new_home: true,
            pool_handle: PoolHandle::from(pool),
            identifier: None,
        };
        let mut octets = [0; 64];
        let length = asap::Message::from(Body::EndpointKeepAlive(keep_alive)).encode(&mut octets).unwrap();
        net.inject_from(address(registrar), element, ASAP, &octets[..length]);
        net.run(SECOND);
        let changed = event!(ElementEvent::HomeChanged { home: ServerIdentifier(0x999) });
        assert_eq!(net.events(element).count(changed), expected);
    }
}

/// ASAP_ENDPOINT_UNREACHABLE for element 7 of "pool".
fn report() -> Vec<u8> {
    let reference = ElementReference { pool_handle: PoolHandle::new(b"pool"), identifier: PeIdentifier(7) };
    crate::scripted_user::encode(Body::EndpointUnreachable(reference))
}

/// A user, by its number.
fn reporter(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, number))
}

#[test]
fn a_report_makes_the_registrar_ask_at_once_and_an_answer_counts_more_than_any_number_of_reports() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element("pool", 7, &[registrar]);
    net.run(SECOND);
    net.inject(registrar, ASAP, &report());
    net.run(Duration::from_millis(10));
    assert_eq!(net.messages(registrar, element, ASAP, message_type::ENDPOINT_KEEP_ALIVE).len(), 1);
    assert_eq!(net.table(registrar).len(), 1, "it has answered");
    for number in 1..=50 {
        net.inject_from(reporter(number), registrar, ASAP, &report());
        net.run(Duration::from_millis(10));
    }
    let reported = event!(RegistrarEvent::UnreachableReported { identifier: PeIdentifier(7), .. });
    assert_eq!(net.events(registrar).count(reported), 51);
    assert_eq!(net.table(registrar).len(), 1);
}

#[test]
fn an_element_that_does_not_answer_is_removed_when_more_than_max_bad_pe_report_users_have_reported_it() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element("pool", 7, &[registrar]);
    net.run(SECOND);
    net.pause(element);
    // MAX-BAD-PE-REPORT is 3: the fourth one exceeds it. A user counts once, however often it reports.
    for number in [1, 1, 1, 1, 1, 2, 3, 3, 3] {
        net.inject_from(reporter(number), registrar, ASAP, &report());
        net.run(Duration::from_millis(10));
    }
    assert_eq!(net.table(registrar).len(), 1);
    net.inject_from(reporter(4), registrar, ASAP, &report());
    net.run(Duration::from_millis(10));
    assert_eq!(removed(&net, registrar), [(7, RemovalReason::Reported)]);
}

#[test]
fn registrations_over_tcp_are_refused() {
    // RFC 5352 §2.2.1: only SCTP. The message is the same; what differs is how it came.
    use rserpool::registrar::{Registrar, RegistrarConfig};
    use rserpool::{Action, AssociationId, Endpoint, EndpointBuf, Input, Instant, Machine, Protocol, Purpose};
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut registrar = Registrar::new(RegistrarConfig::new(EndpointBuf::single(Protocol::Sctp, localhost, 9901), 1));
    registrar.handle(Instant::ZERO, Input::Timeout);
    let association = AssociationId::accepted(1);
    let addresses = [localhost];
    let peer = Endpoint { protocol: Protocol::Tcp, addresses: &addresses, port: 4000 };
    registrar.handle(Instant::ZERO, Input::Accepted { association, purpose: Purpose::Asap, peer });
    let pool_element = PoolElement {
        identifier: PeIdentifier(3),
        home: ServerIdentifier::NONE,
        life: RegistrationLife(60),
        user_transport: Transport::sctp(80, TransportUse::DataOnly, &addresses),
        policy: Policy::RoundRobin,
        asap_transport: None,
        unknown: Unknown::NONE,
    };
    let registration = asap::Registration { pool_handle: PoolHandle::new(b"pool"), pool_element };
    let mut octets = [0; 128];
    let length = asap::Message::from(Body::Registration(registration)).encode(&mut octets).unwrap();
    registrar.handle(Instant::ZERO, Input::Message { association, protocol: ASAP, octets: &octets[..length] });
    let mut rejected = false;
    while let Some(action) = registrar.poll_action() {
        if let Action::Send { message, .. } = action {
            let decoded = asap::Message::decode(message.octets).unwrap();
            rejected = matches!(decoded.message.body, Body::RegistrationResponse(response) if response.rejected);
        }
    }
    assert!(rejected);
    assert!(registrar.handlespace().is_empty());
}

#[test]
fn a_policy_that_nobody_knows_is_refused_as_an_invalid_value_and_named() {
    // RFC 5354 §3.12.4: the offending parameter is in the cause.
    let unknown = Policy::Other { policy_type: PolicyType(0x8000_0042), data: b"four" };
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element_with("pool", 7, &[registrar], |config| config.policy = unknown);
    net.run(Duration::from_secs(1));
    net.refused(registrar, element, |cause| {
        assert_eq!(cause.code, CauseCode::INVALID_VALUES);
        assert_eq!(cause.information, CauseInformation::Policy(unknown));
    });
    assert_eq!(net.table(registrar), []);
}

#[test]
fn an_element_that_was_removed_because_it_hung_finds_out_and_comes_back_at_once() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element("pool", 1, &[registrar]);
    net.run(SECOND);
    net.pause(element);
    // A keep-alive within 45 s, and 5 s for its answer.
    net.wait(Duration::from_secs(51), |net| net.table(registrar).is_empty());
    net.resume(element);
    net.wait(SECOND, |net| net.table(registrar).len() == 1);
}

#[test]
fn an_element_whose_registration_has_expired_registers_again() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element_with("pool", 1, &[registrar], |config| {
        // It forgets to register in time.
        config.life = Some(Duration::from_secs(20));
        config.t4_reregistration_max = Duration::from_secs(600);
    });
    net.run(Duration::from_secs(9));
    assert!(net.events(element).has(event!(ElementEvent::Registered { .. })));
    net.pause(element);
    net.wait(Duration::from_secs(12), |net| net.table(registrar).is_empty());
    assert_eq!(removed(&net, registrar), [(1, RemovalReason::Expired)]);
    net.resume(element);
    net.wait(SECOND, |net| net.table(registrar).len() == 1);
}

#[test]
fn many_registrations_that_expire_at_once_are_removed_step_by_step() {
    use crate::scripted::{Element, Scripted, element};
    let mut scripted = Scripted::with(&[], |config| {
        config.limits.elements_per_step = 2;
        config.keep_alive_interval = Duration::from_secs(36_000);
    });
    for identifier in 1..=5 {
        scripted.registers(&Element { host: 100 + identifier as u8, life: 30, ..element(identifier, 0) });
    }
    scripted.wait(Duration::from_millis(29_900));
    scripted.now = scripted.now + Duration::from_millis(200);
    let left = [3, 1, 0].map(|_| {
        scripted.input(rserpool::Input::Timeout);
        scripted.elements().len()
    });
    assert_eq!(left, [3, 1, 0]);
}
