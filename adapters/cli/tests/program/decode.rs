//! `rserpool decode` on the captures.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::process::run;

fn capture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures").join(name)
}

type Counts = BTreeMap<(String, u64), usize>;

/// How many messages of each type are shown, those that are not retransmissions and those that are.
fn shown(capture: &str) -> [Counts; 2] {
    let ended = run(&["decode", "--json", capture]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let mut counts = [Counts::new(), Counts::new()];
    for line in ended.stdout.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["roundtrip"], true, "{line}");
        let again = object.get("retransmission").map(|value| assert_eq!(*value, true)).is_some();
        let kind = (object["protocol"].as_str().unwrap().to_string(), object["type"].as_u64().unwrap());
        *counts[usize::from(again)].entry(kind).or_default() += 1;
    }
    counts
}

/// One of the captures in Linux's cooked form with each SCTP packet twice, as a file that is gone with it. tshark shows of these files
/// what it shows of the captures.
struct Doubled(PathBuf);

impl Doubled {
    fn new(name: &str) -> Self {
        let octets = std::fs::read(capture(&format!("{name}.pcap"))).unwrap();
        let (header, mut rest) = octets.split_at(24);
        let mut doubled = header.to_vec();
        while !rest.is_empty() {
            let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
            let (frame, behind) = rest.split_at(16 + length);
            doubled.extend(frame);
            let ip = &frame[16 + 20..];
            let protocol = if ip[0] >> 4 == 4 { ip[9] } else { ip[6] };
            if protocol == 132 {
                doubled.extend(frame);
            }
            rest = behind;
        }
        let path = std::env::temp_dir().join(format!("rserpool-{}-{name}.pcap", std::process::id()));
        std::fs::write(&path, doubled).unwrap();
        Self(path)
    }
}

impl Drop for Doubled {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// How many messages of each type a golden file of tshark's has.
fn golden(name: &str) -> Counts {
    let mut counts = BTreeMap::new();
    for line in std::fs::read_to_string(capture(name)).unwrap().lines() {
        let mut words = line.split(' ').skip(1);
        let protocol = words.next().unwrap().to_string();
        let kind = words.next().unwrap().strip_prefix("message_type=").unwrap();
        *counts.entry((protocol, u64::from_str_radix(kind, 16).unwrap())).or_default() += 1;
    }
    counts
}

#[test]
fn every_message_that_tshark_sees_is_reported_and_comes_back_to_the_same_octets() {
    for name in ["rsplib-3.4.4-basic", "rsplib-3.4.4-failover", "rsplib-3.4.4-enrp", "samples"] {
        let [counts, again] = shown(capture(&format!("{name}.pcap")).to_str().unwrap());
        assert_eq!(counts, golden(&format!("{name}.golden")), "{name}");
        assert_eq!(again, Counts::new(), "{name}");
    }
}

#[test]
fn what_is_sent_twice_is_shown_twice_and_marked_the_second_time() {
    for name in ["rsplib-3.4.4-basic", "rsplib-3.4.4-failover", "rsplib-3.4.4-enrp"] {
        let doubled = Doubled::new(name);
        let [counts, again] = shown(doubled.0.to_str().unwrap());
        let golden = golden(&format!("{name}.golden"));
        assert_eq!(counts, golden, "{name}");
        // ASAP_SERVER_ANNOUNCE and ENRP_PRESENCE come as datagrams as well.
        let of_sctp = |mut counts: Counts| {
            counts.retain(|(protocol, kind), _| !matches!((protocol.as_str(), kind), ("asap", 10) | ("enrp", 1)));
            counts
        };
        assert_eq!(of_sctp(again), of_sctp(golden), "{name}");
        let text = run(&["decode", doubled.0.to_str().unwrap()]).stdout;
        assert!(text.lines().any(|line| line.contains("(retransmission)")), "{text}");
    }
}

#[test]
fn a_message_is_shown_with_its_fields() {
    let ended = run(&["decode", "--json", capture("rsplib-3.4.4-basic.pcap").to_str().unwrap()]);
    let line = ended.stdout.lines().find(|line| line.contains("ASAP_REGISTRATION\"")).unwrap();
    let object: Value = serde_json::from_str(line).unwrap();
    assert_eq!(object["frame"], 33);
    assert_eq!(object["protocol"], "asap");
    assert_eq!(object["type"], 1);
    assert_eq!(object["length"], 100);
    let element = &object["parameters"][1];
    assert_eq!(element["id"], "0xcb62d540");
    assert_eq!(element["policy"]["name"], "priority_least_used");
    assert_eq!(element["user_transport"]["addresses"][1], "fd00:10::1");
}

#[test]
fn what_is_no_capture_is_an_error() {
    let ended = run(&["decode", capture("make-golden").to_str().unwrap()]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("neither pcap nor pcapng"), "{ended:?}");
    assert_eq!(run(&["decode", "/nonexistent.pcap"]).status, Some(1));
}
