//! TCP sockets, on which users speak ASAP with registrars.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rserpool::{CloseReason, Endpoint, Instant, OutgoingMessage};
use rserpool_transport::{
    DirectHandle, Event, Limits, Reading, SendError, SocketIndex, TcpConfig, TcpConnection, TcpState,
};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

/// Numbers of TCP connections have this bit, those of the kernel's SCTP have not.
const MARK: u64 = 1 << 63;
/// How many octets are read at a time.
const PIECE: usize = 16 * 1024;
/// How often a socket is read before others have their turn.
const BURST: usize = 16;
/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;
/// When to try again if the operating system has no room for another connection.
const RETRY: Duration = Duration::from_millis(100);
/// How often a silent peer is asked whether it is still there, and how many times.
const PROBES: (Duration, u32) = (Duration::from_secs(2), 5);

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    machine: TcpConnection,
    /// The number of the socket.
    socket: SocketIndex,
    /// Where the peer is, if it has come by itself.
    from: Option<IpAddr>,
    /// Its place among the deadlines.
    deadline: Option<Instant>,
    /// Whether it is among those that may have news.
    is_listed: bool,
    /// Whether there may be something to read that was not wanted.
    is_unread: bool,
    /// Whether our side of the stream has been ended.
    is_finished: bool,
}

/// Who has begun a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Ours,
    Theirs,
}

/// All TCP sockets of a process.
#[derive(Debug)]
pub(crate) struct Tcp {
    config: TcpConfig,
    limits: Limits,
    connections: HashMap<DirectHandle, Connection>,
    next: u64,
    /// How many have come in, by address.
    from: HashMap<IpAddr, usize>,
    deadlines: BTreeSet<(Instant, DirectHandle)>,
    /// Those that have something to tell, or had.
    news: VecDeque<DirectHandle>,
    /// Those that have something to write, or had.
    to_write: VecDeque<DirectHandle>,
    /// Sockets that have to be read, whatever the operating system says.
    to_read: Vec<SocketIndex>,
    /// Listening sockets that could not accept, by number.
    waiting: Vec<SocketIndex>,
    retry: Option<Instant>,
    /// Numbers of sockets that are closed.
    free: Vec<SocketIndex>,
}

/// Whether an association is a TCP connection.
pub(crate) const fn is_tcp(association: DirectHandle) -> bool {
    association.0 & MARK != 0
}

/// Has a socket listen.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A registrar that is started again has its address at once.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Tcp {
    pub(crate) fn new(config: TcpConfig, limits: Limits) -> Self {
        Self {
            config,
            limits,
            connections: HashMap::new(),
            next: MARK,
            from: HashMap::new(),
            deadlines: BTreeSet::new(),
            news: VecDeque::new(),
            to_write: VecDeque::new(),
            to_read: Vec::new(),
            waiting: Vec::new(),
            retry: None,
            free: Vec::new(),
        }
    }

    /// A number for a socket that another one has had.
    pub(crate) fn free_socket(&self) -> Option<SocketIndex> {
        self.free.last().copied()
    }

    /// Begins a connection.
    pub(crate) fn connect(&self, remote: Endpoint<'_>) -> io::Result<(TcpStream, SocketAddr)> {
        let address = remote.addresses.first().ok_or(ErrorKind::AddrNotAvailable)?;
        let address = SocketAddr::new(*address, remote.port);
        if self.connections.len() >= self.limits.associations {
            return Err(io::Error::other("there are too many connections"));
        }
        Ok((mio::net::TcpStream::connect(address)?.into(), address))
    }

    /// The next connection that comes in at a listening socket, or none for now.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        socket: SocketIndex,
        listener: &TcpListener,
    ) -> Option<(TcpStream, SocketAddr)> {
        loop {
            let (stream, peer) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => continue,
                Err(error) => {
                    tracing::warn!(%error, "a TCP connection cannot be accepted");
                    self.waiting.push(socket);
                    self.retry.get_or_insert(now + RETRY);
                    return None;
                }
            };
            let from_there = self.from.get(&peer.ip()).copied().unwrap_or(0);
            let is_room = self.connections.len() < self.limits.associations;
            if is_room && from_there < self.limits.associations_per_address && stream.set_nonblocking(true).is_ok() {
                return Some((stream, peer));
            }
            tracing::debug!(%peer, "there are too many TCP connections");
        }
    }

    /// Adds a connection.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        socket: SocketIndex,
        stream: TcpStream,
        peer: SocketAddr,
        origin: Origin,
    ) -> DirectHandle {
        self.free.pop_if(|free| *free == socket);
        let (machine, from) = match origin {
            Origin::Ours => (TcpConnection::opening(now, peer, self.config), None),
            Origin::Theirs => (TcpConnection::accepted(now, peer, self.config), Some(peer.ip())),
        };
        if let Some(from) = from {
            *self.from.entry(from).or_default() += 1;
        }
        let (interval, times) = PROBES;
        let probes =
            TcpKeepalive::new().with_time(self.config.keep_alive_time).with_interval(interval).with_retries(times);
        let options = SockRef::from(&stream);
        // Without, peers that have vanished are noticed later.
        let _ = options.set_tcp_keepalive(&probes);
        // Messages are written as a whole.
        let _ = options.set_tcp_nodelay(true);
        let handle = DirectHandle(self.next);
        self.next += 1;
        let connection = Connection {
            stream,
            machine,
            socket,
            from,
            deadline: None,
            is_listed: false,
            is_unread: false,
            is_finished: false,
        };
        self.connections.insert(handle, connection);
        self.look_after(handle);
        handle
    }

    /// To be called when something has become of a connection: it may have news or another deadline, or be over.
    fn look_after(&mut self, handle: DirectHandle) {
        let Some(connection) = self.connections.get_mut(&handle) else { return };
        let deadline = connection.machine.poll_timeout();
        if deadline != connection.deadline {
            if let Some(old) = std::mem::replace(&mut connection.deadline, deadline) {
                self.deadlines.remove(&(old, handle));
            }
            self.deadlines.extend(deadline.map(|at| (at, handle)));
        }
        if connection.machine.state() == TcpState::Finishing && !connection.is_finished {
            connection.is_finished = true;
            if connection.stream.shutdown(Shutdown::Write).is_err() {
                connection.machine.handle_failure();
            }
        }
        if connection.is_unread && connection.machine.wants_octets() {
            connection.is_unread = false;
            self.to_read.push(connection.socket);
        }
        if connection.machine.has_news() && !connection.is_listed {
            connection.is_listed = true;
            self.news.push_back(handle);
        }
        if connection.machine.is_over()
            && let Some(connection) = self.connections.remove(&handle)
        {
            if let Some(old) = connection.deadline {
                self.deadlines.remove(&(old, handle));
            }
            if let Some(from) = connection.from
                && let Some(count) = self.from.get_mut(&from)
            {
                *count -= 1;
                if *count == 0 {
                    self.from.remove(&from);
                }
            }
            self.free.push(connection.socket);
        }
    }

    /// A socket can be read, or written again. True if there may be more to be read.
    pub(crate) fn receive(&mut self, now: Instant, handle: DirectHandle, buffer: &mut [u8]) -> bool {
        let Some(Connection { stream, machine, .. }) = self.connections.get_mut(&handle) else { return false };
        if machine.is_opening() {
            match stream.take_error() {
                Ok(None) if stream.peer_addr().is_ok() => machine.handle_connected(),
                Ok(None) => {}
                Ok(Some(error)) | Err(error) => {
                    tracing::debug!(%error, "a TCP connection has not come to be");
                    machine.handle_failure();
                }
            }
        }
        self.write(now, handle);
        let Some(Connection { stream, machine, is_unread, .. }) = self.connections.get_mut(&handle) else {
            return false;
        };
        let buffer = buffer.get_mut(..PIECE).unwrap_or_default();
        let mut may_be_more = true;
        for _ in 0..BURST {
            if !machine.wants_octets() {
                *is_unread = true;
                may_be_more = false;
                break;
            }
            match stream.read(buffer) {
                Ok(0) => machine.handle_end(now),
                Ok(count) => machine.handle_octets(now, buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    may_be_more = false;
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::debug!(%error, "a TCP connection is broken");
                    machine.handle_failure();
                }
            }
        }
        self.look_after(handle);
        may_be_more
    }

    /// Writes what there is to be written, as far as the socket takes it.
    fn write(&mut self, now: Instant, handle: DirectHandle) {
        let Some(Connection { stream, machine, .. }) = self.connections.get_mut(&handle) else { return };
        while !machine.output().is_empty() {
            match stream.write(machine.output()) {
                Ok(count) => machine.handle_written(now, count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::debug!(%error, "a TCP connection is broken");
                    machine.handle_failure();
                }
            }
        }
        self.look_after(handle);
    }

    /// Writes what has been sent.
    pub(crate) fn transmit(&mut self, now: Instant) {
        while let Some(handle) = self.to_write.pop_front() {
            self.write(now, handle);
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// The message was not taken.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        handle: DirectHandle,
        message: &OutgoingMessage<'_>,
    ) -> Result<(), SendError> {
        let connection = self.connections.get_mut(&handle).ok_or(SendError::Closed)?;
        connection.machine.send(now, message)?;
        if self.to_write.back() != Some(&handle) {
            self.to_write.push_back(handle);
        }
        self.look_after(handle);
        Ok(())
    }

    /// Closes a connection in order, or ends it at once.
    pub(crate) fn end(&mut self, now: Instant, handle: DirectHandle, how: CloseReason) {
        let Some(connection) = self.connections.get_mut(&handle) else { return };
        if how == CloseReason::Shutdown {
            connection.machine.close(now);
            self.to_write.push_back(handle);
        } else {
            // The peer is told: what it sends now is answered with a reset.
            let _ = SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO));
            connection.machine.abort();
        }
        self.look_after(handle);
    }

    /// Says whether messages are wanted.
    pub(crate) fn set_reading(&mut self, now: Instant, handle: DirectHandle, reading: Reading) {
        if let Some(connection) = self.connections.get_mut(&handle) {
            connection.machine.set_reading(now, reading);
            self.look_after(handle);
        }
    }

    /// A socket that has to be read, whatever the operating system says.
    pub(crate) fn poll_to_read(&mut self) -> Option<SocketIndex> {
        self.to_read.pop()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// What has happened.
    pub(crate) fn poll_event(&mut self) -> Option<Event<DirectHandle>> {
        while let Some(handle) = self.news.front().copied() {
            let connection = self.connections.get_mut(&handle);
            if let Some(news) = connection.and_then(|connection| connection.machine.poll_news()) {
                if news.is_the_end() {
                    self.look_after(handle);
                }
                return Some(Event { association: handle, news });
            }
            self.news.pop_front();
            if let Some(connection) = self.connections.get_mut(&handle) {
                connection.is_listed = false;
            }
            self.look_after(handle);
        }
        None
    }

    /// When to call [`Self::handle_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at).into_iter().chain(self.retry).min()
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, handle)) = self.deadlines.first().copied()
            && at <= now
        {
            self.deadlines.remove(&(at, handle));
            if let Some(connection) = self.connections.get_mut(&handle) {
                connection.deadline = None;
                connection.machine.handle_timeout(now);
            }
            self.look_after(handle);
        }
        if self.retry.is_some_and(|at| at <= now) {
            self.retry = None;
            self.to_read.append(&mut self.waiting);
        }
    }
}
