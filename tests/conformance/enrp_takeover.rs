//! Taking over a dead registrar (RFC 5353 §3.4.3, §3.5).

use std::time::Duration;

use rserpool::pool_element::ElementEvent;
use rserpool::registrar::RegistrarEvent;
use rserpool::wire::asap;
use rserpool::wire::enrp::message_type;
use rserpool::wire::{PayloadProtocol, ServerIdentifier};

use crate::events::event;
use crate::network::{Network, cluster};

const ASAP: PayloadProtocol = PayloadProtocol::ASAP;
const ENRP: PayloadProtocol = PayloadProtocol::ENRP;
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_elements_of_a_dead_registrar_get_a_new_home() {
    let (mut net, registrars) = cluster(2);
    // They know no other registrar: without a takeover they would be lost.
    let elements: Vec<_> = (1..=3).map(|identifier| net.element("pool", identifier, &[registrars[0]])).collect();
    net.run(SECOND);
    net.kill(registrars[0]);
    // SCTP notices within 0.3 s, and RFC 5353 §3.4.3 has a peer dead whom nothing can be sent to.
    net.wait(SECOND, |net| {
        let taken_over = event!(RegistrarEvent::TakenOver { target: ServerIdentifier(0x100), elements: 3 });
        net.events(registrars[1]).has(taken_over)
    });
    net.run(SECOND);
    assert_eq!(net.table(registrars[1]), [(1, 0x101), (2, 0x101), (3, 0x101)]);
    for element in &elements {
        // RFC 5353 §3.5.2: a keep-alive with the H flag.
        let keep_alives = net.messages(registrars[1], *element, ASAP, asap::message_type::ENDPOINT_KEEP_ALIVE);
        assert_eq!(keep_alives[0].octets[1], 1);
        assert!(net.events(*element).has(event!(ElementEvent::HomeChanged { home: ServerIdentifier(0x101) })));
    }
    assert_eq!(net.peers(registrars[1]), []);
    // The new home watches over them: one that dies is removed.
    net.kill(elements[0]);
    net.wait(Duration::from_secs(5), |net| net.table(registrars[1]).len() == 2);
}

#[test]
fn a_silent_registrar_is_asked_before_it_is_taken_over() {
    let (mut net, registrars) = cluster(2);
    net.run(Duration::from_secs(90));
    let paused_at = net.now;
    net.pause(registrars[0]);
    net.wait(Duration::from_secs(100), |net| {
        net.events(registrars[1]).has(event!(RegistrarEvent::TakenOver { target: ServerIdentifier(0x100), .. }))
    });
    let events = net.events(registrars[1]);
    let suspected = events.first(event!(RegistrarEvent::PeerSuspected { peer: ServerIdentifier(0x100) }));
    let dead = events.first(event!(RegistrarEvent::PeerDead { peer: ServerIdentifier(0x100) }));
    // MAX-TIME-LAST-HEARD of 61 s, then MAX-TIME-NO-RESPONSE of 5 s.
    let silence = suspected.since(paused_at);
    assert!((31..=61).contains(&silence.as_secs()), "{silence:?}");
    assert_eq!(dead.since(suspected), Duration::from_secs(5));
}

#[test]
fn one_takes_over_and_the_others_acknowledge_and_follow() {
    let (mut net, registrars) = cluster(4);
    net.element("pool", 1, &[registrars[0]]);
    net.run(SECOND);
    net.kill(registrars[0]);
    net.run(Duration::from_secs(30));
    let taken_over = event!(RegistrarEvent::TakenOver { target: ServerIdentifier(0x100), elements: 1 });
    let winners: Vec<_> =
        registrars[1..].iter().filter(|registrar| net.events(**registrar).has(taken_over)).copied().collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    let home = 0x100 + winners[0] as u32;
    for registrar in &registrars[1..] {
        assert_eq!(net.table(*registrar), [(1, home)], "at {registrar}");
        assert!(!net.peers(*registrar).contains(&0x100));
        if *registrar != winners[0] {
            assert_eq!(
                net.events(*registrar).all(event!(RegistrarEvent::TakenOverByPeer { .. })),
                [RegistrarEvent::TakenOverByPeer { target: ServerIdentifier(0x100), by: ServerIdentifier(home) }]
            );
            assert!(!net.messages(*registrar, winners[0], ENRP, message_type::INIT_TAKEOVER_ACK).is_empty());
        }
    }
    // RFC 5353 §3.5.1 2: of those that began, the one with the greatest identifier has won.
    let initiated = event!(RegistrarEvent::TakeoverInitiated { target: ServerIdentifier(0x100) });
    let began = registrars[1..].iter().filter(|registrar| net.events(**registrar).has(initiated));
    assert_eq!(began.max(), Some(&winners[0]));
}

#[test]
fn a_registrar_that_lives_stops_its_takeover() {
    let (mut net, registrars) = cluster(3);
    net.element("pool", 1, &[registrars[0]]);
    net.run(Duration::from_secs(90));
    // Two cannot hear the first for a while, and it cannot hear them.
    net.pause(registrars[0]);
    net.wait(Duration::from_secs(100), |net| {
        let initiated = event!(RegistrarEvent::TakeoverInitiated { target: ServerIdentifier(0x100) });
        registrars[1..].iter().any(|registrar| net.events(*registrar).has(initiated))
    });
    net.resume(registrars[0]);
    net.run(Duration::from_secs(120));
    // In the end all three know each other, and agree on the element's home.
    for registrar in &registrars {
        assert_eq!(net.peers(*registrar).len(), 2, "at {registrar}");
    }
    let tables: Vec<_> = registrars.iter().map(|registrar| net.table(*registrar)).collect();
    assert_eq!(tables[0].len(), 1);
    assert_eq!(tables[0], tables[1]);
    assert_eq!(tables[1], tables[2]);
}

#[test]
fn all_but_one_may_die() {
    let (mut net, registrars) = cluster(4);
    for identifier in 1..=4 {
        net.element("pool", identifier, &registrars);
    }
    net.run(SECOND);
    for registrar in &registrars[..3] {
        net.kill(*registrar);
        net.run(Duration::from_secs(30));
    }
    assert_eq!(net.table(registrars[3]), [(1, 0x103), (2, 0x103), (3, 0x103), (4, 0x103)]);
    assert_eq!(net.peers(registrars[3]), []);
}

#[test]
fn several_may_die_at_once() {
    let (mut net, registrars) = cluster(4);
    for identifier in 1..=4 {
        net.element("pool", identifier, &[registrars[identifier as usize - 1]]);
    }
    net.run(SECOND);
    net.kill(registrars[1]);
    net.kill(registrars[2]);
    net.run(Duration::from_secs(90));
    for registrar in [registrars[0], registrars[3]] {
        let table = net.table(registrar);
        assert_eq!(table.iter().map(|(identifier, _)| *identifier).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(table.iter().all(|(_, home)| [0x100, 0x103].contains(home)), "{table:?}");
    }
    assert_eq!(net.table(registrars[0]), net.table(registrars[3]));
}

#[test]
fn a_large_takeover_lets_other_requests_in_between() {
    let mut net = Network::new();
    let first = net.registrar(&[]);
    let second = net.registrar_with(&[first], |config| config.limits.elements_per_step = 2);
    net.run(SECOND);
    for identifier in 1..=11 {
        net.element("pool", identifier, &[first]);
    }
    net.run(SECOND);
    net.kill(first);
    net.wait(Duration::from_secs(10), |net| {
        let taken_over = event!(RegistrarEvent::TakenOver { target: ServerIdentifier(0x100), elements: 11 });
        net.events(second).has(taken_over)
    });
    // The first step is done; the rest follows in steps of two, each due at once.
    let own = |net: &Network| net.table(second).iter().filter(|(_, home)| *home == 0x101).count();
    assert!(own(&net) < 11, "{}", own(&net));
    net.run(Duration::from_millis(50));
    assert_eq!(own(&net), 11);
}
