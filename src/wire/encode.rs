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

/// Where octets are written.
pub(crate) trait Sink {
    /// Writes octets.
    fn put(&mut self, octets: &[u8]);

    /// How many octets have been written.
    fn position(&self) -> usize;

    /// Writes `length` into the 16-bit field at `at`.
    fn set_length(&mut self, at: usize, length: usize);

    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// Pads with zeros to a multiple of 4.
    fn align(&mut self) {
        let position = self.position();
        let missing = padded(position).saturating_sub(position);
        self.put([0; 3].get(..missing).unwrap_or_default());
    }

    /// Writes a type-length-value parameter. `value` writes the value.
    ///
    /// Padding is written ahead of the next sibling, not behind the value. So a parameter's length covers the
    /// padding between nested parameters but not that behind the last, as RFC 5354 §2 has it.
    fn parameter(&mut self, parameter_type: u16, value: impl FnOnce(&mut Self))
    where
        Self: Sized,
    {
        self.align();
        let start = self.position();
        self.u16(parameter_type);
        self.u16(0);
        value(self);
        self.set_length(start.saturating_add(2), self.position().saturating_sub(start));
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
        self.position = self.position.saturating_add(octets.len());
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
    position: usize,
    too_long: Option<usize>,
}

impl<'b> Writer<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, position: 0, too_long: None }
    }

    /// How many octets have been written.
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
        let end = self.position.saturating_add(octets.len());
        if let Some(place) = self.buffer.get_mut(self.position..end) {
            place.copy_from_slice(octets);
        }
        self.position = end;
    }

    #[inline]
    fn position(&self) -> usize {
        self.position
    }

    #[inline]
    fn set_length(&mut self, at: usize, length: usize) {
        match u16::try_from(length) {
            Ok(value) => {
                if let Some(place) = self.buffer.get_mut(at..at.saturating_add(2)) {
                    place.copy_from_slice(&value.to_be_bytes());
                }
            }
            Err(_) => self.too_long = Some(length),
        }
    }
}
