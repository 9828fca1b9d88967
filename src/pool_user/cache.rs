//! What a user knows of pools: the elements of the last resolution, from which it chooses by the pool's policy (RFC 5352
//! §3.3, §6.5.2, RFC 5356 §4.1.3 and the other policies' sections on pool users).

use heapless::Vec;

use crate::client::request::Request;
use crate::client::sizes::PoolHandleBuf;
use crate::client::transport::UserTransport;
use crate::handlespace::policy::{Fixed, Member, Seat, Seats, SelectionPolicy, Selector};
use crate::random::Random;
use crate::time::Instant;
use crate::wire::asap::HandleResolutionResponse;
use crate::wire::{PeIdentifier, PolicyType, PoolElement, PoolHandle, TransportProtocol};

/// An element of some pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ElementKey {
    pub(super) pool_handle: PoolHandleBuf,
    pub(super) identifier: PeIdentifier,
}

/// An element and how to reach it: what RFC 5352 §6.5.3 calls a Pool Element handle, together with its pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownElement {
    /// Identifies it in its pool.
    pub identifier: PeIdentifier,
    /// Where it serves. `None` if that is an opaque transport of more than
    /// [`MAX_OPAQUE_TRANSPORT`](crate::MAX_OPAQUE_TRANSPORT) octets; [`UserEvent::Resolved`](super::UserEvent::Resolved) has all of it.
    pub transport: Option<UserTransport>,
}

impl KnownElement {
    pub(super) fn new(element: &PoolElement<'_>) -> Self {
        Self { identifier: element.identifier, transport: UserTransport::from_transport(&element.user_transport) }
    }

    /// Its transport's protocol.
    fn protocol(&self) -> TransportProtocol {
        self.transport.as_ref().map_or(TransportProtocol::Opaque, UserTransport::protocol)
    }

    /// Whether a session can be opened with it, if the adapter has its transport.
    pub(super) fn can_be_opened(&self) -> bool {
        matches!(self.protocol(), TransportProtocol::Sctp | TransportProtocol::Tcp)
    }
}

/// What the user thinks of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing has been sent to it.
    Unused,
    /// It was chosen, and so has been sent something, or was given to the application for that.
    Used,
    /// It is not chosen any more.
    Dead,
}

/// An element in the cache.
#[derive(Debug)]
struct Entry {
    element: KnownElement,
    standing: Standing,
    /// Whether the adapter has no such transport, as an attempt has shown.
    is_unsupported: bool,
}

impl Entry {
    /// Whether a session could have it, if it lives.
    fn can_be_opened(&self) -> bool {
        self.element.can_be_opened() && !self.is_unsupported
    }

    /// Whether a session can have it.
    fn is_open_to_sessions(&self) -> bool {
        self.can_be_opened() && self.standing != Standing::Dead
    }
}

/// What sessions with a pool may hope for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prospect {
    /// There are elements that they can have.
    Elements,
    /// None is known, or all are dead: a registrar may know others.
    Nothing,
    /// All elements are reached by transports that the user does not have, as this one.
    NoTransport(TransportProtocol),
}

/// For how long what is known is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Validity {
    /// Nothing is known.
    Unknown,
    /// Until it becomes stale.
    Until(Instant),
    /// The home registrar tells what changes (RFC 5352 §2.2.6, the A bit).
    Updated,
}

#[derive(Debug)]
pub(super) struct CachedPool<const ELEMENTS: usize> {
    pub(super) pool_handle: PoolHandleBuf,
    /// The elements. An element's place is its number for the policy.
    elements: Vec<Entry, ELEMENTS>,
    /// Chooses among them.
    policy: Selector<Fixed<ELEMENTS>>,
    seats: Vec<Seat, ELEMENTS>,
    validity: Validity,
    /// Which element the last message to the pool went to.
    pub(super) last: Option<PeIdentifier>,
    /// The resolution that is under way.
    pub(super) request: Option<Request>,
}

/// How a user chooses from a list of elements under a pool's policy.
fn policy<const ELEMENTS: usize>(policy_type: PolicyType) -> Selector<Fixed<ELEMENTS>> {
    match policy_type {
        // RFC 5356 §4.2.3: a list is used one after the other, whatever the weights. They made the list.
        PolicyType::WEIGHTED_ROUND_ROBIN => Selector::round_robin(),
        _ => Selector::new(policy_type).unwrap_or_else(Selector::round_robin),
    }
}

impl<const ELEMENTS: usize> CachedPool<ELEMENTS> {
    /// A pool of which nothing is known; `None` if the handle is too long.
    pub(super) fn new(pool_handle: PoolHandle<'_>) -> Option<Self> {
        Some(Self {
            pool_handle: Vec::from_slice(pool_handle.octets()).ok()?,
            elements: Vec::new(),
            policy: Selector::round_robin(),
            seats: Vec::new(),
            validity: Validity::Unknown,
            last: None,
            request: None,
        })
    }

    pub(super) fn handle(&self) -> PoolHandle<'_> {
        PoolHandle::new(&self.pool_handle)
    }

    pub(super) fn key(&self, identifier: PeIdentifier) -> ElementKey {
        ElementKey { pool_handle: self.pool_handle.clone(), identifier }
    }

    /// The elements that may be chosen, unless what is known is stale (RFC 5352 §3.3 C2).
    pub(super) fn elements(&self, now: Instant) -> impl Iterator<Item = &KnownElement> {
        let valid = self.is_valid(now);
        let elements = self.elements.iter().filter(move |entry| valid && entry.standing != Standing::Dead);
        elements.map(|entry| &entry.element)
    }

    fn is_valid(&self, now: Instant) -> bool {
        match self.validity {
            Validity::Unknown => false,
            Validity::Until(stale) => stale > now,
            Validity::Updated => true,
        }
    }

    pub(super) fn prospect(&self, now: Instant) -> Prospect {
        if !self.is_valid(now) {
            return Prospect::Nothing;
        }
        if self.elements.iter().any(Entry::is_open_to_sessions) {
            return Prospect::Elements;
        }
        match self.elements.first() {
            Some(entry) if !self.elements.iter().any(Entry::can_be_opened) => {
                Prospect::NoTransport(entry.element.protocol())
            }
            _ => Prospect::Nothing,
        }
    }

    /// Whether an element could be chosen.
    pub(super) fn has_elements(&self, now: Instant) -> bool {
        self.elements(now).next().is_some()
    }

    /// Whether the home registrar is to tell what changes.
    pub(super) fn is_updated(&self) -> bool {
        self.validity == Validity::Updated
    }

    /// The registrar that was to tell what changes is gone: what is known now becomes stale like other knowledge.
    pub(super) fn end_updates(&mut self, stale: Instant) {
        if self.is_updated() {
            self.validity = Validity::Until(stale);
        }
    }

    /// Takes over what a registrar has answered, as many elements as there is room for.
    pub(super) fn fill(&mut self, response: &HandleResolutionResponse<'_>, stale: Instant) {
        self.elements.clear();
        self.seats.clear();
        // RFC 5352 §2.2.6: without a policy parameter it is round robin.
        self.policy = policy(response.policy.map_or(PolicyType::ROUND_ROBIN, |policy| policy.policy_type()));
        self.validity = if response.accept_updates { Validity::Updated } else { Validity::Until(stale) };
        for element in &response.pool_elements {
            let entry =
                Entry { element: KnownElement::new(&element), standing: Standing::Unused, is_unsupported: false };
            let number = self.elements.len() as u32;
            if self.elements.push(entry).is_err() || self.seats.push(Seat::new(number)).is_err() {
                break;
            }
            self.policy.add(&mut Seats(&mut self.seats), Member(number), &element.policy);
        }
    }

    /// The element whose turn it is by the pool's policy; `None` if there is none, or what is known is stale.
    pub(super) fn select(&mut self, now: Instant, random: &mut Random) -> Option<KnownElement> {
        if !self.has_elements(now) {
            return None;
        }
        let chosen = self.next_turn(random);
        // Elements that their policy would not choose, by weights of zero, are better than none.
        let any = || self.elements.iter().position(|entry| entry.standing != Standing::Dead);
        let chosen = if chosen < self.elements.len() { chosen } else { any()? };
        self.take_at(chosen)
    }

    /// The element that a session is to have, by the pool's policy. Those that it cannot speak to lose their turn.
    pub(super) fn select_for_session(&mut self, now: Instant, random: &mut Random) -> Option<KnownElement> {
        if self.prospect(now) != Prospect::Elements {
            return None;
        }
        for _ in 0..self.elements.len() {
            let chosen = self.next_turn(random);
            if self.elements.get(chosen).is_some_and(Entry::is_open_to_sessions) {
                return self.take_at(chosen);
            }
        }
        self.take_at(self.elements.iter().position(Entry::is_open_to_sessions)?)
    }

    /// The place of the element whose turn it is; none that there is if the policy chooses nobody.
    fn next_turn(&mut self, random: &mut Random) -> usize {
        let mut chosen = [Member::NONE];
        self.policy.select(&mut Seats(&mut self.seats), random, &mut chosen);
        let [Member(chosen)] = chosen;
        chosen as usize
    }

    fn take_at(&mut self, place: usize) -> Option<KnownElement> {
        let entry = self.elements.get_mut(place)?;
        entry.standing = Standing::Used;
        Some(entry.element.clone())
    }

    fn find(&mut self, identifier: PeIdentifier) -> Option<&mut Entry> {
        self.elements.iter_mut().find(|entry| entry.element.identifier == identifier)
    }

    /// A certain element, for a session; `None` if it is not known, dead, or not to be spoken to.
    pub(super) fn take(&mut self, identifier: PeIdentifier) -> Option<KnownElement> {
        let entry = self.find(identifier).filter(|entry| entry.is_open_to_sessions())?;
        entry.standing = Standing::Used;
        Some(entry.element.clone())
    }

    /// Whether the element is known to be dead.
    pub(super) fn is_dead(&mut self, identifier: PeIdentifier) -> bool {
        self.find(identifier).is_some_and(|entry| entry.standing == Standing::Dead)
    }

    /// Whether the element has been chosen since it came to be known.
    pub(super) fn was_used(&mut self, identifier: PeIdentifier) -> bool {
        self.find(identifier).is_some_and(|entry| entry.standing == Standing::Used)
    }

    /// An element has told itself where it is (RFC 5352 §3.9 BC1).
    pub(super) fn correct(&mut self, element: KnownElement) {
        if let Some(entry) = self.find(element.identifier) {
            (entry.element, entry.is_unsupported) = (element, false);
        }
    }

    /// The adapter has no transport for an element: no session has it. It may be of use to the application.
    pub(super) fn set_unsupported(&mut self, identifier: PeIdentifier) {
        if let Some(entry) = self.find(identifier) {
            entry.is_unsupported = true;
        }
    }

    /// An element is dead: it is no longer chosen.
    pub(super) fn remove(&mut self, identifier: PeIdentifier) {
        for (number, entry) in (0..).zip(&mut self.elements) {
            let is_it = entry.element.identifier == identifier;
            if is_it && core::mem::replace(&mut entry.standing, Standing::Dead) != Standing::Dead {
                self.policy.remove(&mut Seats(&mut self.seats), Member(number));
            }
        }
    }

    /// Forgets the elements, so that the registrar is asked again.
    pub(super) fn invalidate(&mut self) {
        self.validity = Validity::Unknown;
    }
}
