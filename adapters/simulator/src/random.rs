//! Pseudo-random numbers: SplitMix64.

use std::ops::Range;

use rserpool::handlespace::policy::RandomSource;

#[derive(Clone, Debug)]
pub(crate) struct Random(rserpool::Random);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(rserpool::Random::new(seed))
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.0.u64()
    }

    /// A number from 0 to `below` − 1; 0 if `below` is 0.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.0.below(below)
    }

    pub(crate) fn index(&mut self, below: usize) -> usize {
        self.below(below as u64) as usize
    }

    pub(crate) fn within(&mut self, range: &Range<u64>) -> u64 {
        range.start + self.below(range.end.saturating_sub(range.start))
    }

    /// True `parts` times in a million.
    pub(crate) fn chance(&mut self, parts: u32) -> bool {
        parts > 0 && self.below(1_000_000) < parts.into()
    }
}
