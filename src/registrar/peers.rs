//! The peer list: who the other registrars are, whether they live, and talking to them (RFC 5353 §3.1, §3.4).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Range;

use super::Registrar;
use super::admission::Sender;
use super::associations::{Association, Speaker};
use super::event::Event;
use super::outbox::{Outbox, Record};
use super::sync::Download;
use super::timers::Timer;
use crate::endpoint::EndpointBuf;
use crate::machine::{AssociationId, Purpose};
use crate::time::Instant;
use crate::wire::enrp::{self, Body, Message, Presence};
use crate::wire::{
    ErrorCause, PayloadProtocol, Sequence, ServerIdentifier, ServerInformation, TransportUse, Unknown, Unrecognized,
};

/// A registrar that the configuration names.
#[derive(Debug)]
pub(super) struct ConfiguredPeer {
    pub(super) endpoint: EndpointBuf,
    /// The association that was opened to it.
    pub(super) association: Option<AssociationId>,
}

impl ConfiguredPeer {
    pub(super) fn new(endpoint: EndpointBuf) -> Self {
        Self { endpoint, association: None }
    }
}

/// Whether a peer lives, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It was heard lately.
    Active,
    /// It was asked whether it lives, and has not answered yet.
    Suspected,
    /// Another registrar wants to take it over, or has noticed that it is dead; it is not asked any more
    /// (RFC 5353 §3.5.1).
    NotActive,
}

/// A registrar whose identifier is known.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) endpoint: Option<EndpointBuf>,
    pub(super) association: Option<AssociationId>,
    pub(super) status: Status,
    /// Whether it has not answered when it was asked last, or cannot be reached: what it has said before does not count against
    /// others any more.
    pub(super) silent: bool,
    /// What is known of its takeover by another registrar.
    pub(super) succession: Succession,
    /// How far the peer's download of the handle table has come.
    pub(super) download: Option<Download>,
    /// Whether its association was lost, and with it maybe news of its elements.
    pub(super) updates_missed: bool,
    /// No audit before.
    pub(super) audit_after: Instant,
    /// How many elements it was offered and has not taken yet.
    pub(super) offered: usize,
    /// When these offers are forgotten.
    pub(super) offers_end: Instant,
    /// How often it has suggested elements that only made the two more unequal: it has another rule.
    pub(super) contrary: u8,
}

/// Other registrars' takeover of a peer (RFC 5353 §3.5).
#[derive(Debug, Default)]
pub(super) struct Succession {
    /// Who has sent ENRP_INIT_TAKEOVER. Several may, as arbitration decides among them.
    announced: BTreeSet<ServerIdentifier>,
    /// Who of them has sent ENRP_TAKEOVER_SERVER as well.
    declared: Option<ServerIdentifier>,
}

impl Succession {
    pub(super) fn announce(&mut self, by: ServerIdentifier) {
        self.announced.insert(by);
    }

    /// False if it was not announced before.
    pub(super) fn declare(&mut self, by: ServerIdentifier) -> bool {
        let is_announced = self.announced.contains(&by);
        if is_announced {
            self.declared = Some(by);
        }
        is_announced
    }

    /// Who has taken the peer over, if it is dead.
    pub(super) const fn declared(&self) -> Option<ServerIdentifier> {
        self.declared
    }

    /// Whether this one is about to take the peer over, or has done so.
    pub(super) fn is_by(&self, by: ServerIdentifier) -> bool {
        self.announced.contains(&by)
    }
}

impl Peer {
    /// It has shown that it lives.
    pub(super) fn revive(&mut self) {
        (self.status, self.silent) = (Status::Active, false);
        self.succession = Succession::default();
    }

    pub(super) const fn new() -> Self {
        Self {
            endpoint: None,
            association: None,
            status: Status::Active,
            silent: false,
            succession: Succession { announced: BTreeSet::new(), declared: None },
            download: None,
            updates_missed: false,
            audit_after: Instant::ZERO,
            offered: 0,
            offers_end: Instant::ZERO,
            contrary: 0,
        }
    }
}

/// Where the sender of a presence says that it is to be found.
pub(super) fn own_endpoint(sender: ServerIdentifier, presence: &Presence<'_>) -> Option<EndpointBuf> {
    let information = presence.server_information.filter(|information| information.identifier == sender)?;
    EndpointBuf::from_transport(&information.transport)
}

impl Registrar {
    pub(super) fn enrp_message(&mut self, now: Instant, association: AssociationId, octets: &[u8]) {
        let Some(entry) = self.associations.get_mut(association) else { return };
        entry.heard = true;
        if entry.purpose != Purpose::Enrp {
            // Elements and users have no say among registrars.
            self.abort(now, association);
            return;
        }
        let receiver = entry.server().unwrap_or(ServerIdentifier::NONE);
        let decoded = match Message::decode(octets) {
            Ok(decoded) => decoded,
            Err(error) => {
                // RFC 5353 §3.7. An error is never answered with an error.
                let is_error = octets.first() == Some(&enrp::message_type::ERROR);
                if let Some(cause) = error.cause(octets).filter(|_| !is_error) {
                    self.send_error(association, receiver, &[cause]);
                }
                return;
            }
        };
        let message = decoded.message;
        // A registrar without identifier is none.
        if !message.sender.is_some() {
            return;
        }
        if message.sender == self.identifier {
            self.namesake(now, association, &message);
            return;
        }
        match self.heard(now, association, message.sender) {
            Sender::Peer => {}
            Sender::Unproven => return self.unproven(association, &message),
            Sender::Nobody => return,
        }
        self.report_unrecognized(association, &message, &decoded.unrecognized);
        let sender = message.sender;
        match message.body {
            Body::Presence(presence) => self.presence(now, association, sender, &presence),
            Body::HandleTableRequest { own_children_only } => {
                self.handle_table_request(now, association, sender, own_children_only);
            }
            Body::HandleTableResponse(response) => self.handle_table_response(now, sender, &response),
            Body::HandleUpdate(update) => self.handle_update(now, sender, &update),
            Body::ListRequest => self.list_request(association, sender),
            Body::ListResponse(response) => self.list_response(now, association, &response),
            Body::InitTakeover(target) => self.init_takeover(now, sender, target),
            Body::InitTakeoverAck(target) => self.init_takeover_ack(now, sender, target),
            Body::TakeoverServer(target) => self.takeover_server(now, sender, target),
            Body::Error(causes) => {
                if let Some(cause) = causes.first() {
                    self.event(Event::ErrorReported { peer: sender, cause: cause.code });
                }
            }
        }
    }

    fn report_unrecognized(
        &mut self,
        association: AssociationId,
        message: &Message<'_>,
        unrecognized: &Unrecognized<'_>,
    ) {
        if unrecognized.is_empty() || matches!(message.body, Body::Error(_)) {
            return;
        }
        let causes: Vec<_> = unrecognized.iter().map(|p| ErrorCause::unrecognized_parameter(p)).collect();
        self.send_error(association, message.sender, &causes);
    }

    fn send_error(&mut self, association: AssociationId, receiver: ServerIdentifier, causes: &[ErrorCause<'_>]) {
        let message = Message::new(self.identifier, receiver, Body::Error(Sequence::new(causes)));
        send(&mut self.outbox, association, &message);
    }

    fn presence(
        &mut self,
        now: Instant,
        association: AssociationId,
        sender: ServerIdentifier,
        presence: &Presence<'_>,
    ) {
        if let Some(peer) = self.peers.get_mut(&sender) {
            // Of two associations the one counts where it tells of itself: the other may lead to one that had its
            // identifier before.
            peer.association = Some(association);
            if let Some(information) = presence.server_information.filter(|server| server.identifier == sender) {
                peer.endpoint = EndpointBuf::from_transport(&information.transport);
            }
        }
        self.supersede(now, association, sender);
        if presence.reply_required {
            self.send_presence(association, sender, ReplyRequired::No);
        }
        if let Some(checksum) = presence.checksum {
            self.audit(now, sender, checksum);
        }
    }

    /// Tells one peer of this registrar's presence.
    pub(super) fn send_presence(
        &mut self,
        association: AssociationId,
        receiver: ServerIdentifier,
        reply_required: ReplyRequired,
    ) {
        if let Some(octets) = self.write_presence(receiver, reply_required) {
            self.outbox.push(Record::Send { association, protocol: PayloadProtocol::ENRP, octets });
        }
    }

    /// Writes an ENRP_PRESENCE into the outbox.
    pub(super) fn write_presence(
        &mut self,
        receiver: ServerIdentifier,
        reply_required: ReplyRequired,
    ) -> Option<Range<usize>> {
        let Self { config, handlespace, outbox, identifier, claiming, .. } = self;
        let transport = config.enrp.as_transport(TransportUse::DataOnly);
        // What is being taken over counts already: peers have it as ours since ENRP_TAKEOVER_SERVER.
        let owned = core::iter::once(*identifier).chain(claiming.iter().copied());
        let presence = Presence {
            reply_required: reply_required == ReplyRequired::Yes,
            checksum: Some(handlespace.joint_checksum(owned)),
            server_information: Some(ServerInformation { identifier: *identifier, transport, unknown: Unknown::NONE }),
        };
        let message = Message::new(*identifier, receiver, Body::Presence(presence));
        outbox.write(message.encoded_len(), |buffer| message.encode(buffer))
    }

    /// RFC 5353 §3.4.2.
    pub(super) fn heartbeat(&mut self, now: Instant) {
        self.announce_presence();
        self.announce_to_registrars(ReplyRequired::No);
        self.watch_over_orphans(now);
        self.timers.set(Timer::Heartbeat, now + self.config.peer_heartbeat_cycle);
    }

    /// Tells all peers of this registrar's presence.
    pub(super) fn announce_presence(&mut self) {
        if let Some(octets) = self.write_presence(ServerIdentifier::NONE, ReplyRequired::No) {
            self.send_to_all(&octets);
        }
    }

    /// Sends a message to all peers (RFC 5353 §3.1). Those that cannot be reached now find out by the audit.
    pub(super) fn group_cast(&mut self, body: Body<'_>) {
        let message = Message::new(self.identifier, ServerIdentifier::NONE, body);
        if let Some(octets) = self.outbox.write(message.encoded_len(), |buffer| message.encode(buffer)) {
            self.send_to_all(&octets);
        }
    }

    fn send_to_all(&mut self, octets: &Range<usize>) {
        let Self { peers, associations, outbox, .. } = self;
        for association in peers.values().filter_map(|peer| peer.association) {
            if associations.is_open(association) {
                let octets = octets.clone();
                outbox.push(Record::Send { association, protocol: PayloadProtocol::ENRP, octets });
            }
        }
    }

    /// Sends a message to one peer.
    pub(super) fn send_to_peer(&mut self, receiver: ServerIdentifier, body: Body<'_>) {
        let association = self.peers.get(&receiver).and_then(|peer| peer.association);
        if let Some(association) = association.filter(|association| self.associations.is_open(*association)) {
            send(&mut self.outbox, association, &Message::new(self.identifier, receiver, body));
        }
    }

    /// Opens associations to the configured peers that have none, and asks who is there where that is not known.
    pub(super) fn reconnect(&mut self, now: Instant) {
        for index in 0..self.configured.len() {
            let Some(peer) = self.configured.get(index) else { continue };
            let Some(association) = self.associations.find(peer.endpoint.as_endpoint()) else {
                let remote = peer.endpoint.clone();
                let association = self.open_enrp(remote);
                if let Some(peer) = self.configured.get_mut(index) {
                    peer.association = Some(association);
                }
                continue;
            };
            // Two that have both heard of the other's takeover know each other no more, though both live: there may be
            // an association left of two that were opened at the same time.
            let server = self.associations.get(association).and_then(Association::server);
            if self.associations.is_open(association) && server.is_none_or(|server| !self.peers.contains_key(&server)) {
                self.send_presence(association, server.unwrap_or(ServerIdentifier::NONE), ReplyRequired::Yes);
            }
        }
        if !self.configured.is_empty() {
            self.timers.set(Timer::Reconnect, now + self.config.max_time_no_response);
        }
    }

    pub(super) fn open_enrp(&mut self, remote: EndpointBuf) -> AssociationId {
        let association = self.associations.open(Purpose::Enrp, remote.clone());
        self.outbox.push(Record::Open { association, purpose: Purpose::Enrp, remote });
        association
    }

    /// A peer that a mentor has told of.
    pub(super) fn learn_peer(&mut self, now: Instant, identifier: ServerIdentifier, endpoint: Option<EndpointBuf>) {
        if identifier == self.identifier {
            if endpoint.is_some_and(|endpoint| !self.config.enrp.meets(endpoint.as_endpoint())) {
                // Another one has it; this one is starting, and has nothing to lose.
                self.change_identifier(now);
            }
            return;
        }
        let Some(known) = &endpoint else { return };
        let addresses = known.as_endpoint().addresses.iter().copied();
        let is_new = !self.peers.contains_key(&identifier);
        if !identifier.is_some()
            || !self.may_be_peer(known.as_endpoint())
            || (is_new && !self.has_room_for_peer(addresses))
        {
            return;
        }
        let peer = self.peers.entry(identifier).or_insert(Peer::new());
        peer.endpoint = endpoint.or(peer.endpoint.take());
        self.timers.set(Timer::PeerSilent(identifier), now + self.config.max_time_last_heard);
        self.reach(identifier);
    }

    /// Sees to it that there is an association with a peer, and returns it if it is open.
    pub(super) fn reach(&mut self, identifier: ServerIdentifier) -> Option<AssociationId> {
        let peer = self.peers.get(&identifier)?;
        if let Some(association) = peer.association.filter(|association| self.associations.get(*association).is_some())
        {
            return Some(association).filter(|association| self.associations.is_open(*association));
        }
        let remote = peer.endpoint.clone()?;
        let association = match self.associations.find(remote.as_endpoint()) {
            Some(association) => association,
            None => self.open_enrp(remote),
        };
        let entry = self.associations.get_mut(association)?;
        match entry.speaker {
            Speaker::Unknown => entry.speaker = Speaker::Expected(identifier),
            Speaker::Expected(server) | Speaker::Known(server) if server == identifier => {}
            // Another registrar is where this one was.
            _ => return None,
        }
        if let Some(peer) = self.peers.get_mut(&identifier) {
            peer.association = Some(association);
        }
        Some(association).filter(|association| self.associations.is_open(*association))
    }

    /// An association is open: if it leads to a peer, the peer is asked who it is.
    pub(super) fn enrp_opened(&mut self, now: Instant, association: AssociationId) {
        let Some(entry) = self.associations.get(association).filter(|entry| entry.purpose == Purpose::Enrp) else {
            return;
        };
        let server = entry.server().unwrap_or(ServerIdentifier::NONE);
        self.send_presence(association, server, ReplyRequired::Yes);
        self.mentor_found(now, association);
    }
}

/// Whether a peer has to answer an ENRP_PRESENCE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyRequired {
    Yes,
    No,
}

/// Sends an ENRP message.
pub(super) fn send(outbox: &mut Outbox, association: AssociationId, message: &Message<'_>) {
    if let Some(octets) = outbox.write(message.encoded_len(), |buffer| message.encode(buffer)) {
        outbox.push(Record::Send { association, protocol: PayloadProtocol::ENRP, octets });
    }
}
