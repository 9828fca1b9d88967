//! Writing messages: a sink that is either the caller's buffer or a count of octets, and the one rule of padding
//! (RFC 5354 §2, §3, §4).

use core::fmt;

/// Why a message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The buffer is too small.
    BufferTooSmall {
        /// The message's size, padding included.
        needed: usize,
        /// The buffer's size.
        available: usize,
    },
    /// The message or one of its parameters is longer than a 16-bit length field can say.
    TooLong {
        /// The length it would have.
        length: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { needed, available } => {
                write!(f, "the message takes {needed} octets, the buffer has {available}")
            }
            Self::TooLong { length } => write!(f, "{length} octets do not fit a 16-bit length field"),
        }
    }
}

impl core::error::Error for EncodeError {}

/// `length` rounded up to the next multiple of 4, as messages and parameters take up room (RFC 5354 §3, §4).
#[must_use]
pub const fn padded(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// How many octets a number of 32 bits and some more take.
const fn length_of_words(more: usize) -> usize {
    more.saturating_add(1).saturating_mul(4)
}

/// Where octets are written.
pub(crate) trait Sink {
    /// Writes octets.
    fn put(&mut self, octets: &[u8]);

    /// How many octets have been written.
    fn position(&self) -> usize;

    /// Writes `length` into the 16-bit field at `at`.
    fn set_length(&mut self, at: usize, length: usize);

    /// Writes numbers of 32 bits, at least one, all at once.
    fn words<const N: usize>(&mut self, first: u32, more: [u32; N]);

    #[inline]
    fn u32(&mut self, value: u32) {
        self.words(value, []);
    }

    /// Pads with zeros to a multiple of 4.
    #[inline]
    fn align(&mut self) {
        let position = self.position();
        let missing = position.wrapping_neg() & 3;
        if missing > 0 {
            self.put([0; 3].get(..missing).unwrap_or_default());
        }
    }

    /// Writes a type-length-value parameter, whose value begins with some numbers of 32 bits. `rest` writes what stands
    /// behind them.
    ///
    /// Padding is written ahead of the next sibling, not behind the value. So a parameter's length covers the
    /// padding between nested parameters but not that behind the last, as RFC 5354 §2 has it.
    #[inline(always)]
    fn parameter<const N: usize>(&mut self, parameter_type: u16, fixed: [u32; N], rest: impl FnOnce(&mut Self))
    where
        Self: Sized,
    {
        self.align();
        let start = self.position();
        self.words(u32::from(parameter_type) << 16, fixed);
        rest(self);
        self.set_length(start.wrapping_add(2), self.position().wrapping_sub(start));
    }

    /// Writes a parameter whose value is nothing but some numbers of 32 bits.
    #[inline(always)]
    fn short_parameter<const N: usize>(&mut self, parameter_type: u16, value: [u32; N]) {
        self.align();
        self.words(u32::from(parameter_type) << 16 | const { length_of_words(N) as u32 }, value);
    }
}

/// Counts what would be written.
#[derive(Default)]
pub(crate) struct Counter {
    position: usize,
}

impl Sink for Counter {
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        self.position = self.position.wrapping_add(octets.len());
    }

    #[inline]
    fn words<const N: usize>(&mut self, _first: u32, _more: [u32; N]) {
        self.position = self.position.wrapping_add(const { length_of_words(N) });
    }

    #[inline]
    fn position(&self) -> usize {
        self.position
    }

    #[inline]
    fn set_length(&mut self, _at: usize, _length: usize) {}
}

/// Writes into a buffer. What does not fit is counted, and [`Writer::finish`] says so.
pub(crate) struct Writer<'b> {
    buffer: &'b mut [u8],
    /// It cannot wrap around: that would take as many octets as there are addresses.
    position: usize,
    too_long: Option<usize>,
}

impl<'b> Writer<'b> {
    #[inline]
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, position: 0, too_long: None }
    }

    /// How many octets have been written.
    #[inline]
    pub(crate) fn finish(self) -> Result<usize, EncodeError> {
        match self.too_long {
            Some(length) => Err(EncodeError::TooLong { length }),
            None if self.position > self.buffer.len() => {
                Err(EncodeError::BufferTooSmall { needed: self.position, available: self.buffer.len() })
            }
            None => Ok(self.position),
        }
    }
}

impl Sink for Writer<'_> {
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        if let Some(place) = self.buffer.get_mut(self.position..).and_then(|rest| rest.get_mut(..octets.len())) {
            place.copy_from_slice(octets);
        }
        self.position = self.position.wrapping_add(octets.len());
    }

    #[inline(always)]
    fn words<const N: usize>(&mut self, first: u32, more: [u32; N]) {
        let length = const { length_of_words(N) };
        if let Some(place) = self.buffer.get_mut(self.position..).and_then(|rest| rest.get_mut(..length)) {
            for (place, word) in place.as_chunks_mut().0.iter_mut().zip(core::iter::once(first).chain(more)) {
                *place = word.to_be_bytes();
            }
        }
        self.position = self.position.wrapping_add(length);
    }

    #[inline]
    fn position(&self) -> usize {
        self.position
    }

    #[inline(always)]
    fn set_length(&mut self, at: usize, length: usize) {
        match u16::try_from(length) {
            Ok(value) => {
                if let Some(place) = self.buffer.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                    *place = value.to_be_bytes();
                }
            }
            Err(_) => self.too_long = Some(length),
        }
    }
}
