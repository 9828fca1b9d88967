//! Business cards, those of elements and the user's own (RFC 5352 §3.9).

use super::cache::KnownElement;
use super::event::Record;
use super::session::{FailoverMode, Preferred, PreferredList, SessionId};
use super::{CookieStore, OpenError, PoolUser};
use crate::client::business_card::{CardBuf, CardError};
use crate::client::send;
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::asap::{Body, BusinessCard};
use crate::wire::{PeIdentifier, PoolElement, PoolHandle, TransportUse};

/// A card's elements, in order, without one of them.
fn preferred(card: &BusinessCard<'_>, without: Option<PeIdentifier>) -> PreferredList {
    let mut list = PreferredList::new();
    for element in card.pool_elements.iter().filter(|element| Some(element.identifier) != without) {
        let _ = list.push(Preferred { identifier: element.identifier, known: Some(KnownElement::new(&element)) });
    }
    list
}

impl<const SESSIONS: usize, const ELEMENTS: usize, const OCTETS: usize, C: CookieStore>
    PoolUser<SESSIONS, ELEMENTS, OCTETS, C>
{
    /// The user is an element as well: the first of `elements`, of this pool. The others are to be tried in their order
    /// when it fails. All elements that it has a session with now, or will have, are told so, where there is a control
    /// channel. Copies of messages to all of this pool's elements leave it out.
    ///
    /// # Errors
    ///
    /// There can be no such card; nothing has changed.
    pub fn set_business_card(
        &mut self,
        pool_handle: PoolHandle<'_>,
        elements: &[PoolElement<'_>],
    ) -> Result<(), CardError> {
        self.card = Some(CardBuf::new(pool_handle, elements)?);
        let mut partners: heapless::Vec<AssociationId, SESSIONS> = heapless::Vec::new();
        for partner in self.sessions.iter().filter_map(|session| session.open()) {
            if partner.transport_use == TransportUse::DataPlusControl {
                let _ = partners.push(partner.association);
            }
        }
        for association in partners {
            self.give_business_card(association);
        }
        Ok(())
    }

    pub(super) fn give_business_card(&mut self, association: AssociationId) {
        if let Some(card) = &self.card {
            let _ = send(&mut self.outbox, association, &Body::BusinessCard(card.as_card()).into());
        }
    }

    /// Opens a session with the pool of a business card, which an element has got from a user that is an element itself:
    /// with the card's elements first, in their order, then by the pool's policy.
    ///
    /// # Errors
    ///
    /// There is no room for another session, or the handle is too long.
    pub fn open_session_by_card(
        &mut self,
        now: Instant,
        card: &BusinessCard<'_>,
        failover: FailoverMode,
    ) -> Result<SessionId, OpenError> {
        let session = self.open(now, card.pool_handle, failover, preferred(card, None))?;
        // RFC 5352 §3.9 BC1.
        let pool = self.pool_index(card.pool_handle)?;
        if !self.pools.get(pool).is_some_and(|pool| pool.has_elements(now)) {
            self.request(now, pool);
        }
        Ok(session)
    }

    /// RFC 5352 §3.9 BC1, BC2. `octets` are the whole message, for the application to read.
    pub(super) fn business_card(
        &mut self,
        now: Instant,
        association: AssociationId,
        octets: &[u8],
        card: &BusinessCard<'_>,
    ) {
        let Self { sessions, pools, .. } = self;
        let Some((session, partner)) = sessions.iter_mut().find_map(|session| {
            let partner = session.open().filter(|partner| partner.association == association)?;
            Some((session, partner))
        }) else {
            return;
        };
        let id = session.id;
        let Some(pool) = pools.get_mut(session.pool).filter(|pool| pool.handle() == card.pool_handle) else {
            return self.card_of_another_pool(now, id, octets, card);
        };
        session.preferred = preferred(card, Some(partner.identifier));
        if let Some(own) = card.pool_elements.iter().find(|element| element.identifier == partner.identifier) {
            pool.correct(KnownElement::new(&own));
        }
    }

    /// An element says that it is in another pool as well. BC1: that one is resolved, but what is known of others stays. The session has
    /// been opened with its own pool, and the other may serve something else, so BC2 is for the application.
    fn card_of_another_pool(&mut self, now: Instant, session: SessionId, octets: &[u8], card: &BusinessCard<'_>) {
        let is_known = self.pools.iter().any(|pool| pool.handle() == card.pool_handle);
        if !is_known
            && !self.pools.is_full()
            && let Ok(pool) = self.pool_index(card.pool_handle)
        {
            self.request(now, pool);
        }
        let _ = self.outbox.push_octets(Record::BusinessCard { session }, octets);
    }
}
