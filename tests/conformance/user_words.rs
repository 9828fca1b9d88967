//! What a user says to its registrar, word by word, and whose answers count (RFC 5352 §3.3, §3.5, §3.9, §6.5.5).

use std::time::Duration;

use rserpool::pool_user::{FailoverMode, UserEvent};
use rserpool::wire::asap::{Body, BusinessCard, ElementReference, HandleResolution, Message};
use rserpool::wire::{
    PeIdentifier, Policy, PoolElement, PoolHandle, RegistrationLife, Sequence, ServerIdentifier, Transport,
    TransportUse, Unknown,
};
use rserpool::{Action, AssociationId, CloseReason, Delivery, Machine as _, OutgoingMessage};

use crate::events::event;
use crate::scripted_user::{ASAP, ScriptedUser, encode, host};

const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");

fn resolve(world: &mut ScriptedUser) {
    world.act(|user, now| user.resolve(now, POOL).unwrap());
}

/// The messages to somebody, in order.
fn to(world: &ScriptedUser, whom: AssociationId) -> Vec<Body<'_>> {
    let sent = world.sent.iter().filter(|sent| sent.to == whom && sent.protocol == ASAP);
    sent.map(|sent| Message::decode(&sent.octets).unwrap().message.body).collect()
}

#[test]
fn a_resolution_names_the_pool_and_asks_for_nothing_else() {
    let mut world = ScriptedUser::new();
    resolve(&mut world);
    let request = HandleResolution { pool_handle: POOL, send_updates: false, items: None };
    assert_eq!(to(&world, world.home.unwrap()), [Body::HandleResolution(request)]);
}

#[test]
fn a_report_names_the_pool_and_the_element_that_cannot_be_reached() {
    let mut world = ScriptedUser::new();
    world.act(|user, now| user.open_session(now, POOL).unwrap());
    world.resolved(&[5, 6]);
    world.sent.clear();
    world.fails(5);
    let reference = ElementReference { pool_handle: POOL, identifier: PeIdentifier(5) };
    assert_eq!(to(&world, world.home.unwrap()), [Body::EndpointUnreachable(reference)]);
}

#[test]
fn an_answer_that_is_not_the_home_registrars_does_not_count() {
    let mut world = ScriptedUser::new();
    world.act(|user, now| user.open_session(now, POOL).unwrap());
    world.resolved(&[5]);
    let element = world.opens(5);
    resolve(&mut world);
    let home = world.home.replace(element);
    world.resolved(&[6]);
    world.home = home;
    let known = |world: &ScriptedUser| -> Vec<u32> {
        world.user.elements(world.now, POOL).map(|element| element.identifier.0).collect()
    };
    assert_eq!(known(&world), [5]);
    world.resolved(&[7]);
    assert_eq!(known(&world), [7]);
}

#[test]
fn a_negative_answer_ends_what_was_known_of_the_pool() {
    let mut world = ScriptedUser::new();
    resolve(&mut world);
    world.resolved(&[5]);
    assert_eq!(world.user.elements(world.now, POOL).count(), 1);
    resolve(&mut world);
    world.unknown_pool();
    assert_eq!(world.user.elements(world.now, POOL).count(), 0);
    assert_eq!(world.act(|user, now| user.primary(now, POOL)), None);
    assert!(world.events.has(event!(UserEvent::ResolutionFailed { .. })));
}

#[test]
fn the_elements_of_a_later_answer_replace_those_of_an_earlier_one() {
    let mut world = ScriptedUser::new();
    resolve(&mut world);
    world.resolved(&[1, 2]);
    resolve(&mut world);
    world.resolved(&[2, 3]);
    let known: Vec<u32> = world.user.elements(world.now, POOL).map(|element| element.identifier.0).collect();
    assert_eq!(known, [2, 3]);
}

#[test]
fn an_elements_own_entry_in_its_card_replaces_what_was_known_of_it() {
    let mut world = ScriptedUser::new();
    world.act(|user, now| user.open_session(now, POOL).unwrap());
    world.resolved(&[5, 6]);
    let element = world.opens(5);
    let addresses = [host(55)];
    let own = [PoolElement {
        identifier: PeIdentifier(5),
        home: ServerIdentifier(1),
        life: RegistrationLife(300),
        user_transport: Transport::sctp(7_001, TransportUse::DataPlusControl, &addresses),
        policy: Policy::RoundRobin,
        asap_transport: None,
        unknown: Unknown::NONE,
    }];
    let card = BusinessCard { pool_handle: POOL, pool_elements: Sequence::new(&own) };
    world.asap(element, &encode(Body::BusinessCard(card)));
    let places: Vec<_> = world
        .user
        .elements(world.now, POOL)
        .map(|element| {
            let transport = element.transport.as_ref().unwrap().as_transport();
            (transport.port(), transport.addresses().collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(places, [(Some(7_001), vec![host(55)]), (Some(7_000), vec![host(6)])]);
}

#[test]
fn a_message_goes_out_in_order_or_not_as_the_application_says() {
    let mut world = ScriptedUser::new();
    let session = world.act(|user, now| user.open_session(now, POOL).unwrap());
    world.resolved(&[5]);
    world.opens(5);
    for delivery in [Delivery::Ordered, Delivery::Unordered] {
        world.user.send(session, OutgoingMessage { delivery, ..OutgoingMessage::new(b"text") }).unwrap();
        let Some(Action::Send { message, .. }) = world.user.poll_action() else { panic!("nothing is sent") };
        assert_eq!((message.delivery, message.octets), (delivery, &b"text"[..]));
    }
}

#[test]
fn a_user_that_is_no_element_gives_no_card() {
    let mut world = ScriptedUser::new();
    for failover in [FailoverMode::Automatic, FailoverMode::Supervised] {
        let mut options = rserpool::pool_user::SessionOptions::default();
        options.failover = failover;
        world.act(|user, now| user.open_session_with(now, POOL, options).unwrap());
    }
    world.resolved(&[5, 6]);
    for number in [5, 6] {
        let element = world.opens(number);
        assert!(to(&world, element).is_empty());
    }
}

#[test]
fn what_is_known_of_a_pool_is_stale_after_a_while_and_asked_for_again() {
    for (time, requests) in [(29, 1), (31, 2)] {
        let mut world = ScriptedUser::new();
        resolve(&mut world);
        world.resolved(&[5]);
        world.wait(Duration::from_secs(time));
        world.act(|user, now| user.open_session(now, POOL).unwrap());
        assert_eq!(world.requests(), requests, "after {time} s");
        // Nobody is given what is stale.
        assert_eq!(world.wanted().len(), 2 - requests);
        world.resolved(&[5]);
        assert_eq!(world.wanted(), [5]);
    }
}

#[test]
fn without_a_policy_in_the_answer_the_elements_have_their_turns() {
    let mut world = ScriptedUser::new();
    resolve(&mut world);
    // The answer has no policy.
    world.resolved(&[3, 1, 2]);
    let turns: Vec<u32> =
        (0..9).map(|_| world.act(|user, now| user.primary(now, POOL)).unwrap().identifier.0).collect();
    assert_eq!(turns, [3, 1, 2, 3, 1, 2, 3, 1, 2]);
}

#[test]
fn after_a_failure_a_session_whose_failover_is_manual_does_nothing_by_itself() {
    let mut world = ScriptedUser::new();
    let mut options = rserpool::pool_user::SessionOptions::default();
    options.failover = FailoverMode::Manual;
    let session = world.act(|user, now| user.open_session_with(now, POOL, options).unwrap());
    world.resolved(&[5, 6, 7]);
    let element = world.opens(5);
    world.closes(element, CloseReason::Lost);
    // Others are known.
    assert!(world.wanted().is_empty());
    world.act(|user, now| user.fail_over(now, session));
    assert_eq!(world.wanted(), [6]);
}
