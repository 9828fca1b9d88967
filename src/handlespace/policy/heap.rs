//! A heap of members, the lowest first, in which each member's place is known: joining, leaving and changing take at most
//! log n steps, mostly one or two; the first ones can be listed without taking them out.

use super::lists::{List, Storage};
use super::sort::sort_by_key;
use super::{Member, Seats};

/// Children of an entry. Four entries of 16 octets fill a line of most processors' caches.
const CHILDREN: usize = 4;

/// Rank, turn and member in one number, in this order of importance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry(u128);

impl Entry {
    pub(super) const fn new(rank: u64, turn: u32, member: Member) -> Self {
        Self((rank as u128) << 64 | (turn as u128) << 32 | member.0 as u128)
    }

    pub(super) const fn rank(self) -> u64 {
        (self.0 >> 64) as u64
    }

    pub(super) const fn turn(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(super) const fn member(self) -> Member {
        Member(self.0 as u32)
    }
}

/// A heap of its own. Where a member stands in it is noted in the member's seat.
#[derive(Debug)]
pub(super) struct Heap<S: Storage> {
    entries: S::List<Entry>,
}

impl<S: Storage> Default for Heap<S> {
    fn default() -> Self {
        Self { entries: S::List::default() }
    }
}

impl<S: Storage> Heap<S> {
    fn part(&mut self) -> Part<&mut [Entry], false> {
        let entries = self.entries.items_mut();
        Part { count: entries.len(), entries }
    }

    pub(super) fn first(&self) -> Option<Entry> {
        self.get(0)
    }

    pub(super) fn get(&self, place: usize) -> Option<Entry> {
        self.entries.items().get(place).copied()
    }

    pub(super) fn push(&mut self, entry: Entry, seats: &mut Seats<'_>) {
        self.entries.push(entry);
        let last = self.entries.items().len().saturating_sub(1);
        self.part().rise(last, entry, seats);
    }

    /// Takes out the entry at `place`.
    pub(super) fn remove(&mut self, place: usize, seats: &mut Seats<'_>) {
        let Some(last) = self.entries.pop() else { return };
        if place < self.entries.items().len() {
            self.part().replace(place, last, seats);
        }
    }

    /// Puts an entry into the place of another.
    pub(super) fn replace(&mut self, place: usize, entry: Entry, seats: &mut Seats<'_>) {
        self.part().replace(place, entry, seats);
    }

    /// Changes all entries at once.
    pub(super) fn rewrite(&mut self, change: impl FnOnce(&mut [Entry]), seats: &mut Seats<'_>) {
        self.part().rewrite(change, seats);
    }

    /// Lists the first ones in order, as many as fit, and returns how many. Nothing changes.
    pub(super) fn list(&self, listed: &mut [Member]) -> usize {
        let entries = self.entries.items();
        Part::<_, false> { count: entries.len(), entries }.list(listed)
    }
}

/// Two heaps that share their room, since each member is in one of them: one grows from the front, the other from the
/// back.
#[derive(Debug)]
pub(super) struct TwoHeaps<S: Storage> {
    entries: S::List<Entry>,
    in_front: usize,
    in_back: usize,
}

impl<S: Storage> Default for TwoHeaps<S> {
    fn default() -> Self {
        Self { entries: S::List::default(), in_front: 0, in_back: 0 }
    }
}

impl<S: Storage> TwoHeaps<S> {
    pub(super) fn front(&mut self) -> Part<&mut [Entry], false> {
        Part { entries: self.entries.items_mut(), count: self.in_front }
    }

    pub(super) fn back(&mut self) -> Part<&mut [Entry], true> {
        Part { entries: self.entries.items_mut(), count: self.in_back }
    }

    /// Makes room for one more entry in either.
    pub(super) fn make_room(&mut self) {
        let before = self.entries.items().len();
        if self.in_front + self.in_back < before {
            return;
        }
        // As much as an allocated list grows at once.
        for _ in 0..(before / 2).max(6) {
            self.entries.push(Entry(0));
        }
        // What stood at the end is to stand there again.
        let from = before.saturating_sub(self.in_back);
        if let Some(back) = self.entries.items_mut().get_mut(from..) {
            let by = back.len().saturating_sub(self.in_back);
            back.rotate_right(by);
        }
    }

    pub(super) fn push_front(&mut self, entry: Entry, seats: &mut Seats<'_>) {
        let last = self.in_front;
        self.in_front += 1;
        self.front().rise(last, entry, seats);
    }

    pub(super) fn push_back(&mut self, entry: Entry, seats: &mut Seats<'_>) {
        let last = self.in_back;
        self.in_back += 1;
        self.back().rise(last, entry, seats);
    }

    /// Takes out the entry at `place` in front.
    pub(super) fn remove_front(&mut self, place: usize, seats: &mut Seats<'_>) {
        self.in_front -= self.front().remove(place, seats);
    }

    /// Takes out the entry at `place` in the back.
    pub(super) fn remove_back(&mut self, place: usize, seats: &mut Seats<'_>) {
        self.in_back -= self.back().remove(place, seats);
    }
}

/// A heap in a part of some room: in front, or from the back on.
#[derive(Debug)]
pub(super) struct Part<E, const BACK: bool> {
    entries: E,
    count: usize,
}

impl<E: AsRef<[Entry]>, const BACK: bool> Part<E, BACK> {
    /// Where the entry at `place` stands in the room.
    fn position(&self, place: usize) -> usize {
        if BACK { self.entries.as_ref().len().wrapping_sub(1).wrapping_sub(place) } else { place }
    }

    pub(super) fn first(&self) -> Option<Entry> {
        self.get(0)
    }

    pub(super) fn get(&self, place: usize) -> Option<Entry> {
        if place >= self.count {
            return None;
        }
        self.entries.as_ref().get(self.position(place)).copied()
    }

    fn least_child(&self, place: usize) -> Option<(usize, Entry)> {
        let start = place * CHILDREN + 1;
        if start + CHILDREN <= self.count {
            let first = if BACK { self.position(start + CHILDREN - 1) } else { start };
            if let Some(&children) = self.entries.as_ref().get(first..)?.first_chunk() {
                let [a, b, c, d] = children;
                let [a, b, c, d] = if BACK { [d, c, b, a] } else { [a, b, c, d] };
                let first = if b < a { (start + 1, b) } else { (start, a) };
                let second = if d < c { (start + 3, d) } else { (start + 2, c) };
                return Some(if second.1 < first.1 { second } else { first });
            }
        }
        let children = (start..self.count).take(CHILDREN).filter_map(|place| Some((place, self.get(place)?)));
        children.min_by_key(|(_, entry)| *entry)
    }

    /// Lists the first ones in order, as many as fit, and returns how many. Nothing changes.
    ///
    /// Until the end the places in the heap are listed, and not the members. Behind those that are listed for good stand
    /// the candidates, in order: children of the listed ones, and no more than could still be listed.
    pub(super) fn list(&self, listed: &mut [Member]) -> usize {
        let entry = |listed: &[Member], at: usize| self.get(listed.get(at)?.place());
        let (mut done, mut end) = (0, 0);
        let mut children = 0..self.count.min(1);
        while done < listed.len() {
            for place in children {
                let Some(child) = self.get(place) else { break };
                let is_behind = |listed: &[Member], at| entry(listed, at).is_some_and(|other| other > child);
                if end < listed.len() {
                    end += 1;
                } else if !is_behind(listed, end - 1) {
                    continue;
                }
                let mut at = end - 1;
                while at > done && is_behind(listed, at - 1) {
                    let before = listed.get(at - 1).copied();
                    if let (Some(slot), Some(before)) = (listed.get_mut(at), before) {
                        *slot = before;
                    }
                    at -= 1;
                }
                if let Some(slot) = listed.get_mut(at) {
                    *slot = Member(place as u32);
                }
            }
            let Some(place) = listed.get(done).filter(|_| done < end).map(|member| member.place()) else { break };
            done += 1;
            let first = place * CHILDREN + 1;
            children = first..first + CHILDREN;
        }
        for slot in listed.iter_mut().take(done) {
            *slot = self.get(slot.place()).map_or(Member::NONE, Entry::member);
        }
        done
    }
}

impl<const BACK: bool> Part<&mut [Entry], BACK> {
    /// Takes out the entry at `place`, and says by how many there are fewer then.
    fn remove(&mut self, place: usize, seats: &mut Seats<'_>) -> usize {
        let Some(last) = self.count.checked_sub(1).and_then(|last| self.get(last)) else { return 0 };
        self.count -= 1;
        if place < self.count {
            self.replace(place, last, seats);
        }
        1
    }

    /// Puts an entry into the place of another.
    fn replace(&mut self, place: usize, entry: Entry, seats: &mut Seats<'_>) {
        match place.checked_sub(1).and_then(|place| self.get(place / CHILDREN)) {
            Some(parent) if entry < parent => self.rise(place, entry, seats),
            _ => self.sink(place, entry, seats),
        }
    }

    /// Changes all entries at once.
    pub(super) fn rewrite(&mut self, change: impl FnOnce(&mut [Entry]), seats: &mut Seats<'_>) {
        let all = self.entries.len();
        let range = if BACK { all.saturating_sub(self.count)..all } else { 0..self.count.min(all) };
        let Some(entries) = self.entries.get_mut(range) else { return };
        change(entries);
        // What is in order is a heap as well.
        sort_by_key(entries, |entry| *entry);
        if BACK {
            entries.reverse();
        }
        for place in 0..self.count {
            if let Some(entry) = self.get(place) {
                seats.set_place(entry.member(), place);
            }
        }
    }

    fn put(&mut self, place: usize, entry: Entry, seats: &mut Seats<'_>) {
        let position = self.position(place);
        if let Some(slot) = self.entries.get_mut(position) {
            *slot = entry;
            seats.set_place(entry.member(), place);
        }
    }

    fn rise(&mut self, mut place: usize, entry: Entry, seats: &mut Seats<'_>) {
        while let Some(above) = place.checked_sub(1).map(|place| place / CHILDREN) {
            match self.get(above) {
                Some(parent) if entry < parent => self.put(place, parent, seats),
                _ => break,
            }
            place = above;
        }
        self.put(place, entry, seats);
    }

    fn sink(&mut self, mut place: usize, entry: Entry, seats: &mut Seats<'_>) {
        while let Some((below, child)) = self.least_child(place).filter(|(_, child)| *child < entry) {
            self.put(place, child, seats);
            place = below;
        }
        self.put(place, entry, seats);
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::handlespace::policy::lists::Allocated;
    use crate::handlespace::policy::seats::Seat;
    use crate::random::Random;

    #[test]
    fn it_lists_what_a_set_holds_in_the_same_order() {
        for seed in 0..30 {
            let mut random = Random::new(seed);
            let mut below = |limit: u64| random.u64() % limit;
            let members = 1 + below(700) as usize;
            let (mut heap, mut seats) = (Heap::<Allocated>::default(), vec![Seat::new(0); members]);
            let mut seats = Seats(&mut seats);
            let mut set: BTreeSet<Entry> = BTreeSet::new();
            for step in 0..4_000u32 {
                let member = Member(below(members as u64) as u32);
                let new = Entry::new(below(50), below(4) as u32, member);
                let old = set.iter().find(|entry| entry.member() == member).copied();
                match old {
                    None => heap.push(new, &mut seats),
                    Some(_) if below(3) > 0 => heap.replace(seats.place(member), new, &mut seats),
                    Some(_) => heap.remove(seats.place(member), &mut seats),
                }
                let left = old.is_some() && !heap.entries.contains(&new);
                old.map(|old| set.remove(&old));
                if !left {
                    set.insert(new);
                }
                if step % 37 == 0 {
                    let mut listed = vec![Member(u32::MAX); below(members as u64 + 3) as usize];
                    let count = heap.list(&mut listed);
                    let expected: Vec<Member> = set.iter().take(listed.len()).map(|entry| entry.member()).collect();
                    assert_eq!(listed[..count], expected, "seed {seed}, step {step}");
                }
            }
            assert_eq!(heap.entries.len(), set.len());
        }
    }
}
