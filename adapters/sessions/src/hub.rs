//! The way from handles to the driver that they belong to.

use std::sync::Arc;

use flume::{Receiver, Sender};

use crate::error::Error;
use crate::link::Doorbell;

/// What handles of a driver share. When the last of them is dropped the driver comes to its end.
#[derive(Debug)]
pub(crate) struct Hub<C> {
    commands: Option<Sender<C>>,
    doorbell: Arc<Doorbell>,
}

impl<C> Hub<C> {
    pub(crate) fn new(doorbell: &Arc<Doorbell>) -> (Arc<Self>, Receiver<C>) {
        // Each handle waits for the answer to its command, or gives none before the last is dealt with.
        let (sender, commands) = flume::unbounded();
        (Arc::new(Self { commands: Some(sender), doorbell: Arc::clone(doorbell) }), commands)
    }

    pub(crate) fn tell(&self, command: C) {
        if let Some(commands) = &self.commands {
            // A driver that has ended has nothing to do any more.
            let _ = commands.send(command);
        }
        self.doorbell.ring();
    }

    /// Gives a command, to which there is an answer.
    pub(crate) fn ask<T>(&self, command: impl FnOnce(Sender<T>) -> C) -> Answer<T> {
        let (sender, answer) = flume::bounded(1);
        self.tell(command(sender));
        Answer(answer)
    }

    pub(crate) const fn doorbell(&self) -> &Arc<Doorbell> {
        &self.doorbell
    }
}

impl<C> Drop for Hub<C> {
    fn drop(&mut self) {
        self.commands = None;
        self.doorbell.ring();
    }
}

/// The answer to a command. To be waited for in one way or the other.
#[must_use = "nothing is known before the answer has come"]
#[derive(Debug)]
pub struct Answer<T>(Receiver<T>);

impl<T> Answer<T> {
    /// Waits for it. If the future is dropped before, the command is carried out all the same.
    ///
    /// # Errors
    ///
    /// The driver has ended.
    pub async fn get(self) -> Result<T, Error> {
        self.0.recv_async().await.map_err(|_| Error::Ended)
    }

    /// The same; the thread waits.
    ///
    /// # Errors
    ///
    /// The driver has ended.
    pub fn get_blocking(self) -> Result<T, Error> {
        self.0.recv().map_err(|_| Error::Ended)
    }
}
