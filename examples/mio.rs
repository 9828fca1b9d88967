//! A registrar, three elements and a user in an event loop of one's own, here mio's: what an adapter has to do, and no more.
//! The element that serves the user is dropped on the way, as if it had died.
//!
//! ```text
//! cargo run --example mio
//! ```

use std::cell::RefCell;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Registry, Token};
use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement};
use rserpool::pool_user::{PoolUser, SessionId, UserConfig, UserEvent};
use rserpool::registrar::{Registrar, RegistrarConfig, RegistrarEvent};
use rserpool::wire::{PeIdentifier, PoolHandle};
use rserpool::{AssociationId, Failover, Instant, Machine, OutgoingMessage, Purpose};
use rserpool_transport::{Application, Flow, Listen, Node, Options, SocketIndex};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const REGISTRAR: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
/// A socket's token: its host's number times this, plus its own.
const SOCKETS: usize = 16;
const QUESTIONS: u32 = 6;

/// The sockets of a host, for its node.
struct Sockets {
    registry: Registry,
    host: usize,
    sockets: Vec<UdpSocket>,
}

impl rserpool_transport::Sockets for Sockets {
    fn bind(&mut self, address: SocketAddr) -> std::io::Result<SocketIndex> {
        let is_it = |socket: &UdpSocket| address.port() != 0 && socket.local_addr().is_ok_and(|local| local == address);
        if let Some(index) = self.sockets.iter().position(is_it) {
            return Ok(SocketIndex(index));
        }
        let mut socket = UdpSocket::bind(address)?;
        let index = self.sockets.len();
        self.registry.register(&mut socket, Token(self.host * SOCKETS + index), Interest::READABLE)?;
        self.sockets.push(socket);
        Ok(SocketIndex(index))
    }

    fn local_address(&self, socket: SocketIndex) -> Option<SocketAddr> {
        self.sockets.get(socket.0)?.local_addr().ok()
    }
}

/// A machine with its transport, sockets and application.
struct Host<M, A> {
    node: Node<M>,
    sockets: Sockets,
    application: A,
}

/// What the loop does with hosts of all kinds.
trait Run {
    /// Reads all that has come to a socket.
    fn receive(&mut self, now: Instant, socket: SocketIndex) -> Result<()>;
    /// Does what is to be done.
    fn work(&mut self, now: Instant) -> Flow;
    /// When to work again at the latest.
    fn timeout(&self, now: Instant) -> Option<Instant>;
}

impl<M: Machine, A: Application<M>> Host<M, A> {
    fn new(poll: &Poll, host: usize, machine: M, options: &Options, application: A) -> Result<Self> {
        // A real one takes the key, with which cookies are signed, from the operating system's randomness.
        let node = Node::new(machine, options, [7; 16]);
        let sockets = Sockets { registry: poll.registry().try_clone()?, host, sockets: Vec::new() };
        Ok(Self { node, sockets, application })
    }

    fn listen(&mut self, address: IpAddr, udp_port: u16, sctp_port: u16, purposes: &[Purpose]) -> Result<u16> {
        let listen = Listen { address, udp_port, sctp_port, purposes };
        Ok(self.node.listen(&mut self.sockets, listen)?.port())
    }
}

impl<M: Machine, A: Application<M>> Run for Host<M, A> {
    fn receive(&mut self, now: Instant, socket: SocketIndex) -> Result<()> {
        let mut datagram = [0; 65_536];
        // mio tells of a socket once, so it is read until it is empty.
        while let Some(source) = self.sockets.sockets.get(socket.0) {
            match source.recv_from(&mut datagram) {
                Ok((length, from)) => {
                    self.node.handle_datagram(now, socket, from, datagram.get(..length).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn work(&mut self, now: Instant) -> Flow {
        self.node.handle_timeout(now);
        let flow = self.node.work(now, &mut self.sockets, &mut self.application);
        while let Some(transmit) = self.node.poll_transmit() {
            if let Some(socket) = self.sockets.sockets.get(transmit.socket.0) {
                // What cannot be sent is lost, as it may be on its way; SCTP repeats it.
                let _ = socket.send_to(&transmit.octets, transmit.to);
            }
        }
        flow
    }

    fn timeout(&self, now: Instant) -> Option<Instant> {
        self.node.poll_timeout(now).into_iter().chain(self.application.deadline()).min()
    }
}

struct Log;

impl Application<Registrar> for Log {
    fn event(&mut self, _now: Instant, event: RegistrarEvent<'_>) {
        println!("registrar: {event:?}");
    }
}

/// Sends everything back.
#[derive(Default)]
struct Echo(Vec<(AssociationId, Vec<u8>)>);

impl Application<PoolElement> for Echo {
    fn event(&mut self, _now: Instant, event: ElementEvent<'_>) {
        if let ElementEvent::Data { session, message } = event {
            self.0.push((session, message.octets.to_vec()));
        }
    }

    fn commands(&mut self, _now: Instant, element: &mut PoolElement) -> Flow {
        for (session, octets) in self.0.drain(..) {
            if let Err(error) = element.send(session, OutgoingMessage::new(&octets)) {
                println!("element: {error}");
            }
        }
        Flow::Continue
    }
}

/// What the loop wants to know of the user.
#[derive(Default)]
struct Story {
    answers: u32,
    serving: Option<PeIdentifier>,
}

/// Asks one question after the other.
struct Ask {
    session: SessionId,
    asked: u32,
    story: Rc<RefCell<Story>>,
}

impl Application<PoolUser> for Ask {
    fn event(&mut self, now: Instant, event: UserEvent<'_>) {
        let seconds = now.since(Instant::ZERO).as_secs_f64();
        let mut story = self.story.borrow_mut();
        match event {
            UserEvent::Established { identifier, .. } => {
                println!("user:      {seconds:.3} s, a session with {identifier}");
                story.serving = Some(identifier);
                // The question that the last element took along is asked again.
                self.asked = story.answers;
            }
            UserEvent::Failover { identifier, .. } => {
                println!("user:      {seconds:.3} s, {identifier} is gone");
                story.serving = None;
            }
            UserEvent::Data { message, .. } => {
                println!("user:      {seconds:.3} s, answer to {}", message.octets.escape_ascii());
                story.answers += 1;
            }
            _ => {}
        }
    }

    fn commands(&mut self, _now: Instant, user: &mut PoolUser) -> Flow {
        let story = self.story.borrow();
        if story.answers == QUESTIONS {
            return Flow::Stop;
        }
        if self.asked == story.answers && story.serving.is_some() {
            self.asked += 1;
            let question = format!("question {}", self.asked);
            // It is asked again from here if need be, and so not by itself.
            let message =
                OutgoingMessage { failover: Failover::Forbidden, ..OutgoingMessage::new(question.as_bytes()) };
            if let Err(error) = user.send(self.session, message) {
                println!("user: {error}");
            }
        }
        Flow::Continue
    }
}

fn main() -> Result<()> {
    let mut poll = Poll::new()?;
    let mut options = Options::default();
    let config = RegistrarConfig::new(SocketAddr::new(REGISTRAR, 9901), 1);
    let mut registrar = Host::new(&poll, 0, Registrar::new(config), &options, Log)?;
    // All have the same UDP port, each at its own address.
    let udp_port = registrar.listen(REGISTRAR, 0, 3863, &[Purpose::Asap])?;
    options.encapsulation_port = udp_port;
    let mut hosts: Vec<Option<Box<dyn Run>>> = vec![Some(Box::new(registrar))];

    for number in 1..=3u8 {
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 1, number));
        let config = ElementConfig::new(b"echo", PeIdentifier(number.into()), SocketAddr::new(address, 7000))?;
        let mut element: PoolElement = PoolElement::new(config);
        element.add_registrar(SocketAddr::new(REGISTRAR, 3863))?;
        element.register(Instant::ZERO);
        let mut host = Host::new(&poll, number.into(), element, &options, Echo::default())?;
        host.listen(address, udp_port, 7000, &[Purpose::Asap, Purpose::Session])?;
        hosts.push(Some(Box::new(host)));
    }

    let mut user: PoolUser = PoolUser::new(UserConfig::default());
    user.add_registrar(SocketAddr::new(REGISTRAR, 3863))?;
    let session = user.open_session(Instant::ZERO, PoolHandle::new(b"echo"))?;
    let story = Rc::new(RefCell::new(Story::default()));
    let ask = Ask { session, asked: 0, story: Rc::clone(&story) };
    hosts.push(Some(Box::new(Host::new(&poll, hosts.len(), user, &options, ask)?)));

    let start = std::time::Instant::now();
    let time = || Instant::ZERO + start.elapsed();
    let mut events = Events::with_capacity(64);
    let mut killed = false;
    loop {
        for host in hosts.iter_mut().flatten() {
            if host.work(time()) == Flow::Stop {
                println!("{} answers, one element has died", story.borrow().answers);
                return Ok(());
            }
        }
        let serving = story.borrow().serving.filter(|_| !killed && story.borrow().answers == QUESTIONS / 2);
        if let Some(element) = serving {
            killed = true;
            println!("{element} dies");
            if let Some(host) = hosts.get_mut(usize::try_from(element.0)?) {
                *host = None;
            }
        }
        if start.elapsed() > Duration::from_secs(30) {
            return Err("not done within 30 s".into());
        }
        let now = time();
        let next = hosts.iter().flatten().filter_map(|host| host.timeout(now)).min();
        match poll.poll(&mut events, next.map(|at| at.since(now))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => result.map_err(Error::other)?,
        }
        for event in &events {
            let (host, socket) = (event.token().0 / SOCKETS, SocketIndex(event.token().0 % SOCKETS));
            if let Some(Some(host)) = hosts.get_mut(host) {
                host.receive(time(), socket)?;
            }
        }
    }
}
