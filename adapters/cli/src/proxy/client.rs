//! A client of the way into the pool, and whether it may have another element.

use std::time::Duration;

use rserpool::Instant;
use rserpool::pool_user::SessionId;
use rserpool::wire::PeIdentifier;

use super::connections::Connected;
use super::relay::Relay;
use super::said::Keep;
use super::stream::Stream;

/// How often what a client has said is said again, at most.
const REPLAYS: u32 = 3;
/// How long the first replay waits. Each further one waits twice as long as the one before.
const REPLAY_PAUSE: Duration = Duration::from_millis(250);
/// How long a connection waits after the first service that has not taken it, and how long at most, as it waits twice as long each
/// time.
const REFUSAL_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// What comes next for a client whose element or service has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Its session looks for another element by itself.
    Wait,
    /// It gets another session after a pause.
    Pause,
    /// Its connection ends.
    End,
}

/// A connection that came in.
pub(super) struct Client {
    pub(super) relay: Relay,
    /// Its session with the pool. It has none while it pauses.
    pub(super) session: Option<SessionId>,
    /// Its element, and since when.
    pub(super) element: Option<(PeIdentifier, Instant)>,
    /// The elements whose service has failed it.
    tried: Vec<PeIdentifier>,
    /// Since when it has no service.
    since: Instant,
    /// When it gets another session.
    pub(super) pauses_until: Option<Instant>,
    replays: u32,
    refusals: u32,
}

impl Connected for Client {
    fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }
}

impl Client {
    pub(super) fn new(now: Instant, stream: Stream, keep: Keep) -> Self {
        Self {
            relay: Relay::of_client(now, stream, keep),
            session: None,
            element: None,
            tried: Vec::new(),
            since: now,
            pauses_until: None,
            replays: 0,
            refusals: 0,
        }
    }

    /// It has a session, which has no element yet.
    pub(super) fn begins(&mut self, session: SessionId) {
        (self.session, self.pauses_until) = (Some(session), None);
    }

    /// Its session has an element.
    pub(super) fn established(&mut self, now: Instant, element: PeIdentifier) {
        self.element = Some((element, now));
        self.relay.attach();
    }

    /// Whether the service of an element has failed it already.
    pub(super) fn has_tried(&self, element: PeIdentifier) -> bool {
        self.tried.contains(&element)
    }

    /// How many elements it has tried.
    pub(super) fn tries(&self) -> usize {
        self.tried.len()
    }

    /// Its element is lost, or has ended the session.
    pub(super) fn element_lost(&mut self, now: Instant) -> Next {
        self.detach(now);
        if self.relay.is_passed_on() { self.say_again(now) } else { Next::Wait }
    }

    /// The element lives, and its service has not taken the connection, or has broken it.
    pub(super) fn service_failed(&mut self, now: Instant) -> Next {
        self.tried.extend(self.element.map(|(element, _)| element));
        let was_open = self.relay.is_open();
        self.detach(now);
        if was_open || self.relay.is_passed_on() {
            return self.say_again(now);
        }
        let (first, longest) = REFUSAL_PAUSES;
        self.pauses_until = Some(now + first.saturating_mul(1 << self.refusals.min(16)).min(longest));
        self.refusals = self.refusals.saturating_add(1);
        Next::Pause
    }

    fn detach(&mut self, now: Instant) {
        if self.relay.is_open() {
            self.since = now;
        }
        self.element = None;
        self.relay.detach();
    }

    fn say_again(&mut self, now: Instant) -> Next {
        if !self.relay.is_whole() || self.replays >= REPLAYS {
            return Next::End;
        }
        self.pauses_until = Some(now + REPLAY_PAUSE.saturating_mul(1 << self.replays));
        self.replays += 1;
        Next::Pause
    }

    /// Whether it has been without a service for so long.
    pub(super) fn is_without_service(&self, now: Instant, limit: Duration) -> bool {
        !self.relay.is_open() && now.since(self.since) >= limit
    }
}
