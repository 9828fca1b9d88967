//! Who may say what among registrars, and how much of it: what anyone who can reach a registrar might try, and that the others keep
//! what is theirs (RFC 5352 §3.5, RFC 5353 §3.3, §3.5, §6.1).

use rserpool::registrar::{PeerAdmission, PeerRefusal, RegistrarConfig, RegistrarEvent, RegistrarLimits};
use rserpool::wire::enrp::message_type::{HANDLE_TABLE_REQUEST, HANDLE_UPDATE, INIT_TAKEOVER_ACK, PRESENCE};
use rserpool::wire::enrp::{Body, UpdateAction};
use rserpool::wire::{CauseCode, PayloadProtocol, PeChecksum, PeIdentifier, ServerIdentifier, asap};
use rserpool::{AssociationId, CloseReason, Input, OpenFailure};

use crate::events::event;
use crate::scripted::{Done, Element, OWN, Scripted, element, host, message, peer, presence};

const NONE: PeChecksum = PeChecksum(0xffff);
const R: u8 = 1;

/// The attacker's host, and its identifier.
const ROGUE: u8 = 66;

/// A registrar with a peer at host 1, its element 1, and a rogue that has become a peer.
fn with_victim() -> (Scripted, AssociationId, AssociationId) {
    let mut scripted = Scripted::new(&[]);
    let victim = scripted.comes(1);
    scripted.update(victim, peer(1), UpdateAction::AddPe, &element(1, peer(1)));
    let rogue = scripted.comes(ROGUE);
    (scripted, victim, rogue)
}

fn ended(scripted: &mut Scripted) -> Vec<AssociationId> {
    let done = scripted.done().into_iter();
    done.filter_map(|done| if let Done::Ends(association) = done { Some(association) } else { None }).collect()
}

/// Where an element's users come to.
fn place(scripted: &Scripted, identifier: u32) -> Option<std::net::IpAddr> {
    let handlespace = scripted.registrar.handlespace();
    let index = handlespace.find("pool".into(), PeIdentifier(identifier))?;
    handlespace.element(index)?.view().user_transport.addresses().next()
}

#[test]
fn enrp_is_not_spoken_on_an_asap_endpoint() {
    let (mut scripted, _, _) = with_victim();
    scripted.registers(&element(2, 0));
    for octets in [
        message(peer(ROGUE), Body::TakeoverServer(ServerIdentifier(peer(1)))),
        presence(peer(ROGUE), ROGUE, R, NONE),
        message(peer(1), Body::ListRequest),
    ] {
        let association = scripted.accept_client(ROGUE);
        scripted.done();
        scripted.octets(association, &octets);
        assert!(matches!(scripted.done()[..], [Done::Ends(ended)] if ended == association), "nothing but the end");
    }
    assert_eq!(scripted.elements(), [(1, peer(1)), (2, OWN)]);
}

#[test]
fn asap_is_not_spoken_on_an_enrp_endpoint() {
    let mut scripted = Scripted::new(&[]);
    let association = scripted.accept(100);
    scripted.registers_at(association, &element(1, 0));
    assert_eq!(ended(&mut scripted), [association]);
    assert_eq!(scripted.elements(), []);
}

#[test]
fn a_takeover_of_a_registrar_that_answers_changes_nothing() {
    for announced in [false, true] {
        let (mut scripted, victim, rogue) = with_victim();
        scripted.done();
        if announced {
            scripted.hears(rogue, peer(ROGUE), Body::InitTakeover(ServerIdentifier(peer(1))));
        }
        scripted.hears(rogue, peer(ROGUE), Body::TakeoverServer(ServerIdentifier(peer(1))));
        let asked = scripted.said_of(victim, PRESENCE);
        assert_eq!(asked.iter().map(|octets| octets[1]).collect::<Vec<_>>(), [R], "it is asked whether it lives");
        assert_eq!(scripted.elements(), [(1, peer(1))]);
        scripted.presence(victim, 1, 0, NONE);
        scripted.wait_seconds(6);
        assert_eq!(scripted.elements(), [(1, peer(1))]);
        assert_eq!(scripted.peers(), [peer(1), peer(ROGUE)]);
        assert!(!scripted.events.has(event!(RegistrarEvent::TakenOverByPeer { .. })));
    }
}

#[test]
fn a_takeover_by_the_book_counts_as_soon_as_the_target_has_not_answered() {
    let (mut scripted, _, other) = with_victim();
    scripted.done();
    scripted.hears(other, peer(ROGUE), Body::InitTakeover(ServerIdentifier(peer(1))));
    assert_eq!(scripted.said_of(other, INIT_TAKEOVER_ACK).len(), 1);
    scripted.hears(other, peer(ROGUE), Body::TakeoverServer(ServerIdentifier(peer(1))));
    scripted.wait_seconds(4);
    assert_eq!(scripted.elements(), [(1, peer(1))]);
    scripted.wait_seconds(1);
    assert_eq!(scripted.elements(), [(1, peer(ROGUE))]);
    assert_eq!(scripted.peers(), [peer(ROGUE)]);
}

#[test]
fn a_registrar_that_is_said_to_be_taken_over_itself_keeps_its_elements() {
    let (mut scripted, _, rogue) = with_victim();
    scripted.registers(&element(2, 0));
    scripted.hears(rogue, peer(ROGUE), Body::InitTakeover(ServerIdentifier(OWN)));
    scripted.hears(rogue, peer(ROGUE), Body::TakeoverServer(ServerIdentifier(OWN)));
    assert_eq!(scripted.elements(), [(1, peer(1)), (2, OWN)]);
}

#[test]
fn nobody_removes_or_adds_elements_of_another_registrar() {
    let (mut scripted, _, rogue) = with_victim();
    scripted.update(rogue, peer(ROGUE), UpdateAction::DelPe, &element(1, peer(1)));
    scripted.update(rogue, peer(ROGUE), UpdateAction::DelPe, &element(1, peer(ROGUE)));
    let foreign = Element { host: ROGUE, ..element(1, peer(1)) };
    scripted.update(rogue, peer(ROGUE), UpdateAction::AddPe, &foreign);
    scripted.update(rogue, peer(ROGUE), UpdateAction::AddPe, &Element { host: ROGUE, ..element(9, peer(1)) });
    assert_eq!(scripted.elements(), [(1, peer(1))]);
    assert_eq!(place(&scripted, 1), Some(host(100)));
}

#[test]
fn an_element_of_a_living_home_goes_to_a_claimant_only_if_the_home_does_not_object() {
    for objects in [true, false] {
        let (mut scripted, victim, rogue) = with_victim();
        let stolen = Element { host: ROGUE, ..element(1, peer(ROGUE)) };
        scripted.update(rogue, peer(ROGUE), UpdateAction::AddPe, &stolen);
        assert_eq!((scripted.elements(), place(&scripted, 1)), (vec![(1, peer(1))], Some(host(100))));
        if objects {
            scripted.update(victim, peer(1), UpdateAction::AddPe, &element(1, peer(1)));
        }
        scripted.done();
        scripted.wait_seconds(6);
        // What the new home has said of it is fetched.
        assert_eq!(scripted.said_of(rogue, HANDLE_TABLE_REQUEST).len(), usize::from(!objects));
        assert_eq!(scripted.elements(), [(1, if objects { peer(1) } else { peer(ROGUE) })]);
        assert_eq!(place(&scripted, 1), Some(host(100)));
    }
}

#[test]
fn after_an_objection_no_claim_to_the_element_counts_for_a_minute() {
    let (mut scripted, victim, rogue) = with_victim();
    let stolen = Element { host: ROGUE, ..element(1, peer(ROGUE)) };
    scripted.update(rogue, peer(ROGUE), UpdateAction::AddPe, &stolen);
    scripted.update(victim, peer(1), UpdateAction::AddPe, &element(1, peer(1)));
    for _ in 0..10 {
        scripted.update(rogue, peer(ROGUE), UpdateAction::AddPe, &stolen);
        scripted.wait_seconds(6);
        scripted.presence(victim, 1, 0, NONE);
        assert_eq!(scripted.elements(), [(1, peer(1))]);
    }
}

#[test]
fn a_claim_that_changes_nothing_for_users_counts_until_the_home_objects() {
    for objects in [true, false] {
        let (mut scripted, victim, rogue) = with_victim();
        scripted.update(rogue, peer(ROGUE), UpdateAction::AddPe, &element(1, peer(ROGUE)));
        assert_eq!(scripted.elements(), [(1, peer(ROGUE))]);
        // What would change something waits.
        let elsewhere = Element { host: ROGUE, ..element(1, peer(ROGUE)) };
        scripted.update(rogue, peer(ROGUE), UpdateAction::AddPe, &elsewhere);
        scripted.update(rogue, peer(ROGUE), UpdateAction::DelPe, &elsewhere);
        assert_eq!((scripted.elements(), place(&scripted, 1)), (vec![(1, peer(ROGUE))], Some(host(100))));
        if objects {
            scripted.update(victim, peer(1), UpdateAction::AddPe, &element(1, peer(1)));
            assert_eq!(scripted.elements(), [(1, peer(1))]);
        }
        scripted.wait_seconds(6);
        assert_eq!(scripted.elements(), if objects { vec![(1, peer(1))] } else { vec![] }, "it is gone");
    }
}

#[test]
fn what_a_table_lists_of_anothers_element_is_a_claim_like_any_other() {
    let (mut scripted, _, rogue) = with_victim();
    scripted.presence(rogue, ROGUE, 0, PeChecksum(1));
    scripted.table(rogue, peer(ROGUE), &[Element { host: ROGUE, ..element(1, peer(ROGUE)) }], false);
    assert_eq!((scripted.elements(), place(&scripted, 1)), (vec![(1, peer(1))], Some(host(100))));
}

#[test]
fn a_peer_that_claims_again_and_again_makes_a_registrar_ask_its_element_once_in_a_while_only() {
    let mut scripted = Scripted::new(&[]);
    let rogue = scripted.comes(ROGUE);
    let own = scripted.registers(&element(1, 0));
    scripted.done();
    let mut asked = 0;
    for _ in 0..100 {
        scripted.update(rogue, peer(ROGUE), UpdateAction::AddPe, &Element { host: ROGUE, ..element(1, peer(ROGUE)) });
        let keep_alives = scripted.asked(own);
        asked += keep_alives;
        if keep_alives > 0 {
            scripted.answers_keep_alive(own, 1);
        }
        scripted.wait(std::time::Duration::from_millis(100));
    }
    assert!((1..=4).contains(&asked), "{asked} times in 10 s");
    assert_eq!(scripted.elements(), [(1, OWN)]);
}

#[test]
fn invented_identifiers_do_not_keep_a_registrar_out() {
    let mut scripted = Scripted::new(&[]);
    // On one association, and on one each.
    let one = scripted.accept(ROGUE);
    for number in 0..300_u32 {
        scripted.octets(one, &presence(0x1000 + number, ROGUE, 0, NONE));
        let another = scripted.accept(ROGUE);
        scripted.octets(another, &presence(0x2000 + number, ROGUE, 0, NONE));
    }
    let refused = event!(RegistrarEvent::PeerRefused { .. });
    assert_eq!(scripted.events.count(refused), 1, "once a second");
    assert!(scripted.peers().len() <= RegistrarLimits::default().address_peers + 1);
    scripted.comes(2);
    assert!(scripted.peers().contains(&peer(2)));
}

#[test]
fn a_configured_peer_always_has_a_place() {
    let mut scripted = Scripted::with(&[1], |config| config.limits.peers = 3);
    let configured = scripted.asked_for(1).unwrap();
    scripted.input(Input::OpenFailed { association: configured, reason: OpenFailure::Unreachable });
    for number in 2..=9 {
        scripted.comes(number);
    }
    assert_eq!(scripted.peers(), [peer(2), peer(3)]);
    scripted.comes(1);
    assert!(scripted.peers().contains(&peer(1)));
}

#[test]
fn a_peer_has_no_more_elements_than_it_may() {
    let mut scripted = Scripted::with(&[], |config| config.limits.peer_elements = 3);
    let [one, other] = [scripted.comes(1), scripted.comes(2)];
    for identifier in 1..=100 {
        scripted.update(one, peer(1), UpdateAction::AddPe, &element(identifier, peer(1)));
    }
    scripted.update(other, peer(2), UpdateAction::AddPe, &element(500, peer(2)));
    // What is known may change.
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { host: 101, ..element(2, peer(1)) });
    assert_eq!(scripted.elements(), [(1, peer(1)), (2, peer(1)), (3, peer(1)), (500, peer(2))]);
    assert_eq!(place(&scripted, 2), Some(host(101)));
}

fn listed(ranges: &[&str]) -> impl FnOnce(&mut RegistrarConfig) {
    let ranges = ranges.iter().map(|range| range.parse().unwrap()).collect();
    |config| config.peer_admission = PeerAdmission::Listed(ranges)
}

#[test]
fn only_those_who_are_listed_may_be_peers_if_there_is_a_list() {
    let mut scripted = Scripted::with(&[1], listed(&["10.0.0.8/30"]));
    let one = scripted.open(1);
    scripted.octets(one, &crate::scripted::list(peer(1), &[9, ROGUE]));
    scripted.table(one, peer(1), &[], false);
    assert!(scripted.asked_for(9).is_some(), "it is in the range");
    assert!(scripted.asked_for(ROGUE).is_none(), "a mentor's list makes nobody a peer");
    let rogue = scripted.accept(ROGUE);
    assert!(scripted.done().iter().any(|done| matches!(done, Done::Ends(ended) if *ended == rogue)));
    assert_eq!(
        scripted.events.all(event!(RegistrarEvent::PeerRefused { .. })),
        [RegistrarEvent::PeerRefused { address: host(ROGUE), reason: PeerRefusal::NotListed }]
    );
    scripted.comes(10);
    assert_eq!(scripted.peers(), [peer(1), peer(9), peer(10)]);
}

#[test]
fn whoever_is_not_listed_is_not_found_by_announcements() {
    let mut scripted = Scripted::with(&[1], |config| {
        listed(&[])(config);
        config.announcements = rserpool::registrar::Announcements::On;
    });
    scripted.datagram(&presence(peer(ROGUE), ROGUE, 0, NONE));
    assert!(scripted.asked_for(ROGUE).is_none());
}

#[test]
fn an_impostor_is_not_listened_to_while_the_registrar_lives_that_it_says_to_be() {
    let (mut scripted, victim, _) = with_victim();
    let impostor = scripted.accept(200);
    scripted.done();
    scripted.octets(impostor, &presence(peer(1), 200, 0, NONE));
    assert_eq!(scripted.said_of(victim, PRESENCE).len(), 1, "the real one is asked");
    scripted.presence(victim, 1, 0, NONE);
    for action in [UpdateAction::DelPe, UpdateAction::AddPe] {
        scripted.update(impostor, peer(1), action, &Element { host: 200, ..element(1, peer(1)) });
    }
    assert_eq!((scripted.elements(), place(&scripted, 1)), (vec![(1, peer(1))], Some(host(100))));
    // News still go to the real one.
    scripted.done();
    scripted.registers(&Element { host: 101, ..element(2, 0) });
    assert!(scripted.said_of(impostor, HANDLE_UPDATE).is_empty());
}

#[test]
fn a_registrar_that_has_moved_is_known_at_its_new_place_once_it_does_not_answer_at_the_old_one() {
    let (mut scripted, _, _) = with_victim();
    let moved = scripted.accept(200);
    scripted.octets(moved, &presence(peer(1), 200, 0, NONE));
    scripted.wait_seconds(6);
    scripted.update(moved, peer(1), UpdateAction::AddPe, &element(2, peer(1)));
    assert_eq!(scripted.elements(), [(1, peer(1)), (2, peer(1))]);
    assert!(!scripted.events.has(event!(RegistrarEvent::TakeoverInitiated { .. })));
}

#[test]
fn a_namesake_that_is_not_where_it_says_makes_nobody_change_its_identifier() {
    let mut scripted = Scripted::new(&[]);
    let association = scripted.accept(ROGUE);
    scripted.octets(association, &presence(OWN, 60, R, NONE));
    assert_eq!(scripted.registrar.identifier(), ServerIdentifier(OWN));
}

#[test]
fn a_registrar_that_comes_back_under_another_identifier_has_its_elements_at_once() {
    let (mut scripted, victim, _) = with_victim();
    // It is at the same place, so the old identifier protects nothing any more.
    let again = scripted.accept(1);
    scripted.octets(again, &presence(peer(7), 1, 0, NONE));
    scripted.update(again, peer(7), UpdateAction::AddPe, &Element { host: 101, ..element(1, peer(7)) });
    assert_eq!((scripted.elements(), place(&scripted, 1)), (vec![(1, peer(7))], Some(host(101))));
    scripted.input(Input::Closed { association: victim, reason: CloseReason::Lost });
}

/// A dead registrar's elements: one a port at the victim's host.
fn taken_over(elements: u32, adjust: impl FnOnce(&mut RegistrarConfig)) -> Scripted {
    let mut scripted = Scripted::with(&[], adjust);
    let rogue = scripted.comes(ROGUE);
    for identifier in 1..=elements {
        let port = 10_000 + identifier as u16;
        scripted.update(rogue, peer(ROGUE), UpdateAction::AddPe, &Element { port, ..element(identifier, peer(ROGUE)) });
    }
    scripted.input(Input::Closed { association: rogue, reason: CloseReason::Aborted });
    let again = scripted.asked_for(ROGUE).unwrap();
    scripted.input(Input::OpenFailed { association: again, reason: OpenFailure::Unreachable });
    scripted
}

#[test]
fn a_host_that_others_only_name_is_called_at_a_few_times_and_then_left_alone() {
    let mut scripted = taken_over(5_000, |_| {});
    let mut calls = 0;
    for _ in 0..600 {
        while let Some(association) = scripted.asked_for(100) {
            scripted.input(Input::OpenFailed { association, reason: OpenFailure::Unreachable });
            calls += 1;
        }
        scripted.wait(std::time::Duration::from_millis(100));
    }
    assert!(calls < 100, "{calls} associations");
    assert_eq!(scripted.elements(), []);
}

#[test]
fn elements_at_one_host_are_asked_a_few_at_a_time_until_all_have_answered() {
    let mut scripted = taken_over(200, |config| config.limits.address_openings = 4);
    let mut open = 0;
    while let Some(association) = scripted.asked_for(100) {
        assert!(scripted.opening() <= 4);
        scripted.opened(association);
        open += 1;
        for identifier in 1..=200 {
            scripted.answers_keep_alive(association, identifier);
        }
    }
    assert_eq!(open, 200);
    scripted.wait_seconds(10);
    assert_eq!(scripted.elements().len(), 200);
    assert!(scripted.elements().iter().all(|(_, home)| *home == OWN));
}

#[test]
fn one_association_registers_no_more_elements_than_it_may_and_others_are_served() {
    let mut scripted = Scripted::with(&[], |config| config.limits.association_elements = 10);
    let greedy = scripted.accept_client(ROGUE);
    for identifier in 1..=1_000 {
        scripted.registers_at(greedy, &Element { host: ROGUE, ..element(identifier, 0) });
    }
    assert_eq!(scripted.elements().len(), 10);
    let refused = event!(RegistrarEvent::RegistrationRefused { cause: CauseCode::LACK_OF_RESOURCES, .. });
    assert_eq!(scripted.events.count(refused), 990);
    // Those that are there may register again.
    scripted.registers_at(greedy, &Element { host: ROGUE, life: 100, ..element(3, 0) });
    assert_eq!(scripted.events.count(refused), 990);
    scripted.registers(&element(5_000, 0));
    assert_eq!(scripted.elements().len(), 11);
}

#[test]
fn one_address_registers_no_more_elements_than_it_may_over_all_its_associations() {
    let mut scripted = Scripted::with(&[], |config| config.limits.address_elements = 5);
    for identifier in 1..=20 {
        scripted.registers(&Element { host: ROGUE, ..element(identifier, 0) });
    }
    assert_eq!(scripted.elements().len(), 5);
    scripted.registers(&element(100, 0));
    assert_eq!(scripted.elements().len(), 6);
}

#[test]
fn an_element_that_ends_associations_without_a_word_is_not_called_as_fast_as_the_network_allows() {
    let mut scripted = Scripted::new(&[]);
    let own = scripted.registers(&element(1, 0));
    scripted.input(Input::Closed { association: own, reason: CloseReason::Lost });
    let mut calls = 0;
    while let Some(association) = scripted.asked_for(100) {
        calls += 1;
        assert!(calls < 10);
        scripted.opened(association);
        scripted.input(Input::Closed { association, reason: CloseReason::Shutdown });
    }
    scripted.wait_seconds(6);
    assert_eq!(scripted.elements(), []);
}

#[test]
fn an_identifier_is_not_given_away_while_the_element_answers_that_has_it() {
    for answers in [true, false] {
        // Element 1 has another home, which lives.
        let (mut scripted, _, _) = with_victim();
        let thief = scripted.accept_client(ROGUE);
        scripted.registers_at(thief, &Element { host: ROGUE, ..element(1, 0) });
        assert_eq!(scripted.elements(), [(1, peer(1))], "it waits");
        let asked = scripted.asked_for(100).unwrap();
        scripted.done();
        if answers {
            scripted.opened(asked);
            scripted.answers_keep_alive(asked, 1);
        } else {
            scripted.input(Input::OpenFailed { association: asked, reason: OpenFailure::Unreachable });
        }
        let responses: Vec<Vec<u8>> = scripted
            .done()
            .into_iter()
            .filter_map(|done| match done {
                Done::Says(to, PayloadProtocol::ASAP, octets) if to == thief => Some(octets),
                _ => None,
            })
            .collect();
        let [response] = responses.as_slice() else { panic!("{responses:?}") };
        let asap::Body::RegistrationResponse(response) = asap::Message::decode(response).unwrap().message.body else {
            panic!("{response:?}")
        };
        let cause = response.error.and_then(|causes| causes.first()).map(|cause| cause.code);
        assert_eq!(cause, answers.then_some(CauseCode::NON_UNIQUE_PE_IDENTIFIER));
        let expected = if answers { (peer(1), host(100)) } else { (OWN, host(ROGUE)) };
        assert_eq!(scripted.elements(), [(1, expected.0)]);
        assert_eq!(place(&scripted, 1), Some(expected.1));
    }
}

#[test]
fn what_a_registrar_cannot_do_itself_costs_no_element_and_no_peer_its_place() {
    let (mut scripted, victim, _) = with_victim();
    let own = scripted.registers(&Element { host: 101, ..element(2, 0) });
    scripted.input(Input::Closed { association: own, reason: CloseReason::Lost });
    scripted.input(Input::Closed { association: victim, reason: CloseReason::Lost });
    for number in [101, 1] {
        let association = scripted.asked_for(number).unwrap();
        scripted.input(Input::OpenFailed { association, reason: OpenFailure::Local });
    }
    scripted.wait_seconds(1);
    assert_eq!(scripted.elements(), [(1, peer(1)), (2, OWN)]);
    assert!(!scripted.events.has(event!(RegistrarEvent::PeerDead { .. })));
    // Later it can.
    let again = (1..46).find(|_| {
        scripted.wait_seconds(1);
        scripted.asked_for(101).is_some()
    });
    assert!(again.is_some(), "it is asked when it is its turn again");
}
