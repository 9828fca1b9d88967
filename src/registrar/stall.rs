//! A registrar that was stopped for a while, with its process or its whole machine, and goes on: what others have said meanwhile
//! lies before it unread, so their silence proves nothing, and peers may have taken it over (RFC 5353 §3.5), which it learns last.
//!
//! It begins no verdicts before what was waiting has been read: elements and peers are asked once more. If it was away for longer
//! than peers wait, it fetches their elements first, and lets nobody audit it until that is done. Otherwise two registrars could
//! each believe the other's claim to an element, and in the end neither would have it.

use alloc::vec::Vec;
use core::time::Duration;

use super::Registrar;
use super::startup::Phase;
use crate::handlespace::{ElementIndex, ElementTimer};
use crate::time::Instant;
use crate::wire::ServerIdentifier;

/// A time-out that comes so late was not late by load.
const STALL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Stall {
    last_input: Instant,
    /// Until then nobody is held to be dead.
    verdicts_from: Instant,
    /// Until then the peers' elements are being fetched.
    caught_up: Instant,
}

impl Stall {
    pub(super) const NONE: Self =
        Self { last_input: Instant::ZERO, verdicts_from: Instant::ZERO, caught_up: Instant::ZERO };

    /// When something has happened last: now.
    pub(super) const fn last_input(&self) -> Instant {
        self.last_input
    }
}

impl Registrar {
    /// Ahead of an input: whether the last time-out should have come long ago.
    pub(super) fn notice_stall(&mut self, now: Instant) {
        let last = core::mem::replace(&mut self.stall.last_input, now);
        if now.since(last) < STALL || self.phase != Phase::Serving {
            return;
        }
        let due = super::earliest(self.timers.next(), self.handlespace.next_timer());
        let Some(late) = due.map(|due| now.since(due)).filter(|late| *late >= STALL) else { return };
        self.stall.verdicts_from = now + self.config.max_time_no_response;
        if late >= self.config.max_time_last_heard {
            self.stall.caught_up = self.stall.verdicts_from;
            let peers: Vec<ServerIdentifier> = self.peers.keys().copied().collect();
            for peer in peers {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.updates_missed = true;
                    peer.audit_after = Instant::ZERO;
                }
                self.audit(now, peer, self.handlespace.checksum(peer));
            }
        }
    }

    /// Whether others may have said something that has not been read yet.
    pub(super) fn is_behind(&self, now: Instant) -> bool {
        now < self.stall.verdicts_from
    }

    /// Whether what it believes to own may have gone elsewhere.
    pub(super) fn is_catching_up(&self, now: Instant) -> bool {
        now < self.stall.caught_up
    }

    /// An element that has not answered gets another chance.
    pub(super) fn ask_element_again(&mut self, now: Instant, index: ElementIndex) {
        if let Some(monitor) = self.monitors.get_mut(index) {
            monitor.asked = false;
        }
        self.send_keep_alive(now, index);
    }

    /// An element whose life is over may have registered again.
    pub(super) fn postpone_expiry(&mut self, index: ElementIndex) {
        self.handlespace.set_timer(index, ElementTimer::Expiry, Some(self.stall.verdicts_from));
    }
}
