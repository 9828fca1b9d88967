//! Round Robin (RFC 5356 §4.1): a circular list, and a head that goes one further with each resolution.

use super::lists::{List, Storage, at};
use super::{Member, RandomSource, SelectionPolicy};
use crate::wire::Policy;

/// A member's neighbours in the circle.
#[derive(Clone, Copy, Debug)]
struct Link {
    previous: Member,
    next: Member,
}

/// The circular list.
#[derive(Debug)]
pub(crate) struct RoundRobin<S: Storage> {
    links: S::List<Link>,
    /// With which member the next list begins; none if there is no member.
    head: Member,
    /// The member that came last. The next one comes behind it.
    last: Member,
}

impl<S: Storage> Default for RoundRobin<S> {
    fn default() -> Self {
        Self { links: S::List::default(), head: Member::NONE, last: Member::NONE }
    }
}

impl<S: Storage> RoundRobin<S> {
    fn link(&self, member: Member) -> Option<Link> {
        self.links.items().get(member.place()).copied()
    }

    fn change(&mut self, member: Member, change: impl FnOnce(&mut Link)) {
        if let Some(link) = self.links.items_mut().get_mut(member.place()) {
            change(link);
        }
    }
}

impl<S: Storage> SelectionPolicy for RoundRobin<S> {
    fn add(&mut self, member: Member, _policy: &Policy<'_>) {
        let alone = Link { previous: member, next: member };
        let previous = self.last;
        let link = self.link(previous).map_or(alone, |last| Link { previous, next: last.next });
        let Some(place) = at(&mut self.links, member.place(), link) else { return };
        *place = link;
        if previous == Member::NONE {
            self.head = member;
        } else {
            self.change(link.next, |next| next.previous = member);
            self.change(previous, |last| last.next = member);
        }
        self.last = member;
    }

    fn update(&mut self, _member: Member, _policy: &Policy<'_>) {}

    fn remove(&mut self, member: Member) {
        let Some(Link { previous, next }) = self.link(member) else { return };
        if next == member {
            (self.head, self.last) = (Member::NONE, Member::NONE);
            return;
        }
        self.change(previous, |previous| previous.next = next);
        self.change(next, |next| next.previous = previous);
        if self.head == member {
            self.head = next;
        }
        if self.last == member {
            self.last = previous;
        }
    }

    /// RFC 5356 §4.1.2: the members from the head on; then the head advances by one.
    fn select(&mut self, _random: &mut dyn RandomSource, chosen: &mut [Member]) -> usize {
        let head = self.head;
        let (mut next, mut count) = (head, 0);
        for place in chosen {
            let Some(link) = self.link(next) else { break };
            *place = next;
            if count == 0 {
                self.head = link.next;
            }
            count += 1;
            next = link.next;
            if next == head {
                break;
            }
        }
        count
    }
}
