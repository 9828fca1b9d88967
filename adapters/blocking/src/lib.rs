//! Runs an rserpool [`Machine`](rserpool::Machine) on the sockets of the standard library: one thread that sleeps until
//! there is something to do.
//!
//! # A registrar
//!
//! ```no_run
//! use std::net::{Ipv4Addr, SocketAddr};
//! use rserpool::registrar::{Registrar, RegistrarConfig, RegistrarEvent};
//! use rserpool::{Instant, Purpose};
//! use rserpool_blocking::{Application, Driver, Listen, Options};
//!
//! struct Log;
//!
//! impl Application<Registrar> for Log {
//!     fn event(&mut self, _now: Instant, event: RegistrarEvent<'_>) {
//!         println!("{event:?}");
//!     }
//! }
//!
//! let localhost = Ipv4Addr::LOCALHOST.into();
//! let registrar = Registrar::new(RegistrarConfig::new(SocketAddr::new(localhost, 9901), 42));
//! let mut driver = Driver::new(registrar, &Options::default())?;
//! driver.host().listen(Listen { address: localhost, udp_port: 9899, sctp_port: 3863, purposes: &[Purpose::Asap] })?;
//! driver.host().listen(Listen { address: localhost, udp_port: 9899, sctp_port: 9901, purposes: &[Purpose::Enrp] })?;
//! driver.run(&mut Log)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # An element that sends everything back
//!
//! ```no_run
//! use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement};
//! use rserpool::wire::PeIdentifier;
//! use rserpool::{AssociationId, Instant, OutgoingMessage, Purpose};
//! use rserpool_blocking::{Application, Driver, Flow, Listen, Options};
//!
//! #[derive(Default)]
//! struct Echo(Vec<(AssociationId, Vec<u8>)>);
//!
//! impl Application<PoolElement> for Echo {
//!     fn event(&mut self, _now: Instant, event: ElementEvent<'_>) {
//!         if let ElementEvent::Data { session, message } = event {
//!             self.0.push((session, message.octets.to_vec()));
//!         }
//!     }
//!
//!     fn commands(&mut self, _now: Instant, element: &mut PoolElement) -> Flow {
//!         for (session, octets) in self.0.drain(..) {
//!             let _ = element.send(session, OutgoingMessage::new(&octets));
//!         }
//!         Flow::Continue
//!     }
//! }
//!
//! let here: std::net::SocketAddr = "127.0.0.2:7000".parse()?;
//! let mut element = PoolElement::new(ElementConfig::new(b"echo", PeIdentifier(0x1234), here)?);
//! element.add_registrar("127.0.0.1:3863".parse::<std::net::SocketAddr>()?)?;
//! let mut driver = Driver::new(element, &Options::default())?;
//! let purposes = &[Purpose::Asap, Purpose::Session];
//! driver.host().listen(Listen { address: here.ip(), udp_port: 9899, sctp_port: here.port(), purposes })?;
//! let now = driver.now();
//! driver.host().machine().register(now);
//! driver.run(&mut Echo::default())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A user that asks once
//!
//! ```no_run
//! use rserpool::pool_user::{PoolUser, UserConfig, UserEvent};
//! use rserpool::{Instant, OutgoingMessage};
//! use rserpool_blocking::{Application, Driver, Flow, Options};
//!
//! struct Ask(bool);
//!
//! impl Application<PoolUser> for Ask {
//!     fn event(&mut self, _now: Instant, event: UserEvent<'_>) {
//!         if let UserEvent::Data { message, .. } = event {
//!             println!("{}", message.octets.escape_ascii());
//!             self.0 = true;
//!         }
//!     }
//!
//!     fn commands(&mut self, _now: Instant, _user: &mut PoolUser) -> Flow {
//!         if self.0 { Flow::Stop } else { Flow::Continue }
//!     }
//! }
//!
//! let mut user = PoolUser::new(UserConfig::default());
//! user.add_registrar("127.0.0.1:3863".parse::<std::net::SocketAddr>()?)?;
//! let mut driver = Driver::new(user, &Options::default())?;
//! let now = driver.now();
//! let session = driver.host().machine().open_session(now, "echo".into())?;
//! driver.host().machine().send(session, OutgoingMessage::new(b"anybody there?"))?;
//! driver.run(&mut Ask(false))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod driver;
mod element;
mod registrar;
mod start;
mod user;

pub use rserpool_sessions::{
    ElementOptions, ElementSessionEvent, Error, MAX_COOKIE, MAX_MESSAGE, Message, Network, PoolEvent, RegistrarOptions,
    Transport, UserOptions, UserSessionEvent,
};
pub use rserpool_sockets::{Host, MulticastOptions, Waker};
pub use rserpool_transport::{Application, Flow, Listen, Options};

pub use self::driver::Driver;
pub use self::element::{Client, Element};
pub use self::registrar::Registrar;
pub use self::user::{Session, User};
