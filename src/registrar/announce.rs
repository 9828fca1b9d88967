//! Announcements by multicast: to elements and users (RFC 5352 §3.6), and among registrars, so that they find each other
//! (RFC 5353 §3.2.2.1).

use alloc::vec::Vec;

use super::Registrar;
use super::config::Announcements;
use super::outbox::Record;
use super::peers::{ReplyRequired, own_endpoint};
use super::timers::Timer;
use crate::machine::{AssociationId, MulticastGroup};
use crate::time::Instant;
use crate::wire::asap::{Body, Message, ServerAnnounce};
use crate::wire::{Sequence, ServerIdentifier, Transport, TransportUse, enrp};

/// How many registrars that were heard by multicast are tried at a time. Nobody vouches for a datagram's sender.
const MAX_DISCOVERIES: usize = 8;

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

    /// Announces itself to registrars that may not know of it.
    pub(super) fn announce_to_registrars(&mut self, reply_required: ReplyRequired) {
        if self.config.announcements == Announcements::Off {
            return;
        }
        if let Some(octets) = self.write_presence(ServerIdentifier::NONE, reply_required) {
            self.outbox.push(Record::Multicast { group: MulticastGroup::Enrp, octets });
        }
    }

    /// A registrar has announced itself. If it is not known, it is asked over an association: a datagram proves nothing,
    /// and says nothing of whether a peer lives.
    pub(super) fn registrar_announced(&mut self, now: Instant, octets: &[u8]) {
        let Ok(enrp::Message { sender, body: enrp::Body::Presence(presence), .. }) =
            enrp::Message::decode(octets).map(|decoded| decoded.message)
        else {
            return;
        };
        let Some(endpoint) = own_endpoint(sender, &presence) else { return };
        if self.config.announcements == Announcements::Off
            || !sender.is_some()
            || self.peers.contains_key(&sender)
            || self.config.enrp.meets(endpoint.as_endpoint())
            || !self.may_be_peer(endpoint.as_endpoint())
        {
            return;
        }
        match self.associations.find(endpoint.as_endpoint()) {
            Some(association) if self.associations.is_open(association) => {
                self.send_presence(association, sender, ReplyRequired::Yes);
            }
            Some(_) => {}
            None if self.timers.discoveries() < MAX_DISCOVERIES => {
                let association = self.open_enrp(endpoint);
                let until = now + self.config.max_time_no_response.saturating_mul(2);
                self.timers.set(Timer::Discovery(association), until);
            }
            None => {}
        }
    }

    /// Whoever was found by an announcement has had time to speak.
    pub(super) fn discovery_timeout(&mut self, now: Instant, association: AssociationId) {
        if self.associations.get(association).is_some_and(|entry| entry.server().is_none()) {
            self.abort(now, association);
        }
    }
}
