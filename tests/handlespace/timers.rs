//! The elements' timers, beside a plain map.

use std::collections::BTreeMap;

use rserpool::Instant;
use rserpool::handlespace::{ElementIndex, ElementTimer, Handlespace};
use rserpool::wire::Policy;

use crate::support::{POOL, element, space};

/// A tick: 1,024 microseconds.
fn tick(ticks: u64) -> Instant {
    Instant::from_micros(ticks << 10)
}

fn elements(space: &mut Handlespace, count: u32) -> Vec<ElementIndex> {
    (0..count).map(|id| space.register(POOL, &element(id, 1, Policy::RoundRobin)).unwrap().0).collect()
}

/// All that are due, in no order.
fn due(space: &mut Handlespace, now: Instant) -> Vec<(ElementIndex, ElementTimer)> {
    let mut due: Vec<_> = std::iter::from_fn(|| space.take_due_timer(now)).collect();
    due.sort_by_key(|(index, timer)| (*index, *timer == ElementTimer::Expiry));
    due
}

#[test]
fn timers_are_due_at_their_tick_and_not_before_however_often_they_are_set_anew() {
    const TIMERS: [ElementTimer; 2] = [ElementTimer::KeepAlive, ElementTimer::Expiry];
    for (seed, range) in [(1u64, 40), (2, 300), (3, 5_000), (4, 300_000), (5, 20_000_000)] {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut below = |limit: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 16) % limit
        };
        let mut space = space();
        let elements = elements(&mut space, 40);
        let mut expected: BTreeMap<(ElementIndex, bool), u64> = BTreeMap::new();
        // Digits of the clock change all the time, also high ones.
        let mut now = (1 << 30) - 50;
        for _ in 0..4_000 {
            for _ in 0..below(6) {
                let (index, which) = (elements[below(40) as usize], below(2) as usize);
                let at = (below(5) > 0).then(|| now + 1 + below(range));
                space.set_timer(index, TIMERS[which], at.map(tick));
                assert_eq!(space.is_timer_set(index, TIMERS[which]), at.is_some());
                expected.remove(&(index, which == 1));
                expected.extend(at.map(|at| ((index, which == 1), at)));
            }
            let first = expected.values().min().copied();
            assert!(first.is_none_or(|first| space.next_timer().is_some_and(|next| next <= tick(first))));
            now += below(range / 20 + 2);
            let late: Vec<_> = expected.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
            expected.retain(|_, at| *at > now);
            let due: Vec<_> = due(&mut space, tick(now)).into_iter().map(|(i, t)| (i, t == TIMERS[1])).collect();
            assert_eq!(due, late, "range {range}, at {now}");
        }
    }
}

#[test]
fn a_timer_ends_with_its_element_and_the_next_one_in_its_place_has_none() {
    let mut space = space();
    let index = elements(&mut space, 1)[0];
    space.set_timer(index, ElementTimer::Expiry, Some(tick(100)));
    space.remove(index);
    let again = elements(&mut space, 1)[0];
    assert_eq!(again, index, "the place is used again");
    assert!(!space.is_timer_set(again, ElementTimer::Expiry));
    assert_eq!(due(&mut space, tick(1_000)), []);
    assert_eq!(space.next_timer(), None);
}

#[test]
fn elements_that_come_and_go_for_ever_leave_nothing_behind_in_the_timers() {
    let mut space = space();
    for round in 0..200_000u64 {
        let index = elements(&mut space, 1)[0];
        space.set_timer(index, ElementTimer::KeepAlive, Some(tick(1_000_000 + round % 1_000)));
        space.remove(index);
    }
    // Whatever is left is looked at once.
    assert!(space.next_timer().is_none_or(|at| at <= tick(1_001_000)));
    assert_eq!(due(&mut space, tick(2_000_000)), []);
    assert_eq!(space.next_timer(), None);
}

#[test]
fn a_moment_that_never_comes_is_no_trouble() {
    let mut space = space();
    let index = elements(&mut space, 1)[0];
    space.set_timer(index, ElementTimer::Expiry, Some(Instant::from_micros(u64::MAX)));
    assert_eq!(due(&mut space, Instant::from_micros(1 << 57)), [], "in 4,500 years");
    assert!(space.is_timer_set(index, ElementTimer::Expiry));
}
