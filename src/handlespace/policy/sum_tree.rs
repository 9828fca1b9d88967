//! Weights' sums (a Fenwick tree): drawing by weight, and changing one, take log n steps.

use super::Member;
use super::lists::{List, Storage};

/// Sums of the members' weights.
#[derive(Debug)]
pub(super) struct SumTree<S: Storage> {
    /// For each member the sum of the weights of the last ones up to it; how many is the lowest bit of its number plus
    /// one.
    sums: S::List<u64>,
    total: u64,
}

impl<S: Storage> Default for SumTree<S> {
    fn default() -> Self {
        Self { sums: S::List::default(), total: 0 }
    }
}

impl<S: Storage> SumTree<S> {
    /// The sum of all weights. It fits: members are fewer than 2^32, weights less.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Makes room for a member, whose weight is 0.
    pub(super) fn make_room(&mut self, member: Member) {
        while self.sums.items().len() <= member.place() {
            let place = self.sums.items().len();
            // It sums up what stands before it.
            let covered = 1usize << (place + 1).trailing_zeros();
            let parts = core::iter::successors(Some(1), |step| Some(step * 2)).take_while(|step| *step < covered);
            let sum = parts.filter_map(|step| self.sums.items().get(place - step)).sum();
            self.sums.push(sum);
            if self.sums.items().len() == place {
                return;
            }
        }
    }

    /// Changes a member's weight.
    pub(super) fn change(&mut self, member: Member, old: u32, new: u32) {
        let by = u64::from(new).wrapping_sub(old.into());
        self.total = self.total.wrapping_add(by);
        let mut number = member.place() + 1;
        while let Some(sum) = self.sums.items_mut().get_mut(number - 1) {
            *sum = sum.wrapping_add(by);
            number += number & number.wrapping_neg();
        }
    }

    /// The member at which the sum of the weights up to and including its own exceeds `number`, which is below the total.
    pub(super) fn find(&self, mut number: u64) -> Member {
        let sums = self.sums.items();
        let mut place = 0;
        let mut step = sums.len().checked_ilog2().map_or(0, |bits| 1 << bits);
        while step > 0 {
            if let Some(sum) = sums.get(place + step - 1)
                && *sum <= number
            {
                number -= sum;
                place += step;
            }
            step /= 2;
        }
        Member(place as u32)
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::handlespace::policy::lists::Allocated;

    #[test]
    fn every_number_below_the_total_finds_its_member() {
        let mut tree = SumTree::<Allocated>::default();
        let mut weights = [3, 0, 5, 1, 0, 0, 7, 2, 4];
        for (member, weight) in (0..).zip(weights) {
            tree.make_room(Member(member));
            tree.change(Member(member), 0, weight);
        }
        for (member, new) in [(0, 0), (8, 9), (4, 6), (2, 1)] {
            tree.change(Member(member), weights[member as usize], new);
            weights[member as usize] = new;
            let expected: Vec<Member> =
                (0..).zip(weights).flat_map(|(member, weight)| (0..weight).map(move |_| Member(member))).collect();
            let found: Vec<Member> = (0..tree.total()).map(|number| tree.find(number)).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn members_may_come_in_any_order() {
        let mut tree = SumTree::<Allocated>::default();
        tree.make_room(Member(6));
        tree.change(Member(6), 0, 2);
        tree.change(Member(1), 0, 3);
        assert_eq!((tree.total(), tree.find(2), tree.find(3)), (5, Member(1), Member(6)));
        tree.make_room(Member(7));
        tree.change(Member(7), 0, 1);
        assert_eq!((tree.total(), tree.find(4), tree.find(5)), (6, Member(6), Member(7)));
    }
}
