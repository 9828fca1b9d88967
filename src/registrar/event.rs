//! What a registrar tells its application: what an operator would want to know.

use core::net::IpAddr;

use super::OwnedHandle;
use crate::wire::{CauseCode, PeIdentifier, PoolHandle, ServerIdentifier};

/// What a registrar tells its application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrarEvent<'a> {
    /// Its start-up is over; it serves elements and users from now on.
    Serving,
    /// An element has registered for the first time, or has come from another home.
    Registered {
        /// Its pool.
        pool_handle: PoolHandle<'a>,
        /// The element.
        identifier: PeIdentifier,
    },
    /// A registration was refused.
    RegistrationRefused {
        /// The pool.
        pool_handle: PoolHandle<'a>,
        /// The element.
        identifier: PeIdentifier,
        /// Why.
        cause: CauseCode,
    },
    /// An element of this registrar has left the handlespace.
    Removed {
        /// Its pool.
        pool_handle: PoolHandle<'a>,
        /// The element.
        identifier: PeIdentifier,
        /// Why.
        reason: RemovalReason,
    },
    /// A user has reported an element as unreachable.
    UnreachableReported {
        /// Its pool.
        pool_handle: PoolHandle<'a>,
        /// The element.
        identifier: PeIdentifier,
    },
    /// A registrar that was not known has been heard.
    PeerFound {
        /// The peer.
        peer: ServerIdentifier,
    },
    /// Somebody who wanted to be a peer was turned away. It is told once a second at most.
    PeerRefused {
        /// Where it is.
        address: IpAddr,
        /// Why.
        reason: PeerRefusal,
    },
    /// A peer has been silent for too long, or its association is gone; it is asked whether it lives.
    PeerSuspected {
        /// The peer.
        peer: ServerIdentifier,
    },
    /// A peer does not answer.
    PeerDead {
        /// The peer.
        peer: ServerIdentifier,
    },
    /// This registrar wants to take over a dead peer, and has asked the others.
    TakeoverInitiated {
        /// The dead peer.
        target: ServerIdentifier,
    },
    /// It does not: the peer lives, or another registrar takes it over.
    TakeoverAborted {
        /// The peer.
        target: ServerIdentifier,
    },
    /// All elements of a dead peer are this registrar's now.
    TakenOver {
        /// The dead peer.
        target: ServerIdentifier,
        /// How many elements.
        elements: usize,
    },
    /// Another registrar has taken a dead peer over.
    TakenOverByPeer {
        /// The dead peer.
        target: ServerIdentifier,
        /// The new home of its elements.
        by: ServerIdentifier,
    },
    /// Another registrar has the same identifier. This one has changed its own, and tells its elements and peers.
    IdentifierChanged {
        /// What it was.
        from: ServerIdentifier,
        /// What it is.
        to: ServerIdentifier,
    },
    /// A peer has not understood something, or objects to it (RFC 5353 §2.10).
    ErrorReported {
        /// The peer.
        peer: ServerIdentifier,
        /// What it says.
        cause: CauseCode,
    },
    /// What is known of a peer's elements differs from what it says; they are fetched anew.
    Inconsistent {
        /// The peer.
        peer: ServerIdentifier,
    },
    /// A peer's elements have been fetched.
    Synchronized {
        /// The peer.
        peer: ServerIdentifier,
    },
    /// The orderly end has come: nothing is to be expected of it any more.
    ShutDown,
}

/// Why somebody is no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerRefusal {
    /// It is not among the peers that [`PeerAdmission`](super::PeerAdmission) lists.
    NotListed,
    /// There are as many peers already as may be, in all or at its address.
    TooMany,
    /// It has spoken under two identifiers on one association.
    TwoIdentifiers,
    /// It speaks under the identifier of a peer that lives elsewhere.
    Impostor,
}

/// Why an element has left the handlespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemovalReason {
    /// It asked for it.
    Deregistered,
    /// Its registration's life has ended.
    Expired,
    /// It does not answer keep-alives, or cannot be reached.
    Unreachable,
    /// More than MAX-BAD-PE-REPORT users have reported it as unreachable.
    Reported,
}

/// A [`RegistrarEvent`] that owns what it tells.
#[derive(Debug)]
pub(super) enum Event {
    Serving,
    Registered { pool_handle: OwnedHandle, identifier: PeIdentifier },
    RegistrationRefused { pool_handle: OwnedHandle, identifier: PeIdentifier, cause: CauseCode },
    Removed { pool_handle: OwnedHandle, identifier: PeIdentifier, reason: RemovalReason },
    UnreachableReported { pool_handle: OwnedHandle, identifier: PeIdentifier },
    PeerFound { peer: ServerIdentifier },
    PeerRefused { address: IpAddr, reason: PeerRefusal },
    PeerSuspected { peer: ServerIdentifier },
    PeerDead { peer: ServerIdentifier },
    TakeoverInitiated { target: ServerIdentifier },
    TakeoverAborted { target: ServerIdentifier },
    TakenOver { target: ServerIdentifier, elements: usize },
    TakenOverByPeer { target: ServerIdentifier, by: ServerIdentifier },
    IdentifierChanged { from: ServerIdentifier, to: ServerIdentifier },
    ErrorReported { peer: ServerIdentifier, cause: CauseCode },
    Inconsistent { peer: ServerIdentifier },
    Synchronized { peer: ServerIdentifier },
    ShutDown,
}

impl Event {
    pub(super) fn as_event(&self) -> RegistrarEvent<'_> {
        match *self {
            Self::Serving => RegistrarEvent::Serving,
            Self::Registered { ref pool_handle, identifier } => {
                RegistrarEvent::Registered { pool_handle: PoolHandle::new(pool_handle), identifier }
            }
            Self::RegistrationRefused { ref pool_handle, identifier, cause } => {
                RegistrarEvent::RegistrationRefused { pool_handle: PoolHandle::new(pool_handle), identifier, cause }
            }
            Self::Removed { ref pool_handle, identifier, reason } => {
                RegistrarEvent::Removed { pool_handle: PoolHandle::new(pool_handle), identifier, reason }
            }
            Self::UnreachableReported { ref pool_handle, identifier } => {
                RegistrarEvent::UnreachableReported { pool_handle: PoolHandle::new(pool_handle), identifier }
            }
            Self::PeerFound { peer } => RegistrarEvent::PeerFound { peer },
            Self::PeerRefused { address, reason } => RegistrarEvent::PeerRefused { address, reason },
            Self::PeerSuspected { peer } => RegistrarEvent::PeerSuspected { peer },
            Self::PeerDead { peer } => RegistrarEvent::PeerDead { peer },
            Self::TakeoverInitiated { target } => RegistrarEvent::TakeoverInitiated { target },
            Self::TakeoverAborted { target } => RegistrarEvent::TakeoverAborted { target },
            Self::TakenOver { target, elements } => RegistrarEvent::TakenOver { target, elements },
            Self::TakenOverByPeer { target, by } => RegistrarEvent::TakenOverByPeer { target, by },
            Self::IdentifierChanged { from, to } => RegistrarEvent::IdentifierChanged { from, to },
            Self::ErrorReported { peer, cause } => RegistrarEvent::ErrorReported { peer, cause },
            Self::Inconsistent { peer } => RegistrarEvent::Inconsistent { peer },
            Self::Synchronized { peer } => RegistrarEvent::Synchronized { peer },
            Self::ShutDown => RegistrarEvent::ShutDown,
        }
    }
}
