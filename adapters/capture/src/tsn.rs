//! Which chunks of an association were seen before: their transmission sequence numbers (RFC 9260 §3.3.1, §1.6).

use std::collections::{BTreeMap, HashMap, VecDeque};

/// One direction of an association: source port, destination port and verification tag. Addresses do not count, as an association may
/// have several.
pub(crate) type Direction = (u16, u16, u32);

/// How many directions are kept in mind, the latest ones.
const DIRECTIONS: usize = 65_536;
/// How many ranges of numbers are kept in mind of each; what is missing between the oldest ones counts as seen.
const RANGES: usize = 1_024;

/// The numbers that were seen in one direction, as ranges from first to last. They are counted on where 32 bits begin anew.
struct Numbers {
    highest: u64,
    ranges: BTreeMap<u64, u64>,
}

impl Numbers {
    fn new(tsn: u32) -> Self {
        // Smaller ones may follow.
        Self { highest: (1 << 32) + u64::from(tsn), ranges: BTreeMap::new() }
    }

    /// Adds a number. True if it was there.
    fn add(&mut self, tsn: u32) -> bool {
        let ahead = tsn.wrapping_sub(self.highest as u32).cast_signed();
        let number = self.highest.saturating_add_signed(ahead.into());
        self.highest = self.highest.max(number);
        let before = self.ranges.range(..=number).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| last >= number) {
            return true;
        }
        let first = before.filter(|(_, last)| last + 1 == number).map_or(number, |(first, _)| first);
        let last = self.ranges.remove(&(number + 1)).unwrap_or(number);
        self.ranges.insert(first, last);
        if self.ranges.len() > RANGES
            && let (Some((first, _)), Some((_, last))) = (self.ranges.pop_first(), self.ranges.pop_first())
        {
            self.ranges.insert(first, last);
        }
        false
    }
}

/// The chunks that were seen.
#[derive(Default)]
pub(crate) struct Seen {
    directions: HashMap<Direction, Numbers>,
    /// From the oldest to the latest.
    order: VecDeque<Direction>,
}

impl Seen {
    /// Adds a chunk. True if it was there, so it is a retransmission.
    pub(crate) fn add(&mut self, direction: Direction, tsn: u32) -> bool {
        if let Some(numbers) = self.directions.get_mut(&direction) {
            return numbers.add(tsn);
        }
        if self.order.len() >= DIRECTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.directions.remove(&oldest);
        }
        self.order.push_back(direction);
        self.directions.entry(direction).or_insert_with(|| Numbers::new(tsn)).add(tsn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_associations_do_not_take_more_and_more_memory() {
        let mut seen = Seen::default();
        for number in 0..200_000 {
            assert!(!seen.add((1, 2, number), number));
            assert!(!seen.add((1, 1, 1), number.wrapping_mul(3)));
        }
        assert!(seen.order.len() <= DIRECTIONS && seen.directions.len() <= DIRECTIONS);
        assert!(seen.directions.values().all(|numbers| numbers.ranges.len() <= RANGES));
    }
}
