//! Elements and their sessions, for tasks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;
use rserpool::AssociationId;
use rserpool::pool_element::RegistrationFailure;
use rserpool::wire::Policy;
use rserpool_sessions::{ElementHandle, ElementOptions, ElementSession, ElementSessionEvent, Error, Message};

use crate::polled::Polled;

/// A pool element that runs in a thread of its own, where it answers keep-alives however busy the application is. Clones are the
/// same element. It leaves its pool and ends when the last of them and the last of its sessions are dropped.
#[derive(Clone, Debug)]
pub struct Element(ElementHandle);

impl Element {
    /// Starts an element. It registers, and if it cannot it tries again.
    ///
    /// # Errors
    ///
    /// Its address cannot be had.
    pub async fn start(options: ElementOptions) -> io::Result<Self> {
        crate::start::start(options).await.map(Self)
    }

    /// Waits until it is a member of its pool, or a registrar does not want it, for whatever reason; it tries again by itself
    /// after a while.
    ///
    /// # Errors
    ///
    /// The element has ended.
    pub async fn registered(&self) -> Result<Result<(), RegistrationFailure>, Error> {
        self.0.when_registered().get().await
    }

    /// The session of the next user that says something; `None` when the element has ended. If the future is
    /// dropped before it is ready, nobody is lost.
    pub async fn accept(&self) -> Option<Client> {
        self.0.sessions().receive().await.map(Client::new)
    }

    /// Registers the policy's values anew, as the element's load.
    pub fn set_policy(&self, policy: Policy<'static>) {
        self.0.set_policy(policy);
    }

    /// Leaves the pool, serves the users that are there until the last has gone, and ends. Waits for that.
    pub async fn drain(&self) {
        // The answer is that it has ended.
        let _ = self.0.drain().get().await;
    }

    /// Leaves the pool, ends all sessions in order, and then the element. Waits for that.
    pub async fn shut_down(self) {
        let _ = self.0.shut_down().get().await;
    }
}

/// The session of an element with a user. When it is dropped it ends in order: what was sent before still goes out; the user then goes on
/// with another element. Tasks may share it.
#[derive(Debug)]
pub struct Client {
    inner: ElementSession,
    polled: Polled<ElementSessionEvent>,
}

impl Client {
    fn new(inner: ElementSession) -> Self {
        let polled = Polled::new(inner.end());
        Self { inner, polled }
    }

    /// Its name, unique within its element as long as it lasts.
    #[must_use]
    pub const fn id(&self) -> AssociationId {
        self.inner.id()
    }

    /// Sends a message as soon as there is room for it in the queue. If the future is dropped before it is ready, the message is not
    /// sent.
    ///
    /// # Errors
    ///
    /// The message cannot be sent, or the session has ended.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.inner.end().send(message).await
    }

    /// Sends a message if there is room for it in the queue.
    ///
    /// # Errors
    ///
    /// There is none, or the message cannot be sent.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.inner.end().try_send(message)
    }

    /// Gives the user the cookie that it is to bring to another element, should this one fail (RFC 5352 §3.8). It keeps its place among
    /// the messages. It should be signed, see `CookieKey` in the core's module `cookie`.
    ///
    /// # Errors
    ///
    /// The session has ended, or the cookie is too large.
    pub async fn send_cookie(&self, cookie: impl Into<Bytes>) -> Result<(), Error> {
        self.inner.send_cookie(cookie).await
    }

    /// The next thing that happens in the session; `None` behind [`ElementSessionEvent::Closed`], or when the element has
    /// ended. If the future is dropped before it is ready, nothing is lost.
    pub async fn receive(&self) -> Option<ElementSessionEvent> {
        self.inner.end().incoming().receive().await
    }

    /// The next message, with all other events passed over; `None` when the session has ended.
    pub async fn receive_message(&self) -> Option<Message> {
        loop {
            if let ElementSessionEvent::Message(message) = self.receive().await? {
                return Some(message);
            }
        }
    }
}

/// What happens in the session until it ends.
impl Stream for Client {
    type Item = ElementSessionEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ElementSessionEvent>> {
        let this = self.get_mut();
        let event = ready!(this.polled.stream().poll_next(context));
        Poll::Ready(event)
    }
}

/// What is to be sent. Closing it flushes it; the session ends when it is dropped.
impl Sink<Message> for Client {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().polled.sink().poll_ready(context)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.get_mut().polled.sink().start_send(message)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().polled.sink().poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().polled.sink().poll_close(context)
    }
}
