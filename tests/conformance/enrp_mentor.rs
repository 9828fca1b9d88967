//! Mentors: those that a registrar asks while it starts, and the one that it is to others (RFC 5353 §3.2.2, §3.2.3).

use std::net::IpAddr;
use std::time::Duration;

use rserpool::registrar::RegistrarEvent;
use rserpool::wire::enrp::message_type::{HANDLE_TABLE_REQUEST, HANDLE_TABLE_RESPONSE, LIST_REQUEST, LIST_RESPONSE};
use rserpool::wire::enrp::{Body, ListResponse, Message, UpdateAction};
use rserpool::wire::{PeChecksum, Policy, Sequence, ServerIdentifier};
use rserpool::{AssociationId, CloseReason, Input};

use crate::events::event;
use crate::scripted::{Element, Scripted, element, host, list, peer, presence, rejected_table};

const R: u8 = 1;
const M: u8 = 2;
const W: u8 = 1;

/// A registrar that has asked host 1 for its list.
fn starting() -> (Scripted, AssociationId) {
    let mut scripted = Scripted::new(&[1, 2]);
    let mentor = scripted.open(1);
    assert_eq!(scripted.said_of(mentor, LIST_REQUEST).len(), 1);
    scripted.presence(mentor, 1, 0, PeChecksum(0xffff));
    (scripted, mentor)
}

fn downloading() -> (Scripted, AssociationId) {
    let (mut scripted, mentor) = starting();
    scripted.octets(mentor, &list(peer(1), &[]));
    let requests = scripted.said_of(mentor, HANDLE_TABLE_REQUEST);
    assert_eq!(requests.len(), 1, "the table is asked for as soon as the list is there");
    assert_eq!(requests[0][1] & W, 0, "the whole table");
    (scripted, mentor)
}

#[test]
fn the_mentors_list_becomes_the_peer_list_and_each_on_it_is_spoken_to() {
    let (mut scripted, mentor) = starting();
    scripted.octets(mentor, &list(peer(1), &[3, 4]));
    assert_eq!(scripted.peers(), [peer(1), peer(3), peer(4)]);
    assert!(scripted.asked_for(3).is_some() && scripted.asked_for(4).is_some());
}

#[test]
fn a_mentor_that_does_not_answer_the_list_request_in_time_is_left_for_a_backup() {
    let (mut scripted, first) = starting();
    scripted.wait(Duration::from_millis(4_999));
    assert!(!scripted.registrar.is_serving());
    let second = scripted.asked_for(2).map(|_| scripted.open(2)).expect("both are tried");
    scripted.done();
    // MAX-TIME-NO-RESPONSE, then a few seconds.
    scripted.wait_seconds(5);
    assert!(scripted.said_of(second, LIST_REQUEST).len() == 1);
    assert!(scripted.said_of(first, LIST_REQUEST).is_empty());
}

#[test]
fn a_mentor_that_rejects_the_list_request_is_asked_again_after_a_few_seconds_if_there_is_no_other() {
    let (mut scripted, mentor) = starting();
    let rejected = Body::ListResponse(ListResponse { rejected: true, servers: Sequence::empty() });
    scripted.hears(mentor, peer(1), rejected);
    assert!(scripted.said_of(mentor, LIST_REQUEST).is_empty());
    scripted.wait_seconds(4);
    assert_eq!(scripted.said_of(mentor, LIST_REQUEST).len(), 1);
}

#[test]
fn as_long_as_there_is_more_the_next_part_is_asked_for_and_after_the_last_one_the_registrar_serves() {
    let (mut scripted, mentor) = downloading();
    scripted.table(mentor, peer(1), &[element(1, peer(1)), element(2, peer(1))], true);
    assert_eq!(scripted.said_of(mentor, HANDLE_TABLE_REQUEST).len(), 1);
    assert!(!scripted.registrar.is_serving());
    scripted.table(mentor, peer(1), &[element(3, peer(1))], false);
    assert!(scripted.registrar.is_serving());
    assert!(scripted.said_of(mentor, HANDLE_TABLE_REQUEST).is_empty());
    assert_eq!(scripted.elements(), [(1, peer(1)), (2, peer(1)), (3, peer(1))]);
}

#[test]
fn the_tables_entries_create_pools_add_elements_and_replace_what_is_known() {
    let (mut scripted, mentor) = downloading();
    let weighted = Element { policy: Policy::WeightedRandom { weight: 5 }, pool: "weighted", ..element(9, peer(1)) };
    scripted.table(mentor, peer(1), &[element(1, peer(1)), weighted], true);
    let handlespace = scripted.registrar.handlespace();
    assert_eq!(handlespace.pool_count(), 2);
    // The policy of a new pool is that of its first element; another one is added as it is.
    scripted.table(mentor, peer(1), &[Element { pool: "weighted", ..element(10, peer(1)) }], true);
    // What is known is replaced: the element has moved meanwhile.
    scripted.table(mentor, peer(1), &[element(1, peer(2))], false);
    assert_eq!(scripted.elements(), [(1, peer(2)), (9, peer(1)), (10, peer(1))]);
    assert_eq!(scripted.registrar.handlespace().pool_count(), 2);
}

#[test]
fn a_mentor_that_rejects_or_is_silent_in_the_middle_of_the_download_is_left_for_a_backup() {
    for silent in [false, true] {
        let (mut scripted, mentor) = downloading();
        let backup = scripted.open(2);
        scripted.table(mentor, peer(1), &[element(1, peer(1))], true);
        if !silent {
            scripted.hears(mentor, peer(1), rejected_table());
        }
        scripted.done();
        // MAX-TIME-NO-RESPONSE if it is silent, then a few seconds.
        let asked = (0..9).any(|_| {
            scripted.wait_seconds(1);
            !scripted.said_of(backup, LIST_REQUEST).is_empty()
        });
        assert!(asked, "silent: {silent}");
        // The download begins anew.
        scripted.presence(backup, 2, 0, PeChecksum(0xffff));
        scripted.octets(backup, &list(peer(2), &[]));
        scripted.table(backup, peer(2), &[element(1, peer(1)), element(2, peer(1))], false);
        assert!(scripted.registrar.is_serving());
        assert_eq!(scripted.elements(), [(1, peer(1)), (2, peer(1))]);
    }
}

#[test]
fn what_a_home_tells_during_the_download_is_newer_than_the_mentors_table() {
    let (mut scripted, mentor) = downloading();
    let other = scripted.accept(3);
    scripted.presence(other, 3, 0, PeChecksum(0xffff));
    // One has got a new weight, one has left; the mentor's table is from before.
    let before = Element { policy: Policy::WeightedRandom { weight: 1 }, ..element(1, peer(3)) };
    let after = Element { policy: Policy::WeightedRandom { weight: 2 }, ..before };
    let gone = Element { identifier: 2, ..before };
    scripted.update(other, peer(3), UpdateAction::AddPe, &after);
    scripted.update(other, peer(3), UpdateAction::DelPe, &gone);
    scripted.table(mentor, peer(1), &[before, gone, Element { identifier: 3, ..before }], false);
    assert_eq!(scripted.elements(), [(1, peer(3)), (3, peer(3))]);
    let handlespace = scripted.registrar.handlespace();
    let index = handlespace.find("pool".into(), rserpool::wire::PeIdentifier(1)).unwrap();
    assert_eq!(handlespace.element(index).unwrap().view().policy, Policy::WeightedRandom { weight: 2 });
}

#[test]
fn elements_of_an_earlier_life_are_kept_and_asked() {
    let (mut scripted, mentor) = downloading();
    // The mentor has not noticed that the registrar was away.
    scripted.table(mentor, peer(1), &[element(1, crate::scripted::OWN), element(2, peer(1))], false);
    assert_eq!(scripted.elements(), [(1, crate::scripted::OWN), (2, peer(1))]);
    scripted.wait(Duration::from_millis(1));
    assert!(scripted.asked_for(100).is_some(), "an association for the keep-alive");
    // Nobody answers.
    scripted.wait_seconds(6);
    assert_eq!(scripted.elements(), [(2, peer(1))]);
}

#[test]
fn a_registrar_that_is_starting_rejects_requests_for_list_and_table_and_says_nothing_else_in_them() {
    let (mut scripted, _) = starting();
    let stranger = scripted.accept(9);
    scripted.hears(stranger, peer(9), Body::ListRequest);
    scripted.hears(stranger, peer(9), Body::HandleTableRequest { own_children_only: false });
    let said = scripted.said(stranger);
    let lists: Vec<_> = said.iter().filter(|octets| octets[0] == LIST_RESPONSE).collect();
    let tables: Vec<_> = said.iter().filter(|octets| octets[0] == HANDLE_TABLE_RESPONSE).collect();
    // Header and two identifiers: 12 octets.
    assert_eq!(lists, [&[LIST_RESPONSE, R, 0, 12, 0, 0, 5, 0, 0, 0, 9, 0]]);
    assert_eq!(tables, [&[HANDLE_TABLE_RESPONSE, R, 0, 12, 0, 0, 5, 0, 0, 0, 9, 0]]);
}

/// The registrars in the answer to a list request: their identifiers, and where they are.
fn listed(scripted: &mut Scripted, asking: AssociationId, number: u8) -> Vec<(u32, Vec<IpAddr>)> {
    scripted.hears(asking, peer(number), Body::ListRequest);
    let said = scripted.said_of(asking, LIST_RESPONSE);
    assert_eq!(said.len(), 1);
    let decoded = Message::decode(&said[0]).unwrap();
    let Body::ListResponse(response) = decoded.message.body else { panic!("{decoded:?}") };
    assert!(!response.rejected);
    response.servers.iter().map(|server| (server.identifier.0, server.transport.addresses().collect())).collect()
}

#[test]
fn a_mentor_lists_all_that_it_knows_but_the_one_that_asks() {
    let mut scripted = Scripted::new(&[]);
    for number in [1, 2, 3] {
        scripted.comes(number);
    }
    let asking = scripted.comes(4);
    assert_eq!(listed(&mut scripted, asking, 4), [1, 2, 3].map(|number| (peer(number), vec![host(number)])));
}

#[test]
fn a_mentor_does_not_list_one_that_another_is_about_to_take_over() {
    let mut scripted = Scripted::new(&[]);
    let [_, dead, initiator, asking] = [1, 2, 3, 4].map(|number| scripted.comes(number));
    scripted.hears(initiator, peer(3), Body::InitTakeover(ServerIdentifier(peer(2))));
    let identifiers = |scripted: &mut Scripted| {
        listed(scripted, asking, 4).into_iter().map(|(identifier, _)| identifier).collect::<Vec<_>>()
    };
    assert_eq!(identifiers(&mut scripted), [peer(1), peer(3)]);
    // It lives.
    scripted.presence(dead, 2, 0, PeChecksum(0xffff));
    assert_eq!(identifiers(&mut scripted), [peer(1), peer(2), peer(3)]);
}

#[test]
fn a_mentor_lists_those_that_it_asks_whether_they_live_and_so_a_newcomer_hears_who_has_its_identifier() {
    let mut scripted = Scripted::new(&[]);
    let [_, lost] = [1, 2].map(|number| scripted.comes(number));
    scripted.input(Input::Closed { association: lost, reason: CloseReason::Lost });
    // It does not know that registrar 1 has its identifier.
    let newcomer = scripted.accept(9);
    scripted.octets(newcomer, &presence(peer(1), 9, R, PeChecksum(0xffff)));
    scripted.done();
    assert_eq!(listed(&mut scripted, newcomer, 1), [1, 2].map(|number| (peer(number), vec![host(number)])));
}

#[test]
fn a_list_that_is_too_long_for_a_message_is_cut() {
    let mut scripted = Scripted::with(&[], |config| {
        (config.limits.peers, config.limits.address_peers) = (5_000, 5_000);
    });
    for number in 1..=700_u32 {
        let association = scripted.accept(1);
        let octets = presence(0x1_0000 + number, (number % 200) as u8, 0, PeChecksum(0xffff));
        scripted.octets(association, &octets);
    }
    scripted.done();
    let asking = scripted.comes(4);
    assert_eq!(listed(&mut scripted, asking, 4).len(), 600);
}

/// A registrar with `count` elements of its own that gives two in a response.
fn mentor(count: u32) -> Scripted {
    let mut scripted = Scripted::with(&[], |config| {
        config.limits.table_response_elements = 2;
        config.limits.downloads = 2;
    });
    for identifier in 1..=count {
        let association = scripted.registers(&Element { host: 100 + identifier as u8, ..element(identifier, 0) });
        assert!(scripted.elements().len() == identifier as usize, "{association}");
    }
    scripted.done();
    scripted
}

fn ask(scripted: &mut Scripted, association: AssociationId, number: u8) -> (u8, usize) {
    scripted.hears(association, peer(number), Body::HandleTableRequest { own_children_only: false });
    let said = scripted.said_of(association, HANDLE_TABLE_RESPONSE);
    assert_eq!(said.len(), 1);
    let decoded = Message::decode(&said[0]).unwrap();
    let Body::HandleTableResponse(response) = decoded.message.body else { panic!() };
    (said[0][1], response.pool_entries.iter().count())
}

#[test]
fn a_download_goes_on_where_it_was_and_sets_m_until_the_last_part() {
    let mut scripted = mentor(5);
    let association = scripted.comes(1);
    assert_eq!(ask(&mut scripted, association, 1), (M, 2));
    assert_eq!(ask(&mut scripted, association, 1), (M, 2));
    assert_eq!(ask(&mut scripted, association, 1), (0, 1));
    // The session is closed; another request begins anew.
    assert_eq!(ask(&mut scripted, association, 1), (M, 2));
}

#[test]
fn a_download_that_is_not_gone_on_with_in_time_is_forgotten() {
    let mut scripted = mentor(3);
    let association = scripted.comes(1);
    assert_eq!(ask(&mut scripted, association, 1), (M, 2));
    scripted.wait_seconds(6);
    assert_eq!(ask(&mut scripted, association, 1), (M, 2), "from the beginning");
    assert_eq!(ask(&mut scripted, association, 1), (0, 1));
}

#[test]
fn too_many_downloads_at_a_time_are_rejected() {
    let mut scripted = mentor(5);
    let [one, two, three] = [1, 2, 3].map(|number| scripted.comes(number));
    assert_eq!(ask(&mut scripted, one, 1), (M, 2));
    assert_eq!(ask(&mut scripted, two, 2), (M, 2));
    assert_eq!(ask(&mut scripted, three, 3), (R, 0));
    // Those under way go on, and make room.
    assert_eq!(ask(&mut scripted, one, 1), (M, 2));
    assert_eq!(ask(&mut scripted, one, 1), (0, 1));
    assert_eq!(ask(&mut scripted, three, 3), (M, 2));
}

#[test]
fn a_registrar_that_is_among_its_own_peers_finds_that_out() {
    let mut scripted = Scripted::new(&[50]);
    let out = scripted.open(50);
    let inside = scripted.accept(50);
    // What it says at one end comes in at the other.
    for octets in scripted.said(out) {
        scripted.octets(inside, &octets);
    }
    for octets in scripted.said(inside) {
        scripted.octets(out, &octets);
    }
    scripted.wait_seconds(4);
    assert!(scripted.registrar.is_serving(), "it is alone");
    assert_eq!(scripted.peers(), []);
    scripted.done();
    scripted.wait_seconds(30);
    assert!(scripted.asked_for(50).is_none(), "and does not try again");
}

#[test]
fn one_that_only_reads_the_table_and_goes_is_not_asked_for_and_not_taken_over() {
    let mut scripted = Scripted::new(&[]);
    scripted.registers(&element(1, 0));
    let other = scripted.comes(1);
    let reader = scripted.accept(9);
    scripted.hears(reader, peer(9), Body::HandleTableRequest { own_children_only: false });
    assert_eq!(scripted.said_of(reader, HANDLE_TABLE_RESPONSE).len(), 1);
    scripted.input(Input::Closed { association: reader, reason: CloseReason::Shutdown });
    assert_eq!(scripted.peers(), [peer(1)]);
    scripted.done();
    scripted.wait_seconds(4);
    let missed = event!(RegistrarEvent::PeerSuspected { .. } | RegistrarEvent::PeerDead { .. });
    assert!(!scripted.events.has(missed));
    assert!(scripted.said(other).is_empty());
    // One that has told of itself is missed.
    scripted.input(Input::Closed { association: other, reason: CloseReason::Lost });
    assert_eq!(scripted.events.all(missed), [RegistrarEvent::PeerSuspected { peer: ServerIdentifier(peer(1)) }]);
}
