//! How soon a hunt tries again (RFC 5352 §3.6): a registrar that comes a moment later is found a moment later.

use std::net::SocketAddr;
use std::time::Duration;

use rserpool::wire::PoolHandle;
use rserpool::{CloseReason, Input, Instant, Machine, MulticastGroup};

use crate::network::{Network, cluster};
use crate::scripted_element::{ScriptedElement, registrar};
use crate::scripted_user::ScriptedUser;

const SECOND: Duration = Duration::from_secs(1);

/// When associations were asked for, in milliseconds since the first, while every attempt fails at once.
fn attempts_without_registrars(known: &[u8], time: Duration) -> Vec<(u64, u8)> {
    let mut scripted = ScriptedElement::new(known);
    let start = scripted.now;
    scripted.act(|element, now| element.register(now));
    let end = start + time;
    while scripted.now < end {
        while let Some(number) = scripted.wanted().first().copied() {
            scripted.fails(number);
        }
        let next = scripted.element.poll_timeout().unwrap().min(end);
        scripted.now = next;
        scripted.input(Input::Timeout);
    }
    scripted.attempts.iter().map(|(at, number)| (at.since(start).as_millis() as u64, *number)).collect()
}

#[test]
fn a_hunt_in_vain_is_repeated_after_200_ms_and_then_after_twice_as_long_up_to_t5() {
    let times: Vec<u64> = attempts_without_registrars(&[1], 60 * SECOND).into_iter().map(|(at, _)| at).collect();
    // T5 itself expires after 10 and 30 s.
    assert_eq!(times, [0, 200, 600, 1_400, 3_000, 6_200, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000]);
}

#[test]
fn each_round_tries_every_registrar_once() {
    let attempts = attempts_without_registrars(&[1, 2, 3, 4], Duration::from_millis(500));
    let in_round = |time| {
        let mut numbers: Vec<u8> = attempts.iter().filter(|(at, _)| *at == time).map(|(_, number)| *number).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!((in_round(0), in_round(200)), (vec![1, 2, 3, 4], vec![1, 2, 3, 4]));
    assert_eq!(attempts.len(), 8);
}

#[test]
fn an_element_that_starts_before_its_registrar_is_a_member_well_within_a_second() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    net.kill(registrar);
    let element = net.element("pool", 7, &[registrar]);
    net.run(Duration::from_millis(50));
    net.restart_registrar(registrar, &[]);
    net.run(Duration::from_millis(500));
    assert!(net.with_element(element, |element, _| element.is_registered()));
}

#[test]
fn a_user_that_starts_before_registrar_and_element_has_its_session_within_a_second_and_a_half() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    net.kill(registrar);
    let user = net.user(&[registrar]);
    let session = net.with_user(user, |user, now| user.open_session(now, PoolHandle::from("pool")).unwrap());
    net.element("pool", 7, &[registrar]);
    net.run(Duration::from_millis(50));
    net.restart_registrar(registrar, &[]);
    net.run(Duration::from_millis(1_500));
    assert!(net.with_user(user, |user, _| user.element_of(session).is_some()));
}

#[test]
fn an_only_registrar_that_restarts_is_found_again_in_no_time() {
    let (mut net, registrars) = cluster(1);
    let element = net.element("pool", 7, &registrars);
    net.run(60 * SECOND);
    net.kill(registrars[0]);
    net.run(SECOND);
    assert!(net.with_element(element, |element, _| element.is_hunting()));
    net.restart_registrar(registrars[0], &[]);
    net.run(Duration::from_millis(1_700));
    assert!(net.with_element(element, |element, _| element.is_registered()));
}

#[test]
fn a_session_that_waits_goes_on_as_soon_as_a_registrar_is_found() {
    // Three times T1 without an answer, and the session waits for up to 5 s more.
    let mut scripted = ScriptedUser::with(|config| config.t1_enrp_request = SECOND);
    scripted.hold_registrar();
    scripted.act(|user, now| user.open_session(now, PoolHandle::new(b"pool")).unwrap());
    scripted.wait(Duration::from_millis(3_100));
    assert!(scripted.user.is_hunting());
    scripted.registrar_opens();
    assert_eq!(scripted.requests(), 1);
    scripted.resolved(&[7]);
    assert_eq!(scripted.wanted(), [7]);
}

#[test]
fn a_session_waits_no_longer_for_the_element_after_a_long_time_without_a_registrar() {
    let mut scripted = ScriptedUser::with(|config| config.t1_enrp_request = SECOND);
    scripted.hold_registrar();
    scripted.act(|user, now| user.open_session(now, PoolHandle::new(b"pool")).unwrap());
    scripted.wait(60 * SECOND);
    scripted.registrar_opens();
    // The element comes a moment later than the registrar.
    scripted.unknown_pool();
    scripted.wait(Duration::from_millis(500));
    assert_eq!(scripted.requests(), 2);
}

#[test]
fn a_registrar_that_announces_itself_is_tried_at_once_while_the_hunt_pauses() {
    let mut scripted = ScriptedElement::new(&[1]);
    scripted.act(|element, now| element.register(now));
    for _ in 0..5 {
        scripted.fails(1);
        scripted.wait(SECOND * 4);
    }
    while scripted.wanted() == [1] {
        scripted.fails(1);
    }
    // ASAP_SERVER_ANNOUNCE, length 24: server 9; SCTP, length 16: port 3863, data only; IPv4, length 8: 10.0.0.9.
    let octets = [0xa, 0, 0, 24, 0, 0, 0, 9, 0, 4, 0, 16, 0xf, 0x17, 0, 0, 0, 1, 0, 8, 10, 0, 0, 9];
    let from = SocketAddr::new(registrar(9), 3863);
    scripted.input(Input::Datagram { group: MulticastGroup::Asap, from, octets: &octets });
    assert_eq!(scripted.wanted(), [9]);
}

#[test]
fn an_element_that_has_left_in_order_comes_back_without_a_pause() {
    let (mut scripted, home) = ScriptedElement::registered();
    scripted.act(|element, now| element.deregister(now));
    scripted.removes(home);
    scripted.act(|element, now| element.register(now));
    assert_eq!(scripted.wanted(), [1]);
    // One that is lost so soon is given some time.
    let home = scripted.opens(1);
    scripted.closes(home, CloseReason::Lost);
    assert!(scripted.wanted().is_empty());
    let at: Instant = scripted.now + Duration::from_millis(200);
    assert_eq!(scripted.element.poll_timeout(), Some(at));
}
