//! Who owns which elements: a list and a checksum for each registrar.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::checksum::{Block, OwnerChecksum};
use super::element::ElementIndex;
use super::elements::Elements;
use super::policy::List;
use crate::wire::ServerIdentifier;

/// The elements of one registrar, in any order: who leaves gives its place to the last one.
#[derive(Debug, Default)]
struct Owner {
    elements: Vec<u32>,
    checksum: OwnerChecksum,
}

/// The owners.
#[derive(Debug, Default)]
pub(super) struct Owners {
    owners: BTreeMap<ServerIdentifier, Owner>,
}

impl Owners {
    /// An element has come to its home.
    pub(super) fn add(&mut self, elements: &mut Elements, index: ElementIndex, home: ServerIdentifier, block: Block) {
        let owner = self.owners.entry(home).or_default();
        if let Some(slot) = elements.slot_mut(index) {
            slot.owner_place = owner.elements.len() as u32;
        }
        List::push(&mut owner.elements, index.0);
        owner.checksum.add_block(block);
    }

    /// An element leaves its home.
    pub(super) fn remove(
        &mut self,
        elements: &mut Elements,
        index: ElementIndex,
        home: ServerIdentifier,
        block: Block,
    ) {
        let Some(owner) = self.owners.get_mut(&home) else { return };
        let Some(place) = elements.slot(index).map(|slot| slot.owner_place) else { return };
        let Some(last) = owner.elements.pop() else { return };
        owner.checksum.remove_block(block);
        if let Some(entry) = owner.elements.get_mut(place as usize) {
            *entry = last;
            if let Some(moved) = elements.slot_mut(ElementIndex(last)) {
                moved.owner_place = place;
            }
        }
        if owner.elements.is_empty() {
            self.owners.remove(&home);
        }
    }

    pub(super) fn checksum(&self, home: ServerIdentifier) -> OwnerChecksum {
        self.owners.get(&home).map_or(OwnerChecksum::default(), |owner| owner.checksum)
    }

    /// All that own elements.
    pub(super) fn homes(&self) -> impl Iterator<Item = ServerIdentifier> + '_ {
        self.owners.keys().copied()
    }

    /// The elements of a registrar.
    pub(super) fn elements(&self, home: ServerIdentifier) -> &[u32] {
        self.owners.get(&home).map_or(&[], |owner| &owner.elements)
    }
}
