//! `rserpool decode` on the captures.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::process::run;

fn capture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures").join(name)
}

/// How many messages of each type a golden file of tshark's has.
fn golden(name: &str) -> BTreeMap<(String, u64), usize> {
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
        let ended = run(&["decode", "--json", capture(&format!("{name}.pcap")).to_str().unwrap()]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        let mut counts: BTreeMap<(String, u64), usize> = BTreeMap::new();
        for line in ended.stdout.lines() {
            let object: Value = serde_json::from_str(line).unwrap();
            assert_eq!(object["roundtrip"], true, "{line}");
            let protocol = object["protocol"].as_str().unwrap().to_string();
            *counts.entry((protocol, object["type"].as_u64().unwrap())).or_default() += 1;
        }
        assert_eq!(counts, golden(&format!("{name}.golden")), "{name}");
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
