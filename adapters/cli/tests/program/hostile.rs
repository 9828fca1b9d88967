//! A registrar among peers that mean no good, or know no better, keeps serving the others.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant as StdInstant};

use rserpool::wire::PayloadProtocol;
use rserpool::{Instant, OutgoingMessage, Purpose};
use rserpool_transport::{LocalPort, News, SctpConfig, SctpOverUdp, SocketIndex};

use crate::process::{Network, run};

const SOCKET: SocketIndex = SocketIndex(0);

/// A client with a socket of its own that can send anything.
struct Client {
    socket: UdpSocket,
    transport: SctpOverUdp,
    start: StdInstant,
    registrar: SocketAddr,
}

impl Client {
    fn new(net: &Network) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let transport = SctpOverUdp::new(SctpConfig::default(), [1; 16]);
        Self { socket, transport, start: StdInstant::now(), registrar: (net.address(1), 9899).into() }
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.start.elapsed().as_micros() as u64)
    }

    /// Exchanges packets for a while, and counts how many associations have come to be.
    fn exchange(&mut self, time: Duration) -> usize {
        let end = StdInstant::now() + time;
        let mut opened = 0;
        let mut buffer = [0; 2000];
        while StdInstant::now() < end {
            while let Some(transmit) = self.transport.poll_transmit() {
                let _ = self.socket.send_to(&transmit.octets, transmit.to);
            }
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
                self.transport.handle_datagram(self.now(), SOCKET, from, &buffer[..length]);
            }
            self.transport.handle_timeout(self.now());
            while let Some(event) = self.transport.poll_event() {
                opened += usize::from(matches!(event.news, News::Opened(_)));
            }
        }
        opened
    }
}

/// Whether the registrar still answers a user that comes now.
#[track_caller]
fn serves(net: &Network) {
    let endpoint = net.endpoint(1, 3863);
    let ended = run(&["resolve", "pool", "--registrar", &endpoint, "--timeout", "10s"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
}

struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }
}

#[test]
fn garbage_datagrams() {
    let net = Network::new();
    let mut registrar = net.registrar(1, &[]);
    let _element = net.element(11, "echo", &[1]);
    let client = Client::new(&net);
    let mut numbers = Numbers(1);
    for _ in 0..20_000 {
        let mut octets: Vec<u8> = (0..numbers.next() % 120).map(|_| numbers.next() as u8).collect();
        if octets.len() > 4 && numbers.next().is_multiple_of(2) {
            // Port 3863, where the registrar listens.
            octets[2..4].copy_from_slice(&3863u16.to_be_bytes());
        }
        let _ = client.socket.send_to(&octets, client.registrar);
    }
    serves(&net);
    assert_eq!(registrar.terminate(), Some(0));
}

#[test]
fn garbage_and_truncated_messages_on_good_associations() {
    let net = Network::new();
    let mut registrar = net.registrar(1, &[]);
    let _element = net.element(11, "echo", &[1]);
    let mut client = Client::new(&net);
    let captures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures");
    let capture = std::fs::File::open(captures.join("samples.pcap")).unwrap();
    let messages = rserpool_capture::read(capture).unwrap();
    let mut numbers = Numbers(2);
    let mut associations = Vec::new();
    for (number, port) in [3863, 9901].into_iter().cycle().take(8).enumerate() {
        let local = LocalPort { socket: SOCKET, port: 20_000 + number as u16 };
        associations.push(client.transport.open(client.now(), local, client.registrar, port, Purpose::Asap).unwrap());
    }
    assert_eq!(client.exchange(Duration::from_secs(1)), 8);
    for round in 0..40 {
        for message in &messages {
            let mut octets = message.octets.clone();
            match round % 3 {
                0 => octets.truncate(numbers.next() as usize % octets.len() + 1),
                1 => {
                    let at = numbers.next() as usize % octets.len();
                    octets[at] = numbers.next() as u8;
                }
                _ => octets = (0..numbers.next() % 60 + 1).map(|_| numbers.next() as u8).collect(),
            }
            let association = associations[numbers.next() as usize % associations.len()];
            let protocol =
                PayloadProtocol(if numbers.next().is_multiple_of(8) { numbers.next() } else { message.protocol });
            let message = OutgoingMessage { protocol, ..OutgoingMessage::new(&octets) };
            let _ = client.transport.send(client.now(), association, &message);
        }
        client.exchange(Duration::from_millis(20));
    }
    // Some messages were good ones, about pools of their own; "pool" is as it was.
    serves(&net);
    assert_eq!(registrar.terminate(), Some(0));
}

#[test]
fn floods_of_new_and_of_half_open_associations() {
    let net = Network::new();
    let mut registrar = net.registrar(1, &["--set", "sctp-max-associations-per-address=200"]);
    let _element = net.element(11, "echo", &[1]);
    let mut client = Client::new(&net);
    for port in 1..=1000u16 {
        let local = LocalPort { socket: SOCKET, port };
        let _ = client.transport.open(client.now(), local, client.registrar, 3863, Purpose::Asap);
        if port % 50 == 0 {
            client.exchange(Duration::from_millis(50));
        }
    }
    let mut other = Client::new(&net);
    // INITs of which nothing follows.
    for port in 1..=20_000u16 {
        let mut stranger = SctpOverUdp::new(SctpConfig::default(), [0; 16]);
        let local = LocalPort { socket: SOCKET, port };
        let _ = stranger.open(other.now(), local, other.registrar, 3863, Purpose::Asap);
        if let Some(init) = stranger.poll_transmit() {
            let _ = other.socket.send_to(&init.octets, init.to);
        }
    }
    // Users that come now come from another address than the flood.
    serves_from_elsewhere(&net);
    other.exchange(Duration::from_millis(10));
    assert_eq!(registrar.terminate(), Some(0));
}

/// The flood has used up what 127.0.0.1 may have; an element at an address of its own may still register.
#[track_caller]
fn serves_from_elsewhere(net: &Network) {
    let mut newcomer = net.element(12, "echo", &[1]);
    assert_eq!(newcomer.terminate(), Some(0));
}
