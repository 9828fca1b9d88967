//! A registrar among elements that come and go all the time, for long: twenty minutes over sockets, or a day in virtual time. Its
//! memory must not grow.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rserpool::registrar::Registrar;
use rserpool::wire::PayloadProtocol;
use rserpool::wire::asap::{Body, ElementReference, message_type};
use rserpool::{Action, AssociationId, EndpointBuf, Input, Instant, Machine, OutgoingMessage, Purpose};
use rserpool_blocking::{Driver, Listen, Options};
use rserpool_transport::{Node, SocketIndex, Sockets};

use crate::asker::{POOL, encode, identifier, registration};
use crate::report::Report;
use crate::server::{Quiet, Server, registrar_config, resident};
use crate::{CLIENT, Error, SERVER};

/// How many are being opened at a time in the beginning.
const AT_A_TIME: usize = 100;
/// By how much memory may be more at the end than after the first quarter of the time.
const GROWTH: f64 = 1.05;

enum Step {
    Open(AssociationId),
    Say(AssociationId, Vec<u8>),
    Close(AssociationId),
    Abort(AssociationId),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Registered,
    Leaving,
}

/// Many elements, of which one leaves each `interval`, in one of three ways, and another one comes.
struct Churner {
    remote: EndpointBuf,
    /// By association: the number of the element, and how far it is.
    elements: HashMap<AssociationId, (usize, Stage)>,
    registered: VecDeque<AssociationId>,
    waiting: usize,
    number: usize,
    interval: Duration,
    next: Instant,
    random: u64,
    steps: VecDeque<Step>,
    said: Vec<u8>,
    changes: u64,
}

impl Churner {
    fn new(remote: EndpointBuf, count: usize, interval: Duration) -> Self {
        let mut churner = Self {
            remote,
            elements: HashMap::new(),
            registered: VecDeque::new(),
            waiting: count.saturating_sub(AT_A_TIME),
            number: 0,
            interval,
            next: Instant::ZERO,
            random: 1,
            steps: VecDeque::new(),
            said: Vec::new(),
            changes: 0,
        };
        for _ in 0..AT_A_TIME.min(count) {
            churner.open();
        }
        churner
    }

    fn open(&mut self) {
        let association = AssociationId::from_bits(self.number as u32);
        self.elements.insert(association, (self.number, Stage::Opening));
        self.number += 1;
        self.steps.push_back(Step::Open(association));
    }

    /// One leaves.
    fn change(&mut self) {
        let Some(association) = self.registered.pop_front() else { return };
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.changes += 1;
        let Some((number, stage)) = self.elements.get_mut(&association) else { return };
        match self.random >> 62 {
            0 => {
                // In order.
                *stage = Stage::Leaving;
                let reference = ElementReference { pool_handle: POOL, identifier: identifier(*number) };
                self.steps.push_back(Step::Say(association, encode(Body::Deregistration(reference))));
            }
            1 => {
                self.elements.remove(&association);
                self.steps.push_back(Step::Close(association));
                self.open();
            }
            _ => {
                self.elements.remove(&association);
                self.steps.push_back(Step::Abort(association));
                self.open();
            }
        }
    }
}

impl Machine for Churner {
    type Event<'a> = ();

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Opened { association, .. } => {
                let Some((number, _)) = self.elements.get(&association) else { return };
                self.steps.push_back(Step::Say(association, registration(*number, CLIENT)));
            }
            Input::OpenFailed { association, .. } | Input::Closed { association, .. }
                if self.elements.remove(&association).is_some() =>
            {
                self.open();
            }
            Input::Message { association, octets, .. } => {
                let Some((number, stage)) = self.elements.get_mut(&association) else { return };
                match octets[0] {
                    message_type::REGISTRATION_RESPONSE if *stage == Stage::Opening => {
                        *stage = Stage::Registered;
                        self.registered.push_back(association);
                        if self.waiting > 0 {
                            self.waiting -= 1;
                            self.open();
                        }
                    }
                    message_type::DEREGISTRATION_RESPONSE => {
                        self.elements.remove(&association);
                        self.steps.push_back(Step::Close(association));
                        self.open();
                    }
                    message_type::ENDPOINT_KEEP_ALIVE => {
                        let reference = ElementReference { pool_handle: POOL, identifier: identifier(*number) };
                        self.steps.push_back(Step::Say(association, encode(Body::EndpointKeepAliveAck(reference))));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        if self.next <= now {
            self.next = now + self.interval;
            self.change();
        }
    }

    fn poll_action(&mut self) -> Option<Action<'_, ()>> {
        Some(match self.steps.pop_front()? {
            Step::Open(association) => {
                Action::Open { association, purpose: Purpose::Asap, remote: self.remote.as_endpoint() }
            }
            Step::Say(association, octets) => {
                self.said = octets;
                let message = OutgoingMessage { protocol: PayloadProtocol::ASAP, ..OutgoingMessage::new(&self.said) };
                Action::Send { association, message }
            }
            Step::Close(association) => Action::Close { association },
            Step::Abort(association) => Action::Abort { association },
        })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next)
    }
}

/// Says how memory has come along; an error if it has grown.
fn judge(report: &Report, name: &str, samples: &[u64]) -> Result<(), Error> {
    let quarter = samples[samples.len() / 4..].iter().copied();
    let (first, last) = (samples[samples.len() / 4], samples[samples.len() - 1]);
    report.figure(&format!("{name}_megabytes_after_a_quarter"), samples.len(), first as f64 / 1e6);
    report.figure(&format!("{name}_megabytes_at_most_since"), samples.len(), quarter.max().unwrap_or(0) as f64 / 1e6);
    report.series(&format!("{name}_kilobytes"), samples.iter().map(|octets| octets / 1000));
    report.figure(&format!("{name}_megabytes_at_the_end"), samples.len(), last as f64 / 1e6);
    if last as f64 > first as f64 * GROWTH {
        return Err(format!("{name}: memory has grown: {samples:?}").into());
    }
    Ok(())
}

/// Over sockets, against a registrar in a process of its own.
pub(crate) fn real(report: &Report, count: usize, minutes: usize) -> Result<(), Error> {
    let server = Server::start("blocking", "registrar");
    let remote = EndpointBuf::from(SocketAddr::new(SERVER.into(), 3863));
    let churner = Churner::new(remote, count, Duration::from_millis(2));
    let mut driver = Driver::new(churner, &Options::default())?;
    let mut samples = Vec::new();
    let mut sample = Duration::from_secs(15);
    let end = Duration::from_secs(minutes as u64 * 60);
    while driver.now().since(Instant::ZERO) < end {
        driver.turn(Some(Duration::from_millis(10)), &mut Quiet)?;
        if driver.now().since(Instant::ZERO) >= sample {
            sample += Duration::from_secs(15);
            samples.push(server.resident());
        }
    }
    report.figure("soak_real_changes", count, driver.host().machine().changes as f64);
    judge(report, "soak_real", &samples)
}

/// The sockets of a host that has one address.
struct OneSocket(SocketAddr);

impl Sockets for OneSocket {
    fn bind(&mut self, _address: SocketAddr) -> std::io::Result<SocketIndex> {
        Ok(SocketIndex(0))
    }

    fn local_address(&self, _socket: SocketIndex) -> Option<SocketAddr> {
        Some(self.0)
    }
}

type OnTheWay = BTreeMap<(Instant, u64), (SocketAddr, SocketAddr, Vec<u8>)>;

/// One round of a host.
fn work<M: Machine>(now: Instant, node: &mut Node<M>, sockets: &mut OneSocket, way: &mut OnTheWay, sent: &mut u64) {
    node.handle_timeout(now);
    node.work(now, sockets, &mut Quiet);
    while let Some(transmit) = node.poll_transmit() {
        *sent += 1;
        way.insert((now + Duration::from_millis(1), *sent), (sockets.0, transmit.to, transmit.octets));
    }
}

/// In virtual time, registrar and elements in this process.
pub(crate) fn in_virtual_time(report: &Report, count: usize, hours: usize) -> Result<(), Error> {
    let (server, client) = (SocketAddr::new(SERVER.into(), 9899), SocketAddr::new(CLIENT, 40_000));
    let remote = EndpointBuf::from(SocketAddr::new(IpAddr::V4(SERVER), 3863));
    let options = Options::default();
    let mut registrar = Node::new(Registrar::new(registrar_config()), &options, [1; 16]);
    let mut registrar_sockets = OneSocket(server);
    let listen = Listen { address: SERVER.into(), udp_port: 9899, sctp_port: 3863, purposes: &[Purpose::Asap] };
    registrar.listen(&mut registrar_sockets, listen)?;
    let mut elements = Node::new(Churner::new(remote, count, Duration::from_secs(1)), &options, [2; 16]);
    let mut element_sockets = OneSocket(client);
    let (mut now, mut way, mut sent) = (Instant::ZERO, OnTheWay::new(), 0);
    let mut samples = Vec::new();
    for hour in 1..=hours as u64 {
        let end = Instant::ZERO + Duration::from_secs(hour * 3600);
        while now < end {
            while let Some(entry) = way.first_entry().filter(|entry| entry.key().0 <= now) {
                let (from, to, octets) = entry.remove();
                if to == server {
                    registrar.handle_datagram(now, SocketIndex(0), from, &octets);
                } else if to == client {
                    elements.handle_datagram(now, SocketIndex(0), from, &octets);
                } else if from == server {
                    registrar.handle_unreachable(now, SocketIndex(0), to, &octets);
                }
            }
            work(now, &mut registrar, &mut registrar_sockets, &mut way, &mut sent);
            work(now, &mut elements, &mut element_sockets, &mut way, &mut sent);
            let timeouts = registrar.poll_timeout(now).into_iter().chain(elements.poll_timeout(now));
            let next = timeouts.chain(way.keys().next().map(|(at, _)| *at)).min();
            now = next.ok_or("nothing is to happen any more")?.max(now);
        }
        samples.push(resident("self"));
    }
    report.figure("soak_virtual_changes", count, elements.machine().changes as f64);
    report.figure("soak_virtual_datagrams", count, sent as f64);
    judge(report, "soak_virtual", &samples)
}
