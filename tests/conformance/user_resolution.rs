//! What a user does when its registrar does not answer (RFC 5352 §3.7.2).

use std::time::Duration;

use rserpool::CloseReason;
use rserpool::wire::PoolHandle;

use crate::scripted_user::ScriptedUser;

const SECOND: Duration = Duration::from_secs(1);
const T1: Duration = Duration::from_secs(15);

fn resolve(scripted: &mut ScriptedUser) {
    scripted.act(|user, now| user.resolve(now, PoolHandle::new(b"pool")).unwrap());
}

#[test]
fn after_t1_the_home_is_asked_again_and_its_late_answer_counts() {
    let mut scripted = ScriptedUser::new();
    resolve(&mut scripted);
    let home = scripted.home.unwrap();
    scripted.wait(T1);
    assert_eq!((scripted.home, scripted.requests(), scripted.ended.len()), (Some(home), 2, 0));
    scripted.resolved(&[7]);
    let elements: Vec<_> = scripted.user.elements(scripted.now, PoolHandle::new(b"pool")).collect();
    assert_eq!(elements.len(), 1);
}

#[test]
fn t1_begins_when_the_request_is_sent() {
    let mut scripted = ScriptedUser::new();
    scripted.hold_registrar();
    resolve(&mut scripted);
    scripted.wait(5 * SECOND);
    scripted.registrar_opens();
    assert_eq!(scripted.requests(), 1);
    scripted.wait(T1 - SECOND);
    assert_eq!(scripted.requests(), 1);
    scripted.wait(SECOND);
    assert_eq!(scripted.requests(), 2);
}

#[test]
fn a_registrar_that_responds_meanwhile_is_the_new_home_and_is_asked() {
    let mut scripted = ScriptedUser::new();
    scripted.knows_second_registrar();
    resolve(&mut scripted);
    let home = scripted.home.unwrap();
    scripted.ended.clear();
    scripted.hold_registrar();
    scripted.wait(T1);
    assert_eq!((scripted.requests(), scripted.ended.len()), (2, 0));
    scripted.registrar_opens();
    let next = scripted.home.unwrap();
    assert_ne!(next, home);
    assert_eq!((scripted.requests(), &scripted.ended), (1, &vec![home]));
    scripted.resolved(&[7]);
    scripted.wait(60 * SECOND);
    assert_eq!(scripted.requests(), 1);
}

#[test]
fn a_home_that_never_answers_is_left_when_the_request_is_given_up() {
    let mut scripted = ScriptedUser::new();
    resolve(&mut scripted);
    let home = scripted.home.unwrap();
    scripted.wait(3 * T1 - SECOND);
    assert_eq!((scripted.requests(), scripted.ended.len()), (3, 0));
    scripted.wait(2 * SECOND);
    assert_eq!(scripted.ended, [home]);
    // RFC 5352 §3.6: it needs another. There is none, so it is the same over a new association, and nothing is asked of it.
    let next = scripted.home.unwrap();
    assert_ne!(next, home);
    assert_eq!(scripted.requests(), 0);
}

#[test]
fn a_home_that_is_lost_while_another_is_looked_for_leaves_the_request_to_that_one() {
    let mut scripted = ScriptedUser::new();
    scripted.knows_second_registrar();
    resolve(&mut scripted);
    let home = scripted.home.unwrap();
    scripted.hold_registrar();
    scripted.wait(T1);
    scripted.closes(home, CloseReason::Lost);
    assert!(scripted.user.is_hunting());
    scripted.registrar_opens();
    assert_eq!(scripted.requests(), 1);
    scripted.resolved(&[7]);
    assert_eq!(scripted.user.elements(scripted.now, PoolHandle::new(b"pool")).count(), 1);
}
