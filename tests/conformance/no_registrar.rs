//! What elements and users tell their applications while no registrar answers.

use std::time::Duration;

use rserpool::pool_element::ElementEvent;
use rserpool::pool_user::{ResolutionFailure, UserEvent};
use rserpool::wire::{CauseCode, PoolHandle};
use rserpool::{Input, MulticastGroup, NoRegistrar};

use crate::events::event;
use crate::scripted_element::ScriptedElement;
use crate::scripted_user::ScriptedUser;

const SECOND: Duration = Duration::from_secs(1);
const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");

/// What an element has told, and after how many milliseconds.
fn told(scripted: &ScriptedElement) -> Vec<NoRegistrar> {
    scripted.events.pick(|event| match event {
        ElementEvent::NoRegistrar(reason) => Some(reason),
        _ => None,
    })
}

fn user_told(scripted: &ScriptedUser) -> Vec<NoRegistrar> {
    scripted.events.pick(|event| match event {
        UserEvent::NoRegistrar(reason) => Some(reason),
        _ => None,
    })
}

/// A user of which something is wanted, and that knows no registrar yet that answers.
fn user() -> ScriptedUser {
    let mut scripted = ScriptedUser::new();
    scripted.hold_registrar();
    scripted.act(|user, now| user.open_session(now, POOL).unwrap());
    scripted
}

#[test]
fn an_element_tells_after_a_second_that_no_registrar_answers_and_again_every_t5() {
    let mut scripted = ScriptedElement::new(&[1, 2]);
    scripted.act(|element, now| element.register(now));
    scripted.wait(SECOND - Duration::from_millis(1));
    assert!(told(&scripted).is_empty());
    scripted.wait(Duration::from_millis(1));
    assert_eq!(told(&scripted), [NoRegistrar::Silent]);
    scripted.wait(30 * SECOND);
    assert_eq!(told(&scripted), [NoRegistrar::Silent; 4]);
}

#[test]
fn a_user_tells_after_a_second_that_no_registrar_answers_and_again_every_t5() {
    let mut scripted = user();
    scripted.wait(SECOND - Duration::from_millis(1));
    assert!(user_told(&scripted).is_empty());
    scripted.wait(Duration::from_millis(1));
    assert_eq!(user_told(&scripted), [NoRegistrar::Silent]);
    scripted.wait(10 * SECOND);
    assert_eq!(user_told(&scripted), [NoRegistrar::Silent; 2]);
}

#[test]
fn that_all_registrars_refuse_is_told_as_such() {
    let mut scripted = ScriptedElement::new(&[1]);
    scripted.act(|element, now| element.register(now));
    while told(&scripted).is_empty() {
        if scripted.wanted().is_empty() {
            scripted.wait(Duration::from_millis(100));
        } else {
            scripted.fails(1);
        }
    }
    assert_eq!(told(&scripted), [NoRegistrar::Unreachable]);
}

#[test]
fn that_none_is_known_is_told_as_such() {
    let mut scripted = ScriptedElement::new(&[]);
    scripted.act(|element, now| element.register(now));
    scripted.wait(SECOND);
    assert_eq!(told(&scripted), [NoRegistrar::NoneKnown]);
    // ASAP_SERVER_ANNOUNCE, length 24: server 9; SCTP, length 16: port 3863, data only; IPv4, length 8: 10.0.0.9.
    let octets = [0xa, 0, 0, 24, 0, 0, 0, 9, 0, 4, 0, 16, 0xf, 0x17, 0, 0, 0, 1, 0, 8, 10, 0, 0, 9];
    let from = std::net::SocketAddr::from(([10, 0, 0, 9], 3863));
    scripted.input(Input::Datagram { group: MulticastGroup::Asap, from, octets: &octets });
    let home = scripted.opens(9);
    scripted.accepts(home);
    scripted.wait(60 * SECOND);
    assert_eq!(told(&scripted).len(), 1);
}

#[test]
fn a_registrar_that_is_there_and_does_not_answer_is_told_of() {
    let mut scripted = ScriptedElement::new(&[1]);
    scripted.act(|element, now| element.register(now));
    let home = scripted.opens(1);
    scripted.wait(SECOND);
    assert_eq!(told(&scripted), [NoRegistrar::Silent]);
    scripted.accepts(home);
    scripted.wait(60 * SECOND);
    assert_eq!(told(&scripted).len(), 1);
    // Likewise when it renews its registration, and when it leaves.
    scripted.act(|element, now| element.register(now));
    scripted.wait(SECOND);
    assert_eq!(told(&scripted).len(), 2);
    scripted.accepts(home);
    scripted.act(|element, now| element.deregister(now));
    scripted.wait(SECOND);
    assert_eq!(told(&scripted).len(), 3);
    scripted.removes(home);
    scripted.wait(60 * SECOND);
    assert_eq!(told(&scripted).len(), 3);
    // And when a user asks.
    let mut scripted = user();
    scripted.registrar_opens();
    scripted.wait(SECOND);
    assert_eq!(user_told(&scripted), [NoRegistrar::Silent]);
    scripted.resolved(&[1]);
    scripted.wait(14 * SECOND);
    assert_eq!(user_told(&scripted).len(), 1);
}

#[test]
fn nothing_is_told_where_registrars_answer_in_time_or_nothing_is_asked() {
    let (mut scripted, home) = ScriptedElement::registered();
    scripted.wait(60 * SECOND);
    scripted.act(|element, now| element.resolve(now, POOL).unwrap());
    scripted.wait(SECOND / 2);
    scripted.closes(home, rserpool::CloseReason::Lost);
    scripted.wait(SECOND / 4);
    let home = scripted.opens(1);
    scripted.accepts(home);
    assert!(told(&scripted).is_empty());
    let mut scripted = user();
    scripted.wait(SECOND / 2);
    scripted.registrar_opens();
    scripted.resolved(&[1]);
    scripted.wait(60 * SECOND);
    assert!(user_told(&scripted).is_empty());
}

#[test]
fn a_pool_that_no_registrar_knows_is_told_at_once() {
    let mut scripted = user();
    scripted.registrar_opens();
    scripted.unknown_pool();
    let failure = ResolutionFailure::Rejected(Some(CauseCode::UNKNOWN_POOL_HANDLE));
    assert_eq!(
        scripted.events.all(event!(UserEvent::ResolutionFailed { .. })),
        [UserEvent::ResolutionFailed { pool_handle: POOL, failure }]
    );
}
