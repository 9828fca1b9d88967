//! Weighted Random (RFC 5356 §4.4): the chance of an element is its weight's part of the sum of all.

use alloc::vec::Vec;

use super::sum_tree::SumTree;
use super::{Chosen, RandomSource, SelectionPolicy, States};
use crate::handlespace::element::ElementIndex;
use crate::wire::Policy;

/// How often an element may be drawn that was drawn before, until the drawn ones are taken out of the tree.
const PATIENCE: usize = 4;

/// Draws elements by what `weight` makes of their values.
#[derive(Debug)]
pub(super) struct ByWeight {
    weight: fn(&Policy<'_>) -> u32,
    elements: Vec<u32>,
    tree: SumTree,
}

/// The policy.
pub(super) fn policy() -> ByWeight {
    ByWeight::new(|policy| match policy {
        Policy::WeightedRandom { weight } => *weight,
        _ => 0,
    })
}

impl ByWeight {
    pub(super) fn new(weight: fn(&Policy<'_>) -> u32) -> Self {
        Self { weight, elements: Vec::new(), tree: SumTree::default() }
    }

    fn weight_of(&self, states: &States<'_>, element: ElementIndex) -> u64 {
        (self.weight)(&states.policy(element)).into()
    }

    fn draw(&self, random: &mut dyn RandomSource) -> Option<ElementIndex> {
        let place = self.tree.find(random.below(self.tree.total()));
        self.elements.get(place).map(|element| ElementIndex(*element))
    }
}

impl SelectionPolicy for ByWeight {
    fn add(&mut self, states: &mut States<'_>, element: ElementIndex, policy: &Policy<'_>) {
        states.set(element, self.elements.len() as u64);
        self.tree.push((self.weight)(policy).into());
        self.elements.push(element.0);
    }

    fn update(&mut self, states: &mut States<'_>, element: ElementIndex, old: &Policy<'_>, new: &Policy<'_>) {
        let (old, new) = ((self.weight)(old).into(), (self.weight)(new).into());
        if old != new {
            self.tree.change(states.get(element) as usize, old, new);
        }
    }

    fn remove(&mut self, states: &mut States<'_>, element: ElementIndex) {
        let place = states.get(element) as usize;
        let Some(last) = self.elements.last().copied().map(ElementIndex) else { return };
        if self.elements.get(place) != Some(&element.0) {
            return;
        }
        self.tree.change(place, self.weight_of(states, element), 0);
        if last != element {
            // The last one gets the place.
            let weight = self.weight_of(states, last);
            self.tree.change(self.elements.len() - 1, weight, 0);
            self.tree.change(place, 0, weight);
            states.set(last, place as u64);
        }
        self.elements.swap_remove(place);
        self.tree.pop();
    }

    fn select(&mut self, states: &mut States<'_>, random: &mut dyn RandomSource, items: usize, chosen: &mut Chosen) {
        let start = chosen.len();
        let mut repeated = 0;
        // Those whose weight was taken out of the tree, to be put back.
        let mut taken_out = start;
        while chosen.len() - start < items && self.tree.total() > 0 {
            let Some(element) = self.draw(random) else { break };
            if !chosen.iter().skip(start).any(|other| *other == element) {
                chosen.push(element);
                repeated = 0;
                // A single element with all the weight would be drawn for ever.
                if taken_out == start {
                    continue;
                }
            } else {
                repeated += 1;
                if repeated < PATIENCE {
                    continue;
                }
            }
            for other in chosen.iter().skip(taken_out) {
                self.tree.change(states.get(*other) as usize, self.weight_of(states, *other), 0);
            }
            taken_out = chosen.len();
        }
        for other in chosen.iter().take(taken_out).skip(start) {
            self.tree.change(states.get(*other) as usize, 0, self.weight_of(states, *other));
        }
    }
}
