//! Our decoder and encoder against real traffic, and against tshark.
//!
//! The captures hold what rsplib 3.4.4 sent over the Linux kernel's SCTP. Beside each stands a golden file with what
//! tshark says of every message in it (`make-golden` writes them). `samples.pcap` is the other direction: one of
//! every message, parameter, policy and error cause that we can encode, for tshark to dissect.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod checksums;
mod fields;
mod samples;
mod write;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;

use rserpool::wire::{Distance, PayloadProtocol, Policy, asap, enrp, padded};
use rserpool_capture::UserMessage;

const CAPTURES: [&str; 3] = ["rsplib-3.4.4-basic", "rsplib-3.4.4-failover", "rsplib-3.4.4-enrp"];

fn path(name: &str, extension: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(format!("{name}.{extension}"))
}

/// The ASAP and ENRP messages of a capture.
fn messages(name: &str) -> Vec<UserMessage> {
    let all = rserpool_capture::read(File::open(path(name, "pcap")).unwrap()).unwrap();
    let ours = [PayloadProtocol::ASAP.0, PayloadProtocol::ENRP.0];
    all.into_iter().filter(|message| ours.contains(&message.protocol)).collect()
}

/// What we read in a message, in the form of a golden file's line, and the message encoded again.
fn read(message: &UserMessage) -> (String, Vec<u8>) {
    let mut buffer = vec![0; padded(message.octets.len())];
    let (protocol, fields, length) = if message.protocol == PayloadProtocol::ASAP.0 {
        let decoded = asap::Message::decode(&message.octets).unwrap_or_else(|e| panic!("frame {}: {e}", message.frame));
        ("asap", fields::asap(&decoded.message), decoded.message.encode(&mut buffer).unwrap())
    } else {
        let decoded = enrp::Message::decode(&message.octets).unwrap_or_else(|e| panic!("frame {}: {e}", message.frame));
        ("enrp", fields::enrp(&decoded.message), decoded.message.encode(&mut buffer).unwrap())
    };
    buffer.truncate(length);
    (format!("{} {protocol} {}", message.frame, fields.join(" ")), buffer)
}

fn golden(name: &str) -> Vec<String> {
    fs::read_to_string(path(name, "golden")).unwrap().lines().map(String::from).collect()
}

#[test]
fn every_captured_message_is_encoded_back_to_the_same_octets() {
    for name in CAPTURES {
        for message in messages(name) {
            let (_, encoded) = read(&message);
            assert_eq!(encoded, message.octets, "{name}, frame {}", message.frame);
        }
    }
}

#[test]
fn every_field_of_every_captured_message_is_what_tshark_says() {
    for name in CAPTURES {
        let ours: Vec<String> = messages(name).iter().map(|message| read(message).0).collect();
        let theirs = golden(name);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{name}");
        }
    }
}

#[test]
fn the_captures_hold_the_messages_that_they_are_known_to_hold() {
    let mut counts: BTreeMap<(u32, u8), usize> = BTreeMap::new();
    for message in CAPTURES.into_iter().flat_map(messages) {
        *counts.entry((message.protocol, message.octets[0])).or_default() += 1;
    }
    let types = |protocol| counts.keys().filter(|(p, _)| *p == protocol).map(|(_, t)| *t).collect::<Vec<_>>();
    assert_eq!(types(11), [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12]);
    assert_eq!(types(12), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(counts.values().sum::<usize>(), 159 + 126 + 261);
}

#[test]
fn the_sample_capture_is_what_we_write() {
    let capture = write::capture(&samples::all());
    assert!(
        fs::read(path("samples", "pcap")).unwrap() == capture,
        "run `cargo test --test captures -- --ignored` and tests/captures/make-golden"
    );
}

#[test]
#[ignore = "writes tests/captures/samples.pcap"]
fn write_the_sample_capture() {
    fs::write(path("samples", "pcap"), write::capture(&samples::all())).unwrap();
}

#[test]
fn tshark_reads_in_the_samples_what_we_wrote() {
    let theirs = golden("samples");
    let ours: Vec<String> = messages("samples").iter().map(|message| read(message).0).collect();
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(&fields::as_tshark_has_it(ours), theirs);
    }
}

#[test]
fn the_samples_hold_one_of_everything() {
    let golden = golden("samples").join(" ");
    for kind in 1..=14 {
        assert!(golden.contains(&format!("asap message_type={kind:02x} ")), "ASAP message {kind}");
    }
    for kind in 1..=10 {
        assert!(golden.contains(&format!("enrp message_type={kind:02x} ")), "ENRP message {kind}");
    }
    for policy in [1, 2, 3, 4, 5, 0x4000_0001u32, 0x4000_0002, 0x4000_0003, 0x4000_0004] {
        assert!(golden.contains(&format!("policy_type={policy:08x}")), "policy {policy:x}");
    }
    for cause in 0..=10 {
        assert!(golden.contains(&format!("cause_code={cause:04x}")), "cause {cause}");
    }
    let mut parameters = std::collections::BTreeSet::new();
    for message in messages("samples") {
        // Every occurrence of a parameter's type at a place that is aligned; a superset of the parameters.
        parameters.extend(message.octets.chunks_exact(4).map(|word| u16::from_be_bytes([word[0], word[1]])));
    }
    for parameter in 1..=0x10 {
        assert!(parameters.contains(&parameter), "parameter {parameter:x}");
    }
}

#[test]
fn rsplib_s_own_policies_are_read_with_the_values_that_its_servers_were_given() {
    // rspserver with -policy=WeightedRandomDPF:7:0.5, LeastUsedDPF:0.25, LeastUsedDegradationDPF:0.1:0.25,
    // PriorityLeastUsedDegradation:0.1 and RandomizedPriorityLeastUsed; one pool each.
    let part = |part: f64| (part * f64::from(u32::MAX)).round() as u32;
    let distance = |factor| Distance { factor: part(factor), distance: 0 };
    let expected = [
        ("P1", Policy::WeightedRandomWithDistance { weight: 7, distance: distance(0.5) }),
        ("P2", Policy::LeastUsedWithDistance { load: 0, distance: distance(0.25) }),
        (
            "P3",
            Policy::LeastUsedWithDegradationAndDistance { load: 0, degradation: part(0.1), distance: distance(0.25) },
        ),
        ("P4", Policy::PriorityLeastUsedWithDegradation { load: 0, degradation: part(0.1) }),
        ("P10", Policy::RandomizedPriorityLeastUsed { load: 0, degradation: 0 }),
    ];
    let mut found = 0;
    for message in messages("rsplib-3.4.4-policies") {
        let Ok(decoded) = asap::Message::decode(&message.octets) else { continue };
        let asap::Body::Registration(registration) = decoded.message.body else { continue };
        let pool = std::str::from_utf8(registration.pool_handle.octets()).unwrap();
        let (_, policy) = expected.iter().find(|(name, _)| *name == pool).unwrap();
        assert_eq!(registration.pool_element.policy, *policy, "{pool}");
        assert_eq!(read(&message).1, message.octets);
        found += 1;
    }
    assert_eq!(found, expected.len());
}
