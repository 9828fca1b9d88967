//! Which registrar an element takes for its home (RFC 5352 §3.4 KA2.4): one that it knows at once, a stranger only if its home, or whom
//! it looks for, is silent.

use std::time::Duration;

use rserpool::pool_element::ElementEvent;
use rserpool::registrar::RegistrarEvent;
use rserpool::wire::asap::{Body, EndpointKeepAlive, HandleResolutionResponse, RegistrationResponse, message_type};
use rserpool::wire::{CauseCode, ErrorCause, PayloadProtocol, PoolHandle, Sequence, ServerIdentifier};
use rserpool::{AssociationId, CloseReason, Machine, MulticastGroup};

use crate::events::event;
use crate::network::{STRANGER, cluster};
use crate::scripted_element::{ScriptedElement, Wants, reference};
use crate::scripted_user::with_elements;

const SECOND: Duration = Duration::from_secs(1);
const ACK: u8 = message_type::ENDPOINT_KEEP_ALIVE_ACK;
const RESOLUTION: u8 = message_type::HANDLE_RESOLUTION;
const REGISTRATION: u8 = message_type::REGISTRATION;

/// A registrar that the element does not know, its home being registrar 1.
const STRANGERS_NUMBER: u8 = 9;

/// A member of its pool for some time, whose home is registrar 1, which it knows alone.
fn registered() -> (ScriptedElement, AssociationId) {
    let (mut scripted, home) = ScriptedElement::registered();
    scripted.wait(10 * SECOND);
    (scripted, home)
}

fn stranger_comes(scripted: &mut ScriptedElement) -> AssociationId {
    let stranger = scripted.comes(STRANGERS_NUMBER);
    scripted.asks(stranger, STRANGERS_NUMBER, Wants::ToBeHome);
    stranger
}

/// The home answers the element's question.
fn answers(scripted: &mut ScriptedElement, home: AssociationId) {
    with_elements(&[1], |elements| {
        scripted.hears(
            home,
            Body::HandleResolutionResponse(HandleResolutionResponse {
                pool_handle: PoolHandle::new(b"pool"),
                accept_updates: false,
                policy: None,
                pool_elements: Sequence::new(elements),
                error: None,
            }),
        );
    });
}

/// The homes that the element has changed to.
fn homes(scripted: &ScriptedElement) -> Vec<u32> {
    scripted.events.pick(|event| match event {
        ElementEvent::HomeChanged { home } => Some(home.0),
        _ => None,
    })
}

#[test]
fn a_registrar_that_is_known_becomes_the_home_at_once() {
    let mut scripted = ScriptedElement::new(&[1, 2]);
    scripted.act(|element, now| element.register(now));
    let home = scripted.opens(1);
    scripted.accepts(home);
    let other = scripted.comes(2);
    scripted.asks(other, 2, Wants::ToBeHome);
    assert_eq!((homes(&scripted), scripted.types(other)), (vec![2], vec![ACK]));
    assert!(scripted.ended.contains(&home) && scripted.element.is_registered());
}

#[test]
fn a_registrar_that_has_announced_itself_is_known_until_t7() {
    // ASAP_SERVER_ANNOUNCE, length 24: server 9; SCTP, length 16: port 3863, data only; IPv4, length 8: 10.0.0.9.
    let announcement = [0xa, 0, 0, 24, 0, 0, 0, 9, 0, 4, 0, 16, 0xf, 0x17, 0, 0, 0, 1, 0, 8, 10, 0, 0, 9];
    for (pause, is_known) in [(4 * SECOND, true), (6 * SECOND, false)] {
        let (mut scripted, _) = registered();
        let from = std::net::SocketAddr::from(([10, 0, 0, 9], 3863));
        scripted.input(rserpool::Input::Datagram { group: MulticastGroup::Asap, from, octets: &announcement });
        scripted.wait(pause);
        stranger_comes(&mut scripted);
        assert_eq!(!homes(&scripted).is_empty(), is_known);
    }
}

#[test]
fn a_stranger_does_not_become_the_home_while_the_home_lives() {
    let (mut scripted, home) = registered();
    let stranger = stranger_comes(&mut scripted);
    // The home is asked something that it has to answer. The stranger has no answer yet.
    assert_eq!((scripted.types(home), scripted.types(stranger)), (vec![RESOLUTION], vec![]));
    assert!(scripted.ended.is_empty() && scripted.element.is_registered());
    answers(&mut scripted, home);
    // The stranger learns that it has not got the element.
    assert_eq!((&scripted.ended, scripted.types(stranger)), (&vec![stranger], vec![]));
    scripted.wait(10 * SECOND);
    assert!(homes(&scripted).is_empty() && scripted.element.is_registered());
    assert!(!scripted.ended.contains(&home));
}

#[test]
fn whatever_the_home_says_shows_that_it_lives() {
    let (mut scripted, home) = registered();
    let stranger = stranger_comes(&mut scripted);
    scripted.asks(home, 1, Wants::ToKnow);
    assert_eq!(scripted.ended, [stranger]);
    let (mut scripted, home) = registered();
    scripted.act(|element, now| element.register(now));
    let stranger = stranger_comes(&mut scripted);
    let causes = [ErrorCause::new(CauseCode::LACK_OF_RESOURCES)];
    let error = Some(Sequence::new(&causes));
    let response = RegistrationResponse { element: reference(), rejected: true, error };
    scripted.hears(home, Body::RegistrationResponse(response));
    assert!(scripted.ended.contains(&stranger) && homes(&scripted).is_empty());
}

#[test]
fn what_others_say_does_not_show_that_the_home_lives() {
    let (mut scripted, _) = registered();
    let stranger = stranger_comes(&mut scripted);
    let other = scripted.comes(8);
    scripted.asks(other, 8, Wants::ToKnow);
    assert!(!scripted.ended.contains(&stranger));
    scripted.wait(3 * SECOND);
    assert_eq!(homes(&scripted), [9]);
}

#[test]
fn a_stranger_becomes_the_home_when_the_home_does_not_answer() {
    let (mut scripted, home) = registered();
    let stranger = stranger_comes(&mut scripted);
    scripted.wait(2 * SECOND);
    assert!(homes(&scripted).is_empty());
    scripted.wait(SECOND);
    // It is told so before its keep-alive time-out of 5 s, and has taken over the registration as well.
    assert_eq!((homes(&scripted), scripted.types(stranger)), (vec![9], vec![ACK]));
    assert_eq!(scripted.ended, [home]);
    assert!(scripted.element.is_registered());
}

#[test]
fn how_long_the_home_may_take_to_answer_can_be_set() {
    let mut scripted = ScriptedElement::with(&[1], |config| config.home_silence = SECOND / 2);
    scripted.act(|element, now| element.register(now));
    let home = scripted.opens(1);
    scripted.accepts(home);
    scripted.wait(10 * SECOND);
    stranger_comes(&mut scripted);
    scripted.wait(SECOND / 2 - Duration::from_millis(1));
    assert!(homes(&scripted).is_empty());
    scripted.wait(Duration::from_millis(1));
    assert_eq!(homes(&scripted), [9]);
}

#[test]
fn a_stranger_becomes_the_home_when_the_homes_association_ends() {
    let (mut scripted, home) = registered();
    let stranger = stranger_comes(&mut scripted);
    scripted.closes(home, CloseReason::Lost);
    assert_eq!((homes(&scripted), scripted.types(stranger)), (vec![9], vec![ACK]));
    assert!(scripted.element.is_registered());
    assert!(scripted.wanted().is_empty() && !scripted.element.is_hunting());
}

#[test]
fn a_home_that_is_asked_already_is_not_asked_again() {
    let (mut scripted, home) = registered();
    scripted.act(|element, now| element.register(now));
    let stranger = stranger_comes(&mut scripted);
    assert_eq!(scripted.types(home), [REGISTRATION]);
    scripted.wait(3 * SECOND);
    assert_eq!((homes(&scripted), scripted.types(stranger)), (vec![9], vec![ACK, REGISTRATION]));
}

#[test]
fn strangers_do_not_have_the_home_asked_more_than_once_a_second() {
    let (mut scripted, home) = registered();
    let mut asked = 0;
    for _ in 0..50 {
        stranger_comes(&mut scripted);
        scripted.wait(Duration::from_millis(100));
        if !scripted.types(home).is_empty() {
            asked += 1;
            scripted.clear();
            answers(&mut scripted, home);
        }
    }
    // At 0, 1, 2, 3, 4 and 5 s.
    assert_eq!(asked, 6);
    assert!(homes(&scripted).is_empty());
}

#[test]
fn a_stranger_is_turned_away_while_another_one_waits() {
    let (mut scripted, _) = registered();
    let first = stranger_comes(&mut scripted);
    let second = scripted.comes(8);
    scripted.asks(second, 8, Wants::ToBeHome);
    assert_eq!((&scripted.ended, scripted.types(second)), (&vec![second], vec![]));
    scripted.wait(3 * SECOND);
    assert_eq!((homes(&scripted), scripted.types(first)), (vec![9], vec![ACK]));
    // One that goes leaves its place to the next.
    let (mut scripted, _) = registered();
    let first = stranger_comes(&mut scripted);
    scripted.closes(first, CloseReason::Lost);
    scripted.wait(4 * SECOND);
    assert!(homes(&scripted).is_empty());
    stranger_comes(&mut scripted);
    scripted.wait(3 * SECOND);
    assert_eq!(homes(&scripted), [9]);
}

#[test]
fn a_stranger_that_only_asks_whether_a_member_is_there_is_answered_and_not_followed() {
    let (mut scripted, home) = registered();
    let stranger = scripted.comes(9);
    scripted.asks(stranger, 9, Wants::ToKnow);
    assert_eq!((scripted.types(stranger), scripted.types(home)), (vec![ACK], vec![]));
    scripted.wait(10 * SECOND);
    assert!(homes(&scripted).is_empty());
}

#[test]
fn who_looks_for_a_home_takes_a_stranger_only_if_those_that_it_knows_are_silent() {
    for wants in [Wants::ToKnow, Wants::ToBeHome] {
        // They are silent.
        let (mut scripted, home) = registered();
        scripted.closes(home, CloseReason::Lost);
        assert_eq!(scripted.wanted(), [1]);
        let stranger = scripted.comes(9);
        scripted.asks(stranger, 9, wants);
        scripted.wait(2 * SECOND);
        assert!(homes(&scripted).is_empty());
        scripted.wait(SECOND);
        assert_eq!(homes(&scripted), [9]);
        assert_eq!(scripted.types(stranger), [ACK, REGISTRATION]);
        // One of them answers.
        let (mut scripted, home) = registered();
        scripted.closes(home, CloseReason::Lost);
        let stranger = scripted.comes(9);
        scripted.asks(stranger, 9, wants);
        let home = scripted.opens(1);
        assert_eq!((scripted.types(home), &scripted.ended), (vec![REGISTRATION], &vec![stranger]));
        // None of them can be reached.
        let (mut scripted, home) = registered();
        scripted.closes(home, CloseReason::Lost);
        let stranger = scripted.comes(9);
        scripted.asks(stranger, 9, wants);
        scripted.fails(1);
        assert_eq!(homes(&scripted), [9]);
        assert_eq!(scripted.types(stranger), [ACK, REGISTRATION]);
        // It was known already that none of them can be.
        let (mut scripted, home) = registered();
        scripted.closes(home, CloseReason::Lost);
        scripted.fails(1);
        let stranger = scripted.comes(9);
        scripted.asks(stranger, 9, wants);
        assert_eq!(homes(&scripted), [9]);
    }
}

#[test]
fn who_stops_being_a_member_while_a_stranger_waits_does_not_follow_it() {
    let (mut scripted, home) = registered();
    let stranger = stranger_comes(&mut scripted);
    answers(&mut scripted, home);
    scripted.act(|element, now| element.deregister(now));
    let other = stranger_comes(&mut scripted);
    scripted.removes(home);
    assert!(scripted.ended.contains(&stranger) && scripted.ended.contains(&other));
    scripted.wait(10 * SECOND);
    assert!(homes(&scripted).is_empty());
    assert_eq!(scripted.element.poll_timeout(), None);
}

#[test]
fn one_that_leaves_deregisters_with_a_stranger_whose_takeover_the_homes_silence_confirms() {
    let (mut scripted, home) = registered();
    scripted.act(|element, now| element.deregister(now));
    let stranger = stranger_comes(&mut scripted);
    scripted.wait(3 * SECOND);
    assert_eq!(scripted.types(stranger), [message_type::DEREGISTRATION]);
    scripted.removes(stranger);
    assert!(scripted.events.has(event!(ElementEvent::Deregistered)));
    assert!(scripted.ended.contains(&home));
}

#[test]
fn a_message_with_the_h_flag_does_not_take_an_element_from_its_registrar() {
    let (mut net, registrars) = cluster(2);
    let element = net.element("pool", 1, &registrars);
    net.run(SECOND);
    let before = net.table(registrars[0]);
    let keep_alive = Body::EndpointKeepAlive(EndpointKeepAlive {
        server: ServerIdentifier(0x666),
        new_home: true,
        pool_handle: PoolHandle::new(b"pool"),
        identifier: None,
    });
    net.inject_from(STRANGER, element, PayloadProtocol::ASAP, &crate::scripted_user::encode(keep_alive));
    net.run(60 * SECOND);
    assert!(!net.events(element).has(event!(ElementEvent::HomeChanged { .. } | ElementEvent::HomeLost { .. })));
    assert_eq!([net.table(registrars[0]), net.table(registrars[1])], [before.clone(), before]);
}

#[test]
fn an_element_with_a_hung_home_that_it_knows_alone_is_taken_over_by_another() {
    let (mut net, registrars) = cluster(2);
    let element = net.element("pool", 1, &registrars[..1]);
    net.run(SECOND);
    // Its associations stand.
    net.pause(registrars[0]);
    net.run(100 * SECOND);
    assert!(net.events(element).has(event!(ElementEvent::HomeChanged { home: ServerIdentifier(0x101) })));
    assert_eq!(net.table(registrars[1]), [(1, 0x101)]);
    // The new home has never missed it.
    assert!(!net.events(registrars[1]).has(event!(RegistrarEvent::Removed { .. })));
}

#[test]
fn an_element_whose_home_lives_stays_when_another_registrar_takes_it_for_dead() {
    let (mut net, registrars) = cluster(2);
    let element = net.element("pool", 1, &registrars[..1]);
    net.run(SECOND);
    net.separate(registrars[0], registrars[1]);
    net.run(100 * SECOND);
    assert!(net.events(registrars[1]).has(event!(RegistrarEvent::TakenOver { target: ServerIdentifier(0x100), .. })));
    assert!(!net.events(element).has(event!(ElementEvent::HomeChanged { .. })));
    assert_eq!(net.table(registrars[0]), [(1, 0x100)]);
    net.join(registrars[0], registrars[1]);
    net.run(200 * SECOND);
    assert_eq!(net.table(registrars[0]), [(1, 0x100)]);
    assert_eq!(net.table(registrars[1]), [(1, 0x100)]);
}
