//! A machine with its transport: all of an adapter but waiting, reading and writing. An adapter hands it datagrams and the
//! time, lets it work, and sends what it wants to be sent.
//!
//! ```text
//!   datagrams, time ──▶ SctpOverUdp ──▶ inputs ──▶ machine ──▶ actions ──▶ SctpOverUdp ──▶ datagrams
//!                                                     ▲    └── events ──▶ application
//!                                                     └────── commands ──────┘
//! ```

mod inbox;
mod ports;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};

use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, Input, Instant, Machine, MulticastGroup, OpenFailure,
    OutgoingMessage, Progress, Purpose, SendBuffer,
};

use self::inbox::Inbox;
use self::ports::Ports;
use crate::ENCAPSULATION_PORT;
use crate::config::SctpConfig;
use crate::delivery::Undelivered;
use crate::endpoint::{AssociationHandle, LocalPort, Reading, SctpOverUdp, SendError, SocketIndex, Transmit};
use crate::news::{Event, News};
use crate::tcp::TcpConfig;

/// How many rounds of events and commands there may be before sockets and timers have their turn.
const ROUNDS: usize = 64;

/// With how many events that the machine has not been told of nothing more is read.
pub const BACKLOG: usize = 1024;

/// What a node needs to know beside its machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// SCTP's parameters.
    pub sctp: SctpConfig,
    /// How long peers may take who speak ASAP over TCP.
    pub tcp: TcpConfig,
    /// The UDP port of peers of which nothing else is known. Default 9899.
    pub encapsulation_port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { sctp: SctpConfig::default(), tcp: TcpConfig::default(), encapsulation_port: ENCAPSULATION_PORT }
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
    /// For which purposes the machine opens its own associations from here. What comes in is for the first of them.
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

    /// Whether another message of an association is wanted now. If not, its messages wait, and if there are many, its peer
    /// has to wait as well. It is asked again whenever the adapter was woken. What a peer has sent before it is lost is lost
    /// with it, as far as it was not wanted.
    fn accepts(&self, _machine: &M, _association: AssociationId) -> bool {
        true
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
    /// On, and there is more to be said as soon as the machine has had carried out what was said now.
    Again,
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

    /// Opens an association that the sockets carry by themselves, if they do so for this purpose and protocol.
    fn open(&mut self, _now: Instant, _purpose: Purpose, _remote: Endpoint<'_>) -> Opening {
        Opening::OverUdp
    }

    /// Sends a message on such an association.
    ///
    /// # Errors
    ///
    /// The message was not taken.
    fn send(
        &mut self,
        _now: Instant,
        _association: DirectHandle,
        _message: &OutgoingMessage<'_>,
    ) -> Result<(), SendError> {
        Err(SendError::Closed)
    }

    /// Whether such an association takes more at the moment; `None` if that is told by events alone.
    fn send_buffer(&self, _association: DirectHandle) -> Option<SendBuffer> {
        None
    }

    /// Ends such an association, in order, or at once; then it gives what has not arrived. No event follows.
    fn end(&mut self, _now: Instant, _association: DirectHandle, _how: CloseReason) -> Vec<Undelivered> {
        Vec::new()
    }

    /// Says whether the messages of such an association are wanted. Some more may come all the same.
    fn set_reading(&mut self, _now: Instant, _association: DirectHandle, _reading: Reading) {}

    /// Whether no such association is left, those that are being closed included.
    fn is_closed(&self) -> bool {
        true
    }

    /// What has happened to such associations.
    fn poll_event(&mut self) -> Option<Event<DirectHandle>> {
        None
    }
}

/// Names an association that an adapter's sockets carry by themselves, as the kernel's SCTP and TCP do.
/// Numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DirectHandle(pub u64);

/// Who opens an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The sockets carry it themselves.
    Direct(DirectHandle),
    /// It is SCTP over UDP.
    OverUdp,
    /// Nobody can.
    Failed(OpenFailure),
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
    failures: VecDeque<(AssociationId, News)>,
    /// What was sent on associations that have ended, before the machine has been told so.
    refused: Vec<(AssociationId, Undelivered)>,
    /// What has come on associations whose messages are not wanted at the moment.
    inboxes: HashMap<Handle, Inbox>,
    /// Those of them that have not been looked at in this round.
    waiting: VecDeque<Handle>,
    /// How many octets wait in an inbox before the peer has to wait as well.
    inbox_size: usize,
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
    /// A node that listens nowhere yet. The secret must be random, see [`SctpOverUdp::new`].
    #[must_use]
    pub fn new(machine: M, options: &Options, secret: [u8; 16]) -> Self {
        Self {
            machine: Box::new(machine),
            transport: SctpOverUdp::new(options.sctp.clone(), secret),
            ports: Ports::new(options.encapsulation_port),
            handles: HashMap::new(),
            names: HashMap::new(),
            next_accepted: 0,
            failures: VecDeque::new(),
            refused: Vec::new(),
            inboxes: HashMap::new(),
            waiting: VecDeque::new(),
            inbox_size: options.sctp.receive_buffer,
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
        self.transport.listen(port, listen.purposes);
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

    /// Whether more has come than the machine has dealt with for a while. Nothing is to be read until it has: who sends too fast has
    /// to wait, or loses datagrams on the way.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.backlog() >= BACKLOG
    }

    /// How much has come that the machine has not been told of.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.transport.backlog()
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
        self.waiting.clear();
        self.waiting.extend(self.inboxes.keys());
        for _ in 0..ROUNDS {
            self.carry_out(now, sockets, application);
            let flow = application.commands(now, &mut *self.machine);
            // What the application hears now it has not had its say on.
            let is_news = self.carry_out(now, sockets, application);
            if matches!(flow, Flow::Pause | Flow::Stop) {
                return flow;
            }
            if !self.pass_on(now, sockets, application) && !is_news && flow != Flow::Again {
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
                Handle::Direct(handle) => _ = sockets.end(now, handle, CloseReason::Shutdown),
            }
        }
        self.handles.clear();
        self.names.clear();
        self.inboxes.clear();
        self.refused.clear();
        // Whatever a round had left, there is no machine to tell any more.
        self.unfinished = false;
        while self.transport.poll_event().is_some() {}
    }

    /// Whether no association is left.
    pub fn is_closed(&mut self, sockets: &mut impl Sockets) -> bool {
        while self.transport.poll_event().is_some() || sockets.poll_event().is_some() {}
        self.transport.is_empty() && sockets.is_closed()
    }

    /// Passes one event of the transport, or one failure, on to the machine; false if there is none.
    fn pass_on(&mut self, now: Instant, sockets: &mut impl Sockets, application: &impl Application<M>) -> bool {
        if let Some((association, news)) = self.failures.pop_front() {
            self.machine.handle(now, news.input(association));
            return true;
        }
        if let Some((handle, news)) = self.next_wanted(now, sockets, application) {
            self.tell(now, handle, &news);
            return true;
        }
        let (handle, news) = if let Some(Event { association, news }) = sockets.poll_event() {
            (Handle::Direct(association), news)
        } else if let Some(Event { association, news }) = self.transport.poll_event() {
            if let (News::Accepted(..), Some((peer, port))) = (&news, self.transport.peer(association)) {
                self.ports.learn(peer, port);
            }
            (Handle::Udp(association), news)
        } else {
            return false;
        };
        if let News::Accepted(..) = &news {
            let association = self.name_accepted();
            self.handles.insert(association, handle);
            self.names.insert(handle, association);
        }
        if let News::SendBuffer(state) = news {
            // It waits for nothing, and what was so when it happened may have changed.
            let state = self.send_buffer(sockets, handle).unwrap_or(state);
            self.tell(now, handle, &News::SendBuffer(state));
            return true;
        }
        let is_wanted = || match (&news, self.names.get(&handle)) {
            (News::Message { .. }, Some(association)) => application.accepts(&*self.machine, *association),
            _ => true,
        };
        if self.inboxes.contains_key(&handle) || !is_wanted() {
            self.keep(now, sockets, handle, news);
        } else {
            self.tell(now, handle, &news);
        }
        true
    }

    /// A name for an association that has come in. Numbers begin anew after 2^31 of them, so those that are in use are left out.
    fn name_accepted(&mut self) -> AssociationId {
        loop {
            let association = AssociationId::accepted(self.next_accepted);
            self.next_accepted = self.next_accepted.wrapping_add(1);
            if !self.is_in_use(association) {
                return association;
            }
        }
    }

    /// Whether the machine knows an association by this name, or is still to be told of one.
    fn is_in_use(&self, association: AssociationId) -> bool {
        self.handles.contains_key(&association)
            || self.failures.iter().any(|(failed, _)| *failed == association)
            || self.refused.iter().any(|(refused, _)| *refused == association)
    }

    /// Whether an association takes more at the moment, if that is known.
    fn send_buffer(&self, sockets: &impl Sockets, handle: Handle) -> Option<SendBuffer> {
        match handle {
            Handle::Udp(handle) => self.transport.send_buffer(handle),
            Handle::Direct(handle) => sockets.send_buffer(handle),
        }
    }

    /// Tells the machine which of the associations on which it has sent something take no more. The event of that is behind what has
    /// come before, and until then the machine would send more.
    fn tell_full(&mut self, now: Instant, sockets: &impl Sockets, sent: &[Handle]) {
        for handle in sent {
            if self.send_buffer(sockets, *handle) == Some(SendBuffer::Full) {
                self.tell(now, *handle, &News::SendBuffer(SendBuffer::Full));
            }
        }
    }

    /// Tells the machine what has happened to an association, if it knows it.
    fn tell(&mut self, now: Instant, handle: Handle, news: &News) {
        let Some(association) = self.names.get(&handle).copied() else { return };
        if news.is_the_end() {
            self.names.remove(&handle);
            self.handles.remove(&association);
            for (_, message) in self.refused.extract_if(.., |(refused, _)| *refused == association) {
                self.machine.handle(now, News::Undelivered(message).input(association));
            }
        }
        self.machine.handle(now, news.input(association));
    }

    /// Keeps what is not wanted at the moment. If that is much the peer has to wait.
    fn keep(&mut self, now: Instant, sockets: &mut impl Sockets, handle: Handle, news: News) {
        let inbox = self.inboxes.entry(handle).or_default();
        inbox.push(news);
        let octets = inbox.octets();
        if octets > self.inbox_size {
            self.set_reading(now, sockets, handle, Reading::Paused);
        }
        // A transport that cannot have its peer wait, or a peer that has waited for very long.
        if octets > 4 * self.inbox_size {
            self.inboxes.remove(&handle);
            if let Some(association) = self.names.remove(&handle) {
                self.handles.remove(&association);
                let Self { transport, failures, .. } = self;
                abort(now, transport, sockets, handle, association, failures);
                failures.push_back((association, News::Closed(CloseReason::Lost)));
            }
        }
    }

    fn set_reading(&mut self, now: Instant, sockets: &mut impl Sockets, handle: Handle, reading: Reading) {
        match handle {
            Handle::Udp(handle) => self.transport.set_reading(handle, reading),
            Handle::Direct(handle) => sockets.set_reading(now, handle, reading),
        }
    }

    /// The next of what was kept that is wanted now.
    fn next_wanted(
        &mut self,
        now: Instant,
        sockets: &mut impl Sockets,
        application: &impl Application<M>,
    ) -> Option<(Handle, News)> {
        while let Some(handle) = self.waiting.pop_front() {
            let Some(inbox) = self.inboxes.get_mut(&handle) else { continue };
            if !self.names.get(&handle).is_none_or(|association| application.accepts(&*self.machine, *association)) {
                continue;
            }
            let before = inbox.octets();
            let news = inbox.pop();
            let (after, mark) = (inbox.octets(), self.inbox_size / 2);
            if inbox.is_empty() {
                self.inboxes.remove(&handle);
            } else {
                self.waiting.push_back(handle);
            }
            if before > mark && after <= mark {
                self.set_reading(now, sockets, handle, Reading::On);
            }
            if let Some(news) = news {
                return Some((handle, news));
            }
        }
        None
    }

    /// Does what the machine wants; true if the application was told something.
    fn carry_out(&mut self, now: Instant, sockets: &mut impl Sockets, application: &mut impl Application<M>) -> bool {
        let mut is_news = false;
        let mut sent_on = Vec::new();
        let Self { machine, transport, ports, handles, names, failures, refused, inboxes, announcements, .. } = self;
        while let Some(action) = machine.poll_action() {
            match action {
                Action::Open { association, purpose, remote } => {
                    let opened = match sockets.open(now, purpose, remote) {
                        Opening::Direct(handle) => Ok(Handle::Direct(handle)),
                        Opening::OverUdp => ports.open(now, transport, sockets, purpose, remote).map(Handle::Udp),
                        Opening::Failed(reason) => Err(reason),
                    };
                    match opened {
                        Ok(handle) => {
                            handles.insert(association, handle);
                            names.insert(handle, association);
                        }
                        Err(reason) => failures.push_back((association, News::OpenFailed(reason))),
                    }
                }
                Action::Send { association, message } => {
                    let Some(handle) = handles.get(&association).copied() else { continue };
                    let sent = match handle {
                        Handle::Udp(handle) => transport.send(now, handle, &message),
                        Handle::Direct(handle) => sockets.send(now, handle, &message),
                    };
                    if !sent_on.contains(&handle) {
                        sent_on.push(handle);
                    }
                    if sent == Err(SendError::Closed) {
                        // The machine is told of the end as soon as it has its turn, and before that what did not go out.
                        refused.push((association, Undelivered::new(&message, Progress::Unsent)));
                    }
                    if sent == Err(SendError::BufferFull) {
                        // A message that is lost on an association that lives would never be missed.
                        let unsent = Undelivered::new(&message, Progress::Unsent);
                        handles.remove(&association);
                        names.remove(&handle);
                        inboxes.remove(&handle);
                        abort(now, transport, sockets, handle, association, failures);
                        failures.push_back((association, News::Undelivered(unsent)));
                        failures.push_back((association, News::Closed(CloseReason::Lost)));
                    }
                }
                Action::Close { association } => {
                    refused.retain(|(refused, _)| *refused != association);
                    if let Some(handle) = handles.remove(&association) {
                        names.remove(&handle);
                        inboxes.remove(&handle);
                        match handle {
                            Handle::Udp(handle) => transport.close(now, handle),
                            Handle::Direct(handle) => _ = sockets.end(now, handle, CloseReason::Shutdown),
                        }
                    }
                }
                Action::Abort { association } => {
                    failures.retain(|(failed, _)| *failed != association);
                    if let Some(handle) = handles.remove(&association) {
                        names.remove(&handle);
                        inboxes.remove(&handle);
                        abort(now, transport, sockets, handle, association, failures);
                    }
                    let unsent = refused.extract_if(.., |(refused, _)| *refused == association);
                    failures.extend(unsent.map(|(association, message)| (association, News::Undelivered(message))));
                }
                Action::Multicast { group, octets } => announcements.push_back((group, octets.to_vec())),
                Action::Event(event) => {
                    is_news = true;
                    application.event(now, event);
                }
                _ => {}
            }
        }
        self.tell_full(now, sockets, &sent_on);
        is_news
    }
}

/// Ends an association at once, and remembers what has not arrived.
fn abort(
    now: Instant,
    transport: &mut SctpOverUdp,
    sockets: &mut impl Sockets,
    handle: Handle,
    association: AssociationId,
    failures: &mut VecDeque<(AssociationId, News)>,
) {
    let undelivered = match handle {
        Handle::Udp(handle) => transport.abort(now, handle),
        Handle::Direct(handle) => sockets.end(now, handle, CloseReason::Aborted),
    };
    failures.extend(undelivered.into_iter().map(|message| (association, News::Undelivered(message))));
}
