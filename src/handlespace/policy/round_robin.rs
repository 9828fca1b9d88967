//! Round Robin (RFC 5356 §4.1): a circular list, and a head that goes one further with each resolution.

use super::{Member, RandomSource, Seats, SelectionPolicy};
use crate::wire::Policy;

/// The circular list. In a member's seat stand the member before it and the one behind it.
#[derive(Debug)]
pub(crate) struct RoundRobin {
    /// With which member the next list begins; none if there is no member.
    head: Member,
    /// The member that came last. The next one comes behind it.
    last: Member,
}

impl Default for RoundRobin {
    fn default() -> Self {
        Self { head: Member::NONE, last: Member::NONE }
    }
}

/// Puts two members next to each other.
fn link(seats: &mut Seats<'_>, before: Member, behind: Member) {
    let [previous, _] = seats.get(before);
    seats.set(before, [previous, behind.0]);
    let [_, next] = seats.get(behind);
    seats.set(behind, [before.0, next]);
}

impl SelectionPolicy for RoundRobin {
    fn add(&mut self, seats: &mut Seats<'_>, member: Member, _policy: &Policy<'_>) {
        if self.last == Member::NONE {
            seats.set(member, [member.0, member.0]);
            self.head = member;
        } else {
            let [_, next] = seats.get(self.last);
            link(seats, self.last, member);
            link(seats, member, Member(next));
        }
        self.last = member;
    }

    fn update(&mut self, _seats: &mut Seats<'_>, _member: Member, _policy: &Policy<'_>) {}

    fn remove(&mut self, seats: &mut Seats<'_>, member: Member) {
        let [previous, next] = seats.get(member).map(Member);
        if next == member {
            *self = Self::default();
            return;
        }
        link(seats, previous, next);
        if self.head == member {
            self.head = next;
        }
        if self.last == member {
            self.last = previous;
        }
    }

    /// RFC 5356 §4.1.2: the members from the head on; then the head advances by one.
    fn select(&mut self, seats: &mut Seats<'_>, _random: &mut dyn RandomSource, chosen: &mut [Member]) -> usize {
        let start = self.head;
        let (mut next, mut count) = (start, 0);
        for place in chosen {
            if next == Member::NONE || (count > 0 && next == start) {
                break;
            }
            *place = next;
            count += 1;
            let [_, behind] = seats.get(next);
            next = Member(behind);
            if count == 1 {
                self.head = next;
            }
        }
        count
    }
}
