//! An element in the handlespace: the octets of its Pool Element parameter, and its places in the indices.

use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr};

use super::elements::NONE;
use crate::wire::{
    PeIdentifier, Policy, PoolElement, RegistrationLife, ServerIdentifier, Transport, TransportUse, Unknown,
};

/// Names an element while it is in the handlespace; its number is used again once it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ElementIndex(pub(super) u32);

/// Names a pool while it is in the handlespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PoolIndex(pub(super) u32);

/// Where the identifiers stand in a Pool Element parameter (RFC 5354 §3.10).
const IDENTIFIER: usize = 4;
const HOME: usize = 8;

/// How many octets find room in an element itself: two SCTP transports with one IPv4 address each, and any policy.
const INLINE: usize = 70;

/// A Pool Element parameter's octets, padding included.
#[derive(Clone, Debug)]
enum Octets {
    Inline { length: u8, octets: [u8; INLINE] },
    Heap(Box<[u8]>),
}

impl Octets {
    fn new(octets: &[u8]) -> Self {
        let mut inline = [0; INLINE];
        match (inline.get_mut(..octets.len()), u8::try_from(octets.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(octets);
                Self::Inline { length, octets: inline }
            }
            _ => Self::Heap(octets.into()),
        }
    }

    /// Takes over other octets; without allocation if they are as many.
    fn replace(&mut self, with: &[u8]) {
        match self {
            Self::Heap(octets) if octets.len() == with.len() => octets.copy_from_slice(with),
            _ => *self = Self::new(with),
        }
    }

    fn get(&self) -> &[u8] {
        match self {
            Self::Inline { length, octets } => octets.get(..usize::from(*length)).unwrap_or_default(),
            Self::Heap(octets) => octets,
        }
    }

    fn get_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Inline { length, octets } => octets.get_mut(..usize::from(*length)).unwrap_or_default(),
            Self::Heap(octets) => octets,
        }
    }
}

/// An element.
#[derive(Clone, Debug)]
pub struct Element {
    octets: Octets,
    pub(super) pool: PoolIndex,
    /// What the pool's policy remembers of the element.
    pub(super) policy_state: u64,
    /// Its neighbours among the elements of its owner.
    pub(super) owner_previous: u32,
    pub(super) owner_next: u32,
    /// Whether a re-synchronization has not seen it yet (RFC 5353 §3.6.3).
    pub(super) marked: bool,
}

impl Element {
    /// What is shown where there is no element; never seen outside.
    pub(super) const NOTHING: PoolElement<'static> = PoolElement {
        identifier: PeIdentifier(0),
        home: ServerIdentifier::NONE,
        life: RegistrationLife(0),
        user_transport: Transport::sctp(0, TransportUse::DataOnly, &[IpAddr::V4(Ipv4Addr::UNSPECIFIED)]),
        policy: Policy::RoundRobin,
        asap_transport: None,
        unknown: Unknown::NONE,
    };

    /// An element of a pool, described by the octets of its Pool Element parameter.
    pub(super) fn new(pool: PoolIndex, octets: &[u8]) -> Self {
        Self {
            octets: Octets::new(octets),
            pool,
            policy_state: 0,
            owner_previous: NONE,
            owner_next: NONE,
            marked: false,
        }
    }

    pub(super) fn replace(&mut self, octets: &[u8]) {
        self.octets.replace(octets);
        self.marked = false;
    }

    /// The octets of its Pool Element parameter, padding included.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.octets.get()
    }

    /// All that is known of it.
    #[must_use]
    pub fn view(&self) -> PoolElement<'_> {
        PoolElement::from_octets(self.octets()).unwrap_or(Self::NOTHING)
    }

    /// Its policy and the values for it.
    #[must_use]
    pub fn policy(&self) -> Policy<'_> {
        PoolElement::policy_from_octets(self.octets()).unwrap_or(Policy::RoundRobin)
    }

    fn field(&self, at: usize) -> u32 {
        self.octets().get(at..).and_then(|octets| octets.first_chunk()).map_or(0, |field| u32::from_be_bytes(*field))
    }

    /// Its identifier in its pool.
    #[must_use]
    pub fn identifier(&self) -> PeIdentifier {
        PeIdentifier(self.field(IDENTIFIER))
    }

    /// The registrar that owns it.
    #[must_use]
    pub fn home(&self) -> ServerIdentifier {
        ServerIdentifier(self.field(HOME))
    }

    pub(super) fn set_home(&mut self, home: ServerIdentifier) {
        if let Some(place) = self.octets.get_mut().get_mut(HOME..HOME + 4) {
            place.copy_from_slice(&home.0.to_be_bytes());
        }
    }

    /// Whether a re-synchronization has not seen it yet.
    #[must_use]
    pub(crate) fn is_marked(&self) -> bool {
        self.marked
    }
}
