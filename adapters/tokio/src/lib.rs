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
mod element;
mod readable;
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

/// What nobody else can use at the moment.
fn unlocked<T>(mutex: &mut std::sync::Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner)
}
