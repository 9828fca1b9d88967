//! Whom a registrar speaks ENRP with.

use crate::process::{Network, Process, run};

#[test]
fn a_registrar_that_is_told_who_its_peers_are_speaks_enrp_with_nobody_else() {
    let net = Network::new();
    let endpoint = net.endpoint(1, 9901);
    let mut closed = net.registrar(1, &["--peer-only", "--peer", &net.endpoint(2, 9901)]);
    let _peer = net.registrar(2, &["--peer", &endpoint]);
    closed.wait_for("peer_found");
    let ended = run(&["table", "--registrar", &endpoint, "--timeout", "3s"]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    closed.wait_for("event=\"peer_refused\" address=127.0.0.1");
}

#[test]
fn a_registrar_speaks_enrp_with_those_in_a_range_that_it_was_told() {
    let net = Network::new();
    let _registrar = net.registrar(1, &["--peer-from", "127.0.0.0/30"]);
    let ended = run(&["table", "--registrar", &net.endpoint(1, 9901)]);
    assert_eq!(ended.status, Some(0), "a reader on 127.0.0.1: {ended:?}");
    let ended = run(&["registrar", "--asap", &net.endpoint(2, 3863), "--peer-from", "127.0.0.0/33"]);
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("10.1.0.0/16"), "the form is shown: {ended:?}");
}

#[test]
fn a_registrar_warns_if_any_host_may_be_its_peer() {
    let net = Network::new();
    let asap = net.endpoint(1, 3863);
    let any = "sctp+udp://0.0.0.0:9901/0";
    let mut open = Process::start(&["registrar", "--asap", &asap, "--enrp", any]);
    open.wait_for("any host that reaches this endpoint");
    let mut closed = Process::start(&["registrar", "--asap", &net.endpoint(2, 3863), "--enrp", any, "--peer-only"]);
    closed.wait_for("serving\"");
    closed.terminate();
    assert!(!closed.whole_log().contains("any host"));
}
