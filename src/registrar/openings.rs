//! Associations that are opened to elements, not all at once: where an element is, is the word of others, and who would have this
//! registrar call at many doors, or often at one, is not to get that (RFC 5353 §6.1, threat 9).
//!
//! So many are being opened at a time, in all and to one address. The elements that wait have their turn as others' attempts end.

use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;

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
    /// How many have failed since one has succeeded.
    failures: usize,
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

impl Openings {
    /// Whether another one may be opened to an address now.
    fn admit(&self, address: IpAddr, limits: &super::RegistrarLimits) -> bool {
        let place = self.places.get(&address);
        self.attempts.len() < limits.openings && place.is_none_or(|place| place.opening < limits.address_openings)
    }

    /// Whether an element that waits at an address may have its turn.
    fn enqueue(&mut self, address: IpAddr, most: usize) {
        let Some(place) = self.places.get_mut(&address) else { return };
        if place.opening == 0 && place.waiting.is_empty() {
            self.places.remove(&address);
        } else if !place.waiting.is_empty() && !place.is_queued && (place.opening < most || place.failures >= most) {
            place.is_queued = true;
            self.queue.push_back(address);
        }
    }
}

impl Registrar {
    /// Opens an association to an element, or has it wait for its turn.
    pub(super) fn open_to_element(&mut self, index: ElementIndex, remote: EndpointBuf) {
        let Some(address) = remote.as_endpoint().addresses.first().copied() else { return };
        if !self.openings.admit(address, &self.config.limits) {
            let Some(monitor) = self.monitors.get_mut(index) else { return };
            if !core::mem::replace(&mut monitor.waiting, true) {
                self.openings.places.entry(address).or_default().waiting.push_back(index);
                self.openings.enqueue(address, self.config.limits.address_openings);
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
        if let Some(place) = self.openings.places.get_mut(&address) {
            place.opening = place.opening.saturating_sub(1);
            match attempt {
                Attempt::Succeeded => place.failures = 0,
                Attempt::Failed => place.failures = place.failures.saturating_add(1),
                Attempt::GivenUp => {}
            }
        }
        self.openings.enqueue(address, self.config.limits.address_openings);
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
            let is_dead = place.failures >= most;
            let index = place.waiting.pop_front();
            self.openings.enqueue(address, most);
            let Some(index) = index else { continue };
            // Its number may be another's by now.
            let Some(monitor) = self.monitors.get_mut(index).filter(|monitor| monitor.waiting) else { continue };
            monitor.waiting = false;
            if !is_dead {
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
