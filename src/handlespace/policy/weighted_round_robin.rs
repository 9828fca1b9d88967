//! Weighted Round Robin (RFC 5356 §4.2): each member as often as its weight says, as evenly as possible.
//!
//! The RFC's list, with each member as many times as its weight, could have billions of entries. What it would give is
//! computed instead. Time goes one round for as many turns as the sum of the weights. In each round a member of
//! weight w has w turns, the i-th to be had between (i − 1)/w and i/w of the round. Of those whose turn may be had, the
//! one is chosen that must have it soonest ("earliest eligible deadline first"). That never gives a member a whole turn
//! more or less than its part of all turns so far. So in any row of turns as long as the sum of the weights, each
//! member has its weight, one more or less.

use super::heap::{Entry, Heap, Places};
use super::lists::{List, Storage, at};
use super::{Member, RandomSource, SelectionPolicy};
use crate::wire::Policy;

/// A round, in the unit in which time is counted.
const ROUND: u64 = 1 << 40;

/// When time is set back, long before it could overflow.
const LATE: u64 = 1 << 62;

/// The members' turns.
#[derive(Debug)]
pub(crate) struct WeightedRoundRobin<S: Storage> {
    now: u64,
    /// The sum of the weights.
    weights: u64,
    /// Members whose turn may be had, by when it must be.
    eligible: Heap<S>,
    /// Members whose turn may not be had yet, by when it may.
    waiting: Heap<S>,
    seats: Seats<S>,
}

/// What is kept of a member: its weight, and its place in the heap where it is. Without weight it is in none.
#[derive(Clone, Copy, Debug)]
struct Seat {
    weight: u32,
    place: u32,
}

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

impl<S: Storage> Default for WeightedRoundRobin<S> {
    fn default() -> Self {
        Self {
            now: 0,
            weights: 0,
            eligible: Heap::default(),
            waiting: Heap::default(),
            seats: Seats(S::List::default()),
        }
    }
}

fn weight(policy: &Policy<'_>) -> u32 {
    match policy {
        Policy::WeightedRoundRobin { weight } => *weight,
        _ => 0,
    }
}

/// How long a member's turn may take.
fn turn(weight: u32) -> u64 {
    ROUND / u64::from(weight).max(1)
}

impl<S: Storage> WeightedRoundRobin<S> {
    fn weight(&self, member: Member) -> u32 {
        self.seats.0.items().get(member.place()).map_or(0, |seat| seat.weight)
    }

    /// Puts a member where it belongs, if it has weight. Its turn may be had at `from`.
    fn insert(&mut self, member: Member, from: u64) {
        let weight = self.weight(member);
        if weight == 0 {
            return;
        }
        if from <= self.now {
            self.eligible.push(Entry::new(from + turn(weight), 0, member), &mut self.seats);
        } else {
            self.waiting.push(Entry::new(from, 0, member), &mut self.seats);
        }
    }

    /// Takes a member out of its heap, and returns when its turn could be had.
    fn take_out(&mut self, member: Member) -> Option<u64> {
        let Seat { weight, place } = self.seats.0.items().get(member.place()).copied()?;
        let place = place as usize;
        if weight == 0 {
            return None;
        }
        if let Some(entry) = self.waiting.get(place).filter(|entry| entry.member() == member) {
            self.waiting.remove(place, &mut self.seats);
            return Some(entry.rank());
        }
        let entry = self.eligible.get(place).filter(|entry| entry.member() == member)?;
        self.eligible.remove(place, &mut self.seats);
        Some(entry.rank() - turn(weight))
    }

    /// Time has come to `now`: those whose turn may be had now are eligible.
    fn advance(&mut self, now: u64) {
        self.now = now;
        while let Some(entry) = self.waiting.first().filter(|entry| entry.rank() <= now) {
            self.waiting.remove(0, &mut self.seats);
            self.insert(entry.member(), entry.rank());
        }
    }

    /// Sets time back, which changes no order. Once in millions of rounds.
    #[cold]
    fn set_back(&mut self) {
        // What waits longer than that has a tiny weight, and loses a little.
        let by = self.now - self.now % ROUND;
        let earlier = |entries: &mut [Entry]| {
            for entry in entries {
                *entry = Entry::new(entry.rank().saturating_sub(by), entry.turn(), entry.member());
            }
        };
        self.eligible.rewrite(earlier, &mut self.seats);
        self.waiting.rewrite(earlier, &mut self.seats);
        self.now -= by;
    }
}

impl<S: Storage> SelectionPolicy for WeightedRoundRobin<S> {
    fn add(&mut self, member: Member, policy: &Policy<'_>) {
        let seat = Seat { weight: weight(policy), place: 0 };
        let Some(place) = at(&mut self.seats.0, member.place(), seat) else { return };
        *place = seat;
        self.weights += u64::from(seat.weight);
        self.insert(member, self.now);
    }

    fn update(&mut self, member: Member, policy: &Policy<'_>) {
        let (old, new) = (self.weight(member), weight(policy));
        if old == new {
            return;
        }
        let from = self.take_out(member).unwrap_or(self.now);
        self.weights = self.weights - u64::from(old) + u64::from(new);
        if let Some(seat) = self.seats.0.items_mut().get_mut(member.place()) {
            seat.weight = new;
        }
        // What is left of its old waiting time counts by the new weight: a smaller weight must not wait for less.
        self.insert(member, from.clamp(self.now.saturating_sub(turn(new)), self.now + turn(new)));
    }

    fn remove(&mut self, member: Member) {
        self.take_out(member);
        self.weights -= u64::from(self.weight(member));
        if let Some(seat) = self.seats.0.items_mut().get_mut(member.place()) {
            seat.weight = 0;
        }
    }

    /// The first one has its turn. Those behind it are whose turns come next.
    fn select(&mut self, _random: &mut dyn RandomSource, chosen: &mut [Member]) -> usize {
        if chosen.is_empty() || self.weights == 0 {
            return 0;
        }
        if self.now > LATE {
            self.set_back();
        }
        if self.eligible.first().is_none()
            && let Some(first) = self.waiting.first()
        {
            self.advance(first.rank());
        }
        let count = self.eligible.list(chosen, &self.seats);
        let Some(first) = self.eligible.first() else { return 0 };
        let more = chosen.get_mut(count..).map_or(0, |rest| self.waiting.list(rest, &self.seats));
        self.eligible.remove(0, &mut self.seats);
        // Its next turn begins when this one must be over.
        self.insert(first.member(), first.rank());
        self.advance(self.now + ROUND / self.weights);
        count + more
    }
}
