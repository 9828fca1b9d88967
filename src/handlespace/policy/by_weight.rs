//! The policies that draw members by weight: the chance of each is its weight's part of the sum of all.

use super::lists::Storage;
use super::sum_tree::SumTree;
use super::{Member, RandomSource, Seats, SelectionPolicy};
use crate::wire::Policy;

/// How often a member may be drawn that was drawn before, until the drawn ones are taken out of the tree.
const PATIENCE: usize = 4;

/// A member's weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weight {
    /// Without any the member is never drawn.
    pub(super) weight: u32,
    /// What is taken from it each time that the member is given, until it registers again. Something always stays.
    pub(super) step: u32,
}

impl Weight {
    pub(super) const fn fixed(weight: u32) -> Self {
        Self { weight, step: 0 }
    }

    /// After the member was given.
    const fn given(self) -> Self {
        let weight = self.weight.saturating_sub(self.step);
        Self { weight: if weight == 0 && self.weight > 0 { 1 } else { weight }, ..self }
    }
}

/// Draws members by what `weight` makes of their values. In a member's seat stand its weight and its step.
#[derive(Debug)]
pub(crate) struct ByWeight<S: Storage> {
    weight: fn(&Policy<'_>) -> Weight,
    tree: SumTree<S>,
}

fn weight_of(seats: &Seats<'_>, member: Member) -> Weight {
    let [weight, step] = seats.get(member);
    Weight { weight, step }
}

impl<S: Storage> ByWeight<S> {
    pub(super) fn new(weight: fn(&Policy<'_>) -> Weight) -> Self {
        Self { weight, tree: SumTree::default() }
    }

    fn set(&mut self, seats: &mut Seats<'_>, member: Member, weight: Weight) {
        let old = weight_of(seats, member);
        if old != weight {
            seats.set(member, [weight.weight, weight.step]);
        }
        if old.weight != weight.weight {
            self.tree.change(member, old.weight, weight.weight);
        }
    }
}

impl<S: Storage> SelectionPolicy for ByWeight<S> {
    fn add(&mut self, seats: &mut Seats<'_>, member: Member, policy: &Policy<'_>) {
        self.tree.make_room(member);
        self.set(seats, member, (self.weight)(policy));
    }

    fn update(&mut self, seats: &mut Seats<'_>, member: Member, policy: &Policy<'_>) {
        self.set(seats, member, (self.weight)(policy));
    }

    fn remove(&mut self, seats: &mut Seats<'_>, member: Member) {
        self.set(seats, member, Weight::fixed(0));
    }

    fn select(&mut self, seats: &mut Seats<'_>, random: &mut dyn RandomSource, chosen: &mut [Member]) -> usize {
        let (mut count, mut repeated) = (0, 0);
        // How many of the chosen ones have their weights taken out of the tree, to be put back.
        let mut taken_out = 0;
        while count < chosen.len() && self.tree.total() > 0 {
            let drawn = self.tree.find(random.below(self.tree.total()));
            let (before, free) = chosen.split_at_mut(count);
            if before.contains(&drawn) {
                repeated += 1;
                if repeated < PATIENCE {
                    continue;
                }
            } else {
                if let Some(place) = free.first_mut() {
                    *place = drawn;
                }
                count += 1;
                repeated = 0;
                // Once is enough that a member with nearly all the weight was drawn again and again.
                if taken_out == 0 {
                    continue;
                }
            }
            for member in chosen.iter().take(count).skip(taken_out) {
                self.tree.change(*member, weight_of(seats, *member).weight, 0);
            }
            taken_out = count;
        }
        for member in chosen.iter().take(taken_out) {
            self.tree.change(*member, 0, weight_of(seats, *member).weight);
        }
        for member in chosen.iter().take(count) {
            self.set(seats, *member, weight_of(seats, *member).given());
        }
        count
    }
}
