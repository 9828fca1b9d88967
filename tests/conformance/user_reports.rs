//! How often a user reports an element as unreachable (RFC 5352 §3.5, RFC 5355 §2.13).

use std::time::Duration;

use rserpool::OpenFailure;
use rserpool::wire::{PeIdentifier, PoolHandle};

use crate::scripted_user::ScriptedUser;

const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");
const SECOND: Duration = Duration::from_secs(1);

/// The user tries an element, in vain.
fn tries(scripted: &mut ScriptedUser, number: u32) {
    scripted.act(|user, now| user.resolve(now, POOL).unwrap());
    scripted.resolved(&[number]);
    scripted.act(|user, now| user.primary(now, POOL).unwrap());
    scripted.act(|user, now| user.report_unreachable(now, POOL, PeIdentifier(number)));
}

#[test]
fn one_element_is_reported_once_in_an_interval_however_often_it_fails() {
    let mut scripted = ScriptedUser::new();
    scripted.act(|user, now| user.open_session(now, POOL).unwrap());
    let start = scripted.now;
    // The registrar keeps the element, and the user cannot reach it.
    while scripted.now.since(start) < 119 * SECOND {
        let asked = scripted.requests();
        if asked > 0 && scripted.wanted().is_empty() {
            scripted.resolved(&[1]);
        }
        while scripted.wanted() == [1] {
            scripted.fails_by(1, OpenFailure::Unreachable);
        }
        scripted.wait(SECOND / 2);
    }
    assert!(scripted.requests() > 20, "it goes on trying");
    assert_eq!(scripted.reports(), 4);
}

#[test]
fn the_interval_can_be_set_and_another_element_is_another_matter() {
    let mut scripted = ScriptedUser::with(|config| config.report_interval = 10 * SECOND);
    tries(&mut scripted, 1);
    tries(&mut scripted, 1);
    assert_eq!(scripted.reports(), 1);
    tries(&mut scripted, 2);
    assert_eq!(scripted.reports(), 2);
    scripted.wait(10 * SECOND - Duration::from_millis(1));
    tries(&mut scripted, 1);
    assert_eq!(scripted.reports(), 2);
    scripted.wait(Duration::from_millis(1));
    tries(&mut scripted, 1);
    assert_eq!(scripted.reports(), 3);
}

#[test]
fn there_are_no_more_reports_in_an_interval_than_sessions() {
    let mut scripted = ScriptedUser::new();
    for number in 1..=20 {
        tries(&mut scripted, number);
    }
    assert_eq!(scripted.reports(), 4);
    scripted.wait(30 * SECOND);
    for number in 21..=30 {
        tries(&mut scripted, number);
    }
    assert_eq!(scripted.reports(), 8);
}

#[test]
fn a_report_waits_for_a_registrar() {
    let mut scripted = ScriptedUser::new();
    scripted.act(|user, now| user.resolve(now, POOL).unwrap());
    scripted.resolved(&[1]);
    let home = scripted.home.unwrap();
    scripted.hold_registrar();
    scripted.closes(home, rserpool::CloseReason::Lost);
    scripted.act(|user, now| user.primary(now, POOL).unwrap());
    scripted.act(|user, now| user.report_unreachable(now, POOL, PeIdentifier(1)));
    scripted.wait(60 * SECOND);
    assert_eq!(scripted.reports(), 0);
    scripted.registrar_opens();
    assert_eq!(scripted.reports(), 1);
}
