//! The registrar's own timers and its peers': one moment for each thing that waits. Those of elements are the
//! handlespace's.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::ServerIdentifier;

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The start-up.
    Start,
    /// The mentor's answer, or the time to ask again.
    Mentor,
    /// The next attempt to reach configured peers.
    Reconnect,
    /// The next ENRP_PRESENCE to all peers.
    Heartbeat,
    /// The next ASAP_SERVER_ANNOUNCE.
    Announce,
    /// A peer has been silent for MAX-TIME-LAST-HEARD.
    PeerSilent(ServerIdentifier),
    /// A peer that was asked whether it lives has not answered.
    PeerNoResponse(ServerIdentifier),
    /// A peer that another registrar wanted to take over is still there, or nobody knows the home of some elements.
    PeerNotActive(ServerIdentifier),
    /// A peer has not answered a request for its elements.
    Sync(ServerIdentifier),
    /// A peer that downloads the handle table has not asked for the next part.
    Download(ServerIdentifier),
    /// Acknowledgements of a takeover are missing.
    TakeoverAcks(ServerIdentifier),
    /// A registrar that was heard by multicast has not spoken on the association that was opened to it.
    Discovery(AssociationId),
    /// The next step of claiming a dead peer's elements.
    Claim(ServerIdentifier),
    /// The next step of telling this registrar's elements that it is their home.
    Adopt,
    /// The next elements that have waited for associations to be opened.
    Openings,
    /// The next users that are told of a pool's change.
    Updates,
    /// The next step of the orderly end.
    Leave,
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Instant, Timer)>,
    times: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Sets a timer, anew if it is running.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        if let Some(old) = self.times.insert(timer, at) {
            self.by_time.remove(&(old, timer));
        }
        self.by_time.insert((at, timer));
    }

    /// Stops a timer, if it is running.
    pub(super) fn stop(&mut self, timer: Timer) {
        if let Some(old) = self.times.remove(&timer) {
            self.by_time.remove(&(old, timer));
        }
    }

    pub(super) fn is_running(&self, timer: Timer) -> bool {
        self.times.contains_key(&timer)
    }

    /// How many registrars that were heard by multicast have not spoken yet.
    pub(super) fn discoveries(&self) -> usize {
        self.times.keys().filter(|timer| matches!(timer, Timer::Discovery(_))).count()
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out all that are due.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Timer> {
        let mut due = Vec::new();
        while let Some((at, timer)) = self.by_time.first().copied() {
            if at > now {
                break;
            }
            self.by_time.pop_first();
            self.times.remove(&timer);
            due.push(timer);
        }
        due
    }
}
