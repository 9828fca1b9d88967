//! Users, elements and registrars of rserpool that run by themselves, each in a thread of its own, and the handles to them. The
//! adapters `rserpool-tokio` and `rserpool-blocking` give these handles their faces; what is here knows both ways of waiting and
//! none of running.
//!
//! ```text
//!   application ── End ══ queues ══ FarEnd ── UserApplication ── machine ── node ── sockets
//!    its threads                              |         the driver's thread              |
//! ```
//!
//! All queues are bounded. An application that sends more than its peer takes waits in `send`; a peer that sends more than the
//! application receives is made to wait by the transport.

mod element;
mod error;
mod hub;
mod link;
mod message;
mod network;
mod registrar;
mod role;
mod user;

pub use self::element::{
    ElementApplication, ElementHandle, ElementMachine, ElementOptions, Event as ElementSessionEvent,
    Listener as ElementListener, Session as ElementSession,
};
pub use self::error::Error;
pub use self::hub::Answer;
pub use self::link::{End, EventStream, Incoming, MessageSink};
pub use self::message::{MAX_MESSAGE, Message};
pub use self::network::{Network, Transport};
pub use self::registrar::{Listener as RegistrarListener, RegistrarApplication, RegistrarHandle, RegistrarOptions};
pub use self::role::{Place, Role, STACK};
pub use self::user::{
    Delay, Event as UserSessionEvent, Listener as UserListener, PoolEvent, Session as UserSession, UserApplication,
    UserHandle, UserMachine, UserOptions,
};
