//! A TCP connection and the session that belongs to it: what comes on one goes out on the other, in both directions, and neither side
//! gets more than it takes.

use std::time::Duration;

use rserpool::wire::PayloadProtocol;
use rserpool::{Instant, SendError};

use super::said::{Keep, Said};
use super::stream::{Broken, Reading, Stream};
use super::{CHUNK, CREDIT, DATA, END, WINDOW};

/// How long a connection to a service may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a connection is read before others have their turn.
const BURST: usize = 4;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing can be done before something happens.
    Waits,
    /// There is more to be done at once.
    More,
    /// The service does not take the connection.
    Refused,
    /// The connection is broken.
    Broken,
    /// Both sides have said all, and know that of each other.
    Over,
}

/// Who says first how much he takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// Both sides do: nothing is said before the other one has.
    Credit,
    /// The other side knows nothing of it, and takes a window.
    None,
}

/// A connection and its session.
pub(super) struct Relay {
    pub(super) stream: Stream,
    was_connected: bool,
    said: Said,
    /// The connection has no more to say.
    has_said_all: bool,
    /// The session was told so.
    end_is_told: bool,
    /// Whether the session has somebody at its other end.
    is_attached: bool,
    /// Whether that one has said how much he takes.
    is_open: bool,
    /// How much that is, in octets.
    credit: usize,
    /// How much more we take, and have not said.
    due_credit: usize,
    /// The transport takes no more for the session.
    is_congested: bool,
    born: Instant,
    /// When octets went into the connection, or came out of it.
    moved: Instant,
}

impl Relay {
    /// For a client: its session has nobody yet.
    pub(super) fn of_client(now: Instant, stream: Stream, keep: Keep) -> Self {
        Self {
            stream,
            was_connected: true,
            said: Said::new(keep),
            has_said_all: false,
            end_is_told: false,
            is_attached: false,
            is_open: false,
            credit: 0,
            due_credit: 0,
            is_congested: false,
            born: now,
            moved: now,
        }
    }

    /// For a session that a user has begun: the service is not there yet.
    pub(super) fn to_service(now: Instant, stream: Stream, greeting: Greeting) -> Self {
        let is_open = greeting == Greeting::None;
        let credit = if is_open { WINDOW } else { 0 };
        Self { was_connected: false, is_attached: true, is_open, credit, ..Self::of_client(now, stream, Keep::Nothing) }
    }

    /// The session has an element, which is told all from the beginning.
    pub(super) fn attach(&mut self) {
        (self.is_attached, self.is_open, self.is_congested, self.end_is_told) = (true, false, false, false);
        (self.credit, self.due_credit) = (0, WINDOW);
        self.said.begin_anew();
    }

    /// There is nobody any more at the other end of the session.
    pub(super) fn detach(&mut self) {
        (self.is_attached, self.is_open) = (false, false);
    }

    /// Whether the one at the other end has said that he takes octets.
    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// The session says something.
    pub(super) fn hear(&mut self, protocol: PayloadProtocol, octets: &[u8]) {
        match protocol {
            DATA => self.stream.push(octets),
            END => self.stream.end(),
            CREDIT => {
                let more = octets.try_into().map_or(0, u32::from_be_bytes) as usize;
                (self.is_open, self.credit) = (true, self.credit.saturating_add(more).min(WINDOW));
            }
            _ => {}
        }
    }

    /// Whether another message of the session is wanted: no more than the window waits to be written. Who keeps to his credit is never
    /// made to wait.
    pub(super) fn accepts(&self) -> bool {
        self.stream.waiting() <= WINDOW
    }

    /// The transport takes messages for the session again.
    pub(super) fn is_ready(&mut self) {
        self.is_congested = false;
    }

    /// The other side has answered: nobody else can go on from there.
    pub(super) fn was_answered(&mut self) {
        self.said.keep_nothing();
    }

    /// Whether the session was told anything.
    pub(super) const fn is_passed_on(&self) -> bool {
        self.said.is_passed_on()
    }

    /// Whether another one can be told all from the beginning.
    pub(super) const fn is_whole(&self) -> bool {
        self.said.is_whole()
    }

    /// For how long nothing has moved.
    pub(super) fn idle(&self, now: Instant) -> Duration {
        now.since(self.moved)
    }

    /// Whether the service has taken the connection.
    pub(super) const fn is_connected(&self) -> bool {
        self.was_connected
    }

    /// Whether the service has had its time to take the connection.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        !self.was_connected && now.since(self.born) >= CONNECT
    }

    /// Moves on what can be moved. `send` sends a message to the session.
    pub(super) fn pump(
        &mut self,
        now: Instant,
        mut send: impl FnMut(PayloadProtocol, &[u8]) -> Result<(), SendError>,
    ) -> Outcome {
        match self.stream.check_connected() {
            Err(Broken) => return Outcome::Refused,
            Ok(false) => return Outcome::Waits,
            Ok(true) if !self.was_connected => {
                (self.was_connected, self.due_credit, self.moved) = (true, WINDOW, now);
            }
            Ok(true) => {}
        }
        let written = self.stream.write();
        if written > 0 {
            (self.due_credit, self.moved) = (self.due_credit + written, now);
        }
        let mut buffer = [0; CHUNK];
        let mut reads = 0;
        while self.is_attached && !self.is_congested {
            let result = if self.due_credit > 0 {
                let credit = u32::try_from(self.due_credit).unwrap_or(u32::MAX).to_be_bytes();
                send(CREDIT, &credit).map(|()| self.due_credit = 0)
            } else if !self.is_open {
                break;
            } else if let next @ [_, ..] = self.said.next() {
                let Some(next @ [_, ..]) = next.get(..next.len().min(self.credit)) else { break };
                let length = next.len();
                send(DATA, next).map(|()| {
                    self.said.was_told(length);
                    (self.credit, self.moved) = (self.credit - length, now);
                })
            } else if self.has_said_all {
                if self.end_is_told {
                    break;
                }
                send(END, &[0]).map(|()| {
                    self.said.was_told(0);
                    (self.end_is_told, self.moved) = (true, now);
                })
            } else if self.credit == 0 {
                break;
            } else if reads == BURST {
                return Outcome::More;
            } else {
                reads += 1;
                let room = CHUNK.min(self.credit);
                match self.stream.read(buffer.get_mut(..room).unwrap_or_default()) {
                    Ok(Reading::Octets(length)) => self.said.push(buffer.get(..length).unwrap_or_default()),
                    Ok(Reading::Nothing) => break,
                    Ok(Reading::End) => self.has_said_all = true,
                    Err(Broken) => return Outcome::Broken,
                }
                Ok(())
            };
            match result {
                Ok(()) => {}
                Err(SendError::Full) => return Outcome::More,
                Err(SendError::Congested) => self.is_congested = true,
                // The session has ended, and that is told soon.
                Err(_) => break,
            }
        }
        if self.end_is_told && self.stream.has_ended() { Outcome::Over } else { Outcome::Waits }
    }
}
