//! Updates from peers, audits, and who has the last word on an element (RFC 5353 §3.3, §3.6).

use std::time::Duration;

use rserpool::AssociationId;
use rserpool::registrar::RegistrarEvent;
use rserpool::wire::enrp::message_type::{ERROR, HANDLE_TABLE_REQUEST, HANDLE_TABLE_RESPONSE, HANDLE_UPDATE, PRESENCE};
use rserpool::wire::enrp::{Body, Message, UpdateAction};
use rserpool::wire::{CauseCode, ErrorCause, PeChecksum, PeIdentifier, Policy, Sequence, ServerIdentifier};
use rserpool::{CloseReason, Input};

use crate::events::event;
use crate::scripted::{Done, Element, OWN, Scripted, element, list, peer, rejected_table};

const R: u8 = 1;
const W: u8 = 1;

/// The checksums of RFC 5353 §3.6.2 by hand, for "pool" with one element each: 0x706f + 0x6f6c = 0xdfdb, and the
/// identifier, complemented.
const fn with_one(identifier: u16) -> PeChecksum {
    PeChecksum(!(0xdfdb + identifier))
}
const NONE: PeChecksum = PeChecksum(0xffff);

#[test]
fn an_added_element_creates_its_pool_joins_it_or_replaces_what_was_known() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    scripted.update(one, peer(1), UpdateAction::AddPe, &element(1, peer(1)));
    assert_eq!(scripted.registrar.handlespace().pool_count(), 1);
    let weighted = Element { policy: Policy::WeightedRandom { weight: 9 }, ..element(2, peer(1)) };
    scripted.update(one, peer(1), UpdateAction::AddPe, &weighted);
    assert_eq!(scripted.elements(), [(1, peer(1)), (2, peer(1))]);
    let moved = Element { host: 111, ..element(1, peer(1)) };
    scripted.update(one, peer(1), UpdateAction::AddPe, &moved);
    assert_eq!(scripted.elements(), [(1, peer(1)), (2, peer(1))]);
    let handlespace = scripted.registrar.handlespace();
    let index = handlespace.find("pool".into(), PeIdentifier(1)).unwrap();
    let addresses: Vec<_> = handlespace.element(index).unwrap().view().user_transport.addresses().collect();
    assert_eq!(addresses, [crate::scripted::host(111)]);
}

#[test]
fn a_removed_element_takes_its_pool_with_it_if_it_was_the_last_and_one_that_is_not_known_is_no_matter() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    scripted.update(one, peer(1), UpdateAction::AddPe, &element(1, peer(1)));
    scripted.update(one, peer(1), UpdateAction::AddPe, &element(2, peer(1)));
    scripted.update(one, peer(1), UpdateAction::DelPe, &element(3, peer(1)));
    scripted.update(one, peer(1), UpdateAction::DelPe, &Element { pool: "other", ..element(1, peer(1)) });
    scripted.update(one, peer(1), UpdateAction::DelPe, &element(1, peer(1)));
    assert_eq!(scripted.elements(), [(2, peer(1))]);
    scripted.done();
    scripted.update(one, peer(1), UpdateAction::DelPe, &element(2, peer(1)));
    assert_eq!(scripted.registrar.handlespace().pool_count(), 0);
    assert!(scripted.said(one).is_empty(), "nothing to be said about it");
}

#[test]
fn what_changes_is_told_to_all_peers_with_all_that_there_is_to_know() {
    let mut scripted = Scripted::new(&[]);
    let peers = [1, 2].map(|number| scripted.comes(number));
    let own = scripted.registers(&Element { policy: Policy::WeightedRandom { weight: 3 }, ..element(1, 0) });
    let said: Vec<_> = scripted.done();
    for association in peers {
        let updates: Vec<_> = said
            .iter()
            .filter_map(|done| match done {
                Done::Says(to, _, octets) if *to == association && octets[0] == HANDLE_UPDATE => Some(octets),
                _ => None,
            })
            .collect();
        assert_eq!(updates.len(), 1);
        // Sender is its own, receiver all zeros; ADD_PE and a reserved field of zeros.
        assert_eq!(updates[0][4..16], [0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let Body::HandleUpdate(update) = Message::decode(updates[0]).unwrap().message.body else { panic!() };
        assert_eq!(update.pool_handle.octets(), b"pool");
        assert_eq!(update.pool_element.policy, Policy::WeightedRandom { weight: 3 });
        assert_eq!((update.pool_element.identifier.0, update.pool_element.home.0), (1, OWN));
    }
    // It dies, and does not come back.
    scripted.input(Input::Closed { association: own, reason: CloseReason::Lost });
    scripted.wait_seconds(6);
    let updates = scripted.said_of(peers[0], HANDLE_UPDATE);
    assert_eq!(updates.len(), 1);
    // DEL_PE.
    assert_eq!(updates[0][4..16], [0, 0, 5, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn a_home_that_is_told_to_remove_its_element_asks_the_element() {
    for alive in [true, false] {
        let mut scripted = Scripted::new(&[]);
        let one = scripted.comes(1);
        let own = scripted.registers(&element(1, 0));
        scripted.done();
        scripted.update(one, peer(1), UpdateAction::DelPe, &element(1, OWN));
        let asked = scripted
            .done()
            .iter()
            .any(|done| matches!(done, Done::Says(to, _, octets) if *to == own && octets[0] == 7));
        assert!(asked, "ASAP_ENDPOINT_KEEP_ALIVE");
        if alive {
            scripted.answers_keep_alive(own, 1);
        }
        scripted.wait_seconds(6);
        assert_eq!(scripted.elements().len(), usize::from(alive));
    }
}

#[test]
fn every_presence_carries_the_checksum_and_it_changes_at_once() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    let checksum = |scripted: &mut Scripted| {
        scripted.presence(one, 1, R, NONE);
        let said = scripted.said_of(one, PRESENCE);
        assert_eq!((said.len(), said[0][1]), (1, 0), "no reply is asked for in a reply");
        let Body::Presence(presence) = Message::decode(&said[0]).unwrap().message.body else { panic!() };
        assert!(presence.server_information.is_some(), "who it is has to be said");
        presence.checksum.unwrap()
    };
    assert_eq!(checksum(&mut scripted), NONE);
    scripted.registers(&element(5, 0));
    assert_eq!(checksum(&mut scripted), with_one(5));
    // Others' elements do not count.
    scripted.update(one, peer(1), UpdateAction::AddPe, &element(6, peer(1)));
    assert_eq!(checksum(&mut scripted), with_one(5));
}

/// A registrar that knows element 1 of its peer.
fn knowing_one() -> (Scripted, AssociationId) {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    scripted.update(one, peer(1), UpdateAction::AddPe, &element(1, peer(1)));
    scripted.done();
    (scripted, one)
}

#[test]
fn a_checksum_that_matches_leads_to_nothing() {
    let (mut scripted, one) = knowing_one();
    // The last audit was long ago.
    scripted.wait_seconds(10);
    scripted.done();
    scripted.presence(one, 1, 0, with_one(1));
    assert!(scripted.said(one).is_empty());
}

#[test]
fn a_checksum_that_differs_leads_to_a_request_for_the_peers_own_elements_and_what_it_does_not_list_is_removed() {
    let (mut scripted, one) = knowing_one();
    scripted.update(one, peer(1), UpdateAction::AddPe, &element(2, peer(1)));
    let two = scripted.comes(2);
    scripted.update(two, peer(2), UpdateAction::AddPe, &element(3, peer(2)));
    scripted.presence(one, 1, 0, with_one(4));
    let said = scripted.said(one);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0][..2], [HANDLE_TABLE_REQUEST, W]);
    scripted.table(one, peer(1), &[Element { host: 120, ..element(2, peer(1)) }], true);
    assert_eq!(scripted.said_of(one, HANDLE_TABLE_REQUEST).len(), 1);
    assert_eq!(scripted.elements().len(), 3, "not before all is there");
    scripted.table(one, peer(1), &[element(4, peer(1))], false);
    assert_eq!(scripted.elements(), [(2, peer(1)), (3, peer(2)), (4, peer(1))]);
    // Silently: nobody is told.
    let said = scripted.done();
    assert!(!said.iter().any(|done| matches!(done, Done::Says(..))), "{said:?}");
}

#[test]
fn an_audit_is_not_started_twice_at_once_and_not_again_at_once() {
    let (mut scripted, one) = knowing_one();
    for _ in 0..3 {
        scripted.presence(one, 1, 0, NONE);
    }
    assert_eq!(scripted.said_of(one, HANDLE_TABLE_REQUEST).len(), 1);
    scripted.table(one, peer(1), &[element(1, peer(1))], false);
    for _ in 0..3 {
        scripted.presence(one, 1, 0, NONE);
    }
    assert!(scripted.said_of(one, HANDLE_TABLE_REQUEST).is_empty());
    scripted.wait_seconds(5);
    scripted.presence(one, 1, 0, NONE);
    assert_eq!(scripted.said_of(one, HANDLE_TABLE_REQUEST).len(), 1);
}

#[test]
fn an_audit_that_is_rejected_or_not_answered_changes_nothing_and_is_begun_again_by_a_later_presence() {
    for silent in [false, true] {
        let (mut scripted, one) = knowing_one();
        scripted.presence(one, 1, 0, NONE);
        if silent {
            scripted.wait_seconds(6);
        } else {
            scripted.hears(one, peer(1), rejected_table());
        }
        assert_eq!(scripted.elements(), [(1, peer(1))]);
        scripted.done();
        scripted.wait_seconds(6);
        // An answer that comes too late is none.
        scripted.table(one, peer(1), &[], false);
        assert_eq!(scripted.elements(), [(1, peer(1))]);
        scripted.presence(one, 1, 0, NONE);
        assert_eq!(scripted.said_of(one, HANDLE_TABLE_REQUEST).len(), 1);
        scripted.table(one, peer(1), &[], false);
        assert_eq!(scripted.elements(), []);
    }
}

#[test]
fn after_an_association_was_lost_the_elements_are_fetched_even_if_the_checksum_matches() {
    let (mut scripted, one) = knowing_one();
    scripted.input(Input::Closed { association: one, reason: CloseReason::Lost });
    let again = scripted.accept(1);
    scripted.presence(again, 1, 0, with_one(1));
    assert_eq!(scripted.said_of(again, HANDLE_TABLE_REQUEST).len(), 1);
    // A load has changed meanwhile, which no checksum shows.
    let loaded = Element { policy: Policy::LeastUsed { load: 77 }, ..element(1, peer(1)) };
    scripted.table(again, peer(1), &[loaded], false);
    let handlespace = scripted.registrar.handlespace();
    let index = handlespace.find("pool".into(), PeIdentifier(1)).unwrap();
    assert_eq!(handlespace.element(index).unwrap().view().policy, Policy::LeastUsed { load: 77 });
    scripted.wait_seconds(6);
    scripted.done();
    scripted.presence(again, 1, 0, with_one(1));
    assert!(scripted.said_of(again, HANDLE_TABLE_REQUEST).is_empty(), "once is enough");
}

#[test]
fn a_request_for_the_registrars_own_elements_lists_these_only() {
    let (mut scripted, one) = knowing_one();
    scripted.registers(&element(7, 0));
    scripted.done();
    scripted.hears(one, peer(1), Body::HandleTableRequest { own_children_only: true });
    let said = scripted.said_of(one, HANDLE_TABLE_RESPONSE);
    let Body::HandleTableResponse(response) = Message::decode(&said[0]).unwrap().message.body else { panic!() };
    let listed: Vec<u32> = response.pool_entries.iter().map(|(_, element)| element.identifier.0).collect();
    assert_eq!(listed, [7]);
}

#[test]
fn of_two_that_both_think_an_element_theirs_the_one_that_the_element_speaks_with_keeps_it() {
    // It has registered here: a peer's claim does not count.
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    let own = scripted.registers(&element(1, 0));
    scripted.presence(one, 1, 0, with_one(1));
    scripted.table(one, peer(1), &[element(1, peer(1))], false);
    assert_eq!(scripted.elements(), [(1, OWN)]);
    // It has closed its association, as elements do that go to another home; though it answers keep-alives.
    scripted.input(Input::Closed { association: own, reason: CloseReason::Shutdown });
    let ours = scripted.open(100);
    scripted.answers_keep_alive(ours, 1);
    scripted.wait_seconds(6);
    assert_eq!(scripted.elements(), [(1, OWN)]);
    scripted.done();
    scripted.presence(one, 1, 0, with_one(1));
    scripted.table(one, peer(1), &[element(1, peer(1))], false);
    assert_eq!(scripted.elements(), [(1, peer(1))]);
}

#[test]
fn elements_whose_home_nobody_knows_are_taken_over_after_a_while() {
    // A mentor's table names it.
    let mut scripted = Scripted::new(&[1]);
    let one = scripted.open(1);
    scripted.octets(one, &list(peer(1), &[]));
    scripted.table(one, peer(1), &[element(1, peer(1)), element(2, 0x777)], false);
    for _ in 0..5 {
        scripted.wait_seconds(20);
        scripted.presence(one, 1, 0, with_one(1));
    }
    assert!(scripted.events.has(event!(RegistrarEvent::TakeoverInitiated { target: ServerIdentifier(0x777) })));
}

#[test]
fn an_error_of_a_peer_is_told_and_not_answered() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    let causes = [ErrorCause::new(CauseCode::UNRECOGNIZED_MESSAGE)];
    scripted.hears(one, peer(1), Body::Error(Sequence::new(&causes)));
    assert_eq!(
        scripted.events.all(event!(RegistrarEvent::ErrorReported { .. })),
        [RegistrarEvent::ErrorReported { peer: ServerIdentifier(peer(1)), cause: CauseCode::UNRECOGNIZED_MESSAGE }]
    );
    assert!(scripted.said(one).is_empty());
}

#[test]
fn an_unknown_parameter_is_reported_by_enrp_error_if_its_type_asks_for_it() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    // ENRP_LIST_REQUEST with a parameter of type 0xc0ff: skip and report.
    scripted.octets(one, &[5, 0, 0, 20, 0, 0, 1, 0, 0, 0, 5, 0, 0xc0, 0xff, 0, 8, 1, 2, 3, 4]);
    let errors = scripted.said_of(one, ERROR);
    assert_eq!(errors.len(), 1);
    let Body::Error(causes) = Message::decode(&errors[0]).unwrap().message.body else { panic!() };
    assert_eq!(causes.first().unwrap().code, CauseCode::UNRECOGNIZED_PARAMETER);
    // Type 0x80ff: skip in silence.
    scripted.octets(one, &[5, 0, 0, 20, 0, 0, 1, 0, 0, 0, 5, 0, 0x80, 0xff, 0, 8, 1, 2, 3, 4]);
    assert!(scripted.said_of(one, ERROR).is_empty());
}

#[test]
fn peers_beyond_the_limit_are_not_listened_to() {
    let mut scripted = Scripted::with(&[], |config| config.limits.peers = 2);
    for number in 1..=4 {
        scripted.comes(number);
    }
    assert_eq!(scripted.peers(), [peer(1), peer(2)]);
    scripted.wait(Duration::from_secs(1));
    let four = scripted.accept(4);
    scripted.update(four, peer(4), UpdateAction::AddPe, &element(1, peer(4)));
    assert_eq!(scripted.elements(), []);
}

#[test]
fn an_element_that_registers_with_two_at_once_is_lost_by_neither() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    let own = scripted.registers(&element(1, 0));
    // The other one has registered it as well, and says so; the element may have decided for either.
    scripted.update(one, peer(1), UpdateAction::AddPe, &element(1, peer(1)));
    assert_eq!(scripted.elements(), [(1, OWN)]);
    // It keeps the other one as its home.
    scripted.input(Input::Closed { association: own, reason: CloseReason::Shutdown });
    assert_eq!(scripted.elements(), [(1, peer(1))]);
    // What the other one knows of it is fetched.
    assert_eq!(scripted.said_of(one, HANDLE_TABLE_REQUEST).len(), 1);
}

#[test]
fn an_element_that_a_peer_claims_is_asked_and_goes_to_the_peer_if_it_does_not_answer() {
    for answers in [true, false] {
        let mut scripted = Scripted::new(&[]);
        let one = scripted.comes(1);
        let own = scripted.registers(&element(1, 0));
        scripted.wait_seconds(10);
        scripted.done();
        scripted.update(one, peer(1), UpdateAction::AddPe, &element(1, peer(1)));
        assert_eq!(scripted.asked(own), 1);
        if answers {
            scripted.answers_keep_alive(own, 1);
            let objections = scripted.said_of(one, HANDLE_UPDATE);
            assert_eq!(objections.len(), 1);
            assert_eq!(objections[0][8..16], [0, 0, 0, 0, 0, 0, 0, 0], "ADD_PE, to all");
        }
        scripted.wait_seconds(6);
        assert_eq!(scripted.elements(), [(1, if answers { OWN } else { peer(1) })]);
    }
}
