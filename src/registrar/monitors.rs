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
    /// How often it was reported as unreachable since its registration.
    pub(super) reports: u8,
    /// Whether the element still has to learn that this registrar is its home: keep-alives carry the H flag.
    pub(super) home_unknown: bool,
    /// Whether it was sent a keep-alive that it has not answered yet.
    pub(super) asked: bool,
    /// Whether its life may be a thousand times longer, and it is only asked when the life seems to end.
    pub(super) life_in_doubt: bool,
    /// When it has said last, on this very association, that this registrar is its home, by its registration or by its
    /// answer to the H flag. An element that leaves ends the association, but goes on to answer keep-alives.
    pub(super) confirmed: Option<Second>,
    /// A peer that says to be its home, while the element itself has confirmed that this registrar is.
    pub(super) claimed_by: ServerIdentifier,
}

impl Monitor {
    pub(super) const fn new(association: Option<AssociationId>) -> Self {
        Self {
            association,
            reports: 0,
            home_unknown: false,
            asked: false,
            life_in_doubt: false,
            confirmed: None,
            claimed_by: ServerIdentifier::NONE,
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
