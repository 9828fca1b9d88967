//! Padding and nested lengths (RFC 5354 §2-§4), on octets written by hand.

use std::net::{IpAddr, Ipv4Addr};

use rserpool::wire::asap::{self, Body, ElementReference};
use rserpool::wire::enrp;
use rserpool::wire::{
    EncodeError, PeChecksum, PeIdentifier, Policy, PolicyType, PoolElement, PoolHandle, RegistrationLife, Sequence,
    ServerIdentifier, Transport, TransportUse, Unknown,
};

fn encode(body: Body<'_>) -> Vec<u8> {
    let message = asap::Message::from(body);
    let mut buffer = vec![0xee; message.encoded_len() + 8];
    let length = message.encode(&mut buffer).unwrap();
    assert_eq!(length, message.encoded_len());
    assert_eq!(buffer[length..], [0xee; 8], "nothing is written behind the message");
    buffer.truncate(length);
    buffer
}

#[test]
fn a_registration_is_laid_out_as_the_figures_show() {
    let addresses = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))];
    let element = PoolElement {
        identifier: PeIdentifier(0x0102_0304),
        home: ServerIdentifier::NONE,
        life: RegistrationLife::INFINITE,
        user_transport: Transport::sctp(7, TransportUse::DataPlusControl, &addresses),
        policy: Policy::WeightedRoundRobin { weight: 5 },
        asap_transport: None,
        unknown: Unknown::NONE,
    };
    let octets =
        encode(Body::Registration(asap::Registration { pool_handle: PoolHandle::new(b"ab"), pool_element: element }));
    #[rustfmt::skip]
    assert_eq!(octets, [
        0x01, 0, 0, 56,                         // ASAP_REGISTRATION
        0, 0x9, 0, 6, b'a', b'b', 0, 0,         // Pool Handle, padding behind it
        0, 0xa, 0, 44,                          // Pool Element
        1, 2, 3, 4, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
        0, 0x4, 0, 16, 0, 7, 0, 1,              // SCTP Transport
        0, 0x1, 0, 8, 10, 0, 0, 1,              // IPv4 Address
        0, 0x8, 0, 12, 0, 0, 0, 2, 0, 0, 0, 5,  // Policy
    ]);
}

#[test]
fn padding_behind_the_last_parameter_counts_in_no_length() {
    // RFC 5354 §2: a parameter's length includes the padding between nested parameters, but not the last padding; §4:
    // the message length does not cover the padding behind the message.
    let octets = encode(Body::CookieEcho(b"12345"));
    assert_eq!(octets, [0x0c, 0, 0, 13, 0, 0xd, 0, 9, b'1', b'2', b'3', b'4', b'5', 0, 0, 0]);

    let unknown = [0x80, 0x11, 0, 5, 0xab];
    let element = PoolElement {
        identifier: PeIdentifier(1),
        home: ServerIdentifier(2),
        life: RegistrationLife(3),
        user_transport: Transport::Opaque(b"xyz"),
        policy: Policy::Other { policy_type: PolicyType(0x8000_0007), data: &[9] },
        asap_transport: None,
        unknown: Unknown::new(&unknown),
    };
    let octets =
        encode(Body::Registration(asap::Registration { pool_handle: PoolHandle::new(b"abcd"), pool_element: element }));
    #[rustfmt::skip]
    assert_eq!(octets, [
        0x01, 0, 0, 53,                                     // 4 + 8 + 41: without the three octets at the end
        0, 0x9, 0, 8, b'a', b'b', b'c', b'd',
        0, 0xa, 0, 41,                                      // 16 + 8 + 12 + 5
        0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3,
        0, 0x10, 0, 7, b'x', b'y', b'z', 0,
        0, 0x8, 0, 9, 0x80, 0, 0, 7, 9, 0, 0, 0,
        0x80, 0x11, 0, 5, 0xab, 0, 0, 0,
    ]);
    let decoded = asap::Message::decode(&octets).unwrap();
    let mut again = [0; 64];
    let length = decoded.message.encode(&mut again).unwrap();
    assert_eq!(again[..length], octets);
}

#[test]
fn padding_is_ignored_whatever_it_holds_and_may_be_missing_at_the_end() {
    let clean = [0x0b, 0, 0, 9, 0, 0xd, 0, 5, b'c', 0, 0, 0];
    let mut dirty = clean;
    dirty[9..].copy_from_slice(&[1, 2, 3]);
    for octets in [&clean[..], &dirty, &clean[..9], &clean[..10], &clean[..11]] {
        assert_eq!(asap::Message::decode(octets).unwrap().message.body, Body::Cookie(b"c"));
    }
}

#[test]
fn a_checksum_is_a_parameter_of_six_octets_and_two_of_padding() {
    let presence =
        enrp::Presence { reply_required: true, checksum: Some(PeChecksum(0xabcd)), server_information: None };
    let message = enrp::Message::new(ServerIdentifier(1), ServerIdentifier(2), enrp::Body::Presence(presence));
    let mut octets = [0; 32];
    let length = message.encode(&mut octets).unwrap();
    assert_eq!(octets[..length], [1, 1, 0, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0xf, 0, 6, 0xab, 0xcd, 0, 0]);
}

#[test]
fn flags_that_have_no_meaning_are_kept() {
    // ASAP_HANDLE_RESOLUTION with all flag bits set; S is bit 0.
    let octets = [0x05, 0xff, 0, 10, 0, 0x9, 0, 6, b'a', b'b', 0, 0];
    let message = asap::Message::decode(&octets).unwrap().message;
    assert_eq!(message.reserved_flags, 0xfe);
    assert!(matches!(message.body, Body::HandleResolution(asap::HandleResolution { send_updates: true, .. })));
    let mut again = [0; 12];
    assert_eq!(message.encode(&mut again), Ok(12));
    assert_eq!(again, octets);
}

#[test]
fn a_buffer_that_is_too_small_is_told_the_size_that_is_needed() {
    let message = asap::Message::from(Body::Cookie(b"cookie"));
    for available in 0..16 {
        let mut buffer = vec![0; available];
        assert_eq!(message.encode(&mut buffer), Err(EncodeError::BufferTooSmall { needed: 16, available }));
    }
    assert_eq!(message.encode(&mut [0; 16]), Ok(16));
}

#[test]
fn what_does_not_fit_a_length_field_is_refused() {
    let handle = vec![b'x'; 65_532];
    let reference = ElementReference { pool_handle: PoolHandle::new(&handle), identifier: PeIdentifier(1) };
    let message = asap::Message::from(Body::Deregistration(reference));
    let mut buffer = vec![0; message.encoded_len()];
    assert!(matches!(message.encode(&mut buffer), Err(EncodeError::TooLong { .. })));
}

#[test]
fn received_and_composed_sequences_are_the_same_to_a_reader() {
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))];
    let transports = [Transport::sctp(1, TransportUse::DataOnly, &addresses)];
    let announce = asap::ServerAnnounce { server: ServerIdentifier(9), transports: Sequence::new(&transports) };
    let octets = encode(Body::ServerAnnounce(announce));
    let decoded = asap::Message::decode(&octets).unwrap();
    assert_eq!(decoded.message.body, Body::ServerAnnounce(announce));
}
