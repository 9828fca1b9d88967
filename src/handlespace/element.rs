//! An element in the handlespace: its pool handle and the octets of its Pool Element parameter.

use alloc::boxed::Box;
use alloc::vec;
use core::net::{IpAddr, Ipv4Addr};

use super::Cursor;
use crate::wire::{
    PeIdentifier, Policy, PoolElement, PoolHandle, RegistrationLife, ServerIdentifier, Transport, TransportUse, Unknown,
};

/// Names an element while it is in the handlespace; its number is used again once it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ElementIndex(pub(super) u32);

/// Where the home registrar's identifier stands in a Pool Element parameter (RFC 5354 §3.10).
const HOME: core::ops::Range<usize> = 8..12;

/// An element.
#[derive(Clone, Debug)]
pub struct Element {
    pool_handle: Box<[u8]>,
    /// The Pool Element parameter, with padding.
    octets: Box<[u8]>,
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

    pub(super) fn size(element: &PoolElement<'_>) -> usize {
        element.encoded_len()
    }

    pub(super) fn new(pool_handle: PoolHandle<'_>, element: &PoolElement<'_>) -> Self {
        let mut octets = vec![0; element.encoded_len()].into_boxed_slice();
        // The size was asked for, so it fits.
        let _ = element.encode(&mut octets);
        Self { pool_handle: pool_handle.octets().into(), octets, marked: false }
    }

    /// Its pool.
    #[must_use]
    pub fn pool_handle(&self) -> PoolHandle<'_> {
        PoolHandle::new(&self.pool_handle)
    }

    pub(super) fn pool_handle_box(&self) -> Box<[u8]> {
        self.pool_handle.clone()
    }

    /// The octets of its Pool Element parameter, padding included.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// All that is known of it.
    #[must_use]
    pub fn view(&self) -> PoolElement<'_> {
        PoolElement::from_octets(&self.octets).unwrap_or(Self::NOTHING)
    }

    /// Its identifier in its pool.
    #[must_use]
    pub fn identifier(&self) -> PeIdentifier {
        self.octets
            .get(4..8)
            .and_then(|o| o.first_chunk())
            .map_or(PeIdentifier(0), |o| PeIdentifier(u32::from_be_bytes(*o)))
    }

    /// The registrar that owns it.
    #[must_use]
    pub fn home(&self) -> ServerIdentifier {
        let home = self.octets.get(HOME).and_then(|o| o.first_chunk());
        home.map_or(ServerIdentifier::NONE, |o| ServerIdentifier(u32::from_be_bytes(*o)))
    }

    pub(super) fn set_home(&mut self, home: ServerIdentifier) {
        if let Some(place) = self.octets.get_mut(HOME) {
            place.copy_from_slice(&home.0.to_be_bytes());
        }
    }

    /// Whether a re-synchronization has not seen it yet.
    #[must_use]
    pub(crate) fn is_marked(&self) -> bool {
        self.marked
    }

    /// Where a reading of the table goes on behind this element.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { pool_handle: self.pool_handle.clone(), identifier: self.identifier() }
    }
}
