//! Weights with their sums (a Fenwick tree): drawing by weight, and changing one, take log n steps.

use alloc::vec::Vec;

/// Weights at places 0, 1, 2, …
#[derive(Debug, Default)]
pub(super) struct SumTree {
    /// At place i: the sum of the weights at the last places up to i, as many as i + 1 has trailing zeros in binary say.
    sums: Vec<u64>,
    total: u64,
}

impl SumTree {
    /// The sum of all weights.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Adds a place behind the last one.
    pub(super) fn push(&mut self, weight: u64) {
        let place = self.sums.len();
        let mut sum = weight;
        // What the new place covers besides itself.
        let covered = 1usize << (place + 1).trailing_zeros();
        let mut step = 1;
        while step < covered {
            sum += self.sums.get(place - step).copied().unwrap_or(0);
            step *= 2;
        }
        self.sums.push(sum);
        self.total += weight;
    }

    /// Removes the last place, whose weight must be zero.
    pub(super) fn pop(&mut self) {
        self.sums.pop();
    }

    /// Changes the weight at a place.
    pub(super) fn change(&mut self, place: usize, old: u64, new: u64) {
        self.total = self.total.wrapping_sub(old).wrapping_add(new);
        let mut at = place + 1;
        while let Some(sum) = self.sums.get_mut(at - 1) {
            *sum = sum.wrapping_sub(old).wrapping_add(new);
            at += at & at.wrapping_neg();
        }
    }

    /// The place at which the sum of the weights up to and including it exceeds `number`, which is below the total.
    pub(super) fn find(&self, mut number: u64) -> usize {
        let mut place = 0;
        let mut step = self.sums.len().checked_ilog2().map_or(0, |bits| 1 << bits);
        while step > 0 {
            if let Some(sum) = self.sums.get(place + step - 1)
                && *sum <= number
            {
                number -= sum;
                place += step;
            }
            step /= 2;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_below_the_total_finds_its_place() {
        let mut tree = SumTree::default();
        let mut weights = [3u64, 0, 5, 1, 0, 0, 7, 2, 4];
        for weight in weights {
            tree.push(weight);
        }
        for (place, new) in [(0, 0), (8, 9), (4, 6), (2, 1)] {
            tree.change(place, weights[place], new);
            weights[place] = new;
            let expected: Vec<usize> =
                weights.iter().enumerate().flat_map(|(place, weight)| (0..*weight).map(move |_| place)).collect();
            let found: Vec<usize> = (0..tree.total()).map(|number| tree.find(number)).collect();
            assert_eq!(found, expected);
        }
    }
}
