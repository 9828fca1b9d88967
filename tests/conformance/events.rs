//! The events that machines have told, with their values, and how a test looks for one.

use std::fmt::Debug;

use rserpool::pool_element::ElementEvent;
use rserpool::pool_user::UserEvent;
use rserpool::registrar::RegistrarEvent;
use rserpool::wire::PoolHandle;
use rserpool::wire::asap::{Body, Message};
use rserpool::wire::asap::{BusinessCard, HandleResolutionResponse};
use rserpool::{IncomingMessage, Instant, OutgoingMessage};

/// Looks for events of a pattern, as `matches!` does: `event!(UserEvent::Established { failovers: 1, .. })`. A guard may
/// follow. Values that the pattern binds are copies.
macro_rules! event {
    ($machine:ident :: $($pattern:tt)+) => {
        |event: &$machine<'static>| matches!(*event, $machine::$($pattern)+)
    };
}
pub(crate) use event;

/// All that one machine has told its application, and when.
pub(crate) struct Log<E> {
    told: Vec<(Instant, E)>,
}

impl<E> Default for Log<E> {
    fn default() -> Self {
        Self { told: Vec::new() }
    }
}

impl<E: Copy + Debug> Log<E> {
    pub(crate) fn push(&mut self, at: Instant, event: impl Event<Kept = E>) {
        self.told.push((at, event.keep()));
    }

    /// Whether there was such an event.
    pub(crate) fn has(&self, wanted: impl Fn(&E) -> bool) -> bool {
        self.told.iter().any(|(_, event)| wanted(event))
    }

    /// All events, in order.
    pub(crate) fn list(&self) -> Vec<E> {
        self.told.iter().map(|(_, event)| *event).collect()
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.told.clear();
    }

    /// All such events, in order.
    pub(crate) fn all(&self, wanted: impl Fn(&E) -> bool) -> Vec<E> {
        self.told.iter().map(|(_, event)| *event).filter(|event| wanted(event)).collect()
    }

    /// How often there was such an event.
    pub(crate) fn count(&self, wanted: impl Fn(&E) -> bool) -> usize {
        self.all(wanted).len()
    }

    /// What `pick` takes from the events that it wants, in order.
    pub(crate) fn pick<T>(&self, pick: impl Fn(E) -> Option<T>) -> Vec<T> {
        self.told.iter().filter_map(|(_, event)| pick(*event)).collect()
    }

    /// When there was such an event first.
    #[track_caller]
    pub(crate) fn first(&self, wanted: impl Fn(&E) -> bool) -> Instant {
        self.told.iter().find(|(_, event)| wanted(event)).expect("there was such an event").0
    }

    /// All events, for people to read.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (Instant, String)> {
        self.told.iter().map(|(at, event)| (*at, format!("{event:?}")))
    }

    /// For when a double goes away: shows all events if its test has failed.
    pub(crate) fn show_after_failure(&self) {
        if std::thread::panicking() {
            for (at, event) in self.lines() {
                eprintln!("{:>9} us  {event}", at.as_micros());
            }
        }
    }
}

/// An event of one of the machines. Its octets belong to the machine, and are copied to be kept.
pub(crate) trait Event {
    type Kept;

    /// The same event, which stays as long as the tests run. An event that is missing here fails the test in which it
    /// comes.
    fn keep(self) -> Self::Kept;
}

fn keep_octets(octets: &[u8]) -> &'static [u8] {
    octets.to_vec().leak()
}

fn keep_pool_handle(pool_handle: PoolHandle<'_>) -> PoolHandle<'static> {
    PoolHandle::new(keep_octets(pool_handle.octets()))
}

fn keep_message(body: Body<'_>) -> Body<'static> {
    Message::decode(crate::scripted_user::encode(body).leak()).unwrap().message.body
}

fn keep_response(response: HandleResolutionResponse<'_>) -> HandleResolutionResponse<'static> {
    match keep_message(Body::HandleResolutionResponse(response)) {
        Body::HandleResolutionResponse(response) => response,
        other => panic!("{other:?}"),
    }
}

fn keep_card(card: BusinessCard<'_>) -> BusinessCard<'static> {
    match keep_message(Body::BusinessCard(card)) {
        Body::BusinessCard(card) => card,
        other => panic!("{other:?}"),
    }
}

fn keep_incoming(message: IncomingMessage<'_>) -> IncomingMessage<'static> {
    IncomingMessage { protocol: message.protocol, octets: keep_octets(message.octets) }
}

impl Event for RegistrarEvent<'_> {
    type Kept = RegistrarEvent<'static>;

    fn keep(self) -> Self::Kept {
        use RegistrarEvent as E;
        match self {
            E::Serving => E::Serving,
            E::Registered { pool_handle, identifier } => {
                E::Registered { pool_handle: keep_pool_handle(pool_handle), identifier }
            }
            E::RegistrationRefused { pool_handle, identifier, cause } => {
                E::RegistrationRefused { pool_handle: keep_pool_handle(pool_handle), identifier, cause }
            }
            E::Removed { pool_handle, identifier, reason } => {
                E::Removed { pool_handle: keep_pool_handle(pool_handle), identifier, reason }
            }
            E::UnreachableReported { pool_handle, identifier } => {
                E::UnreachableReported { pool_handle: keep_pool_handle(pool_handle), identifier }
            }
            E::PeerFound { peer } => E::PeerFound { peer },
            E::PeerRefused { address, reason } => E::PeerRefused { address, reason },
            E::PeerSuspected { peer } => E::PeerSuspected { peer },
            E::PeerDead { peer } => E::PeerDead { peer },
            E::TakeoverInitiated { target } => E::TakeoverInitiated { target },
            E::TakeoverAborted { target } => E::TakeoverAborted { target },
            E::TakenOver { target, elements } => E::TakenOver { target, elements },
            E::TakenOverByPeer { target, by } => E::TakenOverByPeer { target, by },
            E::IdentifierChanged { from, to } => E::IdentifierChanged { from, to },
            E::ErrorReported { peer, cause } => E::ErrorReported { peer, cause },
            E::Inconsistent { peer } => E::Inconsistent { peer },
            E::Synchronized { peer } => E::Synchronized { peer },
            E::ShutDown => E::ShutDown,
            unknown => panic!("an event that the tests do not know: {unknown:?}"),
        }
    }
}

impl Event for ElementEvent<'_> {
    type Kept = ElementEvent<'static>;

    fn keep(self) -> Self::Kept {
        use ElementEvent as E;
        match self {
            E::Registered { home } => E::Registered { home },
            E::RegistrationFailed(failure) => E::RegistrationFailed(failure),
            E::RegistrationWarning { cause } => E::RegistrationWarning { cause },
            E::RegistrationExpired => E::RegistrationExpired,
            E::Deregistered => E::Deregistered,
            E::Drained => E::Drained,
            E::DeregistrationRejected { cause } => E::DeregistrationRejected { cause },
            E::NoRegistrar(reason) => E::NoRegistrar(reason),
            E::HomeLost { reason } => E::HomeLost { reason },
            E::HomeChanged { home } => E::HomeChanged { home },
            E::Accepted { session, peer } => E::Accepted { session, peer: Box::leak(Box::new(peer.clone())) },
            E::CookieEcho { session, cookie } => E::CookieEcho { session, cookie: keep_octets(cookie) },
            E::BusinessCard { session, card } => E::BusinessCard { session, card: keep_card(card) },
            E::Resolved(response) => E::Resolved(keep_response(response)),
            E::ResolutionFailed { pool_handle, failure } => {
                E::ResolutionFailed { pool_handle: keep_pool_handle(pool_handle), failure }
            }
            E::Data { session, message } => E::Data { session, message: keep_incoming(message) },
            E::Ready { session } => E::Ready { session },
            E::MessageTooLarge { session, length } => E::MessageTooLarge { session, length },
            E::SessionClosed { session, reason } => E::SessionClosed { session, reason },
            unknown => panic!("an event that the tests do not know: {unknown:?}"),
        }
    }
}

impl Event for UserEvent<'_> {
    type Kept = UserEvent<'static>;

    fn keep(self) -> Self::Kept {
        use UserEvent as E;
        match self {
            E::HomeFound => E::HomeFound,
            E::HomeLost => E::HomeLost,
            E::NoRegistrar(reason) => E::NoRegistrar(reason),
            E::Resolved(response) => E::Resolved(keep_response(response)),
            E::ResolutionFailed { pool_handle, failure } => {
                E::ResolutionFailed { pool_handle: keep_pool_handle(pool_handle), failure }
            }
            E::Established { session, identifier, failovers } => E::Established { session, identifier, failovers },
            E::Failover { session, identifier, reason } => E::Failover { session, identifier, reason },
            E::Data { session, identifier, message } => {
                E::Data { session, identifier, message: keep_incoming(message) }
            }
            E::Undelivered { pool_handle, session, identifier, progress, message } => {
                let OutgoingMessage { protocol, stream, delivery, failover, octets } = message;
                let octets = keep_octets(octets);
                let message = OutgoingMessage { protocol, stream, delivery, failover, octets };
                E::Undelivered { pool_handle: keep_pool_handle(pool_handle), session, identifier, progress, message }
            }
            E::Ready { session } => E::Ready { session },
            E::MessageTooLarge { session, length } => E::MessageTooLarge { session, length },
            E::CookieTooLong { session, length, limit } => E::CookieTooLong { session, length, limit },
            E::SessionEnded { session, reason } => E::SessionEnded { session, reason },
            E::BusinessCard { session, card } => E::BusinessCard { session, card: keep_card(card) },
            unknown => panic!("an event that the tests do not know: {unknown:?}"),
        }
    }
}
