//! What can be wrong with a received message, where, and what its sender is to be told (RFC 5354 §3, §3.12, §4).

use core::fmt;
use core::ops::Range;

use super::param::error_cause::ErrorCause;
use super::param::name;

/// Why octets are not a message: what is wrong and at which offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Offset, in octets from the start of the message, of what is wrong.
    pub offset: usize,
    /// Where in the message the parameter stands that a report has to quote, without padding.
    pub(crate) quoted: Range<usize>,
}

/// What can be wrong with a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The octets end before the message, parameter or field does.
    Truncated {
        /// How many octets were needed from the offset on.
        needed: usize,
        /// How many there are.
        available: usize,
    },
    /// The message length field holds less than a message header, or less than the message's fixed fields.
    MessageLength {
        /// What the field holds.
        length: u16,
    },
    /// Octets follow behind the message and its padding.
    TrailingOctets {
        /// How many.
        count: usize,
    },
    /// The message type is not one of the protocol's (RFC 5354 §4).
    UnrecognizedMessage {
        /// The type.
        message_type: u8,
    },
    /// A parameter that is not known, and whose type says that the message must not be processed (RFC 5354 §3).
    UnrecognizedParameter {
        /// The type.
        parameter_type: u16,
    },
    /// A parameter's length is below 4, or is not the one that this type has.
    ParameterLength {
        /// The parameter's type.
        parameter_type: u16,
        /// What its length field holds.
        length: u16,
    },
    /// A parameter occurs twice that may occur once.
    DuplicateParameter {
        /// The parameter's type.
        parameter_type: u16,
    },
    /// A mandatory parameter is missing.
    MissingParameter {
        /// The parameter's type; for a transport, that of SCTP Transport.
        parameter_type: u16,
    },
    /// A known parameter stands where it has no meaning.
    UnexpectedParameter {
        /// The parameter's type.
        parameter_type: u16,
    },
    /// A transport parameter has no address, or more than its protocol allows.
    AddressCount {
        /// The transport parameter's type.
        parameter_type: u16,
    },
    /// The transport use field holds none of the two values of RFC 5354 §3.4.
    TransportUse {
        /// What the field holds.
        value: u16,
    },
    /// The ASAP transport of an element, or the transport of a registrar, is not an SCTP transport.
    TransportProtocol {
        /// The transport parameter's type.
        parameter_type: u16,
    },
    /// The policy type is one of the two invalid values of RFC 5356 §7.1.
    PolicyType {
        /// What the field holds.
        value: u32,
    },
    /// The update action is none of RFC 5353 §2.4.
    UpdateAction {
        /// What the field holds.
        value: u16,
    },
    /// An error cause's length is below 4, or goes beyond its parameter.
    CauseLength {
        /// What its length field holds.
        length: u16,
    },
}

impl DecodeError {
    pub(crate) fn new(kind: DecodeErrorKind, quoted: Range<usize>) -> Self {
        Self { kind, offset: quoted.start, quoted }
    }

    /// The error cause that the sender of `message`, which gave this error, is to get; `None` where the message is
    /// to be discarded without a word (RFC 5354 §3, §4).
    #[must_use]
    pub fn cause<'a>(&self, message: &'a [u8]) -> Option<ErrorCause<'a>> {
        let quoted = message.get(self.quoted.clone()).unwrap_or(message);
        match self.kind {
            // RFC 5354 §4: 00 discard, 01 discard and report, 10 and 11 reserved.
            DecodeErrorKind::UnrecognizedMessage { message_type } => {
                (message_type >> 6 == 0b01).then(|| ErrorCause::unrecognized_message(quoted))
            }
            // RFC 5354 §3: 00 stop, 01 stop and report; the other two do not end up here.
            DecodeErrorKind::UnrecognizedParameter { parameter_type } => {
                (parameter_type >> 14 == 0b01).then(|| ErrorCause::unrecognized_parameter(quoted))
            }
            // Not enough of a message to know who could be told what.
            DecodeErrorKind::Truncated { .. }
            | DecodeErrorKind::MessageLength { .. }
            | DecodeErrorKind::TrailingOctets { .. } => None,
            _ => Some(ErrorCause::invalid_parameter(quoted)),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at octet {}: ", self.offset)?;
        match self.kind {
            DecodeErrorKind::Truncated { needed, available } => {
                write!(f, "{needed} octets needed, {available} there")
            }
            DecodeErrorKind::MessageLength { length } => write!(f, "message length {length} is too small"),
            DecodeErrorKind::TrailingOctets { count } => write!(f, "{count} octets behind the message"),
            DecodeErrorKind::UnrecognizedMessage { message_type } => {
                write!(f, "unknown message type 0x{message_type:02x}")
            }
            DecodeErrorKind::UnrecognizedParameter { parameter_type } => {
                write!(f, "unknown parameter type 0x{parameter_type:04x}")
            }
            DecodeErrorKind::ParameterLength { parameter_type, length } => {
                write!(f, "wrong length {length} of {}", name(parameter_type))
            }
            DecodeErrorKind::DuplicateParameter { parameter_type } => {
                write!(f, "second {}", name(parameter_type))
            }
            DecodeErrorKind::MissingParameter { parameter_type } => {
                write!(f, "{} is missing", name(parameter_type))
            }
            DecodeErrorKind::UnexpectedParameter { parameter_type } => {
                write!(f, "{} has no place here", name(parameter_type))
            }
            DecodeErrorKind::AddressCount { parameter_type } => {
                write!(f, "wrong number of addresses in {}", name(parameter_type))
            }
            DecodeErrorKind::TransportUse { value } => write!(f, "unknown transport use 0x{value:04x}"),
            DecodeErrorKind::TransportProtocol { parameter_type } => {
                write!(f, "{} where only an SCTP Transport may stand", name(parameter_type))
            }
            DecodeErrorKind::PolicyType { value } => write!(f, "invalid policy type 0x{value:08x}"),
            DecodeErrorKind::UpdateAction { value } => write!(f, "unknown update action 0x{value:04x}"),
            DecodeErrorKind::CauseLength { length } => write!(f, "wrong length {length} of an error cause"),
        }
    }
}

impl core::error::Error for DecodeError {}
