//! What the random policies choose, by chi-square tests with fixed seeds.

use rserpool::wire::Policy;

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
