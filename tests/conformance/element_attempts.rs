//! For how long an element waits for the answer to a registration or deregistration (RFC 5352 §3.1, §3.2, T2 and T3), and how
//! often it tries to register before it gives up (MAX-REG-ATTEMPT).

use std::time::Duration;

use rserpool::CloseReason;
use rserpool::pool_element::{ElementEvent, RegistrationFailure};
use rserpool::wire::asap::message_type;

use crate::events::event;
use crate::scripted_element::ScriptedElement;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
/// RFC 5352 §7.1.
const T2: Duration = Duration::from_secs(30);
const T3: Duration = Duration::from_secs(30);
const GIVEN_UP: ElementEvent<'static> = ElementEvent::RegistrationFailed(RegistrationFailure::NoAnswer);

/// What comes of a registration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// T2 expires.
    Silence,
    /// The association ends.
    End(CloseReason),
}

/// An element that registers, and is refused an answer as often as it gives up for. How often it has asked, and when it has
/// given up.
fn until_it_gives_up(max_reg_attempt: u8, outcomes: &[Outcome]) -> (usize, Duration) {
    let mut scripted = ScriptedElement::with(&[1, 2, 3], |config| config.max_reg_attempt = max_reg_attempt);
    let start = scripted.now;
    scripted.act(|element, now| element.register(now));
    let mut outcomes = outcomes.iter().cycle();
    let mut asked = 0;
    while !scripted.events.has(|event| *event == GIVEN_UP) {
        assert!(asked < 100 && scripted.now.since(start) < 3_600 * SECOND, "it does not give up");
        match scripted.wanted().first() {
            None => scripted.wait(Duration::from_millis(100)),
            Some(number) => {
                let home = scripted.opens(*number);
                asked += 1;
                match outcomes.next().unwrap() {
                    Outcome::Silence => scripted.wait(T2),
                    Outcome::End(reason) => scripted.closes(home, *reason),
                }
            }
        }
    }
    assert!(!scripted.element.is_hunting() && scripted.wanted().is_empty());
    let time = scripted.now.since(start);
    // It has stopped.
    scripted.clear();
    scripted.wait(1_000 * SECOND);
    assert!(scripted.attempts.is_empty() && scripted.events.list().is_empty());
    (asked, time)
}

#[test]
fn a_registration_waits_for_its_answer_until_t2_expires_and_the_answer_stops_t2() {
    let mut scripted = ScriptedElement::new(&[1]);
    scripted.act(|element, now| element.register(now));
    let silent = scripted.opens(1);
    scripted.wait(T2 - MILLISECOND);
    assert!(scripted.ended.is_empty());
    scripted.wait(MILLISECOND);
    assert_eq!(scripted.ended, [silent]);
    scripted.wait(SECOND);
    let home = scripted.opens(1);
    assert_eq!(scripted.types(home), [message_type::REGISTRATION]);
    scripted.accepts(home);
    scripted.wait(2 * T2);
    assert!(scripted.element.is_registered());
    assert_eq!(scripted.ended, [silent]);
    assert_eq!(scripted.attempts.len(), 2);
}

#[test]
fn a_deregistration_waits_for_its_answer_until_t3_expires_and_the_answer_stops_t3() {
    let (mut scripted, silent) = ScriptedElement::registered();
    scripted.act(|element, now| element.deregister(now));
    scripted.wait(T3 - MILLISECOND);
    assert!(scripted.ended.is_empty());
    scripted.wait(MILLISECOND);
    assert_eq!(scripted.ended, [silent]);
    scripted.wait(SECOND);
    let home = scripted.opens(1);
    assert_eq!(scripted.types(home), [message_type::DEREGISTRATION]);
    scripted.removes(home);
    assert_eq!(scripted.events.count(event!(ElementEvent::Deregistered)), 1);
    scripted.wait(2 * T3);
    assert_eq!(scripted.ended, [silent, home]);
    assert_eq!(scripted.attempts.len(), 1);
}

#[test]
fn registrations_without_answer_are_given_up_past_max_reg_attempt() {
    for max in [0, 1, 2, 5] {
        assert_eq!(until_it_gives_up(max, &[Outcome::Silence]).0, usize::from(max) + 1);
    }
}

#[test]
fn registrations_whose_association_is_lost_each_time_are_given_up_past_max_reg_attempt() {
    for max in [0, 2] {
        assert_eq!(until_it_gives_up(max, &[Outcome::End(CloseReason::Lost)]).0, usize::from(max) + 1);
    }
}

#[test]
fn losses_and_silence_count_together() {
    assert_eq!(until_it_gives_up(2, &[Outcome::End(CloseReason::Lost), Outcome::Silence]).0, 3);
}

#[test]
fn registrars_that_end_each_association_are_given_up_but_not_before_they_may_have_started() {
    for reason in [CloseReason::Aborted, CloseReason::Shutdown] {
        let (asked, time) = until_it_gives_up(2, &[Outcome::End(reason)]);
        // T5 is 10 s: what happens within it is one failure.
        assert!((20 * SECOND..40 * SECOND).contains(&time), "{time:?}");
        assert!((3..=10).contains(&asked), "{asked}");
    }
}

#[test]
fn a_success_begins_the_count_anew() {
    let (mut scripted, mut home) = ScriptedElement::registered();
    for _ in 0..5 {
        scripted.clear();
        // T4 expires 20 s before the life of 300 s ends.
        scripted.wait(280 * SECOND);
        assert_eq!(scripted.types(home), [message_type::REGISTRATION]);
        // The renewal is lost with its association, and the next attempt succeeds.
        scripted.closes(home, CloseReason::Lost);
        scripted.wait(SECOND);
        home = scripted.opens(1);
        scripted.accepts(home);
        assert!(scripted.element.is_registered());
        assert!(!scripted.events.has(|event| *event == GIVEN_UP));
    }
}

#[test]
fn the_application_may_begin_anew_after_it_was_told() {
    let mut scripted = ScriptedElement::with(&[1], |config| config.max_reg_attempt = 0);
    scripted.act(|element, now| element.register(now));
    let home = scripted.opens(1);
    scripted.closes(home, CloseReason::Lost);
    assert_eq!(scripted.events.list().last(), Some(&GIVEN_UP));
    scripted.act(|element, now| element.register(now));
    scripted.wait(SECOND);
    let home = scripted.opens(1);
    scripted.accepts(home);
    assert!(scripted.element.is_registered());
}
