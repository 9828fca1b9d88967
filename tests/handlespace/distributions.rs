//! What the random policies choose, by chi-square tests with fixed seeds.

use rserpool::wire::{Distance, Policy};

use crate::support::{register, resolve, space};

/// The statistic of observed counts against expected ones.
fn chi_square(observed: &[u32], expected: &[f64]) -> f64 {
    observed.iter().zip(expected).map(|(o, e)| (f64::from(*o) - e).powi(2) / e).sum()
}

/// The value that chi-square exceeds once in a thousand times, for few degrees of freedom.
fn critical(degrees: usize) -> f64 {
    // The approximation of Wilson and Hilferty, with 3.09 for one in a thousand.
    let k = degrees as f64;
    k * (1.0 - 2.0 / (9.0 * k) + 3.09 * (2.0 / (9.0 * k)).sqrt()).powi(3)
}

/// Draws lists, and tests where in them each element stands against what `chance` says of the first place, and of the
/// second given the first.
fn check(policies: &[Policy<'static>], chances: &[f64], items: usize) {
    let mut space = space();
    for (identifier, policy) in policies.iter().enumerate() {
        register(&mut space, identifier as u32, *policy);
    }
    let draws = 20_000;
    let total: f64 = chances.iter().sum();
    let mut first = vec![0; policies.len()];
    let mut second = vec![0; policies.len()];
    for _ in 0..draws {
        let list = resolve(&mut space, items);
        let mut distinct = list.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), items, "{list:?}");
        first[list[0] as usize] += 1;
        second[list[1] as usize] += 1;
    }
    let expected: Vec<f64> = chances.iter().map(|chance| f64::from(draws) * chance / total).collect();
    let degrees = policies.len() - 1;
    let statistic = chi_square(&first, &expected);
    assert!(statistic < critical(degrees), "first place: {statistic} of {}: {first:?} {expected:?}", critical(degrees));
    // The second place: for each first one, its chance of what is left.
    let after = |element: usize| -> f64 {
        let other = |first: usize| chances[first] / total * chances[element] / (total - chances[first]);
        (0..chances.len()).filter(|first| *first != element).map(other).sum()
    };
    let expected: Vec<f64> = (0..chances.len()).map(|element| f64::from(draws) * after(element)).collect();
    let statistic = chi_square(&second, &expected);
    assert!(statistic < critical(degrees), "second place: {statistic}: {second:?} {expected:?}");
}

#[test]
fn random_chooses_all_alike_few_of_many_and_many_of_few() {
    check(&[Policy::Random; 20], &[1.0; 20], 2);
    check(&[Policy::Random; 5], &[1.0; 5], 4);
    check(&[Policy::Random; 4], &[1.0; 4], 4);
}

#[test]
fn weighted_random_chooses_by_weight() {
    let weights = [1u32, 2, 3, 4, 10, 20];
    let policies = weights.map(|weight| Policy::WeightedRandom { weight });
    let chances = weights.map(f64::from);
    check(&policies, &chances, 2);
    check(&policies, &chances, 6);
}

#[test]
fn randomized_least_used_chooses_by_what_is_left_of_the_load() {
    // 10, 50, 75 and 0 percent.
    let loads = [u32::MAX / 10, u32::MAX / 2, u32::MAX / 4 * 3, 0];
    let policies = loads.map(|load| Policy::RandomizedLeastUsed { load });
    check(&policies, &loads.map(|load| f64::from(u32::MAX - load)), 3);
}

#[test]
fn a_fully_loaded_element_is_never_chosen_by_randomized_least_used() {
    let mut space = space();
    register(&mut space, 1, Policy::RandomizedLeastUsed { load: u32::MAX });
    register(&mut space, 2, Policy::RandomizedLeastUsed { load: u32::MAX - 1 });
    for _ in 0..100 {
        assert_eq!(resolve(&mut space, 2), [2]);
    }
}

#[test]
fn weights_that_changed_count_from_then_on() {
    let mut space = space();
    for identifier in 0..4 {
        register(&mut space, identifier, Policy::WeightedRandom { weight: 1 });
    }
    register(&mut space, 2, Policy::WeightedRandom { weight: 97 });
    let twos = (0..1000).filter(|_| resolve(&mut space, 1) == [2]).count();
    assert!((950..=990).contains(&twos), "{twos} of 1000, 970 expected");
}

/// So many percent of load.
fn percent(percent: u64) -> u32 {
    (u64::from(u32::MAX) * percent / 100) as u32
}

#[test]
fn randomized_priority_least_used_chooses_by_what_one_session_more_leaves_of_the_load() {
    let values = [(0, 50), (50, 0), (0, 0), (20, 20)];
    let policies = values.map(|(load, degradation)| Policy::RandomizedPriorityLeastUsed {
        load: percent(load),
        degradation: percent(degradation),
    });
    check(&policies, &[50.0, 50.0, 100.0, 60.0], 3);
    // 60 + 50 leave nothing.
    let mut space = space();
    register(&mut space, 1, Policy::RandomizedPriorityLeastUsed { load: percent(60), degradation: percent(50) });
    register(&mut space, 2, Policy::RandomizedPriorityLeastUsed { load: percent(60), degradation: percent(39) });
    for _ in 0..50 {
        assert_eq!(resolve(&mut space, 2), [2]);
    }
}

#[test]
fn randomized_policies_with_degradation_choose_alike_as_long_as_there_is_none() {
    let loads = [10, 50, 75, 0];
    let chances = loads.map(|load| 100.0 - load as f64);
    let rlud = |load| Policy::RandomizedLeastUsedWithDegradation { load: percent(load), degradation: 0 };
    check(&loads.map(rlud), &chances, 3);
    let rplud = |load| Policy::RandomizedPriorityLeastUsedWithDegradation { load: percent(load), degradation: 0 };
    check(&loads.map(rplud), &chances, 3);
}

/// How often each of two elements comes first when both register anew after each round of four single resolutions.
fn first_two(policies: [Policy<'static>; 2]) -> [u32; 2] {
    let mut space = space();
    let mut counts = [0; 2];
    for _ in 0..5_000 {
        register(&mut space, 0, policies[0]);
        register(&mut space, 1, policies[1]);
        for _ in 0..4 {
            counts[resolve(&mut space, 1)[0] as usize] += 1;
        }
    }
    counts
}

/// The expected number of times that the second of two is given in four draws, when it loses `step` of its weight with
/// each, but never all.
fn expected(first: f64, second: f64, step: f64) -> f64 {
    // All ways that four draws can go.
    (0..16u32)
        .map(|draws| {
            let (mut chance, mut weight, mut count) = (1.0, second, 0.0);
            for draw in 0..4 {
                let of_second = weight / (first + weight);
                if draws >> draw & 1 == 1 {
                    chance *= of_second;
                    weight = (weight - step).max(0.0);
                    count += 1.0;
                } else {
                    chance *= 1.0 - of_second;
                }
            }
            chance * count
        })
        .sum()
}

#[test]
fn degradation_makes_an_element_less_likely_until_it_registers_again() {
    let rlud = |degradation| Policy::RandomizedLeastUsedWithDegradation { load: 0, degradation: percent(degradation) };
    let counts = first_two([rlud(0), rlud(40)]);
    let second = expected(100.0, 100.0, 40.0) * 5_000.0;
    // Four standard deviations, at most.
    assert!((f64::from(counts[1]) - second).abs() < 4.0 * 20_000f64.sqrt() / 2.0, "{counts:?}, {second} expected");

    let rplud =
        |degradation| Policy::RandomizedPriorityLeastUsedWithDegradation { load: 0, degradation: percent(degradation) };
    let counts = first_two([rplud(0), rplud(40)]);
    let second = expected(100.0, 60.0, 40.0) * 5_000.0;
    assert!((f64::from(counts[1]) - second).abs() < 4.0 * 20_000f64.sqrt() / 2.0, "{counts:?}, {second} expected");
}

#[test]
fn an_element_that_has_degraded_all_its_weight_away_is_still_there_if_nobody_else_is() {
    let mut space = space();
    register(&mut space, 1, Policy::RandomizedLeastUsedWithDegradation { load: 0, degradation: u32::MAX });
    for _ in 0..10 {
        assert_eq!(resolve(&mut space, 2), [1]);
    }
}

#[test]
fn distance_takes_its_part_of_the_weight() {
    // A penalty of 1 % for each unit of distance.
    let values = [(1_000, 0), (1_000, 50), (2_000, 75), (4_000, 90)];
    let policies = values.map(|(weight, distance)| Policy::WeightedRandomWithDistance {
        weight,
        distance: Distance { factor: percent(1), distance },
    });
    check(&policies, &[1_000.0, 500.0, 500.0, 400.0], 3);
    let mut space = space();
    for (identifier, distance) in [(1, 100), (2, 200), (3, 99)] {
        let distance = Distance { factor: percent(1) + 1, distance };
        register(&mut space, identifier, Policy::WeightedRandomWithDistance { weight: 1_000, distance });
    }
    assert_eq!(resolve(&mut space, 3), [3], "too far, much too far, and just not too far");
}
