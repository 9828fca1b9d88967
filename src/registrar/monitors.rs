//! What the registrar knows of elements beyond the handlespace: of those that it owns, and of those that were reported as
//! unreachable.

use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

use crate::handlespace::ElementIndex;
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::ServerIdentifier;

/// An element under watch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Monitor {
    /// Where the element was heard last, or is going to be asked.
    pub(super) association: Option<AssociationId>,
    /// Whether the element still has to learn that this registrar is its home: keep-alives carry the H flag.
    pub(super) home_unknown: bool,
    /// Whether it was sent a keep-alive that it has not answered yet.
    pub(super) asked: bool,
    /// Whether it waits for an association to be opened to it.
    pub(super) waiting: bool,
    /// How many associations to it have ended before it has said anything.
    pub(super) refusals: u8,
    /// Whether its life may be a thousand times longer, and it is only asked when the life seems to end.
    pub(super) life_in_doubt: bool,
    /// When it has said last, on this very association, that this registrar is its home, by its registration or by its
    /// answer to the H flag. An element that leaves ends the association, but goes on to answer keep-alives.
    pub(super) confirmed: Option<Second>,
    pub(super) dispute: Dispute,
    /// When its home has objected last to another's claim.
    pub(super) objected: Option<Second>,
    /// A peer that it was offered to.
    pub(super) offered_to: ServerIdentifier,
}

impl Monitor {
    pub(super) const fn new(association: Option<AssociationId>) -> Self {
        Self {
            association,
            home_unknown: false,
            asked: false,
            waiting: false,
            refusals: 0,
            life_in_doubt: false,
            confirmed: None,
            dispute: Dispute::None,
            objected: None,
            offered_to: ServerIdentifier::NONE,
        }
    }
}

/// Whether two registrars say to be an element's home, and both live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dispute {
    /// They do not.
    None,
    /// This one says so. The element has another home until that one agrees, or does not object.
    ClaimedBy(ServerIdentifier),
    /// It has come from this one lately, which may object yet. Its new home may say already that it is gone.
    CameFrom { home: ServerIdentifier, gone: bool },
}

impl Dispute {
    /// Who claims the element.
    pub(super) const fn claimant(self) -> Option<ServerIdentifier> {
        match self {
            Self::ClaimedBy(by) => Some(by),
            Self::None | Self::CameFrom { .. } => None,
        }
    }
}

/// A time in full seconds, as it takes little room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Second(NonZeroU32);

impl Second {
    pub(super) fn at(now: Instant) -> Self {
        let seconds = u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX - 1);
        Self(NonZeroU32::MIN.saturating_add(seconds))
    }

    /// Whether it is no longer ago than this, give or take a second.
    pub(super) fn is_within(self, duration: Duration, now: Instant) -> bool {
        let elapsed = Self::at(now).0.get().saturating_sub(self.0.get());
        u64::from(elapsed) <= duration.as_secs()
    }
}

/// The monitors, by the elements' numbers.
#[derive(Debug, Default)]
pub(super) struct Monitors {
    list: Vec<Option<Monitor>>,
}

impl Monitors {
    pub(super) fn get(&self, index: ElementIndex) -> Option<&Monitor> {
        self.list.get(index.number())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: ElementIndex) -> Option<&mut Monitor> {
        self.list.get_mut(index.number())?.as_mut()
    }

    /// Whether a peer says to be the home of elements that others may have a say on.
    pub(super) fn are_claimed_by(&self, peer: ServerIdentifier) -> bool {
        self.list
            .iter()
            .flatten()
            .any(|monitor| monitor.dispute == Dispute::ClaimedBy(peer) && monitor.confirmed.is_none())
    }

    pub(super) fn insert(&mut self, index: ElementIndex, monitor: Monitor) {
        if self.list.len() <= index.number() {
            self.list.resize(index.number() + 1, None);
        }
        if let Some(place) = self.list.get_mut(index.number()) {
            *place = Some(monitor);
        }
    }

    pub(super) fn remove(&mut self, index: ElementIndex) -> Option<Monitor> {
        self.list.get_mut(index.number())?.take()
    }
}
