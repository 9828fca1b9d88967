//! Weighted Round Robin (RFC 5356 §4.2): each element as often as its weight says, as evenly as possible.
//!
//! The RFC's list, with each element as many times as its weight, could have billions of entries. What it would give is
//! computed instead. Time goes one round for as many turns as the sum of the weights. In each round an element of
//! weight w has w turns, the i-th to be had between (i − 1)/w and i/w of the round. Of those whose turn may be had, the
//! one is chosen that must have it soonest ("earliest eligible deadline first"). That never gives an element a whole turn
//! more or less than its part of all turns so far. So in any row of turns as long as the sum of the weights, each
//! element has its weight, one more or less.

use super::tree::{Entry, Tree};
use super::{Chosen, RandomSource, SelectionPolicy, States};
use crate::handlespace::element::ElementIndex;
use crate::wire::Policy;

/// A round, in the unit in which time is counted.
const ROUND: u64 = 1 << 40;

/// When time is set back, long before it could overflow.
const LATE: u64 = 1 << 62;

/// The elements' turns.
#[derive(Debug)]
pub(super) struct WeightedRoundRobin {
    now: u64,
    /// The sum of the weights.
    weights: u64,
    /// Elements whose turn may be had, by when it must be.
    eligible: Tree,
    /// Elements whose turn may not be had yet, by when it may.
    waiting: Tree,
}

impl Default for WeightedRoundRobin {
    fn default() -> Self {
        Self { now: 0, weights: 0, eligible: Tree::new(), waiting: Tree::new() }
    }
}

fn weight(policy: &Policy<'_>) -> u64 {
    match policy {
        Policy::WeightedRoundRobin { weight } => u64::from(*weight),
        _ => 0,
    }
}

/// How long an element's turn may take.
fn turn(weight: u64) -> u64 {
    ROUND / weight.max(1)
}

impl WeightedRoundRobin {
    /// Puts an element where it belongs. Its state is when its turn may be had. Without weight it gets none.
    fn insert(&mut self, states: &States<'_>, element: ElementIndex) {
        let weight = weight(&states.policy(element));
        let from = states.get(element);
        if weight == 0 {
            return;
        }
        if from <= self.now {
            self.eligible.insert(Entry::new(from + turn(weight), 0, element.0));
        } else {
            self.waiting.insert(Entry::new(from, 0, element.0));
        }
    }

    fn take_out(&mut self, from: u64, weight: u64, element: ElementIndex) {
        if from <= self.now {
            self.eligible.remove(Entry::new(from + turn(weight), 0, element.0));
        } else {
            self.waiting.remove(Entry::new(from, 0, element.0));
        }
    }

    /// Time has come to `now`: those whose turn may be had now are eligible.
    fn advance(&mut self, states: &States<'_>, now: u64) {
        self.now = now;
        while let Some(entry) = self.waiting.first().filter(|entry| entry.rank() <= now) {
            self.waiting.remove(entry);
            self.insert(states, ElementIndex(entry.element()));
        }
    }

    /// Sets time back, which changes no order. Once in millions of rounds.
    fn set_back(&mut self, states: &mut States<'_>) {
        let entries: alloc::vec::Vec<Entry> = self.eligible.iter().chain(self.waiting.iter()).collect();
        (self.eligible, self.waiting) = (Tree::new(), Tree::new());
        // What waits longer than that has a tiny weight, and loses a little.
        let by = self.now - self.now % ROUND;
        self.now -= by;
        for entry in entries {
            let element = ElementIndex(entry.element());
            states.set(element, states.get(element).saturating_sub(by));
            self.insert(states, element);
        }
    }
}

impl SelectionPolicy for WeightedRoundRobin {
    fn add(&mut self, states: &mut States<'_>, element: ElementIndex, policy: &Policy<'_>) {
        states.set(element, self.now);
        self.weights += weight(policy);
        self.insert(states, element);
    }

    fn update(&mut self, states: &mut States<'_>, element: ElementIndex, old: &Policy<'_>, new: &Policy<'_>) {
        let (old, new) = (weight(old), weight(new));
        if old == new {
            return;
        }
        let from = states.get(element);
        self.take_out(from, old, element);
        self.weights = self.weights - old + new;
        // What is left of its old waiting time counts by the new weight: a smaller weight must not wait for less.
        states.set(element, from.clamp(self.now.saturating_sub(turn(new)), self.now + turn(new)));
        self.insert(states, element);
    }

    fn remove(&mut self, states: &mut States<'_>, element: ElementIndex) {
        let weight = weight(&states.policy(element));
        self.take_out(states.get(element), weight, element);
        self.weights -= weight;
    }

    /// The first one has its turn. Those behind it are whose turns come next.
    fn select(&mut self, states: &mut States<'_>, _random: &mut dyn RandomSource, items: usize, chosen: &mut Chosen) {
        if items == 0 || self.weights == 0 {
            return;
        }
        if self.now > LATE {
            self.set_back(states);
        }
        if self.eligible.first().is_none()
            && let Some(first) = self.waiting.first()
        {
            self.advance(states, first.rank());
        }
        let Some(first) = self.eligible.first() else { return };
        let element = ElementIndex(first.element());
        self.eligible.remove(first);
        chosen.push(element);
        let others = self.eligible.iter().chain(self.waiting.iter());
        chosen.extend(others.take(items - 1).map(|entry| ElementIndex(entry.element())));
        // Its next turn begins when this one must be over.
        states.set(element, first.rank());
        self.insert(states, element);
        let now = self.now + ROUND / self.weights;
        self.advance(states, now);
    }
}
