//! The adapter that was asked for, behind one face.

use std::io;
use std::net::IpAddr;

use clap::ValueEnum;
use rserpool::{Instant, Machine, Purpose};
use rserpool_blocking::{Application, Host, Options, Waker};

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

impl<M: Machine> Driver<M> {
    pub(crate) fn new(adapter: Adapter, machine: M, options: &Options) -> io::Result<Self> {
        Ok(match adapter {
            Adapter::Blocking => Self::Blocking(rserpool_blocking::Driver::new(machine, options)?),
            Adapter::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
                let guard = runtime.enter();
                let driver = rserpool_tokio::Driver::new(machine, options)?;
                drop(guard);
                Self::Tokio(runtime, driver)
            }
        })
    }

    pub(crate) fn host(&mut self) -> &mut Host<M> {
        match self {
            Self::Blocking(driver) => driver.host(),
            Self::Tokio(_, driver) => driver.host(),
        }
    }

    pub(crate) fn waker(&mut self) -> Waker {
        self.host().waker()
    }

    pub(crate) fn machine(&mut self) -> &mut M {
        self.host().machine()
    }

    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Blocking(driver) => driver.now(),
            Self::Tokio(_, driver) => driver.now(),
        }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn use_kernel(&mut self, options: &Options) -> io::Result<()> {
        self.host().use_kernel(&options.sctp)
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn listen_kernel(&mut self, addresses: &[IpAddr], port: u16, purposes: &[Purpose]) -> io::Result<()> {
        self.host().listen_kernel(addresses, port, purposes)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn use_kernel(&mut self, _options: &Options) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn listen_kernel(&mut self, _: &[IpAddr], _: u16, _: &[Purpose]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Runs until the application says to stop, and closes all associations in order.
    pub(crate) fn run(&mut self, application: &mut impl Application<M>) -> io::Result<()> {
        match self {
            Self::Blocking(driver) => driver.run(application),
            Self::Tokio(runtime, driver) => runtime.block_on(driver.run(application)),
        }
    }
}
