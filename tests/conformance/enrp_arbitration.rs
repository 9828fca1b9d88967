//! Who takes a dead registrar over, word by word (RFC 5353 §3.4.3, §3.5).

use rserpool::registrar::RegistrarEvent;
use rserpool::wire::enrp::message_type::{INIT_TAKEOVER, INIT_TAKEOVER_ACK, PRESENCE, TAKEOVER_SERVER};
use rserpool::wire::enrp::{Body, UpdateAction};
use rserpool::wire::{PeChecksum, ServerIdentifier};
use rserpool::{AssociationId, CloseReason, Input, OpenFailure};

use crate::events::event;
use crate::scripted::{Done, OWN, Scripted, element, peer};

const NONE: PeChecksum = PeChecksum(0xffff);
/// Peers with identifiers below and above the registrar's own 0x500.
const SMALL: u8 = 1;
const LARGE: u8 = 9;
/// The one that dies.
const TARGET: u8 = 3;
const TARGET_ID: ServerIdentifier = ServerIdentifier(peer(TARGET));

/// A registrar with three peers, of which the target owns an element.
fn with_peers() -> (Scripted, AssociationId, AssociationId, AssociationId) {
    let mut scripted = Scripted::new(&[]);
    let [small, large, target] = [SMALL, LARGE, TARGET].map(|number| scripted.comes(number));
    scripted.update(target, peer(TARGET), UpdateAction::AddPe, &element(7, peer(TARGET)));
    scripted.done();
    (scripted, small, large, target)
}

/// The target's association is gone, and it cannot be reached again.
fn target_dies(scripted: &mut Scripted, target: AssociationId) {
    scripted.input(Input::Closed { association: target, reason: CloseReason::Lost });
    let again = scripted.asked_for(TARGET).expect("it is asked over a new association");
    scripted.input(Input::OpenFailed { association: again, reason: OpenFailure::Unreachable });
}

fn said_to(done: &[Done], association: AssociationId, message_type: u8) -> Vec<Vec<u8>> {
    let said = done.iter().filter_map(|done| match done {
        Done::Says(to, _, octets) if *to == association && octets[0] == message_type => Some(octets.clone()),
        _ => None,
    });
    said.collect()
}

#[test]
fn a_silent_peer_is_asked_at_once_after_max_time_last_heard_and_dead_after_max_time_no_response() {
    let (mut scripted, small, large, silent) = with_peers();
    for _ in 0..6 {
        scripted.wait_seconds(10);
        scripted.presence(small, SMALL, 0, NONE);
        // Any message counts as a sign of life.
        scripted.hears(large, peer(LARGE), Body::ListRequest);
    }
    scripted.done();
    scripted.wait_seconds(2);
    let asked = scripted.done();
    assert_eq!(said_to(&asked, silent, PRESENCE).iter().map(|octets| octets[1]).collect::<Vec<_>>(), [1]);
    assert!(said_to(&asked, small, PRESENCE).iter().all(|octets| octets[1] == 0));
    scripted.wait_seconds(3);
    assert!(!scripted.events.has(event!(RegistrarEvent::PeerDead { .. })));
    scripted.wait_seconds(1);
    assert!(scripted.events.has(event!(RegistrarEvent::PeerDead { peer: TARGET_ID })));
    let done = scripted.done();
    // To all its peers, the target too: type, flags, length 16; sender, receiver (all zeros), target.
    let message = [INIT_TAKEOVER, 0, 0, 16, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 3, 0];
    for association in [small, large, silent] {
        assert_eq!(said_to(&done, association, INIT_TAKEOVER), [message]);
    }
}

#[test]
fn a_peer_that_answers_in_time_is_active_again() {
    let (mut scripted, small, large, silent) = with_peers();
    for _ in 0..6 {
        scripted.wait_seconds(10);
        for (association, number) in [(small, SMALL), (large, LARGE)] {
            scripted.presence(association, number, 0, NONE);
        }
    }
    scripted.wait_seconds(2);
    assert!(scripted.events.has(event!(RegistrarEvent::PeerSuspected { peer: TARGET_ID })));
    scripted.wait_seconds(3);
    scripted.presence(silent, TARGET, 0, NONE);
    scripted.wait_seconds(10);
    assert!(!scripted.events.has(event!(RegistrarEvent::PeerDead { .. })));
}

#[test]
fn the_takeover_waits_for_all_acknowledgements_then_is_declared_and_done() {
    let (mut scripted, small, large, dead) = with_peers();
    target_dies(&mut scripted, dead);
    let done = scripted.done();
    assert!(!said_to(&done, small, INIT_TAKEOVER).is_empty() && !said_to(&done, large, INIT_TAKEOVER).is_empty());
    scripted.hears(small, peer(SMALL), Body::InitTakeoverAck(TARGET_ID));
    assert!(scripted.done().is_empty(), "one is missing");
    scripted.hears(large, peer(LARGE), Body::InitTakeoverAck(TARGET_ID));
    let done = scripted.done();
    let declared = [TAKEOVER_SERVER, 0, 0, 16, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 3, 0];
    for association in [small, large] {
        assert_eq!(said_to(&done, association, TAKEOVER_SERVER), [declared]);
    }
    assert_eq!(scripted.peers(), [peer(SMALL), peer(LARGE)]);
    assert_eq!(scripted.elements(), [(7, OWN)]);
    // The element is told, with the H flag.
    let to_element = scripted.open(100);
    let told = said_to(&scripted.done(), to_element, rserpool::wire::asap::message_type::ENDPOINT_KEEP_ALIVE);
    assert_eq!(told.iter().map(|octets| octets[1]).collect::<Vec<_>>(), [1]);
}

#[test]
fn who_does_not_acknowledge_is_asked_once_more_and_then_not_waited_for() {
    let (mut scripted, small, large, dead) = with_peers();
    target_dies(&mut scripted, dead);
    scripted.hears(small, peer(SMALL), Body::InitTakeoverAck(TARGET_ID));
    scripted.done();
    scripted.wait_seconds(5);
    let done = scripted.done();
    assert_eq!(said_to(&done, large, INIT_TAKEOVER).len(), 1);
    assert!(said_to(&done, small, INIT_TAKEOVER).is_empty());
    scripted.wait_seconds(5);
    assert_eq!(scripted.elements(), [(7, OWN)]);
}

#[test]
fn a_peer_that_dies_meanwhile_is_not_waited_for() {
    let (mut scripted, small, large, dead) = with_peers();
    target_dies(&mut scripted, dead);
    scripted.hears(small, peer(SMALL), Body::InitTakeoverAck(TARGET_ID));
    scripted.input(Input::Closed { association: large, reason: CloseReason::Lost });
    let again = scripted.asked_for(LARGE).unwrap();
    scripted.input(Input::OpenFailed { association: again, reason: OpenFailure::Unreachable });
    assert_eq!(scripted.elements(), [(7, OWN)]);
}

#[test]
fn a_sign_of_life_of_the_target_ends_the_takeover_at_any_point() {
    let (mut scripted, small, large, dead) = with_peers();
    target_dies(&mut scripted, dead);
    scripted.hears(small, peer(SMALL), Body::InitTakeoverAck(TARGET_ID));
    let back = scripted.accept(TARGET);
    scripted.presence(back, TARGET, 0, NONE);
    assert!(scripted.events.has(event!(RegistrarEvent::TakeoverAborted { target: TARGET_ID })));
    scripted.done();
    scripted.hears(large, peer(LARGE), Body::InitTakeoverAck(TARGET_ID));
    scripted.wait_seconds(11);
    assert!(said_to(&scripted.done(), small, TAKEOVER_SERVER).is_empty());
    assert_eq!(scripted.peers().len(), 3);
}

#[test]
fn a_target_that_lives_tells_all_its_peers() {
    let (mut scripted, small, large, _) = with_peers();
    scripted.hears(small, peer(SMALL), Body::InitTakeover(ServerIdentifier(OWN)));
    let done = scripted.done();
    for association in [small, large] {
        assert_eq!(said_to(&done, association, PRESENCE).len(), 1);
        assert!(said_to(&done, association, INIT_TAKEOVER_ACK).is_empty());
    }
}

#[test]
fn a_peer_that_wants_nothing_itself_acknowledges_and_watches_the_target_no_more() {
    let (mut scripted, small, large, silent) = with_peers();
    scripted.hears(small, peer(SMALL), Body::InitTakeover(TARGET_ID));
    // Sender, receiver, target.
    let acknowledged = [INIT_TAKEOVER_ACK, 0, 0, 16, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 3, 0];
    assert_eq!(said_to(&scripted.done(), small, INIT_TAKEOVER_ACK), [acknowledged]);
    for _ in 0..6 {
        scripted.wait_seconds(10);
        for (association, number) in [(small, SMALL), (large, LARGE)] {
            scripted.presence(association, number, 0, NONE);
        }
    }
    assert!(!scripted.events.has(event!(RegistrarEvent::PeerSuspected { .. })));
    scripted.hears(small, peer(SMALL), Body::TakeoverServer(TARGET_ID));
    assert_eq!(scripted.peers(), [peer(SMALL), peer(LARGE)]);
    assert_eq!(scripted.elements(), [(7, peer(SMALL))]);
    assert!(scripted.done().iter().any(|done| matches!(done, Done::Ends(association) if *association == silent)));
}

#[test]
fn of_two_initiators_the_one_with_the_greater_identifier_goes_on() {
    let (mut scripted, small, large, dead) = with_peers();
    target_dies(&mut scripted, dead);
    scripted.done();
    scripted.hears(small, peer(SMALL), Body::InitTakeover(TARGET_ID));
    assert!(scripted.done().is_empty(), "it is ignored");
    scripted.hears(large, peer(LARGE), Body::InitTakeover(TARGET_ID));
    assert!(scripted.events.has(event!(RegistrarEvent::TakeoverAborted { target: TARGET_ID })));
    assert_eq!(said_to(&scripted.done(), large, INIT_TAKEOVER_ACK).len(), 1);
    // Acknowledgements that come now are of no use.
    scripted.hears(small, peer(SMALL), Body::InitTakeoverAck(TARGET_ID));
    scripted.hears(large, peer(LARGE), Body::InitTakeoverAck(TARGET_ID));
    assert_eq!(scripted.elements(), [(7, peer(TARGET))]);
    // It is known to be dead, so there is nothing to wait for.
    scripted.hears(large, peer(LARGE), Body::TakeoverServer(TARGET_ID));
    assert_eq!(scripted.elements(), [(7, peer(LARGE))]);
}

#[test]
fn an_initiator_that_dies_in_the_middle_is_followed_by_another() {
    let (mut scripted, small, large, _) = with_peers();
    scripted.hears(small, peer(SMALL), Body::InitTakeover(TARGET_ID));
    for _ in 0..7 {
        scripted.wait_seconds(9);
        scripted.presence(large, LARGE, 0, NONE);
        scripted.presence(small, SMALL, 0, NONE);
    }
    assert!(scripted.events.has(event!(RegistrarEvent::TakeoverInitiated { target: TARGET_ID })));
}

#[test]
fn a_registrar_whose_elements_were_taken_over_by_mistake_says_that_it_lives_and_keeps_to_it() {
    let (mut scripted, small, large, _) = with_peers();
    scripted.registers(&element(8, 0));
    scripted.done();
    scripted.hears(small, peer(SMALL), Body::TakeoverServer(ServerIdentifier(OWN)));
    let done = scripted.done();
    assert!(!said_to(&done, large, PRESENCE).is_empty() && !said_to(&done, small, PRESENCE).is_empty());
    assert_eq!(scripted.elements(), [(7, peer(TARGET)), (8, OWN)], "its elements have not left it");
}

#[test]
fn while_elements_are_claimed_in_steps_the_checksum_is_that_of_all() {
    let mut scripted = Scripted::with(&[], |config| config.limits.elements_per_step = 1);
    let [small, dead] = [SMALL, TARGET].map(|number| scripted.comes(number));
    for identifier in 1..=3 {
        scripted.update(dead, peer(TARGET), UpdateAction::AddPe, &element(identifier, peer(TARGET)));
    }
    target_dies(&mut scripted, dead);
    scripted.hears(small, peer(SMALL), Body::InitTakeoverAck(TARGET_ID));
    assert_eq!(scripted.elements().iter().filter(|(_, home)| *home == OWN).count(), 2, "the last one waits");
    scripted.done();
    scripted.presence(small, SMALL, 1, NONE);
    scripted.hears(small, peer(SMALL), Body::HandleTableRequest { own_children_only: true });
    let said = scripted.said(small);
    // Three times "pool" (0xdfdb) and 1 + 2 + 3: 0x29f97, folded 0x9f99, complemented 0x6066.
    let Body::Presence(presence) = rserpool::wire::enrp::Message::decode(&said[0]).unwrap().message.body else {
        panic!()
    };
    assert_eq!(presence.checksum, Some(PeChecksum(0x6066)));
}
