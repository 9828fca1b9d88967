//! Elements and their sessions, for threads that wait.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use rserpool::AssociationId;
use rserpool::pool_element::RegistrationFailure;
use rserpool::wire::Policy;
use rserpool_sessions::{ElementHandle, ElementOptions, ElementSession, ElementSessionEvent, Error, Message};

/// A pool element that runs in a thread of its own, where it answers keep-alives however busy the application is. Clones are the
/// same element. It leaves its pool and ends when the last of them and the last of its sessions are dropped.
#[derive(Clone, Debug)]
pub struct Element(ElementHandle);

impl From<ElementHandle> for Element {
    /// One that a driver of one's own runs.
    fn from(handle: ElementHandle) -> Self {
        Self(handle)
    }
}

impl Element {
    /// Starts an element. It registers, and if it cannot it tries again.
    ///
    /// # Errors
    ///
    /// Its address cannot be had.
    pub fn start(options: ElementOptions) -> io::Result<Self> {
        crate::start::start(options).map(Self)
    }

    /// Waits until it is a member of its pool, or a registrar does not want it, for whatever reason; it tries again by itself
    /// after a while.
    ///
    /// # Errors
    ///
    /// The element has ended.
    pub fn registered(&self) -> Result<Result<(), RegistrationFailure>, Error> {
        self.0.when_registered().get_blocking()
    }

    /// The session of the next user that says something; `None` when the element has ended.
    #[must_use]
    pub fn accept(&self) -> Option<Client> {
        self.0.sessions().receive_blocking().map(Client)
    }

    /// The same, but waits no longer than this.
    ///
    /// # Errors
    ///
    /// Nobody has come in time.
    pub fn accept_timeout(&self, limit: Duration) -> Result<Option<Client>, Error> {
        Ok(self.0.sessions().receive_timeout(limit)?.map(Client))
    }

    /// Registers the policy's values anew, as the element's load.
    pub fn set_policy(&self, policy: Policy<'static>) {
        self.0.set_policy(policy);
    }

    /// Leaves the pool, serves the users that are there until the last has gone, and ends. Waits for that.
    pub fn drain(&self) {
        // The answer is that it has ended.
        let _ = self.0.drain().get_blocking();
    }

    /// Leaves the pool, ends all sessions in order, and then the element. Waits for that.
    pub fn shut_down(self) {
        let _ = self.0.shut_down().get_blocking();
    }
}

/// The session of an element with a user. When it is dropped it ends in order: what was sent before still goes out; the user then goes on
/// with another element. Threads may share it.
#[derive(Debug)]
pub struct Client(ElementSession);

impl Client {
    /// Its name, unique within its element as long as it lasts.
    #[must_use]
    pub const fn id(&self) -> AssociationId {
        self.0.id()
    }

    /// Sends a message as soon as there is room for it in the queue.
    ///
    /// # Errors
    ///
    /// The message cannot be sent, or the session has ended.
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

    /// Gives the user the cookie that it is to bring to another element, should this one fail (RFC 5352 §3.8). It keeps its place among
    /// the messages. It should be signed, see `CookieKey` in the core's module `cookie`.
    ///
    /// # Errors
    ///
    /// The session has ended, or the cookie is too large.
    pub fn send_cookie(&self, cookie: impl Into<Bytes>) -> Result<(), Error> {
        self.0.send_cookie_blocking(cookie)
    }

    /// The next thing that happens in the session; `None` behind [`ElementSessionEvent::Closed`], or when the element has
    /// ended.
    #[must_use]
    pub fn receive(&self) -> Option<ElementSessionEvent> {
        self.0.end().incoming().receive_blocking()
    }

    /// The same, but waits no longer than this.
    ///
    /// # Errors
    ///
    /// Nothing has happened in time.
    pub fn receive_timeout(&self, limit: Duration) -> Result<Option<ElementSessionEvent>, Error> {
        self.0.end().incoming().receive_timeout(limit)
    }

    /// The next message, with all other events passed over; `None` when the session has ended.
    #[must_use]
    pub fn receive_message(&self) -> Option<Message> {
        loop {
            if let ElementSessionEvent::Message(message) = self.receive()? {
                return Some(message);
            }
        }
    }
}

/// What happens in a session until it ends.
impl Iterator for &Client {
    type Item = ElementSessionEvent;

    fn next(&mut self) -> Option<ElementSessionEvent> {
        self.receive()
    }
}
