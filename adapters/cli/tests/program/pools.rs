//! Pools of real processes.

use serde_json::Value;

use crate::config::File;
use crate::process::{Network, Process, run, until};

#[test]
fn the_demo_answers_every_request_once_through_all_three_deaths() {
    for adapter in ["blocking", "tokio"] {
        demo(adapter);
    }
}

fn demo(adapter: &str) {
    let ended = run(&["demo", "--json", "--duration", "4s", "--adapter", adapter]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["answered"], report["requests"]);
    assert_eq!(report["lost"], 0);
    assert_eq!(report["duplicated"], 0);
    assert_eq!(report["element_kills"], 2);
    assert_eq!(report["registrar_kills"], 1);
    assert_eq!(report["failover_ms"].as_array().unwrap().len(), 2);
    assert_eq!(report["takeover_ms"].as_array().unwrap().len(), 1);
}

#[test]
fn the_same_story_with_processes_started_by_hand() {
    let net = Network::new();
    let peer = net.endpoint(1, 9901);
    let mut first = net.registrar(1, &[]);
    let mut second = net.registrar(2, &["--peer", &peer]);
    let mut elements: Vec<Process> = [11, 12, 13].map(|host| net.element(host, "counter", &[1, 2])).into();
    let mut user = net.user(&[1, 2]);
    let mut number = 0;
    let mut ask = |user: &mut Process, times: u32| {
        for _ in 0..times {
            number += 1;
            user.write(&number.to_string());
            assert_eq!(user.read(), number.to_string());
        }
    };
    ask(&mut user, 20);
    // Whoever serves is among the first two; the order of registrations decides.
    elements[0].kill();
    elements[1].kill();
    ask(&mut user, 20);
    first.kill();
    ask(&mut user, 20);
    second.wait_for("taken_over\"");
    ask(&mut user, 20);
    assert_eq!(user.finish(), Some(0));
    assert_eq!(elements[2].terminate(), Some(0));
    assert_eq!(second.terminate(), Some(0));
}

#[test]
fn resolving_shows_the_elements_and_says_no_for_a_pool_that_is_not_there() {
    let net = Network::new();
    let _registrar = net.registrar(1, &[]);
    let mut elements: Vec<Process> = [11, 12].map(|host| net.element(host, "echo", &[1])).into();
    let endpoint = net.endpoint(1, 3863);
    let ended = run(&["resolve", "pool", "--registrar", &endpoint, "--json"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let objects: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["pool"], "pool");
    assert_eq!(objects[0]["transport"]["protocol"], "sctp");
    assert_eq!(objects[0]["transport"]["port"], 7000);
    assert_eq!(objects[0]["life_s"], 300.0);
    let mut ids: Vec<_> = objects.iter().map(|object| object["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["0x0000000b", "0x0000000c"]);

    let ended = run(&["resolve", "nothing", "--registrar", &endpoint]);
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.contains("Unknown Pool Handle"), "{ended:?}");
    let nobody = net.endpoint(99, 3863);
    let ended = run(&["resolve", "pool", "--registrar", &nobody, "--timeout", "300ms"]);
    assert_eq!(ended.status, Some(1), "{ended:?}");

    // An element that ends in order leaves the pool.
    assert_eq!(elements[0].terminate(), Some(0));
    let ended = run(&["resolve", "pool", "--registrar", &endpoint]);
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
}

#[test]
fn a_table_is_the_whole_handlespace_with_homes_and_the_reader_leaves_no_trace() {
    let net = Network::new();
    let mut first = net.registrar(1, &["--set", "table-response-elements=2"]);
    let second = net.registrar(2, &["--peer", &net.endpoint(1, 9901)]);
    let mut elements: Vec<Process> = (11..14).map(|host| net.element(host, "echo", &[1])).collect();
    elements.push(net.element(14, "echo", &[2]));
    let endpoint = net.endpoint(1, 9901);
    // News between registrars takes its time.
    until(|| run(&["table", "--registrar", &endpoint]).stdout.lines().count() == 4);
    for adapter in ["blocking", "tokio"] {
        let ended = run(&["table", "--registrar", &endpoint, "--json", "--adapter", adapter]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        let objects: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut ids: Vec<_> = objects.iter().map(|object| object["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["0x0000000b", "0x0000000c", "0x0000000d", "0x0000000e"]);
        assert!(objects.iter().all(|object| object["pool"] == "pool" && object["transport"]["port"] == 7000));
        let mut homes: Vec<_> = objects.iter().map(|object| object["home"].as_str().unwrap()).collect();
        homes.sort_unstable();
        homes.dedup();
        assert_eq!(homes.len(), 2);
    }
    let ended = run(&["table", "--registrar", &endpoint]);
    assert_eq!(ended.stdout.lines().filter(|line| line.starts_with("pool  0x")).count(), 4, "{ended:?}");
    let ended = run(&["table", "--registrar", &net.endpoint(99, 9901), "--timeout", "300ms"]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    // It has found the readers, and does not miss them.
    assert_eq!(first.terminate(), Some(0));
    let log = first.whole_log();
    let harmless = ["peer_found", "inconsistent", "synchronized"].map(|event| format!("event=\"{event}\" peer="));
    let mut of_peers = log.lines().filter(|line| line.contains(" peer=")).peekable();
    assert!(of_peers.peek().is_some(), "{log}");
    assert!(of_peers.all(|line| harmless.iter().any(|event| line.contains(event))), "{log}");
    drop(second);
}

#[test]
fn a_registrar_that_is_told_to_end_sends_its_elements_to_another_one_first() {
    let net = Network::new();
    let peer = net.endpoint(1, 9901);
    let mut first = net.registrar(1, &[]);
    let second = net.registrar(2, &["--peer", &peer]);
    let mut element = net.element(11, "echo", &[1, 2]);
    let mut user = net.user(&[1, 2]);
    user.write("before");
    assert_eq!(user.read(), "before");
    assert_eq!(first.terminate(), Some(0));
    // It is there already: nobody has to notice first that the registrar is dead.
    let ended = run(&["resolve", "pool", "--registrar", &net.endpoint(2, 3863)]);
    assert_eq!((ended.status, ended.stdout.lines().count()), (Some(0), 1), "{ended:?}");
    user.write("after");
    assert_eq!(user.read(), "after");
    assert_eq!(element.terminate(), Some(0));
    drop(second);
}

#[test]
fn without_a_registrar_in_the_command_line_announcements_tell_of_some() {
    for adapters in [["blocking", "tokio"], ["tokio", "blocking"]] {
        let net = Network::new();
        let groups = net.groups();
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let with = |more: &[&'static str]| [groups.as_slice(), more].concat();
        let [one, other] = adapters;
        let mut first = net.registrar(1, &with(&["--announce", "--adapter", one]));
        let _second = net.registrar(2, &with(&["--announce", "--adapter", other]));
        first.wait_for("peer_found\"");
        let _element = net.element_with(11, "echo", &[], &with(&["--adapter", other]));
        let mut user = net.user_with(&[], &with(&["--adapter", one]));
        user.write("heard of you");
        assert_eq!(user.read(), "heard of you");
    }
}

#[test]
fn with_a_key_sessions_go_on_only_at_elements_that_have_it() {
    let net = Network::new();
    let _registrar = net.registrar(1, &[]);
    let [ours, theirs] = [("ours", "0123456789abcdef"), ("theirs", "fedcba9876543210")]
        .map(|(name, digits)| File::new(name, &digits.repeat(4)));
    let with = |host: u8, key: &File| net.element_with(host, "counter", &[1], &["--cookie-key", key.path()]);
    let mut first = with(11, &ours);
    let mut user = net.user(&[1]);
    for (request, count) in [("1 ", "1"), ("2 ", "2"), ("3 ", "3")] {
        user.write(request);
        assert_eq!(user.read(), count);
    }
    let mut second = with(12, &ours);
    first.kill();
    user.write("4 ");
    assert_eq!(user.read(), "4");
    second.wait_for("session_resumed\"");
    let mut third = with(13, &theirs);
    second.kill();
    user.write("5 ");
    assert_eq!(user.read(), "1", "it knows nothing of what was before");
    third.wait_for("a cookie that is not ours");
    let short = File::new("short", "0123");
    let ended = run(&[
        "element",
        "--pool=p",
        "--serve=counter",
        "--registrar=sctp+udp://127.0.0.1",
        "--cookie-key",
        short.path(),
    ]);
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("64 hexadecimal digits"), "{ended:?}");
}

#[test]
fn both_adapters_talk_to_each_other() {
    for [registrar, element, user] in [["blocking", "tokio", "blocking"], ["tokio", "blocking", "tokio"]] {
        let net = Network::new();
        let _registrar = net.registrar(1, &["--adapter", registrar]);
        let _element = net.element_with(11, "echo", &[1], &["--adapter", element]);
        let mut user = net.user_with(&[1], &["--adapter", user]);
        for line in ["hello", &"x".repeat(20_000)] {
            user.write(line);
            assert_eq!(user.read(), line);
        }
        assert_eq!(user.finish(), Some(0));
    }
}

#[test]
fn echo_sends_everything_back() {
    let net = Network::new();
    let _registrar = net.registrar(1, &[]);
    let _element = net.element(11, "echo", &[1]);
    let mut user = net.user(&[1]);
    for line in ["hello", "grüße", &"x".repeat(20_000)] {
        user.write(line);
        assert_eq!(user.read(), line);
    }
    assert_eq!(user.finish(), Some(0));
}

#[test]
fn the_small_services_do_what_their_rfcs_say() {
    let net = Network::new();
    let _registrar = net.registrar(1, &[]);
    let mut element = net.element(11, "daytime", &[1]);
    let mut user = net.user(&[1]);
    user.write("when?");
    let answer = user.read();
    assert!(answer.starts_with("20") && answer.ends_with('Z') && answer.len() == 20, "{answer}");
    assert_eq!(element.terminate(), Some(0));
    let mut element = net.element(12, "chargen", &[1]);
    // The user goes on with whatever serves now.
    user.write("what?");
    let first = user.read();
    user.write("and?");
    let second = user.read();
    assert_eq!((first.len(), second.len()), (72, 72));
    assert_eq!(first[1..], second[..71]);
    assert_eq!(element.terminate(), Some(0));
    let _element = net.element(13, "discard", &[1]);
    let mut user = net.user_with(&[1], &["--timeout", "2s"]);
    user.write("nothing?");
    assert_eq!(user.finish(), Some(1));
}

#[test]
fn ipv6_and_other_udp_ports_work() {
    // The registrar shares ::1 with the element; their UDP ports tell them apart.
    let registrar_port = std::net::UdpSocket::bind("[::1]:0").unwrap().local_addr().unwrap().port();
    let element_port = std::net::UdpSocket::bind("[::1]:0").unwrap().local_addr().unwrap().port();
    let asap = format!("sctp+udp://[::1]:3863/{registrar_port}");
    let mut registrar = Process::start(&["registrar", "--asap", &asap]);
    registrar.wait_for("serving\"");
    let listen = format!("sctp+udp://[::1]:7000/{element_port}");
    let arguments = ["element", "--pool", "pool", "--serve", "echo", "--registrar", &asap, "--listen", &listen];
    let mut element = Process::start(&arguments);
    element.wait_for("registered\"");
    // The element's address says nothing of its UDP port; the user is told.
    let port = element_port.to_string();
    let mut user = Process::start(&["user", "--pool", "pool", "--registrar", &asap, "--encap-port", &port]);
    user.write("over six");
    assert_eq!(user.read(), "over six");
}
