//! Weighted Round Robin (RFC 5356 §4.2): each member as often as its weight says, as evenly as possible.
//!
//! The RFC's list, with each member as many times as its weight, could have billions of entries. What it would give is
//! computed instead. Time goes one round for as many turns as the sum of the weights. In each round a member of
//! weight w has w turns, the i-th to be had between (i − 1)/w and i/w of the round. Of those whose turn may be had, the
//! one is chosen that must have it soonest ("earliest eligible deadline first"). That never gives a member a whole turn
//! more or less than its part of all turns so far. So in any row of turns as long as the sum of the weights, each
//! member has its weight, one more or less.

use super::heap::{Entry, TwoHeaps};
use super::lists::Storage;
use super::{Member, RandomSource, Seats, SelectionPolicy};
use crate::wire::Policy;

/// A round, in the unit in which time is counted.
const ROUND: u64 = 1 << 40;

/// When time is set back, long before it could overflow.
const LATE: u64 = 1 << 62;

/// The members' turns. In a member's seat stand its place in the heap where it is, and its weight. Without weight it is in
/// none.
#[derive(Debug)]
pub(crate) struct WeightedRoundRobin<S: Storage> {
    now: u64,
    /// The sum of the weights.
    weights: u64,
    /// In front the members whose turn may be had, by when it must be; in the back those whose turn may not be had yet, by
    /// when it may.
    turns: TwoHeaps<S>,
}

impl<S: Storage> Default for WeightedRoundRobin<S> {
    fn default() -> Self {
        Self { now: 0, weights: 0, turns: TwoHeaps::default() }
    }
}

fn weight(policy: &Policy<'_>) -> u32 {
    match policy {
        Policy::WeightedRoundRobin { weight } => *weight,
        _ => 0,
    }
}

fn weight_of(seats: &Seats<'_>, member: Member) -> u32 {
    let [_, weight] = seats.get(member);
    weight
}

/// How long a member's turn may take.
fn turn(weight: u32) -> u64 {
    ROUND / u64::from(weight).max(1)
}

impl<S: Storage> WeightedRoundRobin<S> {
    /// Puts a member where it belongs, if it has weight. Its turn may be had at `from`.
    fn insert(&mut self, seats: &mut Seats<'_>, member: Member, from: u64) {
        let weight = weight_of(seats, member);
        if weight == 0 {
            return;
        }
        if from <= self.now {
            self.turns.push_front(Entry::new(from + turn(weight), 0, member), seats);
        } else {
            self.turns.push_back(Entry::new(from, 0, member), seats);
        }
    }

    /// Takes a member out of its heap, and returns when its turn could be had.
    fn take_out(&mut self, seats: &mut Seats<'_>, member: Member) -> Option<u64> {
        let (weight, place) = (weight_of(seats, member), seats.place(member));
        if weight == 0 {
            return None;
        }
        if let Some(entry) = self.turns.back().get(place).filter(|entry| entry.member() == member) {
            self.turns.remove_back(place, seats);
            return Some(entry.rank());
        }
        let entry = self.turns.front().get(place).filter(|entry| entry.member() == member)?;
        self.turns.remove_front(place, seats);
        Some(entry.rank() - turn(weight))
    }

    /// Time has come to `now`: those whose turn may be had now are eligible.
    fn advance(&mut self, seats: &mut Seats<'_>, now: u64) {
        self.now = now;
        while let Some(entry) = self.turns.back().first().filter(|entry| entry.rank() <= now) {
            self.turns.remove_back(0, seats);
            self.insert(seats, entry.member(), entry.rank());
        }
    }

    /// Sets time back, which changes no order. Once in millions of rounds.
    #[cold]
    fn set_back(&mut self, seats: &mut Seats<'_>) {
        // What waits longer than that has a tiny weight, and loses a little.
        let by = self.now - self.now % ROUND;
        let earlier = |entries: &mut [Entry]| {
            for entry in entries {
                *entry = Entry::new(entry.rank().saturating_sub(by), entry.turn(), entry.member());
            }
        };
        self.turns.front().rewrite(earlier, seats);
        self.turns.back().rewrite(earlier, seats);
        self.now -= by;
    }
}

impl<S: Storage> SelectionPolicy for WeightedRoundRobin<S> {
    fn add(&mut self, seats: &mut Seats<'_>, member: Member, policy: &Policy<'_>) {
        let weight = weight(policy);
        seats.set(member, [0, weight]);
        self.weights += u64::from(weight);
        self.turns.make_room();
        self.insert(seats, member, self.now);
    }

    fn update(&mut self, seats: &mut Seats<'_>, member: Member, policy: &Policy<'_>) {
        let (old, new) = (weight_of(seats, member), weight(policy));
        if old == new {
            return;
        }
        let from = self.take_out(seats, member).unwrap_or(self.now);
        self.weights = self.weights - u64::from(old) + u64::from(new);
        seats.set(member, [0, new]);
        self.turns.make_room();
        // What is left of its old waiting time counts by the new weight: a smaller weight must not wait for less.
        self.insert(seats, member, from.clamp(self.now.saturating_sub(turn(new)), self.now + turn(new)));
    }

    fn remove(&mut self, seats: &mut Seats<'_>, member: Member) {
        self.take_out(seats, member);
        self.weights -= u64::from(weight_of(seats, member));
        seats.set(member, [0, 0]);
    }

    /// The first one has its turn. Those behind it are whose turns come next.
    fn select(&mut self, seats: &mut Seats<'_>, _random: &mut dyn RandomSource, chosen: &mut [Member]) -> usize {
        if chosen.is_empty() || self.weights == 0 {
            return 0;
        }
        if self.now > LATE {
            self.set_back(seats);
        }
        if self.turns.front().first().is_none()
            && let Some(first) = self.turns.back().first()
        {
            self.advance(seats, first.rank());
        }
        let count = self.turns.front().list(chosen);
        let Some(first) = self.turns.front().first() else { return 0 };
        let more = chosen.get_mut(count..).map_or(0, |rest| self.turns.back().list(rest));
        self.turns.remove_front(0, seats);
        // Its next turn begins when this one must be over.
        self.insert(seats, first.member(), first.rank());
        self.advance(seats, self.now + ROUND / self.weights.max(1));
        count + more
    }
}
