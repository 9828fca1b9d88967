//! Keeping handlespaces the same: updates, downloads, audits (RFC 5353 §3.2.3, §3.3, §3.6).

use alloc::vec::Vec;

use super::Registrar;
use super::event::Event;
use super::peers::send;
use super::startup::Phase;
use super::timers::Timer;
use crate::handlespace::{Cursor, ElementIndex};
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::enrp::{Body, HandleTableResponse, HandleUpdate, Message, PoolEntries, PoolEntry, UpdateAction};
use crate::wire::{PeChecksum, PoolElement, PoolHandle, Sequence, ServerIdentifier};

/// A download of the handle table by a peer (RFC 5353 §3.2.3).
#[derive(Debug)]
pub(super) struct Download {
    own_children_only: bool,
    behind: Cursor,
}

impl Registrar {
    /// Tells all peers that an element has come, changed or gone (RFC 5353 §3.3).
    pub(super) fn announce_update(&mut self, action: UpdateAction, index: ElementIndex) {
        self.tell_update(action, index, None);
    }

    /// Tells all peers, or suggests to one of them to take the element over.
    pub(super) fn tell_update(
        &mut self,
        action: UpdateAction,
        index: ElementIndex,
        suggest_to: Option<ServerIdentifier>,
    ) {
        let Some(element) = self.handlespace.element(index) else { return };
        let pool_handle = self.handlespace.pool_handle(element).octets().to_vec();
        let octets = element.octets().to_vec();
        let Some(pool_element) = PoolElement::from_octets(&octets) else { return };
        let update = Body::HandleUpdate(HandleUpdate {
            action,
            pool_handle: PoolHandle::new(&pool_handle),
            pool_element,
            takeover_suggested: suggest_to.is_some(),
        });
        match suggest_to {
            Some(peer) => self.send_to_peer(peer, update),
            None => self.group_cast(update),
        }
    }

    /// Takes over what a peer says of an element that is not ours, or no longer.
    pub(super) fn absorb(&mut self, pool_handle: PoolHandle<'_>, element: &PoolElement<'_>) {
        // What there is no room for is left out; the RFC has no word for it.
        if let Ok((index, _)) = self.handlespace.adopt(pool_handle, element) {
            self.leave_alone(index);
        }
    }

    /// Gives a peer the handle table, or the next part of it (RFC 5353 §3.2.3, §3.6.3).
    pub(super) fn handle_table_request(
        &mut self,
        now: Instant,
        association: AssociationId,
        sender: ServerIdentifier,
        own_children_only: bool,
    ) {
        let is_catching_up = self.is_catching_up(now);
        let Self { associations, peers, handlespace, outbox, config, identifier, phase, timers, claiming, .. } = self;
        let downloads = peers.values().filter(|peer| peer.download.is_some()).count();
        let Some(peer) = peers.get_mut(&sender) else { return };
        // Where updates go: so a part of the table is never overtaken by news that is older.
        let association = peer.association.filter(|other| associations.is_open(*other)).unwrap_or(association);
        let mut response =
            HandleTableResponse { rejected: true, more_to_send: false, pool_entries: PoolEntries::empty() };
        // Another request than the one whose answer is under way begins anew.
        let download = peer.download.take().filter(|download| download.own_children_only == own_children_only);
        timers.stop(Timer::Download(sender));
        // What is being taken over is not ours in our own table yet.
        let is_busy = (download.is_none() && downloads >= config.limits.downloads)
            || (own_children_only && (!claiming.is_empty() || is_catching_up));
        if *phase != Phase::Serving || is_busy {
            send(outbox, association, &Message::new(*identifier, sender, Body::HandleTableResponse(response)));
            return;
        }
        response.rejected = false;
        let owner = own_children_only.then_some(*identifier);
        let start = download.as_ref().map_or(Cursor::START, |download| download.behind);
        let mut elements = handlespace.read_from(start, owner).peekable();
        let mut views: Vec<(PoolHandle<'_>, PoolElement<'_>)> = Vec::new();
        let (mut room, mut behind) = (60_000usize, start);
        while let Some((element, next)) = elements.peek() {
            let pool_handle = handlespace.pool_handle(*element);
            let size = element.octets().len() + pool_handle.octets().len() + 8;
            if views.len() >= config.limits.table_response_elements || (size > room && !views.is_empty()) {
                break;
            }
            room = room.saturating_sub(size);
            views.push((pool_handle, element.view()));
            behind = *next;
            elements.next();
        }
        response.more_to_send = elements.peek().is_some();
        if response.more_to_send {
            peer.download = Some(Download { own_children_only, behind });
            timers.set(Timer::Download(sender), now + config.max_time_no_response);
        }
        // One entry a pool, as far as this part of the table goes.
        views.sort_by_key(|(pool_handle, _)| *pool_handle);
        let elements: Vec<PoolElement<'_>> = views.iter().map(|(_, element)| *element).collect();
        let mut entries: Vec<PoolEntry<'_>> = Vec::new();
        let mut rest = elements.as_slice();
        for pool in views.chunk_by(|(a, _), (b, _)| a == b) {
            let (these, behind) = rest.split_at(pool.len().min(rest.len()));
            rest = behind;
            if let Some((pool_handle, _)) = pool.first() {
                entries.push(PoolEntry { pool_handle: *pool_handle, pool_elements: Sequence::new(these) });
            }
        }
        response.pool_entries = PoolEntries::new(&entries);
        send(outbox, association, &Message::new(*identifier, sender, Body::HandleTableResponse(response)));
    }

    /// RFC 5353 §3.2.3: the peer that downloads the table has not asked for the next part.
    pub(super) fn abort_download(&mut self, peer: ServerIdentifier) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.download = None;
        }
    }

    pub(super) fn handle_table_response(
        &mut self,
        now: Instant,
        sender: ServerIdentifier,
        response: &HandleTableResponse<'_>,
    ) {
        if let Some((mentor, refusals)) = self.is_downloading_from(sender) {
            if response.rejected {
                self.refused(now, mentor, refusals);
                return;
            }
            // RFC 5353 §3.2.3.
            for (pool_handle, element) in response.pool_entries.iter() {
                if self.heard_meanwhile.contains(pool_handle, element.identifier) {
                    continue;
                }
                if element.home != self.identifier {
                    self.absorb(pool_handle, &element);
                } else if let Ok((index, _)) = self.handlespace.adopt(pool_handle, &element) {
                    // Ours from an earlier life of this registrar. Whoever does not answer is removed.
                    self.adopted.push_back(index);
                }
            }
            if response.more_to_send {
                self.request_table(now, mentor);
            } else {
                self.serve(now);
            }
            return;
        }
        if self.timers.is_running(Timer::Sync(sender)) {
            self.sync_response(now, sender, response);
        }
    }

    /// Compares what a peer says of its elements with what is known of them (RFC 5353 §3.6.1).
    pub(super) fn audit(&mut self, now: Instant, peer: ServerIdentifier, checksum: PeChecksum) {
        if !self.is_serving() {
            return;
        }
        let is_same = self.handlespace.checksum(peer) == checksum;
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        // The checksum does not show whether an element has changed, so after a loss of news it is not enough.
        if (is_same && !entry.updates_missed)
            || now < entry.audit_after
            || self.timers.is_running(Timer::Sync(peer))
            || self.claiming.contains(&peer)
        {
            return;
        }
        entry.updates_missed = true;
        if !is_same {
            self.event(Event::Inconsistent { peer });
        }
        // RFC 5353 §3.6.3 1.
        let elements: Vec<ElementIndex> = self.handlespace.owned_by(peer).collect();
        for index in elements {
            self.handlespace.mark(index);
        }
        self.request_own_children(now, peer);
    }

    /// RFC 5353 §3.6.3 2.
    fn request_own_children(&mut self, now: Instant, peer: ServerIdentifier) {
        self.timers.set(Timer::Sync(peer), now + self.config.max_time_no_response);
        self.send_to_peer(peer, Body::HandleTableRequest { own_children_only: true });
    }

    /// RFC 5353 §3.6.3 4, 5.
    fn sync_response(&mut self, now: Instant, peer: ServerIdentifier, response: &HandleTableResponse<'_>) {
        self.timers.stop(Timer::Sync(peer));
        if response.rejected {
            self.end_audit(now, peer);
            return;
        }
        for (pool_handle, element) in response.pool_entries.iter() {
            if element.home == peer && self.may_take(pool_handle, &element) {
                self.claimed(now, peer, pool_handle, &element);
            }
        }
        if response.more_to_send {
            self.request_own_children(now, peer);
            return;
        }
        // What it claims and others may object to is fetched again.
        let awaits_objection = self.monitors.are_claimed_by(peer);
        let gone: Vec<ElementIndex> = self
            .handlespace
            .owned_by(peer)
            .filter(|index| self.handlespace.element(*index).is_some_and(|element| element.is_marked()))
            .collect();
        for index in gone {
            // It may have another home by now, which has said so.
            if !self.concede(now, index) {
                self.remove_quietly(index);
            }
        }
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.updates_missed = awaits_objection;
        }
        self.end_audit(now, peer);
        self.event(Event::Synchronized { peer });
    }

    /// An audit is over, or has failed. The next one, if a presence shows that it is needed, is not begun before the peer
    /// has forgotten this one; answers that come late are none to it.
    pub(super) fn end_audit(&mut self, now: Instant, peer: ServerIdentifier) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.audit_after = now + self.config.max_time_no_response;
        }
    }

    /// Whether a peer's claim to an element counts that may be old: not against the word of the element itself.
    fn may_take(&self, pool_handle: PoolHandle<'_>, element: &PoolElement<'_>) -> bool {
        let Some(index) = self.handlespace.find(pool_handle, element.identifier) else { return true };
        !(self.owns(index) && self.monitors.get(index).is_some_and(|monitor| monitor.confirmed.is_some()))
    }
}
