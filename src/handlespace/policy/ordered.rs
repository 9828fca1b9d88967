//! The policies that give members in the order of a rank, the lowest first, and let equal ranks go round.

use super::heap::{Entry, Heap};
use super::lists::Storage;
use super::sort::sort_by_key;
use super::{Member, RandomSource, Seats, SelectionPolicy};
use crate::wire::Policy;

/// Where a member stands among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rank {
    /// The lowest is chosen first.
    pub(super) rank: u64,
    /// What is added to it each time that the member is given, until it registers again (RFC 5356 §5.2.2).
    pub(super) step: u32,
}

impl Rank {
    pub(super) const fn fixed(rank: u64) -> Self {
        Self { rank, step: 0 }
    }
}

/// Members by rank, then by when they had their turn. In a member's seat stand its place in the heap, and its step.
#[derive(Debug)]
pub(crate) struct Ordered<S: Storage> {
    rank: fn(&Policy<'_>) -> Rank,
    heap: Heap<S>,
    /// The last turn.
    turn: u32,
    /// Whether there was ever a member whose rank grows as it is given.
    has_steps: bool,
}

impl<S: Storage> Ordered<S> {
    /// By what `rank` makes of a member's values.
    pub(super) fn new(rank: fn(&Policy<'_>) -> Rank) -> Self {
        Self { rank, heap: Heap::default(), turn: 0, has_steps: false }
    }

    fn next_turn(&mut self, seats: &mut Seats<'_>) -> u32 {
        if self.turn == u32::MAX {
            self.renumber(seats);
        }
        self.turn += 1;
        self.turn
    }

    /// Turns have run out: they begin anew, in the order that they have. Once in four billion.
    #[cold]
    fn renumber(&mut self, seats: &mut Seats<'_>) {
        let turns = &mut self.turn;
        let again = |entries: &mut [Entry]| {
            sort_by_key(entries, |entry| entry.turn());
            for (entry, turn) in entries.iter_mut().zip(1..) {
                *entry = Entry::new(entry.rank(), turn, entry.member());
            }
            *turns = entries.len() as u32;
        };
        self.heap.rewrite(again, seats);
    }
}

impl<S: Storage> SelectionPolicy for Ordered<S> {
    fn add(&mut self, seats: &mut Seats<'_>, member: Member, policy: &Policy<'_>) {
        let turn = self.next_turn(seats);
        let Rank { rank, step } = (self.rank)(policy);
        self.has_steps |= step > 0;
        seats.set(member, [0, step]);
        self.heap.push(Entry::new(rank, turn, member), seats);
    }

    /// RFC 5356 §5.2.2: how often the member was given is forgotten. Its turn is not: whoever registers again keeps its
    /// place among equals.
    fn update(&mut self, seats: &mut Seats<'_>, member: Member, policy: &Policy<'_>) {
        let Rank { rank, step } = (self.rank)(policy);
        let [place, old_step] = seats.get(member);
        if step != old_step {
            self.has_steps = true;
            seats.set(member, [place, step]);
        }
        let Some(old) = self.heap.get(place as usize) else { return };
        if old.rank() != rank {
            self.heap.replace(place as usize, Entry::new(rank, old.turn(), member), seats);
        }
    }

    fn remove(&mut self, seats: &mut Seats<'_>, member: Member) {
        self.heap.remove(seats.place(member), seats);
    }

    /// The first one has had its turn, and goes behind its equals. The others are there in case it fails; they count as
    /// given where the RFC has all that are returned count.
    fn select(&mut self, seats: &mut Seats<'_>, _random: &mut dyn RandomSource, chosen: &mut [Member]) -> usize {
        let count = self.heap.list(chosen);
        let Some(first) = self.heap.first().filter(|_| count > 0) else { return 0 };
        let turn = self.next_turn(seats);
        if !self.has_steps {
            self.heap.replace(0, Entry::new(first.rank(), turn, first.member()), seats);
            return count;
        }
        for member in chosen.iter().take(count) {
            let [place, step] = seats.get(*member);
            let Some(old) = self.heap.get(place as usize) else { continue };
            let turn = if old.member() == first.member() { turn } else { old.turn() };
            let rank = old.rank().saturating_add(step.into());
            self.heap.replace(place as usize, Entry::new(rank, turn, *member), seats);
        }
        count
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::handlespace::policy::lists::Fixed;
    use crate::handlespace::policy::seats::Seat;
    use crate::random::Random;

    #[test]
    fn when_turns_run_out_the_order_stays() {
        let mut policy = Ordered::<Fixed<5>>::new(|_| Rank::fixed(7));
        let mut seats = [Seat::new(0); 5];
        let mut seats = Seats(&mut seats);
        for member in 0..5 {
            policy.add(&mut seats, Member(member), &Policy::Random);
        }
        let mut chosen = [Member::NONE; 1];
        let mut next = |policy: &mut Ordered<Fixed<5>>| {
            policy.select(&mut seats, &mut Random::new(1), &mut chosen);
            chosen[0].0
        };
        assert_eq!([next(&mut policy), next(&mut policy)], [0, 1]);
        policy.turn = u32::MAX;
        let order: [u32; 7] = core::array::from_fn(|_| next(&mut policy));
        assert_eq!(order, [2, 3, 4, 0, 1, 2, 3]);
        assert!(policy.turn < 20);
    }
}
