//! Users that ask registrars over TCP, and peers there that are slow or half gone.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::process::{Network, Process, run};

/// ASAP_HANDLE_RESOLUTION for the pool "pool" (RFC 5352 §2.2.5).
const QUESTION: [u8; 12] = [5, 0, 0, 12, 0, 9, 0, 8, b'p', b'o', b'o', b'l'];
/// The type of the answer.
const HANDLE_RESOLUTION_RESPONSE: u8 = 6;

/// A registrar that is there for TCP as well, an element, and where users connect.
fn registrar(net: &Network, more: &[&str]) -> (Process, Process, String) {
    let endpoint = format!("tcp://{}:3863", net.address(1));
    let registrar = net.registrar(1, &[&["--asap", &endpoint], more].concat());
    let element = net.element(11, "echo", &[1]);
    (registrar, element, endpoint)
}

fn connect(net: &Network) -> TcpStream {
    let stream = TcpStream::connect((net.address(1), 3863)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Reads one answer.
#[track_caller]
fn answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).unwrap();
    let length = usize::from(u16::from_be_bytes([header[2], header[3]])).next_multiple_of(4);
    let mut rest = vec![0; length - 4];
    stream.read_exact(&mut rest).unwrap();
    [header.to_vec(), rest].concat()
}

/// Whether the other side has ended.
fn is_cut_off(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn users_ask_over_tcp_and_have_their_sessions_over_sctp() {
    let net = Network::new();
    let (mut registrar, _element, endpoint) = registrar(&net, &[]);
    let ended = run(&["resolve", "pool", "--registrar", &endpoint]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(&net.address(11).to_string()), "{ended:?}");
    let mut user = Process::start(&["user", "--pool", "pool", "--registrar", &endpoint]);
    user.write("hello");
    assert_eq!(user.read(), "hello");
    assert_eq!(user.finish(), Some(0));
    assert_eq!(registrar.terminate(), Some(0));
}

#[test]
fn questions_may_come_together_and_in_pieces_and_be_the_last_that_a_user_says() {
    let net = Network::new();
    let _processes = registrar(&net, &[]);
    let mut stream = connect(&net);
    stream.write_all(&[QUESTION, QUESTION, QUESTION].concat()).unwrap();
    for _ in 0..3 {
        assert_eq!(answer(&mut stream)[0], HANDLE_RESOLUTION_RESPONSE);
    }
    for octet in QUESTION {
        stream.write_all(&[octet]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(answer(&mut stream)[0], HANDLE_RESOLUTION_RESPONSE);
    stream.write_all(&QUESTION).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let last = answer(&mut stream);
    assert!(last.windows(4).any(|octets| octets == b"pool"), "{last:?}");
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn who_is_slow_or_silent_is_cut_off_and_the_others_are_served() {
    let net = Network::new();
    let short = ["--set", "tcp-message-timeout=300ms", "--set", "tcp-first-message-timeout=600ms"];
    let (mut registrar, _element, endpoint) = registrar(&net, &short);
    let mut polite = connect(&net);
    polite.write_all(&QUESTION).unwrap();
    assert_eq!(answer(&mut polite)[0], HANDLE_RESOLUTION_RESPONSE);
    let mut crowd: Vec<TcpStream> = (0..100).map(|_| connect(&net)).collect();
    for slow in crowd.iter_mut().skip(50) {
        slow.write_all(&QUESTION[..7]).unwrap();
    }
    assert_eq!(run(&["resolve", "pool", "--registrar", &endpoint]).status, Some(0));
    assert!(crowd.iter_mut().all(is_cut_off));
    polite.write_all(&QUESTION).unwrap();
    assert_eq!(answer(&mut polite)[0], HANDLE_RESOLUTION_RESPONSE, "who has asked before may be silent");
    assert_eq!(registrar.terminate(), Some(0));
}

#[test]
fn who_takes_no_answers_is_cut_off_and_the_others_are_served() {
    let net = Network::new();
    let (mut registrar, _element, endpoint) = registrar(&net, &["--set", "tcp-stall-timeout=500ms"]);
    let mut greedy = connect(&net);
    greedy.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    let questions = QUESTION.repeat(1_000);
    // The registrar reads and answers, until there is no room left for its answers.
    while greedy.write_all(&questions).is_ok() {}
    assert_eq!(run(&["resolve", "pool", "--registrar", &endpoint]).status, Some(0));
    assert_eq!(registrar.terminate(), Some(0));
}

#[test]
fn there_are_no_more_connections_from_an_address_than_it_may_have() {
    let net = Network::new();
    let (mut registrar, _element, endpoint) = registrar(&net, &["--set", "sctp-max-associations-per-address=50"]);
    let mut crowd: Vec<TcpStream> = (0..51).map(|_| connect(&net)).collect();
    let mut last = crowd.pop().unwrap();
    assert!(is_cut_off(&mut last));
    crowd[0].write_all(&QUESTION).unwrap();
    assert_eq!(answer(&mut crowd[0])[0], HANDLE_RESOLUTION_RESPONSE);
    drop(crowd);
    assert_eq!(run(&["resolve", "pool", "--registrar", &endpoint]).status, Some(0));
    assert_eq!(registrar.terminate(), Some(0));
}

#[test]
fn garbage_ends_a_connection_and_nothing_else() {
    let net = Network::new();
    let (mut registrar, _element, endpoint) = registrar(&net, &[]);
    for seed in 0..200_u32 {
        let mut number = seed;
        let garbage = std::iter::repeat_with(|| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (number >> 24) as u8
        });
        let octets: Vec<u8> = garbage.take(seed as usize * 7).collect();
        // It may be cut off before it has said all.
        let _ = connect(&net).write_all(&octets);
    }
    assert_eq!(run(&["resolve", "pool", "--registrar", &endpoint]).status, Some(0));
    assert_eq!(registrar.terminate(), Some(0));
}
