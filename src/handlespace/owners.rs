//! Who owns which elements: a list and a checksum for each registrar.

use alloc::collections::BTreeMap;

use super::checksum::OwnerChecksum;
use super::element::ElementIndex;
use super::elements::{Elements, NONE};
use crate::wire::{PeChecksum, PoolHandle, ServerIdentifier};

#[derive(Debug)]
struct Owner {
    first: u32,
    count: usize,
    checksum: OwnerChecksum,
}

/// The owners. Their elements are linked with each other.
#[derive(Debug, Default)]
pub(super) struct Owners {
    owners: BTreeMap<ServerIdentifier, Owner>,
}

impl Owners {
    /// An element has come to its home.
    pub(super) fn add(&mut self, elements: &mut Elements, index: ElementIndex, pool_handle: PoolHandle<'_>) {
        let Some((home, identifier)) = elements.get(index).map(|element| (element.home(), element.identifier())) else {
            return;
        };
        let empty = || Owner { first: NONE, count: 0, checksum: OwnerChecksum::default() };
        let owner = self.owners.entry(home).or_insert_with(empty);
        let next = core::mem::replace(&mut owner.first, index.0);
        owner.count += 1;
        owner.checksum.add(pool_handle, identifier);
        if let Some(element) = elements.get_mut(index) {
            (element.owner_previous, element.owner_next) = (NONE, next);
        }
        if let Some(neighbour) = elements.get_mut(ElementIndex(next)) {
            neighbour.owner_previous = index.0;
        }
    }

    /// An element leaves its home.
    pub(super) fn remove(&mut self, elements: &mut Elements, index: ElementIndex, pool_handle: PoolHandle<'_>) {
        let Some(element) = elements.get(index) else { return };
        let (home, identifier) = (element.home(), element.identifier());
        let (previous, next) = (element.owner_previous, element.owner_next);
        let Some(owner) = self.owners.get_mut(&home) else { return };
        owner.count -= 1;
        owner.checksum.remove(pool_handle, identifier);
        if previous == NONE {
            owner.first = next;
        }
        if owner.count == 0 {
            self.owners.remove(&home);
        }
        if let Some(neighbour) = elements.get_mut(ElementIndex(previous)) {
            neighbour.owner_next = next;
        }
        if let Some(neighbour) = elements.get_mut(ElementIndex(next)) {
            neighbour.owner_previous = previous;
        }
    }

    pub(super) fn checksum(&self, home: ServerIdentifier) -> PeChecksum {
        self.owners.get(&home).map_or(OwnerChecksum::default().get(), |owner| owner.checksum.get())
    }

    pub(super) fn count(&self, home: ServerIdentifier) -> usize {
        self.owners.get(&home).map_or(0, |owner| owner.count)
    }

    /// The elements of a registrar, the newest first.
    pub(super) fn elements<'a>(
        &self,
        elements: &'a Elements,
        home: ServerIdentifier,
    ) -> impl Iterator<Item = ElementIndex> + use<'a> {
        let mut next = self.owners.get(&home).map_or(NONE, |owner| owner.first);
        core::iter::from_fn(move || {
            let index = ElementIndex(next);
            next = elements.get(index)?.owner_next;
            Some(index)
        })
    }
}
