//! rserpool for threads that wait: handles to users, elements and registrars that run by themselves, each in a thread of its own,
//! and below them a [`Driver`], which runs any [`Machine`](rserpool::Machine) in the thread that calls it.
//!
//! # An element that sends everything back
//!
//! ```no_run
//! use rserpool::pool_element::ElementConfig;
//! use rserpool::wire::PeIdentifier;
//! use rserpool_blocking::{Element, ElementOptions};
//!
//! let here: std::net::SocketAddr = "127.0.0.2:7000".parse()?;
//! let config = ElementConfig::new(b"echo", PeIdentifier(0x1234), here)?;
//! let element = Element::start(ElementOptions::new(config, ["127.0.0.1:3863".parse()?]))?;
//! while let Some(client) = element.accept() {
//!     std::thread::spawn(move || {
//!         while let Some(message) = client.receive_message() {
//!             if client.send(message).is_err() {
//!                 break;
//!             }
//!         }
//!     });
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A user that asks once
//!
//! ```no_run
//! use rserpool_blocking::{User, UserOptions};
//!
//! let user = User::start(UserOptions::new(["127.0.0.1:3863".parse()?]))?;
//! let session = user.open("echo")?;
//! session.send("anybody there?")?;
//! println!("{:?}", session.receive_message());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A registrar, by its driver
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

mod driver;
mod element;
mod registrar;
mod start;
mod user;

pub use rserpool_sessions::{
    Delay, ElementOptions, ElementSessionEvent, Error, MAX_MESSAGE, Message, Network, PoolEvent, RegistrarOptions,
    Transport, UserOptions, UserSessionEvent,
};
pub use rserpool_sockets::{Host, MulticastOptions, Waker};
pub use rserpool_transport::{Application, Flow, Listen, Options, SctpConfig, TcpConfig};

pub use self::driver::Driver;
pub use self::element::{Client, Element};
pub use self::registrar::Registrar;
pub use self::user::{Session, User};
