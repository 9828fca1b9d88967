//! Users and their sessions, for threads that wait.

use std::io;
use std::time::Duration;

use rserpool::pool_user::{KnownElement, SessionId, SessionOptions, Target};
use rserpool::wire::PeIdentifier;
use rserpool_sessions::{Error, Message, PoolEvent, UserHandle, UserOptions, UserSession, UserSessionEvent};

/// A pool user that runs in a thread of its own. Clones are the same user. It ends when the last of them and the last of its
/// sessions are dropped.
#[derive(Clone, Debug)]
pub struct User(UserHandle);

impl From<UserHandle> for User {
    /// One that a driver of one's own runs.
    fn from(handle: UserHandle) -> Self {
        Self(handle)
    }
}

impl User {
    /// Starts a user.
    ///
    /// # Errors
    ///
    /// The operating system refuses.
    pub fn start(options: UserOptions) -> io::Result<Self> {
        crate::start::start(options).map(Self)
    }

    /// Opens a session with a pool. Messages may be sent at once; they wait until there is an element.
    ///
    /// # Errors
    ///
    /// There is no room for another session, or the handle is too long.
    pub fn open(&self, pool_handle: impl AsRef<[u8]>) -> Result<Session, Error> {
        self.open_with(pool_handle, SessionOptions::default())
    }

    /// Opens a session in a way of its own.
    ///
    /// # Errors
    ///
    /// There is no room for another session, or the handle is too long.
    pub fn open_with(&self, pool_handle: impl AsRef<[u8]>, options: SessionOptions) -> Result<Session, Error> {
        self.0.open(pool_handle.as_ref(), options).get_blocking()?.map(Session)
    }

    /// Asks a registrar for the elements of a pool (RFC 5352 §6.3, §6.9.1).
    ///
    /// # Errors
    ///
    /// No registrar answers, or it knows no such pool.
    pub fn resolve(&self, pool_handle: impl AsRef<[u8]>) -> Result<Vec<KnownElement>, Error> {
        self.0.resolve(pool_handle.as_ref()).get_blocking()?
    }

    /// The element of a pool whose turn it is, for an application that talks to it by itself; `None` if the pool has to be resolved
    /// first.
    ///
    /// # Errors
    ///
    /// The user has ended.
    pub fn primary(&self, pool_handle: impl AsRef<[u8]>) -> Result<Option<KnownElement>, Error> {
        self.0.primary(pool_handle.as_ref()).get_blocking()
    }

    /// The application, which talks to an element by itself, cannot reach it (RFC 5352 §6.9.2).
    pub fn report_unreachable(&self, pool_handle: impl AsRef<[u8]>, identifier: PeIdentifier) {
        self.0.report_unreachable(pool_handle.as_ref(), identifier);
    }

    /// Sends a message to a pool (RFC 5352 §6.5), as soon as there is room for it in the queue.
    ///
    /// # Errors
    ///
    /// The message cannot be sent.
    pub fn send_to_pool(
        &self,
        pool_handle: impl AsRef<[u8]>,
        target: Target,
        message: impl Into<Message>,
    ) -> Result<(), Error> {
        self.0.send_to_pool(pool_handle.as_ref(), target, message).get_blocking()?
    }

    /// What is heard of messages to pools: the next; `None` when the user has ended.
    #[must_use]
    pub fn receive(&self) -> Option<PoolEvent> {
        self.0.pool_events().receive_blocking()
    }

    /// The same, but waits no longer than this.
    ///
    /// # Errors
    ///
    /// Nothing has come in time.
    pub fn receive_timeout(&self, limit: Duration) -> Result<Option<PoolEvent>, Error> {
        self.0.pool_events().receive_timeout(limit)
    }

    /// Ends all sessions in order, and then the user, and waits for that.
    pub fn shut_down(self) {
        // The answer is that it has ended.
        let _ = self.0.shut_down().get_blocking();
    }
}

/// A session of a user with a pool. When it is dropped it ends in order: what was sent before still goes out, if an element can be
/// found for it within a few seconds. Threads may share it.
#[derive(Debug)]
pub struct Session(UserSession);

impl Session {
    /// Its number, unique within its user.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.0.id()
    }

    /// Sends a message as soon as there is room for it in the queue.
    ///
    /// # Errors
    ///
    /// The message cannot be sent, or the user has ended.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.0.end().send_blocking(message)
    }

    /// Sends a message if there is room for it in the queue.
    ///
    /// # Errors
    ///
    /// There is none, or the message cannot be sent.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.0.end().try_send(message)
    }

    /// The next thing that happens in the session; `None` when the user has ended.
    #[must_use]
    pub fn receive(&self) -> Option<UserSessionEvent> {
        let event = self.0.end().incoming().receive_blocking();
        event.inspect(|event| self.0.received(event))
    }

    /// The same, but waits no longer than this.
    ///
    /// # Errors
    ///
    /// Nothing has happened in time.
    pub fn receive_timeout(&self, limit: Duration) -> Result<Option<UserSessionEvent>, Error> {
        let event = self.0.end().incoming().receive_timeout(limit)?;
        Ok(event.inspect(|event| self.0.received(event)))
    }

    /// The next message, with all other events passed over; `None` when the user has ended. For applications that need not know
    /// when a session fails over: what has no answer by then may have to be sent again.
    #[must_use]
    pub fn receive_message(&self) -> Option<Message> {
        loop {
            if let UserSessionEvent::Message { message, .. } = self.receive()? {
                return Some(message);
            }
        }
    }

    /// The element does not do its work, though its association stands: it is reported, and the session fails over.
    pub fn report_failure(&self) {
        self.0.report_failure();
    }

    /// A session whose failover is manual goes on with the next element.
    pub fn fail_over(&self) {
        self.0.fail_over();
    }

    /// In a session whose failover is supervised or manual: the new element has been sent what it has to know, behind the event that
    /// told of it, and what was sent before that was received goes out now.
    pub fn resume(&self) {
        self.0.resume();
    }
}

/// What happens in a session until its user ends.
impl Iterator for &Session {
    type Item = UserSessionEvent;

    fn next(&mut self) -> Option<UserSessionEvent> {
        self.receive()
    }
}
