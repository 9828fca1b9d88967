//! Peers: presence, updates, audits (RFC 5353 §3.3, §3.4, §3.6).

use std::time::Duration;

use rserpool::Input;
use rserpool::pool_element::ElementEvent;
use rserpool::registrar::{RegistrarConfig, RegistrarEvent};
use rserpool::wire::enrp::{Body, Message, message_type};
use rserpool::wire::{CauseCode, PayloadProtocol, PeChecksum, Policy, ServerIdentifier};

use crate::events::event;
use crate::network::cluster;
use crate::scripted::{OWN, Scripted, element, enrp_at, peer};

const ENRP: PayloadProtocol = PayloadProtocol::ENRP;
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn each_tells_the_others_of_its_presence_every_heartbeat_cycle() {
    let (mut net, registrars) = cluster(3);
    net.sent.clear();
    net.run(Duration::from_secs(300));
    for from in &registrars {
        for to in registrars.iter().filter(|to| *to != from) {
            let sent = net.messages(*from, *to, ENRP, message_type::PRESENCE);
            assert_eq!(sent.len(), 10, "{from} to {to}");
            assert!(sent.iter().all(|sent| sent.octets[1] == 0), "no reply is required");
        }
    }
}

#[test]
fn every_change_of_an_element_reaches_every_peer() {
    let (mut net, registrars) = cluster(3);
    let element = net.element("pool", 1, &[registrars[1]]);
    net.run(SECOND);
    for registrar in &registrars {
        assert_eq!(net.table(*registrar), [(1, 0x101)]);
    }
    net.with_element(element, |element, now| element.set_policy(now, Policy::RoundRobin));
    net.run(SECOND);
    let updates = net.messages(registrars[1], registrars[0], ENRP, message_type::HANDLE_UPDATE);
    assert_eq!(updates.len(), 2, "a registration and a re-registration");
    let Body::HandleUpdate(update) = Message::decode(&updates[0].octets).unwrap().message.body else { panic!() };
    assert_eq!(update.pool_element.home.0, 0x101);
    net.with_element(element, |element, now| element.deregister(now));
    net.run(SECOND);
    for registrar in &registrars {
        assert_eq!(net.table(*registrar), []);
    }
}

#[test]
fn an_element_that_registers_elsewhere_changes_its_home_everywhere() {
    let (mut net, registrars) = cluster(3);
    let element = net.element("pool", 1, &[registrars[0]]);
    net.run(SECOND);
    net.kill(element);
    let reborn = net.element("pool", 1, &[registrars[2]]);
    net.run(SECOND);
    for registrar in [registrars[0], registrars[2]] {
        assert_eq!(net.table(registrar), [(1, 0x102)], "at {registrar}");
    }
    // The third waits whether the old home objects.
    net.run(5 * SECOND);
    assert!(net.events(reborn).has(event!(ElementEvent::Registered { .. })));
    for registrar in &registrars {
        assert_eq!(net.table(*registrar), [(1, 0x102)], "at {registrar}");
        let places = net.places(*registrar);
        assert_eq!(places, [crate::network::address(reborn)], "at {registrar}");
    }
}

#[test]
fn an_unknown_sender_is_a_new_peer_and_is_asked_who_it_is() {
    // RFC 5353 §3.4.1. The first knows nobody; the second speaks to it.
    let (net, registrars) = cluster(2);
    assert_eq!(net.peers(registrars[0]), [0x101]);
    let asked = net.messages(registrars[0], registrars[1], ENRP, message_type::PRESENCE);
    assert!(asked.iter().any(|sent| sent.octets[1] == 1), "R is set");
}

#[test]
fn a_table_that_differs_is_put_right_by_the_audit() {
    let (mut net, registrars) = cluster(2);
    net.element("pool", 1, &[registrars[0]]);
    net.run(SECOND);
    // An update is lost: the element leaves while the registrars do not hear each other.
    let stays = net.element("pool", 2, &[registrars[0]]);
    net.run(SECOND);
    net.sent.clear();
    net.cut(registrars[0], registrars[1]);
    net.with_element(stays, |element, now| element.deregister(now));
    let newcomer = net.element("pool", 3, &[registrars[0]]);
    net.run(Duration::from_millis(100));
    assert!(net.events(newcomer).has(event!(ElementEvent::Registered { .. })));
    assert_eq!(net.table(registrars[0]), [(1, 0x100), (3, 0x100)]);
    assert_eq!(net.table(registrars[1]), [(1, 0x100), (2, 0x100)]);
    net.run(Duration::from_secs(5));
    assert_eq!(net.table(registrars[1]), [(1, 0x100), (3, 0x100)]);
    let events = net.events(registrars[1]);
    let inconsistent = events.first(event!(RegistrarEvent::Inconsistent { peer: ServerIdentifier(0x100) }));
    let synchronized = event!(RegistrarEvent::Synchronized { peer: ServerIdentifier(0x100) });
    assert!(events.first(synchronized) > inconsistent);
    // RFC 5353 §3.6.3: W = 1, only the elements of the peer.
    let requests = net.messages(registrars[1], registrars[0], ENRP, message_type::HANDLE_TABLE_REQUEST);
    assert_eq!(requests.iter().map(|sent| sent.octets[1]).collect::<Vec<_>>(), [1]);
}

#[test]
fn what_cannot_be_understood_is_answered_with_an_enrp_error_where_its_type_asks_for_it() {
    let (mut net, registrars) = cluster(1);
    let unknown_message = [0x41, 0, 0, 12, 0, 0, 9, 9, 0, 0, 0, 0];
    net.inject(registrars[0], ENRP, &unknown_message);
    net.run(SECOND);
    // The stranger is no node, so the answer is seen in the registrar only.
    let answer = net.with_registrar(registrars[0], |registrar, now| {
        use rserpool::{Action, AssociationId, Endpoint, Input, Machine, Protocol, Purpose};
        let association = AssociationId::accepted(77);
        let peer = Endpoint { protocol: Protocol::Sctp, addresses: &[crate::network::address(9)], port: 1 };
        registrar.handle(now, Input::Accepted { association, purpose: Purpose::Enrp, peer });
        registrar.handle(now, Input::Message { association, protocol: ENRP, octets: &unknown_message });
        let mut answer = None;
        while let Some(action) = registrar.poll_action() {
            if let Action::Send { message, .. } = action {
                answer = Some(message.octets.to_vec());
            }
        }
        answer.unwrap()
    });
    let Body::Error(causes) = Message::decode(&answer).unwrap().message.body else { panic!() };
    assert_eq!(causes.first().unwrap().code, CauseCode::UNRECOGNIZED_MESSAGE);
}

#[test]
fn a_registrar_that_runs_takes_other_timers_limits_and_peers() {
    let mut scripted = Scripted::new(&[]);
    let mut config = RegistrarConfig::new(enrp_at(99), 2);
    config.identifier = ServerIdentifier(0x999);
    config.peers = vec![enrp_at(1)];
    config.peer_heartbeat_cycle = Duration::from_secs(3);
    config.limits.handlespace.elements = 1;
    scripted.registrar.reconfigure(scripted.now, config.clone());
    scripted.input(Input::Timeout);
    let peer_1 = scripted.open(1);
    let presence = scripted.said_of(peer_1, message_type::PRESENCE).remove(0);
    // The sender, and the port and address where it listens, are what they were.
    assert_eq!(presence[4..8], OWN.to_be_bytes());
    assert!(presence.windows(4).any(|octets| octets == [10, 0, 0, 50]));
    scripted.presence(peer_1, 1, 0, PeChecksum(0xffff));
    scripted.done();

    scripted.registers(&element(1, 0));
    scripted.registers(&element(2, 0));
    assert_eq!(scripted.elements(), [(1, OWN)], "there is room for one, by the new limit");
    // The heartbeat that runs goes off as it was set, the next ones as they are set now.
    scripted.wait_seconds(31);
    scripted.done();
    scripted.wait_seconds(9);
    assert_eq!(scripted.said_of(peer_1, message_type::PRESENCE).len(), 3);

    // A peer that is configured no more is a peer as long as it lives, and is not looked for afterwards.
    config.peers.clear();
    scripted.registrar.reconfigure(scripted.now, config);
    assert_eq!(scripted.peers(), [peer(1)]);
    scripted.wait_seconds(200);
    assert!(scripted.peers().is_empty());
    assert!(scripted.asked_for(1).is_none());
}
