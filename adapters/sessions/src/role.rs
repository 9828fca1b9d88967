//! What runs by itself: a user, an element or a registrar.

use std::io;
use std::time::Duration;

use rserpool::{EndpointBuf, Instant, Machine, Purpose};
use rserpool_sockets::{Host, Waker};
use rserpool_transport::{Application, Options};

use crate::network::Network;

/// How large a thread's stack should be in which a role is made: machines hold all that they have in themselves.
pub const STACK: usize = 16 * 1024 * 1024;

/// What runs by itself, in a thread that an adapter gives it: it makes the machine there, has the role start, and runs the
/// driver with the application until that pauses.
pub trait Role: Send + 'static {
    /// Its machine.
    type Machine: Machine;
    /// What runs on top of the machine.
    type Application: Application<Self::Machine>;
    /// By which it is used from other threads.
    type Handle: Send + 'static;

    /// What to call the thread.
    const NAME: &'static str;

    /// What the driver has to know.
    fn options(&self) -> &Options;

    /// How long to wait at the end until associations have closed in order.
    fn shutdown_time(&self) -> Duration;

    /// The machine.
    ///
    /// # Errors
    ///
    /// Something is wrong with the role's configuration.
    fn machine(&self) -> io::Result<Self::Machine>;

    /// Prepares sockets and machine.
    ///
    /// # Errors
    ///
    /// An address cannot be had.
    fn start(
        self,
        now: Instant,
        place: &mut impl Place<Self::Machine>,
    ) -> io::Result<(Self::Handle, Self::Application)>;
}

/// Where a role's machine runs, and is connected with the world.
pub trait Place<M> {
    /// The machine.
    fn machine(&mut self) -> &mut M;

    /// Connects it: it listens at these endpoints, each for some purposes.
    ///
    /// # Errors
    ///
    /// An address cannot be had.
    fn connect(&mut self, network: &Network, listen: &[(EndpointBuf, &[Purpose])]) -> io::Result<()>;

    /// By which handles wake its driver.
    fn waker(&self) -> Waker;
}

impl<M: Machine> Place<M> for Host<M> {
    fn machine(&mut self) -> &mut M {
        Self::machine(self)
    }

    fn connect(&mut self, network: &Network, listen: &[(EndpointBuf, &[Purpose])]) -> io::Result<()> {
        network.prepare(self, listen)
    }

    fn waker(&self) -> Waker {
        Self::waker(self)
    }
}
