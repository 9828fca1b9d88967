//! Exactly what the deterministic policies choose, worked out by hand from RFC 5356.

use rserpool::handlespace::policy::{Member, RandomSource, Seats, SelectionPolicy};
use rserpool::wire::{Distance, Policy, PolicyType};

use crate::support::{deregister, firsts, register, resolve, space};

#[test]
fn round_robin_goes_round_and_starts_each_list_one_further() {
    let mut space = space();
    for identifier in [5, 3, 9] {
        register(&mut space, identifier, Policy::RoundRobin);
    }
    let lists: Vec<_> = (0..4).map(|_| resolve(&mut space, 2)).collect();
    assert_eq!(lists, [[5, 3], [3, 9], [9, 5], [5, 3]]);
    assert_eq!(resolve(&mut space, 10), [3, 9, 5], "each element once, though more were asked for");
}

#[test]
fn round_robin_keeps_its_order_through_joins_leaves_and_re_registrations() {
    let mut space = space();
    for identifier in 1..=5 {
        register(&mut space, identifier, Policy::RoundRobin);
    }
    assert_eq!(firsts(&mut space, 1, 2), [1, 2]);
    deregister(&mut space, 4);
    register(&mut space, 6, Policy::RoundRobin);
    register(&mut space, 3, Policy::RoundRobin);
    assert_eq!(firsts(&mut space, 1, 7), [3, 5, 6, 1, 2, 3, 5]);
    // The head's own leaves.
    deregister(&mut space, 6);
    assert_eq!(firsts(&mut space, 1, 3), [1, 2, 3]);
}

#[test]
fn round_robin_survives_many_leaves() {
    let mut space = space();
    for identifier in 0..1000 {
        register(&mut space, identifier, Policy::RoundRobin);
    }
    assert_eq!(firsts(&mut space, 1, 500), (0..500).collect::<Vec<_>>());
    for identifier in (0..1000).filter(|identifier| identifier % 10 != 7) {
        deregister(&mut space, identifier);
    }
    let left: Vec<u32> = (0..1000).filter(|identifier| identifier % 10 == 7).collect();
    let expected: Vec<u32> = left[50..].iter().chain(&left[..50]).copied().collect();
    assert_eq!(resolve(&mut space, 1000), expected);
}

#[test]
fn weighted_round_robin_gives_each_its_weight_in_every_window_and_no_bursts() {
    // Several shapes: equal, one heavy, mixed, large.
    for weights in [&[1u32, 1, 1][..], &[10, 1, 1, 1, 1, 1], &[1, 2, 3, 4, 5], &[7, 7, 1, 1, 30], &[100, 99, 1]] {
        let mut space = space();
        for (identifier, weight) in (1..).zip(weights) {
            register(&mut space, identifier, Policy::WeightedRoundRobin { weight: *weight });
        }
        let sum: u32 = weights.iter().sum();
        let picks = firsts(&mut space, 1, sum as usize * 5);
        for window in picks.windows(sum as usize) {
            for (identifier, weight) in (1u32..).zip(weights) {
                let count = window.iter().filter(|pick| **pick == identifier).count() as u32;
                assert!(count.abs_diff(*weight) <= 1, "{weights:?}: element {identifier} has {count} of {weight}");
            }
        }
        // The heaviest element's row without break is no longer than its weight against the others' makes unavoidable.
        let heaviest = *weights.iter().max().unwrap();
        let unavoidable = heaviest.div_ceil((sum - heaviest).max(1)) + 1;
        let longest = picks.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap();
        assert!(longest as u32 <= unavoidable, "{weights:?}: {longest} in a row, {unavoidable} unavoidable");
    }
}

#[test]
fn weighted_round_robin_with_equal_weights_is_round_robin() {
    let mut space = space();
    for identifier in 1..=4 {
        register(&mut space, identifier, Policy::WeightedRoundRobin { weight: 3 });
    }
    assert_eq!(firsts(&mut space, 2, 9), [1, 2, 3, 4, 1, 2, 3, 4, 1]);
}

#[test]
fn weighted_round_robin_lists_each_element_once_and_goes_on_after_changes() {
    let mut space = space();
    for (identifier, weight) in [(1, 5), (2, 1), (3, 2)] {
        register(&mut space, identifier, Policy::WeightedRoundRobin { weight });
    }
    for _ in 0..20 {
        let mut list = resolve(&mut space, 3);
        list.sort_unstable();
        assert_eq!(list, [1, 2, 3]);
    }
    deregister(&mut space, 1);
    register(&mut space, 2, Policy::WeightedRoundRobin { weight: 2 });
    let picks = firsts(&mut space, 1, 100);
    let twos = picks.iter().filter(|pick| **pick == 2).count();
    assert!((48..=52).contains(&twos), "{twos} of 100, half expected");
}

#[test]
fn an_element_of_weight_zero_serves_nobody() {
    // RFC 5356 §3.2.
    for policy in [|weight| Policy::WeightedRoundRobin { weight }, |weight| Policy::WeightedRandom { weight }] {
        let mut space = space();
        register(&mut space, 1, policy(0));
        assert_eq!(resolve(&mut space, 3), []);
        register(&mut space, 2, policy(1));
        for _ in 0..10 {
            assert_eq!(resolve(&mut space, 3), [2]);
        }
        register(&mut space, 1, policy(5));
        assert_eq!(resolve(&mut space, 3).len(), 2);
    }
}

#[test]
fn priority_gives_the_highest_first_and_equals_in_turn() {
    let mut space = space();
    for (identifier, priority) in [(1, 10), (2, 30), (3, 20), (4, 30)] {
        register(&mut space, identifier, Policy::Priority { priority });
    }
    assert_eq!(resolve(&mut space, 4), [2, 4, 3, 1]);
    assert_eq!(resolve(&mut space, 4), [4, 2, 3, 1]);
    assert_eq!(resolve(&mut space, 1), [2]);
    deregister(&mut space, 2);
    deregister(&mut space, 4);
    assert_eq!(resolve(&mut space, 2), [3, 1]);
    register(&mut space, 1, Policy::Priority { priority: u32::MAX });
    assert_eq!(resolve(&mut space, 2), [1, 3]);
}

#[test]
fn least_used_gives_the_lowest_load_first_and_equal_loads_go_round() {
    let mut space = space();
    for (identifier, load) in [(1, 50), (2, 10), (3, 50), (4, 50)] {
        register(&mut space, identifier, Policy::LeastUsed { load });
    }
    assert_eq!(resolve(&mut space, 4), [2, 1, 3, 4]);
    register(&mut space, 2, Policy::LeastUsed { load: 90 });
    let lists: Vec<_> = (0..4).map(|_| resolve(&mut space, 3)).collect();
    assert_eq!(lists, [[1, 3, 4], [3, 4, 1], [4, 1, 3], [1, 3, 4]]);
    register(&mut space, 4, Policy::LeastUsed { load: 0 });
    assert_eq!(resolve(&mut space, 4), [4, 3, 1, 2]);
}

#[test]
fn degradation_counts_for_all_that_are_given_until_they_register_again() {
    // RFC 5356 §5.2.2.
    let mut space = space();
    let lud = |load, degradation| Policy::LeastUsedWithDegradation { load, degradation };
    register(&mut space, 1, lud(0, 30));
    register(&mut space, 2, lud(50, 10));
    // 1 at 0, 30, 60, and so on; 2 at 50, 60, 70.
    assert_eq!(firsts(&mut space, 1, 3), [1, 1, 2], "0, 30, then 50 is less than 60");
    assert_eq!(firsts(&mut space, 1, 2), [1, 2], "both at 60: the one that had its turn earlier");
    // All that are returned count, once each: 1 from 90 to 120, 2 from 70 to 80.
    assert_eq!(resolve(&mut space, 2), [2, 1]);
    assert_eq!(firsts(&mut space, 1, 5), [2, 2, 2, 2, 1], "80, 90, 100, 110, and at 120 1 had its turn earlier");
    register(&mut space, 1, lud(0, 30));
    assert_eq!(firsts(&mut space, 1, 5), [1, 1, 1, 1, 2], "0, 30, 60, 90, and at 120 2 had its turn earlier");
}

#[test]
fn degradation_never_overflows() {
    let mut space = space();
    let lud = Policy::LeastUsedWithDegradation { load: u32::MAX, degradation: u32::MAX };
    register(&mut space, 1, lud);
    register(&mut space, 2, lud);
    assert_eq!(firsts(&mut space, 1, 6), [1, 2, 1, 2, 1, 2]);
}

#[test]
fn priority_least_used_gives_the_lowest_sum_of_load_and_degradation_first() {
    // The example of RFC 5356 §5.3.1: 50 + 10 is less than 50 + 50.
    let mut space = space();
    let plu = |load, degradation| Policy::PriorityLeastUsed { load, degradation };
    register(&mut space, 2, plu(50, 50));
    register(&mut space, 1, plu(50, 10));
    assert_eq!(firsts(&mut space, 2, 2), [1, 1]);
    // Beyond 100 percent is more than 100 percent.
    register(&mut space, 3, plu(u32::MAX, u32::MAX));
    register(&mut space, 4, plu(u32::MAX, 1));
    assert_eq!(resolve(&mut space, 4), [1, 2, 4, 3]);
}

#[test]
fn an_element_that_registers_again_keeps_its_turn_among_equals() {
    let mut space = space();
    for identifier in 1..=3 {
        register(&mut space, identifier, Policy::LeastUsed { load: 7 });
    }
    assert_eq!(firsts(&mut space, 1, 1), [1]);
    register(&mut space, 2, Policy::LeastUsed { load: 7 });
    assert_eq!(firsts(&mut space, 1, 3), [2, 3, 1]);
}

#[test]
fn degradation_of_priority_least_used_counts_the_session_that_would_come_and_those_that_came() {
    let mut space = space();
    let plud = |load, degradation| Policy::PriorityLeastUsedWithDegradation { load, degradation };
    register(&mut space, 1, plud(0, 10));
    register(&mut space, 2, plud(25, 5));
    // 1 at 10, 20, 30, 40; 2 at 30, 35, 40.
    assert_eq!(firsts(&mut space, 1, 2), [1, 1]);
    assert_eq!(firsts(&mut space, 1, 3), [2, 1, 2], "30 and 30: 2 came earlier than 1 had its turn; 30; 35");
    register(&mut space, 1, plud(0, 10));
    assert_eq!(firsts(&mut space, 1, 3), [1, 1, 1], "10, 20, 30, and 2 is at 40");
}

/// So many percent of load.
fn percent(percent: u64) -> u32 {
    (u64::from(u32::MAX) * percent / 100) as u32
}

#[test]
fn distance_counts_as_load_by_its_factor() {
    // A penalty of 1 % for each unit of distance.
    let far = |distance| Distance { factor: percent(1), distance };
    let mut least_used = space();
    for (identifier, load, distance) in [(1, 50, 0), (2, 10, 30), (3, 10, 50), (4, 0, 200)] {
        let policy = Policy::LeastUsedWithDistance { load: percent(load), distance: far(distance) };
        register(&mut least_used, identifier, policy);
    }
    assert_eq!(resolve(&mut least_used, 4), [2, 1, 3, 4], "40, 50, 60 and 200 percent");

    let mut priority = space();
    for (identifier, load, degradation, distance) in [(1, 50, 20, 0), (2, 10, 30, 20), (3, 10, 5, 50)] {
        let (load, degradation) = (percent(load), percent(degradation));
        let policy = Policy::PriorityLeastUsedWithDistance { load, degradation, distance: far(distance) };
        register(&mut priority, identifier, policy);
    }
    assert_eq!(resolve(&mut priority, 3), [2, 3, 1], "60, 65 and 70 percent");
    assert_eq!(resolve(&mut priority, 3), [2, 3, 1], "being given changes nothing");
}

#[test]
fn distance_and_degradation_add_up() {
    let far = |distance| Distance { factor: 1, distance };
    let mut space = space();
    let lud =
        |load, distance| Policy::LeastUsedWithDegradationAndDistance { load, degradation: 10, distance: far(distance) };
    register(&mut space, 1, lud(0, 0));
    register(&mut space, 2, lud(5, 20));
    // 1 at 0, 10, 20, 30; 2 at 25, 35.
    assert_eq!(firsts(&mut space, 1, 5), [1, 1, 1, 2, 1]);

    let mut space = crate::support::space();
    let plud = |load, distance| Policy::PriorityLeastUsedWithDegradationAndDistance {
        load,
        degradation: 10,
        distance: far(distance),
    };
    register(&mut space, 1, plud(0, 0));
    register(&mut space, 2, plud(0, 15));
    // 1 at 10, 20, 30; 2 at 25, 35.
    assert_eq!(firsts(&mut space, 1, 4), [1, 1, 2, 1]);
}

#[test]
fn a_distance_of_any_size_is_no_more_than_very_far() {
    let mut space = space();
    let distance = Distance { factor: u32::MAX, distance: u32::MAX };
    register(&mut space, 1, Policy::LeastUsedWithDistance { load: u32::MAX, distance });
    register(&mut space, 2, Policy::LeastUsedWithDistance { load: u32::MAX, distance: Distance::default() });
    assert_eq!(resolve(&mut space, 2), [2, 1]);
}

/// Gives the member that came last, always: a policy that nobody else has.
#[derive(Debug, Default)]
struct Newest(Vec<Member>);

impl SelectionPolicy for Newest {
    fn add(&mut self, seats: &mut Seats<'_>, member: Member, policy: &Policy<'_>) {
        let Policy::Other { data, .. } = policy else { panic!("{policy:?}") };
        seats.set(member, [data.len() as u32, 0]);
        self.0.push(member);
    }

    fn update(&mut self, _seats: &mut Seats<'_>, _member: Member, _policy: &Policy<'_>) {}

    fn remove(&mut self, seats: &mut Seats<'_>, member: Member) {
        assert_eq!(seats.get(member), [3, 0], "what was noted is still there");
        self.0.retain(|other| *other != member);
    }

    fn select(&mut self, _: &mut Seats<'_>, _random: &mut dyn RandomSource, chosen: &mut [Member]) -> usize {
        let newest = self.0.iter().rev();
        chosen.iter_mut().zip(newest).map(|(place, member)| *place = *member).count()
    }
}

#[test]
fn an_embedder_adds_a_policy_of_his_own() {
    const NEWEST: PolicyType = PolicyType(0x8000_0042);
    let mut space = space();
    assert!(!space.knows_policy(NEWEST));
    space.add_policy(NEWEST, || Box::<Newest>::default());
    assert!(space.knows_policy(NEWEST));
    for identifier in 1..=4 {
        register(&mut space, identifier, Policy::Other { policy_type: NEWEST, data: b"abc" });
    }
    assert_eq!(resolve(&mut space, 3), [4, 3, 2]);
    deregister(&mut space, 4);
    deregister(&mut space, 2);
    assert_eq!(resolve(&mut space, 3), [3, 1]);
}

#[test]
fn a_policy_that_nobody_knows_is_done_by_round_robin() {
    // RFC 5356 §4.1.1: the default. Other registrars' elements come with it.
    let mut space = space();
    for identifier in 1..=3 {
        register(&mut space, identifier, Policy::Other { policy_type: PolicyType(0x2000_0000), data: &[1] });
    }
    assert_eq!(firsts(&mut space, 1, 4), [1, 2, 3, 1]);
}
