//! The loop: sockets and time to the machine, the machine's actions to the sockets and to the application.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use polling::{Events, Poller};
use rserpool::wire::PayloadProtocol;
use rserpool::{Action, AssociationId, CloseReason, Endpoint, Input, Instant, Machine, Protocol, Purpose};
use rserpool_transport::{
    AssociationHandle, ENCAPSULATION_PORT, Event, LocalPort, OpenError, SctpConfig, SctpOverUdp, SendError,
    SocketIndex, Undelivered,
};

use crate::sockets::Sockets;

/// SCTP ports that a machine opens associations from when it listens at none.
const EPHEMERAL_PORTS: std::ops::Range<u16> = 49_152..65_535;

/// How many rounds of events and commands there may be before sockets and timers have their turn.
const ROUNDS: usize = 64;

/// How many peers' UDP ports are remembered.
const LEARNED_PORTS: usize = 100_000;

/// What a driver needs to know beside its machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// SCTP's parameters.
    pub sctp: SctpConfig,
    /// The UDP port of peers of which nothing else is known. Default 9899.
    pub encapsulation_port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { sctp: SctpConfig::default(), encapsulation_port: ENCAPSULATION_PORT }
    }
}

/// Where a machine listens.
#[derive(Clone, Copy, Debug)]
pub struct Listen<'a> {
    /// The IP address.
    pub address: IpAddr,
    /// The UDP port; 0 for any.
    pub udp_port: u16,
    /// The SCTP port.
    pub sctp_port: u16,
    /// For which purposes the machine opens its own associations from here.
    pub purposes: &'a [Purpose],
}

/// What runs on top of a machine.
pub trait Application<M: Machine> {
    /// The machine has something to tell.
    fn event(&mut self, now: Instant, event: M::Event<'_>);

    /// Called after events, after [`Waker::wake`], and when [`Self::deadline`] has come: the place to give the
    /// machine commands.
    fn commands(&mut self, _now: Instant, _machine: &mut M) -> Flow {
        Flow::Continue
    }

    /// When to be called at the latest.
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// On.
    Continue,
    /// Close all associations in order, and return.
    Stop,
}

/// Wakes a driver from another thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Poller>);

impl Waker {
    /// Has the driver call its application's [`Application::commands`] soon.
    ///
    /// # Errors
    ///
    /// The operating system refuses.
    pub fn wake(&self) -> io::Result<()> {
        self.0.notify()
    }
}

struct Local {
    port: LocalPort,
    /// For what associations are opened from here.
    purposes: Vec<Purpose>,
}

/// Where associations are opened from when the machine listens nowhere: each from another SCTP port, so that there may be
/// several to the same peer.
#[derive(Default)]
struct Ephemeral {
    sockets: Vec<SocketIndex>,
    opened: u16,
}

/// Runs a machine.
pub struct Driver<M> {
    machine: M,
    // Ahead of the sockets, to be dropped first.
    poller: Arc<Poller>,
    sockets: Sockets,
    transport: SctpOverUdp,
    options: Options,
    locals: Vec<Local>,
    ephemeral: Ephemeral,
    /// UDP ports of peers that were told.
    udp_ports: HashMap<(IpAddr, u16), u16>,
    /// UDP ports that peers have come from.
    learned_ports: LearnedPorts,
    handles: HashMap<AssociationId, AssociationHandle>,
    names: HashMap<AssociationHandle, AssociationId>,
    next_accepted: u32,
    /// What the machine has to be told as soon as it has said all.
    failures: VecDeque<(AssociationId, Failure)>,
    /// Whether a round has ended with work left.
    unfinished: bool,
    start: StdInstant,
}

impl<M> std::fmt::Debug for Driver<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("transport", &self.transport).finish_non_exhaustive()
    }
}

impl<M: Machine> Driver<M> {
    /// A driver for `machine`, which listens nowhere yet.
    ///
    /// # Errors
    ///
    /// The operating system has no means to wait for sockets, or no random numbers.
    pub fn new(machine: M, options: Options) -> io::Result<Self> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Self {
            machine,
            poller: Arc::new(Poller::new()?),
            sockets: Sockets::new(),
            transport: SctpOverUdp::new(options.sctp.clone(), key),
            options,
            locals: Vec::new(),
            ephemeral: Ephemeral::default(),
            udp_ports: HashMap::new(),
            learned_ports: LearnedPorts::default(),
            handles: HashMap::new(),
            names: HashMap::new(),
            next_accepted: 0,
            failures: VecDeque::new(),
            unfinished: false,
            start: StdInstant::now(),
        })
    }

    /// The machine. Commands given to it are carried out by the next [`Self::turn`].
    pub fn machine(&mut self) -> &mut M {
        &mut self.machine
    }

    /// The time that the machine is told.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Something with which other threads can wake this one.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.poller))
    }

    /// Accepts associations at an address and SCTP port, and returns the UDP address they come to.
    ///
    /// # Errors
    ///
    /// The UDP port cannot be had.
    pub fn listen(&mut self, listen: Listen<'_>) -> io::Result<SocketAddr> {
        let socket = self.sockets.bind(&self.poller, SocketAddr::new(listen.address, listen.udp_port))?;
        let port = LocalPort { socket, port: listen.sctp_port };
        self.transport.listen(port);
        self.locals.push(Local { port, purposes: listen.purposes.to_vec() });
        self.sockets.local_address(socket).ok_or_else(|| io::Error::other("the socket has no address"))
    }

    /// Says to which UDP port SCTP packets for a peer go, if not to the usual one.
    pub fn set_udp_port(&mut self, address: IpAddr, sctp_port: u16, udp_port: u16) {
        self.udp_ports.insert((address, sctp_port), udp_port);
    }

    /// Runs until the application says to stop.
    ///
    /// # Errors
    ///
    /// A socket cannot be used any more.
    pub fn run(&mut self, application: &mut impl Application<M>) -> io::Result<()> {
        let mut flow = self.work(application);
        while flow == Flow::Continue {
            self.wait(None, application.deadline())?;
            flow = self.work(application);
        }
        self.finish(Duration::from_secs(1), application)
    }

    /// One round: carries out what is to be done, waits until something happens but no longer than `limit`, and tells
    /// machine and application.
    ///
    /// # Errors
    ///
    /// A socket cannot be used any more.
    pub fn turn(&mut self, limit: Option<Duration>, application: &mut impl Application<M>) -> io::Result<Flow> {
        if self.work(application) == Flow::Stop {
            return Ok(Flow::Stop);
        }
        self.wait(limit, application.deadline())?;
        Ok(self.work(application))
    }

    /// Closes all associations in order and waits until that is done, but no longer than `limit`.
    ///
    /// # Errors
    ///
    /// A socket cannot be used any more.
    pub fn finish(&mut self, limit: Duration, application: &mut impl Application<M>) -> io::Result<()> {
        self.carry_out(application);
        let now = self.now();
        for handle in self.names.keys().copied().collect::<Vec<_>>() {
            self.transport.close(now, handle);
        }
        self.handles.clear();
        self.names.clear();
        let end = now + limit;
        self.transmit();
        while !self.transport.is_empty() && self.now() < end {
            self.wait(Some(end.since(self.now())), None)?;
            while self.transport.poll_event().is_some() {}
            self.transmit();
        }
        Ok(())
    }

    /// Waits for sockets, timers or a wake-up, and hands the transport what came.
    fn wait(&mut self, limit: Option<Duration>, deadline: Option<Instant>) -> io::Result<()> {
        let now = self.now();
        let next = [self.machine.poll_timeout(), self.transport.poll_timeout(), deadline];
        let until = next.into_iter().flatten().min().map(|at| at.since(now));
        let timeout = if self.unfinished { Some(Duration::ZERO) } else { until.into_iter().chain(limit).min() };
        let mut events = Events::new();
        self.poller.wait(&mut events, timeout)?;
        let now = self.now();
        for event in events.iter() {
            let socket = SocketIndex(event.key);
            let Self { sockets, transport, .. } = self;
            #[cfg(target_os = "linux")]
            sockets.undelivered(socket, |to, quoted| transport.handle_unreachable(now, socket, to, quoted));
            sockets.receive(socket, |from, octets| transport.handle_datagram(now, socket, from, octets))?;
            sockets.rearm(&self.poller, socket)?;
        }
        self.transport.handle_timeout(now);
        Ok(())
    }

    /// Tells the machine what the transport has to say, carries out what the machine wants, and lets the application
    /// have its say, until all have nothing more.
    fn work(&mut self, application: &mut impl Application<M>) -> Flow {
        let now = self.now();
        self.machine.handle(now, Input::Timeout);
        self.unfinished = true;
        for _ in 0..ROUNDS {
            self.carry_out(application);
            if application.commands(now, &mut self.machine) == Flow::Stop {
                self.carry_out(application);
                self.transmit();
                return Flow::Stop;
            }
            self.carry_out(application);
            self.transmit();
            if !self.pass_on() {
                self.unfinished = false;
                break;
            }
        }
        Flow::Continue
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.transport.poll_transmit() {
            self.sockets.send(transmit.socket, transmit.to, &transmit.octets);
        }
    }

    /// Passes one event of the transport, or one failure, on to the machine; false if there is none.
    fn pass_on(&mut self) -> bool {
        let now = self.now();
        if let Some((association, failure)) = self.failures.pop_front() {
            let input = match &failure {
                Failure::Open => Input::OpenFailed { association },
                Failure::Full => Input::Closed { association, reason: CloseReason::Lost },
                Failure::Undelivered(undelivered) => undelivered_on(association, undelivered),
            };
            self.machine.handle(now, input);
            return true;
        }
        let Some(event) = self.transport.poll_event() else { return false };
        let ended = |this: &mut Self, handle| {
            let association = this.names.remove(&handle)?;
            this.handles.remove(&association);
            Some(association)
        };
        match event {
            Event::Opened(handle) => {
                if let (Some(association), Some(peer)) = (self.names.get(&handle), self.transport.peer(handle)) {
                    let (address, port) = (peer.0.ip(), peer.1);
                    let peer = Endpoint { protocol: Protocol::Sctp, addresses: &[address], port };
                    self.machine.handle(now, Input::Opened { association: *association, peer });
                }
            }
            Event::OpenFailed(handle) => {
                if let Some(association) = ended(self, handle) {
                    self.machine.handle(now, Input::OpenFailed { association });
                }
            }
            Event::Accepted { association: handle, peer, port, .. } => {
                // Addresses that packets come from with another UDP port than the usual one are remembered.
                if peer.port() != self.options.encapsulation_port {
                    self.learned_ports.learn((peer.ip(), port), peer.port());
                }
                let association = AssociationId::accepted(self.next_accepted);
                self.next_accepted = self.next_accepted.wrapping_add(1);
                self.handles.insert(association, handle);
                self.names.insert(handle, association);
                let peer = Endpoint { protocol: Protocol::Sctp, addresses: &[peer.ip()], port };
                self.machine.handle(now, Input::Accepted { association, peer });
            }
            Event::Closed { association: handle, reason } => {
                if let Some(association) = ended(self, handle) {
                    self.machine.handle(now, Input::Closed { association, reason });
                }
            }
            Event::Undelivered { association: handle, message } => {
                if let Some(association) = self.names.get(&handle) {
                    self.machine.handle(now, undelivered_on(*association, &message));
                }
            }
            Event::Message { association: handle, protocol, octets } => {
                if let Some(association) = self.names.get(&handle) {
                    self.machine.handle(now, Input::Message { association: *association, protocol, octets: &octets });
                }
            }
        }
        true
    }

    /// Does what the machine wants.
    fn carry_out(&mut self, application: &mut impl Application<M>) {
        let now = self.now();
        let Self { machine, transport, sockets, locals, ephemeral, handles, names, failures, options, poller, .. } =
            self;
        let (udp_ports, learned_ports) = (&self.udp_ports, &self.learned_ports);
        let mut network = Network { transport, sockets, locals, ephemeral, udp_ports, learned_ports, options, poller };
        while let Some(action) = machine.poll_action() {
            match action {
                Action::Open { association, purpose, remote } => match network.open(now, purpose, remote) {
                    Some(handle) => {
                        handles.insert(association, handle);
                        names.insert(handle, association);
                    }
                    None => failures.push_back((association, Failure::Open)),
                },
                Action::Send { association, message } => {
                    let Some(handle) = handles.get(&association) else { continue };
                    let Err(error) = network.transport.send(now, *handle, &message) else { continue };
                    tracing::debug!(%association, %error, "a message was not sent");
                    if error == SendError::BufferFull && message.protocol != PayloadProtocol::UNSPECIFIED {
                        let handle = *handle;
                        handles.remove(&association);
                        names.remove(&handle);
                        let undelivered = network.transport.abort(now, handle).into_iter();
                        failures.extend(undelivered.map(|message| (association, Failure::Undelivered(message))));
                        failures.push_back((association, Failure::Full));
                    }
                }
                Action::Close { association } => {
                    if let Some(handle) = handles.remove(&association) {
                        names.remove(&handle);
                        network.transport.close(now, handle);
                    }
                }
                Action::Abort { association } => {
                    failures.retain(|(failed, _)| *failed != association);
                    if let Some(handle) = handles.remove(&association) {
                        names.remove(&handle);
                        let undelivered = network.transport.abort(now, handle).into_iter();
                        failures.extend(undelivered.map(|message| (association, Failure::Undelivered(message))));
                    }
                }
                Action::Event(event) => application.event(now, event),
                // Multicast is not offered by this adapter yet.
                _ => {}
            }
        }
    }
}

/// What an association could not do. The machine is told of it as soon as it can be called.
enum Failure {
    /// It could not be opened.
    Open,
    /// Its peer takes less than is sent to it, so it has been ended.
    Full,
    /// This message did not arrive before the association was ended.
    Undelivered(Undelivered),
}

fn undelivered_on(association: AssociationId, undelivered: &Undelivered) -> Input<'_> {
    Input::Undelivered { association, message: undelivered.message(), progress: undelivered.progress() }
}

/// The UDP ports of peers that have come from another one than the usual, to reach them there again. The oldest are
/// forgotten.
#[derive(Default)]
struct LearnedPorts {
    ports: HashMap<(IpAddr, u16), u16>,
    order: VecDeque<(IpAddr, u16)>,
}

impl LearnedPorts {
    fn learn(&mut self, peer: (IpAddr, u16), udp_port: u16) {
        if self.ports.insert(peer, udp_port).is_none() {
            self.order.push_back(peer);
        }
        if self.order.len() > LEARNED_PORTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ports.remove(&oldest);
        }
    }
}

/// What opening an association takes.
struct Network<'a> {
    transport: &'a mut SctpOverUdp,
    sockets: &'a mut Sockets,
    locals: &'a [Local],
    ephemeral: &'a mut Ephemeral,
    udp_ports: &'a HashMap<(IpAddr, u16), u16>,
    learned_ports: &'a LearnedPorts,
    options: &'a Options,
    poller: &'a Poller,
}

impl Network<'_> {
    /// Opens an association; `None` if that is not possible.
    fn open(&mut self, now: Instant, purpose: Purpose, remote: Endpoint<'_>) -> Option<AssociationHandle> {
        if remote.protocol != Protocol::Sctp {
            tracing::debug!(%remote, "this adapter opens SCTP associations only");
            return None;
        }
        // Multi-homing takes the kernel's SCTP; over UDP the first address that can be reached counts.
        remote.addresses.iter().find_map(|address| {
            let local = self.local(purpose, *address)?;
            let key = (*address, remote.port);
            let udp_port = self.udp_ports.get(&key).or_else(|| self.learned_ports.ports.get(&key)).copied();
            let peer = SocketAddr::new(*address, udp_port.unwrap_or(self.options.encapsulation_port));
            match self.transport.open(now, local, peer, remote.port) {
                Ok(handle) => {
                    // Users want to know what an element has not got before it died.
                    if purpose == Purpose::Session {
                        self.transport.track(handle);
                    }
                    Some(handle)
                }
                Err(error @ (OpenError::Exists(_) | OpenError::LimitReached)) => {
                    tracing::debug!(%remote, %error, "cannot open an association");
                    None
                }
                Err(_) => None,
            }
        })
    }

    /// The local port to open from; if the machine listens nowhere, another one each time.
    fn local(&mut self, purpose: Purpose, remote: IpAddr) -> Option<LocalPort> {
        let fits =
            |local: &&Local| local.purposes.contains(&purpose) && self.sockets.is_family_of(local.port.socket, remote);
        if let Some(local) = self.locals.iter().find(fits) {
            return Some(local.port);
        }
        let family = |socket: &&SocketIndex| self.sockets.is_family_of(**socket, remote);
        let known = self.ephemeral.sockets.iter().find(family).copied();
        let socket = match known {
            Some(socket) => socket,
            None => {
                let any = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                let socket = self.sockets.bind(self.poller, SocketAddr::new(any, 0)).ok()?;
                self.ephemeral.sockets.push(socket);
                socket
            }
        };
        // The UDP port is unique on the machine, so the SCTP port need not be.
        let span = EPHEMERAL_PORTS.end - EPHEMERAL_PORTS.start;
        self.ephemeral.opened = (self.ephemeral.opened + 1) % span;
        Some(LocalPort { socket, port: EPHEMERAL_PORTS.start + self.ephemeral.opened })
    }
}
