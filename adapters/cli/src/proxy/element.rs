//! The element's side: each session has a connection to the service.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rserpool::pool_element::PoolElement;
use rserpool::wire::PayloadProtocol;
use rserpool::{AssociationId, CloseReason, Instant, OutgoingMessage, SendError};
use tracing::{debug, info};

use super::connections::{Connected, Connections};
use super::relay::{Greeting, Outcome, Relay};
use super::stream::Stream;
use super::{CREDIT, END, RESET, Reason};

/// A connection to the service.
struct Connection {
    relay: Relay,
    /// Whose it is; `None` if that one has gone, and what he has said is still being written.
    session: Option<AssociationId>,
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
    /// Sessions whose users are to be told that their connections are broken, and which end then.
    broken: Vec<(AssociationId, Reason)>,
    /// When a session has become one whose messages are wanted again: the driver has to ask once more.
    asks_at: Option<Instant>,
}

impl Sidecar {
    pub(crate) fn new(service: SocketAddr, idle_timeout: Duration) -> io::Result<Self> {
        let connections = Connections::new()?;
        let (numbers, broken) = Default::default();
        Ok(Self { service, idle_timeout, connections, numbers, broken, asks_at: None })
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
        let stream = Stream::to(self.service)?;
        let make = |stream| Connection { relay: Relay::to_service(now, stream, greeting), session: Some(session) };
        let number = self.connections.add(stream, make)?;
        self.numbers.insert(session, number);
        Ok(number)
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
            connection.session = None;
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
        let Some(session) = connection.session else {
            // The user has gone.
            let outcome = connection.relay.pump(now, |_, _| Err(SendError::NoSession));
            if connection.relay.stream.has_ended() || outcome != Outcome::Waits {
                self.connections.remove(number);
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

    /// A connection is broken.
    fn end(&mut self, number: u64, reason: Reason) {
        let Some(connection) = self.connections.remove(number) else { return };
        if let Some(session) = connection.session {
            self.numbers.remove(&session);
            self.broken.push((session, reason));
        }
        connection.relay.stream.reset();
    }

    /// Ends connections on which nothing moves.
    fn look(&mut self, now: Instant) {
        for number in self.connections.those(|connection| connection.relay.is_overdue(now)) {
            info!(event = "service_refused", service = %self.service, "the service does not take a connection in time");
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
        self.asks_at.or(self.connections.looks_at())
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
