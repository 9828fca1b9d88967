//! What runs by itself: a user, an element or a registrar.

use std::io;
use std::time::Duration;

use rserpool::{Instant, Machine};
use rserpool_sockets::Host;
use rserpool_transport::{Application, Options};

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
    fn start(self, now: Instant, host: &mut Host<Self::Machine>) -> io::Result<(Self::Handle, Self::Application)>;
}
