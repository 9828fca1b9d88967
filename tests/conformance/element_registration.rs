//! What an element says when it registers, leaves and answers keep-alives, when it registers again, and what it makes of the answers
//! (RFC 5352 §3.1, §3.2, §3.4).

use std::time::Duration;

use rserpool::UserTransport;
use rserpool::pool_element::{ElementEvent, RegistrationFailure};
use rserpool::wire::asap::{
    Body, DeregistrationResponse, ElementReference, EndpointKeepAlive, HandleResolution, Message, RegistrationResponse,
    message_type,
};
use rserpool::wire::{
    CauseCode, ErrorCause, PeIdentifier, Policy, PoolElement, PoolHandle, RegistrationLife, Sequence, ServerIdentifier,
    Transport, TransportUse, Unknown,
};
use rserpool::{AssociationId, CloseReason};

use crate::events::event;
use crate::scripted_element::{HERE, ScriptedElement, Wants, reference};

const SECOND: Duration = Duration::from_secs(1);
const REGISTRATION: u8 = message_type::REGISTRATION;
const DEREGISTRATION: u8 = message_type::DEREGISTRATION;

/// The octets of the last message to somebody.
fn last(scripted: &ScriptedElement, to: AssociationId) -> &[u8] {
    &scripted.sent.iter().rfind(|sent| sent.to == to).unwrap().octets
}

/// The times, in seconds, at which the element registers in an hour, if each registration is accepted.
fn registers_at(life: Option<Duration>) -> Vec<u64> {
    let mut scripted = ScriptedElement::with(&[1], |config| config.life = life);
    let start = scripted.now;
    scripted.act(|element, now| element.register(now));
    let home = scripted.opens(1);
    scripted.accepts(home);
    let mut times = vec![0];
    while scripted.now.since(start) < 3_600 * SECOND {
        scripted.clear();
        scripted.wait(SECOND);
        if scripted.types(home) == [REGISTRATION] {
            times.push(scripted.now.since(start).as_secs());
            scripted.accepts(home);
        }
    }
    times
}

#[test]
fn a_registration_says_which_pool_who_for_how_long_where_and_by_which_policy() {
    let mut scripted = ScriptedElement::with(&[1], |config| {
        config.life = Some(Duration::from_secs(77));
        config.policy = Policy::WeightedRandom { weight: 5 };
    });
    scripted.act(|element, now| {
        let transport = UserTransport::sctp(&[HERE], 7001, TransportUse::DataOnly).unwrap();
        element.set_user_transport(now, transport).unwrap();
        element.register(now);
    });
    let home = scripted.opens(1);
    assert_eq!(scripted.types(home), [REGISTRATION]);
    let Body::Registration(registration) = Message::decode(last(&scripted, home)).unwrap().message.body else {
        panic!("another message")
    };
    assert_eq!(registration.pool_handle, PoolHandle::new(b"pool"));
    let addresses = [HERE];
    let expected = PoolElement {
        identifier: PeIdentifier(1),
        home: ServerIdentifier::NONE,
        // In seconds.
        life: RegistrationLife(77),
        user_transport: Transport::sctp(7001, TransportUse::DataOnly, &addresses),
        policy: Policy::WeightedRandom { weight: 5 },
        // That is for the registrar to fill in.
        asap_transport: None,
        unknown: Unknown::NONE,
    };
    assert_eq!(registration.pool_element, expected);
}

#[test]
fn t4_is_the_life_less_20_s_but_at_most_10_minutes() {
    assert_eq!(registers_at(Some(Duration::from_secs(1_000)))[..4], [0, 600, 1_200, 1_800]);
    assert_eq!(registers_at(Some(Duration::from_secs(620)))[..4], [0, 600, 1_200, 1_800]);
    assert_eq!(registers_at(Some(Duration::from_secs(520)))[..4], [0, 500, 1_000, 1_500]);
    assert_eq!(registers_at(None)[..4], [0, 600, 1_200, 1_800]);
    // A life of which 20 s less would leave nothing is renewed when half of it is over.
    assert_eq!(registers_at(Some(Duration::from_secs(20)))[..4], [0, 10, 20, 30]);
}

#[test]
fn a_registration_that_is_rejected_is_told_with_its_cause_and_not_made_again() {
    let mut scripted = ScriptedElement::new(&[1, 2]);
    scripted.act(|element, now| element.register(now));
    let home = scripted.opens(1);
    scripted.clear();
    let causes = [ErrorCause::new(CauseCode::INCONSISTENT_POOLING_POLICY)];
    let response = RegistrationResponse { element: reference(), rejected: true, error: Some(Sequence::new(&causes)) };
    scripted.hears(home, Body::RegistrationResponse(response));
    let failure = RegistrationFailure::Rejected(Some(CauseCode::INCONSISTENT_POOLING_POLICY));
    assert_eq!(scripted.events.all(|_| true), [ElementEvent::RegistrationFailed(failure)]);
    scripted.wait(1_000 * SECOND);
    assert!(!scripted.element.is_registered());
    assert!(scripted.sent.is_empty() && scripted.attempts.is_empty());
    assert_eq!(scripted.events.count(|_| true), 1);
}

#[test]
fn a_response_about_another_element_or_pool_or_from_another_than_the_home_is_not_heeded() {
    let mut scripted = ScriptedElement::new(&[1]);
    scripted.act(|element, now| element.register(now));
    let home = scripted.opens(1);
    let stranger = scripted.comes(9);
    let other = ElementReference { identifier: PeIdentifier(2), ..reference() };
    let elsewhere = ElementReference { pool_handle: PoolHandle::new(b"other"), ..reference() };
    for (from, element) in [(home, other), (home, elsewhere), (stranger, reference())] {
        let response = RegistrationResponse { element, rejected: false, error: None };
        scripted.hears(from, Body::RegistrationResponse(response));
        assert!(!scripted.element.is_registered());
    }
    scripted.accepts(home);
    assert!(scripted.element.is_registered());
}

#[test]
fn a_deregistration_names_pool_and_element_as_the_registration_did() {
    let (mut scripted, home) = ScriptedElement::registered();
    scripted.act(|element, now| element.deregister(now));
    let decoded = Message::decode(last(&scripted, home)).unwrap();
    assert_eq!(decoded.message.body, Body::Deregistration(reference()));
}

#[test]
fn a_deregistration_that_is_rejected_is_told_with_its_cause() {
    let (mut scripted, home) = ScriptedElement::registered();
    scripted.act(|element, now| element.deregister(now));
    let causes = [ErrorCause::new(CauseCode::LACK_OF_RESOURCES)];
    let response = DeregistrationResponse { element: reference(), error: Some(Sequence::new(&causes)) };
    scripted.hears(home, Body::DeregistrationResponse(response));
    let rejected = ElementEvent::DeregistrationRejected { cause: CauseCode::LACK_OF_RESOURCES };
    assert!(scripted.events.has(|event| *event == rejected));
    assert!(!scripted.events.has(event!(ElementEvent::Deregistered)));
}

#[test]
fn an_element_that_is_told_of_its_removal_without_having_asked_registers_again() {
    let (mut scripted, home) = ScriptedElement::registered();
    scripted.removes(home);
    assert!(!scripted.element.is_registered());
    assert_eq!(scripted.types(home), [REGISTRATION]);
    scripted.accepts(home);
    assert!(scripted.element.is_registered());
}

#[test]
fn an_element_that_is_no_member_has_left_already() {
    let mut scripted = ScriptedElement::new(&[1]);
    scripted.act(|element, now| element.deregister(now));
    assert_eq!(scripted.events.all(|_| true), [ElementEvent::Deregistered]);
    assert!(scripted.attempts.is_empty());
}

#[test]
fn a_resolution_of_an_element_names_the_pool_and_asks_for_no_updates() {
    let (mut scripted, home) = ScriptedElement::registered();
    let pool_handle = PoolHandle::new(b"other");
    scripted.act(|element, now| element.resolve(now, pool_handle).unwrap());
    let decoded = Message::decode(last(&scripted, home)).unwrap();
    let request = HandleResolution { pool_handle, send_updates: false, items: None };
    assert_eq!(decoded.message.body, Body::HandleResolution(request));
}

#[test]
fn a_keep_alive_is_answered_with_pool_and_identifier_where_it_came_from() {
    let (mut scripted, home) = ScriptedElement::registered();
    let other = scripted.comes(2);
    for from in [home, other] {
        scripted.clear();
        scripted.asks(from, 2, Wants::ToKnow);
        assert_eq!(scripted.sent.len(), 1);
        let decoded = Message::decode(last(&scripted, from)).unwrap();
        assert_eq!(decoded.message.body, Body::EndpointKeepAliveAck(reference()));
    }
    // Neither has asked to be the home, and so the home stays.
    assert!(!scripted.ended.contains(&home));
    scripted.act(|element, now| element.register(now));
    assert_eq!(scripted.types(home), [REGISTRATION]);
}

#[test]
fn a_keep_alive_for_another_pool_has_no_answer_and_no_effect() {
    let (mut scripted, home) = ScriptedElement::registered();
    let other = scripted.comes(2);
    let keep_alive = EndpointKeepAlive {
        server: ServerIdentifier(2),
        new_home: true,
        pool_handle: PoolHandle::new(b"other"),
        identifier: None,
    };
    scripted.hears(other, Body::EndpointKeepAlive(keep_alive));
    assert!(scripted.sent.is_empty() && scripted.ended.is_empty());
    scripted.act(|element, now| element.register(now));
    assert_eq!(scripted.types(home), [REGISTRATION]);
}

#[test]
fn a_keep_alive_that_names_another_element_has_no_answer() {
    // rsplib's registrars name the element.
    let (mut scripted, home) = ScriptedElement::registered();
    let asks = |scripted: &mut ScriptedElement, identifier| {
        let keep_alive = EndpointKeepAlive {
            server: ServerIdentifier(1),
            new_home: false,
            pool_handle: PoolHandle::new(b"pool"),
            identifier: Some(PeIdentifier(identifier)),
        };
        scripted.hears(home, Body::EndpointKeepAlive(keep_alive));
    };
    asks(&mut scripted, 2);
    assert!(scripted.types(home).is_empty());
    asks(&mut scripted, 1);
    assert_eq!(scripted.types(home).len(), 1);
}

#[test]
fn after_a_keep_alive_with_h_all_requests_go_to_its_sender() {
    let (mut scripted, home) = ScriptedElement::registered_with(&[1, 2]);
    let other = scripted.comes(2);
    scripted.asks(other, 2, Wants::ToBeHome);
    assert_eq!(scripted.events.count(event!(ElementEvent::HomeChanged { home: ServerIdentifier(2) })), 1);
    assert!(scripted.element.is_registered());
    assert_eq!(scripted.ended, [home]);
    scripted.clear();
    scripted.act(|element, now| element.register(now));
    scripted.accepts(other);
    scripted.act(|element, now| element.deregister(now));
    assert_eq!(scripted.types(other), [REGISTRATION, DEREGISTRATION]);
    assert!(scripted.types(home).is_empty());
}

#[test]
fn an_element_whose_home_is_lost_registers_with_the_next() {
    let mut scripted = ScriptedElement::new(&[1, 2]);
    scripted.act(|element, now| element.register(now));
    let first = scripted.opens(1);
    scripted.accepts(first);
    scripted.wait(20 * SECOND);
    scripted.closes(first, CloseReason::Lost);
    let second = scripted.opens(2);
    assert_eq!(scripted.types(second), [REGISTRATION]);
}

/// An element that waits for the answer to its registration.
fn registering() -> (ScriptedElement, AssociationId) {
    let mut scripted = ScriptedElement::new(&[1]);
    scripted.act(|element, now| element.register(now));
    let home = scripted.opens(1);
    (scripted, home)
}

fn error(scripted: &mut ScriptedElement, from: AssociationId, cause: CauseCode) {
    let causes = [ErrorCause::new(cause)];
    scripted.hears(from, Body::Error(Sequence::new(&causes)));
}

#[test]
fn an_error_of_the_home_in_place_of_a_response_ends_the_registration() {
    for cause in [CauseCode::INVALID_VALUES, CauseCode::UNRECOGNIZED_MESSAGE, CauseCode::UNSPECIFIED_ERROR] {
        let (mut scripted, home) = registering();
        error(&mut scripted, home, cause);
        let failure = RegistrationFailure::Rejected(Some(cause));
        assert_eq!(scripted.events.list(), [ElementEvent::RegistrationFailed(failure)]);
        // RFC 5352 §3.1: it is not tried again without a correction.
        scripted.wait(Duration::from_secs(100));
        assert_eq!((scripted.attempts.len(), scripted.types(home)), (1, vec![message_type::REGISTRATION]));
    }
}

#[test]
fn an_error_that_may_be_about_something_else_does_not() {
    // A parameter that is not recognized does not keep the registrar from processing the rest, and answering.
    let (mut scripted, home) = registering();
    error(&mut scripted, home, CauseCode::UNRECOGNIZED_PARAMETER);
    scripted.accepts(home);
    assert!(scripted.element.is_registered());
    // It may be about the resolution.
    let (mut scripted, home) = registering();
    scripted.act(|element, now| element.resolve(now, PoolHandle::new(b"other")).unwrap());
    error(&mut scripted, home, CauseCode::UNSPECIFIED_ERROR);
    scripted.accepts(home);
    assert!(scripted.element.is_registered());
    // It is of somebody else.
    let (mut scripted, home) = registering();
    let other = scripted.comes(2);
    error(&mut scripted, other, CauseCode::INVALID_VALUES);
    scripted.accepts(home);
    assert!(scripted.element.is_registered());
    // Nothing is asked for.
    error(&mut scripted, home, CauseCode::INVALID_VALUES);
    assert!(scripted.element.is_registered());
}

#[test]
fn a_new_registration_by_the_application_begins_the_count_of_attempts_anew() {
    let mut scripted = ScriptedElement::with(&[1], |config| config.max_reg_attempt = 1);
    let given_up = event!(ElementEvent::RegistrationFailed(RegistrationFailure::NoAnswer));
    for _ in 0..2 {
        scripted.clear();
        scripted.act(|element, now| element.register(now));
        for failures in 1..=2 {
            scripted.wait(SECOND);
            let home = scripted.opens(1);
            scripted.closes(home, CloseReason::Lost);
            assert_eq!(scripted.events.has(given_up), failures == 2);
        }
    }
}
