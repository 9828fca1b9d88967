//! Identifiers, and finding each other by multicast (RFC 5353 §3.2.1, §3.2.2.1, §3.4.1).

use rserpool::MulticastGroup;
use rserpool::registrar::{Announcements, PeerRefusal, Registrar, RegistrarConfig, RegistrarEvent};
use rserpool::wire::enrp::message_type::{HANDLE_UPDATE, LIST_REQUEST, PRESENCE};
use rserpool::wire::enrp::{Body, Message};
use rserpool::wire::{PeChecksum, ServerIdentifier};

use crate::events::event;
use crate::scripted::{Done, OWN, Scripted, element, enrp_at, host, peer, presence};

#[test]
fn an_identifier_is_random_and_not_zero() {
    let of = |seed| Registrar::new(RegistrarConfig::new(enrp_at(1), seed)).identifier();
    let mut identifiers: Vec<ServerIdentifier> = (0..100).map(of).collect();
    assert!(identifiers.iter().all(|identifier| identifier.is_some()));
    identifiers.sort();
    identifiers.dedup();
    assert_eq!(identifiers.len(), 100);
    assert_eq!(of(7), of(7));
}

#[test]
fn an_identifier_stays_the_same_whatever_peers_say() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    scripted.presence(one, 1, 1, PeChecksum(0xffff));
    scripted.wait_seconds(100);
    assert_eq!(scripted.registrar.identifier(), ServerIdentifier(OWN));
}

/// A namesake at a host tells of itself.
fn namesake(scripted: &mut Scripted, number: u8) -> rserpool::AssociationId {
    let association = scripted.accept(number);
    let octets = presence(OWN, number, 1, PeChecksum(0xffff));
    scripted.octets(association, &octets);
    association
}

#[test]
fn of_two_with_the_same_identifier_the_one_at_the_smaller_address_takes_another() {
    // The registrar is at 10.0.0.50.
    let mut scripted = Scripted::new(&[]);
    let association = namesake(&mut scripted, 10);
    assert_eq!(scripted.registrar.identifier(), ServerIdentifier(OWN), "the other one has to");
    assert_eq!(scripted.said_of(association, PRESENCE).len(), 1, "and is told why");

    let mut scripted = Scripted::new(&[]);
    let own = scripted.registers(&element(1, 0));
    let third = scripted.comes(3);
    namesake(&mut scripted, 60);
    let identifier = scripted.registrar.identifier();
    assert_ne!(identifier, ServerIdentifier(OWN));
    assert_eq!(
        scripted.events.all(event!(RegistrarEvent::IdentifierChanged { .. })),
        [RegistrarEvent::IdentifierChanged { from: ServerIdentifier(OWN), to: identifier }]
    );
    scripted.wait(std::time::Duration::from_millis(1));
    // Its elements come with it, and all are told.
    assert_eq!(scripted.elements(), [(1, identifier.0)]);
    let done = scripted.done();
    assert!(done.iter().any(|done| matches!(done, Done::Ends(association) if *association == third)));
    // ASAP_ENDPOINT_KEEP_ALIVE with the H flag.
    let introduced =
        done.iter().any(|done| matches!(done, Done::Says(to, _, octets) if *to == own && octets[..2] == [7, 1]));
    assert!(introduced);
    // On another association, as one has one identifier for ever.
    let again = scripted.open(3);
    let said = scripted.said_of(again, PRESENCE);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0][4..8], identifier.0.to_be_bytes());
}

#[test]
fn one_that_is_starting_takes_another_identifier_in_any_case() {
    let mut scripted = Scripted::new(&[1]);
    namesake(&mut scripted, 10);
    assert_ne!(scripted.registrar.identifier(), ServerIdentifier(OWN));
}

#[test]
fn a_namesake_that_says_something_else_is_asked_who_it_is() {
    let mut scripted = Scripted::new(&[]);
    let association = scripted.accept(10);
    scripted.hears(association, OWN, Body::ListRequest);
    let said = scripted.said(association);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0][..2], [PRESENCE, 1], "R is set");
}

#[test]
fn whoever_claims_to_be_a_namesake_all_the_time_is_heeded_once_a_minute() {
    let mut scripted = Scripted::new(&[]);
    for _ in 0..100 {
        let identifier = scripted.registrar.identifier();
        let association = scripted.accept(60);
        scripted.octets(association, &presence(identifier.0, 60, 0, PeChecksum(0xffff)));
        scripted.wait_seconds(1);
    }
    assert_eq!(scripted.events.count(event!(RegistrarEvent::IdentifierChanged { .. })), 2, "100 seconds");
}

#[test]
fn whoever_speaks_under_a_second_identifier_on_an_association_loses_it() {
    let mut scripted = Scripted::new(&[]);
    let association = scripted.comes(1);
    scripted.octets(association, &presence(peer(7), 1, 0, PeChecksum(0xffff)));
    assert!(scripted.done().iter().any(|done| matches!(done, Done::Ends(ended) if *ended == association)));
    assert_eq!(scripted.peers(), [peer(1)]);
    assert_eq!(
        scripted.events.all(event!(RegistrarEvent::PeerRefused { .. })),
        [RegistrarEvent::PeerRefused { address: host(1), reason: PeerRefusal::TwoIdentifiers }]
    );
}

fn announcing(peers: &[u8]) -> Scripted {
    Scripted::with(peers, |config| config.announcements = Announcements::On)
}

fn announcements(scripted: &mut Scripted) -> Vec<Vec<u8>> {
    let announced = scripted.done().into_iter().filter_map(|done| match done {
        Done::Announces(MulticastGroup::Enrp, octets) => Some(octets),
        _ => None,
    });
    announced.collect()
}

#[test]
fn a_registrar_that_announces_itself_says_who_and_where_it_is_every_heartbeat_cycle() {
    let mut scripted = announcing(&[]);
    let first = announcements(&mut scripted);
    assert_eq!(first.len(), 1);
    let Body::Presence(announced) = Message::decode(&first[0]).unwrap().message.body else { panic!() };
    assert!(announced.reply_required && announced.server_information.is_some());
    scripted.wait_seconds(91);
    assert_eq!(announcements(&mut scripted).len(), 3);
}

#[test]
fn without_peers_it_listens_for_announcements_before_it_serves_alone() {
    let mut scripted = announcing(&[]);
    scripted.wait_seconds(4);
    assert!(!scripted.registrar.is_serving());
    scripted.wait_seconds(1);
    assert!(scripted.registrar.is_serving());
    let mut silent = Scripted::new(&[]);
    silent.wait_seconds(0);
    assert!(silent.registrar.is_serving());
}

#[test]
fn a_registrar_that_is_heard_by_multicast_is_spoken_to_and_may_be_the_mentor() {
    let mut scripted = announcing(&[]);
    scripted.datagram(&presence(peer(1), 1, 0, PeChecksum(0xffff)));
    assert_eq!(scripted.peers(), [], "a datagram proves nothing");
    let association = scripted.open(1);
    assert_eq!(scripted.said_of(association, PRESENCE).len(), 1);
    scripted.presence(association, 1, 0, PeChecksum(0xffff));
    assert_eq!(scripted.peers(), [peer(1)]);
    let mut scripted = announcing(&[]);
    scripted.datagram(&presence(peer(1), 1, 0, PeChecksum(0xffff)));
    let association = scripted.open(1);
    assert_eq!(scripted.said_of(association, LIST_REQUEST).len(), 1);
}

#[test]
fn announcements_do_not_keep_a_dead_registrar_alive() {
    let mut scripted = announcing(&[]);
    scripted.wait_seconds(5);
    scripted.comes(1);
    for _ in 0..14 {
        scripted.wait_seconds(5);
        scripted.datagram(&presence(peer(1), 1, 0, PeChecksum(0xffff)));
    }
    assert!(scripted.events.has(event!(RegistrarEvent::PeerDead { peer: ServerIdentifier(0x100) })));
}

#[test]
fn a_flood_of_announcements_leads_to_few_associations_and_those_that_stay_silent_are_ended() {
    let mut scripted = announcing(&[]);
    scripted.wait_seconds(5);
    scripted.done();
    for number in 1..=40 {
        scripted.datagram(&presence(0x1000 + u32::from(number), number, 0, PeChecksum(0xffff)));
    }
    let opened = |scripted: &mut Scripted| {
        let done = scripted.done();
        let opened = done.iter().filter(|done| matches!(done, Done::Opens)).count();
        (opened, done.iter().filter(|done| matches!(done, Done::Ends(..))).count())
    };
    assert_eq!(opened(&mut scripted), (8, 0));
    scripted.wait_seconds(10);
    assert_eq!(opened(&mut scripted), (0, 8));
}

#[test]
fn a_registrar_that_does_not_announce_itself_takes_no_notice_of_announcements() {
    let mut scripted = Scripted::new(&[]);
    scripted.datagram(&presence(peer(1), 1, 0, PeChecksum(0xffff)));
    assert!(scripted.asked_for(1).is_none());
    let mut own = announcing(&[]);
    own.datagram(&presence(OWN, 50, 0, PeChecksum(0xffff)));
    own.datagram(b"no ENRP message");
    assert!(own.asked_for(50).is_none(), "its own, looped back");
}

#[test]
fn with_a_new_identifier_every_association_with_a_registrar_ends() {
    let mut scripted = Scripted::new(&[]);
    // Two that were opened at the same time.
    let [one, other] = [scripted.comes(1), scripted.comes(1)];
    namesake(&mut scripted, 60);
    let done = scripted.done();
    for association in [one, other] {
        assert!(done.iter().any(|done| matches!(done, Done::Ends(ended) if *ended == association)), "{association}");
    }
    assert_eq!(done.iter().filter(|done| matches!(done, Done::Opens)).count(), 1);
}

#[test]
fn of_two_associations_with_a_peer_the_one_counts_where_it_was_present_last() {
    let mut scripted = Scripted::new(&[]);
    let [first, second] = [scripted.comes(1), scripted.comes(1)];
    scripted.registers(&element(1, 0));
    assert_eq!(updates(&mut scripted), [second]);
    scripted.presence(first, 1, 0, PeChecksum(0xffff));
    scripted.registers(&crate::scripted::Element { host: 101, ..element(2, 0) });
    assert_eq!(updates(&mut scripted), [first]);
}

/// Where ENRP_HANDLE_UPDATE was sent.
fn updates(scripted: &mut Scripted) -> Vec<rserpool::AssociationId> {
    let sent = scripted.done().into_iter().filter_map(|done| match done {
        Done::Says(to, rserpool::wire::PayloadProtocol::ENRP, octets) if octets[0] == HANDLE_UPDATE => Some(to),
        _ => None,
    });
    sent.collect()
}

#[test]
fn an_identifier_that_nobody_has_any_more_costs_nobody_an_association() {
    let mut scripted = Scripted::new(&[]);
    let helper = scripted.comes(2);
    // A registrar at host 1 has changed its identifier, and another one still lists it under the old one.
    let old = scripted.comes(1);
    let association = scripted.accept(1);
    scripted.octets(association, &presence(peer(7), 1, 0, PeChecksum(0xffff)));
    scripted.done();
    scripted.hears(helper, peer(2), Body::InitTakeover(ServerIdentifier(peer(1))));
    scripted.hears(helper, peer(2), Body::TakeoverServer(ServerIdentifier(peer(1))));
    let done = scripted.done();
    let ended: Vec<_> =
        done.iter().filter_map(|done| if let Done::Ends(ended) = done { Some(*ended) } else { None }).collect();
    assert_eq!(ended, [old], "another one speaks on the other");
    assert_eq!(scripted.peers(), [peer(2), peer(7)]);
    scripted.registers(&element(1, 0));
    assert!(updates(&mut scripted).contains(&association));
}

#[test]
fn an_element_that_may_have_another_home_by_now_is_not_called_back_by_a_new_identifier() {
    use rserpool::{CloseReason, Input};
    let mut scripted = Scripted::new(&[]);
    let own = scripted.registers(&element(1, 0));
    // It closes the association, as elements do that have another home, but answers keep-alives.
    scripted.input(Input::Closed { association: own, reason: CloseReason::Shutdown });
    let asked = scripted.open(100);
    namesake(&mut scripted, 60);
    scripted.wait(std::time::Duration::from_millis(1));
    let flags: Vec<u8> = scripted
        .done()
        .iter()
        .filter_map(|done| match done {
            Done::Says(to, _, octets) if *to == asked && octets[0] == 7 => Some(octets[1]),
            _ => None,
        })
        .collect();
    assert!(flags.iter().all(|flag| *flag == 0), "{flags:?}");
    assert_eq!(scripted.elements(), [(1, scripted.registrar.identifier().0)]);
}
