//! TCP connections that are waited for together, each under a number.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rserpool::Instant;
use tracing::{info, warn};

use super::relay::Relay;
use super::stream::Stream;

/// How many events the operating system tells at a time.
const EVENTS: usize = 1024;
/// No connection, but the socket to which connections come in.
const LISTENER: Token = Token(usize::MAX);
/// How often it is looked for connections on which nothing moves.
const LOOK: Duration = Duration::from_secs(1);
/// When to try again if the operating system has no room for another connection.
const RETRY: Duration = Duration::from_millis(200);

/// What has a connection.
pub(super) trait Connected {
    fn relay(&mut self) -> &mut Relay;
}

struct Entry<C> {
    connection: C,
    /// Whether it is among those that something is to be done about.
    is_listed: bool,
}

/// Connections, by their numbers.
pub(super) struct Connections<C> {
    poll: Poll,
    events: Events,
    entries: HashMap<u64, Entry<C>>,
    next: u64,
    /// Those that something is to be done about.
    listed: VecDeque<u64>,
    looks_at: Instant,
}

impl<C: Connected> Connections<C> {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            entries: HashMap::new(),
            next: 0,
            listed: VecDeque::new(),
            looks_at: Instant::ZERO,
        })
    }

    /// What becomes readable when something has happened to a connection.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds one, which `make` makes of its stream.
    pub(super) fn add(&mut self, mut stream: Stream, make: impl FnOnce(Stream) -> C) -> io::Result<u64> {
        let number = self.next;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream.socket, Token(usize::try_from(number).unwrap_or(0)), interest)?;
        self.next += 1;
        self.entries.insert(number, Entry { connection: make(stream), is_listed: false });
        self.list(number);
        Ok(number)
    }

    pub(super) fn get(&self, number: u64) -> Option<&C> {
        self.entries.get(&number).map(|entry| &entry.connection)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut C> {
        self.entries.get_mut(&number).map(|entry| &mut entry.connection)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<C> {
        self.entries.remove(&number).map(|entry| entry.connection)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &C> {
        self.entries.values().map(|entry| &entry.connection)
    }

    /// Something is to be done about one.
    pub(super) fn list(&mut self, number: u64) {
        if let Some(entry) = self.entries.get_mut(&number)
            && !std::mem::replace(&mut entry.is_listed, true)
        {
            self.listed.push_back(number);
        }
    }

    /// Those that something is to be done about.
    pub(super) fn take_listed(&mut self) -> Vec<u64> {
        let listed: Vec<u64> = self.listed.drain(..).collect();
        for number in &listed {
            if let Some(entry) = self.entries.get_mut(number) {
                entry.is_listed = false;
            }
        }
        listed
    }

    /// Asks the operating system what has happened. True if connections may have come in.
    pub(super) fn poll(&mut self) -> bool {
        let mut has_come = false;
        loop {
            if let Err(error) = self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
                if error.kind() != ErrorKind::Interrupted {
                    warn!(%error, "TCP connections cannot be waited for");
                }
                return has_come;
            }
            let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
            let mut count = 0;
            for event in &events {
                count += 1;
                let number = event.token().0 as u64;
                if event.token() == LISTENER {
                    has_come = true;
                } else if let Some(connection) = self.get_mut(number) {
                    connection.relay().stream.happened(event);
                    self.list(number);
                }
            }
            self.events = events;
            if count < EVENTS {
                return has_come;
            }
        }
    }

    /// Whether it is time to look for connections on which nothing moves.
    pub(super) fn is_time_to_look(&mut self, now: Instant) -> bool {
        let is_time = self.looks_at <= now;
        if is_time {
            self.looks_at = now + LOOK;
        }
        is_time
    }

    /// When that is.
    pub(super) fn looks_at(&self) -> Option<Instant> {
        (!self.entries.is_empty()).then_some(self.looks_at)
    }

    /// Those for which something is so.
    pub(super) fn those(&mut self, mut is_so: impl FnMut(&mut C) -> bool) -> Vec<u64> {
        let them =
            self.entries.iter_mut().filter_map(|(number, entry)| is_so(&mut entry.connection).then_some(*number));
        them.collect()
    }

    /// The one on which nothing has moved for the longest time, and how long that is.
    pub(super) fn idlest(&mut self, now: Instant) -> Option<(u64, Duration)> {
        let idle = self.entries.iter_mut().map(|(number, entry)| (*number, entry.connection.relay().idle(now)));
        idle.max_by_key(|(_, idle)| *idle)
    }
}

/// Where connections come in.
pub(super) struct Door {
    listener: TcpListener,
    /// Whether there may be somebody.
    has_come: bool,
    /// Nobody is let in before this time, as the operating system had no room.
    closed_until: Option<Instant>,
}

impl Door {
    /// Listens at an address, and is waited for with the connections.
    pub(super) fn open<C: Connected>(address: SocketAddr, connections: &Connections<C>) -> io::Result<Self> {
        let mut listener = TcpListener::bind(address)?;
        connections.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self { listener, has_come: true, closed_until: None })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Connections may have come in.
    pub(super) fn has_come(&mut self) {
        self.has_come = true;
    }

    /// Whether somebody may be at the door who can be let in.
    pub(super) fn has_somebody(&self, now: Instant) -> bool {
        self.has_come && self.closed_until.is_none_or(|until| until <= now)
    }

    /// When to try again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.closed_until
    }

    /// The next connection.
    pub(super) fn next(&mut self, now: Instant) -> Option<TcpStream> {
        while self.has_somebody(now) {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    self.is_open_again();
                    return Some(stream);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_open_again();
                    self.has_come = false;
                }
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) => {
                    if self.closed_until.is_none() {
                        warn!(event = "not_accepting", %error, "no connection can be accepted for now");
                    }
                    self.closed_until = Some(now + RETRY);
                }
            }
        }
        None
    }

    fn is_open_again(&mut self) {
        if self.closed_until.take().is_some() {
            info!(event = "accepting", "connections are accepted again");
        }
    }
}
