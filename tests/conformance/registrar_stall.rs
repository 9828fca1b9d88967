//! A registrar that was stopped for a while with its process, and goes on.

use std::time::Duration;

use rserpool::registrar::{RegistrarEvent, RemovalReason};
use rserpool::wire::enrp::{self, message_type as enrp_type};
use rserpool::wire::{PeChecksum, PeIdentifier, ServerIdentifier};
use rserpool::{AssociationId, CloseReason, Input};

use crate::events::event;
use crate::scripted::{Element, OWN, Scripted, element};

/// It does nothing for so long; what comes in lies there unread.
fn hangs(registrar: &mut Scripted, seconds: u64) {
    registrar.now = registrar.now + Duration::from_secs(seconds);
}

/// Waits until the element is asked whether it lives.
fn wait_for_keep_alive(registrar: &mut Scripted, element: AssociationId) {
    for _ in 0..100 {
        registrar.wait_seconds(1);
        if registrar.asked(element) > 0 {
            return;
        }
    }
    panic!("the element is not asked");
}

#[test]
fn an_element_whose_answer_was_not_read_in_time_is_asked_again_and_not_removed() {
    for answer in [true, false] {
        let mut registrar = Scripted::new(&[]);
        let [one, two] = [(1, 101), (2, 102)]
            .map(|(identifier, host)| registrar.registers(&Element { host, life: -1, ..element(identifier, 0) }));
        wait_for_keep_alive(&mut registrar, one);
        hangs(&mut registrar, 30);
        // Whatever is read first.
        registrar.answers_keep_alive(two, 2);
        assert_eq!(registrar.elements().len(), 2);
        assert!(!registrar.events.has(event!(RegistrarEvent::Removed { .. })));
        assert_eq!(registrar.asked(one), 1);
        if answer {
            registrar.answers_keep_alive(one, 1);
        }
        registrar.answers_keep_alive(two, 2);
        registrar.wait_seconds(6);
        assert_eq!(registrar.elements().len(), if answer { 2 } else { 1 });
        let removed =
            event!(RegistrarEvent::Removed { identifier: PeIdentifier(1), reason: RemovalReason::Unreachable, .. });
        assert_eq!(registrar.events.has(removed), !answer);
    }
}

#[test]
fn a_registration_that_was_renewed_while_nobody_read_it_does_not_end() {
    let mut registrar = Scripted::with(&[], |config| config.keep_alive_interval = Duration::from_secs(1_000_000));
    let renewed = registrar.registers(&element(1, 0));
    registrar.registers(&Element { host: 101, ..element(2, 0) });
    registrar.wait_seconds(290);
    hangs(&mut registrar, 60);
    registrar.accept(90);
    assert_eq!(registrar.elements().len(), 2);
    registrar.registers_at(renewed, &element(1, 0));
    registrar.wait_seconds(6);
    assert_eq!(registrar.elements().len(), 1);
    assert_eq!(
        registrar.events.all(event!(RegistrarEvent::Removed { .. })),
        [RegistrarEvent::Removed {
            pool_handle: "pool".into(),
            identifier: PeIdentifier(2),
            reason: RemovalReason::Expired
        }]
    );
}

#[test]
fn a_peer_whose_answer_was_not_read_in_time_is_asked_again_and_not_taken_over() {
    for answer in [true, false] {
        let mut registrar = Scripted::new(&[]);
        let peer = registrar.comes(2);
        registrar.wait_seconds(62);
        assert!(registrar.events.has(event!(RegistrarEvent::PeerSuspected { peer: ServerIdentifier(0x200) })));
        hangs(&mut registrar, 30);
        registrar.accept(90);
        assert!(!registrar.events.has(event!(RegistrarEvent::PeerDead { .. })));
        if answer {
            registrar.presence(peer, 2, 0, PeChecksum(0xffff));
        }
        registrar.wait_seconds(6);
        let dead = event!(RegistrarEvent::PeerDead { peer: ServerIdentifier(0x200) });
        assert_eq!(registrar.events.has(dead), !answer);
    }
}

#[test]
fn one_that_was_away_for_long_asks_its_peers_what_is_theirs_before_it_says_what_is_its_own() {
    let mut registrar = Scripted::new(&[]);
    let peer = registrar.comes(2);
    let moved = registrar.registers(&element(1, 0));
    registrar.registers(&Element { host: 101, ..element(2, 0) });
    registrar.wait_seconds(1);
    registrar.done();
    hangs(&mut registrar, 200);
    // Meanwhile the peer has taken element 1 over, which has left: of all that waits the peer's audit is read first.
    registrar.hears(peer, 0x200, enrp::Body::HandleTableRequest { own_children_only: true });
    let said = registrar.said(peer);
    let of_type = |wanted: u8| said.iter().filter(|octets| octets[0] == wanted).collect::<Vec<_>>();
    // W is set: only the peer's own.
    assert_eq!(of_type(enrp_type::HANDLE_TABLE_REQUEST).iter().map(|octets| octets[1]).collect::<Vec<_>>(), [1]);
    // R is set: rejected.
    assert_eq!(of_type(enrp_type::HANDLE_TABLE_RESPONSE).iter().map(|octets| octets[1]).collect::<Vec<_>>(), [1]);
    registrar.input(Input::Closed { association: moved, reason: CloseReason::Shutdown });
    registrar.table(peer, 0x200, &[element(1, 0x200)], false);
    assert_eq!(registrar.elements(), [(1, 0x200), (2, OWN)]);
    registrar.wait_seconds(6);
    registrar.done();
    registrar.hears(peer, 0x200, enrp::Body::HandleTableRequest { own_children_only: true });
    let said = registrar.said_of(peer, enrp_type::HANDLE_TABLE_RESPONSE);
    assert_eq!(said[0][1], 0);
}
