//! Sessions of a user with a pool: one element at a time, the next when it dies, and the cookie that goes along
//! (RFC 5352 §3.5, §3.8).
//!
//! ```text
//!                  ┌──────────────── registrar asked, elements known ──────────────┐
//!   open_session() │                                                               ▼
//!   ─────▶ Resolving ◀── Waiting ◀── none could be reached ── Connecting ──▶ Established
//!              ▲                                                 ▲  │             │ (Rebuilding, until resume())
//!              └────────── cache exhausted ──────────────────────┴──┴── dead ─────┤
//!                                                                fail_over()      ▼
//!                                                      Suspended ◀───────── Ending, or at once
//! ```

use super::cache::{KnownElement, Prospect};
use super::event::{Record, SessionEnd};
use super::{CookieStore, OpenError, PoolUser};
use crate::client::{SendError, send};
use crate::machine::{AssociationId, CloseReason, OpenFailure, Purpose, SendBuffer};
use crate::time::Instant;
use crate::wire::asap::Body;
use crate::wire::{PayloadProtocol, PeIdentifier, PoolHandle, TransportUse};

/// How many elements of a business card a session keeps, for failovers.
pub const MAX_PREFERRED: usize = 3;

/// Names a session of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(super) u32);

impl core::fmt::Display for SessionId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "session-{}", self.0)
    }
}

/// How a session goes on when its element has died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum FailoverMode {
    /// By itself: with the next element, which gets the last cookie, and then what was held back.
    #[default]
    Automatic,
    /// With the next element by itself, which gets the last cookie. What is held back waits for
    /// [`PoolUser::resume`], so that the application can send ahead of it what the element has to know.
    Supervised,
    /// Not before [`PoolUser::fail_over`] says so, and then like `Supervised`.
    Manual,
}

/// How a session is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SessionOptions {
    /// How it goes on when its element has died. Default: automatically.
    pub failover: FailoverMode,
    /// The element to begin with, if it is in the pool and can be reached (RFC 5352 §6.5.3). Default: by the pool's
    /// policy.
    pub element: Option<PeIdentifier>,
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
    /// So they do, but what was held back waits until the application has told the element what it has to know.
    Rebuilding(Partner),
    /// The association is about to end: nothing is sent on it any more.
    Ending(Partner),
    /// There is no element, and the application has to say when to go on.
    Suspended,
    /// No element could be reached: the registrar is asked again after a while.
    Waiting { until: Instant },
}

/// Why a session cannot go on with its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The association has ended.
    Closed(CloseReason),
    /// It never came to be.
    NotOpened(OpenFailure),
    /// The application says so.
    Reported,
}

impl Failure {
    /// Whether the element is unreachable. Who has ended the session in order is not, and what this side cannot do is no fault
    /// of an element.
    const fn is_the_elements(self) -> bool {
        match self {
            Self::Closed(reason) => !matches!(reason, CloseReason::Shutdown),
            Self::NotOpened(failure) => matches!(failure, OpenFailure::Unreachable),
            Self::Reported => true,
        }
    }

    const fn close_reason(self) -> Option<CloseReason> {
        match self {
            Self::Closed(reason) => Some(reason),
            Self::NotOpened(_) | Self::Reported => None,
        }
    }
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A conversation of the application with the pool.
    Conversation(FailoverMode),
    /// It carries messages that were sent to the pool to one of its elements, and ends with it.
    Carrier,
}

/// An element to be tried ahead of what the policy says.
#[derive(Clone, Debug)]
pub(super) struct Preferred {
    pub(super) identifier: PeIdentifier,
    /// How to reach it, if that is known from elsewhere than the registrar.
    pub(super) known: Option<KnownElement>,
}

pub(super) type PreferredList = heapless::Vec<Preferred, MAX_PREFERRED, u8>;

#[derive(Clone, Debug)]
pub(super) struct Session<C> {
    pub(super) id: SessionId,
    /// Its pool's place in the cache.
    pub(super) pool: usize,
    pub(super) kind: Kind,
    pub(super) state: SessionState,
    /// Whether the transport takes more for its element.
    pub(super) buffer: SendBuffer,
    /// The last cookie of any element of the session.
    cookie: C,
    pub(super) preferred: PreferredList,
    /// The element that it had before, of whose association there may still be something to be told.
    previous: Option<Partner>,
    /// Elements that the session has had or tried in vain.
    failovers: u32,
    /// How often it has waited since an element has said something.
    waits: u8,
    /// Whether the present element has said something.
    heard: bool,
    /// Since when it has the present element.
    since: Instant,
    /// Whether it has had an element before the present one.
    had_element: bool,
}

impl<C: CookieStore> Session<C> {
    pub(super) fn new(id: SessionId, pool: usize, kind: Kind) -> Self {
        Self {
            id,
            pool,
            kind,
            state: SessionState::Resolving,
            buffer: SendBuffer::HasRoom,
            cookie: C::default(),
            preferred: PreferredList::new(),
            previous: None,
            failovers: 0,
            waits: 0,
            heard: false,
            since: Instant::ZERO,
            had_element: false,
        }
    }

    /// The element that it has or tries.
    pub(super) fn partner(&self) -> Option<Partner> {
        match self.state {
            SessionState::Connecting(partner) | SessionState::Ending(partner) => Some(partner),
            _ => self.open(),
        }
    }

    /// The element at the end of an association that is the session's, or was it last.
    pub(super) fn partner_of(&self, association: AssociationId) -> Option<Partner> {
        let is_it = |partner: &Partner| partner.association == association;
        self.partner().filter(is_it).or(self.previous.filter(is_it))
    }

    /// The element to which messages can be sent.
    pub(super) fn open(&self) -> Option<Partner> {
        match self.state {
            SessionState::Established(partner) | SessionState::Rebuilding(partner) => Some(partner),
            _ => None,
        }
    }
}

impl<const SESSIONS: usize, const ELEMENTS: usize, const OCTETS: usize, C: CookieStore>
    PoolUser<SESSIONS, ELEMENTS, OCTETS, C>
{
    /// Opens a session with a pool. [`UserEvent::Established`](super::UserEvent::Established) tells when it has an
    /// element; messages may be sent at once.
    ///
    /// # Errors
    ///
    /// There is no room for another session, or the handle is too long.
    pub fn open_session(&mut self, now: Instant, pool_handle: PoolHandle<'_>) -> Result<SessionId, OpenError> {
        self.open_session_with(now, pool_handle, SessionOptions::default())
    }

    /// Opens a session, as [`Self::open_session`] does, in a way of its own.
    ///
    /// # Errors
    ///
    /// There is no room for another session, or the handle is too long.
    pub fn open_session_with(
        &mut self,
        now: Instant,
        pool_handle: PoolHandle<'_>,
        options: SessionOptions,
    ) -> Result<SessionId, OpenError> {
        let mut preferred = PreferredList::new();
        if let Some(identifier) = options.element {
            let _ = preferred.push(Preferred { identifier, known: None });
        }
        self.open(now, pool_handle, options.failover, preferred)
    }

    pub(super) fn open(
        &mut self,
        now: Instant,
        pool_handle: PoolHandle<'_>,
        failover: FailoverMode,
        preferred: PreferredList,
    ) -> Result<SessionId, OpenError> {
        self.make_room()?;
        let pool = self.pool_index(pool_handle)?;
        let mut session = Session::new(self.next_session(), pool, Kind::Conversation(failover));
        session.preferred = preferred;
        let id = session.id;
        self.sessions.push(session).map_err(|_| OpenError::NoRoom)?;
        self.connect(now, id);
        Ok(id)
    }

    pub(super) fn next_session(&mut self) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session = self.next_session.wrapping_add(1);
        id
    }

    /// Ends a session in order. Messages that it holds back are dropped.
    pub fn close_session(&mut self, session: SessionId) {
        let Some(index) = self.sessions.iter().position(|candidate| candidate.id == session) else { return };
        let session = self.sessions.swap_remove(index);
        if let Some(partner) = session.partner() {
            let _ = self.outbox.push(Record::Close { association: partner.association });
        }
        self.drop_held(session.id);
    }

    /// The application says that the session's element does not do its work, though its association stands: the
    /// element is reported and the session fails over (RFC 5352 §3.5, §6.9.2).
    pub fn report_failure(&mut self, now: Instant, session: SessionId) {
        if let Some(partner) = self.session(session).and_then(Session::partner) {
            let _ = self.outbox.push(Record::Abort { association: partner.association });
            self.element_failed(now, session, partner, Failure::Reported);
        }
    }

    /// A session whose [`FailoverMode`] is `Manual` goes on with the next element.
    pub fn fail_over(&mut self, now: Instant, session: SessionId) {
        if self.session(session).is_some_and(|session| session.state == SessionState::Suspended) {
            self.connect(now, session);
        }
    }

    /// The application has sent the session's new element what it has to know: what was held back goes out.
    pub fn resume(&mut self, session: SessionId) {
        let Some(entry) = self.session_mut(session) else { return };
        if let SessionState::Rebuilding(partner) = entry.state {
            entry.state = SessionState::Established(partner);
            self.release(session, partner.association);
        }
    }

    /// The session that an association is. Those that carry messages to a pool are sessions as well.
    #[must_use]
    pub fn session_at(&self, association: AssociationId) -> Option<SessionId> {
        let is_its = |session: &&Session<C>| session.open().is_some_and(|partner| partner.association == association);
        self.sessions.iter().find(is_its).map(|session| session.id)
    }

    /// The element that a session has, with its pool.
    #[must_use]
    pub fn element_of(&self, session: SessionId) -> Option<(PoolHandle<'_>, PeIdentifier)> {
        let session = self.session(session)?;
        Some((self.pools.get(session.pool)?.handle(), session.open()?.identifier))
    }

    pub(super) fn session(&self, id: SessionId) -> Option<&Session<C>> {
        self.sessions.iter().find(|session| session.id == id)
    }

    pub(super) fn session_mut(&mut self, id: SessionId) -> Option<&mut Session<C>> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }

    /// The session that an association is, or was last.
    pub(super) fn session_of(&mut self, association: AssociationId) -> Option<&mut Session<C>> {
        self.sessions.iter_mut().find(|session| session.partner_of(association).is_some())
    }

    /// Opens an association to the next element that the business card or the cache offers, or asks the registrar for
    /// some.
    pub(super) fn connect(&mut self, now: Instant, id: SessionId) {
        let Some(index) = self.sessions.iter().position(|session| session.id == id) else { return };
        match self.next_element(now, index) {
            // With too much to be done already it is tried again later.
            Some(element) => {
                if !self.open_element(index, &element) {
                    self.wait(now, id);
                }
            }
            None => {
                let Some(session) = self.sessions.get_mut(index) else { return };
                session.state = SessionState::Resolving;
                let pool = session.pool;
                let prospect = self.pools.get(pool).map(|pool| pool.prospect(now));
                if let Some(Prospect::NoTransport(protocol)) = prospect {
                    self.end_session(id, SessionEnd::NoTransport(protocol));
                } else {
                    self.request(now, pool);
                }
            }
        }
    }

    /// A session cannot go on. What it holds back goes back to the application.
    fn end_session(&mut self, id: SessionId, reason: SessionEnd) {
        let Some(index) = self.sessions.iter().position(|session| session.id == id) else { return };
        let pool = self.sessions.swap_remove(index).pool;
        self.hand_back_held(pool, id);
        self.event(Record::SessionEnded { session: id, reason });
    }

    /// RFC 5352 §3.9 BC2: what a business card says goes ahead of the policy.
    fn next_element(&mut self, now: Instant, session: usize) -> Option<KnownElement> {
        let session = self.sessions.get_mut(session)?;
        let pool = self.pools.get_mut(session.pool)?;
        let is_known = pool.has_elements(now);
        while let Some(preferred) = session.preferred.first() {
            let identifier = preferred.identifier;
            if !is_known && preferred.known.is_none() {
                // It is not known yet where the element is.
                return None;
            }
            let known = session.preferred.remove(0).known;
            if pool.is_dead(identifier) {
                continue;
            }
            let known = known.filter(KnownElement::can_be_opened);
            if let Some(element) = pool.take(identifier).filter(|_| is_known).or(known) {
                return Some(element);
            }
        }
        pool.select_for_session(now, &mut self.random)
    }

    /// False if there is no room in the queue of actions.
    pub(super) fn open_element(&mut self, session: usize, element: &KnownElement) -> bool {
        let Some(session) = self.sessions.get_mut(session) else { return false };
        let Some(transport) = &element.transport else { return false };
        let Some(endpoint) = transport.endpoint() else { return false };
        let association = self.link.name();
        let record = Record::Open { association, purpose: Purpose::Session };
        if self.outbox.push_with(record, |buffer| endpoint.pack(buffer)).is_err() {
            return false;
        }
        let (identifier, transport_use) = (element.identifier, transport.transport_use());
        session.state = SessionState::Connecting(Partner { identifier, association, transport_use });
        true
    }

    /// A resolution has come for the sessions of a pool, or has failed.
    pub(super) fn resume_sessions(&mut self, now: Instant, pool: usize) {
        let Some(usable) = self.pools.get(pool).map(|pool| pool.prospect(now) != Prospect::Nothing) else { return };
        let mut waiting: heapless::Vec<SessionId, SESSIONS> = heapless::Vec::new();
        for session in self.sessions.iter().filter(|session| session.pool == pool) {
            let waits = match session.state {
                SessionState::Resolving => true,
                SessionState::Waiting { .. } => usable,
                _ => false,
            };
            if waits {
                let _ = waiting.push(session.id);
            }
        }
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
    pub(super) fn session_opened(&mut self, now: Instant, association: AssociationId) -> bool {
        let Some((session, partner)) = self.sessions.iter_mut().find_map(|session| match session.state {
            SessionState::Connecting(partner) if partner.association == association => Some((session, partner)),
            _ => None,
        }) else {
            return false;
        };
        let rebuilds = session.had_element
            && matches!(session.kind, Kind::Conversation(FailoverMode::Supervised | FailoverMode::Manual));
        session.state = if rebuilds { SessionState::Rebuilding(partner) } else { SessionState::Established(partner) };
        (session.heard, session.since) = (false, now);
        let (id, kind, failovers) = (session.id, session.kind, session.failovers);
        if partner.transport_use == TransportUse::DataPlusControl {
            // RFC 5352 §3.8: after a failover the latest cookie goes first, on the control channel.
            if let Some(cookie) = session.cookie.get().filter(|_| session.failovers > 0) {
                let _ = send(&mut self.outbox, association, &Body::CookieEcho(cookie).into());
            }
            self.give_business_card(association);
        }
        if matches!(kind, Kind::Conversation(_)) {
            self.event(Record::Established { session: id, identifier: partner.identifier, failovers });
        }
        if !rebuilds {
            self.release(id, association);
        }
        true
    }

    /// An association that is none of the hunt's has ended, or never came to be.
    pub(super) fn session_ended(&mut self, now: Instant, association: AssociationId, failure: Failure) {
        let found = self.sessions.iter().find_map(|session| {
            session.partner().filter(|partner| partner.association == association).map(|partner| (session.id, partner))
        });
        if let Some((id, partner)) = found {
            self.element_failed(now, id, partner, failure);
        }
    }

    /// A session's element is dead, or has ended the session, or there is no way to it: report it if it is to blame, and go on with the
    /// next (RFC 5352 §3.5, §3.8).
    fn element_failed(&mut self, now: Instant, id: SessionId, partner: Partner, failure: Failure) {
        let brief = self.config.retry_delay;
        let Some(session) = self.session_mut(id) else { return };
        session.failovers = session.failovers.saturating_add(1);
        session.previous = Some(partner);
        let was_open = !matches!(session.state, SessionState::Connecting(_));
        session.had_element |= was_open;
        // Some services end each session after their answer. They are asked anew, but not as often as they can answer.
        let is_brief = failure == Failure::Closed(CloseReason::Shutdown) && now.since(session.since) < brief;
        let was_of_use = was_open && session.heard && !is_brief;
        (session.state, session.buffer) = (SessionState::Suspended, SendBuffer::HasRoom);
        let (pool, kind) = (session.pool, session.kind);
        let mut exhausted = session.preferred.is_empty();
        let mut key = None;
        if let Some(pool) = self.pools.get_mut(pool) {
            match failure {
                Failure::NotOpened(OpenFailure::Unsupported) => pool.set_unsupported(partner.identifier),
                _ => pool.remove(partner.identifier),
            }
            exhausted &= pool.prospect(now) == Prospect::Nothing;
            key = Some(pool.key(partner.identifier));
        }
        self.take_back(pool, id, partner);
        if matches!(kind, Kind::Conversation(_)) {
            self.event(Record::Failover {
                session: id,
                identifier: partner.identifier,
                reason: failure.close_reason(),
            });
        }
        // RFC 5352 §3.5: once for each such event.
        if let Some(key) = key.filter(|_| failure.is_the_elements()) {
            self.report(now, key);
        }
        match kind {
            Kind::Carrier => self.end_carrier(now, id),
            Kind::Conversation(FailoverMode::Manual) if was_open => {}
            // All that the registrar has named could not be reached, or were of no use, as one that has too many users. It
            // takes a while until the registrar knows better.
            Kind::Conversation(_) if exhausted && !was_of_use => self.wait(now, id),
            Kind::Conversation(_) => self.connect(now, id),
        }
    }

    pub(super) fn session_timeout(&mut self, now: Instant) {
        self.go_on(now, |until| until <= now);
    }

    /// There is another registrar: sessions do not go on waiting for what the last one did not know or do.
    pub(super) fn end_waits(&mut self, now: Instant) {
        for session in &mut self.sessions {
            session.waits = 0;
        }
        self.go_on(now, |_| true);
    }

    /// Sessions that have waited resolve their pools again.
    fn go_on(&mut self, now: Instant, is_over: impl Fn(Instant) -> bool) {
        let mut over: heapless::Vec<(SessionId, usize), SESSIONS> = heapless::Vec::new();
        for session in &mut self.sessions {
            if matches!(session.state, SessionState::Waiting { until } if is_over(until)) {
                session.state = SessionState::Resolving;
                let _ = over.push((session.id, session.pool));
            }
        }
        for (id, pool) in over {
            if let Some(pool) = self.pools.get_mut(pool) {
                pool.invalidate();
            }
            self.connect(now, id);
        }
    }

    /// RFC 5352 §3.8: the latest cookie is kept, an older one discarded.
    pub(super) fn cookie(&mut self, association: AssociationId, cookie: &[u8]) {
        let Some(session) = self.opened_session(association) else { return };
        let id = session.id;
        (session.heard, session.waits) = (true, 0);
        if session.cookie.keep(cookie).is_err() {
            self.event(Record::CookieTooLong { session: id, length: cookie.len(), limit: C::LIMIT });
        }
    }

    pub(super) fn data(&mut self, association: AssociationId, protocol: PayloadProtocol, octets: &[u8]) {
        let Some(session) = self.opened_session(association) else { return };
        (session.heard, session.waits) = (true, 0);
        let (session, Some(partner)) = (session.id, session.open()) else { return };
        let record = Record::Data { session, identifier: partner.identifier, protocol };
        if self.outbox.push_octets(record, octets).is_err() {
            self.event(Record::MessageTooLarge { session, length: octets.len() });
        }
    }

    pub(super) fn opened_session(&mut self, association: AssociationId) -> Option<&mut Session<C>> {
        let is_its =
            |session: &&mut Session<C>| session.open().is_some_and(|partner| partner.association == association);
        self.sessions.iter_mut().find(is_its)
    }
}

impl From<OpenError> for SendError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NoRoom => Self::NoRoom,
            OpenError::PoolHandleTooLong => Self::PoolHandleTooLong,
        }
    }
}
