//! Where the elements are: slots in chunks that never move. An element keeps its slot, and so its index, until it leaves.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::element::{Element, ElementIndex};

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

const CHUNK_BITS: u32 = 8;
const CHUNK: usize = 1 << CHUNK_BITS;

/// A slot: an element, or a link to the next free slot.
#[derive(Debug)]
enum Slot {
    Taken(Element),
    Free { next: u32 },
}

/// All elements.
#[derive(Debug)]
pub(super) struct Elements {
    chunks: Vec<Box<[Slot]>>,
    free: u32,
    count: usize,
}

impl Elements {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), free: NONE, count: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// How many slots there are, taken or free.
    pub(super) fn slots(&self) -> u32 {
        // The limit of elements keeps the number far below 2^32.
        (self.chunks.len() * CHUNK) as u32
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        self.chunks.get((index >> CHUNK_BITS) as usize)?.get(index as usize % CHUNK)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot> {
        self.chunks.get_mut((index >> CHUNK_BITS) as usize)?.get_mut(index as usize % CHUNK)
    }

    pub(super) fn get(&self, index: ElementIndex) -> Option<&Element> {
        match self.slot(index.0)? {
            Slot::Taken(element) => Some(element),
            Slot::Free { .. } => None,
        }
    }

    pub(super) fn get_mut(&mut self, index: ElementIndex) -> Option<&mut Element> {
        match self.slot_mut(index.0)? {
            Slot::Taken(element) => Some(element),
            Slot::Free { .. } => None,
        }
    }

    pub(super) fn insert(&mut self, element: Element) -> ElementIndex {
        if self.free == NONE {
            self.grow();
        }
        let index = self.free;
        if let Some(slot) = self.slot_mut(index)
            && let Slot::Free { next } = *slot
        {
            *slot = Slot::Taken(element);
            self.free = next;
            self.count += 1;
        }
        ElementIndex(index)
    }

    fn grow(&mut self) {
        let first = self.slots();
        let chunk = (1..=CHUNK as u32).map(|number| first + number);
        let last = first + CHUNK as u32;
        self.chunks.push(chunk.map(|next| Slot::Free { next: if next == last { NONE } else { next } }).collect());
        self.free = first;
    }

    pub(super) fn remove(&mut self, index: ElementIndex) -> Option<Element> {
        let free = self.free;
        let slot = self.slot_mut(index.0)?;
        if matches!(slot, Slot::Free { .. }) {
            return None;
        }
        let taken = core::mem::replace(slot, Slot::Free { next: free });
        self.free = index.0;
        self.count -= 1;
        match taken {
            Slot::Taken(element) => Some(element),
            Slot::Free { .. } => None,
        }
    }

    /// The elements in slots from `start` on, with their indices.
    pub(super) fn from(&self, start: u32) -> impl Iterator<Item = (ElementIndex, &Element)> {
        let chunk = (start >> CHUNK_BITS) as usize;
        let chunks = self.chunks.get(chunk..).unwrap_or_default();
        let first = (chunk * CHUNK) as u32;
        let slots = chunks.iter().flat_map(|chunk| chunk.iter()).zip(first..);
        slots.skip((start - first) as usize).filter_map(|(slot, index)| match slot {
            Slot::Taken(element) => Some((ElementIndex(index), element)),
            Slot::Free { .. } => None,
        })
    }
}
