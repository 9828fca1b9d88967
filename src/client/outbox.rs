//! The queue of actions of elements and users: records in order, their octets in one buffer, both of fixed capacity.

use core::cell::Cell;
use core::ops::Range;

use heapless::Deque;

use crate::wire::EncodeError;

/// The queue has no room for another action: the embedder must fetch some first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl From<EncodeError> for Full {
    fn from(_: EncodeError) -> Self {
        Self
    }
}

/// Moves octets to a place that is further in front. Unlike `copy_within` it has no way to panic.
fn move_down(octets: &mut [u8], from: Range<usize>, to: usize) {
    let cells = Cell::from_mut(octets).as_slice_of_cells();
    if let (Some(from), Some(to)) = (cells.get(from), cells.get(to..)) {
        for (to, from) in to.iter().zip(from) {
            to.set(from.get());
        }
    }
}

/// Up to `RECORDS` records, whose octets take up to `OCTETS`.
#[derive(Debug)]
pub(crate) struct Outbox<R, const RECORDS: usize, const OCTETS: usize> {
    records: Deque<(R, usize), RECORDS>,
    octets: [u8; OCTETS],
    /// The octets of the records in the queue.
    start: usize,
    end: usize,
}

impl<R, const RECORDS: usize, const OCTETS: usize> Outbox<R, RECORDS, OCTETS> {
    pub(crate) const fn new() -> Self {
        Self { records: Deque::new(), octets: [0; OCTETS], start: 0, end: 0 }
    }

    /// Queues a record without octets.
    pub(crate) fn push(&mut self, record: R) -> Result<(), Full> {
        self.records.push_back((record, 0)).map_err(|_| Full)
    }

    /// Queues a record whose octets `write` puts at the start of the buffer that it gets. Octets and record are both
    /// queued, or neither.
    pub(crate) fn push_with(
        &mut self,
        record: R,
        write: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
    ) -> Result<(), Full> {
        if self.records.is_full() {
            return Err(Full);
        }
        if self.start > 0 {
            // Whatever has been fetched makes room. Mostly the queue is empty, and nothing moves.
            move_down(&mut self.octets, self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let room = self.octets.get_mut(self.end..).unwrap_or_default();
        let length = write(room)?;
        self.end += length;
        self.records.push_back((record, length)).map_err(|_| Full)
    }

    /// Queues a record with a copy of `octets`.
    pub(crate) fn push_octets(&mut self, record: R, octets: &[u8]) -> Result<(), Full> {
        self.push_with(record, |buffer| {
            let available = buffer.len();
            let place = buffer
                .get_mut(..octets.len())
                .ok_or(EncodeError::BufferTooSmall { needed: octets.len(), available })?;
            place.copy_from_slice(octets);
            Ok(octets.len())
        })
    }

    /// Keeps the records for which `keep` says so, with their octets, in order. It may change them.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut R, &[u8]) -> bool) {
        let (mut from, mut to) = (self.start, self.start);
        for _ in 0..self.records.len() {
            let Some((mut record, length)) = self.records.pop_front() else { break };
            let octets = from..from + length;
            from += length;
            if keep(&mut record, self.octets.get(octets.clone()).unwrap_or_default()) {
                move_down(&mut self.octets, octets, to);
                to += length;
                // There is room: one was taken out just now.
                let _ = self.records.push_back((record, length));
            }
        }
        self.end = to;
    }

    /// Whether there is room for so many records, whose octets take so much together.
    pub(crate) fn has_room(&self, records: usize, octets: usize) -> bool {
        self.records.len() + records <= RECORDS && self.end - self.start + octets <= OCTETS
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// A record, by its place in the queue.
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut R> {
        self.records.iter_mut().nth(index).map(|(record, _)| record)
    }

    /// Where the octets of a record begin, by its place in the queue.
    fn start_of(&self, index: usize) -> usize {
        self.start + self.records.iter().take(index).map(|(_, length)| length).sum::<usize>()
    }

    /// A record and its octets, by its place in the queue.
    pub(crate) fn get(&self, index: usize) -> Option<(&R, &[u8])> {
        let start = self.start_of(index);
        let (record, length) = self.records.iter().nth(index)?;
        Some((record, self.octets.get(start..start + length).unwrap_or_default()))
    }

    /// Queues a record with a copy of the octets of another.
    pub(crate) fn push_copy(&mut self, record: R, of: usize) -> Result<(), Full> {
        // Only fetching leaves a gap in front, and what is fetched is not copied.
        let start = self.start_of(of);
        let (_, length) = self.records.iter().nth(of).ok_or(Full)?;
        let length = *length;
        let end = self.end + length;
        if self.records.is_full() || end > OCTETS {
            return Err(Full);
        }
        let cells = Cell::from_mut(self.octets.as_mut_slice()).as_slice_of_cells();
        if let (Some(from), Some(to)) = (cells.get(start..start + length), cells.get(self.end..end)) {
            for (to, from) in to.iter().zip(from) {
                to.set(from.get());
            }
        }
        self.end = end;
        self.records.push_back((record, length)).map_err(|_| Full)
    }

    /// The place of the first record for which `is_it` says so.
    pub(crate) fn position(&self, is_it: impl Fn(&R) -> bool) -> Option<usize> {
        self.records().position(is_it)
    }

    /// The records, in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = &R> {
        self.records.iter().map(|(record, _)| record)
    }

    /// Takes the oldest record.
    pub(crate) fn pop(&mut self) -> Option<(R, &[u8])> {
        let (record, length) = self.records.pop_front()?;
        let start = self.start;
        self.start += length;
        Some((record, self.octets.get(start..start + length).unwrap_or_default()))
    }
}
