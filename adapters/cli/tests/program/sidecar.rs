//! Any TCP service as a pool element, and any TCP client in the pool.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::process::{Network, Process};

/// More than may be under way at a time.
const LARGE: usize = 700_000;
const LIMIT: Duration = Duration::from_secs(60);

/// A TCP port that is free.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A web server that knows nothing of pools.
pub(crate) struct Web {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
    is_dead: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Web {
    pub(crate) fn start(number: u8) -> Self {
        Self::start_at(number, 0)
    }

    /// At a port.
    pub(crate) fn start_at(number: u8, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (is_dead, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (flag, counter) = (Arc::clone(&is_dead), Arc::clone(&connections));
        let server = std::thread::spawn(move || {
            for stream in listener.incoming().take_while(|_| !flag.load(Ordering::SeqCst)).flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || serve(number, stream));
            }
        });
        Self { port, connections, is_dead, server: Some(server) }
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Nobody listens at its port any more.
    pub(crate) fn kill(&mut self) {
        self.is_dead.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(server) = self.server.take() {
            server.join().unwrap();
        }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.kill();
    }
}

fn serve(number: u8, mut stream: TcpStream) {
    let (mut request, mut octets) = (Vec::new(), [0; 1_000]);
    while !request.windows(4).any(|part| part == b"\r\n\r\n") {
        match stream.read(&mut octets) {
            Ok(length @ 1..) => request.extend(&octets[..length]),
            _ => return,
        }
    }
    let answer =
        if request.starts_with(b"GET /large ") { vec![b'x'; LARGE] } else { format!("server {number}\n").into() };
    let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").and_then(|()| stream.write_all(&answer));
}

/// Asks like any web client; the answer without its head, if it was a good one.
pub(crate) fn get(port: u16, path: &str) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: pool\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let head = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    answer.starts_with(b"HTTP/1.0 200").then(|| answer.split_off(head + 4))
}

/// Three web servers behind sidecars, and the port of a way into their pool.
fn pool(net: &Network, adapter: &'static str) -> (Vec<Process>, Vec<Web>, u16) {
    let mut processes = vec![net.registrar(1, &["--adapter", adapter])];
    let webs: Vec<Web> = [11, 12, 13].map(Web::start).into();
    for (host, web) in (11..).zip(&webs) {
        processes.push(net.proxy(host, web.port, &[1], &["--adapter", adapter]));
    }
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let mut user = net.user_with(&[1], &["--listen", &listen, "--adapter", adapter]);
    user.wait_for("listening\"");
    processes.push(user);
    (processes, webs, port)
}

#[test]
fn no_request_fails_that_had_not_reached_a_web_server_that_is_killed() {
    for adapter in ["blocking", "tokio"] {
        let net = Network::new();
        let (_processes, mut webs, port) = pool(&net, adapter);
        let mut by_server = [0; 3];
        for number in 0..90 {
            if number == 30 {
                webs[1].kill();
            }
            let who = get(port, "who").unwrap_or_else(|| panic!("{adapter}: request {number} has failed"));
            let who = String::from_utf8(who).unwrap();
            let server: u8 = who.trim().strip_prefix("server ").unwrap().parse().unwrap();
            by_server[usize::from(server - 11)] += 1;
        }
        assert!(by_server.iter().all(|requests| *requests >= 5), "{by_server:?}");
        assert!(by_server[1] <= 20, "{by_server:?}");
    }
}

#[test]
fn a_sidecar_that_is_killed_takes_no_request_along_that_was_not_passed_on_to_it() {
    let net = Network::new();
    let (mut processes, _webs, port) = pool(&net, "blocking");
    for number in 0..60 {
        if number == 20 {
            processes[2].kill();
        }
        assert!(get(port, "who").is_some(), "request {number} has failed");
    }
}

#[test]
fn answers_larger_than_the_window_and_more_connections_than_sessions_go_through() {
    let net = Network::new();
    let (_processes, _webs, port) = pool(&net, "blocking");
    let large: Vec<_> = (0..6).map(|_| std::thread::spawn(move || get(port, "large"))).collect();
    for thread in large {
        let answer = thread.join().unwrap().expect("an answer");
        assert_eq!(answer.len(), LARGE);
        assert!(answer.iter().all(|octet| *octet == b'x'));
    }
    let many: Vec<_> = (0..100).map(|_| std::thread::spawn(move || get(port, "who"))).collect();
    assert!(many.into_iter().all(|thread| thread.join().unwrap().is_some()));
}

#[test]
fn clients_that_end_their_side_first_leave_nothing_behind() {
    let net = Network::new();
    let (_processes, _webs, port) = pool(&net, "blocking");
    // More than there can be sessions at a time.
    for number in 0..100 {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"GET /who HTTP/1.0\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap_or_else(|error| panic!("connection {number}: {error}"));
        assert!(answer.starts_with(b"HTTP/1.0 200"));
    }
}
