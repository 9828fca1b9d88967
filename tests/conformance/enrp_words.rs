//! What a registrar says to its peers, word by word: who sends, who is meant, and with what (RFC 5353 §2, §3.1, §3.3, §3.4).

use std::time::Duration;

use rserpool::AssociationId;
use rserpool::wire::asap;
use rserpool::wire::enrp::message_type::{ERROR, HANDLE_TABLE_RESPONSE, HANDLE_UPDATE, LIST_RESPONSE, PRESENCE};
use rserpool::wire::enrp::{Body, Message, UpdateAction};
use rserpool::wire::{
    PayloadProtocol, PeChecksum, PeIdentifier, Policy, PoolHandle, RegistrationLife, ServerIdentifier, Transport,
    TransportUse,
};

use crate::scripted::{Done, Element, OWN, Scripted, element, host, peer};

const NONE: PeChecksum = PeChecksum(0xffff);
const OURS: ServerIdentifier = ServerIdentifier(OWN);
const ALL: ServerIdentifier = ServerIdentifier::NONE;

/// The ENRP messages that were sent since this was asked last.
fn said(scripted: &mut Scripted) -> Vec<(AssociationId, Vec<u8>)> {
    let said = scripted.done().into_iter().filter_map(|done| match done {
        Done::Says(to, PayloadProtocol::ENRP, octets) => Some((to, octets)),
        _ => None,
    });
    said.collect()
}

fn decode(octets: &[u8]) -> Message<'_> {
    Message::decode(octets).unwrap().message
}

#[test]
fn what_is_for_all_peers_goes_to_each_of_them_and_names_nobody() {
    let mut scripted = Scripted::new(&[]);
    let mut peers = [1, 2, 3].map(|number| scripted.comes(number));
    let own = scripted.registers(&element(1, 0));
    let mut check = |scripted: &mut Scripted, message_type: u8| {
        let said = said(scripted);
        let mut receivers: Vec<_> = said.iter().map(|(to, _)| *to).collect();
        receivers.sort_unstable();
        peers.sort_unstable();
        assert_eq!(receivers, peers);
        for (_, octets) in &said {
            let message = decode(octets);
            assert_eq!((octets[0], message.sender, message.receiver), (message_type, OURS, ALL));
        }
    };
    check(&mut scripted, HANDLE_UPDATE);
    let reference = asap::ElementReference { pool_handle: PoolHandle::new(b"pool"), identifier: PeIdentifier(1) };
    scripted.says_asap(own, asap::Body::Deregistration(reference));
    check(&mut scripted, HANDLE_UPDATE);
    // The heartbeat.
    scripted.wait_seconds(31);
    check(&mut scripted, PRESENCE);
}

#[test]
fn an_answer_names_the_peer_that_has_asked() {
    let mut scripted = Scripted::new(&[]);
    let [one, two] = [1, 2].map(|number| scripted.comes(number));
    scripted.registers(&element(1, 0));
    said(&mut scripted);
    let mut ask = |body: Body<'_>| {
        scripted.hears(one, peer(1), body);
        let said = said(&mut scripted);
        assert!(said.iter().all(|(to, octets)| *to == one || decode(octets).receiver == ServerIdentifier(peer(2))));
        let (_, octets) = said.iter().find(|(to, _)| *to == one).unwrap();
        let message = decode(octets);
        assert_eq!((message.sender, message.receiver), (OURS, ServerIdentifier(peer(1))));
        octets[0]
    };
    assert_eq!(ask(Body::ListRequest), LIST_RESPONSE);
    assert_eq!(ask(Body::HandleTableRequest { own_children_only: false }), HANDLE_TABLE_RESPONSE);
    assert_eq!(ask(Body::HandleTableRequest { own_children_only: true }), HANDLE_TABLE_RESPONSE);
    ask(Body::InitTakeover(ServerIdentifier(peer(2))));
    scripted.presence(one, 1, 1, NONE);
    let said = said(&mut scripted);
    let (_, octets) = said.iter().find(|(to, octets)| *to == one && octets[0] == PRESENCE).unwrap();
    assert_eq!(decode(octets).receiver, ServerIdentifier(peer(1)));
    let _ = two;
}

#[test]
fn a_presence_says_where_its_sender_is_to_be_found() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    scripted.presence(one, 1, 1, NONE);
    let said = said(&mut scripted);
    let Body::Presence(presence) = decode(&said[0].1).body else { panic!("another message") };
    let information = presence.server_information.unwrap();
    let addresses = [host(50)];
    assert_eq!(information.identifier, OURS);
    assert_eq!(information.transport, Transport::sctp(9_901, TransportUse::DataOnly, &addresses));
}

#[test]
fn where_a_new_peer_says_to_be_is_told_to_others() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.accept(1);
    // It has said nothing of itself yet, and is asked.
    scripted.hears(one, peer(1), Body::ListRequest);
    let said_before = said(&mut scripted);
    let asked = said_before.iter().filter(|(_, octets)| octets[..2] == [PRESENCE, 1]).count();
    assert_eq!(asked, 1, "with \"reply required\"");
    let list = |scripted: &mut Scripted, by: u8| {
        let other = scripted.comes(by);
        scripted.hears(other, peer(by), Body::ListRequest);
        let said = scripted.said_of(other, LIST_RESPONSE);
        let Body::ListResponse(response) = decode(&said[0]).body else { panic!("another message") };
        let servers = response.servers.iter();
        servers.map(|server| (server.identifier.0, server.transport.addresses().collect())).collect::<Vec<_>>()
    };
    assert_eq!(list(&mut scripted, 2), []);
    scripted.presence(one, 1, 0, NONE);
    assert_eq!(list(&mut scripted, 3), [(peer(1), vec![host(1)]), (peer(2), vec![host(2)])]);
}

#[test]
fn an_update_holds_all_that_is_known_of_its_element() {
    let mut scripted = Scripted::new(&[]);
    scripted.comes(1);
    let registers = Element { policy: Policy::LeastUsed { load: 9 }, life: 77, ..element(4, 0) };
    let own = scripted.registers(&registers);
    let again = Element { policy: Policy::LeastUsed { load: 10 }, ..registers };
    let check = |scripted: &mut Scripted, action, load| {
        let said = said(scripted);
        let Body::HandleUpdate(update) = decode(&said[0].1).body else { panic!("another message") };
        assert_eq!((update.action, update.pool_handle), (action, PoolHandle::new(b"pool")));
        let told = update.pool_element;
        assert_eq!((told.identifier, told.home), (PeIdentifier(4), OURS));
        assert_eq!((told.life, told.policy), (RegistrationLife(77), Policy::LeastUsed { load }));
        let addresses = [host(100)];
        assert_eq!(told.user_transport, Transport::sctp(7_000, TransportUse::DataPlusControl, &addresses));
        // Where it speaks ASAP is for the peer that may take it over.
        assert!(told.asap_transport.is_some_and(|transport| transport.addresses().eq(addresses)));
    };
    check(&mut scripted, UpdateAction::AddPe, 9);
    scripted.registers_at(own, &again);
    check(&mut scripted, UpdateAction::AddPe, 10);
    let reference = asap::ElementReference { pool_handle: PoolHandle::new(b"pool"), identifier: PeIdentifier(4) };
    scripted.says_asap(own, asap::Body::Deregistration(reference));
    check(&mut scripted, UpdateAction::DelPe, 10);
}

#[test]
fn a_table_whose_elements_do_not_fit_into_a_message_comes_in_several() {
    let mut scripted = Scripted::with(&[], |config| {
        config.limits.table_response_elements = usize::MAX;
        config.addresses = rserpool::registrar::AddressCheck::Any;
    });
    // An element takes about 60 octets.
    for identifier in 1..=2_000 {
        scripted.registers(&Element { host: (identifier % 200) as u8, ..element(identifier, 0) });
    }
    let one = scripted.comes(1);
    let (mut listed, mut messages) = (0, 0);
    loop {
        scripted.hears(one, peer(1), Body::HandleTableRequest { own_children_only: false });
        let said = scripted.said_of(one, HANDLE_TABLE_RESPONSE);
        let Body::HandleTableResponse(response) = decode(&said[0]).body else { panic!("another message") };
        messages += 1;
        listed += response.pool_entries.iter().count();
        if !response.more_to_send {
            break;
        }
    }
    assert_eq!(listed, 2_000);
    assert!((2..10).contains(&messages), "{messages}");
}

#[test]
fn an_enrp_error_is_not_answered_whatever_is_in_it() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    // ENRP_ERROR, length 28: from peer 1 to us; Operation Error, length 8, "Unspecified Error"; and a parameter of a type
    // that is to be reported.
    let mut octets = vec![ERROR, 0, 0, 28, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0xc, 0, 8, 0, 0, 0, 4];
    octets.extend([0xc0, 0xff, 0, 8, 1, 2, 3, 4]);
    scripted.octets(one, &octets);
    assert!(said(&mut scripted).is_empty());
    // The same in another message is reported.
    let mut octets = vec![5, 0, 0, 20, 0, 0, 1, 0, 0, 0, 5, 0];
    octets.extend([0xc0, 0xff, 0, 8, 1, 2, 3, 4]);
    scripted.octets(one, &octets);
    assert!(said(&mut scripted).iter().any(|(to, octets)| *to == one && octets[0] == ERROR));
}

#[test]
fn an_element_may_have_the_identifier_of_a_registrar() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    scripted.registers(&element(OWN, 0));
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { host: 101, ..element(peer(1), peer(1)) });
    assert_eq!(scripted.elements(), [(peer(1), peer(1)), (OWN, OWN)]);
}

#[test]
fn a_registrar_that_was_heard_is_heard_for_max_time_last_heard() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    scripted.wait_seconds(60);
    // Any message will do, also the periodic presence.
    scripted.presence(one, 1, 0, NONE);
    said(&mut scripted);
    scripted.wait(Duration::from_millis(60_999));
    let is_asked = |said: &[(AssociationId, Vec<u8>)]| said.iter().any(|(_, octets)| octets[..2] == [PRESENCE, 1]);
    assert!(!is_asked(&said(&mut scripted)));
    scripted.wait(Duration::from_millis(1));
    assert!(is_asked(&said(&mut scripted)));
}
