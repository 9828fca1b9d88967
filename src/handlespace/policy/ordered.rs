//! The policies that give members in the order of a rank, the lowest first, and let equal ranks go round.

use super::heap::{Entry, Heap, Places};
use super::lists::{List, Storage, at};
use super::{Member, RandomSource, SelectionPolicy};
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

/// Members by rank, then by when they had their turn.
#[derive(Debug)]
pub(crate) struct Ordered<S: Storage> {
    rank: fn(&Policy<'_>) -> Rank,
    heap: Heap<S>,
    seats: Seats<S>,
    /// The last turn.
    turn: u32,
}

/// What is kept of a member.
#[derive(Clone, Copy, Debug)]
struct Seat {
    /// Its place in the heap.
    place: u32,
    step: u32,
}

/// The members' seats, by their numbers.
#[derive(Debug)]
struct Seats<S: Storage>(S::List<Seat>);

impl<S: Storage> Places for Seats<S> {
    fn set(&mut self, member: Member, place: usize) {
        if let Some(seat) = self.0.items_mut().get_mut(member.place()) {
            seat.place = place as u32;
        }
    }

    fn get(&self, member: Member) -> usize {
        self.0.items().get(member.place()).map_or(usize::MAX, |seat| seat.place as usize)
    }
}

impl<S: Storage> Ordered<S> {
    /// By what `rank` makes of a member's values.
    pub(super) fn new(rank: fn(&Policy<'_>) -> Rank) -> Self {
        Self { rank, heap: Heap::default(), seats: Seats(S::List::default()), turn: 0 }
    }

    fn next_turn(&mut self) -> u32 {
        if self.turn == u32::MAX {
            self.renumber();
        }
        self.turn += 1;
        self.turn
    }

    /// Turns have run out: they begin anew, in the order that they have. Once in four billion.
    #[cold]
    fn renumber(&mut self) {
        let turns = &mut self.turn;
        let again = |entries: &mut [Entry]| {
            entries.sort_unstable_by_key(|entry| entry.turn());
            for (entry, turn) in entries.iter_mut().zip(1..) {
                *entry = Entry::new(entry.rank(), turn, entry.member());
            }
            *turns = entries.len() as u32;
        };
        self.heap.rewrite(again, &mut self.seats);
    }
}

impl<S: Storage> SelectionPolicy for Ordered<S> {
    fn add(&mut self, member: Member, policy: &Policy<'_>) {
        let turn = self.next_turn();
        let Rank { rank, step } = (self.rank)(policy);
        let seat = Seat { place: 0, step };
        if let Some(place) = at(&mut self.seats.0, member.place(), seat) {
            *place = seat;
            self.heap.push(Entry::new(rank, turn, member), &mut self.seats);
        }
    }

    /// RFC 5356 §5.2.2: how often the member was given is forgotten. Its turn is not: whoever registers again keeps its
    /// place among equals.
    fn update(&mut self, member: Member, policy: &Policy<'_>) {
        let Rank { rank, step } = (self.rank)(policy);
        let Some(seat) = self.seats.0.items_mut().get_mut(member.place()) else { return };
        seat.step = step;
        let place = seat.place as usize;
        let Some(old) = self.heap.get(place) else { return };
        if old.rank() != rank {
            self.heap.replace(place, Entry::new(rank, old.turn(), member), &mut self.seats);
        }
    }

    fn remove(&mut self, member: Member) {
        let place = self.seats.get(member);
        self.heap.remove(place, &mut self.seats);
    }

    /// The first one has had its turn, and goes behind its equals. The others are there in case it fails; they count as
    /// given where the RFC has all that are returned count.
    fn select(&mut self, _random: &mut dyn RandomSource, chosen: &mut [Member]) -> usize {
        let count = self.heap.list(chosen, &self.seats);
        let mut turn = if count > 0 { Some(self.next_turn()) } else { None };
        for member in chosen.iter().take(count) {
            let turn = turn.take();
            let Some(seat) = self.seats.0.items().get(member.place()).copied() else { continue };
            if turn.is_none() && seat.step == 0 {
                continue;
            }
            let Some(old) = self.heap.get(seat.place as usize) else { continue };
            let rank = old.rank().saturating_add(seat.step.into());
            let new = Entry::new(rank, turn.unwrap_or(old.turn()), *member);
            self.heap.replace(seat.place as usize, new, &mut self.seats);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlespace::policy::lists::Fixed;
    use crate::random::Random;

    #[test]
    fn when_turns_run_out_the_order_stays() {
        let mut policy = Ordered::<Fixed<5>>::new(|_| Rank::fixed(7));
        for member in 0..5 {
            policy.add(Member(member), &Policy::Random);
        }
        let mut chosen = [Member::NONE; 1];
        let mut next = |policy: &mut Ordered<Fixed<5>>| {
            policy.select(&mut Random::new(1), &mut chosen);
            chosen[0].0
        };
        assert_eq!([next(&mut policy), next(&mut policy)], [0, 1]);
        policy.turn = u32::MAX;
        let order: [u32; 7] = core::array::from_fn(|_| next(&mut policy));
        assert_eq!(order, [2, 3, 4, 0, 1, 2, 3]);
        assert!(policy.turn < 20);
    }
}
