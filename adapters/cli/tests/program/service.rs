//! What a service manager has to do with it: readiness, reload, the end.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
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

/// What a process has said of settings that stay, in its order, when it has read its file again.
fn stays(process: &mut Process) -> Vec<String> {
    process.signal(Signal::HUP);
    let log = process.wait_for("reloaded\"");
    let stays = log.iter().filter(|line| line.contains("WARN") && line.contains("event=\"stays\""));
    let name = |line: &String| line.split_once("setting=\"").unwrap().1.split_once('"').unwrap().0.to_string();
    stays.map(name).collect()
}

#[test]
fn a_registrar_names_the_settings_that_a_hangup_does_not_change() {
    let net = Network::new();
    let file = File::new("stays", "id = \"a\"\n[set]\nmax-elements = 10\n");
    let mut registrar = net.registrar(1, &["--config", file.path()]);
    assert_eq!(stays(&mut registrar), [""; 0]);
    let text = format!(
        "id = \"b\"\nannounce = true\npeer = [\"{}\"]\nany-address = true\n[set]\nmax-elements = 11\nsctp-rto-min = \"1s\"\n",
        net.endpoint(2, 9901)
    );
    std::fs::write(file.path(), text).unwrap();
    assert_eq!(stays(&mut registrar), ["announce", "id", "sctp-rto-min"]);
    // They still stay.
    assert_eq!(stays(&mut registrar), ["announce", "id", "sctp-rto-min"]);
    std::fs::write(file.path(), "id = \"a\"\n").unwrap();
    assert_eq!(stays(&mut registrar), [""; 0]);
}

#[test]
fn an_element_names_the_settings_that_a_hangup_does_not_change() {
    let net = Network::new();
    let _registrar = net.registrar(1, &[]);
    let file = File::new("element-stays", "policy = \"lu:10%\"\nlife = 300\n");
    let mut element = net.element_with(11, "echo", &[1], &["--config", file.path()]);
    let text =
        "policy = \"lu:10%\"\nload = \"20%\"\nlife = 600\ncsp-interval = \"2s\"\n[set]\nt2-registration = \"1s\"\n";
    std::fs::write(file.path(), text).unwrap();
    assert_eq!(stays(&mut element), ["csp-interval", "life", "t2-registration"]);
}

#[test]
fn a_key_that_others_can_read_is_warned_of() {
    let net = Network::new();
    let _registrar = net.registrar(1, &[]);
    let file = File::new("key", &"0f".repeat(32));
    for (host, mode, is_warned) in [(11, 0o600, false), (12, 0o640, true), (13, 0o604, true), (14, 0o400, false)] {
        std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
        let mut element = net.element_with(host, "counter", &[1], &["--cookie-key", file.path()]);
        assert_eq!(element.terminate(), Some(0));
        assert_eq!(element.whole_log().contains("event=\"key_readable\""), is_warned, "{mode:o}");
    }
}
