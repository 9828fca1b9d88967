//! What runs on top of an element's machine: commands in, sessions out, their queues into the machine.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use flume::{Receiver, Sender, TryRecvError};
use rserpool::pool_element::{ElementEvent, RegistrationFailure};
use rserpool::{AssociationId, Instant, SendError};
use rserpool_transport::{Application, Flow};
use tracing::{debug, info, warn};

use super::session::{Event, Session};
use super::{Command, ElementMachine, Listener};
use crate::hub::Hub;
use crate::link::{Delivery, Doorbell, FarEnd, Item};
use crate::message::Message;

/// After how much time an element that no registrar wants tries again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long it waits at its end for the answer to its deregistration, and until sessions have got rid of their messages.
const FAREWELL: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct Entry {
    far: FarEnd<Event>,
    /// The user takes less than is sent.
    is_congested: bool,
    /// The application has dropped the session: it ends when all is sent.
    is_dropped: bool,
}

/// Its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    On,
    /// It has left its pool, or is about to, and serves those who are there.
    Draining,
    /// So it has, and ends as soon as all is said, at this time at the latest.
    Ending {
        until: Instant,
    },
    /// It is over.
    Over,
}

/// What runs on top of an element's machine.
pub struct ElementApplication {
    commands: Receiver<Command>,
    doorbell: Arc<Doorbell>,
    hub: Weak<Hub<Command>>,
    accepted: Delivery<Session>,
    sessions: HashMap<AssociationId, Entry>,
    /// Sessions that may have something to be sent.
    dirty: Vec<AssociationId>,
    is_registered: bool,
    when_registered: Vec<Sender<Result<(), RegistrationFailure>>>,
    register_at: Option<Instant>,
    life: Life,
    has_left: bool,
    /// Who wants to know of the end.
    ended: Vec<Sender<()>>,
    listener: Option<Listener>,
    max_cookie: usize,
}

impl std::fmt::Debug for ElementApplication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ElementApplication").field("sessions", &self.sessions.len()).finish_non_exhaustive()
    }
}

impl ElementApplication {
    pub(super) fn new(
        commands: Receiver<Command>,
        doorbell: Arc<Doorbell>,
        hub: Weak<Hub<Command>>,
        accepted: Delivery<Session>,
        listener: Option<Listener>,
        max_cookie: usize,
    ) -> Self {
        Self {
            commands,
            doorbell,
            hub,
            accepted,
            sessions: HashMap::new(),
            dirty: Vec::new(),
            is_registered: false,
            when_registered: Vec::new(),
            register_at: None,
            life: Life::On,
            has_left: false,
            ended: Vec::new(),
            listener,
            max_cookie,
        }
    }

    fn carry_out(&mut self, now: Instant, element: &mut ElementMachine, command: Command) {
        match command {
            Command::Outgoing(id) => self.dirty.push(id),
            Command::Dropped(id) => self.drop_session(id),
            Command::SetPolicy(policy) => element.set_policy(now, policy),
            Command::WhenRegistered { reply } if self.is_registered => _ = reply.send(Ok(())),
            Command::WhenRegistered { reply } => self.when_registered.push(reply),
            Command::Drain { reply } => {
                self.ended.push(reply);
                if self.life == Life::On {
                    (self.life, self.register_at) = (Life::Draining, None);
                    element.drain(now);
                }
            }
            Command::ShutDown { reply } => {
                self.ended.push(reply);
                self.end(now, element);
            }
        }
    }

    /// It leaves its pool, and its sessions end.
    fn end(&mut self, now: Instant, element: &mut ElementMachine) {
        match self.life {
            Life::Ending { .. } | Life::Over => return,
            Life::Draining => {}
            Life::On => element.drain(now),
        }
        (self.life, self.register_at) = (Life::Ending { until: now + FAREWELL }, None);
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.drop_session(id);
        }
    }

    fn drop_session(&mut self, id: AssociationId) {
        if let Some(entry) = self.sessions.get_mut(&id) {
            entry.is_dropped = true;
            self.dirty.push(id);
        }
    }

    /// Something has come from a user.
    fn push(&mut self, id: AssociationId, event: Event) {
        if let Some(entry) = self.sessions.get(&id) {
            entry.far.incoming.push(event);
            return;
        }
        // It is the first. When nobody is there any more to be told of it, the element is about to end.
        let Some(hub) = self.hub.upgrade() else { return };
        let (session, far) = Session::new(id, hub, self.max_cookie);
        far.incoming.push(event);
        self.sessions.insert(id, Entry { far, is_congested: false, is_dropped: false });
        self.accepted.push(session);
        debug!(session = %id, "a user");
    }

    /// Sends what sessions have to send; true if the machine could not take it all.
    fn pump_all(&mut self, element: &mut ElementMachine) -> bool {
        let mut is_full = false;
        for id in std::mem::take(&mut self.dirty) {
            let Some(entry) = self.sessions.get_mut(&id) else { continue };
            let result = entry.pump(element, id);
            if entry.is_dropped && entry.far.is_empty() && element.close_session(id) != Err(SendError::Full) {
                self.sessions.remove(&id);
                continue;
            }
            if result == Err(SendError::Full) || entry.is_dropped && entry.far.is_empty() {
                is_full = true;
                self.dirty.push(id);
            }
        }
        is_full
    }

    fn told(&mut self, result: Result<(), RegistrationFailure>) {
        for reply in self.when_registered.drain(..) {
            let _ = reply.send(result);
        }
    }
}

impl Entry {
    /// Gives the machine what is to be sent, as far as it takes it.
    fn pump(&mut self, element: &mut ElementMachine, id: AssociationId) -> Result<(), SendError> {
        self.far.look();
        while !self.is_congested {
            let Some(outgoing) = self.far.next() else { break };
            let result = match &outgoing.item {
                Item::Message(message) => element.send(id, message.as_outgoing()),
                Item::Cookie(cookie) => element.send_cookie(id, cookie),
            };
            match result {
                Err(SendError::Full) => {
                    self.far.put_back(outgoing);
                    return result;
                }
                Err(SendError::Congested) => {
                    self.far.put_back(outgoing);
                    self.is_congested = true;
                }
                // What cannot be sent at all is of no use any more.
                _ => {}
            }
        }
        Ok(())
    }
}

impl Application<ElementMachine> for ElementApplication {
    fn event(&mut self, now: Instant, event: ElementEvent<'_>) {
        if let Some(listener) = &mut self.listener {
            listener(&event);
        }
        match event {
            ElementEvent::Registered { home } => {
                info!(%home, "registered");
                self.is_registered = true;
                self.told(Ok(()));
            }
            ElementEvent::RegistrationFailed(failure) => {
                warn!(?failure, "not registered, trying again");
                self.is_registered = false;
                self.told(Err(failure));
                if self.life == Life::On {
                    self.register_at = Some(now + AGAIN);
                }
            }
            ElementEvent::RegistrationWarning { cause } => {
                warn!(%cause, "the registrar may have changed values of the registration");
            }
            ElementEvent::RegistrationExpired => self.is_registered = false,
            ElementEvent::Deregistered | ElementEvent::DeregistrationRejected { .. } => {
                info!("has left its pool");
                (self.is_registered, self.has_left) = (false, true);
            }
            ElementEvent::Drained if self.life == Life::Draining => self.life = Life::Over,
            ElementEvent::NoRegistrar(reason) => warn!("{reason}, trying again"),
            ElementEvent::HomeLost { reason } => info!(%reason, "the registrar is gone"),
            ElementEvent::HomeChanged { home } => info!(%home, "another registrar"),
            ElementEvent::CookieEcho { session, cookie } => {
                self.push(session, Event::CookieEcho(Bytes::copy_from_slice(cookie)));
            }
            ElementEvent::Data { session, message } => {
                let octets = Bytes::copy_from_slice(message.octets);
                self.push(session, Event::Message(Message { protocol: message.protocol, ..Message::new(octets) }));
            }
            ElementEvent::Ready { session } => {
                if let Some(entry) = self.sessions.get_mut(&session) {
                    entry.is_congested = false;
                    self.dirty.push(session);
                }
            }
            ElementEvent::SessionClosed { session, reason } => {
                debug!(%session, %reason, "a user has gone");
                if let Some(entry) = self.sessions.remove(&session) {
                    entry.far.incoming.push(Event::Closed(reason));
                }
            }
            ElementEvent::MessageTooLarge { session, length } => {
                warn!(%session, length, "a message is too large, and is lost");
            }
            _ => {}
        }
    }

    fn commands(&mut self, now: Instant, element: &mut ElementMachine) -> Flow {
        self.doorbell.answer();
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.carry_out(now, element, command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.end(now, element);
                    break;
                }
            }
        }
        if self.register_at.take_if(|at| *at <= now).is_some() {
            element.register(now);
        }
        let is_full = self.pump_all(element);
        if let Life::Ending { until } = self.life
            && (until <= now || self.has_left && self.sessions.is_empty())
        {
            self.life = Life::Over;
        }
        match self.life {
            Life::Over => Flow::Pause,
            _ if is_full => Flow::Again,
            _ => Flow::Continue,
        }
    }

    fn accepts(&self, _element: &ElementMachine, association: AssociationId) -> bool {
        match self.sessions.get(&association) {
            Some(entry) => entry.far.incoming.accepts(),
            None => true,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let end = match self.life {
            Life::Ending { until } => Some(until),
            _ => None,
        };
        self.register_at.into_iter().chain(end).min()
    }
}
