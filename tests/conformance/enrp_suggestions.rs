//! Suggestions to take elements over, of draft-dreibholz-rserpool-enrp-takeover.

use std::time::Duration;

use rserpool::pool_element::ElementEvent;
use rserpool::registrar::{RegistrarEvent, TakeoverSuggestions};
use rserpool::wire::enrp::Body;
use rserpool::wire::enrp::message_type::HANDLE_UPDATE;
use rserpool::wire::{PayloadProtocol, ServerIdentifier};
use rserpool::{EndpointBuf, Input, OpenFailure, Protocol};

use crate::events::event;
use crate::network::{ASAP_PORT, Network, NodeId, address};
use crate::scripted::{self, Done, Element, Scripted, element};

const ENRP: PayloadProtocol = PayloadProtocol::ENRP;

/// Four elements of a registrar, which register again every 30 s, and a second registrar that comes later.
fn one_full_and_one_empty(suggestions: [TakeoverSuggestions; 2]) -> (Network, [NodeId; 2], Vec<NodeId>) {
    let mut net = Network::new();
    let first = net.registrar_with(&[], |config| config.takeover_suggestions = suggestions[0]);
    let elements = (1..=4)
        .map(|identifier| {
            net.element_with("pool", identifier, &[first], |config| config.life = Some(Duration::from_secs(50)))
        })
        .collect();
    net.run(Duration::from_secs(5));
    let second = net.registrar_with(&[first], |config| config.takeover_suggestions = suggestions[1]);
    net.run(Duration::from_secs(5));
    (net, [first, second], elements)
}

/// The elements are told of a registrar. They do not leave a home that lives for one that they do not know.
fn know(net: &mut Network, elements: &[NodeId], registrar: NodeId) {
    for element in elements {
        net.with_element(*element, |element, _| {
            let place = EndpointBuf::single(Protocol::Sctp, address(registrar), ASAP_PORT);
            element.add_registrar(place).unwrap();
        });
    }
}

fn suggestions(net: &Network, from: NodeId, to: NodeId) -> usize {
    net.messages(from, to, ENRP, HANDLE_UPDATE).iter().filter(|sent| sent.octets[1] == 1).count()
}

#[test]
fn elements_move_to_a_registrar_that_has_none_until_both_have_as_many() {
    let (mut net, [first, second], elements) = one_full_and_one_empty([TakeoverSuggestions::On; 2]);
    know(&mut net, &elements, second);
    assert_eq!(net.table(second).iter().filter(|(_, home)| *home == 0x100).count(), 4);
    // As they register again.
    net.run(Duration::from_secs(40));
    let homes: Vec<u32> = net.table(first).iter().map(|(_, home)| *home).collect();
    let of = |home: u32| homes.iter().filter(|other| **other == home).count();
    assert_eq!((of(0x100), of(0x100 + second as u32)), (2, 2));
    assert_eq!(net.table(first), net.table(second));
    let moved = |element: &&NodeId| {
        let to_second = ServerIdentifier(0x100 + second as u32);
        net.events(**element).has(event!(ElementEvent::HomeChanged { home } if home == to_second))
    };
    assert_eq!(elements.iter().filter(moved).count(), 2);
    // There it stays.
    let before = (net.table(first), suggestions(&net, first, second) + suggestions(&net, second, first));
    net.run(Duration::from_secs(600));
    assert_eq!((net.table(first), suggestions(&net, first, second) + suggestions(&net, second, first)), before);
    for registrar in [first, second] {
        assert!(!net.events(registrar).has(event!(RegistrarEvent::Removed { .. })));
    }
}

#[test]
fn nobody_moves_where_suggestions_are_off() {
    for which in [[TakeoverSuggestions::Off; 2], [TakeoverSuggestions::On, TakeoverSuggestions::Off]] {
        let (mut net, [first, second], _) = one_full_and_one_empty(which);
        net.run(Duration::from_secs(200));
        assert!(net.table(first).iter().all(|(_, home)| *home == 0x100));
        assert_eq!(net.table(first), net.table(second));
        assert_eq!(suggestions(&net, first, second) > 0, which[0] == TakeoverSuggestions::On);
    }
}

#[test]
fn an_element_that_does_not_answer_the_peer_stays_where_it_is() {
    let mut registrar = Scripted::with(&[], |config| config.takeover_suggestions = TakeoverSuggestions::On);
    let one = registrar.comes(2);
    registrar.suggestion(one, &element(7, scripted::peer(2)));
    let reached = registrar.open(100);
    registrar.wait_seconds(6);
    assert!(registrar.done().iter().any(|done| matches!(done, Done::Ends(association) if *association == reached)));
    assert_eq!(registrar.elements(), [(7, scripted::peer(2))]);

    registrar.suggestion(one, &element(7, scripted::peer(2)));
    let association = registrar.asked_for(100).unwrap();
    registrar.input(Input::OpenFailed { association, reason: OpenFailure::Unreachable });
    registrar.wait_seconds(6);
    assert_eq!(registrar.elements(), [(7, scripted::peer(2))]);
    assert!(!registrar.events.has(event!(RegistrarEvent::Removed { .. })));
}

#[test]
fn who_only_reads_the_table_is_offered_nothing() {
    let mut registrar = Scripted::with(&[], |config| config.takeover_suggestions = TakeoverSuggestions::On);
    let reader = registrar.accept(2);
    registrar.hears(reader, 0x200, Body::HandleTableRequest { own_children_only: false });
    registrar.registers(&element(1, 0));
    registrar.registers(&Element { host: 101, ..element(2, 0) });
    let said = registrar.said_of(reader, HANDLE_UPDATE);
    assert!(said.iter().all(|octets| octets[1] == 0), "{said:?}");
    // One that has introduced itself is.
    let one = registrar.comes(3);
    registrar.registers(&Element { host: 102, ..element(3, 0) });
    let said = registrar.said_of(one, HANDLE_UPDATE);
    assert_eq!(said.iter().filter(|octets| octets[1] == 1).count(), 1);
}

#[test]
fn a_peer_with_a_rule_of_its_own_gets_what_it_suggests_back_only_a_few_times() {
    let mut registrar = Scripted::with(&[], |config| config.takeover_suggestions = TakeoverSuggestions::On);
    let peer = registrar.comes(2);
    registrar.registers(&Element { host: 101, ..element(2, 0) });
    let mut suggested = 0;
    for _ in 0..10 {
        // It registers here, is suggested to the peer, moves there, and the peer suggests it back.
        registrar.registers(&element(1, 0));
        suggested += registrar.said_of(peer, HANDLE_UPDATE).iter().filter(|octets| octets[1] == 1).count();
        registrar.suggestion(peer, &element(1, 0x200));
        registrar.wait_seconds(10);
    }
    assert!((1..=4).contains(&suggested), "{suggested} suggestions");
}

#[test]
fn an_element_is_not_moved_to_a_registrar_that_it_does_not_know() {
    let (mut net, [first, second], elements) = one_full_and_one_empty([TakeoverSuggestions::On; 2]);
    net.run(Duration::from_secs(300));
    for registrar in [first, second] {
        assert!(net.table(registrar).iter().all(|(_, home)| *home == 0x100));
        assert!(!net.events(registrar).has(event!(RegistrarEvent::Removed { .. })));
    }
    // It is suggested again when the elements register again, every 30 s, and not more often.
    let suggestions = suggestions(&net, first, second);
    assert!((4..=44).contains(&suggestions), "{suggestions}");
    let moved = event!(ElementEvent::HomeChanged { .. } | ElementEvent::HomeLost { .. });
    assert!(!elements.iter().any(|element| net.events(*element).has(moved)));
}

#[test]
fn a_dead_registrar_that_comes_back_gets_elements_again() {
    let (mut net, [first, second], elements) = one_full_and_one_empty([TakeoverSuggestions::On; 2]);
    know(&mut net, &elements, second);
    net.run(Duration::from_secs(60));
    net.kill(second);
    let target = ServerIdentifier(0x100 + second as u32);
    net.wait(Duration::from_secs(90), |net| {
        net.events(first).has(event!(RegistrarEvent::TakenOver { target: dead, .. } if dead == target))
    });
    assert!(net.table(first).iter().all(|(_, home)| *home == 0x100));
    let third = net.registrar_with(&[first], |config| config.takeover_suggestions = TakeoverSuggestions::On);
    know(&mut net, &elements, third);
    net.run(Duration::from_secs(60));
    assert_eq!(net.table(first).iter().filter(|(_, home)| *home == 0x100 + third as u32).count(), 2);
    assert_eq!(net.table(first), net.table(third));
}
