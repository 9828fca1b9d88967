//! Whom an element tells that it is there (RFC 5352 §2.2.7, §3.4): no registrar keeps an element that has left.

use std::time::Duration;

use rserpool::CloseReason;
use rserpool::pool_element::ElementEvent;
use rserpool::wire::asap::{Body, DeregistrationResponse, RegistrationResponse, message_type};
use rserpool::wire::{CauseCode, ErrorCause, Sequence};

use crate::events::event;
use crate::scripted_element::{ScriptedElement, Wants, reference};

#[test]
fn an_element_that_has_never_registered_is_not_there() {
    let mut scripted = ScriptedElement::new(&[1]);
    for wants in [Wants::ToKnow, Wants::ToBeHome] {
        let registrar = scripted.comes(1);
        scripted.asks(registrar, 1, wants);
    }
    assert_eq!((scripted.sent.len(), scripted.ended.len()), (0, 0));
    assert_eq!(scripted.events.count(event!(ElementEvent::Accepted { .. })), scripted.events.list().len());
}

#[test]
fn an_element_that_has_left_is_not_there_for_anyone() {
    let (mut scripted, home) = ScriptedElement::registered();
    scripted.act(|element, now| element.deregister(now));
    scripted.removes(home);
    scripted.clear();
    for (number, wants) in [(1, Wants::ToKnow), (2, Wants::ToKnow), (3, Wants::ToBeHome)] {
        let registrar = scripted.comes(number);
        scripted.asks(registrar, number, wants);
    }
    assert!(scripted.sent.is_empty());
    // It may come back.
    scripted.act(|element, now| element.register(now));
    scripted.wait(Duration::from_secs(1));
    let home = scripted.opens(1);
    scripted.accepts(home);
    scripted.asks(home, 1, Wants::ToKnow);
    assert_eq!(scripted.types(home), [message_type::REGISTRATION, message_type::ENDPOINT_KEEP_ALIVE_ACK]);
}

#[test]
fn an_element_that_was_rejected_is_not_there() {
    let mut scripted = ScriptedElement::new(&[1]);
    scripted.act(|element, now| element.register(now));
    let home = scripted.opens(1);
    let causes = [ErrorCause::new(CauseCode::LACK_OF_RESOURCES)];
    let error = Some(Sequence::new(&causes));
    scripted
        .hears(home, Body::RegistrationResponse(RegistrationResponse { element: reference(), rejected: true, error }));
    let registrar = scripted.comes(1);
    scripted.asks(registrar, 1, Wants::ToKnow);
    assert_eq!(scripted.acknowledged(), 0);
}

#[test]
fn an_element_whose_deregistration_is_rejected_does_not_keep_its_entry_alive() {
    let (mut scripted, home) = ScriptedElement::registered();
    scripted.act(|element, now| element.deregister(now));
    let causes = [ErrorCause::new(CauseCode::LACK_OF_RESOURCES)];
    let error = Some(Sequence::new(&causes));
    scripted.hears(home, Body::DeregistrationResponse(DeregistrationResponse { element: reference(), error }));
    let cause = CauseCode::LACK_OF_RESOURCES;
    assert_eq!(scripted.events.list(), [ElementEvent::DeregistrationRejected { cause }]);
    let registrar = scripted.comes(1);
    scripted.asks(registrar, 1, Wants::ToKnow);
    assert_eq!(scripted.acknowledged(), 0);
}

#[test]
fn an_element_that_leaves_tells_nobody_that_it_is_there() {
    let (mut scripted, home) = ScriptedElement::registered();
    scripted.act(|element, now| element.deregister(now));
    let other = scripted.comes(2);
    for (association, number) in [(home, 1), (other, 2)] {
        scripted.asks(association, number, Wants::ToKnow);
    }
    assert_eq!(scripted.types(home), [message_type::DEREGISTRATION]);
    assert!(scripted.types(other).is_empty());
}

#[test]
fn an_element_that_leaves_deregisters_with_who_makes_himself_its_home() {
    let (mut scripted, home) = ScriptedElement::registered_with(&[1, 2, 3]);
    scripted.act(|element, now| element.deregister(now));
    let other = scripted.comes(2);
    scripted.asks(other, 2, Wants::ToBeHome);
    assert_eq!(scripted.types(other), [message_type::DEREGISTRATION]);
    scripted.removes(other);
    assert!(scripted.events.has(event!(ElementEvent::Deregistered)));
    assert!(scripted.ended.contains(&home));
}

#[test]
fn an_element_that_looks_for_a_registrar_to_leave_by_deregisters_with_who_asks() {
    let (mut scripted, home) = ScriptedElement::registered_with(&[1, 2, 3]);
    scripted.act(|element, now| element.deregister(now));
    scripted.closes(home, CloseReason::Lost);
    let other = scripted.comes(2);
    scripted.asks(other, 2, Wants::ToKnow);
    assert_eq!(scripted.types(other), [message_type::DEREGISTRATION]);
}

#[test]
fn an_element_that_renews_its_registration_or_looks_for_a_home_is_there() {
    let (mut scripted, home) = ScriptedElement::registered_with(&[1, 2, 3]);
    scripted.act(|element, now| element.register(now));
    let other = scripted.comes(2);
    scripted.asks(other, 2, Wants::ToKnow);
    assert_eq!(scripted.types(other), [message_type::ENDPOINT_KEEP_ALIVE_ACK]);
    scripted.closes(home, CloseReason::Lost);
    let third = scripted.comes(3);
    scripted.asks(third, 3, Wants::ToKnow);
    assert_eq!(scripted.types(third), [message_type::ENDPOINT_KEEP_ALIVE_ACK, message_type::REGISTRATION]);
}
