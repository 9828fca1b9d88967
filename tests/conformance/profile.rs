//! Registration lives of elements that count them in milliseconds, as rsplib does, beside those that count seconds.

use std::time::Duration;

use rserpool::registrar::{RegistrarConfig, RegistrarEvent, RemovalReason};
use rserpool::wire::{CauseCode, CauseInformation, RegistrationLife};
use rserpool::{Life, Profile};

use crate::events::event;
use crate::network::Network;
use crate::scripted::{Element, Scripted, element};

fn read(profile: Profile, number: i32) -> Life {
    profile.life_from_wire(RegistrationLife(number))
}

const fn seconds(number: u64) -> Life {
    Life::Certain(Duration::from_secs(number))
}

const fn in_doubt(number: u64) -> Life {
    Life::InDoubt { shorter: Duration::from_millis(number), longer: Duration::from_secs(number) }
}

#[test]
fn a_plausible_number_of_seconds_is_seconds_and_only_other_ones_may_be_milliseconds() {
    // A second, an hour, a day, a week, not a full second in milliseconds.
    for number in [0, 1, 3_600, 60_000, 86_000, 86_400, 89_999, 604_800, 86_400_000, 123_456] {
        assert_eq!(read(Profile::Rfc, number), seconds(number.unsigned_abs().into()), "{number}");
    }
    for number in [87_000, 90_000, 300_000, 600_000, 3_600_000] {
        assert_eq!(read(Profile::Rfc, number), in_doubt(number.unsigned_abs().into()), "{number}");
    }
    assert_eq!(read(Profile::Rfc, -1), Life::Infinite);
    // What rsplib's server has by default.
    assert_eq!(read(Profile::Rfc, 90_000).probable(), Some(Duration::from_secs(90)));
}

#[test]
fn with_rsplib_s_profile_only_less_than_ten_thousand_can_be_no_milliseconds() {
    for number in [0, 300, 3_600, 9_999] {
        assert_eq!(read(Profile::Rsplib, number), seconds(number.unsigned_abs().into()), "{number}");
    }
    for number in [10_000, 60_000, 86_400, 90_000, 123_456, 604_800] {
        assert_eq!(read(Profile::Rsplib, number), in_doubt(number.unsigned_abs().into()), "{number}");
    }
    assert_eq!(read(Profile::Rsplib, -1), Life::Infinite);
}

/// Keep-alives find out nothing: only its life tells how long an element stays.
fn without_keep_alives(config: &mut RegistrarConfig) {
    config.keep_alive_interval = Duration::from_secs(1_000_000_000);
}

#[test]
fn an_element_with_a_life_in_doubt_is_asked_when_the_shorter_one_ends_and_removed_if_it_is_silent() {
    let mut registrar = Scripted::with(&[], without_keep_alives);
    let association = registrar.registers(&Element { life: 300_000, ..element(1, 0) });
    registrar.wait_seconds(299);
    registrar.done();
    registrar.wait_seconds(2);
    assert_eq!(registrar.asked(association), 1);
    assert_eq!(registrar.elements().len(), 1);
    registrar.wait_seconds(5);
    assert_eq!(registrar.elements(), []);
    assert!(registrar.events.has(event!(RegistrarEvent::Removed { reason: RemovalReason::Unreachable, .. })));
}

#[test]
fn an_element_with_a_life_in_doubt_that_answers_stays_until_the_longer_one_ends() {
    let mut registrar = Scripted::with(&[], without_keep_alives);
    let association = registrar.registers(&Element { life: 300_000, ..element(1, 0) });
    registrar.wait_seconds(301);
    registrar.answers_keep_alive(association, 1);
    registrar.wait_seconds(299_600);
    assert_eq!(registrar.elements().len(), 1);
    registrar.wait_seconds(100);
    assert_eq!(registrar.elements(), []);
    assert!(registrar.events.has(event!(RegistrarEvent::Removed { reason: RemovalReason::Expired, .. })));
}

#[test]
fn an_element_with_a_life_in_doubt_that_registers_again_is_asked_a_life_later() {
    let mut registrar = Scripted::with(&[], without_keep_alives);
    let association = registrar.registers(&Element { life: 300_000, ..element(1, 0) });
    for _ in 0..10 {
        registrar.wait_seconds(200);
        registrar.registers_at(association, &Element { life: 300_000, ..element(1, 0) });
    }
    assert_eq!(registrar.asked(association), 0);
    assert_eq!(registrar.elements().len(), 1);
}

#[test]
fn elements_that_count_seconds_and_elements_that_count_milliseconds_live_as_long_as_they_say_in_one_pool() {
    // Both have five minutes, and neither is heard of again.
    let mut registrar = Scripted::with(&[], without_keep_alives);
    registrar.registers(&Element { life: 300, ..element(1, 0) });
    registrar.registers(&Element { life: 300_000, host: 101, ..element(2, 0) });
    // A week, and for ever: these do not come to an end early.
    let week = registrar.registers(&Element { life: 604_800, host: 102, ..element(3, 0) });
    registrar.registers(&Element { life: -1, host: 103, ..element(4, 0) });
    registrar.wait_seconds(299);
    assert_eq!(registrar.elements().len(), 4);
    registrar.done();
    registrar.wait_seconds(7);
    assert_eq!(registrar.elements().iter().map(|(identifier, _)| *identifier).collect::<Vec<_>>(), [3, 4]);
    registrar.wait_seconds(600_000);
    assert_eq!(registrar.asked(week), 0);
    assert_eq!(registrar.elements().len(), 2);
}

#[test]
fn with_rsplib_s_profile_a_pool_handle_of_more_than_32_octets_is_refused_and_named() {
    // rsplib's registrars end at one, and would get it by an update.
    let mut net = Network::new();
    let registrar = net.registrar_with(&[], |config| config.profile = Profile::Rsplib);
    let named = |length| "x".repeat(length);
    net.element(&named(32), 1, &[registrar]);
    let element = net.element(&named(33), 2, &[registrar]);
    net.run(Duration::from_secs(1));
    let parameter = [b"\x00\x09\x00\x25", named(33).as_bytes()].concat();
    net.refused(registrar, element, |cause| {
        assert_eq!(cause.code, CauseCode::INVALID_VALUES);
        assert_eq!(cause.information, CauseInformation::Octets(&parameter));
    });
    assert_eq!(net.table(registrar).len(), 1);
}

#[test]
fn without_rsplib_s_profile_pool_handles_may_be_longer() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    net.element(&"x".repeat(33), 1, &[registrar]);
    net.run(Duration::from_secs(1));
    assert_eq!(net.table(registrar).len(), 1);
}

#[test]
fn with_rsplib_s_profile_an_element_of_the_rfcs_is_not_gone_after_a_fraction_of_a_second() {
    let mut registrar = Scripted::with(&[], |config| {
        *config = config.clone().with_profile(Profile::Rsplib);
        without_keep_alives(config);
    });
    registrar.registers(&Element { life: 300, ..element(1, 0) });
    registrar.wait_seconds(299);
    assert_eq!(registrar.elements().len(), 1);
    registrar.wait_seconds(2);
    assert_eq!(registrar.elements(), []);
}
