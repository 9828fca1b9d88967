//! Operation Error and its error causes (RFC 5354 §3.12).
//!
//! ```text
//! |   Type = 0xc          |      Length = variable        |
//! :   one or more error causes, each:                     :
//! |   Cause Code          |      Cause Length             |
//! :   Cause-Specific Information                          :
//! ```

use core::fmt;

use super::{OPERATION_ERROR, POLICY};
use crate::wire::encode::Sink;
use crate::wire::error::{DecodeError, DecodeErrorKind};
use crate::wire::param::policy::Policy;
use crate::wire::param::transport::Transport;
use crate::wire::sequence::{Item, Sequence, WriteItem};
use crate::wire::tlv::{Context, Parameters, RawParameter};

/// The number of an error cause (RFC 5354 §3.12).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CauseCode(pub u16);

impl CauseCode {
    /// §3.12.1.
    pub const UNSPECIFIED_ERROR: Self = Self(0x0);
    /// §3.12.2; the parameter is included.
    pub const UNRECOGNIZED_PARAMETER: Self = Self(0x1);
    /// §3.12.3; the message is included.
    pub const UNRECOGNIZED_MESSAGE: Self = Self(0x2);
    /// §3.12.4; the parameter is included.
    pub const INVALID_VALUES: Self = Self(0x3);
    /// §3.12.5.
    pub const NON_UNIQUE_PE_IDENTIFIER: Self = Self(0x4);
    /// §3.12.6; the pool's policy is included.
    pub const INCONSISTENT_POOLING_POLICY: Self = Self(0x5);
    /// §3.12.7.
    pub const LACK_OF_RESOURCES: Self = Self(0x6);
    /// §3.12.8; a transport of the pool's type is included.
    pub const INCONSISTENT_TRANSPORT_TYPE: Self = Self(0x7);
    /// §3.12.9.
    pub const INCONSISTENT_DATA_CONTROL_CONFIGURATION: Self = Self(0x8);
    /// §3.12.11.
    pub const UNKNOWN_POOL_HANDLE: Self = Self(0x9);
    /// §3.12.10.
    pub const REJECTED_DUE_TO_SECURITY_CONSIDERATIONS: Self = Self(0xa);

    /// Its name in RFC 5354; "unknown error cause" for others.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UNSPECIFIED_ERROR => "Unspecified Error",
            Self::UNRECOGNIZED_PARAMETER => "Unrecognized Parameter",
            Self::UNRECOGNIZED_MESSAGE => "Unrecognized Message",
            Self::INVALID_VALUES => "Invalid Values",
            Self::NON_UNIQUE_PE_IDENTIFIER => "Non-unique PE Identifier",
            Self::INCONSISTENT_POOLING_POLICY => "Inconsistent Pooling Policy",
            Self::LACK_OF_RESOURCES => "Lack of Resources",
            Self::INCONSISTENT_TRANSPORT_TYPE => "Inconsistent Transport Type",
            Self::INCONSISTENT_DATA_CONTROL_CONFIGURATION => "Inconsistent Data/Control Configuration",
            Self::UNKNOWN_POOL_HANDLE => "Unknown Pool Handle",
            Self::REJECTED_DUE_TO_SECURITY_CONSIDERATIONS => "Rejected due to security considerations",
            _ => "unknown error cause",
        }
    }
}

impl fmt::Display for CauseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:x})", self.name(), self.0)
    }
}

impl fmt::Debug for CauseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CauseCode({self})")
    }
}

/// What an error cause says beside its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CauseInformation<'a> {
    /// Any octets; none for most causes.
    Octets(&'a [u8]),
    /// The pool's policy, with [`CauseCode::INCONSISTENT_POOLING_POLICY`]; or one that is not known, with
    /// [`CauseCode::INVALID_VALUES`].
    Policy(Policy<'a>),
    /// A transport of the pool's type, with [`CauseCode::INCONSISTENT_TRANSPORT_TYPE`].
    Transport(Transport<'a>),
}

/// An error cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCause<'a> {
    /// What is reported.
    pub code: CauseCode,
    /// Its details.
    pub information: CauseInformation<'a>,
}

impl<'a> ErrorCause<'a> {
    /// A cause without information.
    #[must_use]
    pub const fn new(code: CauseCode) -> Self {
        Self { code, information: CauseInformation::Octets(&[]) }
    }

    /// "Unrecognized Parameter" with the parameter, whole, without padding.
    #[must_use]
    pub const fn unrecognized_parameter(parameter: &'a [u8]) -> Self {
        Self { code: CauseCode::UNRECOGNIZED_PARAMETER, information: CauseInformation::Octets(parameter) }
    }

    /// "Unrecognized Message" with the message, whole, without padding.
    #[must_use]
    pub const fn unrecognized_message(message: &'a [u8]) -> Self {
        Self { code: CauseCode::UNRECOGNIZED_MESSAGE, information: CauseInformation::Octets(message) }
    }

    /// "Invalid Values" with the parameter, whole, without padding.
    #[must_use]
    pub const fn invalid_parameter(parameter: &'a [u8]) -> Self {
        Self { code: CauseCode::INVALID_VALUES, information: CauseInformation::Octets(parameter) }
    }

    /// "Invalid Values" with a policy that is not known.
    #[must_use]
    pub const fn unknown_policy(policy: Policy<'a>) -> Self {
        Self { code: CauseCode::INVALID_VALUES, information: CauseInformation::Policy(policy) }
    }

    /// "Invalid Values" with a transport that is not the sender's.
    #[must_use]
    pub const fn invalid_transport(transport: Transport<'a>) -> Self {
        Self { code: CauseCode::INVALID_VALUES, information: CauseInformation::Transport(transport) }
    }

    /// "Inconsistent Pooling Policy" with the pool's policy.
    #[must_use]
    pub const fn inconsistent_pooling_policy(policy: Policy<'a>) -> Self {
        Self { code: CauseCode::INCONSISTENT_POOLING_POLICY, information: CauseInformation::Policy(policy) }
    }

    /// "Inconsistent Transport Type" with a transport of the pool's type.
    #[must_use]
    pub const fn inconsistent_transport_type(transport: Transport<'a>) -> Self {
        Self { code: CauseCode::INCONSISTENT_TRANSPORT_TYPE, information: CauseInformation::Transport(transport) }
    }

    /// The information is read as what its cause is said to carry; anything else stays octets, since it is for people.
    fn interpret(code: CauseCode, octets: &'a [u8]) -> Self {
        let parameter = || Parameters::new(octets, 0).next().ok().flatten().filter(|p| p.octets.len() == octets.len());
        let information = match code {
            CauseCode::INCONSISTENT_POOLING_POLICY | CauseCode::INVALID_VALUES => parameter()
                .filter(|p| p.parameter_type == POLICY)
                .and_then(|p| Policy::read(&p).ok())
                .map(CauseInformation::Policy),
            CauseCode::INCONSISTENT_TRANSPORT_TYPE => parameter()
                .and_then(|p| Transport::read(&p, &mut Context::default()).ok().flatten())
                .map(CauseInformation::Transport),
            _ => None,
        };
        Self { code, information: information.unwrap_or(CauseInformation::Octets(octets)) }
    }
}

impl<'a> Item<'a> for ErrorCause<'a> {
    fn from_parameter(parameter: &RawParameter<'a>) -> Option<Self> {
        Some(Self::interpret(CauseCode(parameter.parameter_type), parameter.value()))
    }

    fn is_type(_cause_code: u16) -> bool {
        true
    }
}

impl WriteItem for ErrorCause<'_> {
    fn write(&self, sink: &mut impl Sink) {
        // An error cause has the form of a parameter.
        sink.parameter(self.code.0, [], |sink| match &self.information {
            CauseInformation::Octets(octets) => sink.put(octets),
            CauseInformation::Policy(policy) => policy.write(sink),
            CauseInformation::Transport(transport) => transport.write(sink),
        });
    }
}

/// The causes in an Operation Error parameter.
pub(crate) fn read<'a>(parameter: &RawParameter<'a>) -> Result<Sequence<'a, ErrorCause<'a>>, DecodeError> {
    let (_, mut causes) = parameter.fixed::<0>()?;
    let region = causes.rest();
    loop {
        match causes.next() {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Sequence::received(region)),
            Err(error) => {
                let at = error.offset.saturating_sub(parameter.offset).saturating_add(2);
                let field = parameter.octets.get(at..).and_then(|o| o.first_chunk()).copied();
                let length = field.map_or(0, u16::from_be_bytes);
                let kind = DecodeErrorKind::CauseLength { length };
                return Err(DecodeError { offset: error.offset, ..parameter.error(kind) });
            }
        }
    }
}

pub(crate) fn write(sink: &mut impl Sink, causes: &Sequence<'_, ErrorCause<'_>>) {
    sink.parameter(OPERATION_ERROR, [], |sink| causes.write(sink));
}
