//! Registrars, for threads that wait.

use std::io;

use rserpool::registrar::RegistrarConfig;
use rserpool_sessions::{Error, RegistrarHandle, RegistrarOptions};

/// A registrar that runs in a thread of its own. Clones are the same registrar. It gives its elements to a peer and ends when the
/// last of them is dropped.
#[derive(Clone, Debug)]
pub struct Registrar(RegistrarHandle);

impl From<RegistrarHandle> for Registrar {
    /// One that a driver of one's own runs.
    fn from(handle: RegistrarHandle) -> Self {
        Self(handle)
    }
}

impl Registrar {
    /// Starts a registrar.
    ///
    /// # Errors
    ///
    /// An address cannot be had.
    pub fn start(options: RegistrarOptions) -> io::Result<Self> {
        crate::start::start(options).map(Self)
    }

    /// Waits until its start is over, and it serves.
    ///
    /// # Errors
    ///
    /// The registrar has ended.
    pub fn serving(&self) -> Result<(), Error> {
        self.0.when_serving().get_blocking()
    }

    /// Takes other peers, timers and limits while it runs; see
    /// [`Registrar::reconfigure`](rserpool::registrar::Registrar::reconfigure).
    pub fn reconfigure(&self, config: RegistrarConfig) {
        self.0.reconfigure(config);
    }

    /// Gives its elements to a peer, and ends. Waits for that.
    pub fn shut_down(self) {
        // The answer is that it has ended.
        let _ = self.0.shut_down().get_blocking();
    }
}
