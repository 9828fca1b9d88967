//! Weights with their sums (a Fenwick tree): drawing by weight, and changing one, take log n steps.

use super::Member;
use super::by_weight::Weight;
use super::lists::{List, Storage, at};

/// What is kept for each member, by number.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The sum of the weights of the last members up to this one; how many is the lowest bit of its number plus one.
    sum: u64,
    weight: Weight,
}

/// The members' weights.
#[derive(Debug)]
pub(super) struct SumTree<S: Storage> {
    nodes: S::List<Node>,
    total: u64,
}

impl<S: Storage> Default for SumTree<S> {
    fn default() -> Self {
        Self { nodes: S::List::default(), total: 0 }
    }
}

impl<S: Storage> SumTree<S> {
    /// The sum of all weights. It fits: members are fewer than 2^32, weights less.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn weight(&self, member: Member) -> Weight {
        self.nodes.items().get(member.place()).map_or(Weight::fixed(0), |node| node.weight)
    }

    /// Sets a member's weight.
    pub(super) fn set(&mut self, member: Member, weight: Weight) {
        while self.nodes.items().len() <= member.place() {
            // A new node, without weight of its own: it sums up what stands before it.
            let place = self.nodes.items().len();
            let covered = 1usize << (place + 1).trailing_zeros();
            let parts = core::iter::successors(Some(1), |step| Some(step * 2)).take_while(|step| *step < covered);
            let sum = parts.filter_map(|step| self.nodes.items().get(place - step)).map(|node| node.sum).sum();
            self.nodes.push(Node { sum, weight: Weight::fixed(0) });
            if self.nodes.items().len() == place {
                return;
            }
        }
        let Some(node) = at(&mut self.nodes, member.place(), Node { sum: 0, weight: Weight::fixed(0) }) else { return };
        let old = core::mem::replace(&mut node.weight, weight);
        if old.weight != weight.weight {
            self.change(member, old.weight, weight.weight);
        }
    }

    /// Lets a member's weight not count, until it is put back.
    pub(super) fn take_out(&mut self, member: Member) {
        self.change(member, self.weight(member).weight, 0);
    }

    /// Lets the weight of a member that was taken out count again.
    pub(super) fn put_back(&mut self, member: Member) {
        self.change(member, 0, self.weight(member).weight);
    }

    fn change(&mut self, member: Member, old: u32, new: u32) {
        let by = u64::from(new).wrapping_sub(old.into());
        self.total = self.total.wrapping_add(by);
        let mut number = member.place() + 1;
        while let Some(node) = self.nodes.items_mut().get_mut(number - 1) {
            node.sum = node.sum.wrapping_add(by);
            number += number & number.wrapping_neg();
        }
    }

    /// The member at which the sum of the weights up to and including its own exceeds `number`, which is below the total.
    pub(super) fn find(&self, mut number: u64) -> Member {
        let nodes = self.nodes.items();
        let mut place = 0;
        let mut step = nodes.len().checked_ilog2().map_or(0, |bits| 1 << bits);
        while step > 0 {
            if let Some(node) = nodes.get(place + step - 1)
                && node.sum <= number
            {
                number -= node.sum;
                place += step;
            }
            step /= 2;
        }
        Member(place as u32)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::handlespace::policy::lists::Allocated;

    #[test]
    fn every_number_below_the_total_finds_its_member() {
        let mut tree = SumTree::<Allocated>::default();
        let mut weights = [3, 0, 5, 1, 0, 0, 7, 2, 4];
        for (member, weight) in (0..).zip(weights) {
            tree.set(Member(member), Weight::fixed(weight));
        }
        for (member, new) in [(0, 0), (8, 9), (4, 6), (2, 1)] {
            tree.set(Member(member), Weight::fixed(new));
            weights[member as usize] = new;
            let expected: Vec<Member> =
                (0..).zip(weights).flat_map(|(member, weight)| (0..weight).map(move |_| Member(member))).collect();
            let found: Vec<Member> = (0..tree.total()).map(|number| tree.find(number)).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn members_may_come_in_any_order_and_be_taken_out_for_a_while() {
        let mut tree = SumTree::<Allocated>::default();
        tree.set(Member(6), Weight::fixed(2));
        tree.set(Member(1), Weight::fixed(3));
        tree.take_out(Member(1));
        assert_eq!((tree.total(), tree.find(0), tree.find(1)), (2, Member(6), Member(6)));
        tree.put_back(Member(1));
        assert_eq!((tree.total(), tree.find(2), tree.find(3)), (5, Member(1), Member(6)));
    }
}
