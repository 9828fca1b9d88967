//! Watching over the elements that the registrar owns: keep-alives, their answers, and their silence (RFC 5352 §3.4,
//! §3.5).

use alloc::vec::Vec;

use super::Registrar;
use super::associations::{Association, Standing};
use super::event::RemovalReason;
use super::monitors::{Dispute, Second};
use super::openings::Attempt;
use super::outbox::Record;
use crate::endpoint::EndpointBuf;
use crate::handlespace::{ElementIndex, ElementTimer};
use crate::machine::{AssociationId, OpenFailure};
use crate::time::Instant;
use crate::wire::PoolHandle;
use crate::wire::asap::{Body, ElementReference, EndpointKeepAlive};

impl Registrar {
    /// Asks an element whether it lives, over its association, or one that is opened for it. The time-out covers both.
    pub(super) fn send_keep_alive(&mut self, now: Instant, index: ElementIndex) {
        let Some(monitor) = self.monitors.get_mut(index) else { return };
        if !monitor.asked {
            monitor.asked = true;
            let until = now + self.config.keep_alive_timeout;
            self.handlespace.set_timer(index, ElementTimer::KeepAlive, Some(until));
        }
        let Some(element) = self.handlespace.element(index) else { return };
        let Some(monitor) = self.monitors.get(index) else { return };
        let endpoint = element.view().asap_transport.as_ref().and_then(EndpointBuf::from_transport);
        let known = monitor.association.filter(|association| self.associations.get(*association).is_some());
        let found = || endpoint.as_ref().and_then(|endpoint| self.associations.find(endpoint.as_endpoint()));
        match (known.or_else(found), endpoint) {
            (Some(association), _) => {
                self.attach(index, association);
                if self.associations.is_open(association) {
                    self.keep_alive_now(index, association);
                }
            }
            (None, Some(remote)) => self.open_to_element(now, index, remote),
            // Nowhere to ask: the time-out ends it.
            (None, None) => {}
        }
    }

    pub(super) fn attach(&mut self, index: ElementIndex, association: AssociationId) {
        if let Some(monitor) = self.monitors.get_mut(index)
            && monitor.association.replace(association) != Some(association)
        {
            monitor.confirmed = None;
        }
        self.associations.attach(association, index);
    }

    fn keep_alive_now(&mut self, index: ElementIndex, association: AssociationId) {
        let Some(monitor) = self.monitors.get(index) else { return };
        let Some(element) = self.handlespace.element(index) else { return };
        let pool_handle = self.handlespace.pool_handle(element).octets().to_vec();
        let keep_alive = EndpointKeepAlive {
            server: self.identifier,
            new_home: monitor.home_unknown,
            pool_handle: PoolHandle::new(&pool_handle),
            identifier: None,
        };
        self.send_asap(association, &Body::EndpointKeepAlive(keep_alive).into());
    }

    /// An association is open: the keep-alives that waited for it go out.
    pub(super) fn keep_alive_opened(&mut self, association: AssociationId) {
        let Some(entry) = self.associations.get(association) else { return };
        let elements: Vec<_> = entry.elements().iter().copied().collect();
        for index in elements {
            self.keep_alive_now(index, association);
        }
    }

    /// The element lives.
    pub(super) fn keep_alive_ack(&mut self, now: Instant, association: AssociationId, element: ElementReference<'_>) {
        let Some(index) = self.handlespace.find(element.pool_handle, element.identifier) else { return };
        let is_courted = self.is_courted(index);
        let Some(monitor) = self.monitors.get_mut(index) else { return };
        if monitor.association != Some(association) {
            return;
        }
        if monitor.home_unknown || monitor.confirmed.is_some() {
            monitor.confirmed = Some(Second::at(now));
        }
        (monitor.home_unknown, monitor.asked, monitor.refusals) = (false, false, 0);
        let dispute = monitor.dispute;
        self.reports.clear(index);
        self.refuse_contender(index);
        if self.owns(index) {
            if dispute != Dispute::None {
                self.object(now, index);
            }
            let next = self.random.around(self.config.keep_alive_interval);
            self.handlespace.set_timer(index, ElementTimer::KeepAlive, Some(now + next));
        } else if is_courted {
            self.moved_in(now, index, association);
        } else if dispute != Dispute::None {
            let until = now + self.config.max_time_no_response;
            self.handlespace.set_timer(index, ElementTimer::KeepAlive, Some(until));
            self.release(index, association);
        } else {
            self.leave_alone(index);
        }
    }

    /// Whether this registrar is an element's home.
    pub(super) fn owns(&self, index: ElementIndex) -> bool {
        self.handlespace.element(index).is_some_and(|element| element.home() == self.identifier)
    }

    /// An element of another registrar lives, contrary to a report. The association that was opened to ask it is of no
    /// more use.
    fn release(&mut self, index: ElementIndex, association: AssociationId) {
        if let Some(monitor) = self.monitors.get_mut(index) {
            monitor.association = None;
        }
        self.associations.detach(association, index);
        if !association.is_accepted() && self.associations.get(association).is_some_and(Association::serves_nobody) {
            self.associations.remove(association);
            self.attempt_ended(association, Attempt::GivenUp);
            self.outbox.push(Record::Close { association });
        }
    }

    /// Another registrar watches over it.
    pub(super) fn leave_alone(&mut self, index: ElementIndex) {
        if let Some(association) = self.monitors.get(index).and_then(|monitor| monitor.association) {
            self.release(index, association);
        }
        self.unwatch(index);
    }

    /// It is time for a keep-alive, or its answer has not come. RFC 5352 §3.5: an element that cannot be reached MUST be
    /// removed.
    pub(super) fn keep_alive_due(&mut self, now: Instant, index: ElementIndex) {
        let Some(monitor) = self.monitors.get(index) else { return };
        if monitor.waiting {
            // It has not been asked yet.
            let until = now + self.config.keep_alive_timeout;
            self.handlespace.set_timer(index, ElementTimer::KeepAlive, Some(until));
            return;
        }
        if !monitor.asked && !self.owns(index) {
            self.nobody_objects(now, index);
            return;
        }
        if !monitor.asked {
            self.send_keep_alive(now, index);
            return;
        }
        if self.is_behind(now) {
            self.ask_element_again(now, index);
            return;
        }
        if self.is_courted(index) {
            // Whether it lives is for its home to say.
            self.leave_alone(index);
            return;
        }
        if self.owns(index) && self.concede(now, index) {
            return;
        }
        self.expel(index, RemovalReason::Unreachable);
    }

    /// Removes an element, and ends its association, unless others use it: should it live, or come to itself again, it
    /// has to learn that it is a member no more.
    pub(super) fn expel(&mut self, index: ElementIndex, reason: RemovalReason) {
        let association = self.monitors.get(index).and_then(|monitor| monitor.association);
        self.remove_element(index, reason);
        if let Some(association) = association
            && self.associations.get(association).is_some_and(Association::serves_nobody)
        {
            self.associations.remove(association);
            self.attempt_ended(association, Attempt::GivenUp);
            self.outbox.push(Record::Abort { association });
        }
    }

    /// An association with elements has ended, or could not be opened. In the first case they may still live, and are
    /// asked over a new one; in the second they are unreachable.
    pub(super) fn elements_ended(&mut self, now: Instant, ended: &Association, failure: Option<OpenFailure>) {
        let never_open = ended.standing == Standing::Opening;
        for index in ended.elements().iter().copied() {
            if self.is_courted(index) {
                self.unwatch(index);
                continue;
            }
            let Some(monitor) = self.monitors.get_mut(index) else { continue };
            (monitor.association, monitor.confirmed) = (None, None);
            let was_asked = monitor.asked;
            if !ended.heard && !never_open {
                monitor.refusals = monitor.refusals.saturating_add(1);
            }
            let is_refused = monitor.refusals >= MAX_REFUSALS;
            if failure == Some(OpenFailure::Local) {
                // It is asked when it is its turn again.
                monitor.asked = false;
                let next = self.random.around(self.config.keep_alive_interval);
                self.handlespace.set_timer(index, ElementTimer::KeepAlive, Some(now + next));
                continue;
            }
            if self.owns(index) && self.concede(now, index) {
                continue;
            }
            if never_open {
                self.remove_element(index, RemovalReason::Unreachable);
            } else if (self.owns(index) || was_asked) && !is_refused {
                self.send_keep_alive(now, index);
            }
        }
    }
}

/// After so many associations that an element has ended without a word, no further one is opened, and the time for its answer
/// runs out.
const MAX_REFUSALS: u8 = 3;
