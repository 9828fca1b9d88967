//! The application's messages: to a session, or to a pool, and what becomes of those that do not arrive (RFC 5352 §6.5,
//! §6.7).

use super::cache::KnownElement;
use super::event::Record;
use super::session::{Kind, Partner, Session, SessionId, SessionState};
use super::{CookieStore, OpenError, PoolUser};
use crate::client::outbox::Outbox;
use crate::client::sizes::MAX_POOL_HANDLE;
use crate::client::{MessageHeader, SendError};
use crate::machine::{AssociationId, Failover, OutgoingMessage, Progress, SendBuffer};
use crate::time::Instant;
use crate::wire::{EncodeError, PayloadProtocol, PeIdentifier, PoolHandle};

/// To which of a pool's elements a message goes (RFC 5352 §6.5.1, §6.5.3, §6.5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Target {
    /// To the one whose turn it is by the pool's policy.
    #[default]
    Policy,
    /// To the one that got the last message to the pool, by policy if there is none any more (ASAP_SEND_TO_LAST).
    Last,
    /// To this one. If it is dead or unknown the message goes to another, unless its failover is forbidden.
    Element(PeIdentifier),
    /// A copy to each that is known, but not to the user itself, if it is an element of the pool (ASAP_SEND_TO_ALL,
    /// [`PoolUser::set_business_card`]).
    All,
    /// A copy to each that is known, with itself (ASAP_SEND_TO_SELF).
    AllAndSelf,
}

/// How many actions there must be room for before another message to a pool is dealt with.
const ROOM: usize = 3;

/// What a held message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// That a session has an element.
    Session(SessionId),
    /// That the elements of a pool are known.
    Pool { pool: usize, target: Target },
}

/// A message that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) destination: Destination,
    header: MessageHeader,
    /// Of a message to all: to whom it has gone already, in the order of identifiers, up to this one.
    done: Option<PeIdentifier>,
}

impl Held {
    const fn new(destination: Destination, header: MessageHeader) -> Self {
        Self { destination, header, done: None }
    }
}

impl<const SESSIONS: usize, const ELEMENTS: usize, const OCTETS: usize, C: CookieStore>
    PoolUser<SESSIONS, ELEMENTS, OCTETS, C>
{
    /// Sends a message to the session's element. While there is none the message is held back, and goes to the next
    /// one by itself (RFC 5352 §6.5.1), unless its failover is forbidden. What has been sent to an element that then died
    /// is the application's to send again: [`UserEvent::Undelivered`](super::UserEvent::Undelivered) tells what did not
    /// arrive, as far as the transport knows.
    ///
    /// # Errors
    ///
    /// The message was not taken; nothing has happened.
    pub fn send(&mut self, session: SessionId, message: OutgoingMessage<'_>) -> Result<(), SendError> {
        SendError::check(&message)?;
        let entry = self.session(session).ok_or(SendError::NoSession)?;
        let header = MessageHeader::of(&message);
        // What rebuilds the new element's state goes ahead of what was held back; nothing else overtakes it.
        let is_on = matches!(entry.state, SessionState::Established(_));
        let is_behind = |held: &Held| is_on && held.destination == Destination::Session(session);
        let result = if let Some(partner) = entry.open().filter(|_| self.held.position(is_behind).is_none()) {
            if entry.buffer == SendBuffer::Full {
                return Err(SendError::Congested);
            }
            self.outbox.push_octets(Record::Send { association: partner.association, header }, message.octets)
        } else {
            self.held.push_octets(Held::new(Destination::Session(session), header), message.octets)
        };
        result.map_err(|_| SendError::Full)
    }

    /// Sends a message to a pool: the primitive of RFC 5352 §6.5. The elements are chosen for this message alone, and
    /// associations with them are opened as needed, and used again. Each takes the room of a session; the ones that have
    /// nothing to do make room for others. Answers come as [`UserEvent::Data`](super::UserEvent::Data), with a session for
    /// what is to be sent to the same element. Cookies are for sessions that the application has opened itself.
    ///
    /// # Errors
    ///
    /// The message was not taken; nothing has happened.
    pub fn send_to_pool(
        &mut self,
        now: Instant,
        pool_handle: PoolHandle<'_>,
        target: Target,
        message: OutgoingMessage<'_>,
    ) -> Result<(), SendError> {
        SendError::check(&message)?;
        self.now = now;
        let pool = self.pool_index(pool_handle)?;
        let held = Held::new(Destination::Pool { pool, target }, MessageHeader::of(&message));
        self.held.push_octets(held, message.octets).map_err(|_| SendError::Full)?;
        if self.pools.get(pool).is_some_and(|pool| pool.has_elements(now)) {
            self.dispatch(now, pool);
        } else {
            self.request(now, pool);
        }
        Ok(())
    }

    /// Chooses elements for the messages to a pool, whose elements are known now, or known not to be. What there is no room
    /// for now goes on in [`Self::dispatch_rest`].
    pub(super) fn dispatch(&mut self, now: Instant, pool: usize) {
        let waiting = |held: &Held| matches!(held.destination, Destination::Pool { pool: of, .. } if of == pool);
        while let Some(index) = self.held.position(waiting) {
            let Some((Held { destination: Destination::Pool { target, .. }, header, .. }, octets)) =
                self.held.get(index)
            else {
                return;
            };
            if !self.outbox.is_empty() && !self.outbox.has_room(ROOM, octets.len() + MAX_POOL_HANDLE) {
                return;
            }
            let (target, failover) = (*target, header.failover);
            let is_done = match target {
                Target::All | Target::AllAndSelf => self.send_to_next(now, pool, index, target),
                Target::Policy | Target::Last | Target::Element(_) => {
                    let element = self.choose(now, pool, target, failover);
                    self.carry(pool, index, element.as_ref(), failover);
                    true
                }
            };
            if is_done {
                self.remove_held(index);
            }
        }
    }

    /// Goes on with messages to pools for which there was no room.
    pub(super) fn dispatch_rest(&mut self) {
        let is_known = |pool: usize| self.pools.get(pool).is_some_and(|pool| pool.request.is_none());
        let pool = self.held.records().find_map(|held| match held.destination {
            Destination::Pool { pool, .. } if is_known(pool) => Some(pool),
            _ => None,
        });
        if let Some(pool) = pool {
            self.dispatch(self.now, pool);
        }
    }

    fn choose(&mut self, now: Instant, pool: usize, target: Target, failover: Failover) -> Option<KnownElement> {
        let Self { pools, random, .. } = self;
        let pool = pools.get_mut(pool).filter(|pool| pool.has_elements(now))?;
        let wanted = match target {
            Target::Element(identifier) => Some(identifier),
            Target::Last => pool.last,
            Target::Policy | Target::All | Target::AllAndSelf => None,
        };
        match wanted.and_then(|identifier| pool.take(identifier)) {
            Some(element) => Some(element),
            None if matches!(target, Target::Element(_)) && failover == Failover::Forbidden => None,
            None => pool.select_for_session(now, random),
        }
    }

    /// RFC 5352 §6.5.5, ASAP_SEND_TO_ALL: to one element after the other; true if all have got it.
    fn send_to_next(&mut self, now: Instant, pool: usize, index: usize, target: Target) -> bool {
        let Some(done) = self.held.get(index).map(|(held, _)| held.done) else { return true };
        let Some(entry) = self.pools.get(pool) else { return true };
        let own = self.card.as_ref().filter(|card| card.as_card().pool_handle == entry.handle());
        let own = own.map(|card| card.sender()).filter(|_| target == Target::All);
        let left = |identifier: &PeIdentifier| Some(*identifier) > done && Some(*identifier) != own;
        let elements = entry.elements(now).filter(|element| element.can_be_opened());
        let Some(next) = elements.map(|element| element.identifier).filter(left).min() else {
            if done.is_none() {
                self.hand_back(pool, None, index);
            }
            return true;
        };
        let element = self.pools.get_mut(pool).and_then(|pool| pool.take(next));
        // Another element has got its own copy.
        self.carry(pool, index, element.as_ref(), Failover::Forbidden);
        if let Some(held) = self.held.get_mut(index) {
            held.done = Some(next);
        }
        false
    }

    /// Gives a copy of a held message to an element, over an association that is there or one that is opened.
    fn carry(&mut self, pool: usize, index: usize, element: Option<&KnownElement>, failover: Failover) {
        let Some(element) = element else { return self.hand_back(pool, None, index) };
        if let Some(pool) = self.pools.get_mut(pool) {
            pool.last = Some(element.identifier);
        }
        let Some((Held { header, .. }, octets)) = self.held.get(index) else { return };
        let header = MessageHeader { failover, ..*header };
        let is_there = |session: &&Session<C>| {
            session.pool == pool
                && session.kind == Kind::Carrier
                && session.partner().is_some_and(|partner| partner.identifier == element.identifier)
        };
        let takes_more = |session: &Session<C>| session.open().filter(|_| session.buffer == SendBuffer::HasRoom);
        let carrier = self.sessions.iter().find(is_there).map(|session| (session.id, takes_more(session)));
        let taken = match carrier {
            Some((_, Some(partner))) => {
                self.outbox.push_octets(Record::Send { association: partner.association, header }, octets).is_ok()
            }
            Some((id, None)) => self.held.push_copy(Held::new(Destination::Session(id), header), index).is_ok(),
            None => {
                let id = self.next_session();
                // The message has its own place first: without it the association would be of no use.
                let held = Held::new(Destination::Session(id), header);
                let is_held = self.make_room().is_ok() && self.held.push_copy(held, index).is_ok();
                let opened = is_held
                    && self.sessions.push(Session::new(id, pool, Kind::Carrier)).is_ok()
                    && self.open_element(self.sessions.len().saturating_sub(1), element);
                if is_held && !opened {
                    self.sessions.retain(|session| session.id != id);
                    self.drop_held(id);
                }
                opened
            }
        };
        if !taken {
            self.hand_back(pool, Some(element.identifier), index);
        }
    }

    /// Makes room for another session, by ending one that only carries messages to the pool, and has none.
    pub(super) fn make_room(&mut self) -> Result<(), OpenError> {
        if !self.sessions.is_full() {
            return Ok(());
        }
        let Self { sessions, held, .. } = &*self;
        let is_idle = |session: &Session<C>| {
            session.kind == Kind::Carrier
                && matches!(session.state, SessionState::Established(_))
                && !held.records().any(|held| held.destination == Destination::Session(session.id))
        };
        // The oldest, so that answers have had the most time to come.
        let idle = sessions.iter().filter(|session| is_idle(session)).map(|session| session.id).min();
        self.close_session(idle.ok_or(OpenError::NoRoom)?);
        Ok(())
    }

    /// A session's element has failed: what was not fetched yet for it waits again, and what is not for another comes back.
    pub(super) fn take_back(&mut self, pool: usize, session: SessionId, partner: Partner) {
        let Self { outbox, held, .. } = self;
        outbox.retain(|record, octets| match record {
            Record::Send { association, header } if *association == partner.association => {
                if header.protocol != PayloadProtocol::ASAP {
                    let _ = held.push_octets(Held::new(Destination::Session(session), *header), octets);
                }
                false
            }
            _ => true,
        });
        let comes_back = |held: &Held| {
            held.destination == Destination::Session(session) && held.header.failover == Failover::Forbidden
        };
        while let Some(index) = self.held.position(comes_back) {
            self.hand_back(pool, Some(partner.identifier), index);
            self.remove_held(index);
        }
    }

    /// A carrier's element has failed: what waited for it goes to another.
    pub(super) fn end_carrier(&mut self, now: Instant, id: SessionId) {
        let Some(index) = self.sessions.iter().position(|session| session.id == id) else { return };
        let pool = self.sessions.swap_remove(index).pool;
        self.held.retain(|held, _| {
            if held.destination == Destination::Session(id) {
                held.destination = Destination::Pool { pool, target: Target::Policy };
            }
            true
        });
        self.dispatch(now, pool);
    }

    /// The transport says what has not arrived of what a session has sent.
    pub(super) fn undelivered(
        &mut self,
        association: AssociationId,
        message: &OutgoingMessage<'_>,
        progress: Progress,
    ) {
        let Some(session) = self.session_of(association) else { return };
        let Some(partner) = session.partner_of(association) else { return };
        if session.open() == Some(partner) {
            session.state = SessionState::Ending(partner);
        }
        let (id, kind, pool, state) = (session.id, session.kind, session.pool, session.state);
        // Also what the machine cannot have sent is no message of the application.
        if SendError::check(message).is_err() {
            return;
        }
        if progress == Progress::Unsent && message.failover == Failover::Allowed {
            let held = Held::new(Destination::Session(id), MessageHeader::of(message));
            if self.held.push_octets(held, message.octets).is_ok() {
                if let SessionState::Established(partner) = state {
                    self.release(id, partner.association);
                }
                return;
            }
        }
        let Self { outbox, pools, .. } = self;
        let Some(pool) = pools.get(pool) else { return };
        let session = matches!(kind, Kind::Conversation(_)).then_some(id);
        undelivered(outbox, pool.handle(), session, Some(partner.identifier), progress, message);
    }

    /// Tells the application that a held message has not been sent.
    fn hand_back(&mut self, pool: usize, identifier: Option<PeIdentifier>, index: usize) {
        if let Some((held, octets)) = self.held.get(index) {
            let session = match held.destination {
                Destination::Session(session) => self.conversation(session),
                Destination::Pool { .. } => None,
            };
            undelivered(
                &mut self.outbox,
                self.pools.get(pool).map_or(PoolHandle::new(&[]), |pool| pool.handle()),
                session,
                identifier,
                Progress::Unsent,
                &held.header.with(octets),
            );
        }
    }

    /// The session, if the application has opened it; `None` if it only carries messages to a pool.
    fn conversation(&self, id: SessionId) -> Option<SessionId> {
        self.session(id).filter(|session| matches!(session.kind, Kind::Conversation(_))).map(|session| session.id)
    }

    /// Tells the application that what is held for a session has not been sent.
    pub(super) fn hand_back_held(&mut self, pool: usize, id: SessionId) {
        while let Some(index) = self.held.position(|held| held.destination == Destination::Session(id)) {
            self.hand_back(pool, None, index);
            self.remove_held(index);
        }
    }

    fn remove_held(&mut self, index: usize) {
        let mut place = 0;
        self.held.retain(|_, _| {
            place += 1;
            place != index + 1
        });
    }

    /// Sends what could not be sent before as the queue was full.
    pub(super) fn release_all(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let mut open: heapless::Vec<(SessionId, AssociationId), SESSIONS> = heapless::Vec::new();
        for session in &self.sessions {
            if let (SessionState::Established(partner), SendBuffer::HasRoom) = (session.state, session.buffer) {
                let _ = open.push((session.id, partner.association));
            }
        }
        for (id, association) in open {
            self.release(id, association);
        }
    }

    /// The transport's buffer for an association is full, or has room again.
    pub(super) fn send_buffer(&mut self, association: AssociationId, state: SendBuffer) {
        let Some(session) = self.opened_session(association) else { return };
        let before = core::mem::replace(&mut session.buffer, state);
        let (id, kind) = (session.id, session.kind);
        if (before, state) == (SendBuffer::Full, SendBuffer::HasRoom) && matches!(kind, Kind::Conversation(_)) {
            self.event(Record::Ready { session: id });
        }
    }

    /// Drops what is held for a session that is gone.
    pub(super) fn drop_held(&mut self, id: SessionId) {
        self.held.retain(|held, _| held.destination != Destination::Session(id));
    }

    /// Sends what was held back for a session. Other sessions' messages keep their order.
    pub(super) fn release(&mut self, id: SessionId, association: AssociationId) {
        let Self { held, outbox, .. } = self;
        held.retain(|held, octets| {
            held.destination != Destination::Session(id)
                || outbox.push_octets(Record::Send { association, header: held.header }, octets).is_err()
        });
    }
}

/// Tells the application of a message that did not arrive.
fn undelivered<const RECORDS: usize, const OCTETS: usize>(
    outbox: &mut Outbox<Record, RECORDS, OCTETS>,
    pool_handle: PoolHandle<'_>,
    session: Option<SessionId>,
    identifier: Option<PeIdentifier>,
    progress: Progress,
    message: &OutgoingMessage<'_>,
) {
    let pool_handle = pool_handle.octets();
    let pool_handle_length = pool_handle.len() as u8;
    let header = MessageHeader::of(message);
    let record = Record::Undelivered { pool_handle_length, session, identifier, progress, header };
    let _ = outbox.push_with(record, |buffer| {
        let too_small = EncodeError::BufferTooSmall { needed: pool_handle.len(), available: buffer.len() };
        let (first, rest) = buffer.split_at_mut_checked(pool_handle.len()).ok_or(too_small)?;
        first.copy_from_slice(pool_handle);
        let mut length = pool_handle.len();
        // RFC 5352 §6.7: the first portion of it, if there is no room for all.
        for (place, octet) in rest.iter_mut().zip(message.octets) {
            *place = *octet;
            length += 1;
        }
        Ok(length)
    });
}
