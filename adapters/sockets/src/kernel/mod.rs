//! The kernel's SCTP (RFC 6458): one-to-many sockets that do not block, with several addresses each, and associations by
//! number.

mod notification;
mod options;
mod queue;
mod sys;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use rserpool::wire::PayloadProtocol;
use rserpool::{CloseReason, Delivery, Endpoint, Failover, OpenFailure, OutgoingMessage, Purpose, SendBuffer};
use rserpool_transport::{DirectHandle, Event, News, Peer, Reading, SctpConfig, SendError, Undelivered};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use self::notification::{Notification, Number, received_info, send_info};
use self::queue::{Item, Queue};

/// The largest piece of a message that is read at a time.
const BUFFER: usize = 64 * 1024;
/// How many pieces are read from one socket before others have their turn.
const BURST: usize = 256;
/// How many associations may wait to be accepted.
const BACKLOG: i32 = 1024;

/// SCTP_SNDINFO, a control message.
const SNDINFO: i32 = 2;
/// Flags that end an association.
const ABORT: u16 = 4;
const EOF: u16 = 0x200;
/// In a message's context: whether it may go to another element.
const FAILOVER_FORBIDDEN: u32 = 1;

struct Bound {
    /// None if it was for one association only, which has ended.
    socket: Option<Socket>,
    /// Whether what comes is wanted.
    reading: Reading,
    purposes: Vec<Purpose>,
    is_v4: bool,
    lease: Lease,
}

/// How many associations a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lease {
    /// As many as there are.
    Many,
    /// One for a purpose, which it has.
    Taken(Purpose),
    /// One for a purpose, which it has not at the moment.
    Free(Purpose),
    /// One that came in at another socket, and makes its peer wait: it ends with it.
    PeeledOff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Opening,
    Open,
    /// Being closed by us: nobody wants to hear of its end.
    Closing,
}

/// All SCTP sockets of a process.
pub(crate) struct KernelSctp {
    endpoints: Vec<Bound>,
    config: SctpConfig,
    associations: HashMap<(usize, Number), (DirectHandle, Standing)>,
    by_handle: HashMap<DirectHandle, (usize, Number)>,
    /// Parts of messages that are not whole yet.
    parts: HashMap<(usize, Number), Vec<u8>>,
    /// Which of a peer's addresses is to be used as long as it can be, by the association that is being opened to it.
    primaries: HashMap<DirectHandle, SocketAddr>,
    /// What the kernel has no room for.
    queues: HashMap<(usize, Number), Queue>,
    /// Sockets that nobody waits for yet.
    new: VecDeque<usize>,
    events: VecDeque<Event<DirectHandle>>,
    next: u64,
    buffer: Box<[u8]>,
}

impl std::fmt::Debug for KernelSctp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KernelSctp").field("associations", &self.associations.len()).finish_non_exhaustive()
    }
}

fn open(domain: Domain) -> io::Result<Socket> {
    Socket::new(domain, Type::from(libc::SOCK_SEQPACKET), Some(Protocol::from(sys::SCTP)))
}

impl KernelSctp {
    /// No sockets yet.
    pub(crate) fn new(config: SctpConfig) -> Self {
        Self {
            endpoints: Vec::new(),
            config,
            associations: HashMap::new(),
            by_handle: HashMap::new(),
            parts: HashMap::new(),
            primaries: HashMap::new(),
            queues: HashMap::new(),
            new: VecDeque::new(),
            events: VecDeque::new(),
            next: 0,
            buffer: vec![0; BUFFER].into_boxed_slice(),
        }
    }

    /// Whether the kernel has SCTP.
    ///
    /// # Errors
    ///
    /// It has not.
    pub(crate) fn probe() -> io::Result<()> {
        open(Domain::IPV4).map(|_| ())
    }

    /// Accepts associations at addresses and a port, and opens them from there for these purposes.
    ///
    /// # Errors
    ///
    /// The kernel has no SCTP, or the addresses cannot be had.
    pub(crate) fn listen(&mut self, addresses: &[IpAddr], port: u16, purposes: &[Purpose]) -> io::Result<()> {
        let (socket, is_v4) = self.bind(addresses, port, purposes)?;
        socket.listen(BACKLOG)?;
        self.add_socket(socket, purposes, is_v4, Lease::Many);
        Ok(())
    }

    fn bind(&self, addresses: &[IpAddr], port: u16, purposes: &[Purpose]) -> io::Result<(Socket, bool)> {
        let is_v4 = addresses.iter().all(IpAddr::is_ipv4);
        // One that is for IPv4 only would not learn which other addresses its peers have, and elements register all of theirs
        // (RFC 5352 §2.2.1).
        let socket = open(Domain::IPV6).or_else(|error| if is_v4 { open(Domain::IPV4) } else { Err(error) })?;
        socket.set_nonblocking(true)?;
        options::configure(&socket, &self.config, purposes)?;
        let mut addresses = addresses.iter();
        if let Some(first) = addresses.next() {
            socket.bind(&SockAddr::from(SocketAddr::new(*first, port)))?;
        }
        let others: Vec<IpAddr> = addresses.copied().collect();
        if !others.is_empty() {
            let port = socket.local_addr()?.as_socket().map_or(port, |local| local.port());
            options::add_addresses(&socket, &others, port)?;
        }
        Ok((socket, is_v4))
    }

    /// Adds a socket, in a place that nobody has, and returns its place.
    fn add_socket(&mut self, socket: Socket, purposes: &[Purpose], is_v4: bool, lease: Lease) -> usize {
        let bound = Bound { socket: Some(socket), reading: Reading::On, purposes: purposes.to_vec(), is_v4, lease };
        let empty = self.endpoints.iter_mut().enumerate().find(|(_, endpoint)| endpoint.socket.is_none());
        let place = match empty {
            Some((place, endpoint)) => {
                *endpoint = bound;
                place
            }
            None => {
                self.endpoints.push(bound);
                self.endpoints.len() - 1
            }
        };
        self.new.push_back(place);
        place
    }

    /// What associations are for that come in at a socket.
    fn purpose(&self, place: usize) -> Purpose {
        let purposes = self.endpoints.get(place).map(|endpoint| endpoint.purposes.as_slice());
        purposes.and_then(|purposes| purposes.first()).copied().unwrap_or(Purpose::Session)
    }

    /// The next socket that nobody waits for yet, by its place.
    pub(crate) fn poll_new(&mut self) -> Option<usize> {
        self.new.pop_front()
    }

    /// A socket, to be waited for, by its place.
    pub(crate) fn socket(&self, place: usize) -> Option<&Socket> {
        self.endpoints.get(place)?.socket.as_ref()
    }

    /// Opens an association; `None` if that is not possible.
    pub(crate) fn open(&mut self, purpose: Purpose, remote: Endpoint<'_>) -> Result<DirectHandle, OpenFailure> {
        let is_v4 = remote.addresses.iter().all(IpAddr::is_ipv4);
        let is_family = |endpoint: &Bound| endpoint.is_v4 == is_v4 || !endpoint.is_v4;
        let listens = |endpoint: &Bound| endpoint.purposes.contains(&purpose) && is_family(endpoint);
        let is_free = |endpoint: &Bound| endpoint.lease == Lease::Free(purpose) && endpoint.is_v4 == is_v4;
        let known = self.endpoints.iter().position(listens).or_else(|| self.endpoints.iter().position(is_free));
        let place = match known {
            Some(place) => place,
            None => {
                // Each from a socket and port of its own, so that there may be several to the same peer.
                let any = if is_v4 { IpAddr::from([0; 4]) } else { IpAddr::from([0_u8; 16]) };
                let (socket, is_v4) = self.bind(&[any], 0, &[purpose]).map_err(|_| OpenFailure::Local)?;
                self.add_socket(socket, &[], is_v4, Lease::Free(purpose))
            }
        };
        let endpoint = self.endpoints.get_mut(place).ok_or(OpenFailure::Local)?;
        let socket = endpoint.socket.as_ref().ok_or(OpenFailure::Local)?;
        match sys::connect(socket, &options::packed(remote.addresses, remote.port)) {
            Ok(number) => {
                if endpoint.lease == Lease::Free(purpose) {
                    endpoint.lease = Lease::Taken(purpose);
                }
                let handle = self.add(place, number, Standing::Opening);
                if let [first, _, ..] = remote.addresses {
                    self.primaries.insert(handle, SocketAddr::new(*first, remote.port));
                }
                Ok(handle)
            }
            Err(error) => {
                tracing::debug!(%remote, %error, "cannot open an association");
                Err(crate::open_failure(&error))
            }
        }
    }

    fn add(&mut self, place: usize, number: Number, standing: Standing) -> DirectHandle {
        let handle = DirectHandle(self.next);
        self.next += 1;
        self.associations.insert((place, number), (handle, standing));
        self.by_handle.insert(handle, (place, number));
        handle
    }

    fn remove(&mut self, place: usize, number: Number) -> Option<(DirectHandle, Standing)> {
        self.parts.remove(&(place, number));
        self.queues.remove(&(place, number));
        let (handle, standing) = self.associations.remove(&(place, number))?;
        self.by_handle.remove(&handle);
        self.primaries.remove(&handle);
        Some((handle, standing))
    }

    /// A socket that was for one association is for another one now.
    fn release(&mut self, place: usize) {
        let Some(endpoint) = self.endpoints.get_mut(place) else { return };
        match endpoint.lease {
            Lease::Taken(purpose) => (endpoint.lease, endpoint.reading) = (Lease::Free(purpose), Reading::On),
            Lease::PeeledOff => endpoint.socket = None,
            Lease::Many | Lease::Free(_) => {}
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// The message was not taken.
    pub(crate) fn send(&mut self, handle: DirectHandle, message: &OutgoingMessage<'_>) -> Result<(), SendError> {
        let key = *self.by_handle.get(&handle).ok_or(SendError::Closed)?;
        if !self.queues.contains_key(&key) {
            match self.try_send(key, message) {
                Err(SendError::BufferFull) => {}
                result => return result,
            }
            let news = News::SendBuffer(SendBuffer::Full);
            self.events.push_back(Event { association: handle, news });
        }
        let is_taken = self.queues.entry(key).or_default().push(message, self.config.send_buffer);
        if is_taken { Ok(()) } else { Err(SendError::BufferFull) }
    }

    /// Whether an association takes more at the moment; `None` if there is none.
    pub(crate) fn send_buffer(&self, handle: DirectHandle) -> Option<SendBuffer> {
        let key = self.by_handle.get(&handle)?;
        Some(if self.queues.contains_key(key) { SendBuffer::Full } else { SendBuffer::HasRoom })
    }

    fn try_send(&self, (place, number): (usize, Number), message: &OutgoingMessage<'_>) -> Result<(), SendError> {
        let flags = if message.delivery == Delivery::Unordered { notification::UNORDERED } else { 0 };
        let context = if message.failover == Failover::Forbidden { FAILOVER_FORBIDDEN } else { 0 };
        let info = send_info(message.stream, flags, message.protocol, context, number);
        let socket = self.socket(place).ok_or(SendError::Closed)?;
        sys::send(socket, message.octets, SNDINFO, &info).map_err(|error| match error.raw_os_error() {
            Some(libc::EAGAIN) => SendError::BufferFull,
            Some(libc::EMSGSIZE) => SendError::TooLarge,
            _ => SendError::Closed,
        })
    }

    /// Has the kernel end an association, in order or at once.
    fn send_end(&self, (place, number): (usize, Number), how: CloseReason) {
        let flags = if how == CloseReason::Shutdown { EOF } else { ABORT };
        let info = send_info(0, flags, PayloadProtocol::UNSPECIFIED, 0, number);
        if let Some(socket) = self.socket(place) {
            let _ = sys::send(socket, &[], SNDINFO, &info);
        }
    }

    /// Sends what waits, as far as a socket has room again.
    fn flush(&mut self, place: usize) {
        let keys: Vec<_> = self.queues.keys().filter(|(waits, _)| *waits == place).copied().collect();
        for key in keys {
            let Some(mut queue) = self.queues.remove(&key) else { continue };
            let mut is_left = false;
            while let Some(item) = queue.first() {
                match item {
                    Item::Message(message) => {
                        // If the association has ended, what is left is told with its end.
                        let sent = self.try_send(key, &message.message());
                        is_left = matches!(sent, Err(SendError::BufferFull | SendError::Closed));
                        if is_left {
                            break;
                        }
                    }
                    Item::End => self.send_end(key, CloseReason::Shutdown),
                }
                queue.pop();
            }
            if is_left {
                self.queues.insert(key, queue);
            } else if let Some((association, Standing::Open)) = self.associations.get(&key).copied() {
                self.events.push_back(Event { association, news: News::SendBuffer(SendBuffer::HasRoom) });
            }
        }
    }

    /// Says whether the messages of an association are wanted. An association that shares a socket with others gets one of its own,
    /// so that they need not wait as well. The place of a socket is returned that has to be read now.
    pub(crate) fn set_reading(&mut self, handle: DirectHandle, reading: Reading) -> Option<usize> {
        let (mut place, number) = *self.by_handle.get(&handle)?;
        if reading == Reading::Paused && self.endpoints.get(place)?.lease == Lease::Many {
            place = self.peel_off(handle, place, number)?;
        }
        let endpoint = self.endpoints.get_mut(place).filter(|endpoint| endpoint.lease != Lease::Many)?;
        endpoint.reading = reading;
        (reading == Reading::On).then_some(place)
    }

    fn peel_off(&mut self, handle: DirectHandle, place: usize, number: Number) -> Option<usize> {
        let endpoint = self.endpoints.get(place)?;
        let is_v4 = endpoint.is_v4;
        let socket = match sys::peel_off(endpoint.socket.as_ref()?, number) {
            Ok(socket) => Socket::from(socket),
            Err(error) => {
                tracing::debug!(%error, "an association cannot have a socket of its own");
                return None;
            }
        };
        socket.set_nonblocking(true).ok()?;
        let new = self.add_socket(socket, &[], is_v4, Lease::PeeledOff);
        let (before, after) = ((place, number), (new, number));
        if let Some(known) = self.associations.remove(&before) {
            self.associations.insert(after, known);
        }
        self.by_handle.insert(handle, after);
        if let Some(part) = self.parts.remove(&before) {
            self.parts.insert(after, part);
        }
        if let Some(queue) = self.queues.remove(&before) {
            self.queues.insert(after, queue);
        }
        Some(new)
    }

    /// Closes an association in order, or ends it at once; then it gives what has not arrived.
    pub(crate) fn end(&mut self, handle: DirectHandle, how: CloseReason) -> Vec<Undelivered> {
        let Some(key) = self.by_handle.get(&handle).copied() else { return Vec::new() };
        let (place, number) = key;
        if let Some((_, standing)) = self.associations.get_mut(&key) {
            *standing = Standing::Closing;
        }
        // Nobody wants what comes now, but what is told of the end.
        if let Some(endpoint) = self.endpoints.get_mut(place) {
            endpoint.reading = Reading::On;
        }
        match (how, self.queues.get_mut(&key)) {
            (CloseReason::Shutdown, Some(queue)) => queue.end(),
            _ => self.send_end(key, how),
        }
        let mut undelivered = Vec::new();
        if how != CloseReason::Shutdown {
            let unsent = self.queues.remove(&key);
            let _ = self.receive(place);
            self.events.retain(|event| match event {
                Event { association, news: News::Undelivered(message) } if *association == handle => {
                    undelivered.push(message.clone());
                    false
                }
                _ => true,
            });
            undelivered.extend(unsent.into_iter().flat_map(Queue::into_undelivered));
            if self.remove(place, number).is_some() {
                self.release(place);
            }
        }
        undelivered
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.associations.is_empty()
    }

    /// How much has happened that nobody has asked for yet.
    pub(crate) fn backlog(&self) -> usize {
        self.events.len()
    }

    /// What has happened.
    pub(crate) fn poll_event(&mut self) -> Option<Event<DirectHandle>> {
        self.events.pop_front()
    }

    /// Reads what has come to a socket, up to a limit. True if there may be more.
    ///
    /// # Errors
    ///
    /// The socket cannot be used any more.
    pub(crate) fn receive(&mut self, place: usize) -> io::Result<bool> {
        self.flush(place);
        for _ in 0..BURST {
            let Some(endpoint) = self.endpoints.get(place) else { return Ok(false) };
            let Some(socket) = endpoint.socket.as_ref().filter(|_| endpoint.reading == Reading::On) else {
                return Ok(false);
            };
            let received = match sys::receive(socket, &mut self.buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // An association's, of which there is a notification as well.
                Err(error) => {
                    tracing::debug!(%error, "an association has an error");
                    continue;
                }
            };
            let octets = self.buffer.get(..received.length).unwrap_or_default();
            if received.is_notification {
                let octets = octets.to_vec();
                self.notified(place, &octets);
                continue;
            }
            let Some((protocol, number)) = received_info(received.control()) else { continue };
            let is_whole = received.is_end && !self.parts.contains_key(&(place, number));
            if is_whole && octets.len() <= self.config.message_size {
                let octets = Bytes::copy_from_slice(octets);
                self.received(place, number, protocol, octets);
                continue;
            }
            let part = self.parts.entry((place, number)).or_default();
            part.extend(octets);
            if part.len() > self.config.message_size {
                // Nobody sends that much in good faith.
                self.send_end((place, number), CloseReason::Aborted);
                self.ended(place, number, CloseReason::Aborted);
                continue;
            }
            if received.is_end {
                let octets = self.parts.remove(&(place, number)).unwrap_or_default();
                self.received(place, number, protocol, Bytes::from(octets));
            }
        }
        Ok(true)
    }

    /// A whole message has come.
    fn received(&mut self, place: usize, number: Number, protocol: PayloadProtocol, octets: Bytes) {
        if let Some((association, Standing::Open)) = self.associations.get(&(place, number)).copied() {
            self.events.push_back(Event { association, news: News::Message { protocol, octets } });
        }
    }

    fn notified(&mut self, place: usize, octets: &[u8]) {
        let Some(notification) = Notification::parse(octets) else { return };
        match notification {
            Notification::Up(number) => {
                let peer = self.peer(place, number);
                match self.associations.get_mut(&(place, number)) {
                    Some((association, standing @ Standing::Opening)) => {
                        *standing = Standing::Open;
                        let association = *association;
                        // Without, it is the one that the peer has answered from.
                        if let Some(primary) = self.primaries.remove(&association)
                            && let Some(socket) = self.socket(place)
                        {
                            let _ = options::set_primary(socket, number, primary);
                        }
                        self.events.push_back(Event { association, news: News::Opened(peer) });
                    }
                    Some(_) => {}
                    None => {
                        let association = self.add(place, number, Standing::Open);
                        self.events.push_back(Event { association, news: News::Accepted(self.purpose(place), peer) });
                    }
                }
            }
            Notification::Restarted(number) => {
                self.ended(place, number, CloseReason::Aborted);
                let peer = self.peer(place, number);
                let association = self.add(place, number, Standing::Open);
                self.events.push_back(Event { association, news: News::Accepted(self.purpose(place), peer) });
            }
            Notification::Lost(number) => self.ended(place, number, CloseReason::Lost),
            Notification::Over(number) => self.ended(place, number, CloseReason::Shutdown),
            Notification::CannotStart(number) => self.ended(place, number, CloseReason::Lost),
            Notification::Path { number, address, state } => {
                if let Some((association, _)) = self.associations.get(&(place, number)) {
                    tracing::info!(event = "path", association = association.0, %address, state, "a peer's address");
                }
            }
            Notification::SendFailed { number, protocol, stream, delivery, context, progress, octets } => {
                let Some((association, _)) = self.associations.get(&(place, number)).copied() else { return };
                let is_forbidden = context & FAILOVER_FORBIDDEN != 0;
                let failover = if is_forbidden { Failover::Forbidden } else { Failover::Allowed };
                let message = OutgoingMessage { protocol, stream, delivery, failover, octets };
                let message = Undelivered::new(&message, progress);
                self.events.push_back(Event { association, news: News::Undelivered(message) });
            }
        }
    }

    fn ended(&mut self, place: usize, number: Number, reason: CloseReason) {
        let unsent = self.queues.remove(&(place, number));
        if let Some((association, standing)) = self.remove(place, number) {
            if standing == Standing::Open {
                let unsent = unsent.into_iter().flat_map(Queue::into_undelivered).map(News::Undelivered);
                self.events.extend(unsent.map(|news| Event { association, news }));
            }
            match standing {
                Standing::Opening => {
                    self.events.push_back(Event { association, news: News::OpenFailed(OpenFailure::Unreachable) })
                }
                Standing::Open => self.events.push_back(Event { association, news: News::Closed(reason) }),
                Standing::Closing => {}
            }
        }
        self.release(place);
    }

    /// The peer's addresses and port.
    fn peer(&self, place: usize, number: Number) -> Peer {
        let (addresses, port) = self.socket(place).map(|socket| options::peer(socket, number)).unwrap_or_default();
        Peer { protocol: rserpool::Protocol::Sctp, addresses, port }
    }
}
