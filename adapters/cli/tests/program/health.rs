//! An element whose service comes and goes.

use crate::process::{Network, Process, run, until};
use crate::sidecar::{Web, free_port, get};

/// An element with the service at a port, which need not be there.
fn element(net: &Network, host: u8, port: u16) -> Process {
    let (listen, registrar, service) = (net.endpoint(host, 7000), net.endpoint(1, 3863), format!("127.0.0.1:{port}"));
    let arguments = ["element", "--pool", "pool", "--listen", &listen, "--registrar", &registrar, "--proxy", &service];
    Process::start(&[&arguments[..], &["--check-interval=300ms"]].concat())
}

/// How many elements the registrar has in the pool.
fn elements(net: &Network) -> usize {
    run(&["resolve", "pool", "--registrar", &net.endpoint(1, 3863)]).stdout.lines().count()
}

#[test]
fn an_element_is_in_its_pool_only_while_its_service_takes_connections() {
    let net = Network::new();
    let mut registrar = net.registrar(1, &[]);
    let port = free_port();
    let mut element = element(&net, 11, port);
    element.wait_for("service_down\"");
    assert_eq!(elements(&net), 0);
    let mut web = Web::start_at(11, port);
    element.wait_for("service_up\"");
    element.wait_for("registered\"");
    assert_eq!(elements(&net), 1);
    web.kill();
    element.wait_for("service_down\"");
    element.wait_for("deregistered");
    until(|| elements(&net) == 0);
    let web = Web::start_at(11, port);
    element.wait_for("service_up\"");
    element.wait_for("registered\"");
    drop(web);
    assert_eq!(element.terminate(), Some(0));
    assert_eq!(registrar.terminate(), Some(0));
    let log = registrar.whole_log();
    assert_eq!(log.matches("event=\"registered\"").count(), 2, "{log}");
    assert!(!log.contains("event=\"reported\""), "{log}");
}

#[test]
fn clients_of_a_pool_with_a_dead_service_are_served_by_the_others_and_nobody_comes_back_again_and_again() {
    let net = Network::new();
    let mut registrar = net.registrar(1, &[]);
    let (dead, web) = (free_port(), Web::start(12));
    let mut first = Web::start_at(11, dead);
    let mut members: Vec<_> = [(11, dead), (12, web.port)].map(|(host, port)| element(&net, host, port)).into();
    for element in &mut members {
        element.wait_for("registered\"");
    }
    let door = free_port();
    let mut user = net.user_with(&[1], &["--listen", &format!("127.0.0.1:{door}")]);
    user.wait_for("listening\"");
    assert!(get(door, "who").is_some());
    first.kill();
    for _ in 0..60 {
        assert_eq!(get(door, "who").as_deref(), Some(&b"server 12\n"[..]));
    }
    members[0].wait_for("service_down\"");
    assert!(get(door, "who").is_some());
    assert_eq!(registrar.terminate(), Some(0));
    let log = registrar.whole_log();
    assert_eq!(log.matches("event=\"registered\"").count(), 2, "{log}");
    assert!(!log.contains("event=\"reported\""), "{log}");
}

#[test]
fn an_element_that_is_ended_while_its_service_is_dead_ends_in_order() {
    let net = Network::new();
    let _registrar = net.registrar(1, &[]);
    let mut element = element(&net, 11, free_port());
    element.wait_for("service_down\"");
    assert_eq!(element.terminate(), Some(0));
}
