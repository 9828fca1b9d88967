//! Random (RFC 5356 §4.3): any members, each at most once.

use super::lists::{List, Storage, at};
use super::{Member, RandomSource, SelectionPolicy};
use crate::wire::Policy;

/// One line of two lists: the members in any order, and by member the place in it.
#[derive(Clone, Copy, Debug)]
struct Line {
    member: Member,
    place: u32,
}

/// The members in any order. Who leaves gives its place to the last one.
#[derive(Debug)]
pub(crate) struct RandomPolicy<S: Storage> {
    lines: S::List<Line>,
    count: usize,
}

impl<S: Storage> Default for RandomPolicy<S> {
    fn default() -> Self {
        Self { lines: S::List::default(), count: 0 }
    }
}

impl<S: Storage> RandomPolicy<S> {
    fn member(&self, place: usize) -> Option<Member> {
        self.lines.items().get(place).map(|line| line.member)
    }

    fn put(&mut self, place: usize, member: Member) {
        if let Some(line) = self.lines.items_mut().get_mut(place) {
            line.member = member;
        }
        if let Some(line) = self.lines.items_mut().get_mut(member.place()) {
            line.place = place as u32;
        }
    }
}

impl<S: Storage> SelectionPolicy for RandomPolicy<S> {
    fn add(&mut self, member: Member, _policy: &Policy<'_>) {
        if at(&mut self.lines, member.place(), Line { member: Member::NONE, place: 0 }).is_some() {
            self.put(self.count, member);
            self.count += 1;
        }
    }

    fn update(&mut self, _member: Member, _policy: &Policy<'_>) {}

    fn remove(&mut self, member: Member) {
        let Some(place) = self.lines.items().get(member.place()).map(|line| line.place as usize) else { return };
        let Some(last) = self.count.checked_sub(1).and_then(|last| self.member(last)) else { return };
        self.put(place, last);
        self.count -= 1;
    }

    /// Shuffles as many as wanted to the front.
    fn select(&mut self, random: &mut dyn RandomSource, chosen: &mut [Member]) -> usize {
        let wanted = self.count.min(chosen.len());
        for (place, slot) in chosen.iter_mut().take(wanted).enumerate() {
            let other = place + random.below((self.count - place) as u64) as usize;
            let (Some(here), Some(there)) = (self.member(place), self.member(other)) else { break };
            *slot = there;
            self.put(other, here);
            self.put(place, there);
        }
        wanted
    }
}
