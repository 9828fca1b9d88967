//! What runs on elements and users: requests with numbers and their answers, the session's state in a cookie, and messages to
//! the pool.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rserpool::cookie::{COOKIE_OVERHEAD, CookieKey};
use rserpool::pool_element::ElementEvent;
use rserpool::pool_user::{FailoverMode, SessionId, SessionOptions, Target, UserEvent};
use rserpool::wire::{PeIdentifier, PoolHandle};
use rserpool::{AssociationId, Failover, Instant, OutgoingMessage, Progress, SendError};

use crate::node::{Element, User, Wanted};
use crate::promise::{Aim, PoolMessage, SessionState, key};
use crate::random::Random;

pub(crate) const BROKEN: &str = "the simulator's own configuration is broken";

/// How often a user has a request.
const INTERVAL: Duration = Duration::from_secs(5);

/// How often it has something to say to the whole pool, or to some element of it.
const POOL_INTERVAL: Duration = Duration::from_secs(13);

/// After how much time an element that has failed to register tries again.
const AGAIN: Duration = Duration::from_secs(10);

/// Sends each request back, and sees to it that its element stays in its pool.
#[derive(Debug)]
pub(crate) struct ElementApplication {
    identifier: PeIdentifier,
    key: CookieKey,
    sessions: BTreeMap<AssociationId, SessionState>,
    answers: VecDeque<(AssociationId, u64)>,
    /// Answers that wait until their users take more.
    held_back: Vec<(AssociationId, u64)>,
    register_at: Option<Instant>,
}

impl ElementApplication {
    pub(crate) fn new(identifier: PeIdentifier) -> Self {
        let (sessions, answers, held_back) = Default::default();
        Self { identifier, key: key(), sessions, answers, held_back, register_at: None }
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.register_at
    }

    /// The element is not to be a member any more.
    pub(crate) fn stay_away(&mut self) {
        self.register_at = None;
    }

    pub(crate) fn event(&mut self, now: Instant, event: ElementEvent<'_>, wanted: &mut Vec<Wanted>) {
        if matches!(event, ElementEvent::RegistrationFailed(_)) {
            self.register_at = Some(now + AGAIN);
        }
        match event {
            ElementEvent::Data { session, message } => match message.octets.try_into().map(u64::from_be_bytes) {
                Ok(number) => {
                    if let Some(wrong) = self.sessions.entry(session).or_default().request(number) {
                        wanted.push(Wanted::Complaint(wrong));
                    }
                    self.answers.push_back((session, number));
                }
                Err(_) => {
                    if let Some(message) = PoolMessage::decode(message.octets) {
                        wanted.push(Wanted::Delivered { message, element: self.identifier });
                    }
                }
            },
            ElementEvent::CookieEcho { session, cookie } => {
                let mut buffer = [0; 64];
                let state = self.key.open(PoolHandle::new(b"sessions"), cookie, &mut buffer).ok();
                match state.and_then(|state| state.try_into().ok()) {
                    Some(answered) => {
                        let answered = u64::from_be_bytes(answered);
                        self.sessions.insert(session, SessionState { answered });
                    }
                    None => wanted.push(Wanted::Complaint("a cookie is not as it was made".into())),
                }
            }
            ElementEvent::SessionClosed { session, .. } => {
                self.sessions.remove(&session);
                self.held_back.retain(|(waits, _)| *waits != session);
            }
            ElementEvent::Ready { session } => {
                self.answers.extend(self.held_back.extract_if(.., |(waits, _)| *waits == session));
            }
            ElementEvent::Accepted { .. } => {}
            other => wanted.push(Wanted::Note(format!("{other:?}"))),
        }
    }

    /// True if the machine has something new to do.
    pub(crate) fn act(&mut self, element: &mut Element, now: Instant) -> bool {
        if self.register_at.take_if(|at| *at <= now).is_some() {
            element.register(now);
            return true;
        }
        let Some((session, number)) = self.answers.pop_front() else { return false };
        let answered = self.sessions.get(&session).map_or(number, |state| state.answered);
        let mut buffer = [0; 8 + COOKIE_OVERHEAD];
        let cookie = self.key.sign(PoolHandle::new(b"sessions"), &answered.to_be_bytes(), &mut buffer);
        // A session that has ended takes no answer any more. The answer goes only behind the cookie.
        match cookie.map(|cookie| element.send_cookie(session, cookie)) {
            Ok(Ok(())) => _ = element.send(session, OutgoingMessage::new(&number.to_be_bytes())),
            Ok(Err(SendError::Congested)) => self.held_back.push((session, number)),
            _ => {}
        }
        true
    }
}

/// Sends a request every few seconds, again after each failover until it is answered, and now and then a message to the
/// pool.
#[derive(Debug)]
pub(crate) struct UserApplication {
    pool: String,
    failover: FailoverMode,
    random: Random,
    sender: u64,
    session: Option<SessionId>,
    /// The number of the last request.
    pub(crate) number: u64,
    pub(crate) answered: u64,
    next_request: Option<Instant>,
    /// Whether the last request has to be sent, again maybe.
    to_send: bool,
    /// Whether it waits for the element to take more.
    held_back: bool,
    /// How often the latest requests were sent, and were answered.
    counts: VecDeque<(u64, u32, u32)>,
    /// The message to the pool that was said just now.
    said: Option<PoolMessage>,
    /// Whether the session's next element is waited for by the application.
    to_fail_over: bool,
    next_message: Option<Instant>,
    messages: u64,
    /// The elements that it has heard of.
    elements: Vec<PeIdentifier>,
}

/// How many requests' answers are counted.
const COUNTED: usize = 8;

impl UserApplication {
    pub(crate) fn new(pool: String, mut random: Random) -> Self {
        let modes = [FailoverMode::Automatic, FailoverMode::Supervised, FailoverMode::Manual];
        let failover = modes.get(random.index(modes.len())).copied().unwrap_or_default();
        let sender = random.u64();
        let (session, next_request, next_message) = (None, None, None);
        let (counts, elements) = Default::default();
        Self {
            pool,
            failover,
            random,
            sender,
            session,
            number: 0,
            answered: 0,
            next_request,
            to_send: false,
            held_back: false,
            counts,
            said: None,
            to_fail_over: false,
            next_message,
            messages: 0,
            elements,
        }
    }

    pub(crate) fn pool(&self) -> &str {
        &self.pool
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.session?;
        [self.next_request, self.next_message].into_iter().flatten().min()
    }

    pub(crate) fn event(&mut self, now: Instant, event: UserEvent<'_>, wanted: &mut Vec<Wanted>) {
        match event {
            UserEvent::Data { message, identifier, .. } => {
                if !self.elements.contains(&identifier) {
                    self.elements.push(identifier);
                }
                let number = message.octets.try_into().map_or(0, u64::from_be_bytes);
                if let Some((_, sent, answered)) = self.counts.iter_mut().find(|(counted, ..)| *counted == number) {
                    *answered += 1;
                    if answered > sent {
                        wanted.push(Wanted::Complaint(format!(
                            "request {number} was answered more often than it was sent"
                        )));
                    }
                }
                if number == self.number && self.answered < number {
                    self.answered = number;
                    self.next_request = Some(now + INTERVAL);
                }
            }
            UserEvent::Established { .. } => {
                self.to_send = self.answered < self.number;
                self.held_back = false;
                wanted.push(Wanted::Note(format!("{event:?}")));
            }
            UserEvent::Failover { .. } => {
                self.to_fail_over = self.failover == FailoverMode::Manual;
                wanted.push(Wanted::Note(format!("{event:?}")));
            }
            UserEvent::Undelivered { identifier, progress: Progress::Unsent, message, .. } => {
                match PoolMessage::decode(message.octets) {
                    Some(message) => wanted.push(Wanted::Unsent { message, element: identifier }),
                    None => wanted.push(Wanted::Complaint("a request that another may have has come back".into())),
                }
            }
            UserEvent::Undelivered { message, .. } => {
                wanted.extend(PoolMessage::decode(message.octets).map(Wanted::CameBack));
            }
            UserEvent::Ready { .. } => self.to_send |= std::mem::take(&mut self.held_back),
            UserEvent::Resolved(_) => {}
            other => wanted.push(Wanted::Note(format!("{other:?}"))),
        }
    }

    /// True if the machine has something new to do.
    pub(crate) fn act(&mut self, user: &mut User, now: Instant) -> bool {
        let pool = PoolHandle::from(self.pool.as_str());
        let Some(session) = self.session else {
            let mut options = SessionOptions::default();
            options.failover = self.failover;
            self.session = user.open_session_with(now, pool, options).ok();
            self.next_request = Some(now);
            self.next_message = Some(now + POOL_INTERVAL);
            return true;
        };
        if std::mem::take(&mut self.to_fail_over) {
            user.fail_over(now, session);
            return true;
        }
        if self.next_message.is_some_and(|at| at <= now) {
            self.next_message = Some(now + POOL_INTERVAL);
            self.say_to_pool(user, now);
            return true;
        }
        if self.next_request.is_some_and(|at| at <= now) {
            self.next_request = None;
            self.number += 1;
            self.to_send = true;
        }
        if !std::mem::take(&mut self.to_send) {
            return false;
        }
        let sent = user.send(session, OutgoingMessage::new(&self.number.to_be_bytes()));
        self.held_back = sent == Err(SendError::Congested);
        if sent.is_ok() {
            match self.counts.back_mut().filter(|(number, ..)| *number == self.number) {
                Some((_, sent, _)) => *sent += 1,
                None => self.counts.push_back((self.number, 1, 0)),
            }
            if self.counts.len() > COUNTED {
                self.counts.pop_front();
            }
        }
        user.resume(session);
        true
    }

    fn say_to_pool(&mut self, user: &mut User, now: Instant) {
        let some = self.random.index(self.elements.len().max(1));
        let (target, aim, failover) = match (self.random.index(7), self.elements.get(some)) {
            (0, _) => (Target::Policy, Aim::Any, Failover::Allowed),
            (1, _) => (Target::Policy, Aim::Any, Failover::Forbidden),
            (2, _) => (Target::Last, Aim::Any, Failover::Allowed),
            (3, Some(some)) => (Target::Element(*some), Aim::Any, Failover::Allowed),
            (4, Some(some)) => (Target::Element(*some), Aim::Only(*some), Failover::Forbidden),
            (5, _) => (Target::AllAndSelf, Aim::All, Failover::Allowed),
            _ => (Target::All, Aim::All, Failover::Allowed),
        };
        self.messages += 1;
        let said = PoolMessage { sender: self.sender, number: self.messages, aim };
        let octets = said.encode();
        let message = OutgoingMessage { failover, ..OutgoingMessage::new(&octets) };
        let taken = user.send_to_pool(now, PoolHandle::from(self.pool.as_str()), target, message);
        self.said = taken.is_ok().then_some(said);
    }

    /// The message to the pool that was said since this was asked last.
    pub(crate) fn take_said(&mut self) -> Option<PoolMessage> {
        self.said.take()
    }

    /// The user thinks that its session's element does not do what it should.
    pub(crate) fn give_up(&self, user: &mut User, now: Instant) {
        if let Some(session) = self.session {
            user.report_failure(now, session);
        }
    }
}
