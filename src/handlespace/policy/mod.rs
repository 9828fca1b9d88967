//! The selection policies of RFC 5356, one file each.
//!
//! A policy says in which order a pool's elements are given to users. What it needs to know of an element it keeps in
//! the element's own word of 64 bits ([`States`]), and in a structure of its own for the pool:
//!
//! | policy | structure | resolution of k items, of n elements |
//! |---|---|---|
//! | Round Robin | a ring | k |
//! | Random | an array | k |
//! | Weighted Random, Randomized Least Used | a tree of sums | k log n |
//! | Priority, Least Used, Priority Least Used | a B+ tree | k + log n |
//! | Least Used with Degradation | a B+ tree | k log n |
//! | Weighted Round Robin | two B+ trees | k + log n |

mod least_used;
mod least_used_with_degradation;
mod ordered;
mod priority;
mod priority_least_used;
mod random;
mod randomized_least_used;
mod round_robin;
mod sum_tree;
mod tree;
mod weighted_random;
mod weighted_round_robin;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::Debug;

use super::element::ElementIndex;
use super::elements::Elements;
use crate::random::Random;
use crate::wire::{Policy, PolicyType};

/// What policies remember of elements: a word each.
pub struct States<'a> {
    elements: &'a mut Elements,
}

impl<'a> States<'a> {
    pub(super) fn new(elements: &'a mut Elements) -> Self {
        Self { elements }
    }

    /// The word of an element; zero at first.
    #[must_use]
    pub fn get(&self, element: ElementIndex) -> u64 {
        self.elements.get(element).map_or(0, |element| element.policy_state)
    }

    /// Changes the word of an element.
    pub fn set(&mut self, element: ElementIndex, state: u64) {
        if let Some(element) = self.elements.get_mut(element) {
            element.policy_state = state;
        }
    }

    /// The policy's values that an element has registered with.
    #[must_use]
    pub fn policy(&self, element: ElementIndex) -> Policy<'_> {
        self.elements.get(element).map_or(Policy::RoundRobin, |element| element.policy())
    }
}

/// A selection policy at work in one pool.
///
/// The handlespace calls it with every change of the pool. An element that was added is updated when it registers again
/// with other values, and removed when it leaves.
pub trait SelectionPolicy: Debug + Send {
    /// An element has come, with the values `policy`.
    fn add(&mut self, states: &mut States<'_>, element: ElementIndex, policy: &Policy<'_>);

    /// An element has registered again. Its values were `old` and are `new`.
    fn update(&mut self, states: &mut States<'_>, element: ElementIndex, old: &Policy<'_>, new: &Policy<'_>);

    /// An element leaves.
    fn remove(&mut self, states: &mut States<'_>, element: ElementIndex);

    /// Chooses up to `items` different elements, the best first, and appends them to `chosen`.
    fn select(&mut self, states: &mut States<'_>, random: &mut dyn RandomSource, items: usize, chosen: &mut Chosen);
}

/// The elements that a policy has chosen.
pub type Chosen = Vec<ElementIndex>;

/// Random numbers for a policy: the same seed gives the same numbers.
pub trait RandomSource {
    /// A number from 0 to `below` − 1; 0 if `below` is 0.
    fn below(&mut self, below: u64) -> u64;
}

impl RandomSource for Random {
    fn below(&mut self, below: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(below)) >> 64) as u64
    }
}

/// The policy of a pool whose elements register with `policy_type`. One that is not known is done by round robin, the
/// default (RFC 5356 §4.1.1).
pub(super) fn policy(policy_type: PolicyType) -> Box<dyn SelectionPolicy> {
    match policy_type {
        PolicyType::WEIGHTED_ROUND_ROBIN => Box::<weighted_round_robin::WeightedRoundRobin>::default(),
        PolicyType::RANDOM => Box::<random::RandomPolicy>::default(),
        PolicyType::WEIGHTED_RANDOM => Box::new(weighted_random::policy()),
        PolicyType::PRIORITY => Box::new(priority::policy()),
        PolicyType::LEAST_USED => Box::new(least_used::policy()),
        PolicyType::LEAST_USED_WITH_DEGRADATION => Box::new(least_used_with_degradation::policy()),
        PolicyType::PRIORITY_LEAST_USED => Box::new(priority_least_used::policy()),
        PolicyType::RANDOMIZED_LEAST_USED => Box::new(randomized_least_used::policy()),
        _ => Box::<round_robin::RoundRobin>::default(),
    }
}
