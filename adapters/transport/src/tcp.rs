//! ASAP over a TCP connection, without I/O: an adapter hands in what it has read and the time, and writes what there is to be
//! written. Users speak with registrars so where there is no SCTP (RFC 5352 §2.1).
//!
//! Messages follow each other on the stream. Each says its length in its header, and is padded to a multiple of four octets
//! (RFC 5354 §4). A peer that begins a message has to end it in time, and one that is written to has to read: else the
//! connection is over.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use rserpool::wire::PayloadProtocol;
use rserpool::{CloseReason, Instant, OpenFailure, OutgoingMessage, Protocol, Purpose, SendBuffer};

use crate::endpoint::{Reading, SendError};
use crate::news::{News, Peer};

/// A message's header: type, flags, length.
const HEADER: usize = 4;

/// With more octets waiting to be written the machine is told that it has to wait.
const HIGH_MARK: usize = 256 * 1024;
/// With this many octets waiting, or fewer, it goes on.
const LOW_MARK: usize = HIGH_MARK / 2;
/// More octets are not taken.
const SEND_BUFFER: usize = 2 * HIGH_MARK;
/// With this much news, or more, that nobody has asked for yet nothing is read.
const NEWS: usize = 64;

/// How long a peer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpConfig {
    /// Until a connection stands that was asked for. Default 2 s.
    pub connect_timeout: Duration,
    /// From a connection that came in to the end of its first message. Default 30 s.
    pub first_message_timeout: Duration,
    /// From the first octet of a message to its last. Default 5 s.
    pub message_timeout: Duration,
    /// Without taking any of what is written to it; also from our end of the connection to its own. Default 10 s.
    pub stall_timeout: Duration,
    /// How long a connection is silent before the operating system asks whether the peer is still there, which it has ten
    /// seconds to answer. Default 30 s.
    pub keep_alive_time: Duration,
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            first_message_timeout: Duration::from_secs(30),
            message_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(10),
            keep_alive_time: Duration::from_secs(30),
        }
    }
}

/// What an adapter has to do with a connection's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpState {
    /// To read and to write.
    Running,
    /// All is written: to end our side of the stream, and to read until the peer has ended its own.
    Finishing,
    /// To close it.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Opening,
    Open,
    /// Nothing more is read, and the machine has not been told yet. It may still answer what has come before.
    Ending,
    /// The machine has nothing more to say: what is left is written.
    Closing,
    Over,
}

/// One connection.
#[derive(Debug)]
pub struct TcpConnection {
    peer: SocketAddr,
    config: TcpConfig,
    standing: Standing,
    reading: Reading,
    /// The beginning of a message that has not come as a whole.
    incoming: BytesMut,
    outgoing: BytesMut,
    is_full: bool,
    /// When the message that is on its way, or the connection, has to be there.
    arrival: Option<Instant>,
    /// When something has to be taken of what is written.
    progress: Option<Instant>,
    news: VecDeque<News>,
}

impl TcpConnection {
    /// One that was asked for. [`Self::handle_connected`] is to follow.
    #[must_use]
    pub fn opening(now: Instant, peer: SocketAddr, config: TcpConfig) -> Self {
        Self::new(peer, config, Standing::Opening, now + config.connect_timeout)
    }

    /// One that has come in.
    #[must_use]
    pub fn accepted(now: Instant, peer: SocketAddr, config: TcpConfig) -> Self {
        let mut connection = Self::new(peer, config, Standing::Open, now + config.first_message_timeout);
        connection.news.push_back(News::Accepted(Purpose::Asap, connection.peer()));
        connection
    }

    fn new(peer: SocketAddr, config: TcpConfig, standing: Standing, arrival: Instant) -> Self {
        Self {
            peer,
            config,
            standing,
            reading: Reading::On,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            is_full: false,
            arrival: Some(arrival),
            progress: None,
            news: VecDeque::new(),
        }
    }

    fn peer(&self) -> Peer {
        Peer { protocol: Protocol::Tcp, addresses: vec![self.peer.ip().to_canonical()], port: self.peer.port() }
    }

    /// It stands.
    pub fn handle_connected(&mut self) {
        if self.standing == Standing::Opening {
            self.standing = Standing::Open;
            self.arrival = None;
            self.news.push_back(News::Opened(self.peer()));
        }
    }

    /// Octets have come.
    pub fn handle_octets(&mut self, now: Instant, octets: &[u8]) {
        if self.standing != Standing::Open {
            return;
        }
        let (had_begun, known) = (!self.incoming.is_empty(), self.news.len());
        if had_begun {
            self.incoming.extend_from_slice(octets);
            let all = std::mem::take(&mut self.incoming);
            let rest = self.take_messages(now, &all);
            // What was kept for messages that are whole now need not be kept any longer.
            self.incoming = if rest.len() == all.len() { all } else { BytesMut::from(rest) };
        } else {
            let rest = self.take_messages(now, octets);
            self.incoming.extend_from_slice(rest);
        }
        let (has_begun, has_message) = (!self.incoming.is_empty(), self.news.len() > known);
        if has_message {
            self.arrival = None;
        }
        // Many small pieces do not prolong it.
        if has_begun && (has_message || !had_begun) {
            let end = now + self.config.message_timeout;
            self.arrival = Some(self.arrival.map_or(end, |at| at.min(end)));
        }
    }

    /// Takes the whole messages, and leaves the beginning of another one.
    fn take_messages<'a>(&mut self, now: Instant, mut octets: &'a [u8]) -> &'a [u8] {
        while let Some(&[_, _, high, low]) = octets.first_chunk::<HEADER>() {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let is_nonsense = length < HEADER;
            // Where messages begin is not known any more. The machine sees what was wrong, and may say so.
            let length = if is_nonsense { HEADER } else { length.next_multiple_of(4) };
            let Some((message, rest)) = octets.split_at_checked(length) else { break };
            let octets_of_message = Bytes::copy_from_slice(message);
            self.news.push_back(News::Message { protocol: PayloadProtocol::ASAP, octets: octets_of_message });
            octets = rest;
            if is_nonsense {
                self.end(now, CloseReason::Aborted);
                return &[];
            }
        }
        octets
    }

    /// The peer has ended its side. What it has asked before is answered.
    pub fn handle_end(&mut self, now: Instant) {
        match self.standing {
            Standing::Opening => self.fail(CloseReason::Lost),
            Standing::Open if self.incoming.is_empty() => self.end(now, CloseReason::Shutdown),
            Standing::Open => self.end(now, CloseReason::Lost),
            // Both sides have ended.
            Standing::Closing if self.outgoing.is_empty() => self.standing = Standing::Over,
            Standing::Ending | Standing::Closing | Standing::Over => {}
        }
    }

    /// The connection is broken, or has not come to be.
    pub fn handle_failure(&mut self) {
        self.fail(CloseReason::Lost);
    }

    fn end(&mut self, now: Instant, reason: CloseReason) {
        self.standing = Standing::Ending;
        self.incoming = BytesMut::new();
        self.arrival = None;
        self.progress.get_or_insert(now + self.config.stall_timeout);
        self.news.push_back(News::Closed(reason));
    }

    /// It is over at once.
    fn fail(&mut self, reason: CloseReason) {
        match self.standing {
            Standing::Opening => self.news.push_back(News::OpenFailed(OpenFailure::Unreachable)),
            Standing::Open => self.news.push_back(News::Closed(reason)),
            Standing::Ending | Standing::Closing | Standing::Over => {}
        }
        self.standing = Standing::Over;
        self.incoming = BytesMut::new();
        self.outgoing = BytesMut::new();
        (self.arrival, self.progress) = (None, None);
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let arrival = self.arrival.filter(|_| self.reading == Reading::On);
        arrival.into_iter().chain(self.progress).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.fail(CloseReason::Lost);
        }
    }

    /// Says whether messages are wanted.
    pub fn set_reading(&mut self, now: Instant, reading: Reading) {
        self.reading = reading;
        if reading == Reading::On && self.arrival.is_some() {
            self.arrival = Some(now + self.config.message_timeout);
        }
    }

    /// Whether to read what has come. A peer that says more than is dealt with has to wait, as one that does not take what it
    /// is answered. What comes on a connection that is being closed is read, and thrown away.
    #[must_use]
    pub fn wants_octets(&self) -> bool {
        match self.standing {
            Standing::Open => self.reading == Reading::On && self.news.len() < NEWS && !self.is_full,
            Standing::Closing => true,
            Standing::Opening | Standing::Ending | Standing::Over => false,
        }
    }

    /// Whether it was asked for and does not stand yet.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        self.standing == Standing::Opening
    }

    /// Whether something has happened.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// What has happened.
    pub fn poll_news(&mut self) -> Option<News> {
        let news = self.news.pop_front()?;
        if news.is_the_end() && self.standing == Standing::Ending {
            self.standing = Standing::Closing;
        }
        Some(news)
    }

    /// Sends a message: it is in [`Self::output`] then.
    ///
    /// # Errors
    ///
    /// There is no room for it, or the connection is over.
    pub fn send(&mut self, now: Instant, message: &OutgoingMessage<'_>) -> Result<(), SendError> {
        if !matches!(self.standing, Standing::Opening | Standing::Open | Standing::Ending) {
            return Err(SendError::Closed);
        }
        let padding = message.octets.len().next_multiple_of(4) - message.octets.len();
        if self.outgoing.len() + message.octets.len() > SEND_BUFFER {
            return Err(SendError::BufferFull);
        }
        self.outgoing.extend_from_slice(message.octets);
        self.outgoing.extend_from_slice([0; 3].get(..padding).unwrap_or_default());
        self.progress.get_or_insert(now + self.config.stall_timeout);
        if self.outgoing.len() > HIGH_MARK && !self.is_full {
            self.is_full = true;
            self.news.push_back(News::SendBuffer(SendBuffer::Full));
        }
        Ok(())
    }

    /// What is to be written.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        if self.standing == Standing::Opening { &[] } else { &self.outgoing }
    }

    /// So many octets of it have been written.
    pub fn handle_written(&mut self, now: Instant, count: usize) {
        self.outgoing.advance(count.min(self.outgoing.len()));
        if self.outgoing.is_empty() {
            // No memory is held for connections that say nothing.
            self.outgoing = BytesMut::new();
        }
        let is_waiting = !self.outgoing.is_empty() || matches!(self.standing, Standing::Ending | Standing::Closing);
        self.progress = is_waiting.then(|| now + self.config.stall_timeout);
        if self.is_full && self.outgoing.len() <= LOW_MARK {
            self.is_full = false;
            if self.standing == Standing::Open {
                self.news.push_back(News::SendBuffer(SendBuffer::HasRoom));
            }
        }
    }

    /// Closes it in order: what is to be written is written.
    pub fn close(&mut self, now: Instant) {
        self.news.clear();
        self.incoming = BytesMut::new();
        self.arrival = None;
        self.standing = match self.standing {
            Standing::Opening | Standing::Over => Standing::Over,
            Standing::Open | Standing::Ending | Standing::Closing => Standing::Closing,
        };
        self.progress = (self.standing == Standing::Closing).then(|| now + self.config.stall_timeout);
    }

    /// Ends it at once.
    pub fn abort(&mut self) {
        self.fail(CloseReason::Aborted);
        self.news.clear();
    }

    /// What is to be done with its socket.
    #[must_use]
    pub fn state(&self) -> TcpState {
        match self.standing {
            Standing::Opening | Standing::Open | Standing::Ending => TcpState::Running,
            Standing::Closing if self.outgoing.is_empty() => TcpState::Finishing,
            Standing::Closing => TcpState::Running,
            Standing::Over => TcpState::Over,
        }
    }

    /// Whether there is nothing more to be told, written or waited for.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.standing == Standing::Over && self.news.is_empty()
    }
}
