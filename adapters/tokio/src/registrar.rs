//! Registrars, for tasks.

use std::io;

use rserpool::registrar::RegistrarConfig;
use rserpool_sessions::{Error, RegistrarHandle, RegistrarOptions};

/// A registrar that runs in a thread of its own. Clones are the same registrar. It gives its elements to a peer and ends when the
/// last of them is dropped.
#[derive(Clone, Debug)]
pub struct Registrar(RegistrarHandle);

impl Registrar {
    /// Starts a registrar.
    ///
    /// # Errors
    ///
    /// An address cannot be had.
    pub async fn start(options: RegistrarOptions) -> io::Result<Self> {
        crate::start::start(options).await.map(Self)
    }

    /// Waits until its start is over, and it serves.
    ///
    /// # Errors
    ///
    /// The registrar has ended.
    pub async fn serving(&self) -> Result<(), Error> {
        self.0.when_serving().get().await
    }

    /// Takes other peers, timers and limits while it runs; see
    /// [`Registrar::reconfigure`](rserpool::registrar::Registrar::reconfigure).
    pub fn reconfigure(&self, config: RegistrarConfig) {
        self.0.reconfigure(config);
    }

    /// Gives its elements to a peer, and ends. Waits for that.
    pub async fn shut_down(self) {
        // The answer is that it has ended.
        let _ = self.0.shut_down().get().await;
    }
}
