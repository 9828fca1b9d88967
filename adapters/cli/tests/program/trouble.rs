//! What users and elements say when nobody answers them.

use std::net::{Ipv4Addr, TcpStream};

use crate::process::{Network, Process};
use crate::sidecar::free_port;

#[test]
fn users_and_elements_name_the_registrars_that_do_not_answer() {
    let net = Network::new();
    let (first, second) = (net.endpoint(1, 3863), net.endpoint(2, 3863));
    let listen = net.endpoint(11, 7000);
    for command in [
        &["user", "--pool", "pool"][..],
        &["user", "--pool", "pool", "--listen", "127.0.0.1:0"],
        &["element", "--pool", "pool", "--serve", "echo", "--listen", &listen],
    ] {
        let mut process = Process::start(&[command, &["--registrar", &first, "--registrar", &second]].concat());
        let line = process.wait_for("no_registrar\"").pop().unwrap();
        assert!(line.contains("WARN") && line.contains(&first) && line.contains(&second), "{line}");
        process.kill();
    }
}

#[test]
fn who_is_told_of_no_registrar_says_that_none_announces_itself() {
    let groups = Network::new().groups();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let mut process = Process::start(&[&["user", "--pool", "pool"][..], &groups].concat());
    let line = process.wait_for("no_registrar\"").pop().unwrap();
    assert!(line.contains("announce"), "{line}");
}

#[test]
fn users_say_that_a_registrar_does_not_know_their_pool_and_when_it_does() {
    let net = Network::new();
    let _registrar = net.registrar(1, &[]);
    let port = free_port();
    let mut users = [net.user(&[1]), net.user_with(&[1], &["--listen", &format!("127.0.0.1:{port}")])];
    for user in &mut users {
        let line = user.wait_for("unknown_pool\"").pop().unwrap();
        assert!(line.contains("WARN") && line.contains("pool=\"pool\""), "{line}");
    }
    let _element = net.element(11, "echo", &[1]);
    let _client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    for user in &mut users {
        user.wait_for("pool_found\"");
    }
}
