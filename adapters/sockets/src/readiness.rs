//! Waiting for sockets, whichever of them has something to read, and for other threads.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rserpool_transport::SocketIndex;

/// How many sockets are told of at a time.
const EVENTS: usize = 1024;
/// Not a socket, but a wake-up.
const WAKE: Token = Token(usize::MAX);

/// Has a driver call its application's commands soon, from another thread.
#[derive(Clone, Debug)]
pub struct Waker(std::task::Waker);

impl Waker {
    /// Wakes the driver; if it does not sleep now, it does not sleep the next time.
    pub fn wake(&self) {
        self.0.wake_by_ref();
    }
}

impl From<std::task::Waker> for Waker {
    /// For a driver of one's own.
    fn from(waker: std::task::Waker) -> Self {
        Self(waker)
    }
}

/// Ends a wait of the operating system's.
struct Alarm(mio::Waker);

impl std::task::Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // What could go wrong with it goes wrong with all that the driver does.
        let _ = self.0.wake();
    }
}

/// The sockets that have something to read. The operating system tells it once, so it is kept here until all is read.
#[derive(Debug)]
pub(crate) struct Readiness {
    poll: Poll,
    events: Events,
    waker: Waker,
    ready: VecDeque<SocketIndex>,
    /// By socket: whether it is among those that are ready.
    is_ready: Vec<bool>,
}

impl Readiness {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let alarm = Arc::new(Alarm(mio::Waker::new(poll.registry(), WAKE)?));
        let waker = Waker(alarm.into());
        Ok(Self { poll, events: Events::with_capacity(EVENTS), waker, ready: VecDeque::new(), is_ready: Vec::new() })
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// From now on the socket is waited for, until it is closed. What has room to write is told like what can be read.
    pub(crate) fn add(&mut self, socket: BorrowedFd<'_>, index: SocketIndex, interest: Interest) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(index.0), interest)?;
        // Something may have come before.
        self.push(index);
        Ok(())
    }

    /// From now on what becomes readable there ends a wait like a wake-up. It is told once each time.
    pub(crate) fn watch(&mut self, other: BorrowedFd<'_>) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&other.as_raw_fd()), WAKE, Interest::READABLE)
    }

    /// There may be something to read.
    pub(crate) fn push(&mut self, index: SocketIndex) {
        if self.is_ready.len() <= index.0 {
            self.is_ready.resize(index.0 + 1, false);
        }
        if let Some(is_ready) = self.is_ready.get_mut(index.0)
            && !*is_ready
        {
            *is_ready = true;
            self.ready.push_back(index);
        }
    }

    /// The next socket that has something to read.
    pub(crate) fn pop(&mut self) -> Option<SocketIndex> {
        let index = self.ready.pop_front()?;
        if let Some(is_ready) = self.is_ready.get_mut(index.0) {
            *is_ready = false;
        }
        Some(index)
    }

    /// How many sockets have something to read.
    pub(crate) fn len(&self) -> usize {
        self.ready.len()
    }

    /// Waits until a socket has something to read, a wake-up comes, or the time is over.
    pub(crate) fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let limit = if self.ready.is_empty() { limit } else { Some(Duration::ZERO) };
        match self.poll.poll(&mut self.events, limit) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in events.iter().filter(|event| event.token() != WAKE) {
            self.push(SocketIndex(event.token().0));
        }
        self.events = events;
        Ok(())
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }
}
