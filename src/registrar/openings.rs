//! Associations that are opened to elements, not all at once: where an element is, is the word of others, and who would have this
//! registrar call at many doors, or often at one, is not to get that (RFC 5353 §6.1, threat 9).
//!
//! So many are being opened at a time, in all and to one address. The elements that wait have their turn as others' attempts end.

use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;
use core::time::Duration;

use super::Registrar;
use super::event::RemovalReason;
use super::outbox::Record;
use super::timers::Timer;
use crate::endpoint::EndpointBuf;
use crate::handlespace::ElementIndex;
use crate::machine::{AssociationId, Purpose};
use crate::time::Instant;

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Succeeded,
    Failed,
    /// It is of no interest any more.
    GivenUp,
}

/// An address to which associations are being opened.
#[derive(Debug, Default)]
struct Place {
    opening: usize,
    /// How many have failed since one has succeeded, or somebody has come from there.
    failures: usize,
    /// When the last one has failed.
    failed_at: Instant,
    waiting: VecDeque<ElementIndex>,
    /// Whether it is in the queue of those that may go on.
    is_queued: bool,
}

#[derive(Debug, Default)]
pub(super) struct Openings {
    attempts: BTreeMap<AssociationId, IpAddr>,
    places: BTreeMap<IpAddr, Place>,
    /// Places with elements that may have their turn.
    queue: VecDeque<IpAddr>,
}

/// For how long a place counts as deserted.
const DESERTED: Duration = Duration::from_secs(60);

impl Place {
    /// Whether nobody seems to be there: so many attempts in a row have failed.
    fn is_deserted(&self, now: Instant, most: usize) -> bool {
        self.failures >= most && now.since(self.failed_at) < DESERTED
    }

    /// Whether another association may be opened to it. Now and then it is seen whether it is deserted still.
    fn has_room(&self, now: Instant, most: usize) -> bool {
        self.opening < if self.is_deserted(now, most) { 1 } else { most }
    }
}

impl Openings {
    /// Whether another one may be opened to an address now.
    fn admit(&self, now: Instant, address: IpAddr, limits: &super::RegistrarLimits) -> bool {
        let place = self.places.get(&address);
        self.attempts.len() < limits.openings && place.is_none_or(|place| place.has_room(now, limits.address_openings))
    }

    /// Whether an element that waits at an address may have its turn, or need not wait any longer.
    fn enqueue(&mut self, now: Instant, address: IpAddr, most: usize) {
        let Some(place) = self.places.get_mut(&address) else { return };
        if place.opening == 0 && place.waiting.is_empty() && !place.is_deserted(now, most) {
            self.places.remove(&address);
        } else if !place.waiting.is_empty()
            && !place.is_queued
            && (place.has_room(now, most) || place.is_deserted(now, most))
        {
            place.is_queued = true;
            self.queue.push_back(address);
        }
    }

    /// Somebody has come from an address.
    pub(super) fn is_inhabited(&mut self, address: IpAddr) {
        if let Some(place) = self.places.get_mut(&address) {
            place.failures = 0;
        }
    }

    /// Forgets places that are of no interest any more, if there are many.
    fn forget(&mut self, now: Instant, limits: &super::RegistrarLimits) {
        if self.places.len() > limits.openings.saturating_mul(2) {
            let most = limits.address_openings;
            self.places
                .retain(|_, place| place.opening > 0 || !place.waiting.is_empty() || place.is_deserted(now, most));
        }
    }
}

impl Registrar {
    /// Opens an association to an element, or has it wait for its turn.
    pub(super) fn open_to_element(&mut self, now: Instant, index: ElementIndex, remote: EndpointBuf) {
        let Some(address) = remote.as_endpoint().addresses.first().copied() else { return };
        if !self.openings.admit(now, address, &self.config.limits) {
            let Some(monitor) = self.monitors.get_mut(index) else { return };
            if !core::mem::replace(&mut monitor.waiting, true) {
                self.openings.places.entry(address).or_default().waiting.push_back(index);
                self.openings.enqueue(now, address, self.config.limits.address_openings);
            }
            return;
        }
        let association = self.associations.open(Purpose::Asap, remote.clone());
        self.openings.attempts.insert(association, address);
        self.openings.places.entry(address).or_default().opening += 1;
        self.outbox.push(Record::Open { association, purpose: Purpose::Asap, remote });
        self.attach(index, association);
    }

    /// An association is open, or never will be.
    pub(super) fn attempt_ended(&mut self, association: AssociationId, attempt: Attempt) {
        let Some(address) = self.openings.attempts.remove(&association) else { return };
        let now = self.stall.last_input();
        if let Some(place) = self.openings.places.get_mut(&address) {
            place.opening = place.opening.saturating_sub(1);
            match attempt {
                Attempt::Succeeded => place.failures = 0,
                Attempt::Failed => {
                    (place.failures, place.failed_at) = (place.failures.saturating_add(1), now);
                }
                Attempt::GivenUp => {}
            }
        }
        self.openings.enqueue(now, address, self.config.limits.address_openings);
        self.openings.forget(now, &self.config.limits);
    }

    /// Elements that wait have their turn, as many as may.
    pub(super) fn go_on_opening(&mut self, now: Instant) {
        let most = self.config.limits.address_openings;
        for _ in 0..self.config.limits.elements_per_step.max(1) {
            if self.openings.attempts.len() >= self.config.limits.openings {
                return;
            }
            let Some(address) = self.openings.queue.pop_front() else { return };
            let Some(place) = self.openings.places.get_mut(&address) else { continue };
            place.is_queued = false;
            let is_deserted = place.is_deserted(now, most) && !place.has_room(now, most);
            let index = place.waiting.pop_front();
            self.openings.enqueue(now, address, most);
            let Some(index) = index else { continue };
            // Its number may be another's by now.
            let Some(monitor) = self.monitors.get_mut(index).filter(|monitor| monitor.waiting) else { continue };
            monitor.waiting = false;
            if !is_deserted {
                monitor.asked = false;
                self.send_keep_alive(now, index);
            } else if self.is_courted(index) {
                self.leave_alone(index);
            } else {
                self.remove_element(index, RemovalReason::Unreachable);
            }
        }
        if !self.openings.queue.is_empty() {
            self.timers.set(Timer::Openings, now);
        }
    }
}
