//! What runs on elements and users: requests with numbers, and their answers.

use std::collections::VecDeque;
use std::time::Duration;

use rserpool::pool_element::ElementEvent;
use rserpool::pool_user::{SessionId, UserEvent};
use rserpool::wire::PoolHandle;
use rserpool::{AssociationId, Instant, OutgoingMessage};

use crate::node::{Element, User, Wanted};

pub(crate) const BROKEN: &str = "the simulator's own configuration is broken";

/// How often a user has a request.
const INTERVAL: Duration = Duration::from_secs(5);

/// After how much time an element that has failed to register tries again.
const AGAIN: Duration = Duration::from_secs(10);

/// Sends each request back, and sees to it that its element stays in its pool.
#[derive(Debug, Default)]
pub(crate) struct ElementApplication {
    answers: VecDeque<(AssociationId, Vec<u8>)>,
    register_at: Option<Instant>,
}

impl ElementApplication {
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
            ElementEvent::Data { session, message } => self.answers.push_back((session, message.octets.to_vec())),
            ElementEvent::Accepted { .. } | ElementEvent::SessionClosed { .. } => {}
            other => wanted.push(Wanted::Note(format!("{other:?}"))),
        }
    }

    /// True if the machine has something new to do.
    pub(crate) fn act(&mut self, element: &mut Element, now: Instant) -> bool {
        if self.register_at.take_if(|at| *at <= now).is_some() {
            element.register(now);
            return true;
        }
        let Some((session, octets)) = self.answers.pop_front() else { return false };
        // A session that has ended takes no answer any more.
        let _ = element.send(session, OutgoingMessage::new(&octets));
        true
    }
}

/// Sends a request every few seconds, again after each failover until it is answered.
#[derive(Debug)]
pub(crate) struct UserApplication {
    pool: String,
    session: Option<SessionId>,
    /// The number of the last request.
    pub(crate) number: u64,
    pub(crate) answered: u64,
    next_request: Option<Instant>,
    /// Whether the last request has to be sent, again maybe.
    to_send: bool,
    /// How often the latest requests were sent, and were answered.
    counts: VecDeque<(u64, u32, u32)>,
    /// A request with more answers than it was sent.
    pub(crate) answered_too_often: Option<u64>,
}

/// How many requests' answers are counted.
const COUNTED: usize = 8;

impl UserApplication {
    pub(crate) fn new(pool: String) -> Self {
        Self {
            pool,
            session: None,
            number: 0,
            answered: 0,
            next_request: None,
            to_send: false,
            counts: VecDeque::new(),
            answered_too_often: None,
        }
    }

    pub(crate) fn pool(&self) -> &str {
        &self.pool
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.next_request.filter(|_| self.session.is_some())
    }

    pub(crate) fn event(&mut self, now: Instant, event: UserEvent<'_>, wanted: &mut Vec<Wanted>) {
        match event {
            UserEvent::Data { message, .. } => {
                let number = message.octets.try_into().map_or(0, u64::from_be_bytes);
                if let Some((_, sent, answered)) = self.counts.iter_mut().find(|(counted, ..)| *counted == number) {
                    *answered += 1;
                    if answered > sent {
                        self.answered_too_often = Some(number);
                    }
                }
                if number == self.number && self.answered < number {
                    self.answered = number;
                    self.next_request = Some(now + INTERVAL);
                }
            }
            UserEvent::Established { .. } => {
                self.to_send = self.answered < self.number;
                wanted.push(Wanted::Note(format!("{event:?}")));
            }
            UserEvent::Resolved(_) => {}
            other => wanted.push(Wanted::Note(format!("{other:?}"))),
        }
    }

    /// True if the machine has something new to do.
    pub(crate) fn act(&mut self, user: &mut User, now: Instant) -> bool {
        let Some(session) = self.session else {
            self.session = user.open_session(now, PoolHandle::from(self.pool.as_str())).ok();
            self.next_request = Some(now);
            return true;
        };
        if self.next_request.is_some_and(|at| at <= now) {
            self.next_request = None;
            self.number += 1;
            self.to_send = true;
        }
        if !std::mem::take(&mut self.to_send) {
            return false;
        }
        if user.send(session, OutgoingMessage::new(&self.number.to_be_bytes())).is_ok() {
            match self.counts.back_mut().filter(|(number, ..)| *number == self.number) {
                Some((_, sent, _)) => *sent += 1,
                None => self.counts.push_back((self.number, 1, 0)),
            }
            if self.counts.len() > COUNTED {
                self.counts.pop_front();
            }
        }
        true
    }

    /// The user thinks that its session's element does not do what it should.
    pub(crate) fn give_up(&self, user: &mut User, now: Instant) {
        if let Some(session) = self.session {
            user.report_failure(now, session);
        }
    }
}
