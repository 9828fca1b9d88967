//! Announcements of the registrar by multicast (RFC 5352 §3.6).

use alloc::vec::Vec;

use super::Registrar;
use super::config::Announcements;
use super::outbox::Record;
use super::timers::Timer;
use crate::machine::MulticastGroup;
use crate::time::Instant;
use crate::wire::asap::{Body, Message, ServerAnnounce};
use crate::wire::{Sequence, Transport, TransportUse};

impl Registrar {
    /// RFC 5352 §3.6: every (N + 1) × T6, so that all registrars together announce about once a T6.
    pub(super) fn announce(&mut self, now: Instant) {
        if self.config.announcements == Announcements::Off {
            return;
        }
        let transports: Vec<Transport<'_>> =
            self.config.asap.iter().map(|endpoint| endpoint.as_transport(TransportUse::DataOnly)).collect();
        let announce = ServerAnnounce { server: self.identifier, transports: Sequence::new(&transports) };
        let message = Message::from(Body::ServerAnnounce(announce));
        if let Some(octets) = self.outbox.write(message.encoded_len(), |buffer| message.encode(buffer)) {
            self.outbox.push(Record::Multicast { group: MulticastGroup::Asap, octets });
        }
        let registrars = u32::try_from(self.peers.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.timers.set(Timer::Announce, now + self.config.t6_serverannounce.saturating_mul(registrars));
    }
}
