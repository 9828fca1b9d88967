//! What `rserpool user --listen` passes on of a client, and how often.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::process::{Network, Process, run};
use crate::sidecar::free_port;

const REQUEST: &[u8] = b"POST /order HTTP/1.0\r\n\r\n";
const LIMIT: Duration = Duration::from_secs(60);

/// Closes a connection with a reset.
fn reset(stream: TcpStream) {
    set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// A service that reads each request, waits until it is told to go on, and resets the connection.
struct Resetting {
    port: u16,
    executed: Arc<AtomicUsize>,
    /// Gets a word for each request that was read.
    read: Receiver<()>,
    /// A word lets one connection be reset. Without this end all are reset at once.
    go_on: Option<Sender<()>>,
}

impl Resetting {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let executed = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&executed);
        let ((has_read, read), (go_on, wait)) = (channel(), channel::<()>());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; REQUEST.len()];
                // A connection that was opened to see whether somebody listens says nothing.
                if stream.read_exact(&mut request).is_err() {
                    continue;
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = has_read.send(());
                let _ = wait.recv_timeout(LIMIT);
                reset(stream);
            }
        });
        Self { port, executed, read, go_on: Some(go_on) }
    }

    /// Resets each connection as soon as it has said its request.
    fn resetting_at_once() -> Self {
        Self { go_on: None, ..Self::start() }
    }

    fn executed(&self) -> usize {
        self.executed.load(Ordering::SeqCst)
    }
}

/// A registrar, two elements before the service, and a way into their pool.
fn pool(net: &Network, service: &Resetting, more: &[&str]) -> (Vec<Process>, u16) {
    let mut processes = vec![net.registrar(1, &[])];
    processes.extend([11, 12].map(|host| net.proxy(host, service.port, &[1], &[])));
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let mut user = net.user_with(&[1], &[&["--listen", &listen, "-v"], more].concat());
    user.wait_for("listening\"");
    processes.push(user);
    (processes, port)
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Says a request, and waits for the end of the connection: whether it was a reset.
fn ask(port: u16) -> bool {
    let mut stream = connect(port);
    stream.write_all(REQUEST).unwrap();
    match stream.read(&mut [0; 100]) {
        Ok(length) => {
            assert_eq!(length, 0, "nobody has answered");
            false
        }
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// How many elements the registrar has in the pool.
fn elements(net: &Network) -> usize {
    run(&["resolve", "pool", "--registrar", &net.endpoint(1, 3863)]).stdout.lines().count()
}

#[test]
fn a_request_that_a_service_has_got_is_not_said_again_when_the_service_resets_the_connection() {
    let (net, service) = (Network::new(), Resetting::resetting_at_once());
    let (mut processes, port) = pool(&net, &service, &[]);
    assert!(ask(port), "the client is told that its connection is broken");
    assert_eq!(service.executed(), 1);
    // The elements have done their work.
    assert_eq!(elements(&net), 2);
    assert_eq!(processes[3].terminate(), Some(0));
    assert_eq!(service.executed(), 1);
    assert_eq!(processes[0].terminate(), Some(0));
    assert!(!processes[0].whole_log().contains("reported"), "{}", processes[0].whole_log());
}

#[test]
fn a_request_that_an_element_has_got_is_not_said_again_when_the_element_dies() {
    let (net, service) = (Network::new(), Resetting::start());
    let (mut processes, port) = pool(&net, &service, &[]);
    let client = std::thread::spawn(move || ask(port));
    service.read.recv_timeout(LIMIT).unwrap();
    // One of the two has it.
    processes[1].kill();
    processes[2].kill();
    assert!(client.join().unwrap(), "the client is told that its connection is broken");
    let _another = net.proxy(13, service.port, &[1], &[]);
    assert_eq!(processes[3].terminate(), Some(0));
    assert_eq!(service.executed(), 1);
}

#[test]
fn with_replay_a_request_is_said_again_three_times_at_most_and_no_element_is_reported() {
    let (net, service) = (Network::new(), Resetting::resetting_at_once());
    let (mut processes, port) = pool(&net, &service, &["--replay"]);
    assert!(ask(port));
    assert_eq!(service.executed(), 4);
    assert_eq!(elements(&net), 2);
    assert_eq!(processes[3].terminate(), Some(0));
    assert_eq!(service.executed(), 4);
    assert_eq!(processes[0].terminate(), Some(0));
    assert!(!processes[0].whole_log().contains("reported"), "{}", processes[0].whole_log());
}

#[test]
fn with_replay_a_request_is_not_said_again_for_a_client_that_is_gone() {
    let (net, service) = (Network::new(), Resetting::start());
    let (mut processes, port) = pool(&net, &service, &["--replay"]);
    let mut client = connect(port);
    client.write_all(REQUEST).unwrap();
    service.read.recv_timeout(LIMIT).unwrap();
    reset(client);
    processes[3].wait_for("client_gone\"");
    service.go_on.as_ref().unwrap().send(()).unwrap();
    // The next client's request is the second that the service hears.
    let next = std::thread::spawn(move || ask(port));
    service.read.recv_timeout(LIMIT).unwrap();
    assert_eq!(service.executed(), 2);
    processes[3].kill();
    next.join().unwrap();
}

#[test]
fn with_replay_a_request_is_said_again_to_another_element_when_its_own_dies() {
    let (net, service) = (Network::new(), Resetting::start());
    let (mut processes, port) = pool(&net, &service, &["--replay"]);
    let client = std::thread::spawn(move || ask(port));
    service.read.recv_timeout(LIMIT).unwrap();
    processes[1].kill();
    processes[2].kill();
    service.go_on.as_ref().unwrap().send(()).unwrap();
    let _another = net.proxy(13, service.port, &[1], &[]);
    service.read.recv_timeout(LIMIT).unwrap();
    assert_eq!(service.executed(), 2);
    processes[3].kill();
    assert!(!client.join().unwrap());
}
