//! An element and its users: who is there, messages on the data channel, cookies and business cards on the control channel
//! (RFC 5352 §3.8, §3.9), and the end of it all.

use super::{Duty, PoolElement, Record, State};
use crate::client::business_card::{CardError, ElementList};
use crate::client::outbox::Full;
use crate::client::sizes::MAX_COOKIE;
use crate::client::{MessageHeader, SendError, send};
use crate::machine::{AssociationId, OutgoingMessage, SendBuffer};
use crate::wire::asap::{Body, BusinessCard};
use crate::wire::{PoolElement as WirePoolElement, PoolHandle, TransportUse};

/// How many octets the elements take that are to be tried when this one fails.
const FAILOVER_ORDER: usize = 192;

pub(super) type FailoverOrder = ElementList<FAILOVER_ORDER>;

/// Who is at the other end of an association that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// It has not said anything yet.
    Unknown,
    User(Card),
    Registrar,
}

/// Whether a user has the element's business card, in its present form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Card {
    Due,
    Given,
}

/// What became of one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    Yes,
    /// This one has to go for it.
    InsteadOf(AssociationId),
    No,
}

/// Where an association has come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From a registrar that the element knew when the association came in.
    KnownRegistrar,
    Elsewhere,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    session: AssociationId,
    origin: Origin,
    who: Who,
    /// Whether the user has given a business card of its own.
    has_given_card: bool,
    buffer: SendBuffer,
}

/// The associations that came in, up to `SESSIONS`, ordered by their names.
#[derive(Debug)]
pub(super) struct Sessions<const SESSIONS: usize> {
    entries: heapless::Vec<Entry, SESSIONS>,
    /// Whether somebody may be without the business card.
    cards_due: bool,
}

impl<const SESSIONS: usize> Sessions<SESSIONS> {
    pub(super) const fn new() -> Self {
        Self { entries: heapless::Vec::new(), cards_due: false }
    }

    fn find(&mut self, session: AssociationId) -> Option<&mut Entry> {
        let index = self.entries.binary_search_by_key(&session, |entry| entry.session).ok()?;
        self.entries.get_mut(index)
    }

    /// How many users there may be: some places are left for registrars, who cannot be told from users before they speak.
    const USERS: usize = SESSIONS - if SESSIONS >= 16 { SESSIONS / 8 } else { SESSIONS.div_ceil(8) };

    /// Takes one more. If there is no room, one that has not said anything yet has to make way, or nobody is taken.
    pub(super) fn add(&mut self, session: AssociationId, origin: Origin) -> Added {
        let mut instead_of = None;
        if self.entries.is_full() {
            let Some(silent) = self.entries.iter().find(|entry| entry.who == Who::Unknown) else {
                return Added::No;
            };
            instead_of = Some(silent.session);
            self.remove(silent.session);
        }
        if let Err(place) = self.entries.binary_search_by_key(&session, |entry| entry.session) {
            let entry =
                Entry { session, origin, who: Who::Unknown, has_given_card: false, buffer: SendBuffer::HasRoom };
            let _ = self.entries.insert(place, entry);
        }
        instead_of.map_or(Added::Yes, Added::InsteadOf)
    }

    fn users(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.who, Who::User(_))).count()
    }

    /// Forgets one; true if it may have been a user's.
    pub(super) fn remove(&mut self, session: AssociationId) -> bool {
        let Ok(index) = self.entries.binary_search_by_key(&session, |entry| entry.session) else { return false };
        let is_users = self.entries.get(index).is_some_and(|entry| entry.who != Who::Registrar);
        // Names grow, so mostly the place is near the end.
        let mut place = 0;
        self.entries.retain(|_| {
            place += 1;
            place != index + 1
        });
        is_users
    }

    pub(super) fn is_registrar(&mut self, session: AssociationId) {
        if let Some(entry) = self.find(session) {
            entry.who = Who::Registrar;
        }
    }

    /// Where an association has come from that is there.
    pub(super) fn origin(&mut self, session: AssociationId) -> Origin {
        self.find(session).map_or(Origin::Elsewhere, |entry| entry.origin)
    }

    /// Whether a user has given no business card before.
    pub(super) fn is_first_card(&mut self, session: AssociationId) -> bool {
        self.find(session).is_some_and(|entry| !core::mem::replace(&mut entry.has_given_card, true))
    }

    /// The business card has changed.
    pub(super) fn renew_cards(&mut self) {
        for entry in &mut self.entries {
            if let Who::User(card) = &mut entry.who {
                *card = Card::Due;
            }
        }
        self.cards_due = true;
    }

    /// Whether the transport takes more for one.
    fn has_room_for(&mut self, session: AssociationId) -> Result<(), SendError> {
        match self.find(session).ok_or(SendError::NoSession)?.buffer {
            SendBuffer::HasRoom => Ok(()),
            SendBuffer::Full => Err(SendError::Congested),
        }
    }

    /// Whether no user is there, as far as is known.
    fn have_no_users(&self) -> bool {
        self.entries.iter().all(|entry| entry.who == Who::Registrar)
    }
}

impl<const SESSIONS: usize, const OCTETS: usize> PoolElement<SESSIONS, OCTETS> {
    /// Sends a message to a user.
    ///
    /// # Errors
    ///
    /// The message was not taken; nothing has happened.
    pub fn send(&mut self, session: AssociationId, message: OutgoingMessage<'_>) -> Result<(), SendError> {
        SendError::check(&message)?;
        self.speaks_with(session)?;
        self.sessions.has_room_for(session)?;
        let record = Record::Send { association: session, header: MessageHeader::of(&message) };
        self.outbox.push_octets(record, message.octets).map_err(|_| SendError::Full)
    }

    /// Sends a user the cookie that it is to bring to another element, should this one fail. It replaces those sent
    /// before. It may have [`max_cookie`](super::ElementConfig::max_cookie) octets. RFC 5352 §3.8: it should be signed, since it comes back by way of the user; see
    #[cfg_attr(feature = "cookies", doc = "[`CookieKey`](crate::cookie::CookieKey).")]
    #[cfg_attr(not(feature = "cookies"), doc = "the feature `cookies`.")]
    ///
    /// # Errors
    ///
    /// The cookie was not taken; nothing has happened.
    pub fn send_cookie(&mut self, session: AssociationId, cookie: &[u8]) -> Result<(), SendError> {
        if !self.has_control_channel() {
            return Err(SendError::NoControlChannel);
        }
        let limit = self.config.max_cookie.min(MAX_COOKIE);
        if cookie.len() > limit {
            return Err(SendError::CookieTooLong { limit });
        }
        self.speaks_with(session)?;
        self.sessions.has_room_for(session)?;
        send(&mut self.outbox, session, &Body::Cookie(cookie).into()).map_err(|_| SendError::Full)
    }

    /// Ends a session in order. Its user goes on with another element.
    ///
    /// # Errors
    ///
    /// The queue is full, or there is no such session.
    pub fn close_session(&mut self, session: AssociationId) -> Result<(), SendError> {
        if self.sessions.find(session).is_none_or(|entry| entry.who == Who::Registrar) {
            return Err(SendError::NoSession);
        }
        self.outbox.push(Record::Close { association: session }).map_err(|_| SendError::Full)?;
        self.sessions.remove(session);
        self.check_drained();
        Ok(())
    }

    /// The elements of the pool that its users are to try when this one fails, in this order: the rest of its business card,
    /// after itself (RFC 5352 §3.9). Users that are there get the card at once.
    ///
    /// # Errors
    ///
    /// They are too many; nothing has changed.
    pub fn set_failover_order(&mut self, elements: &[WirePoolElement<'_>]) -> Result<(), CardError> {
        self.failover_order = ElementList::new(elements.iter().copied())?;
        self.sessions.renew_cards();
        Ok(())
    }

    pub(super) fn has_control_channel(&self) -> bool {
        self.config.user_transport.transport_use() == TransportUse::DataPlusControl
    }

    /// Communication with a user begins, or goes on: it gets the business card first (RFC 5352 §3.9).
    pub(super) fn speaks_with(&mut self, session: AssociationId) -> Result<(), SendError> {
        let who = self.sessions.find(session).ok_or(SendError::NoSession)?.who;
        match who {
            Who::Registrar => Err(SendError::NoSession),
            Who::User(_) => Ok(()),
            Who::Unknown if self.sessions.users() >= Sessions::<SESSIONS>::USERS => {
                self.turn_away(session);
                Err(SendError::NoRoom)
            }
            Who::Unknown => {
                if let Some(entry) = self.sessions.find(session) {
                    entry.who = Who::User(Card::Due);
                }
                if self.give_card(session).is_err() {
                    self.sessions.cards_due = true;
                }
                Ok(())
            }
        }
    }

    /// There is no room for a user. It is told so in order, or it would report the element as dead.
    pub(super) fn turn_away(&mut self, session: AssociationId) {
        self.sessions.remove(session);
        let _ = self.outbox.push(Record::Close { association: session });
    }

    /// The transport's buffer for an association is full, or has room again.
    pub(super) fn send_buffer(&mut self, association: AssociationId, state: SendBuffer) {
        let Some(entry) = self.sessions.find(association) else { return };
        let before = core::mem::replace(&mut entry.buffer, state);
        if (before, state) == (SendBuffer::Full, SendBuffer::HasRoom) {
            self.event(Record::Ready { session: association });
        }
    }

    fn give_card(&mut self, session: AssociationId) -> Result<(), Full> {
        if self.has_control_channel() {
            let Self { config, failover_order, outbox, .. } = self;
            let mut elements: ElementList<512> = ElementList::default();
            // They fit: both are smaller than half of it.
            let _ = elements.push(&config.pool_element()).and_then(|()| elements.append(failover_order));
            let pool_handle = PoolHandle::new(&config.pool_handle);
            let card = BusinessCard { pool_handle, pool_elements: elements.sequence() };
            send(outbox, session, &Body::BusinessCard(card).into())?;
        }
        if let Some(entry) = self.sessions.find(session) {
            entry.who = Who::User(Card::Given);
        }
        Ok(())
    }

    /// Gives the business card to those who are still without it, as many as there is room for.
    pub(super) fn give_cards(&mut self) {
        while self.sessions.cards_due {
            let due = self.sessions.entries.iter().find(|entry| entry.who == Who::User(Card::Due));
            match due.map(|entry| entry.session) {
                None => self.sessions.cards_due = false,
                Some(session) if self.give_card(session).is_err() => break,
                Some(_) => {}
            }
        }
    }

    /// Tells the application once the element has left its pool and its last user has gone.
    pub(super) fn check_drained(&mut self) {
        if self.duty == Duty::Draining && self.state == State::Idle && self.sessions.have_no_users() {
            self.duty = Duty::Drained;
            self.event(Record::Drained);
        }
    }
}
