//! Runs an rserpool [`Machine`](rserpool::Machine) on the sockets of the standard library: one thread that sleeps until
//! there is something to do.
//!
//! ```no_run
//! use std::net::Ipv4Addr;
//! use rserpool::registrar::{Registrar, RegistrarConfig, RegistrarEvent};
//! use rserpool::{EndpointBuf, Instant, Machine, Protocol, Purpose};
//! use rserpool_blocking::{Application, Driver, Flow, Listen, Options};
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
//! let enrp = EndpointBuf::single(Protocol::Sctp, localhost, 9901);
//! let registrar = Registrar::new(RegistrarConfig::new(enrp, 42));
//! let mut driver = Driver::new(registrar, Options::default())?;
//! driver.listen(Listen { address: localhost, udp_port: 9899, sctp_port: 3863, purposes: &[Purpose::Asap] })?;
//! driver.listen(Listen { address: localhost, udp_port: 9899, sctp_port: 9901, purposes: &[Purpose::Enrp] })?;
//! driver.run(&mut Log)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod driver;
mod poll;
mod sockets;
#[cfg(target_os = "linux")]
mod unreachable;

pub use self::driver::{Application, Driver, Flow, Listen, Options, Waker};
