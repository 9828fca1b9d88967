//! An element in the handlespace: the octets of its Pool Element parameter, its places in the indices, and its timers.

use core::net::{IpAddr, Ipv4Addr};

use super::policy::Member;
use super::timers::Tick;
use crate::wire::{
    PeIdentifier, Policy, PoolElement, RegistrationLife, ServerIdentifier, Transport, TransportUse, Unknown,
};

/// Names an element while it is in the handlespace; its number is used again once it has left. Numbers are small: they
/// can index a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ElementIndex(pub(super) u32);

impl ElementIndex {
    /// The number.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0 as usize
    }
}

/// Names a pool while it is in the handlespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PoolIndex(pub(super) u32);

/// Where the identifiers stand in a Pool Element parameter (RFC 5354 §3.10).
const IDENTIFIER: usize = 4;
const HOME: usize = 8;

/// How many octets find room in a slot: two SCTP transports with one IPv4 address each, and any policy of RFC 5356.
pub(super) const INLINE: usize = 64;

/// What an element's slot holds of its Pool Element parameter.
#[derive(Debug)]
pub(super) enum Octets {
    /// The slot is free.
    Free,
    /// The octets.
    Inline { length: u8, octets: [u8; INLINE] },
    /// Where the octets are, as they are too many.
    Long(LongIndex),
}

/// The number of a place for long octets. As octets, so that a slot has no gaps.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongIndex([u8; 4]);

impl LongIndex {
    pub(super) const fn new(number: u32) -> Self {
        Self(number.to_ne_bytes())
    }

    pub(super) const fn number(self) -> usize {
        u32::from_ne_bytes(self.0) as usize
    }
}

/// What is kept of an element, or room for one: 96 octets.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) octets: Octets,
    pub(super) pool: PoolIndex,
    /// Its number in its pool.
    pub(super) member: Member,
    /// Its place in its owner's list.
    pub(super) owner_place: u32,
    /// Where the wheel of timers has it, if it does.
    pub(super) scheduled: u32,
    pub(super) expiry: Tick,
    pub(super) keep_alive: Tick,
    pub(super) is_scheduled: bool,
    pub(super) flags: Flags,
}

/// What is so of an element, or not, in one octet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags(u8);

impl Flags {
    /// A re-synchronization has not seen it yet (RFC 5353 §3.6.3).
    pub(super) const MARKED: Self = Self(1);
    /// Its pool's policy chooses it: it has the policy of its pool.
    pub(super) const CHOOSABLE: Self = Self(2);

    pub(super) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(super) const fn set(&mut self, flag: Self, to: bool) {
        self.0 = if to { self.0 | flag.0 } else { self.0 & !flag.0 };
    }
}

const _: () = assert!(size_of::<Slot>() == 96);

/// An element, as it stands in the handlespace.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    pub(super) slot: &'a Slot,
    pub(super) octets: &'a [u8],
}

impl<'a> Element<'a> {
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

    /// The octets of its Pool Element parameter, padding included.
    #[must_use]
    pub const fn octets(self) -> &'a [u8] {
        self.octets
    }

    /// All that is known of it.
    #[must_use]
    pub fn view(self) -> PoolElement<'a> {
        PoolElement::from_octets(self.octets).unwrap_or(Self::NOTHING)
    }

    /// Its identifier in its pool.
    #[must_use]
    pub fn identifier(self) -> PeIdentifier {
        identifier(self.octets)
    }

    /// The registrar that owns it.
    #[must_use]
    pub fn home(self) -> ServerIdentifier {
        home(self.octets)
    }

    /// Whether a re-synchronization has not seen it yet.
    pub(crate) const fn is_marked(self) -> bool {
        self.slot.flags.has(Flags::MARKED)
    }
}

fn field(octets: &[u8], at: usize) -> u32 {
    octets.get(at..).and_then(|octets| octets.first_chunk()).map_or(0, |field| u32::from_be_bytes(*field))
}

/// The identifier in a Pool Element parameter.
pub(super) fn identifier(octets: &[u8]) -> PeIdentifier {
    PeIdentifier(field(octets, IDENTIFIER))
}

/// The home in a Pool Element parameter.
pub(super) fn home(octets: &[u8]) -> ServerIdentifier {
    ServerIdentifier(field(octets, HOME))
}

/// Writes the home into a Pool Element parameter.
pub(super) fn set_home(octets: &mut [u8], home: ServerIdentifier) {
    if let Some(place) = octets.get_mut(HOME..HOME + 4) {
        place.copy_from_slice(&home.0.to_be_bytes());
    }
}
