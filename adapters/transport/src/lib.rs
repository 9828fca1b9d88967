//! Transports for rserpool, still without I/O: datagrams in, messages out, and the other way round.
//!
//! [`SctpOverUdp`] holds all SCTP associations of a process that run over UDP (RFC 6951), on any number of UDP
//! sockets. An adapter gives it the datagrams that its sockets receive and the time, sends what it wants to have sent,
//! and passes its events to a [`Machine`](rserpool::Machine). [`TcpConnection`] is ASAP over TCP, likewise. [`Node`] is a
//! machine with all that: what is left for an adapter is to wait, to read and to write.

mod association;
mod config;
mod cookie;
mod delivery;
mod endpoint;
mod news;
mod node;
mod packet;
mod secret;
mod tcp;

pub use self::config::{Limits, SctpConfig};
pub use self::delivery::Undelivered;
pub use self::endpoint::{
    AssociationHandle, LocalPort, OpenError, Reading, SctpOverUdp, SendError, SocketIndex, Transmit,
};
pub use self::news::{Event, News, Peer};
pub use self::node::{Application, BACKLOG, DirectHandle, Flow, Listen, Node, Opening, Options, Sockets};
pub use self::tcp::{TcpConfig, TcpConnection, TcpState};

/// The UDP port that SCTP packets are sent to unless something else is known (RFC 6951 §5.1).
pub const ENCAPSULATION_PORT: u16 = 9899;
