//! TCP through a pool: `element --proxy` makes any TCP service an element, `user --listen` lets any TCP client use it.
//!
//! ```text
//!   client ──TCP──▶ user ══ session of the pool ══▶ element ──TCP──▶ service
//! ```
//!
//! A connection is a session. What goes along beside the octets has payload protocol identifiers of its own: the end of a
//! direction, the end of all, and credit, by which neither side sends more than the other one's connection takes.
//!
//! Credit is also how a session begins. The user gives some as soon as it has an element; then the element connects to its service, and
//! gives some when the service has taken the connection. Nothing of the client is read before that, so a connection whose element
//! or service turns out to be dead may have another one. An element takes the messages of users that know nothing of credit as well.

mod client;
mod connections;
mod element;
mod health;
mod relay;
mod said;
mod stream;
mod user;

use rserpool::wire::PayloadProtocol;

pub(crate) use self::element::Sidecar;
pub(crate) use self::health::Standing;
pub(crate) use self::user::run;

/// Octets of the connection.
const DATA: PayloadProtocol = PayloadProtocol::UNSPECIFIED;
/// The sender's client or service has no more to say. One octet, as there is no empty message.
const END: PayloadProtocol = PayloadProtocol(0x5250_0001);
/// The sender's connection is broken: one octet that says why.
const RESET: PayloadProtocol = PayloadProtocol(0x5250_0002);
/// So many octets more may be sent: four octets.
const CREDIT: PayloadProtocol = PayloadProtocol(0x5250_0003);

/// How many octets may be under way in one direction.
const WINDOW: usize = 256 * 1024;
/// How many octets are read at a time, and go into a message.
const CHUNK: usize = 16 * 1024;

/// Why a connection is broken, as [`RESET`] says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// The client or the service has broken it, or has not taken it.
    Failed,
    /// Nothing has moved on it for too long.
    Idle,
}

impl Reason {
    const fn octets(self) -> [u8; 1] {
        match self {
            Self::Failed => [0],
            Self::Idle => [1],
        }
    }

    const fn of(octets: &[u8]) -> Self {
        match octets {
            [1, ..] => Self::Idle,
            _ => Self::Failed,
        }
    }
}
