//! TCP through a pool: `element --proxy` makes any TCP service an element, `user --listen` lets any TCP client use it.
//!
//! ```text
//!   client ──TCP──▶ user ══ session of the pool ══▶ element ──TCP──▶ service
//! ```
//!
//! A connection is a session. What goes along beside the octets has payload protocol identifiers of its own: the end of a
//! direction, the end of all, and credit, by which neither side sends more than the other one's connection takes.

mod element;
mod pipe;
mod user;

use rserpool::wire::PayloadProtocol;

pub(crate) use self::element::Sidecar;
pub(crate) use self::user::run;

/// Octets of the connection.
const DATA: PayloadProtocol = PayloadProtocol::UNSPECIFIED;
/// The sender's client or service has no more to say. One octet, as there is no empty message.
const END: PayloadProtocol = PayloadProtocol(0x5250_0001);
/// The sender's connection is broken.
const RESET: PayloadProtocol = PayloadProtocol(0x5250_0002);
/// So many octets have been passed on, and as many more may be sent: four octets.
const CREDIT: PayloadProtocol = PayloadProtocol(0x5250_0003);

/// How many octets may be under way in one direction.
const WINDOW: usize = 256 * 1024;
