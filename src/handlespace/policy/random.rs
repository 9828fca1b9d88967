//! Random (RFC 5356 §4.3): any members, each at most once.

use super::lists::{List, Storage};
use super::{Member, RandomSource, Seats, SelectionPolicy};
use crate::wire::Policy;

/// The members in any order. Who leaves gives its place to the last one. In a member's seat stands its place.
#[derive(Debug)]
pub(crate) struct RandomPolicy<S: Storage> {
    members: S::List<Member>,
}

impl<S: Storage> Default for RandomPolicy<S> {
    fn default() -> Self {
        Self { members: S::List::default() }
    }
}

impl<S: Storage> RandomPolicy<S> {
    fn put(&mut self, seats: &mut Seats<'_>, place: usize, member: Member) {
        if let Some(slot) = self.members.items_mut().get_mut(place) {
            *slot = member;
            seats.set_place(member, place);
        }
    }
}

impl<S: Storage> SelectionPolicy for RandomPolicy<S> {
    fn add(&mut self, seats: &mut Seats<'_>, member: Member, _policy: &Policy<'_>) {
        seats.set_place(member, self.members.items().len());
        self.members.push(member);
    }

    fn update(&mut self, _seats: &mut Seats<'_>, _member: Member, _policy: &Policy<'_>) {}

    fn remove(&mut self, seats: &mut Seats<'_>, member: Member) {
        let place = seats.place(member);
        if let Some(last) = self.members.pop() {
            self.put(seats, place, last);
        }
    }

    /// Shuffles as many as wanted to the front.
    fn select(&mut self, seats: &mut Seats<'_>, random: &mut dyn RandomSource, chosen: &mut [Member]) -> usize {
        let count = self.members.items().len();
        let wanted = count.min(chosen.len());
        for (place, slot) in chosen.iter_mut().take(wanted).enumerate() {
            let other = place + random.below((count - place) as u64) as usize;
            let members = self.members.items();
            let (Some(here), Some(there)) = (members.get(place).copied(), members.get(other).copied()) else { break };
            *slot = there;
            self.put(seats, other, here);
            self.put(seats, place, there);
        }
        wanted
    }
}
