//! Round Robin (RFC 5356 §4.1): a circular list, and a head that goes one further with each resolution.

use alloc::vec::Vec;

use super::{Chosen, RandomSource, SelectionPolicy, States};
use crate::handlespace::element::ElementIndex;
use crate::handlespace::elements::NONE;
use crate::wire::Policy;

/// Below this size holes are not worth a thought.
const SMALL: usize = 32;

/// The circular list. Who leaves makes a hole; when half of the list are holes it is made anew, in the same order.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    ring: Vec<u32>,
    holes: usize,
    /// Where the next list begins. Never a hole.
    head: usize,
}

impl RoundRobin {
    /// The first place from `place` on, all around, that is no hole; 0 if there is none.
    fn next_from(&self, place: usize) -> usize {
        let taken = |place: &usize| self.ring.get(*place).is_some_and(|entry| *entry != NONE);
        (place..self.ring.len()).find(taken).or_else(|| (0..self.ring.len()).find(taken)).unwrap_or(0)
    }

    fn close_holes(&mut self, states: &mut States<'_>) {
        let before_head = self.ring.iter().take(self.head).filter(|entry| **entry != NONE).count();
        self.ring.retain(|entry| *entry != NONE);
        self.head = before_head;
        self.holes = 0;
        for (place, entry) in self.ring.iter().enumerate() {
            states.set(ElementIndex(*entry), place as u64);
        }
    }
}

impl SelectionPolicy for RoundRobin {
    fn add(&mut self, states: &mut States<'_>, element: ElementIndex, _policy: &Policy<'_>) {
        states.set(element, self.ring.len() as u64);
        self.ring.push(element.0);
    }

    fn update(&mut self, _states: &mut States<'_>, _element: ElementIndex, _old: &Policy<'_>, _new: &Policy<'_>) {}

    fn remove(&mut self, states: &mut States<'_>, element: ElementIndex) {
        let place = states.get(element) as usize;
        if let Some(entry) = self.ring.get_mut(place).filter(|entry| **entry == element.0) {
            *entry = NONE;
            self.holes += 1;
        }
        if self.holes * 2 > self.ring.len().max(SMALL) {
            self.close_holes(states);
        }
        self.head = self.next_from(self.head);
    }

    /// RFC 5356 §4.1.2: the elements from the head on; then the head advances by one.
    fn select(&mut self, _states: &mut States<'_>, _random: &mut dyn RandomSource, items: usize, chosen: &mut Chosen) {
        let (before, from_head) = self.ring.split_at(self.head.min(self.ring.len()));
        let places = (self.head..).zip(from_head).chain((0..).zip(before));
        let mut first = None;
        for (place, entry) in places.filter(|(_, entry)| **entry != NONE).take(items) {
            first = first.or(Some(place));
            chosen.push(ElementIndex(*entry));
        }
        if let Some(first) = first {
            self.head = self.next_from(first + 1);
        }
    }
}
