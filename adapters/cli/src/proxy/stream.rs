//! A TCP connection that nobody waits for.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use rustix::net::sockopt::set_socket_linger;

/// The connection is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// How far our side has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    On,
    /// There is no more to write than what waits.
    Ending,
    Ended,
    /// The peer takes no more.
    Failed,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// So many octets.
    Octets(usize),
    /// There is nothing at the moment.
    Nothing,
    /// The peer has no more to say.
    End,
}

/// A TCP connection. The operating system tells once what is possible, so it is kept here until it has been tried.
pub(super) struct Stream {
    pub(super) socket: TcpStream,
    is_connected: bool,
    is_readable: bool,
    is_writable: bool,
    has_error: bool,
    to_write: VecDeque<Vec<u8>>,
    /// How much of the first of those is written.
    start: usize,
    /// How many octets wait to be written.
    waiting: usize,
    writing: Writing,
}

impl Stream {
    /// A connection that came in.
    pub(super) fn accepted(socket: TcpStream) -> Self {
        Self::new(socket, true)
    }

    /// A connection to a service, which is not there yet.
    pub(super) fn to(service: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(TcpStream::connect(service)?, false))
    }

    fn new(socket: TcpStream, is_connected: bool) -> Self {
        let _ = socket.set_nodelay(true);
        Self {
            socket,
            is_connected,
            is_readable: false,
            is_writable: false,
            has_error: false,
            to_write: VecDeque::new(),
            start: 0,
            waiting: 0,
            writing: Writing::On,
        }
    }

    /// The operating system says what is possible now.
    pub(super) fn happened(&mut self, event: &Event) {
        self.is_readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.is_writable |= event.is_writable() || event.is_write_closed() || event.is_error();
        self.has_error |= event.is_error();
    }

    /// Whether the connection is there.
    pub(super) fn check_connected(&mut self) -> Result<bool, Broken> {
        if !self.is_connected && self.is_writable {
            if self.has_error || !matches!(self.socket.take_error(), Ok(None)) {
                return Err(Broken);
            }
            self.is_connected = self.socket.peer_addr().is_ok();
        }
        Ok(self.is_connected)
    }

    /// Whether the peer is gone, whatever it has said before.
    pub(super) fn is_broken(&self) -> bool {
        self.has_error
    }

    /// How many octets wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Has these octets written.
    pub(super) fn push(&mut self, octets: &[u8]) {
        if self.writing == Writing::On {
            self.waiting += octets.len();
            self.to_write.push_back(octets.to_vec());
        }
    }

    /// There is no more to write than what waits.
    pub(super) fn end(&mut self) {
        if self.writing == Writing::On {
            self.writing = Writing::Ending;
        }
    }

    /// Whether all has been written, and the peer knows that there is no more.
    pub(super) fn has_ended(&self) -> bool {
        self.writing == Writing::Ended
    }

    /// Writes what can be written, and returns how much that was. If the peer takes no more the rest is dropped: what it has said before
    /// can still be read.
    pub(super) fn write(&mut self) -> usize {
        let mut written = 0;
        while self.is_writable
            && let Some(octets) = self.to_write.front()
        {
            match self.socket.write(octets.get(self.start..).unwrap_or_default()) {
                Ok(length) => {
                    (written, self.start, self.waiting) =
                        (written + length, self.start + length, self.waiting.saturating_sub(length));
                    if self.start >= octets.len() {
                        self.start = 0;
                        self.to_write.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.to_write.clear();
                    (self.start, self.waiting, self.writing, self.is_readable) = (0, 0, Writing::Failed, true);
                }
            }
        }
        if self.is_connected && self.writing == Writing::Ending && self.to_write.is_empty() {
            self.writing = Writing::Ended;
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        written
    }

    /// Reads into a buffer.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Reading, Broken> {
        while self.is_readable {
            match self.socket.read(buffer) {
                Ok(0) if self.writing == Writing::Failed => return Err(Broken),
                Ok(0) => return Ok(Reading::End),
                Ok(length) => return Ok(Reading::Octets(length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Broken),
            }
        }
        Ok(Reading::Nothing)
    }

    /// Closes the connection so that the peer sees that it is broken, and not that all was said.
    pub(super) fn reset(self) {
        let _ = set_socket_linger(&self.socket, Some(Duration::ZERO));
    }
}
