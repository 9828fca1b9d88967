//! What a service manager has to do with it: readiness, reload, the end.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use crate::config::File;
use crate::process::{Network, Process, run, until};

#[test]
fn a_service_manager_is_told_of_readiness_and_end() {
    let net = Network::new();
    let path = std::env::temp_dir().join(format!("rserpool-{}-notify", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let told = || {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim_end().to_string()
    };
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let mut registrar = Process::start_in(&["registrar", "--asap", &net.endpoint(1, 3863)], &environment);
    assert_eq!(told(), "READY=1");
    registrar.signal(Signal::TERM);
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(registrar.finish(), Some(0));
    let _ = std::fs::remove_file(&path);
}

#[test]
fn a_hangup_has_a_registrar_read_its_file_again() {
    for adapter in ["blocking", "tokio"] {
        let net = Network::new();
        let _other = net.registrar(2, &["--encap-port=9877"]);
        let file = File::new("reload", "[set]\nmax-elements = 10\n");
        let mut registrar = net.registrar(1, &["--config", file.path(), "--adapter", adapter]);
        let mut element = net.element(11, "echo", &[1]);
        // A peer, whose UDP port is not the usual one, and a limit.
        let text = format!("peer = [\"{}/9877\"]\n[set]\nmax-elements = 1\n", net.endpoint(2, 9901));
        std::fs::write(file.path(), &text).unwrap();
        registrar.signal(Signal::HUP);
        registrar.wait_for("reloaded\"");
        registrar.wait_for("peer_found\"");
        let (listen, endpoint) = (net.endpoint(12, 7000), net.endpoint(1, 3863));
        let arguments = ["element", "--pool", "pool", "--serve", "echo", "--listen", &listen, "--registrar", &endpoint];
        let mut second = Process::start(&arguments);
        registrar.wait_for("registration refused");
        second.kill();
        // What is wrong in the file changes nothing.
        std::fs::write(file.path(), "[set]\nmax-elemants = 1\n").unwrap();
        registrar.signal(Signal::HUP);
        registrar.wait_for(":2: max-elemants: there is no such setting");
        assert_eq!(run(&["resolve", "pool", "--registrar", &endpoint]).stdout.lines().count(), 1);
        assert_eq!(element.terminate(), Some(0));
        assert_eq!(registrar.terminate(), Some(0));
    }
}

#[test]
fn a_hangup_has_an_element_take_another_policy() {
    let net = Network::new();
    let _registrar = net.registrar(1, &[]);
    let file = File::new("policy", "policy = \"wrr:3\"\n");
    let element = net.element_with(11, "echo", &[1], &["--config", file.path()]);
    let resolved = || run(&["resolve", "pool", "--registrar", &net.endpoint(1, 3863), "--json"]).stdout;
    assert!(resolved().contains("\"weight\":3"), "{}", resolved());
    std::fs::write(file.path(), "policy = \"wrr:7\"\n").unwrap();
    element.signal(Signal::HUP);
    until(|| resolved().contains("\"weight\":7"));
}
