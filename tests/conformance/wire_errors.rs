//! What happens with messages that are not as they should be (RFC 5354 §3, §4): typed errors with their place, and the
//! error cause that the sender is to get.

use rserpool::wire::DecodeErrorKind::{self, *};
use rserpool::wire::{CauseCode, CauseInformation, asap, enrp};

/// Decodes an ASAP message and expects an error: its kind, its place, the cause for the sender and what that quotes.
#[track_caller]
fn asap_error(octets: &[u8], kind: DecodeErrorKind, offset: usize, cause: Option<(CauseCode, &[u8])>) {
    let error = asap::Message::decode(octets).unwrap_err();
    assert_eq!((error.kind, error.offset), (kind, offset), "{error}");
    let found = error.cause(octets).map(|cause| (cause.code, cause.information));
    assert_eq!(found, cause.map(|(code, quoted)| (code, CauseInformation::Octets(quoted))));
}

#[track_caller]
fn enrp_error(octets: &[u8], kind: DecodeErrorKind, offset: usize) {
    let error = enrp::Message::decode(octets).unwrap_err();
    assert_eq!((error.kind, error.offset), (kind, offset), "{error}");
}

const HANDLE: [u8; 8] = [0, 0x9, 0, 8, b'p', b'o', b'o', b'l'];
const IDENTIFIER: [u8; 8] = [0, 0xe, 0, 8, 0, 0, 0, 1];

/// A message of these parameters.
fn message(message_type: u8, parameters: &[&[u8]]) -> Vec<u8> {
    let mut octets = vec![message_type, 0, 0, 0];
    octets.extend(parameters.concat());
    let length = octets.len() as u16;
    octets[2..4].copy_from_slice(&length.to_be_bytes());
    octets
}

#[test]
fn unknown_message_types_are_discarded_or_reported_by_their_highest_bits() {
    let cause = |octets: &[u8]| asap::Message::decode(octets).unwrap_err().cause(octets).map(|cause| cause.code);
    assert_eq!(cause(&message(0x3f, &[])), None, "00: discard");
    assert_eq!(cause(&message(0x40, &[])), Some(CauseCode::UNRECOGNIZED_MESSAGE), "01: discard and report");
    assert_eq!(cause(&message(0x80, &[])), None, "10: reserved");
    assert_eq!(cause(&message(0xc0, &[])), None, "11: reserved");
    // The report holds the whole message, without padding.
    let octets = [0x41, 0, 0, 5, 7, 0, 0, 0];
    asap_error(
        &octets,
        UnrecognizedMessage { message_type: 0x41 },
        0,
        Some((CauseCode::UNRECOGNIZED_MESSAGE, &octets[..5])),
    );
    enrp_error(&message(0x0b, &[&[0; 8]]), UnrecognizedMessage { message_type: 0x0b }, 0);
}

#[test]
fn unknown_parameters_stop_or_are_skipped_and_are_reported_by_their_highest_bits() {
    let with = |parameter_type: u16| {
        let [high, low] = parameter_type.to_be_bytes();
        message(2, &[&HANDLE, &[high, low, 0, 6, 0xaa, 0xbb, 0, 0], &IDENTIFIER])
    };
    let quoted = |parameter_type: u16| [&parameter_type.to_be_bytes()[..], &[0, 6, 0xaa, 0xbb]].concat();
    asap_error(&with(0x3fff), UnrecognizedParameter { parameter_type: 0x3fff }, 12, None);
    asap_error(
        &with(0x4001),
        UnrecognizedParameter { parameter_type: 0x4001 },
        12,
        Some((CauseCode::UNRECOGNIZED_PARAMETER, &quoted(0x4001))),
    );
    let octets = with(0x8001);
    let skipped = asap::Message::decode(&octets).unwrap();
    assert!(skipped.unrecognized.is_empty());
    let octets = with(0xc001);
    let reported = asap::Message::decode(&octets).unwrap();
    assert_eq!(reported.unrecognized, [&quoted(0xc001)[..]]);
    let kept: Vec<_> = reported.message.unknown.iter().map(|parameter| parameter.octets.to_vec()).collect();
    assert_eq!(kept, [quoted(0xc001)]);
}

#[test]
fn unknown_parameters_deep_inside_are_treated_the_same() {
    // In the transport of the element of a registration.
    let registration = |parameter_type: u16| {
        let [high, low] = parameter_type.to_be_bytes();
        let transport = [0, 4, 0, 20, 0, 7, 0, 0, 0, 1, 0, 8, 10, 0, 0, 1, high, low, 0, 4];
        let policy = [0, 8, 0, 8, 0, 0, 0, 1];
        let element = [&[0, 0xa, 0, 44, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9][..], &transport, &policy].concat();
        message(1, &[&HANDLE, &element])
    };
    let octets = registration(0xc00f);
    let decoded = asap::Message::decode(&octets).unwrap();
    assert_eq!(decoded.unrecognized, [[0xc0, 0x0f, 0, 4]]);
    let mut again = vec![0; octets.len()];
    assert_eq!(decoded.message.encode(&mut again), Ok(octets.len()));
    assert_eq!(again, octets);
    asap_error(
        &registration(0x7000),
        UnrecognizedParameter { parameter_type: 0x7000 },
        44,
        Some((CauseCode::UNRECOGNIZED_PARAMETER, &[0x70, 0, 0, 4])),
    );
}

#[test]
fn at_most_four_unknown_parameters_are_reported() {
    let unknown = [0xc0, 1, 0, 4].repeat(9);
    let octets = message(2, &[&HANDLE, &IDENTIFIER, &unknown]);
    assert_eq!(asap::Message::decode(&octets).unwrap().unrecognized.len(), 4);
}

#[test]
fn a_parameter_that_may_occur_once_must_not_occur_twice() {
    let octets = message(2, &[&HANDLE, &IDENTIFIER, &HANDLE]);
    asap_error(&octets, DuplicateParameter { parameter_type: 9 }, 20, Some((CauseCode::INVALID_VALUES, &HANDLE)));
}

#[test]
fn a_mandatory_parameter_must_not_be_missing() {
    let octets = message(2, &[&HANDLE]);
    asap_error(&octets, MissingParameter { parameter_type: 0xe }, 0, Some((CauseCode::INVALID_VALUES, &octets)));
    // A pool element without policy.
    let element = [0, 0xa, 0, 32, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 4, 0, 16, 0, 7, 0, 0, 0, 1, 0, 8, 10, 0, 0, 1];
    let octets = message(1, &[&HANDLE, &element]);
    asap_error(&octets, MissingParameter { parameter_type: 8 }, 12, Some((CauseCode::INVALID_VALUES, &element)));
}

#[test]
fn a_known_parameter_in_the_wrong_place_is_an_error() {
    let cookie = [0, 0xd, 0, 4];
    let octets = message(2, &[&HANDLE, &IDENTIFIER, &cookie]);
    asap_error(&octets, UnexpectedParameter { parameter_type: 0xd }, 20, Some((CauseCode::INVALID_VALUES, &cookie)));
}

#[test]
fn lengths_must_be_right() {
    let short = [0, 0xe, 0, 3, 0, 0, 0, 1];
    asap_error(
        &message(2, &[&HANDLE, &short]),
        ParameterLength { parameter_type: 0xe, length: 3 },
        12,
        Some((CauseCode::INVALID_VALUES, &short[..4])),
    );
    let long = [0, 0xe, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0];
    asap_error(
        &message(2, &[&HANDLE, &long]),
        ParameterLength { parameter_type: 0xe, length: 12 },
        12,
        Some((CauseCode::INVALID_VALUES, &long)),
    );
    // The parameter goes beyond the message.
    asap_error(&message(2, &[&HANDLE, &[0, 0xe, 0, 9, 0, 0, 0, 1]]), Truncated { needed: 9, available: 8 }, 12, None);
    // The message goes beyond what was received.
    asap_error(&[2, 0, 0, 12, 0, 9], Truncated { needed: 12, available: 6 }, 0, None);
    asap_error(&[2, 0], Truncated { needed: 4, available: 2 }, 0, None);
    asap_error(&[2, 0, 0, 3], MessageLength { length: 3 }, 2, None);
    // Fixed fields are missing.
    asap_error(&message(7, &[&[0, 0]]), MessageLength { length: 6 }, 2, None);
    enrp_error(&message(2, &[&[0; 4]]), MessageLength { length: 8 }, 2);
}

#[test]
fn octets_behind_message_and_padding_are_an_error() {
    let mut octets = message(2, &[&HANDLE, &IDENTIFIER]);
    octets.push(0);
    asap_error(&octets, TrailingOctets { count: 1 }, 20, None);
    asap_error(&[0x0b, 0, 0, 9, 0, 0xd, 0, 5, 1, 0, 0, 0, 0, 0], TrailingOctets { count: 2 }, 12, None);
}

/// A registration whose user transport is `transport`.
fn registration(transport: &[u8]) -> Vec<u8> {
    let length = (16 + transport.len() + 8) as u8;
    let head = [0, 0xa, 0, length, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
    message(1, &[&HANDLE, &head, transport, &[0, 8, 0, 8, 0, 0, 0, 1]])
}

#[test]
fn transports_must_have_addresses_of_a_known_family_and_as_many_as_they_may() {
    let invalid = |transport: &[u8], kind, offset| {
        let octets = registration(transport);
        let error = asap::Message::decode(&octets).unwrap_err();
        assert_eq!((error.kind, error.offset), (kind, offset));
        assert_eq!(error.cause(&octets).unwrap().code, CauseCode::INVALID_VALUES);
    };
    invalid(&[0, 4, 0, 8, 0, 7, 0, 0], AddressCount { parameter_type: 4 }, 28);
    invalid(&[0, 5, 0, 8, 0, 7, 0, 0], AddressCount { parameter_type: 5 }, 28);
    let two = [0, 6, 0, 24, 0, 7, 0, 0, 0, 1, 0, 8, 10, 0, 0, 1, 0, 1, 0, 8, 10, 0, 0, 2];
    invalid(&two, AddressCount { parameter_type: 6 }, 28);
    // An IPv4 address of 16 octets.
    let mut wrong = [0; 28];
    wrong[..12].copy_from_slice(&[0, 4, 0, 28, 0, 7, 0, 0, 0, 1, 0, 20]);
    invalid(&wrong, ParameterLength { parameter_type: 1, length: 20 }, 36);
    // A pool handle is no address.
    invalid(&[0, 4, 0, 16, 0, 7, 0, 0, 0, 9, 0, 8, 10, 0, 0, 1], UnexpectedParameter { parameter_type: 9 }, 36);
    invalid(&[0, 4, 0, 16, 0, 7, 0, 2, 0, 1, 0, 8, 10, 0, 0, 1], TransportUse { value: 2 }, 34);
}

#[test]
fn policies_must_have_the_length_and_a_number_that_they_can_have() {
    let invalid = |policy: &[u8], kind, offset| {
        let octets = message(6, &[&HANDLE, policy]);
        let error = asap::Message::decode(&octets).unwrap_err();
        assert_eq!((error.kind, error.offset), (kind, offset));
    };
    invalid(&[0, 8, 0, 4], ParameterLength { parameter_type: 8, length: 4 }, 12);
    invalid(&[0, 8, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1], ParameterLength { parameter_type: 8, length: 12 }, 12);
    invalid(&[0, 8, 0, 8, 0, 0, 0, 2], ParameterLength { parameter_type: 8, length: 8 }, 12);
    // RFC 5356 §7.1: reserved, invalid values.
    invalid(&[0, 8, 0, 8, 0, 0, 0, 0], PolicyType { value: 0 }, 16);
    invalid(&[0, 8, 0, 8, 0x40, 0, 0, 0], PolicyType { value: 0x4000_0000 }, 16);
}

#[test]
fn only_sctp_and_tcp_transports_may_be_announced_and_only_sctp_may_carry_enrp() {
    // RFC 5352 §2.2.10.
    let udp = [0, 6, 0, 16, 0, 7, 0, 0, 0, 1, 0, 8, 10, 0, 0, 1];
    asap_error(
        &message(0xa, &[&[0, 0, 0, 1], &udp]),
        TransportProtocol { parameter_type: 6 },
        8,
        Some((CauseCode::INVALID_VALUES, &udp)),
    );
    // RFC 5354 §3.11.
    let information = [&[0, 0xb, 0, 24, 0, 0, 0, 1][..], &udp].concat();
    enrp_error(&message(1, &[&[0; 8], &information]), TransportProtocol { parameter_type: 6 }, 20);
}

#[test]
fn update_actions_and_pool_entries_must_be_as_the_rfc_has_them() {
    enrp_error(&message(4, &[&[0; 8], &[0, 2, 0, 0], &HANDLE]), UpdateAction { value: 2 }, 12);
    // A pool entry starts with a pool handle, and has at least one element (RFC 5353 §2.3).
    enrp_error(&message(3, &[&[0; 8], &HANDLE]), MissingParameter { parameter_type: 0xa }, 12);
    enrp_error(&message(3, &[&[0; 8], &HANDLE, &HANDLE]), MissingParameter { parameter_type: 0xa }, 12);
}

#[test]
fn error_causes_must_fit_into_their_parameter() {
    let error = [0, 0xc, 0, 8, 0, 6, 0, 5];
    asap_error(&message(0xe, &[&error]), CauseLength { length: 5 }, 8, Some((CauseCode::INVALID_VALUES, &error)));
    asap_error(
        &message(0xe, &[&[0, 0xc, 0, 8, 0, 6, 0, 3]]),
        CauseLength { length: 3 },
        8,
        Some((CauseCode::INVALID_VALUES, &[0, 0xc, 0, 8, 0, 6, 0, 3])),
    );
}

#[test]
fn no_prefix_and_no_change_of_a_single_octet_makes_decoding_panic() {
    let octets = registration(&[0, 4, 0, 16, 0, 7, 0, 0, 0, 1, 0, 8, 10, 0, 0, 1]);
    for length in 0..octets.len() {
        let _ = asap::Message::decode(&octets[..length]);
        let _ = enrp::Message::decode(&octets[..length]);
        for value in 0..=255 {
            let mut changed = octets.clone();
            changed[length] = value;
            let _ = asap::Message::decode(&changed);
            let _ = enrp::Message::decode(&changed);
        }
    }
}
