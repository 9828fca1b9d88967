//! The policies that give elements in the order of a rank, the lowest first, and let equal ranks go round.

use super::tree::{Entry, Tree};
use super::{Chosen, RandomSource, SelectionPolicy, States};
use crate::handlespace::element::ElementIndex;
use crate::wire::Policy;

/// Elements by rank, then by when they had their turn.
#[derive(Debug)]
pub(super) struct Ordered {
    rank: fn(&Policy<'_>, u32) -> u64,
    /// Whether an element's rank depends on how often it was given.
    counting: bool,
    tree: Tree,
    /// The next turn.
    turn: u32,
}

/// What is kept of an element: its turn, and how often it was given since it registered.
#[derive(Clone, Copy)]
struct State {
    turn: u32,
    count: u32,
}

impl State {
    fn get(states: &States<'_>, element: ElementIndex) -> Self {
        let word = states.get(element);
        Self { turn: (word >> 32) as u32, count: word as u32 }
    }

    fn set(self, states: &mut States<'_>, element: ElementIndex) {
        states.set(element, u64::from(self.turn) << 32 | u64::from(self.count));
    }
}

impl Ordered {
    /// By what `rank` makes of an element's values.
    pub(super) const fn new(rank: fn(&Policy<'_>, u32) -> u64) -> Self {
        Self { rank, counting: false, tree: Tree::new(), turn: 0 }
    }

    /// By what `rank` makes of an element's values, and of how often it was given.
    pub(super) const fn counting(rank: fn(&Policy<'_>, u32) -> u64) -> Self {
        Self { rank, counting: true, tree: Tree::new(), turn: 0 }
    }

    fn next_turn(&mut self, states: &mut States<'_>) -> u32 {
        if self.turn == u32::MAX {
            self.renumber(states);
        }
        self.turn += 1;
        self.turn
    }

    /// An element has had its turn: it goes behind those of the same rank.
    fn turn_over(&mut self, states: &mut States<'_>, entry: Entry) {
        let element = ElementIndex(entry.element());
        let turn = self.next_turn(states);
        let old = State::get(states, element);
        State { turn, ..old }.set(states, element);
        self.tree
            .replace(Entry::new(entry.rank(), old.turn, entry.element()), Entry::new(entry.rank(), turn, element.0));
    }

    /// Turns have run out: they begin anew, in the order that they have. Once in four billion.
    fn renumber(&mut self, states: &mut States<'_>) {
        let mut entries: alloc::vec::Vec<Entry> = self.tree.iter().collect();
        entries.sort_unstable_by_key(|entry| entry.turn());
        self.tree = Tree::new();
        self.turn = 0;
        for entry in entries {
            self.turn += 1;
            let element = ElementIndex(entry.element());
            State { turn: self.turn, ..State::get(states, element) }.set(states, element);
            self.tree.insert(Entry::new(entry.rank(), self.turn, entry.element()));
        }
    }
}

impl SelectionPolicy for Ordered {
    fn add(&mut self, states: &mut States<'_>, element: ElementIndex, policy: &Policy<'_>) {
        let turn = self.next_turn(states);
        State { turn, count: 0 }.set(states, element);
        self.tree.insert(Entry::new((self.rank)(policy, 0), turn, element.0));
    }

    /// RFC 5356 §5.2.2: the count is forgotten. The turn is not: whoever registers again keeps its place among equals.
    fn update(&mut self, states: &mut States<'_>, element: ElementIndex, old: &Policy<'_>, new: &Policy<'_>) {
        let state = State::get(states, element);
        let (old_rank, rank) = ((self.rank)(old, state.count), (self.rank)(new, 0));
        if state.count != 0 {
            State { count: 0, ..state }.set(states, element);
        }
        if rank != old_rank {
            self.tree.remove(Entry::new(old_rank, state.turn, element.0));
            self.tree.insert(Entry::new(rank, state.turn, element.0));
        }
    }

    fn remove(&mut self, states: &mut States<'_>, element: ElementIndex) {
        let state = State::get(states, element);
        let rank = (self.rank)(&states.policy(element), state.count);
        self.tree.remove(Entry::new(rank, state.turn, element.0));
    }

    /// The first one has had its turn, and goes behind its equals. The others are there in case it fails; they count as
    /// given where the RFC has all that are returned count.
    fn select(&mut self, states: &mut States<'_>, _random: &mut dyn RandomSource, items: usize, chosen: &mut Chosen) {
        if !self.counting {
            let Some(first) = self.tree.first().filter(|_| items > 0) else { return };
            chosen.extend(self.tree.iter().take(items).map(|entry| ElementIndex(entry.element())));
            self.turn_over(states, first);
            return;
        }
        let start = chosen.len();
        chosen.extend(self.tree.iter().take(items).map(|entry| ElementIndex(entry.element())));
        for (number, element) in chosen.iter().skip(start).enumerate() {
            let turn = if number == 0 { Some(self.next_turn(states)) } else { None };
            let old = State::get(states, *element);
            let state = State { turn: turn.unwrap_or(old.turn), count: old.count.saturating_add(1) };
            state.set(states, *element);
            let policy = states.policy(*element);
            let rank = |count| (self.rank)(&policy, count);
            let old = Entry::new(rank(old.count), old.turn, element.0);
            self.tree.replace(old, Entry::new(rank(state.count), state.turn, element.0));
        }
    }
}
