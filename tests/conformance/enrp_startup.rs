//! The start-up of a registrar (RFC 5353 §3.2).

use std::time::Duration;

use rserpool::pool_element::ElementEvent;
use rserpool::wire::PayloadProtocol;
use rserpool::wire::enrp::message_type;

use crate::events::event;
use crate::network::Network;

const ENRP: PayloadProtocol = PayloadProtocol::ENRP;
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_registrar_that_knows_no_other_serves_at_once() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    net.run(Duration::from_millis(1));
    assert!(net.is_serving(registrar));
}

#[test]
fn a_registrar_whose_peers_are_all_dead_serves_alone() {
    let mut net = Network::new();
    let dead = net.registrar(&[]);
    net.kill(dead);
    let registrar = net.registrar(&[dead]);
    net.wait(SECOND, |net| net.is_serving(registrar));
}

#[test]
fn a_newcomer_gets_the_peer_list_and_the_whole_table_from_its_mentor() {
    let mut net = Network::new();
    let (first, second) = (net.registrar(&[]), 1);
    assert_eq!(net.registrar(&[first]), second);
    net.run(SECOND);
    for identifier in 1..=3 {
        net.element("pool", identifier, &[first]);
    }
    net.element("other", 4, &[second]);
    net.run(SECOND);
    let third = net.registrar(&[first]);
    net.wait(SECOND, |net| net.is_serving(third));
    net.run(SECOND);
    assert_eq!(net.peers(third), [0x100, 0x101]);
    assert_eq!(net.table(third), [(4, 0x101), (1, 0x100), (2, 0x100), (3, 0x100)]);
    // The order of RFC 5353 §3.2.2.2 and §3.2.3: list, then table with W = 0.
    let requests: Vec<_> = net
        .sent
        .iter()
        .filter(|sent| (sent.from, sent.to, sent.protocol) == (third, first, ENRP))
        .map(|sent| (sent.octets[0], sent.octets[1]))
        .filter(|(kind, _)| [message_type::LIST_REQUEST, message_type::HANDLE_TABLE_REQUEST].contains(kind))
        .collect();
    assert_eq!(requests, [(message_type::LIST_REQUEST, 0), (message_type::HANDLE_TABLE_REQUEST, 0)]);
    // Others have heard of it.
    assert_eq!(net.peers(second), [0x100, 0x100 + third as u32]);
}

#[test]
fn a_large_table_comes_in_parts_with_the_m_flag() {
    let mut net = Network::new();
    let first = net.registrar_with(&[], |config| config.limits.table_response_elements = 4);
    for identifier in 1..=10 {
        net.element(if identifier % 2 == 0 { "even" } else { "odd" }, identifier, &[first]);
    }
    net.run(SECOND);
    let second = net.registrar(&[first]);
    net.wait(SECOND, |net| net.is_serving(second));
    assert_eq!(net.table(second), net.table(first));
    let flags: Vec<u8> =
        net.messages(first, second, ENRP, message_type::HANDLE_TABLE_RESPONSE).iter().map(|s| s.octets[1]).collect();
    assert_eq!(flags, [2, 2, 0], "M is bit 1");
}

#[test]
fn two_that_start_together_and_know_each_other_both_come_to_serve() {
    let mut net = Network::new();
    let first = net.registrar(&[1]);
    let second = net.registrar(&[0]);
    net.wait(Duration::from_secs(60), |net| net.is_serving(first) && net.is_serving(second));
    net.run(SECOND);
    assert_eq!((net.peers(first), net.peers(second)), (vec![0x101], vec![0x100]));
}

#[test]
fn a_mentor_that_dies_in_the_middle_is_replaced_by_a_backup() {
    let mut net = Network::new();
    let mentor = net.registrar_with(&[], |config| config.limits.table_response_elements = 1);
    let backup = net.registrar(&[mentor]);
    net.run(SECOND);
    for identifier in 1..=20 {
        net.element("pool", identifier, &[backup]);
    }
    net.run(SECOND);
    let newcomer = net.registrar(&[mentor, backup]);
    // Some parts of the table have come.
    net.run(Duration::from_millis(10));
    assert!(!net.is_serving(newcomer));
    net.kill(mentor);
    net.wait(Duration::from_secs(30), |net| net.is_serving(newcomer));
    assert_eq!(net.table(newcomer).len(), 20);
}

#[test]
fn elements_are_sent_elsewhere_while_a_registrar_starts_up() {
    let mut net = Network::new();
    let paused = net.registrar(&[]);
    net.run(SECOND);
    let serving = net.registrar(&[]);
    net.run(SECOND);
    let starting = net.registrar(&[paused]);
    net.pause(paused);
    net.run(Duration::from_millis(1));
    let element = net.element("pool", 1, &[starting, serving]);
    net.wait(Duration::from_secs(30), |net| net.events(element).has(event!(ElementEvent::Registered { .. })));
    assert!(!net.is_serving(starting));
    assert_eq!(net.table(serving), [(1, 0x101)]);
}

#[test]
fn a_registrar_that_comes_back_under_its_old_identifier_is_the_home_of_its_elements_again() {
    let mut net = Network::new();
    let (first, second) = (net.registrar(&[]), 1);
    net.registrar(&[first]);
    net.run(SECOND);
    let element = net.element("pool", 1, &[second]);
    net.run(SECOND);
    // It is back before anyone has missed it; the element's association is still open, as far as the element knows.
    net.restart_registrar(second, &[first]);
    net.wait(SECOND, |net| net.is_serving(second));
    net.run(Duration::from_millis(100));
    assert_eq!(net.table(second), [(1, 0x101)]);
    net.with_element(element, |element, now| element.deregister(now));
    net.run(SECOND);
    assert_eq!(net.messages(element, second, PayloadProtocol::ASAP, 2).len(), 1, "the element speaks to it");
    assert_eq!(net.table(first), []);
}
