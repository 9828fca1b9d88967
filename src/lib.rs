//! Reliable Server Pooling (RFC 5351–5356) as protocol state machines without I/O.
//!
//! A service runs as several servers, *pool elements*, under one name, a *pool handle*. *Registrars* keep the list of
//! elements, watch over them, agree among themselves and take over from each other. *Pool users* ask a registrar for a
//! pool's elements, talk to one, and go on with the next when it dies. There is no single point of failure.
//!
//! | role | machine | RFC |
//! |---|---|---|
//! | registrar | [`registrar::Registrar`] (with the feature `alloc`, which is on by default) | 5352, 5353 |
//! | pool element | [`pool_element::PoolElement`] | 5352 |
//! | pool user | [`pool_user::PoolUser`] | 5352 |
//!
//! All three have one shape, [`Machine`]: they are told what happens and what time it is, and they say what to do. They
//! never read a clock, open a socket, allocate (but for the registrar), block or ask for randomness. The same inputs and
//! the same seed give the same outputs. So they fit any event loop, a microcontroller, a fuzzer, and tests in virtual
//! time.
//!
//! Below them, [`wire`] turns octets into messages and back, and [`handlespace`] is the registrar's data.
//!
//! # An element and a registrar without a network
//!
//! ```
//! use core::net::SocketAddr;
//! use rserpool::pool_element::{ElementConfig, PoolElement};
//! use rserpool::registrar::{Registrar, RegistrarConfig};
//! use rserpool::wire::PeIdentifier;
//! use rserpool::{Action, AssociationId, EndpointBuf, Input, Instant, Machine, Purpose};
//!
//! let here = SocketAddr::from(([10, 0, 0, 1], 7000));
//! let [asap, enrp] = [3863, 9901].map(|port| SocketAddr::from(([10, 0, 0, 2], port)));
//! let mut registrar = Registrar::new(RegistrarConfig::new(enrp, 42));
//! let mut element: PoolElement = PoolElement::new(ElementConfig::new(b"echo", PeIdentifier(0x1234), here)?);
//! element.add_registrar(asap)?;
//!
//! let now = Instant::ZERO;
//! registrar.handle(now, Input::Timeout);
//! element.register(now);
//!
//! // The two ends of the only association: the element names its own, we name the registrar's.
//! let at_registrar = AssociationId::accepted(1);
//! let mut at_element = None;
//! for _round in 0..3 {
//!     while let Some(action) = element.poll_action() {
//!         match action {
//!             Action::Open { association, .. } => {
//!                 at_element = Some(association);
//!                 let peer = EndpointBuf::from(here);
//!                 registrar.handle(now, Input::Accepted { association: at_registrar, purpose: Purpose::Asap, peer: peer.as_endpoint() });
//!             }
//!             Action::Send { message, .. } => registrar.handle(
//!                 now,
//!                 Input::Message { association: at_registrar, protocol: message.protocol, octets: message.octets },
//!             ),
//!             other => println!("element: {other:?}"),
//!         }
//!     }
//!     if let Some(association) = at_element.filter(|_| !element.is_registered()) {
//!         let peer = EndpointBuf::from(asap);
//!         element.handle(now, Input::Opened { association, peer: peer.as_endpoint() });
//!     }
//!     while let Some(action) = registrar.poll_action() {
//!         match (action, at_element) {
//!             (Action::Send { message, .. }, Some(association)) => {
//!                 element.handle(now, Input::Message { association, protocol: message.protocol, octets: message.octets });
//!             }
//!             (other, _) => println!("registrar: {other:?}"),
//!         }
//!     }
//! }
//! assert!(element.is_registered());
//! assert_eq!(registrar.handlespace().len(), 1);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Features
//!
//! - `alloc` (default): the registrar and its handlespace. Without it the crate needs no allocator: elements and users
//!   live in storage of fixed size, whose capacities are const parameters.
//! - `cookies`: keys with which elements sign or seal the cookies that they give their users.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod address_range;
mod asap_input;
mod client;
#[cfg(feature = "cookies")]
pub mod cookie;
pub mod endpoint;
pub mod handlespace;
pub mod machine;
pub mod pool_element;
pub mod pool_user;
mod profile;
mod random;
#[cfg(feature = "alloc")]
pub mod registrar;
mod time;
pub mod wire;

pub use self::address_range::{AddressRange, NoAddressRange};
pub use self::client::SendError;
pub use self::client::alarm::NoRegistrar;
pub use self::client::business_card::{CardError, MAX_BUSINESS_CARD};
pub use self::client::hunt::{ASAP_PORT, HuntConfig, TooManyRegistrars};
pub use self::client::sizes::{DEFAULT_COOKIE, MAX_COOKIE, MAX_REGISTRARS};
pub use self::client::transport::{MAX_OPAQUE_TRANSPORT, UserTransport};
pub use self::endpoint::{Endpoint, EndpointBuf, MAX_ADDRESSES, Protocol};
pub use self::machine::{
    Action, AssociationId, CloseReason, Delivery, Failover, IncomingMessage, Input, Machine, MulticastGroup,
    OpenFailure, OutgoingMessage, Progress, Purpose, SendBuffer,
};
pub use self::profile::{Life, Profile};
pub use self::random::Random;
pub use self::time::Instant;
