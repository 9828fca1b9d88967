//! The element's side: each session has a connection to the service. Some more are opened only to see whether the service takes
//! connections.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rserpool::pool_element::PoolElement;
use rserpool::wire::PayloadProtocol;
use rserpool::{AssociationId, CloseReason, Instant, OutgoingMessage, SendError};
use tracing::{debug, info, warn};

use super::connections::{Connected, Connections};
use super::health::{Attempt, Health, Standing};
use super::relay::{Greeting, Outcome, Relay};
use super::stream::Stream;
use super::{CREDIT, END, RESET, Reason};

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// A user's.
    Session(AssociationId),
    /// A user's who has gone. What he has said is still being written.
    Gone,
    /// Ours, to see whether the service takes it.
    Check,
}

/// A connection to the service.
struct Connection {
    relay: Relay,
    owner: Owner,
}

impl Connected for Connection {
    fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }
}

/// The connections to the service.
pub(crate) struct Sidecar {
    service: SocketAddr,
    idle_timeout: Duration,
    connections: Connections<Connection>,
    /// By session.
    numbers: HashMap<AssociationId, u64>,
    health: Health,
    /// Whether a connection is being tried for it.
    is_checking: bool,
    /// What is thought of the service, if that has changed.
    change: Option<Standing>,
    /// Sessions whose users are to be told that their connections are broken, and which end then.
    broken: Vec<(AssociationId, Reason)>,
    /// When a session has become one whose messages are wanted again: the driver has to ask once more.
    asks_at: Option<Instant>,
}

impl Sidecar {
    pub(crate) fn new(service: SocketAddr, idle_timeout: Duration, check_interval: Duration) -> io::Result<Self> {
        Ok(Self {
            service,
            idle_timeout,
            connections: Connections::new()?,
            numbers: HashMap::new(),
            health: Health::new(check_interval),
            is_checking: false,
            change: None,
            broken: Vec::new(),
            asks_at: None,
        })
    }

    /// What is thought of the service, if that has changed.
    pub(crate) fn poll_standing(&mut self) -> Option<Standing> {
        self.change.take()
    }

    /// What becomes readable when something has happened to a connection.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.connections.descriptor()
    }

    /// A message of a user.
    pub(crate) fn message(&mut self, now: Instant, session: AssociationId, protocol: PayloadProtocol, octets: &[u8]) {
        let number = match self.numbers.get(&session) {
            Some(number) => *number,
            // What comes behind the end of a connection is of no use.
            None if self.is_broken(session) || matches!(protocol, END | RESET) => return,
            None => match self.connect(now, session, protocol) {
                Ok(number) => number,
                Err(error) => {
                    info!(event = "service_refused", service = %self.service, %error, "the service cannot be connected to");
                    self.broken.push((session, Reason::Failed));
                    return;
                }
            },
        };
        if protocol == RESET {
            self.numbers.remove(&session);
            self.reset(number);
        } else if let Some(connection) = self.connections.get_mut(number) {
            connection.relay.hear(protocol, octets);
            self.connections.list(number);
        }
    }

    fn is_broken(&self, session: AssociationId) -> bool {
        self.broken.iter().any(|(broken, _)| *broken == session)
    }

    fn connect(&mut self, now: Instant, session: AssociationId, protocol: PayloadProtocol) -> io::Result<u64> {
        let greeting = if protocol == CREDIT { Greeting::Credit } else { Greeting::None };
        let number = self.open(now, greeting, Owner::Session(session))?;
        self.numbers.insert(session, number);
        Ok(number)
    }

    fn open(&mut self, now: Instant, greeting: Greeting, owner: Owner) -> io::Result<u64> {
        let stream = Stream::to(self.service)?;
        self.connections.add(stream, |stream| Connection { relay: Relay::to_service(now, stream, greeting), owner })
    }

    /// Tries whether the service takes a connection, if it is time for that.
    fn check(&mut self, now: Instant) {
        if self.is_checking || self.health.looks_at() > now {
            return;
        }
        match self.open(now, Greeting::Credit, Owner::Check) {
            Ok(_) => self.is_checking = true,
            // The service has no part in it.
            Err(error) => {
                warn!(event = "not_checked", service = %self.service, %error, "it cannot be seen whether the service takes connections");
                self.health.postpone(now);
            }
        }
    }

    /// The service has taken a connection, or has not.
    fn tried(&mut self, now: Instant, attempt: Attempt) {
        if let Some(standing) = self.health.tried(now, attempt) {
            self.change = Some(standing);
        }
    }

    /// The service is told that a connection is broken.
    fn reset(&mut self, number: u64) {
        if let Some(connection) = self.connections.remove(number) {
            connection.relay.stream.reset();
        }
    }

    /// A session is over.
    pub(crate) fn closed(&mut self, session: AssociationId, reason: CloseReason) {
        self.broken.retain(|(broken, _)| *broken != session);
        let Some(number) = self.numbers.remove(&session) else { return };
        if reason != CloseReason::Shutdown {
            self.reset(number);
        } else if let Some(connection) = self.connections.get_mut(number) {
            // What the user has said before goes out.
            connection.owner = Owner::Gone;
            connection.relay.detach();
            connection.relay.stream.end();
            self.connections.list(number);
        }
    }

    /// The transport takes messages for a session again.
    pub(crate) fn ready(&mut self, session: AssociationId) {
        if let Some(number) = self.numbers.get(&session).copied()
            && let Some(connection) = self.connections.get_mut(number)
        {
            connection.relay.is_ready();
            self.connections.list(number);
        }
    }

    /// Whether another message of a user is wanted.
    pub(crate) fn accepts(&self, session: AssociationId) -> bool {
        let connection = self.numbers.get(&session).and_then(|number| self.connections.get(*number));
        connection.is_none_or(|connection| connection.relay.accepts())
    }

    /// Moves on what can be moved. True if there is more to be done at once.
    pub(crate) fn commands<const SESSIONS: usize, const OCTETS: usize>(
        &mut self,
        now: Instant,
        element: &mut PoolElement<SESSIONS, OCTETS>,
    ) -> bool {
        self.asks_at.take_if(|at| *at < now);
        self.connections.poll();
        let mut is_more = false;
        for number in self.connections.take_listed() {
            is_more |= self.pump(now, element, number);
        }
        if self.connections.is_time_to_look(now) {
            self.look(now);
        }
        self.check(now);
        self.broken.retain(|(session, reason)| tell_broken(element, *session, *reason) == Err(SendError::Full));
        is_more || !self.broken.is_empty()
    }

    fn pump<const SESSIONS: usize, const OCTETS: usize>(
        &mut self,
        now: Instant,
        element: &mut PoolElement<SESSIONS, OCTETS>,
        number: u64,
    ) -> bool {
        let Some(connection) = self.connections.get_mut(number) else { return false };
        let was_connected = connection.relay.is_connected();
        let Owner::Session(session) = connection.owner else {
            // Nobody is there to be told anything.
            let outcome = connection.relay.pump(now, |_, _| Err(SendError::NoSession));
            let is_taken = connection.relay.is_connected();
            let is_over = match connection.owner {
                Owner::Check => is_taken,
                _ => connection.relay.stream.has_ended(),
            };
            self.attempted(now, was_connected, is_taken, outcome);
            if is_over || outcome != Outcome::Waits {
                self.end(number, Reason::Failed);
            }
            return false;
        };
        let accepted = connection.relay.accepts();
        let outcome = connection.relay.pump(now, |protocol, octets| {
            element.send(session, OutgoingMessage { protocol, ..OutgoingMessage::new(octets) })
        });
        if !accepted && connection.relay.accepts() {
            self.asks_at = Some(now);
        }
        let is_taken = connection.relay.is_connected();
        self.attempted(now, was_connected, is_taken, outcome);
        match outcome {
            Outcome::More => {
                self.connections.list(number);
                return true;
            }
            // The user ends the session when both sides have said all.
            Outcome::Waits | Outcome::Over => {}
            Outcome::Refused => {
                info!(event = "service_refused", service = %self.service, "the service does not take a connection");
                self.end(number, Reason::Failed);
            }
            Outcome::Broken => {
                debug!(event = "service_reset", %session, "the service has broken a connection");
                self.end(number, Reason::Failed);
            }
        }
        false
    }

    /// Takes note of what a connection says of the service's health.
    fn attempted(&mut self, now: Instant, was_connected: bool, is_connected: bool, outcome: Outcome) {
        if outcome == Outcome::Refused {
            self.tried(now, Attempt::Refused);
        } else if !was_connected && is_connected {
            self.tried(now, Attempt::Taken);
        }
    }

    /// A connection is over, or broken.
    fn end(&mut self, number: u64, reason: Reason) {
        let Some(connection) = self.connections.remove(number) else { return };
        match connection.owner {
            Owner::Session(session) => {
                self.numbers.remove(&session);
                self.broken.push((session, reason));
                connection.relay.stream.reset();
            }
            Owner::Check => self.is_checking = false,
            Owner::Gone if connection.relay.stream.has_ended() => {}
            Owner::Gone => connection.relay.stream.reset(),
        }
    }

    /// Ends connections on which nothing moves.
    fn look(&mut self, now: Instant) {
        for number in self.connections.those(|connection| connection.relay.is_overdue(now)) {
            info!(event = "service_refused", service = %self.service, "the service does not take a connection in time");
            self.tried(now, Attempt::Refused);
            self.end(number, Reason::Failed);
        }
        let limit = self.idle_timeout;
        for number in self.connections.those(|connection| connection.relay.idle(now) >= limit) {
            info!(event = "idle", "a connection ends on which nothing has moved for {limit:?}");
            self.end(number, Reason::Idle);
        }
    }

    /// When [`Self::commands`] has to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let check = (!self.is_checking).then(|| self.health.looks_at());
        [self.asks_at, self.connections.looks_at(), check].into_iter().flatten().min()
    }
}

/// Tells a user that its connection is broken, and ends the session.
fn tell_broken<const SESSIONS: usize, const OCTETS: usize>(
    element: &mut PoolElement<SESSIONS, OCTETS>,
    session: AssociationId,
    reason: Reason,
) -> Result<(), SendError> {
    let octets = reason.octets();
    let message = OutgoingMessage { protocol: RESET, ..OutgoingMessage::new(&octets) };
    if element.send(session, message) == Err(SendError::Full) {
        return Err(SendError::Full);
    }
    element.close_session(session)
}
