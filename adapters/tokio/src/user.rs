//! Users and their sessions, for tasks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;
use rserpool::pool_user::{KnownElement, SessionId, SessionOptions, Target};
use rserpool::wire::PeIdentifier;
use rserpool_sessions::{Error, Message, PoolEvent, UserHandle, UserOptions, UserSession, UserSessionEvent};

use crate::polled::Polled;

/// A pool user that runs in a thread of its own, whatever the runtime does. Clones are the same user. It ends when the last of them and the last of its
/// sessions are dropped.
#[derive(Clone, Debug)]
pub struct User(UserHandle);

impl User {
    /// Starts a user.
    ///
    /// # Errors
    ///
    /// The operating system refuses.
    pub async fn start(options: UserOptions) -> io::Result<Self> {
        crate::start::start(options).await.map(Self)
    }

    /// Opens a session with a pool. Messages may be sent at once; they wait until there is an element.
    ///
    /// # Errors
    ///
    /// There is no room for another session, or the handle is too long.
    pub async fn open(&self, pool_handle: impl AsRef<[u8]>) -> Result<Session, Error> {
        self.open_with(pool_handle, SessionOptions::default()).await
    }

    /// Opens a session in a way of its own.
    ///
    /// # Errors
    ///
    /// There is no room for another session, or the handle is too long.
    pub async fn open_with(&self, pool_handle: impl AsRef<[u8]>, options: SessionOptions) -> Result<Session, Error> {
        self.0.open(pool_handle.as_ref(), options).get().await?.map(Session::new)
    }

    /// Asks a registrar for the elements of a pool (RFC 5352 §6.3, §6.9.1).
    ///
    /// # Errors
    ///
    /// No registrar answers, or it knows no such pool.
    pub async fn resolve(&self, pool_handle: impl AsRef<[u8]>) -> Result<Vec<KnownElement>, Error> {
        self.0.resolve(pool_handle.as_ref()).get().await?
    }

    /// The element of a pool whose turn it is, for an application that talks to it by itself; `None` if the pool has to be resolved
    /// first.
    ///
    /// # Errors
    ///
    /// The user has ended.
    pub async fn primary(&self, pool_handle: impl AsRef<[u8]>) -> Result<Option<KnownElement>, Error> {
        self.0.primary(pool_handle.as_ref()).get().await
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
    pub async fn send_to_pool(
        &self,
        pool_handle: impl AsRef<[u8]>,
        target: Target,
        message: impl Into<Message>,
    ) -> Result<(), Error> {
        self.0.send_to_pool(pool_handle.as_ref(), target, message).get().await?
    }

    /// What is heard of messages to pools: the next; `None` when the user has ended.
    pub async fn receive(&self) -> Option<PoolEvent> {
        self.0.pool_events().receive().await
    }

    /// Ends all sessions in order, and then the user, and waits for that.
    pub async fn shut_down(self) {
        // The answer is that it has ended.
        let _ = self.0.shut_down().get().await;
    }
}

/// A session of a user with a pool. When it is dropped it ends in order: what was sent before still goes out, if an element can be
/// found for it within a few seconds. Tasks may share it.
#[derive(Debug)]
pub struct Session {
    inner: UserSession,
    polled: Polled<UserSessionEvent>,
}

impl Session {
    fn new(inner: UserSession) -> Self {
        let polled = Polled::new(inner.end());
        Self { inner, polled }
    }

    /// Its number, unique within its user.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.inner.id()
    }

    /// Sends a message as soon as there is room for it in the queue. If the future is dropped before it is ready, the message is not
    /// sent.
    ///
    /// # Errors
    ///
    /// The message cannot be sent, or the user has ended.
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

    /// The next thing that happens in the session; `None` when the user has ended. If the future is dropped before it is ready,
    /// nothing is lost.
    pub async fn receive(&self) -> Option<UserSessionEvent> {
        let event = self.inner.end().incoming().receive().await;
        event.inspect(|event| self.inner.received(event))
    }

    /// The next message, with all other events passed over; `None` when the user has ended. For applications that need not know
    /// when a session fails over: what has no answer by then may have to be sent again.
    pub async fn receive_message(&self) -> Option<Message> {
        loop {
            if let UserSessionEvent::Message { message, .. } = self.receive().await? {
                return Some(message);
            }
        }
    }

    /// The element does not do its work, though its association stands: it is reported, and the session fails over.
    pub fn report_failure(&self) {
        self.inner.report_failure();
    }

    /// A session whose failover is manual goes on with the next element.
    pub fn fail_over(&self) {
        self.inner.fail_over();
    }

    /// In a session whose failover is supervised or manual: the new element has been sent what it has to know, behind the event that
    /// told of it, and what was sent before that was received goes out now.
    pub fn resume(&self) {
        self.inner.resume();
    }
}

/// What happens in the session until it ends.
impl Stream for Session {
    type Item = UserSessionEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<UserSessionEvent>> {
        let this = self.get_mut();
        let event = ready!(this.polled.stream().poll_next(context));
        Poll::Ready(event.inspect(|event| this.inner.received(event)))
    }
}

/// What is to be sent. Closing it flushes it; the session ends when it is dropped.
impl Sink<Message> for Session {
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
