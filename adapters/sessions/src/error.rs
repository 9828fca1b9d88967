//! Why something could not be done.

use std::fmt;

use rserpool::pool_user::{OpenError, ResolutionFailure};

use crate::message::MAX_MESSAGE;

/// Why something could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The session has ended, or the user or element that it belongs to.
    Ended,
    /// The time that was given for it is over.
    TimedOut,
    /// There is no room for the message at the moment. Only [`try_send`](crate::End::try_send) tells that, the others wait.
    Full,
    /// SCTP has no empty messages.
    Empty,
    /// The message is larger than [`MAX_MESSAGE`].
    TooLarge {
        /// Its length in octets.
        length: usize,
    },
    /// The cookie is longer than the element's users keep.
    CookieTooLong {
        /// Its length in octets.
        length: usize,
        /// The longest that may be sent, in octets.
        limit: usize,
    },
    /// The payload protocol identifier of ASAP is the control channel's (RFC 5352 §5).
    ReservedProtocol,
    /// As many sessions or pools are in use as there is room for.
    NoRoom,
    /// The pool handle is longer than [`MAX_POOL_HANDLE`](rserpool::pool_element::MAX_POOL_HANDLE).
    PoolHandleTooLong,
    /// The pool could not be resolved.
    Unresolved(ResolutionFailure),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("it has ended"),
            Self::TimedOut => f.write_str("the time for it is over"),
            Self::Full => f.write_str("there is no room for the message at the moment"),
            Self::Empty => f.write_str("a message must have at least one octet"),
            Self::TooLarge { length } => {
                write!(f, "a message of {length} octets is too large, {MAX_MESSAGE} is the limit")
            }
            Self::CookieTooLong { length, limit } => {
                write!(f, "a cookie of {length} octets is too long, {limit} is the limit")
            }
            Self::ReservedProtocol => f.write_str("the payload protocol identifier of ASAP is not for data"),
            Self::NoRoom => f.write_str("no room for another session or pool"),
            Self::PoolHandleTooLong => f.write_str("the pool handle is too long"),
            Self::Unresolved(ResolutionFailure::NoAnswer) => f.write_str("no registrar answers"),
            Self::Unresolved(ResolutionFailure::Rejected(None)) => {
                f.write_str("the registrar does not say who is in the pool")
            }
            Self::Unresolved(ResolutionFailure::Rejected(Some(cause))) => {
                write!(f, "the registrar does not say who is in the pool: {cause}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::PoolHandleTooLong => Self::PoolHandleTooLong,
            _ => Self::NoRoom,
        }
    }
}
