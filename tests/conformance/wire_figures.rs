//! Every message beside its figure, octet by octet: its type, its flags, its fields and parameters in their order (RFC 5352 §2.2,
//! RFC 5353 §2). What is read from the octets is what is meant, and what is meant is written as these octets.

use std::net::{IpAddr, Ipv4Addr};

use rserpool::wire::asap::{self, ElementReference, EndpointKeepAlive, HandleResolution, HandleResolutionResponse};
use rserpool::wire::asap::{BusinessCard, DeregistrationResponse, Registration, RegistrationResponse, ServerAnnounce};
use rserpool::wire::enrp::{self, HandleTableResponse, HandleUpdate, ListResponse, PoolEntries, PoolEntry, Presence};
use rserpool::wire::{
    CauseCode, ErrorCause, PayloadProtocol, PeChecksum, PeIdentifier, Policy, PoolElement, PoolHandle,
    RegistrationLife, Sequence, ServerIdentifier, ServerInformation, Transport, TransportUse, Unknown,
};

const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");
const ADDRESSES: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7))];

/// Pool Handle "pool".
const HANDLE: [u8; 8] = [0, 9, 0, 8, b'p', b'o', b'o', b'l'];
/// PE Identifier 7.
const IDENTIFIER: [u8; 8] = [0, 14, 0, 8, 0, 0, 0, 7];
/// SCTP Transport: port 7000, data and control; IPv4 Address 10.0.0.7.
const TRANSPORT: [u8; 16] = [0, 4, 0, 16, 0x1b, 0x58, 0, 1, 0, 1, 0, 8, 10, 0, 0, 7];
/// Pool Member Selection Policy: round robin.
const POLICY: [u8; 8] = [0, 8, 0, 8, 0, 0, 0, 1];
/// Operation Error: Unknown Pool Handle.
const ERROR: [u8; 8] = [0, 12, 0, 8, 0, 9, 0, 4];
const UNKNOWN_POOL_HANDLE: [ErrorCause<'static>; 1] = [ErrorCause::new(CauseCode::UNKNOWN_POOL_HANDLE)];
const REFERENCE: ElementReference<'static> = ElementReference { pool_handle: POOL, identifier: PeIdentifier(7) };

/// Pool Element 7, whose home is 9, for 60 s.
fn element() -> (PoolElement<'static>, Vec<u8>) {
    let element = PoolElement {
        identifier: PeIdentifier(7),
        home: ServerIdentifier(9),
        life: RegistrationLife(60),
        user_transport: Transport::sctp(7000, TransportUse::DataPlusControl, &ADDRESSES),
        policy: Policy::RoundRobin,
        asap_transport: None,
        unknown: Unknown::NONE,
    };
    (element, [&[0, 10, 0, 40, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 60][..], &TRANSPORT, &POLICY].concat())
}

/// An ASAP message of this type and these flags, with these octets behind its header, is `body`.
#[track_caller]
fn asap(message_type: u8, flags: u8, rest: &[&[u8]], body: asap::Body<'_>) {
    let octets = message(message_type, flags, rest);
    let decoded = asap::Message::decode(&octets).unwrap();
    assert_eq!(decoded.message, body.into());
    let mut written = vec![0; octets.len()];
    assert_eq!(asap::Message::from(body).encode(&mut written), Ok(octets.len()));
    assert_eq!(written, octets);
}

/// The same for ENRP, from registrar 1 to registrar 2.
#[track_caller]
fn enrp(message_type: u8, flags: u8, rest: &[&[u8]], body: enrp::Body<'_>) {
    let octets = message(message_type, flags, &[&[&[0, 0, 0, 1, 0, 0, 0, 2][..]], rest].concat());
    let expected = enrp::Message::new(ServerIdentifier(1), ServerIdentifier(2), body);
    let decoded = enrp::Message::decode(&octets).unwrap();
    assert_eq!(decoded.message, expected);
    let mut written = vec![0; octets.len()];
    assert_eq!(expected.encode(&mut written), Ok(octets.len()));
    assert_eq!(written, octets);
}

/// A message without padding at its end.
fn message(message_type: u8, flags: u8, rest: &[&[u8]]) -> Vec<u8> {
    let rest = rest.concat();
    let [high, low] = (4 + rest.len() as u16).to_be_bytes();
    [&[message_type, flags, high, low][..], &rest].concat()
}

#[test]
fn a_registration_has_pool_handle_and_element() {
    let (pool_element, octets) = element();
    asap(1, 0, &[&HANDLE, &octets], asap::Body::Registration(Registration { pool_handle: POOL, pool_element }));
}

#[test]
fn a_deregistration_has_pool_handle_and_identifier() {
    asap(2, 0, &[&HANDLE, &IDENTIFIER], asap::Body::Deregistration(REFERENCE));
}

#[test]
fn a_registration_response_has_pool_handle_identifier_and_maybe_an_error_and_r_in_bit_0() {
    let response = RegistrationResponse { element: REFERENCE, rejected: false, error: None };
    asap(3, 0, &[&HANDLE, &IDENTIFIER], asap::Body::RegistrationResponse(response));
    // R is bit 0.
    let error = Some(Sequence::new(&UNKNOWN_POOL_HANDLE));
    let response = RegistrationResponse { element: REFERENCE, rejected: true, error };
    asap(3, 1, &[&HANDLE, &IDENTIFIER, &ERROR], asap::Body::RegistrationResponse(response));
    // An error without R is a warning.
    let response = RegistrationResponse { element: REFERENCE, rejected: false, error };
    asap(3, 0, &[&HANDLE, &IDENTIFIER, &ERROR], asap::Body::RegistrationResponse(response));
}

#[test]
fn a_deregistration_response_has_pool_handle_identifier_and_maybe_an_error() {
    let response = DeregistrationResponse { element: REFERENCE, error: None };
    asap(4, 0, &[&HANDLE, &IDENTIFIER], asap::Body::DeregistrationResponse(response));
    let response = DeregistrationResponse { element: REFERENCE, error: Some(Sequence::new(&UNKNOWN_POOL_HANDLE)) };
    asap(4, 0, &[&HANDLE, &IDENTIFIER, &ERROR], asap::Body::DeregistrationResponse(response));
}

#[test]
fn a_handle_resolution_has_the_pool_handle_and_s_in_bit_0() {
    // S is bit 0.
    for (flags, send_updates) in [(0, false), (1, true)] {
        let request = HandleResolution { pool_handle: POOL, send_updates, items: None };
        asap(5, flags, &[&HANDLE], asap::Body::HandleResolution(request));
    }
}

#[test]
fn a_handle_resolution_response_has_policy_and_elements_or_an_error_and_a_in_bit_0() {
    let (element, octets) = element();
    let elements = [element, element];
    // A is bit 0.
    for (flags, accept_updates) in [(0, false), (1, true)] {
        let response = HandleResolutionResponse {
            pool_handle: POOL,
            accept_updates,
            policy: Some(Policy::RoundRobin),
            pool_elements: Sequence::new(&elements),
            error: None,
        };
        let body = asap::Body::HandleResolutionResponse(response);
        asap(6, flags, &[&HANDLE, &POLICY, &octets, &octets], body);
    }
    let negative = HandleResolutionResponse {
        pool_handle: POOL,
        accept_updates: false,
        policy: None,
        pool_elements: Sequence::empty(),
        error: Some(Sequence::new(&UNKNOWN_POOL_HANDLE)),
    };
    asap(6, 0, &[&HANDLE, &ERROR], asap::Body::HandleResolutionResponse(negative));
}

#[test]
fn a_keep_alive_has_the_registrars_identifier_and_the_pool_handle_and_h_in_bit_0() {
    // H is bit 0.
    for (flags, new_home) in [(0, false), (1, true)] {
        let server = ServerIdentifier(0x0102_0304);
        let keep_alive = EndpointKeepAlive { server, new_home, pool_handle: POOL, identifier: None };
        asap(7, flags, &[&[1, 2, 3, 4], &HANDLE], asap::Body::EndpointKeepAlive(keep_alive));
    }
}

#[test]
fn a_keep_alives_acknowledgement_has_pool_handle_and_identifier() {
    asap(8, 0, &[&HANDLE, &IDENTIFIER], asap::Body::EndpointKeepAliveAck(REFERENCE));
}

#[test]
fn a_report_has_pool_handle_and_identifier() {
    asap(9, 0, &[&HANDLE, &IDENTIFIER], asap::Body::EndpointUnreachable(REFERENCE));
}

#[test]
fn an_announcement_has_the_registrars_identifier_and_any_number_of_transports() {
    let transport = Transport::sctp(7000, TransportUse::DataPlusControl, &ADDRESSES);
    for transports in [&[][..], &[transport], &[transport, transport]] {
        let announce = ServerAnnounce { server: ServerIdentifier(0x0102_0304), transports: Sequence::new(transports) };
        let mut rest = vec![&[1, 2, 3, 4][..]];
        rest.extend(transports.iter().map(|_| &TRANSPORT[..]));
        asap(10, 0, &rest, asap::Body::ServerAnnounce(announce));
    }
}

#[test]
fn a_cookie_and_its_echo_have_the_cookie() {
    let cookie = [0, 13, 0, 8, b's', b'a', b'l', b't'];
    asap(11, 0, &[&cookie], asap::Body::Cookie(b"salt"));
    asap(12, 0, &[&cookie], asap::Body::CookieEcho(b"salt"));
}

#[test]
fn a_business_card_has_the_pool_handle_and_elements() {
    let (element, octets) = element();
    let elements = [element, element];
    let card = BusinessCard { pool_handle: POOL, pool_elements: Sequence::new(&elements) };
    asap(13, 0, &[&HANDLE, &octets, &octets], asap::Body::BusinessCard(card));
}

#[test]
fn an_asap_error_has_its_causes() {
    asap(14, 0, &[&ERROR], asap::Body::Error(Sequence::new(&UNKNOWN_POOL_HANDLE)));
}

#[test]
fn a_presence_has_checksum_and_server_information_and_r_in_bit_0() {
    let transport = Transport::sctp(7000, TransportUse::DataPlusControl, &ADDRESSES);
    let information = ServerInformation { identifier: ServerIdentifier(1), transport, unknown: Unknown::NONE };
    let checksum = [0, 15, 0, 6, 0xab, 0xcd, 0, 0];
    let server = [&[0, 11, 0, 24, 0, 0, 0, 1][..], &TRANSPORT].concat();
    // "Reply-required" is bit 0.
    for (flags, reply_required) in [(0, false), (1, true)] {
        let presence =
            Presence { reply_required, checksum: Some(PeChecksum(0xabcd)), server_information: Some(information) };
        enrp(1, flags, &[&checksum, &server], enrp::Body::Presence(presence));
    }
}

#[test]
fn a_table_request_has_nothing_but_its_identifiers_and_w_in_bit_0() {
    // W is bit 0; the length is 12.
    for (flags, own_children_only) in [(0, false), (1, true)] {
        enrp(2, flags, &[], enrp::Body::HandleTableRequest { own_children_only });
    }
}

#[test]
fn a_table_response_has_pool_entries_and_m_in_bit_1_or_r_in_bit_0() {
    let (element, octets) = element();
    let (one, two) = ([element], [element, element]);
    let entries = [
        PoolEntry { pool_handle: POOL, pool_elements: Sequence::new(&two) },
        PoolEntry { pool_handle: PoolHandle::new(b"next"), pool_elements: Sequence::new(&one) },
    ];
    let next = [0, 9, 0, 8, b'n', b'e', b'x', b't'];
    // M is bit 1.
    for (flags, more_to_send) in [(0, false), (2, true)] {
        let response = HandleTableResponse { rejected: false, more_to_send, pool_entries: PoolEntries::new(&entries) };
        let rest: [&[u8]; 5] = [&HANDLE, &octets, &octets, &next, &octets];
        enrp(3, flags, &rest, enrp::Body::HandleTableResponse(response));
    }
    // R is bit 0.
    let rejected = HandleTableResponse { rejected: true, more_to_send: false, pool_entries: PoolEntries::empty() };
    enrp(3, 1, &[], enrp::Body::HandleTableResponse(rejected));
}

#[test]
fn an_update_has_its_action_the_pool_handle_and_the_element() {
    let (pool_element, octets) = element();
    // 0 adds, 1 removes; two octets behind it are reserved.
    for (action, code) in [(enrp::UpdateAction::AddPe, 0), (enrp::UpdateAction::DelPe, 1)] {
        let update = HandleUpdate { action, pool_handle: POOL, pool_element, takeover_suggested: false };
        enrp(4, 0, &[&[0, code, 0, 0], &HANDLE, &octets], enrp::Body::HandleUpdate(update));
    }
}

#[test]
fn a_list_request_has_nothing_but_its_identifiers() {
    enrp(5, 0, &[], enrp::Body::ListRequest);
}

#[test]
fn a_list_response_has_server_information_of_each_peer_or_r_in_bit_0() {
    let transport = Transport::sctp(7000, TransportUse::DataPlusControl, &ADDRESSES);
    let servers = [3, 4].map(|number| ServerInformation {
        identifier: ServerIdentifier(number),
        transport,
        unknown: Unknown::NONE,
    });
    let three = [&[0, 11, 0, 24, 0, 0, 0, 3][..], &TRANSPORT].concat();
    let four = [&[0, 11, 0, 24, 0, 0, 0, 4][..], &TRANSPORT].concat();
    let response = ListResponse { rejected: false, servers: Sequence::new(&servers) };
    enrp(6, 0, &[&three, &four], enrp::Body::ListResponse(response));
    // R is bit 0.
    enrp(6, 1, &[], enrp::Body::ListResponse(ListResponse { rejected: true, servers: Sequence::empty() }));
}

#[test]
fn the_three_takeover_messages_have_the_target() {
    let target = ServerIdentifier(0x0102_0304);
    enrp(7, 0, &[&[1, 2, 3, 4]], enrp::Body::InitTakeover(target));
    enrp(8, 0, &[&[1, 2, 3, 4]], enrp::Body::InitTakeoverAck(target));
    enrp(9, 0, &[&[1, 2, 3, 4]], enrp::Body::TakeoverServer(target));
}

#[test]
fn an_enrp_error_has_its_causes() {
    enrp(10, 0, &[&ERROR], enrp::Body::Error(Sequence::new(&UNKNOWN_POOL_HANDLE)));
}

#[test]
fn message_types_beyond_those_of_the_figures_are_not_known() {
    for message_type in [0, 15, 255] {
        assert!(asap::Message::decode(&message(message_type, 0, &[])).is_err());
    }
    for message_type in [0, 11, 255] {
        assert!(enrp::Message::decode(&message(message_type, 0, &[&[0; 8]])).is_err());
    }
}

#[test]
fn the_message_length_leaves_out_the_padding_at_the_end() {
    // A Pool Handle of five octets ends the message: three octets of padding, which are zeros.
    let request = HandleResolution { pool_handle: PoolHandle::new(b"pools"), send_updates: false, items: None };
    let mut written = [0xee; 16];
    assert_eq!(asap::Message::from(asap::Body::HandleResolution(request)).encode(&mut written), Ok(16));
    assert_eq!(written, [5, 0, 0, 13, 0, 9, 0, 9, b'p', b'o', b'o', b'l', b's', 0, 0, 0]);
    // The checksum of a presence takes six octets: two of padding.
    let presence = Presence { reply_required: false, checksum: Some(PeChecksum(1)), server_information: None };
    let message = enrp::Message::new(ServerIdentifier(1), ServerIdentifier(2), enrp::Body::Presence(presence));
    let mut written = [0xee; 20];
    assert_eq!(message.encode(&mut written), Ok(20));
    assert_eq!(written[2..4], [0, 18]);
    assert_eq!(written[18..], [0, 0]);
}

#[test]
fn asap_and_enrp_have_the_payload_protocol_identifiers_11_and_12() {
    assert_eq!((PayloadProtocol::ASAP, PayloadProtocol::ENRP), (PayloadProtocol(11), PayloadProtocol(12)));
}
