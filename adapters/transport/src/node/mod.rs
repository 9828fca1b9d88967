//! A machine with its transport: all of an adapter but waiting, reading and writing. An adapter hands it datagrams and the
//! time, lets it work, and sends what it wants to be sent.
//!
//! ```text
//!   datagrams, time ──▶ SctpOverUdp ──▶ inputs ──▶ machine ──▶ actions ──▶ SctpOverUdp ──▶ datagrams
//!                                                     ▲    └── events ──▶ application
//!                                                     └────── commands ──────┘
//! ```

mod direct;
mod ports;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};

use rserpool::wire::PayloadProtocol;
use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, Input, Instant, Machine, MulticastGroup, OutgoingMessage, Progress,
    Protocol, Purpose,
};

pub use self::direct::{DirectEvent, DirectHandle};

use self::ports::Ports;
use crate::ENCAPSULATION_PORT;
use crate::config::SctpConfig;
use crate::delivery::Undelivered;
use crate::endpoint::{AssociationHandle, Event, LocalPort, SctpOverUdp, SendError, SocketIndex, Transmit};

/// How many rounds of events and commands there may be before sockets and timers have their turn.
const ROUNDS: usize = 64;

/// What a node needs to know beside its machine.
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

    /// Called after events, when the adapter was woken, and when [`Self::deadline`] has come: the place to give the
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
    /// Return, and leave all as it is: the driver goes on when it is run again.
    Pause,
    /// Close all associations in order, and return.
    Stop,
}

/// The UDP sockets of an adapter.
pub trait Sockets {
    /// Binds one, or finds the one that is bound there already. Port 0 is any port.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    fn bind(&mut self, address: SocketAddr) -> io::Result<SocketIndex>;

    /// Where one is bound.
    fn local_address(&self, socket: SocketIndex) -> Option<SocketAddr>;

    /// Opens an association that the sockets carry by themselves, if they do so for this purpose.
    fn open(&mut self, _purpose: Purpose, _remote: Endpoint<'_>) -> Opening {
        Opening::OverUdp
    }

    /// Sends a message on such an association.
    ///
    /// # Errors
    ///
    /// The message was not taken.
    fn send(&mut self, _association: DirectHandle, _message: &OutgoingMessage<'_>) -> Result<(), SendError> {
        Err(SendError::Closed)
    }

    /// Ends such an association, in order, or at once; then it gives what has not arrived. No event follows.
    fn end(&mut self, _association: DirectHandle, _how: CloseReason) -> Vec<Undelivered> {
        Vec::new()
    }

    /// Whether no such association is left, those that are being closed included.
    fn is_closed(&self) -> bool {
        true
    }

    /// What has happened to such associations.
    fn poll_event(&mut self) -> Option<DirectEvent> {
        None
    }
}

/// Who opens an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The sockets carry it themselves.
    Direct(DirectHandle),
    /// It is SCTP over UDP.
    OverUdp,
    /// Nobody can.
    Failed,
}

/// Who carries an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Handle {
    Udp(AssociationHandle),
    Direct(DirectHandle),
}

/// A machine and its associations.
pub struct Node<M> {
    // Machines of elements and users have their storage in themselves, and may be large to move.
    machine: Box<M>,
    transport: SctpOverUdp,
    ports: Ports,
    handles: HashMap<AssociationId, Handle>,
    names: HashMap<Handle, AssociationId>,
    next_accepted: u32,
    /// What the machine has to be told as soon as it has said all.
    failures: VecDeque<(AssociationId, Failure)>,
    announcements: VecDeque<(MulticastGroup, Vec<u8>)>,
    /// Whether a round has ended with work left.
    unfinished: bool,
}

impl<M> std::fmt::Debug for Node<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("transport", &self.transport).finish_non_exhaustive()
    }
}

impl<M: Machine> Node<M> {
    /// A node that listens nowhere yet. `cookie_key` must be random and secret, see [`SctpOverUdp::new`].
    #[must_use]
    pub fn new(machine: M, options: &Options, cookie_key: [u8; 16]) -> Self {
        Self {
            machine: Box::new(machine),
            transport: SctpOverUdp::new(options.sctp.clone(), cookie_key),
            ports: Ports::new(options.encapsulation_port),
            handles: HashMap::new(),
            names: HashMap::new(),
            next_accepted: 0,
            failures: VecDeque::new(),
            announcements: VecDeque::new(),
            unfinished: false,
        }
    }

    /// The machine. Commands given to it are carried out by the next [`Self::work`].
    pub fn machine(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Accepts associations at an address and SCTP port, and returns the UDP address they come to.
    ///
    /// # Errors
    ///
    /// The UDP port cannot be had.
    pub fn listen(&mut self, sockets: &mut impl Sockets, listen: Listen<'_>) -> io::Result<SocketAddr> {
        let socket = sockets.bind(SocketAddr::new(listen.address, listen.udp_port))?;
        let address = sockets.local_address(socket).ok_or_else(|| io::Error::other("the socket has no address"))?;
        let port = LocalPort { socket, port: listen.sctp_port };
        self.transport.listen(port);
        self.ports.listen(port, address.ip(), listen.purposes);
        Ok(address)
    }

    /// Says to which UDP port SCTP packets for a peer go, if not to the usual one.
    pub fn set_udp_port(&mut self, address: IpAddr, sctp_port: u16, udp_port: u16) {
        self.ports.set_udp_port(address, sctp_port, udp_port);
    }

    /// A datagram has come to a socket.
    pub fn handle_datagram(&mut self, now: Instant, socket: SocketIndex, from: SocketAddr, octets: &[u8]) {
        self.transport.handle_datagram(now, socket, from, octets);
    }

    /// A datagram that was sent from a socket could not be delivered; `quoted` is its beginning.
    pub fn handle_unreachable(&mut self, now: Instant, socket: SocketIndex, to: SocketAddr, quoted: &[u8]) {
        self.transport.handle_unreachable(now, socket, to, quoted);
    }

    /// A datagram has come to a multicast group.
    pub fn handle_announcement(&mut self, now: Instant, group: MulticastGroup, from: SocketAddr, octets: &[u8]) {
        self.machine.handle(now, Input::Datagram { group, from, octets });
    }

    /// Time has passed. To be called before [`Self::work`], also if nothing has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.transport.handle_timeout(now);
    }

    /// When to call [`Self::handle_timeout`] and [`Self::work`] at the latest; now, if a round has ended with work left.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if self.unfinished {
            return Some(now);
        }
        [self.machine.poll_timeout(), self.transport.poll_timeout()].into_iter().flatten().min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transport.poll_transmit()
    }

    /// The next announcement to send.
    pub fn poll_announcement(&mut self) -> Option<(MulticastGroup, Vec<u8>)> {
        self.announcements.pop_front()
    }

    /// Tells the machine what the transport has to say, carries out what the machine wants, and lets the application
    /// have its say, until all have nothing more, or for a while. Datagrams are to be sent afterwards.
    pub fn work(&mut self, now: Instant, sockets: &mut impl Sockets, application: &mut impl Application<M>) -> Flow {
        self.machine.handle(now, Input::Timeout);
        self.unfinished = true;
        for _ in 0..ROUNDS {
            self.carry_out(now, sockets, application);
            let flow = application.commands(now, &mut *self.machine);
            // What the application hears now it has not had its say on.
            let is_news = self.carry_out(now, sockets, application);
            if flow != Flow::Continue {
                return flow;
            }
            if !self.pass_on(now, sockets) && !is_news {
                self.unfinished = false;
                break;
            }
        }
        Flow::Continue
    }

    /// Closes all associations in order. The adapter goes on for a while, until [`Self::is_closed`].
    pub fn close(&mut self, now: Instant, sockets: &mut impl Sockets) {
        for handle in self.names.keys().copied().collect::<Vec<_>>() {
            match handle {
                Handle::Udp(handle) => self.transport.close(now, handle),
                Handle::Direct(handle) => _ = sockets.end(handle, CloseReason::Shutdown),
            }
        }
        self.handles.clear();
        self.names.clear();
        while self.transport.poll_event().is_some() {}
    }

    /// Whether no association is left.
    pub fn is_closed(&mut self, sockets: &mut impl Sockets) -> bool {
        while self.transport.poll_event().is_some() || sockets.poll_event().is_some() {}
        self.transport.is_empty() && sockets.is_closed()
    }

    /// Passes one event of the transport, or one failure, on to the machine; false if there is none.
    fn pass_on(&mut self, now: Instant, sockets: &mut impl Sockets) -> bool {
        if let Some((association, failure)) = self.failures.pop_front() {
            let input = match &failure {
                Failure::Open => Input::OpenFailed { association },
                Failure::Full => Input::Closed { association, reason: CloseReason::Lost },
                Failure::Undelivered(undelivered) => undelivered_on(association, undelivered),
            };
            self.machine.handle(now, input);
            return true;
        }
        if let Some(event) = sockets.poll_event() {
            self.direct_event(now, event);
            return true;
        }
        let Some(event) = self.transport.poll_event() else { return false };
        match event {
            Event::Opened(handle) => {
                if let Some((from, port)) = self.transport.peer(handle) {
                    self.opened(now, Handle::Udp(handle), &[from.ip()], port);
                }
            }
            Event::OpenFailed(handle) => self.open_failed(now, Handle::Udp(handle)),
            Event::Accepted { association, peer, port, .. } => {
                self.ports.learn(peer, port);
                self.accepted(now, Handle::Udp(association), &[peer.ip()], port);
            }
            Event::Closed { association, reason } => self.closed(now, Handle::Udp(association), reason),
            Event::Undelivered { association, message } => self.undelivered(now, Handle::Udp(association), message),
            Event::Message { association, protocol, octets } => {
                self.message(now, Handle::Udp(association), protocol, &octets);
            }
        }
        true
    }

    fn direct_event(&mut self, now: Instant, event: DirectEvent) {
        match event {
            DirectEvent::Opened { association, addresses, port } => {
                self.opened(now, Handle::Direct(association), &addresses, port);
            }
            DirectEvent::OpenFailed { association } => self.open_failed(now, Handle::Direct(association)),
            DirectEvent::Accepted { association, addresses, port } => {
                self.accepted(now, Handle::Direct(association), &addresses, port);
            }
            DirectEvent::Closed { association, reason } => self.closed(now, Handle::Direct(association), reason),
            DirectEvent::Undelivered { association, message } => {
                self.undelivered(now, Handle::Direct(association), message);
            }
            DirectEvent::Message { association, protocol, octets } => {
                self.message(now, Handle::Direct(association), protocol, &octets);
            }
        }
    }

    fn forget(&mut self, handle: Handle) -> Option<AssociationId> {
        let association = self.names.remove(&handle)?;
        self.handles.remove(&association);
        Some(association)
    }

    fn opened(&mut self, now: Instant, handle: Handle, addresses: &[IpAddr], port: u16) {
        if let Some(association) = self.names.get(&handle) {
            let peer = Endpoint { protocol: Protocol::Sctp, addresses, port };
            self.machine.handle(now, Input::Opened { association: *association, peer });
        }
    }

    fn open_failed(&mut self, now: Instant, handle: Handle) {
        if let Some(association) = self.forget(handle) {
            self.machine.handle(now, Input::OpenFailed { association });
        }
    }

    fn accepted(&mut self, now: Instant, handle: Handle, addresses: &[IpAddr], port: u16) {
        let association = AssociationId::accepted(self.next_accepted);
        self.next_accepted = self.next_accepted.wrapping_add(1);
        self.handles.insert(association, handle);
        self.names.insert(handle, association);
        let peer = Endpoint { protocol: Protocol::Sctp, addresses, port };
        self.machine.handle(now, Input::Accepted { association, peer });
    }

    fn closed(&mut self, now: Instant, handle: Handle, reason: CloseReason) {
        if let Some(association) = self.forget(handle) {
            self.machine.handle(now, Input::Closed { association, reason });
        }
    }

    fn undelivered(&mut self, now: Instant, handle: Handle, message: Undelivered) {
        if let Some(association) = self.names.get(&handle) {
            self.machine.handle(now, undelivered_on(*association, &message));
        }
    }

    fn message(&mut self, now: Instant, handle: Handle, protocol: PayloadProtocol, octets: &[u8]) {
        if let Some(association) = self.names.get(&handle) {
            self.machine.handle(now, Input::Message { association: *association, protocol, octets });
        }
    }

    /// Does what the machine wants; true if the application was told something.
    fn carry_out(&mut self, now: Instant, sockets: &mut impl Sockets, application: &mut impl Application<M>) -> bool {
        let mut is_news = false;
        let Self { machine, transport, ports, handles, names, failures, announcements, .. } = self;
        while let Some(action) = machine.poll_action() {
            match action {
                Action::Open { association, purpose, remote } => {
                    let handle = match sockets.open(purpose, remote) {
                        Opening::Direct(handle) => Some(Handle::Direct(handle)),
                        Opening::OverUdp => ports.open(now, transport, sockets, purpose, remote).map(Handle::Udp),
                        Opening::Failed => None,
                    };
                    match handle {
                        Some(handle) => {
                            handles.insert(association, handle);
                            names.insert(handle, association);
                        }
                        None => failures.push_back((association, Failure::Open)),
                    }
                }
                Action::Send { association, message } => {
                    let Some(handle) = handles.get(&association).copied() else { continue };
                    let sent = match handle {
                        Handle::Udp(handle) => transport.send(now, handle, &message),
                        Handle::Direct(handle) => sockets.send(handle, &message),
                    };
                    if sent == Err(SendError::BufferFull) {
                        // A message that is lost on an association that lives would never be missed.
                        let unsent = Undelivered::new(&message, Progress::Unsent);
                        handles.remove(&association);
                        names.remove(&handle);
                        abort(now, transport, sockets, handle, association, failures);
                        failures.push_back((association, Failure::Undelivered(unsent)));
                        failures.push_back((association, Failure::Full));
                    }
                }
                Action::Close { association } => {
                    if let Some(handle) = handles.remove(&association) {
                        names.remove(&handle);
                        match handle {
                            Handle::Udp(handle) => transport.close(now, handle),
                            Handle::Direct(handle) => _ = sockets.end(handle, CloseReason::Shutdown),
                        }
                    }
                }
                Action::Abort { association } => {
                    failures.retain(|(failed, _)| *failed != association);
                    if let Some(handle) = handles.remove(&association) {
                        names.remove(&handle);
                        abort(now, transport, sockets, handle, association, failures);
                    }
                }
                Action::Multicast { group, octets } => announcements.push_back((group, octets.to_vec())),
                Action::Event(event) => {
                    is_news = true;
                    application.event(now, event);
                }
                _ => {}
            }
        }
        is_news
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

/// Ends an association at once, and remembers what has not arrived.
fn abort(
    now: Instant,
    transport: &mut SctpOverUdp,
    sockets: &mut impl Sockets,
    handle: Handle,
    association: AssociationId,
    failures: &mut VecDeque<(AssociationId, Failure)>,
) {
    let undelivered = match handle {
        Handle::Udp(handle) => transport.abort(now, handle),
        Handle::Direct(handle) => sockets.end(handle, CloseReason::Aborted),
    };
    failures.extend(undelivered.into_iter().map(|message| (association, Failure::Undelivered(message))));
}

fn undelivered_on(association: AssociationId, undelivered: &Undelivered) -> Input<'_> {
    Input::Undelivered { association, message: undelivered.message(), progress: undelivered.progress() }
}
