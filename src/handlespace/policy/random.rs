//! Random (RFC 5356 §4.3): any elements, each at most once.

use alloc::vec::Vec;

use super::{Chosen, RandomSource, SelectionPolicy, States};
use crate::handlespace::element::ElementIndex;
use crate::wire::Policy;

/// The elements in any order. Who leaves gives its place to the last one.
#[derive(Debug, Default)]
pub(super) struct RandomPolicy {
    elements: Vec<u32>,
}

impl SelectionPolicy for RandomPolicy {
    fn add(&mut self, states: &mut States<'_>, element: ElementIndex, _policy: &Policy<'_>) {
        states.set(element, self.elements.len() as u64);
        self.elements.push(element.0);
    }

    fn update(&mut self, _states: &mut States<'_>, _element: ElementIndex, _old: &Policy<'_>, _new: &Policy<'_>) {}

    fn remove(&mut self, states: &mut States<'_>, element: ElementIndex) {
        let place = states.get(element) as usize;
        if self.elements.get(place) != Some(&element.0) {
            return;
        }
        self.elements.swap_remove(place);
        if let Some(moved) = self.elements.get(place) {
            states.set(ElementIndex(*moved), place as u64);
        }
    }

    fn select(&mut self, _states: &mut States<'_>, random: &mut dyn RandomSource, items: usize, chosen: &mut Chosen) {
        let count = self.elements.len();
        let start = chosen.len();
        if items * 2 > count {
            // Most of them: shuffle all, and keep as many as wanted.
            chosen.extend(self.elements.iter().map(|element| ElementIndex(*element)));
            for place in 0..items.min(count) {
                let other = place + random.below((count - place) as u64) as usize;
                chosen.swap(start + place, start + other);
            }
            chosen.truncate(start + items.min(count));
            return;
        }
        // Few of them: draw until there are as many different ones.
        while chosen.len() - start < items {
            let drawn = self.elements.get(random.below(count as u64) as usize);
            if let Some(element) = drawn.map(|element| ElementIndex(*element))
                && !chosen.iter().skip(start).any(|other| *other == element)
            {
                chosen.push(element);
            }
        }
    }
}
