//! The end of a registrar in order: it sends its elements and users away, to register with others and to ask others, sees
//! them arrive there by what its peers tell, and leaves.
//!
//! The RFCs have no message for that. An element whose association with its home is closed looks for another home at once
//! (RFC 5352 §3.6), registers there, and is that registrar's from then on (§3.1); what does not come back in time the peers
//! take over, as from a registrar that has died (RFC 5353 §3.5).

use super::event::Event;
use super::outbox::Record;
use super::startup::Phase;
use super::timers::Timer;
use super::{Registrar, Timers};
use crate::machine::AssociationId;
use crate::time::Instant;

impl Registrar {
    /// Begins the orderly end. [`RegistrarEvent::ShutDown`](super::RegistrarEvent::ShutDown) tells when it has come: as soon
    /// as no element is its own any more, or after [`shutdown_time`](super::RegistrarConfig::shutdown_time). The embedder
    /// goes on as before until then, and ends its sockets afterwards.
    pub fn shut_down(&mut self, now: Instant) {
        match self.phase {
            Phase::Leaving { .. } | Phase::Gone => {}
            Phase::Serving => {
                self.phase = Phase::Leaving { until: now + self.config.shutdown_time };
                self.timers.stop(Timer::Announce);
                self.timers.set(Timer::Leave, now);
                self.leave(now);
            }
            // Nobody has come yet.
            _ => self.end(),
        }
    }

    /// A step of the way out.
    pub(super) fn leave(&mut self, now: Instant) {
        let Phase::Leaving { until } = self.phase else { return };
        let step = self.config.limits.elements_per_step.max(1);
        let clients: alloc::vec::Vec<AssociationId> = self.associations.of_clients().take(step).collect();
        for association in &clients {
            let Some(ended) = self.associations.remove(*association) else { continue };
            self.updates_ended(*association);
            for index in ended.elements().iter().copied() {
                // It is no longer asked whether it lives: it is told to go.
                self.unwatch(index);
            }
            self.outbox.push(Record::Close { association: *association });
        }
        let is_alone = self.peers.is_empty();
        let owned = self.handlespace.owned_by(self.identifier).len();
        if clients.len() < step && (is_alone || owned == 0 || until <= now) {
            self.end();
        } else {
            let next = if clients.len() < step { until.min(now + self.config.shutdown_time / 50) } else { now };
            self.timers.set(Timer::Leave, next);
        }
    }

    fn end(&mut self) {
        self.phase = Phase::Gone;
        for association in self.associations.all() {
            self.associations.remove(association);
            self.outbox.push(Record::Close { association });
        }
        self.timers = Timers::default();
        self.handlespace.stop_timers();
        self.event(Event::ShutDown);
    }
}
