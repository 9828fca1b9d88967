//! What an element asks its home registrar, again and again if it has to, and where it asks without one (RFC 5352 §3.3, §3.6,
//! §3.7).

use std::time::Duration;

use rserpool::CloseReason;
use rserpool::pool_element::{ElementEvent, ResolveError};
use rserpool::pool_user::ResolutionFailure;
use rserpool::wire::asap::{Body, BusinessCard, HandleResolutionResponse, message_type};
use rserpool::wire::{CauseCode, ErrorCause, PoolHandle, Sequence, ServerIdentifier};
use rserpool::{AssociationId, Machine};

use crate::events::{Event, event};
use crate::scripted_element::ScriptedElement;
use crate::scripted_user::with_elements;

const SECOND: Duration = Duration::from_secs(1);
const T1: Duration = Duration::from_secs(15);
const RESOLUTION: u8 = message_type::HANDLE_RESOLUTION;
const REGISTRATION: u8 = message_type::REGISTRATION;
const NO_ANSWER: ElementEvent<'static> =
    ElementEvent::ResolutionFailed { pool_handle: PoolHandle::new(b"other"), failure: ResolutionFailure::NoAnswer };

fn other() -> PoolHandle<'static> {
    PoolHandle::new(b"other")
}

fn resolve(scripted: &mut ScriptedElement) {
    scripted.act(|element, now| element.resolve(now, other()).unwrap());
}

/// What the element has told, but for that nobody answers.
fn told(scripted: &ScriptedElement) -> Vec<ElementEvent<'static>> {
    scripted.events.all(|event| !matches!(event, ElementEvent::NoRegistrar(_)))
}

/// What a registrar says of "other".
fn with_response<R>(then: impl FnOnce(HandleResolutionResponse<'_>) -> R) -> R {
    with_elements(&[4, 5], |elements| {
        then(HandleResolutionResponse {
            pool_handle: other(),
            accept_updates: false,
            policy: None,
            pool_elements: Sequence::new(elements),
            error: None,
        })
    })
}

/// A registrar tells the elements of "other".
fn answers(scripted: &mut ScriptedElement, home: AssociationId) {
    with_response(|response| scripted.hears(home, Body::HandleResolutionResponse(response)));
}

/// The element has got that answer.
fn resolved() -> ElementEvent<'static> {
    with_response(|response| ElementEvent::Resolved(response).keep())
}

#[test]
fn an_element_without_a_home_looks_for_one_to_ask_and_leaves_it_afterwards() {
    let mut scripted = ScriptedElement::new(&[1]);
    resolve(&mut scripted);
    let home = scripted.opens(1);
    // It asks, and does not register.
    assert_eq!(scripted.types(home), [RESOLUTION]);
    answers(&mut scripted, home);
    assert_eq!(told(&scripted), [resolved()]);
    assert_eq!(scripted.ended, [home]);
    assert!(!scripted.element.is_registered() && !scripted.element.is_hunting());
    assert_eq!(scripted.element.poll_timeout(), None);
}

#[test]
fn an_element_that_registers_meanwhile_does_both_over_one_association() {
    let mut scripted = ScriptedElement::new(&[1]);
    resolve(&mut scripted);
    scripted.act(|element, now| element.register(now));
    let home = scripted.opens(1);
    let mut types = scripted.types(home);
    types.sort_unstable();
    assert_eq!(types, [REGISTRATION, RESOLUTION]);
    answers(&mut scripted, home);
    scripted.accepts(home);
    assert!(scripted.element.is_registered() && scripted.ended.is_empty());
    // And the other way round.
    let mut scripted = ScriptedElement::new(&[1]);
    resolve(&mut scripted);
    let home = scripted.opens(1);
    scripted.act(|element, now| element.register(now));
    assert_eq!(scripted.types(home), [RESOLUTION, REGISTRATION]);
    answers(&mut scripted, home);
    scripted.accepts(home);
    assert!(scripted.element.is_registered() && scripted.ended.is_empty());
}

#[test]
fn a_resolution_without_answer_is_repeated_max_request_retransmit_times() {
    let (mut scripted, home) = ScriptedElement::registered_with(&[1]);
    resolve(&mut scripted);
    for asked in 1..=3 {
        assert_eq!(scripted.types(home), vec![RESOLUTION; asked]);
        assert!(told(&scripted).is_empty());
        assert_eq!(scripted.act(|element, now| element.resolve(now, other())), Err(ResolveError::Busy));
        scripted.wait(T1);
    }
    assert_eq!(scripted.types(home).len(), 3);
    assert_eq!(told(&scripted), [NO_ANSWER]);
    // Its registration is not touched.
    assert!(scripted.element.is_registered() && scripted.ended.is_empty());
    scripted.wait(60 * SECOND);
    assert_eq!((scripted.types(home).len(), told(&scripted).len()), (3, 1));
}

#[test]
fn the_number_of_repetitions_can_be_set() {
    let mut scripted = ScriptedElement::with(&[1], |config| config.max_request_retransmit = 0);
    resolve(&mut scripted);
    let home = scripted.opens(1);
    scripted.wait(T1);
    assert_eq!((scripted.types(home), told(&scripted)), (vec![RESOLUTION], vec![NO_ANSWER]));
}

#[test]
fn while_there_is_no_registrar_t1_runs_all_the_same() {
    let mut scripted = ScriptedElement::new(&[1]);
    resolve(&mut scripted);
    scripted.wait(3 * T1 - SECOND);
    assert!(told(&scripted).is_empty());
    scripted.wait(SECOND);
    assert_eq!(told(&scripted), [NO_ANSWER]);
    // Nothing is left to look for a registrar for.
    assert!(!scripted.element.is_hunting());
    assert_eq!((scripted.wanted(), scripted.element.poll_timeout()), (vec![], None));
}

#[test]
fn a_resolution_is_asked_of_the_next_home_when_the_first_is_lost() {
    let (mut scripted, home) = ScriptedElement::registered_with(&[1, 2]);
    resolve(&mut scripted);
    scripted.closes(home, CloseReason::Lost);
    scripted.wait(SECOND);
    let next = scripted.opens(2);
    let mut types = scripted.types(next);
    types.sort_unstable();
    assert_eq!(types, [REGISTRATION, RESOLUTION]);
    answers(&mut scripted, next);
    assert_eq!(scripted.events.all(event!(ElementEvent::Resolved(_))), [resolved()]);
}

#[test]
fn after_t1_the_home_is_asked_again_and_another_registrar_is_looked_for_meanwhile() {
    let (mut scripted, home) = ScriptedElement::registered_with(&[1, 2]);
    resolve(&mut scripted);
    scripted.wait(T1);
    assert_eq!(scripted.types(home), [RESOLUTION, RESOLUTION]);
    // The home itself is not asked for a second association.
    assert_eq!(scripted.wanted(), [2]);
    assert!(scripted.element.is_registered() && scripted.ended.is_empty());
    // RFC 5352 §3.7.2: the one that responds is the new home.
    let next = scripted.opens(2);
    assert_eq!(
        (&scripted.ended, told(&scripted)),
        (&vec![home], vec![ElementEvent::HomeLost { reason: CloseReason::Lost }])
    );
    let mut types = scripted.types(next);
    types.sort_unstable();
    assert_eq!(types, [REGISTRATION, RESOLUTION]);
    scripted.accepts(next);
    answers(&mut scripted, next);
    let registered = ElementEvent::Registered { home: ServerIdentifier::NONE };
    assert_eq!(told(&scripted)[1..], [registered, resolved()]);
    assert!(!scripted.element.is_hunting());
}

#[test]
fn a_home_that_answers_late_stays() {
    let (mut scripted, home) = ScriptedElement::registered_with(&[1, 2]);
    resolve(&mut scripted);
    scripted.wait(T1);
    assert_eq!(scripted.wanted(), [2]);
    answers(&mut scripted, home);
    assert_eq!(told(&scripted), [resolved()]);
    assert!(scripted.wanted().is_empty() && !scripted.ended.contains(&home));
    assert!(scripted.element.is_registered());
}

#[test]
fn a_home_that_is_lost_while_another_is_looked_for_is_replaced_by_that_one() {
    let (mut scripted, home) = ScriptedElement::registered_with(&[1, 2]);
    resolve(&mut scripted);
    scripted.wait(T1);
    scripted.closes(home, CloseReason::Lost);
    assert!(scripted.element.is_hunting());
    let next = scripted.opens(2);
    let mut types = scripted.types(next);
    types.sort_unstable();
    assert_eq!(types, [REGISTRATION, RESOLUTION]);
    // If the other fails as well, the one that was lost is better than none.
    let (mut scripted, home) = ScriptedElement::registered_with(&[1, 2]);
    resolve(&mut scripted);
    scripted.wait(T1);
    scripted.fails(2);
    scripted.closes(home, CloseReason::Lost);
    assert_eq!(scripted.wanted(), [1]);
}

#[test]
fn an_only_registrar_is_asked_again_over_the_same_association() {
    let (mut scripted, home) = ScriptedElement::registered_with(&[1]);
    resolve(&mut scripted);
    scripted.wait(T1 + SECOND);
    assert_eq!(scripted.types(home), [RESOLUTION, RESOLUTION]);
    assert!(scripted.attempts.is_empty());
    answers(&mut scripted, home);
    assert_eq!(told(&scripted), [resolved()]);
}

#[test]
fn an_element_that_leaves_hears_the_answer_before_it_goes() {
    let (mut scripted, home) = ScriptedElement::registered_with(&[1]);
    resolve(&mut scripted);
    scripted.act(|element, now| element.deregister(now));
    scripted.removes(home);
    assert_eq!((told(&scripted), scripted.ended.len()), (vec![ElementEvent::Deregistered], 0));
    answers(&mut scripted, home);
    assert_eq!((told(&scripted).last(), &scripted.ended), (Some(&resolved()), &vec![home]));
}

#[test]
fn an_element_that_gives_up_registering_still_asks() {
    let mut scripted = ScriptedElement::with(&[1, 2], |config| config.max_reg_attempt = 0);
    scripted.act(|element, now| element.register(now));
    resolve(&mut scripted);
    let home = scripted.opens(1);
    scripted.closes(home, CloseReason::Lost);
    scripted.wait(SECOND);
    let next = scripted.opens(2);
    assert_eq!(scripted.types(next), [RESOLUTION]);
}

#[test]
fn a_refusal_is_told_with_its_cause_and_an_answer_of_someone_else_is_none() {
    let (mut scripted, home) = ScriptedElement::registered_with(&[1]);
    resolve(&mut scripted);
    let stranger = scripted.comes(9);
    answers(&mut scripted, stranger);
    assert!(!scripted.events.has(event!(ElementEvent::Resolved(_))));
    let causes = [ErrorCause::new(CauseCode::UNKNOWN_POOL_HANDLE)];
    let response = HandleResolutionResponse {
        pool_handle: other(),
        accept_updates: false,
        policy: None,
        pool_elements: Sequence::empty(),
        error: Some(Sequence::new(&causes)),
    };
    scripted.hears(home, Body::HandleResolutionResponse(response));
    let failure = ResolutionFailure::Rejected(Some(CauseCode::UNKNOWN_POOL_HANDLE));
    assert_eq!(told(&scripted).last(), Some(&ElementEvent::ResolutionFailed { pool_handle: other(), failure }));
}

/// A user that is an element of "other" gives its card.
fn user_gives_card(scripted: &mut ScriptedElement, user: AssociationId) {
    with_elements(&[4], |elements| {
        let card = BusinessCard { pool_handle: other(), pool_elements: Sequence::new(elements) };
        scripted.hears(user, Body::BusinessCard(card));
    });
}

#[test]
fn the_pool_of_a_users_business_card_is_resolved_once_a_session() {
    // RFC 5352 §3.9 BC1.
    let (mut scripted, home) = ScriptedElement::registered();
    let user = scripted.comes(50);
    user_gives_card(&mut scripted, user);
    assert_eq!(scripted.types(home), [RESOLUTION]);
    answers(&mut scripted, home);
    assert_eq!(scripted.events.all(event!(ElementEvent::Resolved(_))), [resolved()]);
    // A new card changes the order only.
    user_gives_card(&mut scripted, user);
    assert_eq!(scripted.types(home), [RESOLUTION]);
    let another = scripted.comes(51);
    user_gives_card(&mut scripted, another);
    assert_eq!(scripted.types(home), [RESOLUTION, RESOLUTION]);
}

#[test]
fn what_the_application_wants_to_know_goes_ahead_of_a_cards_pool() {
    let (mut scripted, home) = ScriptedElement::registered();
    let user = scripted.comes(50);
    user_gives_card(&mut scripted, user);
    let pool = PoolHandle::new(b"pool");
    assert_eq!(scripted.act(|element, now| element.resolve(now, pool)), Ok(()));
    assert_eq!(scripted.types(home), [RESOLUTION, RESOLUTION]);
    // And a card does not disturb it.
    let another = scripted.comes(51);
    user_gives_card(&mut scripted, another);
    assert_eq!(scripted.types(home), [RESOLUTION, RESOLUTION]);
    assert_eq!(scripted.act(|element, now| element.resolve(now, pool)), Err(ResolveError::Busy));
}

#[test]
fn an_element_that_is_no_member_looks_for_no_registrar_because_of_a_card() {
    let mut scripted = ScriptedElement::new(&[1]);
    let user = scripted.comes(50);
    user_gives_card(&mut scripted, user);
    assert!(scripted.wanted().is_empty());
}
