//! Wrong calls, and what the program says about them.

use crate::process::run;

#[track_caller]
fn is_wrong_usage(arguments: &[&str], text: &str) {
    let ended = run(arguments);
    assert_eq!(ended.status, Some(2), "{arguments:?}: {ended:?}");
    assert!(ended.stderr.contains(text), "{arguments:?}: {ended:?}");
}

#[test]
fn wrong_usage_ends_with_status_2_and_says_what_is_wrong() {
    for (arguments, text) in [
        (vec![], "Usage"),
        (vec!["resolve"], "required"),
        (vec!["resolve", "pool", "--registrar", "nonsense"], "the form is"),
        (
            vec!["element", "--pool", "p", "--registrar", "sctp+udp://127.0.0.1", "--serve", "nonsense"],
            "possible values",
        ),
        (vec!["registrar", "--enrp", "tcp://127.0.0.1"], "only users and the registrars that they ask may use TCP"),
        (vec!["element", "--pool", "p", "--registrar", "tcp://127.0.0.1", "--serve", "echo"], "'--registrar <EP>'"),
        (vec!["registrar", "--set", "nonsense=1"], "peer-heartbeat-cycle"),
        (vec!["registrar", "--set", "peer-heartbeat-cycle=soon"], "a time such as"),
        (vec!["registrar", "--id", "0"], "zero is no identifier"),
        (vec!["resolve", "pool", "--interface6", "nonsense"], "--interface6 nonsense: there is no such interface"),
    ] {
        is_wrong_usage(&arguments, text);
    }
}

#[test]
fn an_element_that_users_cannot_reach_is_refused_by_the_option_that_says_where() {
    let element = ["element", "--serve", "echo", "--registrar", "sctp+udp://127.0.0.1", "--pool"];
    for (pool, listen, text) in [
        ("", "sctp+udp://127.0.0.1:7000", "--pool : the pool handle is empty"),
        ("p", "sctp+udp://0.0.0.0:7000", "--listen sctp+udp://0.0.0.0:7000: users cannot reach an element at 0.0.0.0"),
        ("p", "sctp+udp://127.0.0.1:0", "--listen sctp+udp://127.0.0.1:0: users cannot reach an element at port 0"),
    ] {
        is_wrong_usage(&[&element[..], &[pool, "--listen", listen]].concat(), text);
    }
}

#[test]
fn elements_and_users_keep_to_the_length_of_pool_handles_that_others_survive() {
    let (long, longer) = ("x".repeat(33), "x".repeat(65));
    let element = ["element", "--serve", "echo", "--pool"];
    for (command, handle, profile, text) in [
        (&element[..], &long, "rsplib", "at most 32 octets here, and this one has 33"),
        (&["user", "--pool"], &long, "rsplib", "at most 32 octets"),
        (&["resolve"], &long, "rsplib", "at most 32 octets"),
        (&element[..], &longer, "rfc", "at most 64 octets"),
    ] {
        let options = [handle, "--registrar", "sctp+udp://127.0.0.1", "--profile", profile];
        is_wrong_usage(&[command, &options].concat(), text);
    }
}

#[test]
fn a_transport_that_is_not_there_ends_with_status_3_and_names_the_one_that_is() {
    let ended = run(&["resolve", "pool", "--registrar", "sctp://127.0.0.1:3863"]);
    assert_eq!(ended.status, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("sctp+udp://"), "{ended:?}");
}

#[test]
fn help_and_version_are_there() {
    for command in ["demo", "registrar", "element", "user", "resolve", "decode"] {
        let ended = run(&[command, "--help"]);
        assert_eq!(ended.status, Some(0));
        assert!(ended.stdout.contains("Usage"), "{ended:?}");
    }
    assert!(run(&["--version"]).stdout.starts_with("rserpool "));
}
