//! Sessions of a user with a pool: one element at a time, the next when it dies, and the cookie that goes along
//! (RFC 5352 §3.5, §3.8, §6.5).

use super::cache::{ElementKey, HandleBuf, Request};
use super::event::Record;
use super::{Held, MAX_COOKIE, OpenError, PoolUser};
use crate::client::send;
use crate::machine::{AssociationId, CloseReason, OutgoingMessage};
use crate::pool_element::SendError;
use crate::time::Instant;
use crate::wire::asap::Body;
use crate::wire::{PayloadProtocol, PeIdentifier, PoolHandle, TransportUse};

/// Names a session of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(super) u32);

impl core::fmt::Display for SessionId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "session-{}", self.0)
    }
}

/// The element that a session has, or tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partner {
    pub(super) identifier: PeIdentifier,
    pub(super) association: AssociationId,
    pub(super) transport_use: TransportUse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionState {
    /// The registrar is asked for elements.
    Resolving,
    /// An association with an element is being opened.
    Connecting(Partner),
    /// Messages go to and from an element.
    Established(Partner),
    /// No element could be reached: the registrar is asked again after a while.
    Waiting { until: Instant },
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pool_handle: HandleBuf,
    pub(super) state: SessionState,
    /// The last cookie of any element of the session.
    cookie: Option<heapless::Vec<u8, MAX_COOKIE>>,
    /// Elements that the session has had or tried in vain.
    failovers: u32,
    /// How often it has waited since it had an element.
    waits: u8,
}

impl Session {
    pub(super) fn pool_handle(&self) -> PoolHandle<'_> {
        PoolHandle::new(&self.pool_handle)
    }

    fn partner(&self) -> Option<Partner> {
        match self.state {
            SessionState::Connecting(partner) | SessionState::Established(partner) => Some(partner),
            SessionState::Resolving | SessionState::Waiting { .. } => None,
        }
    }
}

impl<const SESSIONS: usize, const ELEMENTS: usize, const OCTETS: usize> PoolUser<SESSIONS, ELEMENTS, OCTETS> {
    /// Opens a session with a pool. [`UserEvent::Established`](super::UserEvent::Established) tells when it has an
    /// element; messages may be sent at once.
    ///
    /// # Errors
    ///
    /// There is no room for another session, or the handle is too long.
    pub fn open_session(&mut self, now: Instant, pool_handle: PoolHandle<'_>) -> Result<SessionId, OpenError> {
        if self.sessions.is_full() {
            return Err(OpenError::NoRoom);
        }
        self.pool_index(pool_handle)?;
        let id = SessionId(self.next_session);
        self.next_session = self.next_session.wrapping_add(1);
        let session = Session {
            id,
            pool_handle: heapless::Vec::from_slice(pool_handle.octets()).map_err(|_| OpenError::PoolHandleTooLong)?,
            state: SessionState::Resolving,
            cookie: None,
            failovers: 0,
            waits: 0,
        };
        self.sessions.push(session).map_err(|_| OpenError::NoRoom)?;
        self.connect(now, id);
        Ok(id)
    }

    /// Ends a session in order. Messages that it holds back are dropped.
    pub fn close_session(&mut self, session: SessionId) {
        let Some(index) = self.sessions.iter().position(|candidate| candidate.id == session) else { return };
        let session = self.sessions.swap_remove(index);
        if let Some(partner) = session.partner() {
            let _ = self.outbox.push(Record::Close { association: partner.association });
        }
    }

    /// Sends a message to the session's element. While there is none the message is held back, and goes to the next
    /// one by itself (RFC 5352 §6.5.1). What has been sent to an element that then died is the application's to send
    /// again.
    ///
    /// # Errors
    ///
    /// The message was not taken; nothing has happened.
    pub fn send(&mut self, session: SessionId, message: OutgoingMessage<'_>) -> Result<(), SendError> {
        SendError::check(&message)?;
        let entry = self.sessions.iter().find(|candidate| candidate.id == session).ok_or(SendError::NoSession)?;
        let OutgoingMessage { protocol, stream, delivery, octets } = message;
        let result = if let SessionState::Established(partner) = entry.state {
            let record = Record::Send { association: partner.association, protocol, stream, delivery };
            self.outbox.push_octets(record, octets)
        } else {
            self.held.push_octets(Held { session, protocol, stream, delivery }, octets)
        };
        result.map_err(|_| SendError::Full)
    }

    /// The application says that the session's element does not do its work, though its association stands: the
    /// element is reported and the session fails over (RFC 5352 §3.5, §6.9.2).
    pub fn report_failure(&mut self, now: Instant, session: SessionId) {
        let partner = self.sessions.iter().find(|candidate| candidate.id == session).and_then(Session::partner);
        if let Some(partner) = partner {
            let _ = self.outbox.push(Record::Abort { association: partner.association });
            self.fail_over(now, session, partner, None);
        }
    }

    fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }

    /// Opens an association to the next element that the cache offers, or asks the registrar for some.
    pub(super) fn connect(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.iter_mut().find(|session| session.id == id) else { return };
        let position = self.pools.iter().position(|pool| pool.handle() == session.pool_handle());
        let Some((index, pool)) = position.and_then(|index| Some((index, self.pools.get_mut(index)?))) else { return };
        match pool.select(now, &mut self.random) {
            Some(element) => {
                let association = self.names.next();
                session.state = SessionState::Connecting(Partner {
                    identifier: element.identifier,
                    association,
                    transport_use: element.transport_use,
                });
                let _ = self.outbox.push(Record::OpenElement { association, remote: element.endpoint });
            }
            None => {
                session.state = SessionState::Resolving;
                if pool.request == Request::None {
                    self.request(now, index);
                }
            }
        }
    }

    /// A resolution has come for the sessions of a pool, or has failed.
    pub(super) fn resume_sessions(&mut self, now: Instant, pool: usize) {
        let Some(pool) = self.pools.get(pool) else { return };
        let mut waiting: heapless::Vec<SessionId, SESSIONS> = heapless::Vec::new();
        for session in &self.sessions {
            if session.state == SessionState::Resolving && session.pool_handle() == pool.handle() {
                let _ = waiting.push(session.id);
            }
        }
        let usable = pool.has_elements(now);
        for id in waiting {
            if usable {
                self.connect(now, id);
            } else {
                self.wait(now, id);
            }
        }
    }

    fn wait(&mut self, now: Instant, id: SessionId) {
        let (first, longest) = (self.config.retry_delay, self.config.retry_delay_max);
        if let Some(session) = self.session_mut(id) {
            let delay = first.saturating_mul(1 << session.waits.min(16)).min(longest.max(first));
            session.waits = session.waits.saturating_add(1);
            session.state = SessionState::Waiting { until: now + delay };
        }
    }

    /// Whether the association is a session's; if so the session is on.
    pub(super) fn session_opened(&mut self, association: AssociationId) -> bool {
        let Some((session, partner)) = self.sessions.iter_mut().find_map(|session| match session.state {
            SessionState::Connecting(partner) if partner.association == association => Some((session, partner)),
            _ => None,
        }) else {
            return false;
        };
        session.state = SessionState::Established(partner);
        session.waits = 0;
        let id = session.id;
        // RFC 5352 §3.8: after a failover the latest cookie goes first, on the control channel. Without a control
        // channel there is none to send.
        let echo = session.failovers > 0 && partner.transport_use == TransportUse::DataPlusControl;
        if let Some(cookie) = session.cookie.as_ref().filter(|_| echo) {
            let _ = send(&mut self.outbox, association, &Body::CookieEcho(cookie).into());
        }
        let failovers = session.failovers;
        self.event(Record::Established { session: id, identifier: partner.identifier, failovers });
        self.release(id, association);
        true
    }

    /// Sends what was held back for a session. Other sessions' messages keep their order.
    fn release(&mut self, id: SessionId, association: AssociationId) {
        let Self { held, outbox, sessions, .. } = self;
        held.retain(|message, octets| {
            if message.session != id {
                // What was held for a session that is gone is dropped.
                return sessions.iter().any(|session| session.id == message.session);
            }
            let Held { protocol, stream, delivery, .. } = *message;
            outbox.push_octets(Record::Send { association, protocol, stream, delivery }, octets).is_err()
        });
    }

    /// An association that is none of the hunt's has ended, or never came to be.
    pub(super) fn session_ended(&mut self, now: Instant, association: AssociationId, reason: Option<CloseReason>) {
        let found = self.sessions.iter().find_map(|session| {
            session.partner().filter(|partner| partner.association == association).map(|partner| (session.id, partner))
        });
        if let Some((id, partner)) = found {
            self.fail_over(now, id, partner, reason);
        }
    }

    /// The session's element is dead: report it, and go on with the next (RFC 5352 §3.5, §3.8).
    fn fail_over(&mut self, now: Instant, id: SessionId, partner: Partner, reason: Option<CloseReason>) {
        let Some(session) = self.sessions.iter_mut().find(|session| session.id == id) else { return };
        session.failovers = session.failovers.saturating_add(1);
        let key = ElementKey { pool_handle: session.pool_handle.clone(), identifier: partner.identifier };
        let was_established = matches!(session.state, SessionState::Established(_));
        let mut exhausted = true;
        if let Some(pool) = self.pools.iter_mut().find(|pool| pool.handle() == session.pool_handle()) {
            pool.remove(partner.identifier);
            exhausted = !pool.has_elements(now);
        }
        self.event(Record::Failover { session: id, identifier: partner.identifier, reason });
        // RFC 5352 §3.5: once for each such event.
        self.report_unreachable(now, key);
        if exhausted && !was_established {
            // All that the registrar has named could not be reached. It takes a while until it knows better.
            self.wait(now, id);
        } else {
            self.connect(now, id);
        }
    }

    pub(super) fn session_timeout(&mut self, now: Instant) {
        while let Some(id) = self.sessions.iter().find_map(|session| match session.state {
            SessionState::Waiting { until } if until <= now => Some(session.id),
            _ => None,
        }) {
            if let Some(session) = self.sessions.iter_mut().find(|session| session.id == id) {
                if let Some(pool) = self.pools.iter_mut().find(|pool| pool.handle() == session.pool_handle()) {
                    pool.invalidate();
                }
                session.state = SessionState::Resolving;
            }
            self.connect(now, id);
        }
    }

    /// RFC 5352 §3.8: the latest cookie is kept, an older one discarded.
    pub(super) fn cookie(&mut self, association: AssociationId, cookie: &[u8]) {
        let Some(session) = self.established(association) else { return };
        let id = session.id;
        session.cookie = heapless::Vec::from_slice(cookie).ok();
        if session.cookie.is_none() {
            self.event(Record::CookieTooLong { session: id, length: cookie.len() });
        }
    }

    pub(super) fn data(&mut self, association: AssociationId, protocol: PayloadProtocol, octets: &[u8]) {
        let Some(session) = self.established(association).map(|session| session.id) else { return };
        if self.outbox.push_octets(Record::Data { session, protocol }, octets).is_err() {
            self.event(Record::MessageTooLarge { session, length: octets.len() });
        }
    }

    fn established(&mut self, association: AssociationId) -> Option<&mut Session> {
        self.sessions.iter_mut().find(
            |session| matches!(session.state, SessionState::Established(partner) if partner.association == association),
        )
    }
}
