//! The header that all messages share (RFC 5354 §4).

use super::encode::{Counter, EncodeError, Sink, Writer, padded};
use super::error::{DecodeError, DecodeErrorKind};
use super::sequence::WriteItem;
use super::tlv::{Parameters, Unrecognized};

pub(crate) const HEADER_LENGTH: usize = 4;

/// A decoded message, and what of it the sender wants to have reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a, M> {
    /// The message.
    pub message: M,
    /// Unknown parameters whose type asks for a report while the message is processed all the same (RFC 5354 §3).
    pub unrecognized: Unrecognized<'a>,
}

/// A message's header, checked, and what stands behind it.
pub(crate) struct Header<'a> {
    pub(crate) message_type: u8,
    pub(crate) flags: u8,
    /// The message length field.
    pub(crate) length: u16,
    /// The message, without padding.
    pub(crate) message: &'a [u8],
}

impl<'a> Header<'a> {
    pub(crate) fn decode(octets: &'a [u8]) -> Result<Self, DecodeError> {
        let truncated = |needed| {
            let kind = DecodeErrorKind::Truncated { needed, available: octets.len() };
            DecodeError::new(kind, 0..octets.len())
        };
        let &[message_type, flags, l0, l1] = octets.first_chunk().ok_or_else(|| truncated(HEADER_LENGTH))?;
        let length = u16::from_be_bytes([l0, l1]);
        if usize::from(length) < HEADER_LENGTH {
            return Err(DecodeError { offset: 2, ..DecodeError::new(DecodeErrorKind::MessageLength { length }, 0..4) });
        }
        let message = octets.get(..length.into()).ok_or_else(|| truncated(length.into()))?;
        // Padding is not part of the length, is at most three octets and its content is ignored (RFC 5354 §4).
        let end = padded(message.len());
        if octets.len() > end {
            let kind = DecodeErrorKind::TrailingOctets { count: octets.len().saturating_sub(end) };
            return Err(DecodeError::new(kind, end..octets.len()));
        }
        Ok(Self { message_type, flags, length, message })
    }

    /// The first `N` octets behind the header, and the parameters behind them.
    pub(crate) fn fixed<const N: usize>(&self) -> Result<(&'a [u8; N], Parameters<'a>), DecodeError> {
        let value = self.message.get(HEADER_LENGTH..).unwrap_or_default();
        let (fixed, rest) = value.split_first_chunk().ok_or_else(|| {
            let kind = DecodeErrorKind::MessageLength { length: self.length };
            DecodeError { offset: 2, ..DecodeError::new(kind, 0..self.message.len()) }
        })?;
        Ok((fixed, Parameters::new(rest, HEADER_LENGTH.saturating_add(N))))
    }

    /// The parameters of a message that has no fixed fields.
    pub(crate) fn parameters(&self) -> Parameters<'a> {
        Parameters::new(self.message.get(HEADER_LENGTH..).unwrap_or_default(), HEADER_LENGTH)
    }

    pub(crate) fn unrecognized(&self) -> DecodeError {
        let kind = DecodeErrorKind::UnrecognizedMessage { message_type: self.message_type };
        DecodeError::new(kind, 0..self.message.len())
    }
}

/// Writes a message: header, what `body` writes, padding.
pub(crate) fn write_message<S: Sink>(sink: &mut S, message_type: u8, flags: u8, body: impl FnOnce(&mut S)) {
    sink.u32(u32::from(message_type) << 24 | u32::from(flags) << 16);
    body(sink);
    sink.set_length(2, sink.position());
    sink.align();
}

/// How many octets a message takes, padding included.
pub(crate) fn encoded_len(message: &impl WriteItem) -> usize {
    let mut counter = Counter::default();
    message.write(&mut counter);
    counter.position()
}

/// Writes a message to the start of `buffer`, and returns the octets written.
pub(crate) fn encode(message: &impl WriteItem, buffer: &mut [u8]) -> Result<usize, EncodeError> {
    let mut writer = Writer::new(buffer);
    message.write(&mut writer);
    writer.finish()
}
