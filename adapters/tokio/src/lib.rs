//! Runs an rserpool [`Machine`](rserpool::Machine) on tokio: one task that sleeps until there is something to do.
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
mod readable;

pub use rserpool_sockets::{Host, MulticastOptions, Waker};
pub use rserpool_transport::{Application, Flow, Listen, Options};

pub use self::driver::Driver;
