//! What a registrar answers to elements and users, word by word, and what it asks them (RFC 5352 §2.2, §3.1–3.5).

use rserpool::wire::asap::{
    Body, DeregistrationResponse, ElementReference, EndpointKeepAlive, HandleResolution, Message, RegistrationResponse,
};
use rserpool::wire::{
    CauseCode, PayloadProtocol, PeIdentifier, Policy, PoolHandle, ServerIdentifier, TransportProtocol,
};
use rserpool::{AssociationId, CloseReason, Input, OpenFailure};

use crate::scripted::{Done, Element, OWN, Scripted, element, host};

const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");

fn reference(identifier: u32) -> ElementReference<'static> {
    ElementReference { pool_handle: POOL, identifier: PeIdentifier(identifier) }
}

/// The ASAP messages to somebody since this was asked last.
fn said(scripted: &mut Scripted, to: AssociationId) -> Vec<Vec<u8>> {
    let said = scripted.done().into_iter().filter_map(|done| match done {
        Done::Says(association, PayloadProtocol::ASAP, octets) if association == to => Some(octets),
        _ => None,
    });
    said.collect()
}

/// The only one.
#[track_caller]
fn answer(scripted: &mut Scripted, to: AssociationId) -> Vec<u8> {
    let mut said = said(scripted, to);
    assert_eq!(said.len(), 1);
    said.remove(0)
}

fn body(octets: &[u8]) -> Body<'_> {
    Message::decode(octets).unwrap().message.body
}

fn resolves(scripted: &mut Scripted, user: AssociationId, pool: &str) {
    let request = HandleResolution { pool_handle: PoolHandle::from(pool), send_updates: true, items: None };
    scripted.says_asap(user, Body::HandleResolution(request));
}

/// Whether any ENRP message has been sent since this was asked last.
fn peers_were_told(scripted: &mut Scripted) -> bool {
    scripted.done().iter().any(|done| matches!(done, Done::Says(_, PayloadProtocol::ENRP, _)))
}

#[test]
fn a_registration_is_answered_with_its_pool_and_element() {
    let mut scripted = Scripted::new(&[]);
    let association = scripted.registers(&element(7, 0));
    for _ in 0..2 {
        let response = RegistrationResponse { element: reference(7), rejected: false, error: None };
        assert_eq!(body(&answer(&mut scripted, association)), Body::RegistrationResponse(response));
        // It registers again.
        scripted.registers_at(association, &element(7, 0));
    }
}

#[test]
fn a_rejected_registration_is_answered_with_r_and_its_cause() {
    let mut scripted = Scripted::new(&[]);
    scripted.registers(&element(1, 0));
    let other = scripted.registers(&Element { host: 101, policy: Policy::Random, ..element(7, 0) });
    let octets = answer(&mut scripted, other);
    let Body::RegistrationResponse(response) = body(&octets) else { panic!("another message") };
    assert_eq!((response.element, response.rejected), (reference(7), true));
    let codes: Vec<_> = response.error.unwrap().iter().map(|cause| cause.code).collect();
    assert_eq!(codes, [CauseCode::INCONSISTENT_POOLING_POLICY]);
}

#[test]
fn a_rejected_registration_is_told_to_no_peer() {
    let mut scripted = Scripted::new(&[]);
    scripted.comes(1);
    scripted.registers(&element(1, 0));
    assert!(peers_were_told(&mut scripted), "one that is accepted is");
    scripted.registers(&Element { host: 101, policy: Policy::Random, ..element(7, 0) });
    assert!(!peers_were_told(&mut scripted));
}

#[test]
fn a_deregistration_is_answered_with_its_pool_and_element() {
    let mut scripted = Scripted::new(&[]);
    let association = scripted.registers(&element(7, 0));
    scripted.done();
    // One that is not known any more counts as removed.
    for _ in 0..2 {
        scripted.says_asap(association, Body::Deregistration(reference(7)));
        let response = DeregistrationResponse { element: reference(7), error: None };
        assert_eq!(body(&answer(&mut scripted, association)), Body::DeregistrationResponse(response));
        assert_eq!(scripted.elements(), []);
    }
}

#[test]
fn an_element_whose_life_ends_is_told_so() {
    let mut scripted = Scripted::with(&[], |config| {
        config.keep_alive_interval = std::time::Duration::from_secs(36_000);
    });
    let association = scripted.registers(&Element { life: 30, ..element(7, 0) });
    scripted.done();
    scripted.wait_seconds(29);
    assert!(said(&mut scripted, association).is_empty());
    scripted.wait_seconds(2);
    let response = DeregistrationResponse { element: reference(7), error: None };
    assert_eq!(body(&answer(&mut scripted, association)), Body::DeregistrationResponse(response));
    assert_eq!(scripted.elements(), []);
}

#[test]
fn a_resolution_is_answered_with_the_pool_its_policy_and_its_elements() {
    let mut scripted = Scripted::new(&[]);
    let weighted = |identifier, weight| Element {
        host: 100 + identifier as u8,
        policy: Policy::WeightedRoundRobin { weight },
        ..element(identifier, 0)
    };
    scripted.registers(&weighted(1, 5));
    scripted.registers(&weighted(2, 6));
    let user = scripted.accept_client(66);
    scripted.done();
    let request = HandleResolution { pool_handle: POOL, send_updates: false, items: None };
    scripted.says_asap(user, Body::HandleResolution(request));
    let octets = answer(&mut scripted, user);
    let Body::HandleResolutionResponse(response) = body(&octets) else { panic!("another message") };
    assert_eq!((response.pool_handle, response.accept_updates), (POOL, false));
    assert!(matches!(response.policy, Some(Policy::WeightedRoundRobin { .. })));
    assert!(response.error.is_none());
    let mut elements: Vec<_> = response
        .pool_elements
        .iter()
        .map(|element| {
            let transport = element.user_transport;
            let addresses: Vec<_> = transport.addresses().collect();
            (element.identifier.0, element.policy, transport.protocol(), transport.port(), addresses)
        })
        .collect();
    elements.sort_unstable_by_key(|(identifier, ..)| *identifier);
    let expected = [(1, 5), (2, 6)].map(|(identifier, weight)| {
        let policy = Policy::WeightedRoundRobin { weight };
        (identifier, policy, TransportProtocol::Sctp, Some(7_000), vec![host(100 + identifier as u8)])
    });
    assert_eq!(elements, expected);
}

#[test]
fn a_pool_that_is_not_there_is_answered_with_nothing_but_the_cause() {
    let mut scripted = Scripted::new(&[]);
    let user = scripted.accept_client(66);
    resolves(&mut scripted, user, "none");
    let octets = answer(&mut scripted, user);
    let Body::HandleResolutionResponse(response) = body(&octets) else { panic!("another message") };
    assert_eq!((response.pool_handle, response.accept_updates), (PoolHandle::new(b"none"), false));
    assert!(response.policy.is_none() && response.pool_elements.iter().next().is_none());
    let codes: Vec<_> = response.error.unwrap().iter().map(|cause| cause.code).collect();
    assert_eq!(codes, [CauseCode::UNKNOWN_POOL_HANDLE]);
}

#[test]
fn what_users_ask_is_told_to_no_peer() {
    let mut scripted = Scripted::new(&[]);
    scripted.registers(&element(1, 0));
    scripted.comes(1);
    let user = scripted.accept_client(66);
    scripted.done();
    resolves(&mut scripted, user, "pool");
    scripted.says_asap(user, Body::EndpointUnreachable(reference(9)));
    assert!(!peers_were_told(&mut scripted));
}

#[test]
fn pool_handles_that_differ_in_one_octet_are_different_pools() {
    let mut scripted = Scripted::new(&[]);
    let pools = ["pool", "Pool", "poom", "pool ", "pool\0", "poo", "pool/a", "pool.a"];
    for (identifier, pool) in (1..).zip(pools) {
        scripted.registers(&Element { pool, host: 100 + identifier as u8, ..element(identifier, 0) });
    }
    let user = scripted.accept_client(66);
    for (identifier, pool) in (1..).zip(pools) {
        scripted.done();
        resolves(&mut scripted, user, pool);
        let octets = answer(&mut scripted, user);
        let Body::HandleResolutionResponse(response) = body(&octets) else { panic!("another message") };
        let elements: Vec<u32> = response.pool_elements.iter().map(|element| element.identifier.0).collect();
        assert_eq!(elements, [identifier], "{pool:?}");
    }
}

#[test]
fn a_server_may_be_in_several_pools() {
    let mut scripted = Scripted::new(&[]);
    let server = scripted.registers(&element(7, 0));
    let also = Element { pool: "another", ..element(7, 0) };
    scripted.registers_at(server, &also);
    let user = scripted.accept_client(66);
    let listed = |scripted: &mut Scripted, pool: &str| {
        scripted.done();
        resolves(scripted, user, pool);
        match body(&answer(scripted, user)) {
            Body::HandleResolutionResponse(response) => response.pool_elements.iter().count(),
            _ => panic!("another message"),
        }
    };
    assert_eq!((listed(&mut scripted, "pool"), listed(&mut scripted, "another")), (1, 1));
    // It leaves one of them, and stays in the other.
    scripted.says_asap(server, Body::Deregistration(reference(7)));
    assert_eq!((listed(&mut scripted, "pool"), listed(&mut scripted, "another")), (0, 1));
}

#[test]
fn a_keep_alive_says_who_asks_and_for_which_pool() {
    let mut scripted = Scripted::new(&[]);
    let association = scripted.registers(&Element { life: -1, ..element(7, 0) });
    scripted.done();
    // They come at least every 45 s, and no less than 15 s after each answer.
    for _ in 0..5 {
        scripted.wait_seconds(14);
        assert!(said(&mut scripted, association).is_empty());
        for _ in 0..32 {
            scripted.wait_seconds(1);
            let said = said(&mut scripted, association);
            let Some(octets) = said.first() else { continue };
            let server = ServerIdentifier(OWN);
            let keep_alive = EndpointKeepAlive { server, new_home: false, pool_handle: POOL, identifier: None };
            assert_eq!(body(octets), Body::EndpointKeepAlive(keep_alive));
            scripted.says_asap(association, Body::EndpointKeepAliveAck(reference(7)));
            break;
        }
    }
    assert_eq!(scripted.elements().len(), 1);
}

#[test]
fn many_elements_are_not_asked_at_once() {
    let mut scripted = Scripted::new(&[]);
    let mut elements = Vec::new();
    for identifier in 1..=60 {
        let registers = Element { host: 100 + identifier as u8, life: -1, ..element(identifier, 0) };
        elements.push((scripted.registers(&registers), identifier));
    }
    scripted.done();
    let mut asked = Vec::new();
    for _ in 0..46 {
        scripted.wait_seconds(1);
        let mut now = 0;
        for done in scripted.done() {
            let Done::Says(to, PayloadProtocol::ASAP, _) = done else { continue };
            let (_, identifier) = elements.iter().find(|(association, _)| *association == to).unwrap();
            scripted.says_asap(to, Body::EndpointKeepAliveAck(reference(*identifier)));
            now += 1;
        }
        asked.push(now);
    }
    // 60 elements, and 30 s more or less: two a second.
    assert!(asked.iter().sum::<usize>() >= 60, "{asked:?}");
    assert!(asked.iter().all(|now| *now <= 9), "{asked:?}");
}

#[test]
fn an_element_that_is_gone_is_not_given_to_users() {
    let mut scripted = Scripted::new(&[]);
    let gone = scripted.registers(&element(1, 0));
    scripted.registers(&Element { host: 101, ..element(2, 0) });
    scripted.input(Input::Closed { association: gone, reason: CloseReason::Lost });
    let again = scripted.asked_for(100).expect("it is asked over a new association");
    scripted.input(Input::OpenFailed { association: again, reason: OpenFailure::Unreachable });
    let user = scripted.accept_client(66);
    scripted.done();
    resolves(&mut scripted, user, "pool");
    let octets = answer(&mut scripted, user);
    let Body::HandleResolutionResponse(response) = body(&octets) else { panic!("another message") };
    let elements: Vec<u32> = response.pool_elements.iter().map(|element| element.identifier.0).collect();
    assert_eq!(elements, [2]);
}

#[test]
fn a_negative_answer_ends_a_users_updates_though_others_have_them() {
    for was_there in [false, true] {
        let mut scripted = Scripted::new(&[]);
        let [first, second] = [66, 67].map(|number| scripted.accept_client(number));
        if was_there {
            let at = scripted.registers(&element(1, 0));
            resolves(&mut scripted, first, "pool");
            scripted.says_asap(at, Body::Deregistration(reference(1)));
        } else {
            resolves(&mut scripted, first, "pool");
        }
        scripted.wait_seconds(2);
        scripted.registers(&element(1, 0));
        resolves(&mut scripted, second, "pool");
        scripted.wait_seconds(2);
        scripted.done();
        scripted.registers(&Element { host: 101, ..element(2, 0) });
        scripted.wait_seconds(2);
        let told: Vec<AssociationId> = scripted
            .done()
            .into_iter()
            .filter_map(|done| match done {
                Done::Says(to, PayloadProtocol::ASAP, _) if to == first || to == second => Some(to),
                _ => None,
            })
            .collect();
        assert_eq!(told, [second]);
    }
}

#[test]
fn a_parameter_that_is_not_known_is_reported_as_such_and_the_message_done_all_the_same() {
    let mut scripted = Scripted::new(&[]);
    let user = scripted.accept_client(66);
    // ASAP_HANDLE_RESOLUTION, length 20: "none", and a parameter of type 0xc0ff: to be skipped and reported.
    let octets = [5, 0, 0, 20, 0, 9, 0, 8, b'n', b'o', b'n', b'e', 0xc0, 0xff, 0, 8, 1, 2, 3, 4];
    scripted.input(Input::Message { association: user, protocol: PayloadProtocol::ASAP, octets: &octets });
    let said = said(&mut scripted, user);
    // ASAP_ERROR, length 20: Operation Error, length 16, "Unrecognized Parameter" (1), length 12, and the parameter.
    let error = [14, 0, 0, 20, 0, 12, 0, 16, 0, 1, 0, 12, 0xc0, 0xff, 0, 8, 1, 2, 3, 4];
    assert_eq!(said.len(), 2);
    assert_eq!(said[0], error);
    assert!(matches!(body(&said[1]), Body::HandleResolutionResponse(_)));
    // An error with such a parameter is not answered.
    let octets = [14, 0, 0, 20, 0, 12, 0, 8, 0, 0, 0, 4, 0xc0, 0xff, 0, 8, 1, 2, 3, 4];
    scripted.input(Input::Message { association: user, protocol: PayloadProtocol::ASAP, octets: &octets });
    assert!(self::said(&mut scripted, user).is_empty());
}

#[test]
fn one_user_reports_no_more_elements_in_a_second_than_it_may() {
    let mut scripted = Scripted::with(&[], |config| config.limits.association_rates.reports = 10);
    let elements: Vec<_> = (1..=30)
        .map(|identifier| scripted.registers(&Element { host: 100 + identifier as u8, ..element(identifier, 0) }))
        .collect();
    let user = scripted.accept_client(66);
    scripted.done();
    for identifier in 1..=30 {
        scripted.says_asap(user, Body::EndpointUnreachable(reference(identifier)));
    }
    let is_keep_alive =
        |done: &&Done| matches!(done, Done::Says(to, _, octets) if elements.contains(to) && octets[0] == 7);
    assert_eq!(scripted.done().iter().filter(is_keep_alive).count(), 10);
}
