//! `rserpool user --listen`: each connection that comes in has a session with the pool. When its element dies before it has
//! answered, what the client has said goes to the next one.

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use rserpool::pool_user::{PoolUser, SessionId, UserEvent};
use rserpool::wire::{PayloadProtocol, PeIdentifier, PoolHandle};
use rserpool::{Failover, Instant, OutgoingMessage, SendError};
use rserpool_blocking::{Application, Flow};
use tracing::{debug, info, warn};

use super::pipe::{Backlog, News, Pipe, Reporter};
use super::{CREDIT, DATA, END, RESET, WINDOW};
use crate::args::UserArgs;
use crate::csp;
use crate::driver::Driver;
use crate::failure::Failure;
use crate::node::{self, Stop};
use crate::user;

/// Connections at a time; further ones wait.
type User = PoolUser<64, 32, { 256 * 1024 }>;

pub(crate) fn run(args: &UserArgs, listen: SocketAddr) -> Result<(), Failure> {
    let mut driver: Driver<User> =
        user::driver(&args.node, &args.registrar, args.transport, user::config_for_sessions()?)?;
    let listener = TcpListener::bind(listen)
        .map_err(|error| Failure::Transport(format!("--listen {listen}: the TCP port cannot be had: {error}")))?;
    info!(event = "listening", address = %listener.local_addr()?, pool = args.pool, "a way into the pool");
    node::ready();
    let (connections, incoming) = channel();
    let (to, news) = channel();
    let waker = driver.waker();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if connections.send(stream).is_err() {
                break;
            }
            waker.wake();
        }
    });
    let stop = Stop::on_signals(driver.waker())?;
    let reporter = Reporter { to, waker: driver.waker() };
    let (waiting, clients, sessions, backlog, todo) = Default::default();
    let pool = args.pool.clone();
    let (next, full) = (0, false);
    let monitor = csp::Reporter::new(&args.monitor, csp::Component::User(node::random()?), &listen.to_string())?;
    let mut app =
        App { pool, stop, reporter, incoming, news, waiting, clients, sessions, next, backlog, todo, full, monitor };
    Ok(driver.run(&mut app)?)
}

/// Whether a client's octets go to an element at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// There is no element yet.
    Waiting,
    Open,
}

/// A connection.
struct Client {
    session: SessionId,
    pipe: Pipe,
    way: Way,
    /// Its element, and since when.
    element: Option<(PeIdentifier, Instant)>,
    /// What the client has said, to be said again to another element; `None` once an element has answered, or when it is
    /// too much to be kept.
    said: Option<Vec<u8>>,
    /// Whether the client has said all, and has got all that the service has said.
    ended: [bool; 2],
}

struct App {
    pool: String,
    stop: Stop,
    reporter: Reporter,
    incoming: Receiver<TcpStream>,
    news: Receiver<(u64, News)>,
    waiting: VecDeque<TcpStream>,
    clients: HashMap<u64, Client>,
    sessions: HashMap<SessionId, u64>,
    next: u64,
    backlog: Backlog<SessionId>,
    todo: Vec<Todo>,
    /// Whether the machine has had no room for the backlog.
    full: bool,
    /// Who is told how it is.
    monitor: Option<csp::Reporter>,
}

/// What is to be done about a session besides sending.
enum Todo {
    Close(SessionId),
    /// Its element has let the client down.
    Report(SessionId),
}

impl App {
    fn client(&mut self, session: SessionId) -> Option<&mut Client> {
        self.clients.get_mut(self.sessions.get(&session)?)
    }

    fn report(&mut self, now: Instant) {
        let Self { monitor: Some(monitor), clients, .. } = self else { return };
        monitor.report(now, || {
            let elements = clients.values().filter_map(|client| client.element);
            let associations = elements.map(|(element, since)| csp::Association {
                with: csp::Component::Element(element),
                since,
                protocol: DATA,
            });
            csp::Status { text: csp::count(clients.len(), "session"), load: None, associations: associations.collect() }
        });
    }

    /// A connection is over.
    fn drop_client(&mut self, session: SessionId) {
        if let Some(id) = self.sessions.remove(&session) {
            self.clients.remove(&id);
        }
        self.backlog.retain(|(of, ..)| *of != session);
    }

    fn say(&mut self, session: SessionId, protocol: PayloadProtocol, octets: Vec<u8>) {
        self.backlog.push_back((session, protocol, octets));
    }

    /// An element is there: it hears all that the client has said so far.
    fn established(&mut self, session: SessionId) {
        self.backlog.retain(|(of, ..)| *of != session);
        let Some(client) = self.client(session) else { return };
        client.way = Way::Open;
        let said = client.said.clone().unwrap_or_default();
        client.pipe.set_credit(WINDOW.saturating_sub(said.len()));
        let has_ended = matches!(client.ended, [true, _]);
        for chunk in said.chunks(16 * 1024) {
            self.say(session, DATA, chunk.to_vec());
        }
        if has_ended {
            self.say(session, END, vec![0]);
        }
    }

    fn message(&mut self, session: SessionId, protocol: PayloadProtocol, octets: &[u8]) {
        let Some(client) = self.client(session) else { return };
        match protocol {
            DATA => {
                client.said = None;
                client.pipe.write(octets);
            }
            END => {
                client.said = None;
                client.pipe.end();
            }
            CREDIT => client.pipe.give(octets.try_into().map_or(0, u32::from_be_bytes) as usize),
            _ => {}
        }
    }

    fn news(&mut self, id: u64, news: News) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let session = client.session;
        let is_open = client.way == Way::Open;
        match news {
            News::Data(octets) => {
                match &mut client.said {
                    Some(said) if said.len() + octets.len() <= WINDOW => said.extend_from_slice(&octets),
                    said => *said = None,
                }
                if is_open {
                    self.say(session, DATA, octets);
                }
            }
            News::End => {
                let [all_said, all_heard] = &mut client.ended;
                *all_said = true;
                if *all_heard {
                    self.todo.push(Todo::Close(session));
                } else if is_open {
                    self.say(session, END, vec![0]);
                }
            }
            News::Ended => {
                let [all_said, all_heard] = &mut client.ended;
                *all_heard = true;
                if *all_said {
                    self.todo.push(Todo::Close(session));
                }
            }
            News::Written(octets) => {
                let is_over = matches!(client.ended, [true, true]);
                if is_open && !is_over {
                    self.say(session, CREDIT, (octets as u32).to_be_bytes().to_vec());
                }
            }
            News::Broken => self.todo.push(Todo::Close(session)),
        }
    }
}

impl Application<User> for App {
    fn event(&mut self, now: Instant, event: UserEvent<'_>) {
        match event {
            UserEvent::Established { session, identifier, .. } => {
                debug!(event = "established", element = %identifier, %session, "a connection has an element");
                self.established(session);
                if let Some(client) = self.client(session) {
                    client.element = Some((identifier, now));
                }
            }
            UserEvent::Failover { session, identifier, .. } => {
                let Some(client) = self.client(session) else { return };
                (client.way, client.element) = (Way::Waiting, None);
                if client.said.is_some() {
                    info!(event = "failover", element = %identifier, %session, "a connection moves to the next element");
                } else {
                    info!(event = "broken", element = %identifier, %session, "a connection has lost its element");
                    self.todo.push(Todo::Close(session));
                }
            }
            UserEvent::SessionEnded { session, reason } => {
                warn!(%session, %reason, "a connection cannot have an element");
                self.todo.push(Todo::Close(session));
            }
            UserEvent::Data { session, message, .. } if message.protocol == RESET => {
                // The element lives, and its service does not.
                let Some(client) = self.client(session) else { return };
                let is_fresh = client.said.is_some();
                self.todo.push(if is_fresh { Todo::Report(session) } else { Todo::Close(session) });
            }
            UserEvent::Data { session, message, .. } => self.message(session, message.protocol, message.octets),
            UserEvent::ResolutionFailed { pool_handle, failure } => {
                warn!(pool = %pool_handle, reason = ?failure, "the pool cannot be resolved, trying again");
            }
            _ => {}
        }
    }

    fn commands(&mut self, now: Instant, user: &mut User) -> Flow {
        if self.stop.is_set() {
            return Flow::Stop;
        }
        self.waiting.extend(self.incoming.try_iter());
        while let Some(stream) = self.waiting.pop_front() {
            let Ok(session) = user.open_session(now, PoolHandle::from(self.pool.as_str())) else {
                self.waiting.push_front(stream);
                break;
            };
            self.next += 1;
            let pipe = Pipe::of(self.next, stream, &self.reporter);
            let client =
                Client { session, pipe, way: Way::Waiting, element: None, said: Some(Vec::new()), ended: [false; 2] };
            self.clients.insert(self.next, client);
            self.sessions.insert(session, self.next);
        }
        while let Ok((id, news)) = self.news.try_recv() {
            self.news(id, news);
        }
        for todo in std::mem::take(&mut self.todo) {
            match todo {
                Todo::Close(session) => {
                    self.drop_client(session);
                    user.close_session(session);
                }
                Todo::Report(session) => user.report_failure(now, session),
            }
        }
        self.full = false;
        while let Some((session, protocol, octets)) = self.backlog.front() {
            // What does not arrive is said again by itself.
            let failover = Failover::Forbidden;
            let message = OutgoingMessage { protocol: *protocol, failover, ..OutgoingMessage::new(octets) };
            if user.send(*session, message) == Err(SendError::Full) {
                self.full = true;
                break;
            }
            self.backlog.pop_front();
        }
        self.report(now);
        Flow::Continue
    }

    fn deadline(&self) -> Option<Instant> {
        let report = self.monitor.as_ref().map(csp::Reporter::deadline);
        self.full.then_some(Instant::ZERO).or(report)
    }
}
