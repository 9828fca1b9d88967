//! What runs on top of a user's machine: commands in, events out, sessions' queues into the machine.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use flume::{Receiver, Sender, TryRecvError};
use rserpool::pool_user::{FailoverMode, KnownElement, SessionId, SessionOptions, UserEvent};
use rserpool::{AssociationId, Instant, SendError};
use rserpool_transport::{Application, Flow};
use tracing::{debug, info, warn};

use super::session::{Delay, Event, Session};
use super::{Command, Listener, PoolEvent, UserMachine, handle};
use crate::error::Error;
use crate::hub::Hub;
use crate::link::{Delivery, Doorbell, FarEnd, Item, OUTGOING, Outgoing};
use crate::message::Message;

/// For how long a session that was dropped tries to get rid of its messages.
const LINGER: Duration = Duration::from_secs(5);

/// Whether a session's messages can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// There is no element.
    Waiting,
    /// There is one.
    On,
    /// There is a new one, to which the application sends what it has to know.
    Rebuilding,
}

#[derive(Debug)]
struct Entry {
    pool_handle: Vec<u8>,
    far: FarEnd<Event>,
    /// What its application knows of why there is no element.
    delay: Option<Delay>,
    standing: Standing,
    failover: FailoverMode,
    /// How many elements it has had.
    epoch: u32,
    /// What was sent before the application knew of the present element.
    behind: VecDeque<Outgoing>,
    /// The element takes less than is sent.
    is_congested: bool,
    /// The application has sent all that a new element has to know, or will not.
    may_resume: bool,
    /// The application has dropped it, and so it ends, at this time at the latest.
    until: Option<Instant>,
}

/// What became of an attempt to send all that a session has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pumped {
    /// There is nothing to do before something happens.
    Done,
    /// The machine's queue is full.
    Full,
    /// The session is over.
    Over,
}

struct PoolMessage {
    pool_handle: Vec<u8>,
    target: rserpool::pool_user::Target,
    message: Message,
    reply: Sender<Result<(), Error>>,
}

struct Resolution {
    pool_handle: Vec<u8>,
    reply: Sender<Result<Vec<KnownElement>, Error>>,
    /// The answer has come.
    result: Option<Result<(), Error>>,
}

/// What runs on top of a user's machine.
pub struct UserApplication {
    commands: Receiver<Command>,
    doorbell: Arc<Doorbell>,
    sessions: HashMap<SessionId, Entry>,
    /// Sessions that may have something to be sent.
    dirty: Vec<SessionId>,
    pool_events: Delivery<PoolEvent>,
    pool_messages: VecDeque<PoolMessage>,
    resolutions: Vec<Resolution>,
    /// Who wants to know of the end.
    ended: Vec<Sender<()>>,
    is_ending: bool,
    listener: Option<Listener>,
}

impl std::fmt::Debug for UserApplication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserApplication").field("sessions", &self.sessions.len()).finish_non_exhaustive()
    }
}

impl UserApplication {
    pub(super) fn new(
        commands: Receiver<Command>,
        doorbell: Arc<Doorbell>,
        pool_events: Delivery<PoolEvent>,
        listener: Option<Listener>,
    ) -> Self {
        Self {
            commands,
            doorbell,
            sessions: HashMap::new(),
            dirty: Vec::new(),
            pool_events,
            pool_messages: VecDeque::new(),
            resolutions: Vec::new(),
            ended: Vec::new(),
            is_ending: false,
            listener,
        }
    }

    fn open(
        &mut self,
        now: Instant,
        user: &mut UserMachine,
        pool_handle: &[u8],
        options: SessionOptions,
        hub: Arc<Hub<Command>>,
    ) -> Result<Session, Error> {
        if self.is_ending {
            return Err(Error::Ended);
        }
        let failover = options.failover;
        let id = user.open_session_with(now, handle(pool_handle), options)?;
        let (session, far) = Session::new(id, hub);
        let entry = Entry {
            pool_handle: pool_handle.to_vec(),
            far,
            delay: None,
            standing: Standing::Waiting,
            failover,
            epoch: 0,
            behind: VecDeque::new(),
            is_congested: false,
            may_resume: false,
            until: None,
        };
        self.sessions.insert(id, entry);
        Ok(session)
    }

    fn carry_out(&mut self, now: Instant, user: &mut UserMachine, command: Command) {
        match command {
            Command::Open { pool_handle, options, hub, reply } => {
                let _ = reply.send(self.open(now, user, &pool_handle, options, hub));
            }
            Command::Outgoing(id) => self.dirty.push(id),
            Command::Dropped(id) => self.drop_session(now, id),
            Command::ReportFailure(id) => user.report_failure(now, id),
            Command::FailOver(id) => user.fail_over(now, id),
            Command::Resume(id) => {
                if let Some(entry) = self.sessions.get_mut(&id) {
                    entry.may_resume = true;
                    self.dirty.push(id);
                }
            }
            Command::Resolve { pool_handle, reply } => match user.resolve(now, handle(&pool_handle)) {
                Ok(()) => self.resolutions.push(Resolution { pool_handle, reply, result: None }),
                Err(error) => _ = reply.send(Err(error.into())),
            },
            Command::Primary { pool_handle, reply } => _ = reply.send(user.primary(now, handle(&pool_handle))),
            Command::ReportUnreachable { pool_handle, identifier } => {
                user.report_unreachable(now, handle(&pool_handle), identifier);
            }
            Command::SendToPool { pool_handle, target, message, reply } => match message.check() {
                Ok(()) => self.pool_messages.push_back(PoolMessage { pool_handle, target, message, reply }),
                Err(error) => _ = reply.send(Err(error)),
            },
            Command::ShutDown { reply } => {
                self.ended.push(reply);
                self.end(now);
            }
        }
    }

    /// What is to be sent is sent, and then the session ends.
    fn drop_session(&mut self, now: Instant, id: SessionId) {
        if let Some(entry) = self.sessions.get_mut(&id) {
            entry.until.get_or_insert(now + LINGER);
            entry.may_resume = true;
            self.dirty.push(id);
        }
    }

    /// All sessions end, and then the user.
    fn end(&mut self, now: Instant) {
        self.is_ending = true;
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.drop_session(now, id);
        }
    }

    /// Sends what sessions have to send; true if the machine could not take it all.
    fn pump_all(&mut self, now: Instant, user: &mut UserMachine) -> bool {
        let mut is_full = false;
        let expired = |(id, entry): (&SessionId, &Entry)| entry.until.is_some_and(|until| until <= now).then_some(*id);
        if self.sessions.values().any(|entry| entry.until.is_some()) {
            self.dirty.extend(self.sessions.iter().filter_map(expired));
        }
        for id in std::mem::take(&mut self.dirty) {
            let Some(entry) = self.sessions.get_mut(&id) else { continue };
            let pumped = entry.pump(user, id);
            let is_late = entry.until.is_some_and(|until| until <= now);
            if pumped == Pumped::Over || is_late || entry.until.is_some() && entry.has_nothing_to_send() {
                user.close_session(id);
                self.sessions.remove(&id);
            } else if pumped == Pumped::Full {
                is_full = true;
                self.dirty.push(id);
            }
        }
        is_full
    }

    /// Sends messages to pools, as far as there is room.
    fn send_to_pools(&mut self, now: Instant, user: &mut UserMachine) {
        while let Some(PoolMessage { pool_handle, target, message, reply }) = self.pool_messages.front() {
            let result = match user.send_to_pool(now, handle(pool_handle), *target, message.as_outgoing()) {
                Ok(()) => Ok(()),
                Err(SendError::Full) => return,
                Err(SendError::PoolHandleTooLong) => Err(Error::PoolHandleTooLong),
                Err(_) => Err(Error::NoRoom),
            };
            let _ = reply.send(result);
            self.pool_messages.pop_front();
        }
    }

    fn answer_resolutions(&mut self, now: Instant, user: &UserMachine) {
        for Resolution { pool_handle, reply, result } in
            self.resolutions.extract_if(.., |resolution| resolution.result.is_some())
        {
            let elements = || user.elements(now, handle(&pool_handle)).cloned().collect();
            let _ = reply.send(result.unwrap_or(Ok(())).map(|()| elements()));
        }
    }

    fn resolved(&mut self, pool_handle: &[u8], result: Result<(), Error>) {
        for resolution in self.resolutions.iter_mut().filter(|resolution| resolution.pool_handle == pool_handle) {
            resolution.result = Some(result);
        }
    }
}

impl Entry {
    /// There is no element yet.
    fn delayed(&mut self, delay: Delay) {
        if self.standing == Standing::Waiting && self.delay.replace(delay) != Some(delay) {
            self.far.incoming.push(Event::Delayed(delay));
        }
    }

    fn has_nothing_to_send(&self) -> bool {
        self.behind.is_empty() && self.far.is_empty()
    }

    /// Gives the machine what is to be sent, as far as it takes it.
    fn pump(&mut self, user: &mut UserMachine, id: SessionId) -> Pumped {
        self.far.look();
        while self.standing != Standing::Waiting && !self.is_congested {
            let is_rebuilding = self.standing == Standing::Rebuilding;
            let next = if is_rebuilding { None } else { self.behind.pop_front().map(|outgoing| (outgoing, true)) };
            let Some((outgoing, was_behind)) = next.or_else(|| Some((self.far.next()?, false))) else {
                if !is_rebuilding || !std::mem::take(&mut self.may_resume) {
                    return Pumped::Done;
                }
                self.standing = Standing::On;
                user.resume(id);
                continue;
            };
            if is_rebuilding && outgoing.epoch < self.epoch {
                if self.behind.len() >= OUTGOING {
                    // The application has to hear of the new element first.
                    self.far.put_back(outgoing);
                    return Pumped::Done;
                }
                self.behind.push_back(outgoing);
                continue;
            }
            let result = match &outgoing.item {
                Item::Message(message) => user.send(id, message.as_outgoing()),
                // Cookies are elements'.
                Item::Cookie(_) => Ok(()),
            };
            match result {
                Ok(()) => continue,
                Err(SendError::NoSession) => return Pumped::Over,
                _ if was_behind => self.behind.push_front(outgoing),
                _ => self.far.put_back(outgoing),
            }
            if result == Err(SendError::Full) {
                return Pumped::Full;
            }
            self.is_congested = true;
        }
        Pumped::Done
    }
}

impl Application<UserMachine> for UserApplication {
    fn event(&mut self, _now: Instant, event: UserEvent<'_>) {
        if let Some(listener) = &mut self.listener {
            listener(&event);
        }
        match event {
            UserEvent::HomeFound => debug!("found a registrar"),
            UserEvent::HomeLost => info!("the registrar is gone"),
            UserEvent::NoRegistrar(reason) => {
                warn!("{reason}, trying again");
                self.sessions.values_mut().for_each(|entry| entry.delayed(Delay::NoRegistrar(reason)));
            }
            UserEvent::Resolved(response) => {
                debug!(pool = %response.pool_handle, "resolved");
                self.resolved(response.pool_handle.octets(), Ok(()));
            }
            UserEvent::ResolutionFailed { pool_handle, failure } => {
                warn!(pool = %pool_handle, ?failure, "the pool cannot be resolved");
                for entry in self.sessions.values_mut().filter(|entry| entry.pool_handle == pool_handle.octets()) {
                    entry.delayed(Delay::Unresolved(failure));
                }
                self.resolved(pool_handle.octets(), Err(Error::Unresolved(failure)));
            }
            UserEvent::Established { session, identifier, failovers } => {
                info!(%session, element = %identifier, failovers, "session with an element");
                let Some(entry) = self.sessions.get_mut(&session) else { return };
                let rebuilds = entry.epoch > 0 && entry.failover != FailoverMode::Automatic;
                entry.standing = if rebuilds { Standing::Rebuilding } else { Standing::On };
                entry.epoch += 1;
                entry.delay = None;
                // Who has dropped the session has nothing more to say to a new element.
                (entry.is_congested, entry.may_resume) = (false, entry.until.is_some());
                entry.far.incoming.push(Event::Established { identifier, failovers });
                self.dirty.push(session);
            }
            UserEvent::Failover { session, identifier, reason } => {
                let why = reason.map_or_else(|| "cannot be reached".into(), |reason| reason.to_string());
                info!(%session, element = %identifier, reason = why, "the element is gone");
                let Some(entry) = self.sessions.get_mut(&session) else { return };
                (entry.standing, entry.is_congested) = (Standing::Waiting, false);
                entry.far.incoming.push(Event::Failover { identifier, reason });
            }
            UserEvent::Data { session, identifier, message } => {
                let message = Message {
                    protocol: message.protocol,
                    ..Message::new(bytes::Bytes::copy_from_slice(message.octets))
                };
                match self.sessions.get(&session) {
                    Some(entry) => entry.far.incoming.push(Event::Message { identifier, message }),
                    None => self.pool_events.push(PoolEvent::Message { identifier, message }),
                }
            }
            UserEvent::Undelivered { pool_handle, session, identifier, progress, message } => {
                let message = Message::copied(&message);
                match session.map(|session| self.sessions.get(&session)) {
                    Some(Some(entry)) => entry.far.incoming.push(Event::Undelivered { identifier, progress, message }),
                    Some(None) => {}
                    None => {
                        let pool_handle = pool_handle.octets().to_vec();
                        self.pool_events.push(PoolEvent::Undelivered { pool_handle, identifier, progress, message });
                    }
                }
            }
            UserEvent::SessionEnded { session, reason } => {
                warn!(%session, %reason, "the session is over");
                if let Some(entry) = self.sessions.remove(&session) {
                    entry.far.incoming.push(Event::Ended(reason));
                }
            }
            UserEvent::BusinessCard { session, card } => {
                debug!(%session, pool = %card.pool_handle, "the element is in another pool as well");
            }
            UserEvent::Ready { session } => {
                if let Some(entry) = self.sessions.get_mut(&session) {
                    entry.is_congested = false;
                    self.dirty.push(session);
                }
            }
            other => warn!(event = ?other, "lost"),
        }
    }

    fn commands(&mut self, now: Instant, user: &mut UserMachine) -> Flow {
        self.doorbell.answer();
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.carry_out(now, user, command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if !self.is_ending {
                        self.end(now);
                    }
                    break;
                }
            }
        }
        let is_full = self.pump_all(now, user);
        self.send_to_pools(now, user);
        self.answer_resolutions(now, user);
        if self.is_ending && self.sessions.is_empty() {
            return Flow::Pause;
        }
        if is_full { Flow::Again } else { Flow::Continue }
    }

    fn accepts(&self, user: &UserMachine, association: AssociationId) -> bool {
        let Some(session) = user.session_at(association) else { return true };
        match self.sessions.get(&session) {
            Some(entry) => entry.far.incoming.accepts(),
            None => self.pool_events.accepts(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.sessions.values().filter_map(|entry| entry.until).min()
    }
}
