//! Octets to values and back: every message and parameter of ASAP (RFC 5352 §2), ENRP (RFC 5353 §2), their common
//! parameters (RFC 5354) and the member selection policies (RFC 5356).
//!
//! Decoding borrows: what [`asap::Message::decode`] and [`enrp::Message::decode`] return are views into the octets
//! that they were given. Every length is checked there, once, so that reading a view later cannot fail. Nothing is
//! allocated and nothing panics, whatever the input.
//!
//! Encoding writes into the caller's buffer. `encoded_len` tells the size beforehand.
//!
//! What this implementation does not know is kept: unknown parameters, unknown policies, unknown flag bits and
//! unknown error causes survive decoding and encoding.
//!
//! ```
//! use rserpool::wire::{asap, PoolHandle};
//!
//! // An ASAP_HANDLE_RESOLUTION for the pool "echo", written by hand from RFC 5352 §2.2.5.
//! let octets = [5, 0, 0, 12, 0, 9, 0, 8, b'e', b'c', b'h', b'o'];
//! let decoded = asap::Message::decode(&octets)?;
//! let asap::Body::HandleResolution(request) = &decoded.message.body else { panic!("another message") };
//! assert_eq!(request.pool_handle, PoolHandle::new(b"echo"));
//!
//! let mut buffer = [0; 64];
//! let length = decoded.message.encode(&mut buffer)?;
//! assert_eq!(buffer[..length], octets);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

#![deny(clippy::arithmetic_side_effects)]

pub mod asap;
pub(crate) mod encode;
pub mod enrp;
mod error;
mod header;
mod id;
pub mod param;
mod sequence;
mod tlv;

pub use self::encode::{EncodeError, padded};
pub use self::error::{DecodeError, DecodeErrorKind};
pub use self::header::Decoded;
pub use self::id::{PayloadProtocol, PeChecksum, PeIdentifier, PoolHandle, RegistrationLife, ServerIdentifier};
pub use self::param::error_cause::{CauseCode, CauseInformation, ErrorCause};
pub use self::param::policy::{Distance, Policy, PolicyType};
pub use self::param::pool_element::PoolElement;
pub use self::param::server_information::ServerInformation;
pub use self::param::transport::{IpProtocol, Transport, TransportProtocol, TransportUse};
pub use self::sequence::{Item, Sequence};
pub use self::tlv::{RawParameter, Unknown, Unrecognized};
