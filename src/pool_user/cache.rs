//! What a user knows of pools: the elements of the last resolution, in the order to try them (RFC 5352 §3.3,
//! RFC 5356 §4.1.3 and the other policies' sections on pool users).

use heapless::Vec;

use crate::endpoint::EndpointBuf;
use crate::pool_element::MAX_POOL_HANDLE;
use crate::time::Instant;
use crate::wire::asap::HandleResolutionResponse;
use crate::wire::{PeIdentifier, PolicyType, PoolHandle, TransportUse};

/// A pool's octets, owned.
pub(super) type HandleBuf = Vec<u8, MAX_POOL_HANDLE>;

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

#[derive(Clone, Debug)]
pub(super) struct CachedPool<const ELEMENTS: usize> {
    pool_handle: HandleBuf,
    elements: Vec<CachedElement, ELEMENTS>,
    /// Which element is the next one's turn.
    head: usize,
    policy: PolicyType,
    /// When the entry becomes stale; `None` before the first resolution.
    stale: Option<Instant>,
    pub(super) request: Request,
}

impl<const ELEMENTS: usize> CachedPool<ELEMENTS> {
    /// A pool of which nothing is known; `None` if the handle is too long.
    pub(super) fn new(pool_handle: PoolHandle<'_>) -> Option<Self> {
        Some(Self {
            pool_handle: Vec::from_slice(pool_handle.octets()).ok()?,
            elements: Vec::new(),
            head: 0,
            policy: PolicyType::ROUND_ROBIN,
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
        self.stale.is_some_and(|stale| stale > now) && !self.elements.is_empty()
    }

    /// Takes over what a registrar has answered. Elements that cannot be reached over SCTP or TCP are left out.
    pub(super) fn fill(&mut self, response: &HandleResolutionResponse<'_>, stale: Instant) {
        self.elements.clear();
        self.head = 0;
        // RFC 5352 §2.2.6: without a policy parameter it is round robin.
        self.policy = response.policy.map_or(PolicyType::ROUND_ROBIN, |policy| policy.policy_type());
        self.stale = Some(stale);
        for element in &response.pool_elements {
            let Some(endpoint) = EndpointBuf::from_transport(&element.user_transport) else { continue };
            let transport_use = element.user_transport.transport_use();
            if self.elements.push(CachedElement { identifier: element.identifier, endpoint, transport_use }).is_err() {
                break;
            }
        }
    }

    /// The element whose turn it is; `None` if there is none, or what is known is stale (RFC 5352 §3.3 C2).
    pub(super) fn select(&mut self, now: Instant) -> Option<CachedElement> {
        if self.stale.is_none_or(|stale| stale <= now) {
            return None;
        }
        let element = self.elements.get(self.head).or_else(|| self.elements.first()).cloned()?;
        if matches!(self.policy, PolicyType::ROUND_ROBIN | PolicyType::WEIGHTED_ROUND_ROBIN) {
            // RFC 5356 §4.1.3: one after the other. The other policies' lists are in the order of preference.
            self.head = (self.head + 1) % self.elements.len().max(1);
        }
        Some(element)
    }

    /// An element is dead: it is no longer chosen.
    pub(super) fn remove(&mut self, identifier: PeIdentifier) {
        if let Some(index) = self.elements.iter().position(|element| element.identifier == identifier) {
            self.elements.remove(index);
            if self.head > index {
                self.head -= 1;
            }
        }
    }

    /// Forgets the elements, so that the registrar is asked again.
    pub(super) fn invalidate(&mut self) {
        self.stale = None;
    }
}
