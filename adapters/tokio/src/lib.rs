//! rserpool for tasks: handles to users, elements and registrars that run by themselves, each in a thread of its own with a runtime of
//! its own, and below them a [`Driver`], which runs any [`Machine`](rserpool::Machine) in the task that awaits it.
//!
//! All waiting calls may be cancelled: their documentation says what that means.
//!
//! # An element that sends everything back
//!
//! ```no_run
//! use rserpool::pool_element::ElementConfig;
//! use rserpool::wire::PeIdentifier;
//! use rserpool_tokio::{Element, ElementOptions};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let here: std::net::SocketAddr = "127.0.0.2:7000".parse()?;
//! let config = ElementConfig::new(b"echo", PeIdentifier(0x1234), here)?;
//! let element = Element::start(ElementOptions::new(config, ["127.0.0.1:3863".parse()?])).await?;
//! while let Some(client) = element.accept().await {
//!     tokio::spawn(async move {
//!         while let Some(message) = client.receive_message().await {
//!             if client.send(message).await.is_err() {
//!                 break;
//!             }
//!         }
//!     });
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # A user that asks once
//!
//! ```no_run
//! use rserpool_tokio::{User, UserOptions};
//!
//! # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
//! let user = User::start(UserOptions::new(["127.0.0.1:3863".parse()?])).await?;
//! let session = user.open("echo").await?;
//! session.send("anybody there?").await?;
//! println!("{:?}", session.receive_message().await);
//! # Ok(())
//! # }
//! ```
//!
//! # A registrar, by its driver
//!
//! ```no_run
//! use std::net::{Ipv4Addr, SocketAddr};
//! use rserpool::registrar::{Registrar, RegistrarConfig, RegistrarEvent};
//! use rserpool::{Instant, Purpose};
//! use rserpool_tokio::{Application, Driver, Listen, Options};
//!
//! struct Log;
//!
//! impl Application<Registrar> for Log {
//!     fn event(&mut self, _now: Instant, event: RegistrarEvent<'_>) {
//!         println!("{event:?}");
//!     }
//! }
//!
//! # async fn serve() -> std::io::Result<()> {
//! let localhost = Ipv4Addr::LOCALHOST.into();
//! let registrar = Registrar::new(RegistrarConfig::new(SocketAddr::new(localhost, 9901), 42));
//! let mut driver = Driver::new(registrar, &Options::default())?;
//! driver.host().listen(Listen { address: localhost, udp_port: 9899, sctp_port: 3863, purposes: &[Purpose::Asap] })?;
//! driver.host().listen(Listen { address: localhost, udp_port: 9899, sctp_port: 9901, purposes: &[Purpose::Enrp] })?;
//! driver.run(&mut Log).await
//! # }
//! ```

mod driver;
mod element;
mod polled;
mod readable;
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
