//! All SCTP associations over UDP of a process: finding the one that a packet belongs to, accepting new ones, and
//! noticing the end of others.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rserpool::{CloseReason, Instant, OpenFailure, OutgoingMessage, Protocol, Purpose, SendBuffer};

use crate::association::{self, Association, Happening, Refused};
use crate::config::SctpConfig;
use crate::cookie::CookieSigner;
use crate::delivery::Undelivered;
use crate::news::{Event, News, Peer};
use crate::packet::{ABORT, COOKIE_ECHO, INIT, INIT_ACK, Packet, u32_at};
use crate::secret::{self, Seeds};

/// Which of the adapter's UDP sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketIndex(pub usize);

/// Names an association of an [`SctpOverUdp`]. Numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssociationHandle(u64);

/// A local SCTP port on a UDP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalPort {
    /// The UDP socket.
    pub socket: SocketIndex,
    /// The SCTP port.
    pub port: u16,
}

/// A datagram that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From which socket.
    pub socket: SocketIndex,
    /// Where to.
    pub to: SocketAddr,
    /// Its octets.
    pub octets: Vec<u8>,
}

/// Why an association cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// There is one between the same ports and addresses already; SCTP allows for no second.
    Exists(AssociationHandle),
    /// There are too many.
    LimitReached,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(_) => f.write_str("there is an association with this peer already"),
            Self::LimitReached => f.write_str("there are too many associations"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// SCTP has no empty messages.
    Empty,
    /// It is larger than [`SctpConfig::message_size`].
    TooLarge,
    /// The peer takes less than is sent; [`SctpConfig::send_buffer`] is full.
    BufferFull,
    /// The association is closing, or is gone.
    Closed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "SCTP has no empty messages",
            Self::TooLarge => "the message is too large",
            Self::BufferFull => "the association's send buffer is full",
            Self::Closed => "the association is closed",
        })
    }
}

impl std::error::Error for SendError {}

impl From<Refused> for SendError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Empty => Self::Empty,
            Refused::TooLarge => Self::TooLarge,
            Refused::BufferFull => Self::BufferFull,
            Refused::Closed => Self::Closed,
        }
    }
}

/// What tells associations apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    local: LocalPort,
    peer: SocketAddr,
    port: u16,
}

impl Key {
    fn peer(&self) -> Peer {
        Peer { protocol: Protocol::Sctp, addresses: vec![self.peer.ip()], port: self.port }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Asked for, not there yet.
    Opening,
    Open,
    /// Being closed by us: nobody wants to hear of its end.
    Closing,
}

/// Whether an association's messages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reading {
    /// They are.
    On,
    /// Enough of them wait to be read: the peer has to wait.
    Paused,
}

/// How often a packet's data is taken all the same.
const TRICKLE: Duration = Duration::from_millis(300);

struct Entry {
    key: Key,
    association: Association,
    standing: Standing,
    /// Whether it came in from outside, and counts for its address.
    accepted: bool,
    /// The peer's verification tag, as the last packet to it had it.
    peer_tag: u32,
    /// Our own, as our INIT had it.
    own_tag: Option<u32>,
    /// Whether its messages are wanted.
    reading: Reading,
    /// When data was taken last that was not wanted.
    taken_at: Option<Instant>,
    deadline: Option<Instant>,
}

/// All SCTP associations over UDP of a process (RFC 6951).
///
/// An adapter calls it with datagrams, with the time and with what its machine wants, and after each call fetches
/// events ([`Self::poll_event`]) and datagrams to send ([`Self::poll_transmit`]) until there are none.
pub struct SctpOverUdp {
    config: SctpConfig,
    signer: CookieSigner,
    seeds: Seeds,
    /// Where associations are accepted, and for which purposes.
    listening: Vec<(LocalPort, Vec<Purpose>)>,
    entries: HashMap<AssociationHandle, Entry>,
    by_key: HashMap<Key, AssociationHandle>,
    accepted_by_address: HashMap<IpAddr, usize>,
    deadlines: BTreeSet<(Instant, AssociationHandle)>,
    next: u64,
    events: VecDeque<Event<AssociationHandle>>,
    transmits: VecDeque<Transmit>,
}

impl fmt::Debug for SctpOverUdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SctpOverUdp").field("associations", &self.entries.len()).finish_non_exhaustive()
    }
}

impl SctpOverUdp {
    /// No associations yet. The secret must be random, and known to nobody else: whoever knows it can open associations from
    /// addresses that are not his, and end those of others. With the same secret, what is done is the same each time.
    #[must_use]
    pub fn new(config: SctpConfig, secret: [u8; 16]) -> Self {
        Self {
            signer: CookieSigner::new(secret::key(&secret, "cookies"), config.cookie_life),
            seeds: Seeds::new(&secret),
            config,
            listening: Vec::new(),
            entries: HashMap::new(),
            by_key: HashMap::new(),
            accepted_by_address: HashMap::new(),
            deadlines: BTreeSet::new(),
            next: 0,
            events: VecDeque::new(),
            transmits: VecDeque::new(),
        }
    }

    /// Accepts associations at a port from now on, for the first of these purposes.
    pub fn listen(&mut self, local: LocalPort, purposes: &[Purpose]) {
        self.listening.push((local, purposes.to_vec()));
    }

    /// For which purposes associations are accepted at a port, if they are.
    fn purposes(&self, local: LocalPort) -> Option<&[Purpose]> {
        let listens = self.listening.iter().find(|(port, _)| *port == local);
        listens.map(|(_, purposes)| purposes.as_slice())
    }

    /// How many associations there are, those that open or close included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Who is at the other end of an association: its UDP address and its SCTP port.
    #[must_use]
    pub fn peer(&self, association: AssociationHandle) -> Option<(SocketAddr, u16)> {
        self.entries.get(&association).map(|entry| (entry.key.peer, entry.key.port))
    }

    /// Opens an association to an SCTP port behind a UDP address.
    ///
    /// # Errors
    ///
    /// There is one already, or there are too many. No event follows then.
    pub fn open(
        &mut self,
        now: Instant,
        local: LocalPort,
        peer: SocketAddr,
        port: u16,
        purpose: Purpose,
    ) -> Result<AssociationHandle, OpenError> {
        let key = Key { local, peer, port };
        if let Some(handle) = self.by_key.get(&key) {
            return Err(OpenError::Exists(*handle));
        }
        if self.entries.len() >= self.config.limits.associations {
            return Err(OpenError::LimitReached);
        }
        let mut association = Association::new(now, &self.config, local.port, port, &[purpose]);
        association::seed(self.seeds.draw());
        association.connect();
        let handle = self.insert(key, association, Standing::Opening, false);
        self.settle(now, handle);
        Ok(handle)
    }

    fn insert(&mut self, key: Key, association: Association, standing: Standing, accepted: bool) -> AssociationHandle {
        let handle = AssociationHandle(self.next);
        self.next += 1;
        self.by_key.insert(key, handle);
        self.entries.insert(
            handle,
            Entry {
                key,
                association,
                standing,
                accepted,
                peer_tag: 0,
                own_tag: None,
                reading: Reading::On,
                taken_at: None,
                deadline: None,
            },
        );
        handle
    }

    /// A datagram has come to a socket.
    pub fn handle_datagram(&mut self, now: Instant, socket: SocketIndex, from: SocketAddr, octets: &[u8]) {
        let Some(packet) = Packet::parse(octets) else { return };
        let local = LocalPort { socket, port: packet.destination_port };
        let key = Key { local, peer: from, port: packet.source_port };
        let handle = self.by_key.get(&key).copied();
        if matches!(packet.chunk_type, INIT | INIT_ACK | COOKIE_ECHO) {
            association::seed(self.seeds.draw());
        }
        if packet.chunk_type == COOKIE_ECHO {
            let Some(octets) = self.signer.check(now, from, &packet) else { return };
            match handle {
                Some(handle) => self.receive(now, handle, &octets),
                None => self.accept(now, key, &octets),
            }
            return;
        }
        match handle {
            Some(handle) if self.is_refusal(handle, &packet) => {
                self.happened(now, handle, Happening::Ended(CloseReason::Aborted));
            }
            Some(handle) if packet.has_data() && self.has_to_wait(now, handle) => {
                if let Some(octets) = packet.without_data() {
                    self.receive(now, handle, &octets);
                }
            }
            Some(handle) => self.receive(now, handle, octets),
            None if !packet.is_intact() => {}
            None if packet.chunk_type == INIT && self.purposes(local).is_some() => self.answer_init(now, key, octets),
            None => {
                if let Some(octets) = packet.out_of_the_blue() {
                    self.transmits.push_back(Transmit { socket, to: from, octets });
                }
            }
        }
    }

    /// Whether a packet says that the peer does not want the association that we ask for. The SCTP implementation does
    /// not listen to that before it has heard something else of the peer.
    fn is_refusal(&self, handle: AssociationHandle, packet: &Packet<'_>) -> bool {
        let Some(entry) = self.entries.get(&handle) else { return false };
        packet.chunk_type == ABORT
            && entry.standing == Standing::Opening
            && entry.own_tag == Some(packet.verification_tag)
            && packet.is_intact()
    }

    fn receive(&mut self, now: Instant, handle: AssociationHandle, octets: &[u8]) {
        if let Some(entry) = self.entries.get_mut(&handle) {
            entry.association.advance(now);
            entry.association.receive(octets);
        }
        self.settle(now, handle);
    }

    /// Answers an INIT without remembering anything: the cookie in the answer is all that there is of a half-open
    /// association.
    fn answer_init(&mut self, now: Instant, key: Key, octets: &[u8]) {
        let purposes = self.purposes(key.local).unwrap_or_default();
        let mut association = Association::new(now, &self.config, key.local.port, key.port, purposes);
        association.receive(octets);
        while let Some(happening) = association.poll() {
            if let Happening::Packet(mut octets) = happening {
                self.signer.sign(now, key.peer, &mut octets);
                self.transmits.push_back(Transmit { socket: key.local.socket, to: key.peer, octets });
            }
        }
    }

    /// A cookie of ours has come back: the association stands.
    fn accept(&mut self, now: Instant, key: Key, octets: &[u8]) {
        let address = key.peer.ip();
        let from_there = self.accepted_by_address.get(&address).copied().unwrap_or(0);
        let Some(purposes) = self.purposes(key.local) else { return };
        if self.entries.len() >= self.config.limits.associations
            || from_there >= self.config.limits.associations_per_address
        {
            return;
        }
        let mut association = Association::new(now, &self.config, key.local.port, key.port, purposes);
        association.receive(octets);
        // What it does not take leaves nothing behind.
        let mut happenings = Vec::new();
        let mut connected = false;
        while let Some(happening) = association.poll() {
            connected |= matches!(happening, Happening::Connected);
            happenings.push(happening);
        }
        if !connected {
            return;
        }
        self.accepted_by_address.insert(address, from_there + 1);
        let handle = self.insert(key, association, Standing::Open, true);
        let purpose = self.purposes(key.local).and_then(|purposes| purposes.first()).copied();
        let news = News::Accepted(purpose.unwrap_or(Purpose::Session), key.peer());
        self.events.push_back(Event { association: handle, news });
        for happening in happenings {
            self.happened(now, handle, happening);
        }
        self.settle(now, handle);
    }

    /// The network says that nobody listens at `to`. `quoted` is the beginning of the datagram that could not be
    /// delivered; it has to belong to an association, so that nobody else can end one (RFC 6951 §5.5).
    pub fn handle_unreachable(&mut self, now: Instant, socket: SocketIndex, to: SocketAddr, quoted: &[u8]) {
        let Some(packet) = Packet::parse(quoted) else { return };
        let local = LocalPort { socket, port: packet.source_port };
        let key = Key { local, peer: to, port: packet.destination_port };
        let Some(handle) = self.by_key.get(&key).copied() else { return };
        let Some(entry) = self.entries.get(&handle) else { return };
        // An INIT goes with the tag 0; nothing else is known of its association then.
        if packet.verification_tag == entry.peer_tag {
            self.happened(now, handle, Happening::Ended(CloseReason::Lost));
            self.settle(now, handle);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, handle)) = self.deadlines.first().copied() {
            if at > now {
                break;
            }
            self.deadlines.pop_first();
            if let Some(entry) = self.entries.get_mut(&handle) {
                entry.deadline = None;
                entry.association.advance(now);
            }
            self.settle(now, handle);
        }
    }

    /// When to call [`Self::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// The message was not taken.
    pub fn send(
        &mut self,
        now: Instant,
        association: AssociationHandle,
        message: &OutgoingMessage<'_>,
    ) -> Result<(), SendError> {
        let entry = self.entries.get_mut(&association).ok_or(SendError::Closed)?;
        entry.association.advance(now);
        let result = entry.association.send(message);
        self.settle(now, association);
        Ok(result?)
    }

    /// Whether an association takes more at the moment; `None` if there is none, or none that stands.
    #[must_use]
    pub fn send_buffer(&self, association: AssociationHandle) -> Option<SendBuffer> {
        let entry = self.entries.get(&association).filter(|entry| entry.standing == Standing::Open)?;
        Some(entry.association.send_buffer())
    }

    /// From now on it is kept in mind which messages of an association have arrived; the others are told with
    /// [`News::Undelivered`] when it ends, or by [`Self::abort`]. It takes a copy of each message.
    pub fn track(&mut self, association: AssociationHandle) {
        if let Some(entry) = self.entries.get_mut(&association) {
            entry.association.track();
        }
    }

    /// Closes an association in order. No event follows.
    pub fn close(&mut self, now: Instant, association: AssociationHandle) {
        if let Some(entry) = self.entries.get_mut(&association) {
            if entry.standing == Standing::Opening {
                self.abort(now, association);
                return;
            }
            entry.standing = Standing::Closing;
            entry.association.advance(now);
            entry.association.shutdown();
            self.settle(now, association);
        }
    }

    /// Ends an association at once, and gives what has not arrived if it is tracked. No event follows.
    pub fn abort(&mut self, now: Instant, association: AssociationHandle) -> Vec<Undelivered> {
        let Some(entry) = self.entries.get_mut(&association) else { return Vec::new() };
        entry.standing = Standing::Closing;
        entry.association.advance(now);
        let undelivered = entry.association.undelivered().collect();
        entry.association.abort();
        self.settle(now, association);
        self.remove(association);
        undelivered
    }

    /// How many events have not been asked for yet.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.events.len()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event<AssociationHandle>> {
        self.events.pop_front()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// Says whether the messages of an association are wanted. A few more are told all the same.
    pub fn set_reading(&mut self, association: AssociationHandle, reading: Reading) {
        if let Some(entry) = self.entries.get_mut(&association) {
            entry.reading = reading;
        }
    }

    /// Whether an association's data is not taken at the moment. The SCTP implementation, which may be at the other end as well,
    /// gives a peer up that takes nothing for several retransmissions, whatever that peer says of its window. So a packet is
    /// taken now and then.
    fn has_to_wait(&mut self, now: Instant, association: AssociationHandle) -> bool {
        let Some(entry) = self.entries.get_mut(&association) else { return false };
        if entry.reading == Reading::On || entry.standing != Standing::Open {
            return false;
        }
        if entry.taken_at.is_some_and(|at| now < at + TRICKLE) {
            return true;
        }
        entry.taken_at = Some(now);
        false
    }

    fn fetch_messages(&mut self, association: AssociationHandle) {
        let Some(entry) = self.entries.get_mut(&association) else { return };
        while let Some((protocol, octets)) = entry.association.poll_message() {
            if entry.standing == Standing::Open {
                self.events.push_back(Event { association, news: News::Message { protocol, octets } });
            }
        }
    }

    /// Fetches all that an association has to tell, and sets its deadline.
    fn settle(&mut self, now: Instant, mut handle: AssociationHandle) {
        while let Some(happening) = self.entries.get_mut(&handle).and_then(|entry| entry.association.poll()) {
            handle = self.happened(now, handle, happening);
        }
        self.fetch_messages(handle);
        let Some(entry) = self.entries.get_mut(&handle) else { return };
        let deadline = entry.association.deadline();
        if deadline != entry.deadline {
            if let Some(old) = entry.deadline {
                self.deadlines.remove(&(old, handle));
            }
            if let Some(new) = deadline {
                self.deadlines.insert((new, handle));
            }
            entry.deadline = deadline;
        }
    }

    /// Returns the association's name, which is another after a restart.
    fn happened(&mut self, now: Instant, handle: AssociationHandle, happening: Happening) -> AssociationHandle {
        let Some(entry) = self.entries.get_mut(&handle) else { return handle };
        match happening {
            Happening::Packet(mut octets) => {
                if let Some(packet) = Packet::parse(&octets) {
                    entry.peer_tag = packet.verification_tag;
                    if packet.chunk_type == INIT {
                        entry.own_tag = u32_at(packet.chunk_value(), 0);
                    }
                }
                let Key { local, peer, .. } = entry.key;
                self.signer.sign(now, peer, &mut octets);
                self.transmits.push_back(Transmit { socket: local.socket, to: peer, octets });
            }
            Happening::Connected => {
                if entry.standing == Standing::Opening {
                    entry.standing = Standing::Open;
                    self.events.push_back(Event { association: handle, news: News::Opened(entry.key.peer()) });
                }
            }
            Happening::Restarted => return self.restarted(handle),
            Happening::Ended(reason) => {
                match entry.standing {
                    Standing::Opening => self
                        .events
                        .push_back(Event { association: handle, news: News::OpenFailed(OpenFailure::Unreachable) }),
                    Standing::Open => {
                        let undelivered = entry.association.undelivered().map(News::Undelivered);
                        let news = undelivered.chain([News::Closed(reason)]);
                        self.events.extend(news.map(|news| Event { association: handle, news }));
                    }
                    Standing::Closing => {}
                }
                self.remove(handle);
            }
            Happening::SendBuffer(state) => {
                if entry.standing == Standing::Open {
                    self.events.push_back(Event { association: handle, news: News::SendBuffer(state) });
                }
            }
        }
        handle
    }

    /// The peer has begun anew: for the machine that is the end of one association, and another that comes in.
    fn restarted(&mut self, handle: AssociationHandle) -> AssociationHandle {
        let Some(mut entry) = self.entries.remove(&handle) else { return handle };
        if let Some(deadline) = entry.deadline.take() {
            self.deadlines.remove(&(deadline, handle));
        }
        if entry.standing == Standing::Open {
            let undelivered = entry.association.undelivered().map(News::Undelivered);
            let news = undelivered.chain([News::Closed(CloseReason::Aborted)]);
            self.events.extend(news.map(|news| Event { association: handle, news }));
        }
        if !entry.accepted {
            *self.accepted_by_address.entry(entry.key.peer.ip()).or_default() += 1;
        }
        let Entry { key, association, .. } = entry;
        let handle = self.insert(key, association, Standing::Open, true);
        let purpose = self.purposes(key.local).and_then(|purposes| purposes.first()).copied();
        let news = News::Accepted(purpose.unwrap_or(Purpose::Session), key.peer());
        self.events.push_back(Event { association: handle, news });
        handle
    }

    fn remove(&mut self, handle: AssociationHandle) {
        let Some(entry) = self.entries.remove(&handle) else { return };
        self.by_key.remove(&entry.key);
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, handle));
        }
        if entry.accepted {
            let address = entry.key.peer.ip();
            if let Some(count) = self.accepted_by_address.get_mut(&address) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.accepted_by_address.remove(&address);
                }
            }
        }
    }
}
