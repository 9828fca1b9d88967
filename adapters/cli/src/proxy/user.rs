//! `rserpool user --listen`: each connection that comes in has a session with the pool.
//!
//! What a client says goes to one element. If that one dies, or its service breaks the connection, the client's connection is broken as
//! well: nobody can know whether what was said has been done. Only a connection of which nothing was passed on gets another element, or,
//! with `--replay`, one that has no answer yet.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use rserpool::pool_user::{PoolUser, SessionId, SessionOptions, UserEvent};
use rserpool::wire::{PayloadProtocol, PeIdentifier, PoolHandle};
use rserpool::{AssociationId, Failover, Instant, OutgoingMessage, SendError};
use rserpool_blocking::{Application, Flow};
use rustix::process::{Resource, getrlimit};
use tracing::{debug, info, warn};

use super::client::{Client, Next};
use super::connections::{Connections, Door};
use super::relay::Outcome;
use super::said::Keep;
use super::stream::Stream;
use super::{DATA, END, RESET, Reason};
use crate::args::{TransportArg, UserArgs};
use crate::csp;
use crate::driver::Driver;
use crate::endpoint::Scheme;
use crate::failure::Failure;
use crate::node::{self, Stop};
use crate::troubles::Troubles;
use crate::user;

/// Connections at a time, if there may be that many open files; further ones wait.
const PLACES: usize = 256;
/// Open files that the program needs for other things.
const OTHER_FILES: u64 = 16;
/// For how long nothing must have moved on a connection that makes way for another one, or half of the time after which it ends anyway.
const MAKES_WAY: Duration = Duration::from_secs(10);
/// When to try again if there is no room for a session.
const RETRY: Duration = Duration::from_millis(50);

type User = PoolUser<PLACES, 32, { 256 * 1024 }>;

/// How many sessions are opened before the machine has its turn, which has room for so many actions at a time.
const OPENINGS: usize = 8;

/// A machine with that many places does not fit on a usual stack while it is put together.
const STACK: usize = 64 * 1024 * 1024;

pub(crate) fn run(args: &UserArgs, listen: SocketAddr) -> Result<(), Failure> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || let_in(args, listen))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn let_in(args: &UserArgs, listen: SocketAddr) -> Result<(), Failure> {
    let mut driver: Driver<User> =
        user::driver(&args.node, &args.registrar, args.transport, user::config_for_sessions()?)?;
    let clients = Connections::new()?;
    let door = Door::open(listen, &clients)
        .map_err(|error| Failure::Transport(format!("--listen {listen}: the TCP port cannot be had: {error}")))?;
    driver.host().watch(clients.descriptor())?;
    let places = places(args);
    info!(event = "listening", address = %door.address()?, pool = args.pool, places, "a way into the pool");
    node::ready();
    // The first client finds the pool known, and what is needed for that is open before there are clients.
    let now = driver.now();
    driver
        .machine()
        .resolve(now, PoolHandle::from(args.pool.as_str()))
        .map_err(|error| Failure::Usage(format!("{}: {error}", args.pool)))?;
    let mut app = App {
        pool: args.pool.clone(),
        stop: Stop::on_signals(driver.waker())?,
        door,
        clients,
        places,
        numbers: HashMap::new(),
        keep: if args.replay { Keep::Window } else { Keep::Nothing },
        timeout: args.timeout,
        idle_timeout: args.idle_timeout,
        failed: Vec::new(),
        closing: Vec::new(),
        asks_at: None,
        troubles: Troubles::new(&args.pool, &args.registrar),
        monitor: csp::Reporter::new(&args.monitor, csp::Component::User(node::random()?), &listen.to_string())?,
    };
    Ok(driver.run(&mut app)?)
}

/// How many connections there may be at a time. With the kernel's SCTP a session has a file of its own as well.
fn places(args: &UserArgs) -> usize {
    let is_kernel =
        args.transport == TransportArg::Sctp || args.registrar.iter().any(|registrar| registrar.scheme == Scheme::Sctp);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(OTHER_FILES);
    let connections = if is_kernel { files / 2 } else { files };
    usize::try_from(connections).unwrap_or(PLACES).clamp(1, PLACES)
}

/// What an element is told when a session with it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    /// That the client's connection is broken.
    Reset,
    /// Nothing more.
    None,
}

struct App {
    pool: String,
    stop: Stop,
    door: Door,
    clients: Connections<Client>,
    places: usize,
    /// By session.
    numbers: HashMap<SessionId, u64>,
    keep: Keep,
    /// How long a connection may be without a service.
    timeout: Duration,
    idle_timeout: Duration,
    /// Clients whose service has failed, or whose element is lost, and what is to become of them.
    failed: Vec<(u64, Next)>,
    /// Sessions that are to be closed.
    closing: Vec<(SessionId, Farewell)>,
    /// When a session has become one whose messages are wanted again: the driver has to ask once more.
    asks_at: Option<Instant>,
    troubles: Troubles,
    /// Who is told how it is.
    monitor: Option<csp::Reporter>,
}

/// What does not arrive is not for another element.
const fn message(protocol: PayloadProtocol, octets: &[u8]) -> OutgoingMessage<'_> {
    OutgoingMessage { protocol, failover: Failover::Forbidden, ..OutgoingMessage::new(octets) }
}

fn close(user: &mut User, session: SessionId, farewell: Farewell) -> Result<(), SendError> {
    // An element that takes no more is told no more.
    if farewell == Farewell::Reset
        && user.send(session, message(RESET, &Reason::Failed.octets())) == Err(SendError::Full)
    {
        return Err(SendError::Full);
    }
    user.close_session(session);
    Ok(())
}

impl App {
    fn number(&self, session: SessionId) -> Option<u64> {
        self.numbers.get(&session).copied()
    }

    fn client(&mut self, session: SessionId) -> Option<&mut Client> {
        let number = self.number(session)?;
        self.clients.list(number);
        self.clients.get_mut(number)
    }

    fn report(&mut self, now: Instant) {
        let Self { monitor: Some(monitor), clients, .. } = self else { return };
        monitor.report(now, || {
            let elements = clients.iter().filter_map(|client| client.element);
            let associations = elements.map(|(element, since)| csp::Association {
                with: csp::Component::Element(element),
                since,
                protocol: DATA,
            });
            csp::Status { text: csp::count(clients.len(), "session"), load: None, associations: associations.collect() }
        });
    }

    /// A connection ends, and its client sees it as broken.
    fn reset(&mut self, number: u64) {
        let Some(client) = self.clients.remove(number) else { return };
        if let Some(session) = client.session {
            self.numbers.remove(&session);
            self.closing.push((session, Farewell::Reset));
        }
        client.relay.stream.reset();
    }

    fn message(&mut self, now: Instant, session: SessionId, protocol: PayloadProtocol, octets: &[u8]) {
        let Some(number) = self.number(session) else { return };
        let Some(client) = self.client(session) else { return };
        if protocol == RESET {
            debug!(event = "service_failed", %session, "the service has not taken a connection, or has broken it");
            let next = match Reason::of(octets) {
                Reason::Failed => client.service_failed(now),
                Reason::Idle => Next::End,
            };
            self.failed.push((number, next));
            return;
        }
        if matches!(protocol, DATA | END) {
            client.relay.was_answered();
        }
        client.relay.hear(protocol, octets);
    }

    /// Lets connections in.
    fn accept(&mut self, now: Instant) {
        while self.door.has_somebody(now) && self.make_room(now) {
            let Some(stream) = self.door.next(now) else { break };
            let keep = self.keep;
            let client = self.clients.add(Stream::accepted(stream), |stream| Client::new(now, stream, keep));
            match client.map(|number| self.clients.get_mut(number)) {
                Ok(Some(client)) => client.pauses_until = Some(now),
                Ok(None) => {}
                Err(error) => warn!(%error, "a connection cannot be waited for"),
            }
        }
    }

    /// Whether there is a place for another connection. If all are taken, one makes way on which nothing has moved for a while.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.clients.len() < self.places {
            return true;
        }
        let idle = self.clients.idlest(now).filter(|(_, idle)| *idle >= MAKES_WAY.min(self.idle_timeout / 2));
        let Some((number, idle)) = idle else { return false };
        info!(event = "makes_way", "a connection on which nothing has moved for {idle:?} makes way for another one");
        self.reset(number);
        true
    }

    /// Opens a session for a client, with an element whose service has not failed it if there is one.
    fn open(&mut self, now: Instant, user: &mut User, number: u64) {
        let Some(client) = self.clients.get_mut(number) else { return };
        let pool_handle = PoolHandle::from(self.pool.as_str());
        let mut options = SessionOptions::default();
        if client.tries() > 0 {
            let fresh = user.elements(now, pool_handle).map(|element| element.identifier);
            let fresh: Vec<PeIdentifier> = fresh.filter(|element| !client.has_tried(*element)).collect();
            let place = usize::try_from(number).unwrap_or(0).checked_rem(fresh.len());
            options.element = place.and_then(|place| fresh.get(place)).copied();
        }
        match user.open_session_with(now, pool_handle, options) {
            Ok(session) => {
                client.begins(session);
                self.numbers.insert(session, number);
            }
            // There is room as soon as others have been closed.
            Err(_) => client.pauses_until = Some(now + RETRY),
        }
    }

    fn pump(&mut self, user: &mut User, now: Instant, number: u64) -> Flow {
        let Some(client) = self.clients.get_mut(number) else { return Flow::Continue };
        let session = client.session;
        let accepted = client.relay.accepts();
        let outcome = client
            .relay
            .pump(now, |protocol, octets| user.send(session.ok_or(SendError::NoSession)?, message(protocol, octets)));
        if !accepted && client.relay.accepts() {
            self.asks_at = Some(now);
        }
        let is_broken = outcome == Outcome::Broken || client.relay.stream.is_broken();
        if is_broken {
            debug!(event = "client_gone", "a client is gone");
            self.reset(number);
        } else if outcome == Outcome::Over {
            self.clients.remove(number);
            if let Some(session) = session {
                self.numbers.remove(&session);
                self.closing.push((session, Farewell::None));
            }
        } else if outcome == Outcome::More {
            self.clients.list(number);
            return Flow::Again;
        }
        Flow::Continue
    }

    /// Ends connections that have found no service, or on which nothing moves.
    fn look(&mut self, now: Instant) {
        let (timeout, idle_timeout) = (self.timeout, self.idle_timeout);
        for number in self.clients.those(|client| client.is_without_service(now, timeout)) {
            warn!(event = "no_service", "no element has taken a connection within {timeout:?}");
            self.reset(number);
        }
        for number in self.clients.those(|client| client.relay.is_open() && client.relay.idle(now) >= idle_timeout) {
            info!(event = "idle", "a connection ends on which nothing has moved for {idle_timeout:?}");
            self.reset(number);
        }
    }
}

impl Application<User> for App {
    fn event(&mut self, now: Instant, event: UserEvent<'_>) {
        self.troubles.event(&event);
        match event {
            UserEvent::Established { session, identifier, .. } => {
                debug!(event = "established", element = %identifier, %session, "a connection has an element");
                if let Some(client) = self.client(session) {
                    client.established(now, identifier);
                }
            }
            UserEvent::Failover { session, identifier, .. } => {
                let Some(number) = self.number(session) else { return };
                let Some(client) = self.client(session) else { return };
                let next = client.element_lost(now);
                if next == Next::End {
                    info!(event = "broken", element = %identifier, %session, "a connection has lost its element");
                } else {
                    info!(event = "failover", element = %identifier, %session, "a connection moves to the next element");
                }
                self.failed.push((number, next));
            }
            UserEvent::Ready { session } => {
                if let Some(client) = self.client(session) {
                    client.relay.is_ready();
                }
            }
            UserEvent::SessionEnded { session, reason } => {
                warn!(%session, %reason, "a connection cannot have an element");
                let Some(number) = self.number(session) else { return };
                self.failed.push((number, Next::End));
            }
            UserEvent::Data { session, message, .. } => self.message(now, session, message.protocol, message.octets),
            _ => {}
        }
    }

    fn commands(&mut self, now: Instant, user: &mut User) -> Flow {
        if self.stop.is_set() {
            return Flow::Stop;
        }
        self.asks_at.take_if(|at| *at < now);
        if self.clients.poll() {
            self.door.has_come();
        }
        for (number, next) in std::mem::take(&mut self.failed) {
            match next {
                Next::Wait => {}
                Next::Pause => {
                    let session = self.clients.get_mut(number).and_then(|client| client.session.take());
                    session.map(|session| self.numbers.remove(&session));
                    self.closing.extend(session.map(|session| (session, Farewell::None)));
                }
                Next::End => self.reset(number),
            }
        }
        let mut flow = Flow::Continue;
        for number in self.clients.take_listed() {
            if self.pump(user, now, number) == Flow::Again {
                flow = Flow::Again;
            }
        }
        if self.clients.is_time_to_look(now) {
            self.look(now);
        }
        self.accept(now);
        self.closing.retain(|(session, farewell)| close(user, *session, *farewell) == Err(SendError::Full));
        if !self.closing.is_empty() {
            flow = Flow::Again;
        }
        let due = self.clients.those(|client| client.pauses_until.is_some_and(|until| until <= now));
        for number in due.iter().take(OPENINGS) {
            self.open(now, user, *number);
        }
        if due.len() > OPENINGS {
            flow = Flow::Again;
        }
        self.troubles.look(now);
        self.report(now);
        flow
    }

    fn accepts(&self, user: &User, association: AssociationId) -> bool {
        let number = user.session_at(association).and_then(|session| self.number(session));
        number.and_then(|number| self.clients.get(number)).is_none_or(|client| client.relay.accepts())
    }

    fn deadline(&self) -> Option<Instant> {
        let report = self.monitor.as_ref().map(csp::Reporter::deadline);
        let pauses = self.clients.iter().filter_map(|client| client.pauses_until).min();
        let own = [self.asks_at, self.clients.looks_at(), self.door.deadline(), self.troubles.deadline()];
        own.into_iter().chain([report, pauses]).flatten().min()
    }
}
