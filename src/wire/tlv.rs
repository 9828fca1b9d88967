//! The type-length-value format of all parameters (RFC 5354 §3): walking through them, and what happens with those
//! that are not known.

use core::ops::Range;

use super::encode::{Sink, padded};
use super::error::{DecodeError, DecodeErrorKind};
use super::param::is_known;

const PARAMETER_HEADER_LENGTH: usize = 4;

/// How many parameters a message may have us report. Further ones are skipped without a report, so that a peer
/// cannot turn one message into a long answer.
pub(crate) const MAX_REPORTED: usize = 4;

/// A parameter as it stands in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawParameter<'a> {
    /// Its type.
    pub parameter_type: u16,
    /// All its octets: type, length and value, without padding.
    pub octets: &'a [u8],
    /// Where it starts, in octets from the start of the message.
    pub(crate) offset: usize,
}

impl<'a> RawParameter<'a> {
    /// The octets behind type and length.
    #[must_use]
    pub fn value(&self) -> &'a [u8] {
        self.octets.get(PARAMETER_HEADER_LENGTH..).unwrap_or_default()
    }

    pub(crate) fn range(&self) -> Range<usize> {
        self.offset..self.offset.saturating_add(self.octets.len())
    }

    pub(crate) fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(kind, self.range())
    }

    pub(crate) fn length_error(&self) -> DecodeError {
        self.error(DecodeErrorKind::ParameterLength {
            parameter_type: self.parameter_type,
            length: u16::try_from(self.octets.len()).unwrap_or(u16::MAX),
        })
    }

    pub(crate) fn unexpected(&self) -> DecodeError {
        self.error(DecodeErrorKind::UnexpectedParameter { parameter_type: self.parameter_type })
    }

    /// The value as an array, or the error that its length is another.
    pub(crate) fn array<const N: usize>(&self) -> Result<&'a [u8; N], DecodeError> {
        self.value().try_into().map_err(|_| self.length_error())
    }

    /// The first `N` octets of the value, and the parameters behind them.
    pub(crate) fn fixed<const N: usize>(&self) -> Result<(&'a [u8; N], Parameters<'a>), DecodeError> {
        let (fixed, rest) = self.value().split_first_chunk().ok_or_else(|| self.length_error())?;
        let offset = self.offset.saturating_add(PARAMETER_HEADER_LENGTH).saturating_add(N);
        Ok((fixed, Parameters::new(rest, offset)))
    }
}

/// The parameters in a region of a message, one after the other.
#[derive(Clone)]
pub(crate) struct Parameters<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Parameters<'a> {
    /// `offset` is where `octets` start in the message.
    pub(crate) fn new(octets: &'a [u8], offset: usize) -> Self {
        Self { rest: octets, offset }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next parameter, `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<RawParameter<'a>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let truncated = |needed| {
            let kind = DecodeErrorKind::Truncated { needed, available: self.rest.len() };
            DecodeError::new(kind, self.offset..self.offset.saturating_add(self.rest.len()))
        };
        let &[t0, t1, l0, l1] = self.rest.first_chunk().ok_or_else(|| truncated(PARAMETER_HEADER_LENGTH))?;
        let (parameter_type, field) = (u16::from_be_bytes([t0, t1]), u16::from_be_bytes([l0, l1]));
        let length = usize::from(field);
        if length < PARAMETER_HEADER_LENGTH {
            let kind = DecodeErrorKind::ParameterLength { parameter_type, length: field };
            let end = self.offset.saturating_add(PARAMETER_HEADER_LENGTH);
            return Err(DecodeError::new(kind, self.offset..end));
        }
        let octets = self.rest.get(..length).ok_or_else(|| truncated(length))?;
        let parameter = RawParameter { parameter_type, octets, offset: self.offset };
        // The last parameter's padding is not part of what contains it (RFC 5354 §2), so it may not be there.
        self.rest = self.rest.get(padded(length)..).unwrap_or_default();
        self.offset = self.offset.saturating_add(padded(length));
        Ok(Some(parameter))
    }
}

/// Unknown parameters of a message or parameter that are to be reported to the sender with the error cause
/// "Unrecognized Parameter", whole, without padding. At most four; further ones go unreported.
pub type Unrecognized<'a> = heapless::Vec<&'a [u8], MAX_REPORTED>;

/// What decoding a message keeps beside the message.
#[derive(Default)]
pub(crate) struct Context<'a> {
    pub(crate) unrecognized: Unrecognized<'a>,
}

impl<'a> Context<'a> {
    /// What to do with a parameter that the reader has no use for. RFC 5354 §3: the two highest bits of an unknown
    /// type say whether to stop, and whether to report.
    pub(crate) fn unknown(&mut self, parameter: &RawParameter<'a>) -> Result<(), DecodeError> {
        let parameter_type = parameter.parameter_type;
        if is_known(parameter_type) {
            return Err(parameter.unexpected());
        }
        match parameter_type >> 14 {
            0b00 | 0b01 => Err(parameter.error(DecodeErrorKind::UnrecognizedParameter { parameter_type })),
            0b10 => Ok(()),
            _ => {
                let _ = self.unrecognized.push(parameter.octets);
                Ok(())
            }
        }
    }
}

/// The unknown parameters of a message or parameter. They are kept, and written behind the known ones.
#[derive(Clone, Copy, Default)]
pub struct Unknown<'a> {
    /// The region in which they stand, known ones between them; empty when there are none.
    region: &'a [u8],
}

impl<'a> Unknown<'a> {
    /// No unknown parameters.
    pub const NONE: Self = Self { region: &[] };

    /// The unknown ones among the parameters that `octets` hold one behind the other.
    #[must_use]
    pub fn new(octets: &'a [u8]) -> Self {
        Self { region: octets }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.region.is_empty()
    }

    /// The parameters, in order.
    pub fn iter(&self) -> impl Iterator<Item = RawParameter<'a>> + use<'a> {
        let mut parameters = Parameters::new(self.region, 0);
        core::iter::from_fn(move || {
            loop {
                match parameters.next() {
                    Ok(Some(parameter)) if is_known(parameter.parameter_type) => {}
                    Ok(parameter) => return parameter,
                    Err(_) => return None,
                }
            }
        })
    }

    #[inline]
    pub(crate) fn write(&self, sink: &mut impl Sink) {
        if self.is_empty() {
            return;
        }
        for parameter in self.iter() {
            sink.align();
            sink.put(parameter.octets);
        }
    }
}

impl PartialEq for Unknown<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().map(|p| p.octets).eq(other.iter().map(|p| p.octets))
    }
}

impl Eq for Unknown<'_> {}

impl core::fmt::Debug for Unknown<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter().map(|p| p.octets)).finish()
    }
}

/// Remembers whether a region holds unknown parameters.
pub(crate) struct UnknownSeen<'a> {
    region: &'a [u8],
    seen: bool,
}

impl<'a> UnknownSeen<'a> {
    pub(crate) fn new(parameters: &Parameters<'a>) -> Self {
        Self { region: parameters.rest(), seen: false }
    }

    pub(crate) fn add(&mut self, parameter: &RawParameter<'a>, context: &mut Context<'a>) -> Result<(), DecodeError> {
        self.seen = true;
        context.unknown(parameter)
    }

    pub(crate) fn finish(self) -> Unknown<'a> {
        if self.seen { Unknown { region: self.region } } else { Unknown::NONE }
    }
}

/// A parameter that may occur once.
pub(crate) struct Once<T> {
    parameter_type: u16,
    value: Option<T>,
}

impl<T> Once<T> {
    pub(crate) fn new(parameter_type: u16) -> Self {
        Self { parameter_type, value: None }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.value.is_some()
    }

    pub(crate) fn set(&mut self, parameter: &RawParameter<'_>, value: T) -> Result<(), DecodeError> {
        if self.value.is_some() {
            let parameter_type = parameter.parameter_type;
            return Err(parameter.error(DecodeErrorKind::DuplicateParameter { parameter_type }));
        }
        self.value = Some(value);
        Ok(())
    }

    pub(crate) fn optional(self) -> Option<T> {
        self.value
    }

    /// The value, or that it is missing in what stands at `within`.
    pub(crate) fn mandatory(self, within: Range<usize>) -> Result<T, DecodeError> {
        let kind = DecodeErrorKind::MissingParameter { parameter_type: self.parameter_type };
        self.value.ok_or_else(|| DecodeError::new(kind, within))
    }
}
