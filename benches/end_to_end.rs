//! A registrar in a process of its own on loopback, over SCTP over UDP, and a client that asks it as fast as it answers; beside it
//! in the same run an echo that sends as many octets and does nothing else.
//!
//! ```text
//! cargo bench --bench end_to_end                    # a table
//! cargo bench --bench end_to_end -- --json          # a line a figure
//! cargo bench --bench end_to_end -- --quick         # or --associations 1000
//! ```
//!
//! The client has its SCTP in the same thread as all else, and takes a core of its own as the server does: what is compared is
//! the rate, and the processor time that the server's process takes for each answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark fails by panicking"
)]

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant as StdInstant};

use rserpool::registrar::{Registrar, RegistrarConfig};
use rserpool::wire::asap::{Body, HandleResolution, Message, Registration, message_type};
use rserpool::wire::{
    PayloadProtocol, PeIdentifier, Policy, PoolElement, PoolHandle, RegistrationLife, ServerIdentifier, Transport,
    TransportUse, Unknown,
};
use rserpool::{Action, AssociationId, Input, Instant, Machine, OutgoingMessage, Purpose};
use rserpool_blocking::{Application, Listen, Options};
use rserpool_transport::{AssociationHandle, Event, LocalPort, News, SctpConfig, SctpOverUdp, SocketIndex};

const SERVER: Ipv4Addr = Ipv4Addr::new(127, 45, 1, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 45, 1, 2);
const PORT: u16 = 3863;
const POOL: PoolHandle<'static> = PoolHandle::new(b"bench");
/// How many elements an answer holds.
const ITEMS: usize = 3;

/// Sends an answer of fixed length to each message.
struct Echo {
    length: usize,
    answers: std::collections::VecDeque<AssociationId>,
    octets: Vec<u8>,
}

impl Machine for Echo {
    type Event<'a> = ();

    fn handle(&mut self, _now: Instant, input: Input<'_>) {
        if let Input::Message { association, .. } = input {
            self.answers.push_back(association);
        }
    }

    fn poll_action(&mut self) -> Option<Action<'_, ()>> {
        let association = self.answers.pop_front()?;
        self.octets.resize(self.length, 0x55);
        let message = OutgoingMessage { protocol: PayloadProtocol::ASAP, ..OutgoingMessage::new(&self.octets) };
        Some(Action::Send { association, message })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

struct Quiet;

impl<M: Machine> Application<M> for Quiet {
    fn event(&mut self, _now: Instant, _event: M::Event<'_>) {}
}

fn serve<M: Machine>(adapter: &str, machine: M) {
    let options = Options::default();
    let listen = Listen { address: SERVER.into(), udp_port: 9899, sctp_port: PORT, purposes: &[Purpose::Asap] };
    if adapter == "tokio" {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut driver = rserpool_tokio::Driver::new(machine, &options).unwrap();
            driver.host().listen(listen).unwrap();
            println!("ready");
            driver.run(&mut Quiet).await.unwrap();
        });
    } else {
        let mut driver = rserpool_blocking::Driver::new(machine, &options).unwrap();
        driver.host().listen(listen).unwrap();
        println!("ready");
        driver.run(&mut Quiet).unwrap();
    }
}

/// A server in a process of its own.
struct Server(Child);

impl Server {
    fn start(adapter: &str, kind: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.args(["serve", adapter, kind]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Self(child)
    }

    /// Processor time in user mode and in all, in microseconds.
    fn processor(&self) -> (u64, u64) {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // A hundred clock ticks a second, as Linux tells them.
        let (user, system): (u64, u64) = (fields[11].parse().unwrap(), fields[12].parse().unwrap());
        (user * 10_000, (user + system) * 10_000)
    }

    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Associations with the server.
struct Client {
    socket: UdpSocket,
    sctp: SctpOverUdp,
    start: StdInstant,
    associations: Vec<AssociationHandle>,
    buffer: Vec<u8>,
}

impl Client {
    fn new() -> Self {
        let socket = UdpSocket::bind((CLIENT, 9899)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let sctp = SctpOverUdp::new(SctpConfig::default(), [7; 16]);
        Self { socket, sctp, start: StdInstant::now(), associations: Vec::new(), buffer: vec![0; 65_536] }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    fn turn(&mut self, mut told: impl FnMut(&mut SctpOverUdp, Instant, Event<AssociationHandle>)) {
        let now = self.now();
        for _ in 0..256 {
            let Ok((length, from)) = self.socket.recv_from(&mut self.buffer) else { break };
            self.sctp.handle_datagram(now, SocketIndex(0), from, &self.buffer[..length]);
        }
        self.sctp.handle_timeout(now);
        while let Some(event) = self.sctp.poll_event() {
            told(&mut self.sctp, now, event);
        }
        while let Some(transmit) = self.sctp.poll_transmit() {
            let _ = self.socket.send_to(&transmit.octets, transmit.to);
        }
    }

    /// Opens so many, a few at a time.
    fn open(&mut self, count: usize) {
        let mut opening = 0;
        let mut opened = 0;
        let mut next = self.associations.len();
        let last = next + count;
        while opened < count {
            while next < last && opening < 100 {
                let local = LocalPort { socket: SocketIndex(0), port: 10_000 + next as u16 };
                let now = self.now();
                self.associations.push(
                    self.sctp.open(now, local, SocketAddr::new(SERVER.into(), 9899), PORT, Purpose::Asap).unwrap(),
                );
                (next, opening) = (next + 1, opening + 1);
            }
            self.turn(|_, _, event| match event.news {
                News::Opened(_) => (opening, opened) = (opening - 1, opened + 1),
                other => panic!("{other:?}"),
            });
        }
    }

    fn send(&mut self, index: usize, octets: &[u8]) {
        let message = OutgoingMessage { protocol: PayloadProtocol::ASAP, ..OutgoingMessage::new(octets) };
        let now = self.now();
        self.sctp.send(now, self.associations[index], &message).unwrap();
    }

    /// Registers an element over each association.
    fn register(&mut self) {
        let (mut sent, mut answered) = (0, 0);
        while answered < self.associations.len() {
            while sent < self.associations.len() && sent - answered < 100 {
                self.send(sent, &registration(sent));
                sent += 1;
            }
            self.turn(|_, _, event| {
                if let News::Message { octets, .. } = &event.news
                    && octets[0] == message_type::REGISTRATION_RESPONSE
                {
                    assert_eq!(octets[1], 0, "a registration was rejected");
                    answered += 1;
                }
            });
        }
    }

    /// Asks over all associations, each with some requests under way, for a while. Latencies in nanoseconds.
    fn ask(&mut self, request: impl Fn(usize) -> Vec<u8>, window: usize, time: Duration) -> (u64, Vec<u32>, usize) {
        let requests: Vec<Vec<u8>> = (0..self.associations.len()).map(&request).collect();
        let places: std::collections::HashMap<AssociationHandle, usize> =
            self.associations.iter().enumerate().map(|(index, handle)| (*handle, index)).collect();
        let mut asked = vec![std::collections::VecDeque::new(); requests.len()];
        let start = StdInstant::now();
        for (index, octets) in requests.iter().enumerate() {
            for _ in 0..window {
                self.send(index, octets);
                asked[index].push_back(start.elapsed());
            }
        }
        let (mut answers, mut latencies, mut length) = (0, Vec::new(), 0);
        while start.elapsed() < time {
            self.turn(|sctp, now, event| {
                let News::Message { protocol, octets } = &event.news else { return };
                if octets[0] == message_type::ENDPOINT_KEEP_ALIVE {
                    return;
                }
                length = octets.len();
                let index = places[&event.association];
                let at = start.elapsed();
                if let Some(since) = asked[index].pop_front() {
                    latencies.push((at - since).as_nanos() as u32);
                }
                answers += 1;
                let message = OutgoingMessage { protocol: *protocol, ..OutgoingMessage::new(&requests[index]) };
                sctp.send(now, event.association, &message).unwrap();
                asked[index].push_back(at);
            });
        }
        latencies.sort_unstable();
        (answers, latencies, length)
    }
}

fn encode(body: Body<'_>) -> Vec<u8> {
    let message = Message::from(body);
    let mut octets = vec![0; message.encoded_len()];
    message.encode(&mut octets).unwrap();
    octets
}

fn registration(index: usize) -> Vec<u8> {
    let addresses = [IpAddr::V4(CLIENT)];
    let transport = Transport::sctp(10_000 + index as u16, TransportUse::DataPlusControl, &addresses);
    let pool_element = PoolElement {
        identifier: PeIdentifier(index as u32 + 1),
        home: ServerIdentifier(0),
        life: RegistrationLife(300),
        user_transport: transport,
        policy: Policy::RoundRobin,
        asap_transport: Some(transport),
        unknown: Unknown::NONE,
    };
    encode(Body::Registration(Registration { pool_handle: POOL, pool_element }))
}

fn resolution() -> Vec<u8> {
    encode(Body::HandleResolution(HandleResolution { pool_handle: POOL, send_updates: false, items: None }))
}

struct Figures {
    /// How long an answer is.
    length: usize,
    rate: f64,
    user: f64,
    all: f64,
    percentiles: [u32; 3],
}

fn measure(adapter: &str, kind: &str, what: &str, associations: usize, time: Duration) -> Figures {
    let server = Server::start(adapter, kind);
    let mut client = Client::new();
    client.open(associations.max(ITEMS));
    if kind == "registrar" {
        for index in 0..ITEMS {
            client.send(index, &registration(index));
        }
        let end = StdInstant::now() + Duration::from_millis(100);
        while StdInstant::now() < end {
            client.turn(|_, _, _| {});
        }
    }
    client.associations.truncate(associations);
    let window = (64 / associations).max(1);
    let request = |index: usize| match what {
        "registrations" => registration(index),
        _ => resolution(),
    };
    let before = server.processor();
    let (answers, latencies, length) = client.ask(request, window, time);
    let after = server.processor();
    let percentile = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    Figures {
        length,
        rate: answers as f64 / time.as_secs_f64(),
        user: (after.0 - before.0) as f64 / answers as f64,
        all: (after.1 - before.1) as f64 / answers as f64,
        percentiles: [percentile(0.5), percentile(0.99), percentile(0.999)],
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [serve_, adapter, kind] = &arguments[..]
        && serve_ == "serve"
    {
        let enrp = SocketAddr::new(SERVER.into(), 9901);
        let mut config = RegistrarConfig::new(enrp, 1);
        config.limits.association_rates.resolutions = u32::MAX;
        config.limits.rates.resolutions = u32::MAX;
        config.limits.association_rates.registrations = u32::MAX;
        config.limits.rates.registrations = u32::MAX;
        return match kind.parse() {
            Ok(length) => serve(adapter, Echo { length, answers: <_>::default(), octets: Vec::new() }),
            Err(_) => serve(adapter, Registrar::new(config)),
        };
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let time = Duration::from_secs(if has("--quick") { 1 } else { 5 });
    let given = arguments.iter().position(|argument| argument == "--associations");
    let given: Option<usize> = given.and_then(|place| arguments.get(place + 1)?.parse().ok());
    let counts: &[usize] = match &given {
        Some(count) => std::slice::from_ref(count),
        None if has("--quick") => &[100],
        None => &[1, 100, 10_000],
    };
    if !has("--json") {
        println!(
            "{:14} {:9} {:9} {:>6} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "", "server", "adapter", "assoc.", "a second", "user us", "all us", "p50 us", "p99 us", "p99.9 us"
        );
    }
    for associations in counts.iter().copied() {
        for what in ["resolutions", "registrations"] {
            let mut length = 0;
            for kind in ["registrar", "echo"] {
                for adapter in ["blocking", "tokio"] {
                    let server = if kind == "echo" { length.to_string() } else { kind.to_owned() };
                    let figures = measure(adapter, &server, what, associations, time);
                    length = figures.length;
                    let Figures { rate, user, all, percentiles, .. } = figures;
                    let [p50, p99, p999] = percentiles.map(|nanoseconds| f64::from(nanoseconds) / 1e3);
                    if has("--json") {
                        println!(
                            "{{\"what\":\"{what}\",\"server\":\"{kind}\",\"adapter\":\"{adapter}\",\"associations\":{associations},\"rate\":{rate:.0},\"user_us\":{user:.2},\"processor_us\":{all:.2},\"p50_us\":{p50:.0},\"p99_us\":{p99:.0},\"p999_us\":{p999:.0}}}"
                        );
                    } else {
                        println!(
                            "{what:14} {kind:9} {adapter:9} {associations:6} {rate:9.0} {user:8.2} {all:8.2} {p50:8.0} {p99:8.0} {p999:8.0}"
                        );
                    }
                }
            }
        }
    }
    // Memory, and what it costs to have them.
    let count = if has("--quick") { 1_000 } else { 10_000 };
    let server = Server::start("blocking", "registrar");
    let empty = server.resident();
    let mut client = Client::new();
    client.open(count);
    client.register();
    let octets = (server.resident() - empty) as f64 / count as f64;
    let (before, since) = (server.processor(), StdInstant::now());
    let idle = Duration::from_secs(if has("--quick") { 2 } else { 20 });
    while since.elapsed() < idle {
        client.turn(|_, _, _| {});
        std::thread::sleep(Duration::from_millis(1));
    }
    let share = (server.processor().1 - before.1) as f64 / since.elapsed().as_micros() as f64;
    println!(
        "{count} associations with an element each: {octets:.0} octets each in the registrar; idle it takes {:.1} % of a core",
        share * 100.0
    );
}
