//! Pseudo-random numbers: SplitMix64.

use std::ops::Range;

#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `below` − 1; 0 if `below` is 0.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(below)) >> 64) as u64
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
