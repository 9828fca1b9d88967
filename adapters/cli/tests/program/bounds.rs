//! What the two ends of the way into a pool take of their machine, whatever services and clients do.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rserpool::wire::PayloadProtocol;
use rserpool_blocking::{Message, User, UserOptions};

use crate::process::{Network, Process, until};
use crate::sidecar::{Web, free_port, get};

const LIMIT: Duration = Duration::from_secs(60);
/// For how long memory and time are looked at.
const WATCH: Duration = Duration::from_secs(4);
/// More memory than a process needs that keeps to its bounds, in KiB.
const MEMORY: u64 = 48 * 1024;

/// A number out of a process's status, by its name.
fn status(process: &Process, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}

/// How much time a process has taken of a processor, in clock ticks; usually there are 100 in a second.
fn ticks(process: &Process) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap();
    let fields = text.rsplit_once(')').unwrap().1;
    fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// The first connection on which something is said. Others are opened by the element, to see whether the service takes them.
fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        if stream.peek(&mut [0]).unwrap() > 0 {
            return stream;
        }
    }
}

/// A way into the pool.
fn door(net: &Network, more: &[&str]) -> (Process, u16) {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let mut user = net.user_with(&[1], &[&["--listen", &listen, "-v"], more].concat());
    user.wait_for("listening\"");
    (user, port)
}

/// A user in this process.
fn user(net: &Network) -> User {
    User::start(UserOptions::new([format!("{}:3863", net.address(1)).parse().unwrap()])).unwrap()
}

#[test]
fn a_user_that_sends_more_than_a_service_reads_is_made_to_wait_and_nothing_is_lost() {
    const CHUNK: usize = 16 * 1024;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let net = Network::new();
    let _registrar = net.registrar(1, &[]);
    let element = net.proxy(11, port, &[1], &[]);
    let user = user(&net);
    let session = Arc::new(user.open("pool").unwrap());
    let (sent, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let sender = {
        let (session, sent, is_over) = (Arc::clone(&session), Arc::clone(&sent), Arc::clone(&is_over));
        thread::spawn(move || {
            while !is_over.load(Ordering::SeqCst) {
                session.send(vec![b'x'; CHUNK]).unwrap();
                sent.fetch_add(CHUNK as u64, Ordering::SeqCst);
            }
        })
    };
    let mut service = accept(&listener);
    let end = Instant::now() + WATCH;
    while Instant::now() < end {
        let memory = status(&element, "VmHWM");
        assert!(memory < MEMORY, "{memory} KiB after {} octets", sent.load(Ordering::SeqCst));
        thread::sleep(Duration::from_millis(100));
    }
    // The service begins to read, and gets all.
    is_over.store(true, Ordering::SeqCst);
    let (mut read, mut buffer) = (0, vec![0; 1024 * 1024]);
    while !sender.is_finished() || read < sent.load(Ordering::SeqCst) {
        let length = service.read(&mut buffer).unwrap();
        assert!(length > 0, "the connection has ended after {read} octets");
        read += length as u64;
    }
    sender.join().unwrap();
    assert_eq!(read, sent.load(Ordering::SeqCst));
}

#[test]
fn a_user_that_asks_for_more_than_it_takes_does_not_fill_the_element() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let net = Network::new();
    let _registrar = net.registrar(1, &[]);
    let element = net.proxy(11, port, &[1], &[]);
    let user = user(&net);
    let session = user.open("pool").unwrap();
    session.send("a request").unwrap();
    let mut service = accept(&listener);
    thread::spawn(move || while service.write_all(&[b'x'; 64 * 1024]).is_ok() {});
    let end = Instant::now() + WATCH;
    while Instant::now() < end {
        for _ in 0..64 {
            let credit = Message::new(u32::MAX.to_be_bytes().to_vec());
            let _ = session.try_send(Message { protocol: PayloadProtocol(0x5250_0003), ..credit });
        }
        let memory = status(&element, "VmHWM");
        assert!(memory < MEMORY, "{memory} KiB");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn connections_need_no_threads() {
    let (net, web) = (Network::new(), Web::start(1));
    let _registrar = net.registrar(1, &[]);
    let element = net.proxy(11, web.port, &[1], &[]);
    let (user, port) = door(&net, &[]);
    let _idle: Vec<_> = (0..40).map(|_| connect(port)).collect();
    until(|| web.connections() >= 40);
    for process in [&element, &user] {
        let threads = status(process, "Threads");
        assert!(threads < 10, "{threads}");
    }
}

#[test]
fn idle_connections_make_way_for_others() {
    let (net, web) = (Network::new(), Web::start(1));
    let _registrar = net.registrar(1, &[]);
    let _element = net.proxy(11, web.port, &[1], &[]);
    let (mut user, port) = door(&net, &["--idle-timeout=10s"]);
    let mut idle: Vec<_> = (0..300).map(|_| connect(port)).collect();
    assert!(get(port, "who").is_some());
    user.wait_for("makes_way\"");
    // All of them end.
    for stream in &mut idle {
        assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
    }
}

#[test]
fn a_connection_on_which_nothing_moves_ends_at_both_ends_of_the_pool() {
    for (of_element, of_user) in
        [("--idle-timeout=1s", "--idle-timeout=1h"), ("--idle-timeout=1h", "--idle-timeout=1s")]
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let net = Network::new();
        let _registrar = net.registrar(1, &[]);
        let _element = net.proxy(11, listener.local_addr().unwrap().port(), &[1], &[of_element]);
        let (_user, port) = door(&net, &[of_user]);
        let mut client = connect(port);
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        // Others were opened by the element to see whether the service takes them, and end in order.
        let mut ends = listener.incoming().map(|stream| {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            stream.read(&mut [0]).map_err(|error| error.kind())
        });
        assert!(ends.find(|end| *end != Ok(0)) == Some(Err(ErrorKind::ConnectionReset)));
    }
}

#[test]
fn a_way_into_the_pool_that_has_no_file_left_waits_without_work_and_goes_on_when_there_is_one() {
    let (net, web) = (Network::new(), Web::start(1));
    let _registrar = net.registrar(1, &[]);
    let _element = net.proxy(11, web.port, &[1], &[]);
    let port = free_port();
    let (listen, registrar) = (format!("127.0.0.1:{port}"), net.endpoint(1, 3863));
    let mut user =
        Process::start_with_files(30, &["user", "--pool", "pool", "--registrar", &registrar, "--listen", &listen]);
    user.wait_for("listening\"");
    let idle: Vec<_> = (0..40).map(|_| connect(port)).collect();
    user.wait_for("not_accepting\"");
    let before = ticks(&user);
    thread::sleep(WATCH);
    let taken = ticks(&user) - before;
    assert!(taken < 100, "{taken} ticks");
    drop(idle);
    assert!(get(port, "who").is_some());
    user.wait_for("accepting\"");
    assert_eq!(user.terminate(), Some(0));
}

#[test]
fn an_element_that_has_no_file_left_turns_connections_away_and_serves_them_when_there_is_one() {
    let (net, web) = (Network::new(), Web::start(1));
    let _registrar = net.registrar(1, &[]);
    let (service, listen) = (format!("127.0.0.1:{}", web.port), net.endpoint(11, 7000));
    let registrar = net.endpoint(1, 3863);
    let arguments = ["element", "--pool", "pool", "--registrar", &registrar, "--listen", &listen, "--proxy", &service];
    let mut element = Process::start_with_files(32, &arguments);
    element.wait_for("registered\"");
    let (_user, port) = door(&net, &[]);
    let held: Vec<_> = (0..40).map(|_| connect(port)).collect();
    element.wait_for("service_refused\"");
    // Those that have a connection are served, and make room for the others.
    let served = held.into_iter().map(|mut stream| {
        thread::spawn(move || {
            stream.write_all(b"GET /who HTTP/1.0\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with("server 1\n"), "{answer}");
        })
    });
    for thread in served.collect::<Vec<_>>() {
        thread.join().unwrap();
    }
    assert_eq!(element.terminate(), Some(0));
}
