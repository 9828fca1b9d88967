//! Round Robin (RFC 5356 §4.1).

use alloc::vec::Vec;

use crate::handlespace::element::ElementIndex;

/// The circular list of a pool's elements with its head.
#[derive(Debug, Default)]
pub(crate) struct RoundRobin {
    elements: Vec<ElementIndex>,
    head: usize,
}

impl RoundRobin {
    /// A new element is the last one to get its turn.
    pub(crate) fn add(&mut self, index: ElementIndex) {
        self.elements.insert(self.head, index);
        self.head = (self.head + 1) % self.elements.len();
    }

    pub(crate) fn remove(&mut self, index: ElementIndex) {
        let Some(position) = self.elements.iter().position(|element| *element == index) else { return };
        self.elements.remove(position);
        if position < self.head {
            self.head -= 1;
        }
        if self.head >= self.elements.len() {
            self.head = 0;
        }
    }

    /// RFC 5356 §4.1.2: the elements from the head on; then the head advances by one.
    pub(crate) fn select(&mut self, items: usize) -> Vec<ElementIndex> {
        let (before, from_head) = self.elements.split_at(self.head.min(self.elements.len()));
        let chosen = from_head.iter().chain(before).take(items).copied().collect();
        self.head = (self.head + 1) % self.elements.len().max(1);
        chosen
    }
}
