//! The adapter that was asked for, behind one face.

use std::io;
use std::net::{IpAddr, SocketAddr};

use clap::ValueEnum;
use rserpool::{Instant, Machine, Purpose};
use rserpool_blocking::{Application, Listen, MulticastOptions, Options};

/// Which adapter runs a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Adapter {
    /// The standard library's sockets, in one thread
    Blocking,
    /// Tokio
    Tokio,
}

/// Runs a machine.
pub(crate) enum Driver<M> {
    Blocking(rserpool_blocking::Driver<M>),
    Tokio(tokio::runtime::Runtime, rserpool_tokio::Driver<M>),
}

/// Wakes a driver.
#[derive(Clone, Debug)]
pub(crate) enum Waker {
    Blocking(rserpool_blocking::Waker),
    Tokio(rserpool_tokio::Waker),
}

impl Waker {
    pub(crate) fn wake(&self) {
        match self {
            // What could go wrong with it goes wrong with all that the driver does.
            Self::Blocking(waker) => _ = waker.wake(),
            Self::Tokio(waker) => waker.wake(),
        }
    }
}

impl<M: Machine> Driver<M> {
    pub(crate) fn new(adapter: Adapter, machine: M, options: &Options) -> io::Result<Self> {
        Ok(match adapter {
            Adapter::Blocking => Self::Blocking(rserpool_blocking::Driver::new(machine, options)?),
            Adapter::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
                let driver = rserpool_tokio::Driver::new(machine, options)?;
                Self::Tokio(runtime, driver)
            }
        })
    }

    pub(crate) fn machine(&mut self) -> &mut M {
        match self {
            Self::Blocking(driver) => driver.machine(),
            Self::Tokio(_, driver) => driver.machine(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Blocking(driver) => driver.now(),
            Self::Tokio(_, driver) => driver.now(),
        }
    }

    pub(crate) fn waker(&self) -> Waker {
        match self {
            Self::Blocking(driver) => Waker::Blocking(driver.waker()),
            Self::Tokio(_, driver) => Waker::Tokio(driver.waker()),
        }
    }

    pub(crate) fn listen(&mut self, listen: Listen<'_>) -> io::Result<SocketAddr> {
        match self {
            Self::Blocking(driver) => driver.listen(listen),
            Self::Tokio(_, driver) => driver.listen(listen),
        }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn use_kernel(&mut self, options: &Options) -> io::Result<()> {
        match self {
            Self::Blocking(driver) => driver.use_kernel(&options.sctp),
            Self::Tokio(_, driver) => driver.use_kernel(&options.sctp),
        }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn listen_kernel(&mut self, addresses: &[IpAddr], port: u16, purposes: &[Purpose]) -> io::Result<()> {
        match self {
            Self::Blocking(driver) => driver.listen_kernel(addresses, port, purposes),
            Self::Tokio(_, driver) => driver.listen_kernel(addresses, port, purposes),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn use_kernel(&mut self, _options: &Options) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn listen_kernel(&mut self, _: &[IpAddr], _: u16, _: &[Purpose]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn join(&mut self, options: &MulticastOptions) -> io::Result<()> {
        match self {
            Self::Blocking(driver) => driver.join(options),
            Self::Tokio(_, driver) => driver.join(options),
        }
    }

    pub(crate) fn set_udp_port(&mut self, address: IpAddr, sctp_port: u16, udp_port: u16) {
        match self {
            Self::Blocking(driver) => driver.set_udp_port(address, sctp_port, udp_port),
            Self::Tokio(_, driver) => driver.set_udp_port(address, sctp_port, udp_port),
        }
    }

    /// Runs until the application says to stop, and closes all associations in order.
    pub(crate) fn run(&mut self, application: &mut impl Application<M>) -> io::Result<()> {
        match self {
            Self::Blocking(driver) => driver.run(application),
            Self::Tokio(runtime, driver) => runtime.block_on(driver.run(application)),
        }
    }
}
