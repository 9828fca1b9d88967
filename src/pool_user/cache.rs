//! What a user knows of pools: the elements of the last resolution, from which it chooses by the pool's policy (RFC 5352
//! §3.3, §6.5.2, RFC 5356 §4.1.3 and the other policies' sections on pool users).

use heapless::Vec;

use crate::endpoint::EndpointBuf;
use crate::handlespace::policy::{Fixed, Member, Seat, Seats, SelectionPolicy, Selector};
use crate::pool_element::MAX_POOL_HANDLE;
use crate::random::Random;
use crate::time::Instant;
use crate::wire::asap::HandleResolutionResponse;
use crate::wire::{PeIdentifier, PolicyType, PoolHandle, TransportUse};

/// A pool's octets, owned.
pub(super) type HandleBuf = Vec<u8, MAX_POOL_HANDLE, u8>;

/// An element of some pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ElementKey {
    pub(super) pool_handle: HandleBuf,
    pub(super) identifier: PeIdentifier,
}

#[derive(Clone, Debug)]
pub(super) struct CachedElement {
    pub(super) identifier: PeIdentifier,
    pub(super) endpoint: EndpointBuf,
    pub(super) transport_use: TransportUse,
}

/// Where a pool's resolution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// None is under way.
    None,
    /// It goes out as soon as there is a home registrar. T1 runs already.
    Wanted { t1: Instant, retransmits: u8 },
    /// It waits for its answer until T1 expires.
    Sent { t1: Instant, retransmits: u8 },
}

#[derive(Debug)]
pub(super) struct CachedPool<const ELEMENTS: usize> {
    pool_handle: HandleBuf,
    /// The elements, each with whether it may still be chosen. An element's place is its number for the policy.
    elements: Vec<(CachedElement, bool), ELEMENTS>,
    /// Chooses among them.
    policy: Selector<Fixed<ELEMENTS>>,
    seats: Vec<Seat, ELEMENTS>,
    /// When the entry becomes stale; `None` before the first resolution.
    stale: Option<Instant>,
    pub(super) request: Request,
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
            stale: None,
            request: Request::None,
        })
    }

    pub(super) fn handle(&self) -> PoolHandle<'_> {
        PoolHandle::new(&self.pool_handle)
    }

    pub(super) fn handle_buf(&self) -> &HandleBuf {
        &self.pool_handle
    }

    /// Whether an element could be chosen.
    pub(super) fn has_elements(&self, now: Instant) -> bool {
        self.stale.is_some_and(|stale| stale > now) && self.elements.iter().any(|(_, is_there)| *is_there)
    }

    /// Takes over what a registrar has answered. Elements that cannot be reached over SCTP or TCP are left out.
    pub(super) fn fill(&mut self, response: &HandleResolutionResponse<'_>, stale: Instant) {
        self.elements.clear();
        self.seats.clear();
        // RFC 5352 §2.2.6: without a policy parameter it is round robin.
        self.policy = policy(response.policy.map_or(PolicyType::ROUND_ROBIN, |policy| policy.policy_type()));
        self.stale = Some(stale);
        for element in &response.pool_elements {
            let Some(endpoint) = EndpointBuf::from_transport(&element.user_transport) else { continue };
            let transport_use = element.user_transport.transport_use();
            let cached = CachedElement { identifier: element.identifier, endpoint, transport_use };
            let number = self.elements.len() as u32;
            if self.elements.push((cached, true)).is_err() || self.seats.push(Seat::new(number)).is_err() {
                break;
            }
            self.policy.add(&mut Seats(&mut self.seats), Member(number), &element.policy);
        }
    }

    /// The element whose turn it is by the pool's policy; `None` if there is none, or what is known is stale (RFC 5352
    /// §3.3 C2).
    pub(super) fn select(&mut self, now: Instant, random: &mut Random) -> Option<CachedElement> {
        if !self.has_elements(now) {
            return None;
        }
        let mut chosen = [Member::NONE];
        self.policy.select(&mut Seats(&mut self.seats), random, &mut chosen);
        let [Member(chosen)] = chosen;
        let chosen = self.elements.get(chosen as usize);
        // Elements that their policy would not choose, by weights of zero, are better than none.
        let any = || self.elements.iter().find(|(_, is_there)| *is_there);
        chosen.or_else(any).map(|(element, _)| element.clone())
    }

    /// An element is dead: it is no longer chosen.
    pub(super) fn remove(&mut self, identifier: PeIdentifier) {
        for (number, (element, is_there)) in (0..).zip(&mut self.elements) {
            if element.identifier == identifier && core::mem::replace(is_there, false) {
                self.policy.remove(&mut Seats(&mut self.seats), Member(number));
            }
        }
    }

    /// Forgets the elements, so that the registrar is asked again.
    pub(super) fn invalidate(&mut self) {
        self.stale = None;
    }
}
