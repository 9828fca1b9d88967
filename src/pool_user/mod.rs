//! The pool user: it resolves pool handles, keeps what it learned in a cache, opens sessions with elements, and when
//! an element dies goes on with the next, bringing along the session's last cookie (RFC 5352 §3.3, §3.5–3.8).
//!
//! It can be used in three ways, at the same time:
//!
//! - **Sessions**: [`PoolUser::open_session`] and [`PoolUser::send`], a conversation with one element, and with the next when
//!   it dies.
//! - **Messages to a pool**: [`PoolUser::send_to_pool`], each for itself, to the element whose turn it is, or to all.
//! - **Resolution alone**, for applications with a transport of their own (RFC 5351 §4): [`PoolUser::resolve`],
//!   [`PoolUser::primary`] for the element to use, [`PoolUser::report_unreachable`] when it is dead, and `primary` again.

mod cache;
mod cards;
mod config;
mod cookie_store;
mod event;
mod messages;
mod registrar_link;
mod session;

pub use self::cache::KnownElement;
pub use self::config::{Updates, UserConfig};
#[cfg(feature = "alloc")]
pub use self::cookie_store::HeapCookie;
pub use self::cookie_store::{CookieStore, CookieTooLong, FixedCookie};
pub use self::event::{SessionEnd, UserEvent};
pub use self::messages::Target;
pub use self::session::{FailoverMode, MAX_PREFERRED, SessionId, SessionOptions};
pub use crate::client::ResolutionFailure;

use heapless::Vec;

use self::cache::CachedPool;
use self::event::Record;
use self::messages::{Destination, Held};
use self::registrar_link::Report;
use self::session::{Failure, Session, SessionState};
use crate::asap_input::receive;
use crate::client::business_card::CardBuf;
use crate::client::hunt::TooManyRegistrars;
use crate::client::link::{Link, Opened};
use crate::client::outbox::Outbox;
use crate::client::request::Request;
use crate::client::send;
use crate::client::sizes::{DEFAULT_COOKIE, MAX_ACTIONS, MAX_REGISTRARS};
use crate::endpoint::EndpointBuf;
use crate::machine::{Action, AssociationId, Input, Machine, MulticastGroup};
use crate::random::Random;
use crate::time::{Instant, earliest};
use crate::wire::asap::{Body, Message};
use crate::wire::{PayloadProtocol, PeIdentifier, PoolHandle};

/// A pool user with up to `SESSIONS` sessions at a time, over as many pools. It keeps up to `ELEMENTS` elements of
/// each. `C` is where sessions keep their cookies: in the user itself, 128 octets each, or on the heap (`HeapCookie`). `OCTETS` is the room for messages that wait to be fetched with [`poll_action`](Machine::poll_action), and as
/// much again for those that wait for their session, so it limits a message's size.
///
/// ```
/// use core::net::SocketAddr;
/// use rserpool::pool_user::{PoolUser, UserConfig, UserEvent};
/// use rserpool::{Action, Input, Instant, Machine, OutgoingMessage};
///
/// let mut user: PoolUser = PoolUser::new(UserConfig::default());
/// user.add_registrar(SocketAddr::from(([127, 0, 0, 1], 3863)))?;
/// let session = user.open_session(Instant::ZERO, "echo".into())?;
/// user.send(session, OutgoingMessage::new(b"hello"))?;
///
/// // The event loop. This one has no network: it gives up as soon as the machine asks for it.
/// let mut input = Some(Input::Timeout);
/// while let Some(next) = input.take() {
///     user.handle(Instant::from_millis(1), next);
///     while let Some(action) = user.poll_action() {
///         match action {
///             Action::Open { association, remote, .. } => {
///                 println!("connect to {remote}, call it {association}");
///             }
///             Action::Send { association, message } => println!("send {} octets", message.octets.len()),
///             Action::Close { association } | Action::Abort { association } => println!("end {association}"),
///             Action::Event(UserEvent::Data { message, .. }) => println!("{} octets came", message.octets.len()),
///             Action::Event(event) => println!("{event:?}"),
///             _ => {}
///         }
///     }
///     // Here a real loop waits for its sockets, but no longer than this:
///     let _until = user.poll_timeout();
/// }
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PoolUser<
    const SESSIONS: usize = 4,
    const ELEMENTS: usize = 6,
    const OCTETS: usize = 2048,
    C = FixedCookie<DEFAULT_COOKIE>,
> {
    config: UserConfig,
    link: Link<MAX_REGISTRARS>,
    random: Random,
    pools: Vec<CachedPool<ELEMENTS>, SESSIONS>,
    sessions: Vec<Session<C>, SESSIONS>,
    next_session: u32,
    /// The user's own business card, if it is an element as well.
    card: Option<CardBuf>,
    /// Messages whose session has no element at the moment, or whose pool is not known yet.
    held: Outbox<Held, MAX_ACTIONS, OCTETS>,
    /// Elements that are to be reported as unreachable, or were reported of late (RFC 5352 §3.5).
    reports: Vec<Report, SESSIONS>,
    outbox: Outbox<Record, MAX_ACTIONS, OCTETS>,
    /// The last time that it was told.
    now: Instant,
    /// The endpoint of the last action, which borrows it.
    endpoint: Option<EndpointBuf>,
}

/// The user has no room for another session or pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// As many sessions or pools are in use as the user has room for.
    NoRoom,
    /// The pool handle is longer than [`MAX_POOL_HANDLE`](crate::pool_element::MAX_POOL_HANDLE).
    PoolHandleTooLong,
}

impl core::fmt::Display for OpenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoRoom => "no room for another session or pool",
            Self::PoolHandleTooLong => "the pool handle is too long",
        })
    }
}

impl core::error::Error for OpenError {}

impl<const SESSIONS: usize, const ELEMENTS: usize, const OCTETS: usize, C: CookieStore>
    PoolUser<SESSIONS, ELEMENTS, OCTETS, C>
{
    /// A user without registrars, sessions, or anything in its cache.
    #[must_use]
    pub fn new(config: UserConfig) -> Self {
        Self {
            link: Link::new(config.hunt),
            random: Random::new(config.seed),
            config,
            pools: Vec::new(),
            sessions: Vec::new(),
            next_session: 0,
            card: None,
            held: Outbox::new(),
            reports: Vec::new(),
            outbox: Outbox::new(),
            now: Instant::ZERO,
            endpoint: None,
        }
    }

    /// Adds a registrar to the list that the hunt for a home goes through.
    ///
    /// # Errors
    ///
    /// The list is full.
    pub fn add_registrar(&mut self, endpoint: impl Into<EndpointBuf>) -> Result<(), TooManyRegistrars> {
        self.link.add(endpoint.into())
    }

    /// Asks a registrar for a pool's elements, whatever the cache holds: the primitives "cache populate" and
    /// "translation" of RFC 5352 §6.3 and §6.9.1. The answer comes as [`UserEvent::Resolved`] or
    /// [`UserEvent::ResolutionFailed`].
    ///
    /// # Errors
    ///
    /// There is no room for another pool.
    pub fn resolve(&mut self, now: Instant, pool_handle: PoolHandle<'_>) -> Result<(), OpenError> {
        let index = self.pool_index(pool_handle)?;
        self.request(now, index);
        Ok(())
    }

    /// Forgets what is known of a pool: the primitive of RFC 5352 §6.4. Who needs its elements next asks a registrar.
    pub fn purge(&mut self, pool_handle: PoolHandle<'_>) {
        if let Some(pool) = self.pools.iter_mut().find(|pool| pool.handle() == pool_handle) {
            pool.invalidate();
        }
    }

    /// The elements of a pool, as far as they are known, not stale, and not known to be dead: the translation of RFC 5352
    /// §6.9.1. [`Self::resolve`] makes them known.
    pub fn elements(&self, now: Instant, pool_handle: PoolHandle<'_>) -> impl Iterator<Item = &KnownElement> {
        let pool = self.pools.iter().find(|pool| pool.handle() == pool_handle);
        pool.into_iter().flat_map(move |pool| pool.elements(now))
    }

    /// The element of a pool whose turn it is by the pool's policy, for an application that talks to it by itself, over whatever
    /// transport; `None`
    /// if the pool has to be resolved first.
    pub fn primary(&mut self, now: Instant, pool_handle: PoolHandle<'_>) -> Option<KnownElement> {
        let Self { pools, random, .. } = self;
        pools.iter_mut().find(|pool| pool.handle() == pool_handle)?.select(now, random)
    }

    /// The application, which talks to an element by itself, cannot reach it: the primitive of RFC 5352 §6.9.2. The element is
    /// not chosen any more, and reported to a registrar, unless it was never chosen (RFC 5352 §3.5): then nothing happens.
    pub fn report_unreachable(&mut self, now: Instant, pool_handle: PoolHandle<'_>, identifier: PeIdentifier) {
        let Some(pool) = self.pools.iter_mut().find(|pool| pool.handle() == pool_handle) else { return };
        if pool.was_used(identifier) {
            pool.remove(identifier);
            let key = pool.key(identifier);
            self.report(now, key);
        }
    }

    /// Whether it is looking for a registrar.
    #[must_use]
    pub fn is_hunting(&self) -> bool {
        self.link.is_hunting()
    }

    /// The index of a pool in the cache, where it gets a place if it has none.
    fn pool_index(&mut self, pool_handle: PoolHandle<'_>) -> Result<usize, OpenError> {
        if let Some(index) = self.pools.iter().position(|pool| pool.handle() == pool_handle) {
            return Ok(index);
        }
        let pool = CachedPool::new(pool_handle).ok_or(OpenError::PoolHandleTooLong)?;
        let pool = match self.pools.push(pool) {
            Ok(()) => return Ok(self.pools.len() - 1),
            Err(pool) => pool,
        };
        // A pool without session, message and request makes room.
        let is_unused = |(index, candidate): (usize, &CachedPool<ELEMENTS>)| {
            let waits = |held: &Held| matches!(held.destination, Destination::Pool { pool, .. } if pool == index);
            candidate.request.is_none()
                && !self.sessions.iter().any(|session| session.pool == index)
                && !self.held.records().any(waits)
        };
        let index = self.pools.iter().enumerate().position(is_unused).ok_or(OpenError::NoRoom)?;
        if let Some(place) = self.pools.get_mut(index) {
            *place = pool;
        }
        Ok(index)
    }

    fn event(&mut self, record: Record) {
        let _ = self.outbox.push(record);
    }

    fn asap_message(&mut self, now: Instant, association: AssociationId, octets: &[u8]) {
        let outbox = &mut self.outbox;
        let Some(message) = receive(octets, |reply| _ = send(outbox, association, reply)) else { return };
        match message.body {
            Body::HandleResolutionResponse(response) if self.link.home() == Some(association) => {
                self.resolution_response(now, octets, &response);
            }
            Body::Cookie(cookie) => self.cookie(association, cookie),
            Body::BusinessCard(card) => self.business_card(now, association, octets, &card),
            // What other roles are to handle, and errors: nothing to be done about them here.
            _ => {}
        }
    }

    fn opened(&mut self, now: Instant, association: AssociationId) {
        if self.session_opened(now, association) {
            return;
        }
        match self.link.opened(now, association, &mut self.outbox) {
            Opened::NotOurs => self.event(Record::Abort { association }),
            Opened::Home { instead_of } => self.home_found(now, instead_of),
        }
    }

    /// An association has ended, or never came to be.
    fn ended(&mut self, now: Instant, association: AssociationId, failure: Failure) {
        if self.link.home() == Some(association) {
            self.home_lost(now);
        } else if !self.link.failed(now, association, &mut self.outbox) {
            self.session_ended(now, association, failure);
        }
    }

    fn datagram(&mut self, now: Instant, from: core::net::SocketAddr, octets: &[u8]) {
        let Ok(decoded) = Message::decode(octets) else { return };
        let Body::ServerAnnounce(announce) = decoded.message.body else { return };
        self.link.announced(now, &announce, from, &mut self.outbox);
    }
}

impl<const SESSIONS: usize, const ELEMENTS: usize, const OCTETS: usize, C: CookieStore> Machine
    for PoolUser<SESSIONS, ELEMENTS, OCTETS, C>
{
    type Event<'a> = UserEvent<'a>;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        match input {
            Input::Timeout => {}
            Input::Opened { association, .. } => self.opened(now, association),
            // Nobody has a reason to come to a user.
            Input::Accepted { association, .. } => self.event(Record::Abort { association }),
            Input::OpenFailed { association, reason } => self.ended(now, association, Failure::NotOpened(reason)),
            Input::Closed { association, reason } => self.ended(now, association, Failure::Closed(reason)),
            Input::Message { association, protocol: PayloadProtocol::ASAP, octets } => {
                self.asap_message(now, association, octets);
            }
            Input::Message { association, protocol, octets } => self.data(association, protocol, octets),
            Input::Undelivered { association, message, progress } => self.undelivered(association, &message, progress),
            Input::SendBuffer { association, state } => self.send_buffer(association, state),
            Input::Datagram { group: MulticastGroup::Asap, from, octets } => self.datagram(now, from, octets),
            Input::Datagram { .. } => {}
        }
        self.link_timeout(now);
        self.session_timeout(now);
        self.release_all();
        self.dispatch_rest();
    }

    fn poll_action(&mut self) -> Option<Action<'_, UserEvent<'_>>> {
        if self.outbox.is_empty() {
            self.release_all();
            self.dispatch_rest();
        }
        let (record, octets) = self.outbox.pop()?;
        record.into_action(octets, &mut self.endpoint)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let requests = self.pools.iter().filter_map(|pool| pool.request.as_ref().map(Request::t1));
        let sessions = self.sessions.iter().filter_map(|session| match session.state {
            SessionState::Waiting { until } => Some(until),
            _ => None,
        });
        earliest(self.link.poll_timeout(), requests.chain(sessions).min())
    }
}
