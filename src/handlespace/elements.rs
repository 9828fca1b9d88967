//! Where the elements are: slots in chunks that never move. An element keeps its slot, and so its index, until it leaves.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::element::{Element, ElementIndex, Flags, INLINE, LongIndex, Octets, PoolIndex, Slot, home, set_home};
use super::policy::Member;
use super::timers::Tick;
use crate::wire::ServerIdentifier;

const CHUNK_BITS: u32 = 8;
const CHUNK: usize = 1 << CHUNK_BITS;

/// All elements.
#[derive(Debug, Default)]
pub(super) struct Elements {
    chunks: Vec<Vec<Slot>>,
    /// Slots that were in use.
    free: Vec<u32>,
    /// Octets that are too many for a slot.
    long: Vec<Box<[u8]>>,
    free_long: Vec<u32>,
    count: usize,
}

impl Elements {
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// The slot, whether taken or free.
    pub(super) fn slot(&self, index: ElementIndex) -> Option<&Slot> {
        self.chunks.get((index.0 >> CHUNK_BITS) as usize)?.get(index.0 as usize % CHUNK)
    }

    /// The slot, whether taken or free.
    pub(super) fn slot_mut(&mut self, index: ElementIndex) -> Option<&mut Slot> {
        self.chunks.get_mut((index.0 >> CHUNK_BITS) as usize)?.get_mut(index.0 as usize % CHUNK)
    }

    fn element<'a>(&'a self, slot: &'a Slot) -> Option<Element<'a>> {
        let octets = match &slot.octets {
            Octets::Free => return None,
            Octets::Inline { length, octets } => octets.get(..usize::from(*length))?,
            Octets::Long(index) => self.long.get(index.number())?,
        };
        Some(Element { slot, octets })
    }

    pub(super) fn get(&self, index: ElementIndex) -> Option<Element<'_>> {
        self.element(self.slot(index)?)
    }

    /// Adds an element with the octets of its Pool Element parameter.
    pub(super) fn insert(&mut self, pool: PoolIndex, octets: &[u8]) -> ElementIndex {
        let slot = Slot {
            octets: self.keep(octets),
            pool,
            member: Member::NONE,
            owner_place: 0,
            scheduled: 0,
            expiry: Tick::NEVER,
            keep_alive: Tick::NEVER,
            is_scheduled: false,
            flags: Flags::default(),
        };
        self.count += 1;
        if let Some(index) = self.free.pop().map(ElementIndex)
            && let Some(place) = self.slot_mut(index)
        {
            *place = slot;
            return index;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            // The first one grows as it is needed: a small registrar may have no room for more.
            let capacity = if self.chunks.is_empty() { 8 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        // The limit of elements keeps numbers far below 2^32.
        let first = (self.chunks.len() as u32 - 1) << CHUNK_BITS;
        let Some(chunk) = self.chunks.last_mut() else { return ElementIndex(first) };
        chunk.push(slot);
        ElementIndex(first + chunk.len() as u32 - 1)
    }

    fn keep(&mut self, octets: &[u8]) -> Octets {
        let mut inline = [0; INLINE];
        if let Some(place) = inline.get_mut(..octets.len()) {
            place.copy_from_slice(octets);
            return Octets::Inline { length: octets.len() as u8, octets: inline };
        }
        let number = self.free_long.pop().unwrap_or(self.long.len() as u32);
        match self.long.get_mut(number as usize) {
            Some(place) => *place = octets.into(),
            None => self.long.push(octets.into()),
        }
        Octets::Long(LongIndex::new(number))
    }

    fn give_up(&mut self, octets: &Octets) {
        if let Octets::Long(index) = *octets {
            self.free_long.push(index.number() as u32);
            if let Some(place) = self.long.get_mut(index.number()) {
                *place = Box::default();
            }
        }
    }

    fn octets_mut(&mut self, index: ElementIndex) -> Option<&mut [u8]> {
        let Self { chunks, long, .. } = self;
        match &mut chunks.get_mut((index.0 >> CHUNK_BITS) as usize)?.get_mut(index.0 as usize % CHUNK)?.octets {
            Octets::Free => None,
            Octets::Inline { length, octets } => octets.get_mut(..usize::from(*length)),
            Octets::Long(index) => long.get_mut(index.number()).map(|octets| &mut octets[..]),
        }
    }

    /// Replaces an element's octets; without allocation if they are few, or as many as before.
    pub(super) fn replace(&mut self, index: ElementIndex, with: &[u8]) {
        if let Some(same) = self.octets_mut(index).filter(|octets| octets.len() == with.len()) {
            same.copy_from_slice(with);
        } else if let Some(slot) = self.slot_mut(index) {
            let old = core::mem::replace(&mut slot.octets, Octets::Free);
            self.give_up(&old);
            let new = self.keep(with);
            if let Some(slot) = self.slot_mut(index) {
                slot.octets = new;
            }
        }
        if let Some(slot) = self.slot_mut(index) {
            slot.flags.set(Flags::MARKED, false);
        }
    }

    pub(super) fn set_home(&mut self, index: ElementIndex, to: ServerIdentifier) {
        if let Some(octets) = self.octets_mut(index) {
            set_home(octets, to);
        }
    }

    /// Removes an element that is there.
    pub(super) fn remove(&mut self, index: ElementIndex) {
        let Some(slot) = self.slot_mut(index) else { return };
        let old = core::mem::replace(&mut slot.octets, Octets::Free);
        if matches!(old, Octets::Free) {
            return;
        }
        slot.is_scheduled = false;
        self.give_up(&old);
        self.free.push(index.0);
        self.count -= 1;
    }

    /// The elements in slots from `start` on, with their indices; all, or those of one home.
    pub(super) fn from(
        &self,
        start: u32,
        only: Option<ServerIdentifier>,
    ) -> impl Iterator<Item = (ElementIndex, Element<'_>)> {
        let chunk = (start >> CHUNK_BITS) as usize;
        let first = (chunk * CHUNK) as u32;
        let slots = self.chunks.get(chunk..).unwrap_or_default().iter().flatten().zip(first..);
        slots.skip((start - first) as usize).filter_map(move |(slot, number)| {
            let element = self.element(slot)?;
            let is_it = only.is_none_or(|only| home(element.octets) == only);
            is_it.then_some((ElementIndex(number), element))
        })
    }
}
