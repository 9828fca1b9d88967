//! Updates to users that have asked for them (RFC 5352 §2.2.5, §2.2.6).

use std::time::Duration;

use rserpool::wire::asap::{Body, ElementReference, HandleResolution, Message, message_type};
use rserpool::wire::enrp::UpdateAction;
use rserpool::wire::{CauseCode, PayloadProtocol, PeChecksum, PeIdentifier, Policy, PoolHandle};
use rserpool::{AssociationId, CloseReason, Input};

use crate::scripted::{Done, Element, Scripted, element, peer};

const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");

fn asks(scripted: &mut Scripted, user: AssociationId, send_updates: bool) {
    asks_for(scripted, user, POOL, send_updates);
}

fn asks_for(scripted: &mut Scripted, user: AssociationId, pool_handle: PoolHandle<'_>, send_updates: bool) {
    let request = HandleResolution { pool_handle, send_updates, items: None };
    scripted.says_asap(user, Body::HandleResolution(request));
}

/// The answers and updates that a user has got since this was asked last: the A bit, the elements, the cause.
fn told(scripted: &mut Scripted, user: AssociationId) -> Vec<(bool, Vec<u32>, Option<CauseCode>)> {
    let sent = scripted.done().into_iter().filter_map(|done| match done {
        Done::Says(to, PayloadProtocol::ASAP, octets)
            if to == user && octets[0] == message_type::HANDLE_RESOLUTION_RESPONSE =>
        {
            Some(octets)
        }
        _ => None,
    });
    sent.map(|octets| {
        let Body::HandleResolutionResponse(response) = Message::decode(&octets).unwrap().message.body else { panic!() };
        let mut elements: Vec<_> = response.pool_elements.iter().map(|element| element.identifier.0).collect();
        elements.sort_unstable();
        (response.accept_updates, elements, response.error.and_then(|causes| causes.first()).map(|cause| cause.code))
    })
    .collect()
}

#[test]
fn a_user_that_asks_for_updates_is_told_of_each_change_and_others_are_not() {
    let mut scripted = Scripted::new(&[]);
    let first = scripted.registers(&element(1, 0));
    let [subscriber, other] = [scripted.accept_client(60), scripted.accept_client(61)];
    asks(&mut scripted, subscriber, true);
    assert_eq!(told(&mut scripted, subscriber), [(true, vec![1], None)]);
    asks(&mut scripted, other, false);
    assert_eq!(told(&mut scripted, other), [(false, vec![1], None)]);
    scripted.registers(&element(2, 0));
    assert_eq!(told(&mut scripted, subscriber), [(true, vec![1, 2], None)]);
    scripted.wait_seconds(2);
    // Registering again without any change is none.
    scripted.registers_at(first, &element(1, 0));
    assert_eq!(told(&mut scripted, subscriber), []);
    scripted
        .says_asap(first, Body::Deregistration(ElementReference { pool_handle: POOL, identifier: PeIdentifier(1) }));
    assert_eq!(told(&mut scripted, subscriber), [(true, vec![2], None)]);
}

#[test]
fn what_changes_quickly_is_told_once_in_an_interval() {
    let mut scripted = Scripted::new(&[]);
    scripted.registers(&element(1, 0));
    let user = scripted.accept_client(60);
    asks(&mut scripted, user, true);
    told(&mut scripted, user);
    let second = scripted.registers(&element(2, 0));
    assert_eq!(told(&mut scripted, user).len(), 1);
    for load in 0..20 {
        scripted.registers_at(second, &Element { policy: Policy::RoundRobin, life: 100 + load, ..element(2, 0) });
    }
    scripted.registers(&element(3, 0));
    assert_eq!(told(&mut scripted, user), []);
    scripted.wait(Duration::from_secs(5));
    assert_eq!(told(&mut scripted, user), [(true, vec![1, 2, 3], None)]);
}

#[test]
fn what_peers_tell_is_told_on() {
    let mut scripted = Scripted::new(&[]);
    scripted.registers(&element(1, 0));
    let registrar = scripted.comes(2);
    let user = scripted.accept_client(60);
    asks(&mut scripted, user, true);
    told(&mut scripted, user);
    scripted.update(registrar, peer(2), UpdateAction::AddPe, &element(7, peer(2)));
    assert_eq!(told(&mut scripted, user), [(true, vec![1, 7], None)]);
    scripted.wait_seconds(2);
    scripted.update(registrar, peer(2), UpdateAction::DelPe, &element(7, peer(2)));
    assert_eq!(told(&mut scripted, user), [(true, vec![1], None)]);
    let _ = PeChecksum(0);
}

#[test]
fn a_pool_that_is_gone_is_told_once_and_not_when_it_comes_back() {
    let mut scripted = Scripted::new(&[]);
    let at = scripted.registers(&element(1, 0));
    let user = scripted.accept_client(60);
    asks(&mut scripted, user, true);
    told(&mut scripted, user);
    scripted.says_asap(at, Body::Deregistration(ElementReference { pool_handle: POOL, identifier: PeIdentifier(1) }));
    assert_eq!(told(&mut scripted, user), [(false, vec![], Some(CauseCode::UNKNOWN_POOL_HANDLE))]);
    scripted.wait_seconds(2);
    scripted.registers(&element(1, 0));
    scripted.wait_seconds(2);
    assert_eq!(told(&mut scripted, user), []);
    // Nor is one that was not there when it was asked for.
    asks_for(&mut scripted, user, PoolHandle::new(b"later"), true);
    assert_eq!(told(&mut scripted, user), [(false, vec![], Some(CauseCode::UNKNOWN_POOL_HANDLE))]);
    scripted.registers(&Element { pool: "later", ..element(5, 0) });
    scripted.wait_seconds(2);
    assert_eq!(told(&mut scripted, user), []);
}

#[test]
fn updates_end_with_the_association_or_with_a_request_without_them() {
    let mut scripted = Scripted::new(&[]);
    scripted.registers(&element(1, 0));
    let [gone, changed] = [scripted.accept_client(60), scripted.accept_client(61)];
    for user in [gone, changed] {
        asks(&mut scripted, user, true);
    }
    asks(&mut scripted, changed, false);
    scripted.input(Input::Closed { association: gone, reason: CloseReason::Lost });
    scripted.done();
    scripted.registers(&element(2, 0));
    scripted.wait_seconds(2);
    let all = scripted.done();
    let resolutions = all.iter().filter(|done| {
        matches!(done, Done::Says(_, PayloadProtocol::ASAP, octets) if octets[0] == message_type::HANDLE_RESOLUTION_RESPONSE)
    });
    assert_eq!(resolutions.count(), 0);
}

#[test]
fn too_many_updates_are_not_promised() {
    let mut scripted = Scripted::with(&[], |config| {
        config.limits.association_updates = 2;
        config.limits.updates = 3;
    });
    for pool in ["a", "b", "c"] {
        scripted.registers(&Element { pool, host: 100 + pool.as_bytes()[0] % 16, ..element(1, 0) });
    }
    let [first, second] = [scripted.accept_client(60), scripted.accept_client(61)];
    let mut promised = |user, pool: &str| {
        asks_for(&mut scripted, user, PoolHandle::from(pool), true);
        told(&mut scripted, user)[0].0
    };
    assert!(promised(first, "a") && promised(first, "b") && promised(first, "a"));
    assert!(!promised(first, "c"), "more than one user may have");
    assert!(promised(second, "a"));
    assert!(!promised(second, "b"), "more than all may have");
}
