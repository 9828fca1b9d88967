//! The sockets of an adapter: binding, waiting, reading in bursts, learning what could not be delivered, and the multicast
//! groups of announcements. A [`Host`] is a machine on top of them.

mod host;
#[cfg(target_os = "linux")]
mod kernel;
mod multicast;
mod readiness;
mod tcp;
#[cfg(target_os = "linux")]
mod unreachable;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use mio::Interest;
use rserpool::{
    CloseReason, Endpoint, Instant, MulticastGroup, OpenFailure, OutgoingMessage, Protocol, Purpose, SendBuffer,
};
use rserpool_transport::{
    BACKLOG, DirectHandle, Event, Node, Opening, Options, Reading, SctpConfig, SendError, SocketIndex, Undelivered,
};

pub use self::host::Host;
use self::multicast::Groups;
pub use self::multicast::MulticastOptions;
use self::readiness::Readiness;
pub use self::readiness::Waker;
use self::tcp::{Origin, Tcp, is_tcp};

/// The largest datagram that UDP can carry.
const DATAGRAM: usize = 65_535;

/// How many datagrams are read from one socket before the others and the timers have their turn.
const BURST: usize = 256;

/// A socket, and what it is for.
#[derive(Debug)]
enum Source {
    /// SCTP over UDP.
    Udp(UdpSocket),
    /// Announcements.
    Group(UdpSocket, MulticastGroup),
    /// TCP connections that come in.
    Listener(TcpListener),
    /// A TCP connection.
    Stream(DirectHandle),
    /// One of the kernel's SCTP, by its place there.
    #[cfg(target_os = "linux")]
    Kernel(usize),
}

/// Sockets, by their numbers.
#[derive(Debug)]
pub struct Sockets {
    readiness: Readiness,
    sources: Vec<Source>,
    #[cfg(target_os = "linux")]
    kernel: Option<kernel::KernelSctp>,
    tcp: Tcp,
    /// Where multicast datagrams are sent from and to.
    groups: Groups,
    buffer: Box<[u8]>,
}

impl rserpool_transport::Sockets for Sockets {
    /// Binds a socket, or finds the one that is bound there already.
    fn bind(&mut self, address: SocketAddr) -> io::Result<SocketIndex> {
        let is_there = |source: &Source| match source {
            Source::Udp(socket) => address.port() != 0 && socket.local_addr().is_ok_and(|local| local == address),
            _ => false,
        };
        if let Some(index) = self.sources.iter().position(is_there) {
            return Ok(SocketIndex(index));
        }
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        #[cfg(target_os = "linux")]
        unreachable::enable(&socket);
        self.add(Source::Udp(socket))
    }

    fn local_address(&self, index: SocketIndex) -> Option<SocketAddr> {
        match self.sources.get(index.0)? {
            Source::Udp(socket) | Source::Group(socket, _) => socket.local_addr().ok(),
            Source::Listener(socket) => socket.local_addr().ok(),
            Source::Stream(_) => None,
            #[cfg(target_os = "linux")]
            Source::Kernel(_) => None,
        }
    }

    fn open(&mut self, now: Instant, purpose: Purpose, remote: Endpoint<'_>) -> Opening {
        if remote.protocol == Protocol::Tcp {
            // Users ask registrars so; registrars and elements speak SCTP only (RFC 5352 §2.1).
            return match purpose {
                Purpose::Asap => self.connect(now, remote).map_or_else(Opening::Failed, Opening::Direct),
                _ => Opening::Failed(OpenFailure::Unsupported),
            };
        }
        #[cfg(target_os = "linux")]
        if let Some(kernel) = &mut self.kernel {
            let opened = kernel.open(purpose, remote);
            return match (self.watch_kernel(), opened) {
                (Ok(()), Ok(handle)) => Opening::Direct(handle),
                (Ok(()), Err(reason)) => Opening::Failed(reason),
                (Err(_), _) => Opening::Failed(OpenFailure::Local),
            };
        }
        Opening::OverUdp
    }

    fn send(
        &mut self,
        now: Instant,
        association: DirectHandle,
        message: &OutgoingMessage<'_>,
    ) -> Result<(), SendError> {
        if is_tcp(association) {
            return self.tcp.send(now, association, message);
        }
        #[cfg(target_os = "linux")]
        if let Some(kernel) = &mut self.kernel {
            return kernel.send(association, message);
        }
        Err(SendError::Closed)
    }

    fn send_buffer(&self, association: DirectHandle) -> Option<SendBuffer> {
        #[cfg(target_os = "linux")]
        if let Some(kernel) = self.kernel.as_ref().filter(|_| !is_tcp(association)) {
            return kernel.send_buffer(association);
        }
        let _ = association;
        None
    }

    fn end(&mut self, now: Instant, association: DirectHandle, how: CloseReason) -> Vec<Undelivered> {
        if is_tcp(association) {
            self.tcp.end(now, association, how);
        }
        #[cfg(target_os = "linux")]
        if let Some(kernel) = self.kernel.as_mut().filter(|_| !is_tcp(association)) {
            return kernel.end(association, how);
        }
        Vec::new()
    }

    fn set_reading(&mut self, now: Instant, association: DirectHandle, reading: Reading) {
        if is_tcp(association) {
            self.tcp.set_reading(now, association, reading);
            return;
        }
        #[cfg(target_os = "linux")]
        {
            let to_read = self.kernel.as_mut().and_then(|kernel| kernel.set_reading(association, reading));
            // What cannot be waited for is noticed by its peer.
            let _ = self.watch_kernel();
            if let Some(index) = to_read.and_then(|place| self.kernel_index(place)) {
                self.readiness.push(index);
            }
        }
    }

    fn is_closed(&self) -> bool {
        #[cfg(target_os = "linux")]
        let is_closed = self.kernel.as_ref().is_none_or(kernel::KernelSctp::is_empty);
        #[cfg(not(target_os = "linux"))]
        let is_closed = true;
        is_closed && self.tcp.is_empty()
    }

    fn poll_event(&mut self) -> Option<Event<DirectHandle>> {
        #[cfg(target_os = "linux")]
        if let Some(event) = self.kernel.as_mut().and_then(kernel::KernelSctp::poll_event) {
            return Some(event);
        }
        self.tcp.poll_event()
    }
}

impl Sockets {
    /// No sockets yet.
    ///
    /// # Errors
    ///
    /// The operating system has no means to wait for sockets.
    pub fn new(options: &Options) -> io::Result<Self> {
        Ok(Self {
            readiness: Readiness::new()?,
            sources: Vec::new(),
            #[cfg(target_os = "linux")]
            kernel: None,
            tcp: Tcp::new(options.tcp, options.sctp.limits),
            groups: Groups::default(),
            buffer: vec![0; DATAGRAM].into_boxed_slice(),
        })
    }

    /// Something with which other threads end a [`Self::wait`].
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.readiness.waker()
    }

    /// From now on a [`Self::wait`] ends as well when this descriptor of the application's becomes readable. It is told once each
    /// time, until the descriptor is closed.
    ///
    /// # Errors
    ///
    /// The operating system refuses.
    pub fn watch(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.readiness.watch(descriptor)
    }

    /// Waits until there is something to read, a wake-up comes, or the time is over.
    ///
    /// # Errors
    ///
    /// The operating system refuses.
    pub fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.readiness.wait(limit)
    }

    /// Whether there is something to read, as far as is known.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.readiness.len() > 0
    }

    /// Adds a source, and waits for it from now on.
    fn add(&mut self, source: Source) -> io::Result<SocketIndex> {
        let index = SocketIndex(self.sources.len());
        let socket = match &source {
            Source::Udp(socket) | Source::Group(socket, _) => Some(socket.as_fd()),
            Source::Listener(listener) => Some(listener.as_fd()),
            // They are waited for by those who make them.
            Source::Stream(_) => None,
            #[cfg(target_os = "linux")]
            Source::Kernel(_) => None,
        };
        if let Some(socket) = socket {
            self.readiness.add(socket, index, Interest::READABLE)?;
        }
        self.sources.push(source);
        Ok(index)
    }

    /// Accepts TCP connections, for ASAP with users, and returns the address they come to.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    pub fn listen_tcp(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = tcp::listen(address)?;
        let address = listener.local_addr()?;
        self.add(Source::Listener(listener))?;
        Ok(address)
    }

    fn connect(&mut self, now: Instant, remote: Endpoint<'_>) -> Result<DirectHandle, OpenFailure> {
        let connected = self.tcp.connect(remote);
        connected.and_then(|(stream, peer)| self.adopt(now, stream, peer, Origin::Ours)).map_err(|error| {
            tracing::debug!(%remote, %error, "cannot open a TCP connection");
            open_failure(&error)
        })
    }

    /// Accepts what has come to a listening socket. True if there may be more.
    fn accept(&mut self, now: Instant, listening: SocketIndex) -> bool {
        for _ in 0..BURST {
            let Some(Source::Listener(listener)) = self.sources.get(listening.0) else { return false };
            let Some((stream, peer)) = self.tcp.accept(now, listening, listener) else { return false };
            // One that cannot be waited for is closed.
            let _ = self.adopt(now, stream, peer, Origin::Theirs);
        }
        true
    }

    /// Gives a TCP connection a place, and waits for it from now on.
    fn adopt(&mut self, now: Instant, stream: TcpStream, peer: SocketAddr, origin: Origin) -> io::Result<DirectHandle> {
        let index = self.tcp.free_socket().unwrap_or(SocketIndex(self.sources.len()));
        self.readiness.add(stream.as_fd(), index, Interest::READABLE | Interest::WRITABLE)?;
        let handle = self.tcp.add(now, index, stream, peer, origin);
        match self.sources.get_mut(index.0) {
            Some(source) => *source = Source::Stream(handle),
            None => self.sources.push(Source::Stream(handle)),
        }
        Ok(handle)
    }

    /// From now on associations are the kernel's.
    ///
    /// # Errors
    ///
    /// It has no SCTP.
    #[cfg(target_os = "linux")]
    pub fn use_kernel(&mut self, config: &SctpConfig) -> io::Result<()> {
        kernel::KernelSctp::probe()?;
        self.kernel = Some(kernel::KernelSctp::new(config.clone()));
        Ok(())
    }

    /// Accepts associations of the kernel's SCTP at addresses and a port, and opens them from there for these purposes.
    ///
    /// # Errors
    ///
    /// The kernel's SCTP is not in use, or the addresses cannot be had.
    #[cfg(target_os = "linux")]
    pub fn listen_kernel(&mut self, addresses: &[IpAddr], port: u16, purposes: &[Purpose]) -> io::Result<()> {
        let kernel = self.kernel.as_mut().ok_or_else(|| io::Error::other("the kernel's SCTP is not in use"))?;
        kernel.listen(addresses, port, purposes)?;
        self.watch_kernel()
    }

    /// The kernel's sockets are waited for like the others.
    #[cfg(target_os = "linux")]
    fn watch_kernel(&mut self) -> io::Result<()> {
        while let Some(place) = self.kernel.as_mut().and_then(kernel::KernelSctp::poll_new) {
            let index = match self.kernel_index(place) {
                Some(index) => index,
                None => self.add(Source::Kernel(place))?,
            };
            if let Some(socket) = self.kernel.as_ref().and_then(|kernel| kernel.socket(place)) {
                self.readiness.add(socket.as_fd(), index, Interest::READABLE | Interest::WRITABLE)?;
            }
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn kernel_index(&self, place: usize) -> Option<SocketIndex> {
        let is_it = |source: &Source| matches!(source, Source::Kernel(there) if *there == place);
        self.sources.iter().position(is_it).map(SocketIndex)
    }

    /// Joins the multicast groups of announcements, to hear them and to send them.
    ///
    /// # Errors
    ///
    /// A group cannot be joined.
    pub fn join(&mut self, options: &MulticastOptions) -> io::Result<()> {
        for (group, address) in options.groups() {
            let socket = multicast::listen(address, options)?;
            socket.set_nonblocking(true)?;
            self.add(Source::Group(socket, group))?;
        }
        self.groups = Groups::new(options)?;
        Ok(())
    }

    /// Reads what has come to the sockets, from each up to a limit, and what could not be delivered, and hands it to a node.
    ///
    /// # Errors
    ///
    /// A socket cannot be used any more.
    pub fn receive<M: rserpool::Machine>(&mut self, now: Instant, node: &mut Node<M>) -> io::Result<()> {
        for _ in 0..self.readiness.len() {
            if self.is_behind(node) {
                break;
            }
            let Some(index) = self.readiness.pop() else { break };
            if self.receive_from(now, index, node)? {
                self.readiness.push(index);
            }
        }
        Ok(())
    }

    /// Whether there is enough to do already.
    fn is_behind<M: rserpool::Machine>(&self, node: &Node<M>) -> bool {
        #[cfg(target_os = "linux")]
        let kernel = self.kernel.as_ref().map_or(0, kernel::KernelSctp::backlog);
        #[cfg(not(target_os = "linux"))]
        let kernel = 0;
        kernel >= BACKLOG || node.is_behind()
    }

    /// Reads what has come to a socket. True if there may be more.
    fn receive_from<M: rserpool::Machine>(
        &mut self,
        now: Instant,
        index: SocketIndex,
        node: &mut Node<M>,
    ) -> io::Result<bool> {
        let (socket, group) = match self.sources.get(index.0) {
            Some(Source::Udp(socket)) => (socket, None),
            Some(Source::Group(socket, group)) => (socket, Some(*group)),
            Some(Source::Listener(_)) => return Ok(self.accept(now, index)),
            Some(Source::Stream(handle)) => return Ok(self.tcp.receive(now, *handle, &mut self.buffer)),
            #[cfg(target_os = "linux")]
            Some(Source::Kernel(place)) => {
                return self.kernel.as_mut().map_or(Ok(false), |kernel| kernel.receive(*place));
            }
            None => return Ok(false),
        };
        #[cfg(target_os = "linux")]
        for _ in 0..BURST {
            let Some((to, length)) = unreachable::next(socket, &mut self.buffer) else { break };
            node.handle_unreachable(now, index, to, self.buffer.get(..length).unwrap_or_default());
        }
        for _ in 0..BURST {
            if node.is_behind() {
                return Ok(true);
            }
            match socket.recv_from(&mut self.buffer) {
                Ok((length, from)) => {
                    let octets = self.buffer.get(..length).unwrap_or_default();
                    match group {
                        None => node.handle_datagram(now, index, from, octets),
                        Some(group) => node.handle_announcement(now, group, from, octets),
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                // A datagram sent before could not be delivered: the error queue says which.
                Err(error) if is_peers_fault(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Sends all that a node wants to be sent. What cannot be sent is lost, as it may be on its way: SCTP repeats it, and
    /// announcements come again.
    pub fn transmit<M: rserpool::Machine>(&mut self, now: Instant, node: &mut Node<M>) {
        while let Some(transmit) = node.poll_transmit() {
            if let Some(Source::Udp(socket)) = self.sources.get(transmit.socket.0) {
                send(socket, transmit.to, &transmit.octets);
            }
        }
        while let Some((group, octets)) = node.poll_announcement() {
            self.groups.send(group, &octets);
        }
        self.tcp.transmit(now);
        while let Some(index) = self.tcp.poll_to_read() {
            self.readiness.push(index);
        }
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.tcp.poll_timeout()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.tcp.handle_timeout(now);
    }
}

impl AsFd for Sockets {
    /// What is readable as soon as [`Self::wait`] would not wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readiness.as_fd()
    }
}

/// The first attempt may report an earlier datagram's error in place of sending.
fn send(socket: &UdpSocket, to: SocketAddr, octets: &[u8]) {
    if socket.send_to(octets, to).is_err_and(|error| is_peers_fault(&error)) {
        let _ = socket.send_to(octets, to);
    }
}

/// Whether an error is news of an earlier datagram, and says nothing about the socket.
fn is_peers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::Interrupted
    )
}

/// Whose fault it is that an association cannot be opened.
pub(crate) fn open_failure(error: &io::Error) -> OpenFailure {
    if is_peers_fault(error) { OpenFailure::Unreachable } else { OpenFailure::Local }
}

/// The address from which anything may be sent, of the family of another one.
pub(crate) const fn any(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}
