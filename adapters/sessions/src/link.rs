//! The two ends of a session: the application's, and the one where its machine runs. Both queues between them are bounded:
//! who sends more than the peer takes waits, and a peer that sends more than is received is made to wait.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flume::r#async::{RecvStream, SendSink};
use flume::{Receiver, RecvTimeoutError, SendError, Sender, TrySendError};
use futures_core::Stream;
use futures_sink::Sink;
use rserpool_sockets::Waker;

use crate::error::Error;
use crate::message::Message;

/// How many messages wait to be sent.
pub(crate) const OUTGOING: usize = 32;
/// With how many messages not received yet the peer has to wait, and with how few it may go on.
const INCOMING: (usize, usize) = (64, 32);

/// Wakes a driver, once for all that there is to be done.
#[derive(Debug)]
pub(crate) struct Doorbell {
    waker: Waker,
    has_rung: AtomicBool,
}

impl Doorbell {
    pub(crate) fn new(waker: Waker) -> Arc<Self> {
        Arc::new(Self { waker, has_rung: AtomicBool::new(false) })
    }

    pub(crate) fn ring(&self) {
        if !self.has_rung.swap(true, Ordering::SeqCst) {
            self.waker.wake();
        }
    }

    /// To be called by the driver before it looks for what there is to be done.
    pub(crate) fn answer(&self) {
        self.has_rung.store(false, Ordering::SeqCst);
    }
}

/// What has come for the application.
#[derive(Debug)]
pub struct Incoming<E> {
    queue: Receiver<E>,
    /// Whether the driver waits until some of it is received.
    is_full: Arc<AtomicBool>,
    doorbell: Arc<Doorbell>,
}

/// Where that is put by the driver.
#[derive(Debug)]
pub(crate) struct Delivery<E> {
    queue: Sender<E>,
    is_full: Arc<AtomicBool>,
}

/// A queue of what comes.
pub(crate) fn incoming<E>(doorbell: &Arc<Doorbell>) -> (Incoming<E>, Delivery<E>) {
    // It is bounded by `Delivery::accepts`.
    let (sender, queue) = flume::unbounded();
    let is_full = Arc::new(AtomicBool::new(false));
    let delivery = Delivery { queue: sender, is_full: Arc::clone(&is_full) };
    (Incoming { queue, is_full, doorbell: Arc::clone(doorbell) }, delivery)
}

impl<E> Incoming<E> {
    /// The next; `None` at the end, when all was received. If the future is dropped before it is ready, nothing is lost.
    pub async fn receive(&self) -> Option<E> {
        let received = self.queue.recv_async().await.ok();
        self.received();
        received
    }

    /// The same; the thread waits.
    #[must_use]
    pub fn receive_blocking(&self) -> Option<E> {
        let received = self.queue.recv().ok();
        self.received();
        received
    }

    /// The same; the thread waits, but no longer than this.
    ///
    /// # Errors
    ///
    /// Nothing has come in time.
    pub fn receive_timeout(&self, limit: Duration) -> Result<Option<E>, Error> {
        let received = match self.queue.recv_timeout(limit) {
            Ok(received) => Some(received),
            Err(RecvTimeoutError::Timeout) => return Err(Error::TimedOut),
            Err(RecvTimeoutError::Disconnected) => None,
        };
        self.received();
        Ok(received)
    }

    /// What has come already; `None` if there is nothing.
    #[must_use]
    pub fn try_receive(&self) -> Option<E> {
        let received = self.queue.try_recv().ok();
        self.received();
        received
    }

    /// The same as [`Self::receive`] for those who poll. What one of them has got the other does not get.
    #[must_use]
    pub fn stream(&self) -> EventStream<E>
    where
        E: 'static,
    {
        EventStream {
            queue: self.queue.clone().into_stream(),
            is_full: Arc::clone(&self.is_full),
            doorbell: Arc::clone(&self.doorbell),
        }
    }

    fn received(&self) {
        received(&self.is_full, self.queue.len(), &self.doorbell);
    }
}

impl<E> Drop for Incoming<E> {
    fn drop(&mut self) {
        // What nobody can receive any more may be sessions that would keep their element from ending.
        if self.queue.receiver_count() == 1 {
            self.queue.drain().for_each(drop);
        }
    }
}

impl<E> Delivery<E> {
    pub(crate) fn push(&self, event: E) {
        let _ = self.queue.send(event);
    }

    /// Whether the application is to be given more.
    pub(crate) fn accepts(&self) -> bool {
        if self.queue.len() < INCOMING.0 {
            return true;
        }
        self.is_full.store(true, Ordering::SeqCst);
        // It may have been emptied just before.
        self.queue.len() < INCOMING.0
    }
}

/// What is to be sent.
#[derive(Debug)]
pub(crate) enum Item {
    Message(Message),
    /// Of an element, for its user.
    Cookie(Bytes),
}

/// What is to be sent, and how many elements of the session the application knew when it said so.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) item: Item,
    pub(crate) epoch: u32,
}

/// What an end tells its driver.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice {
    /// There is something to be sent.
    Outgoing,
    /// The end is no more: what is to be sent is sent, and then the session ends.
    Dropped,
}

type Tell = dyn Fn(Notice) + Send + Sync;

/// The application's end of a session. When it is dropped the session ends, in order: what was sent before still goes out.
pub struct End<E> {
    outgoing: Sender<Outgoing>,
    incoming: Incoming<E>,
    /// Whether the driver has been told that there is something to be sent, and has not looked yet.
    is_told: Arc<AtomicBool>,
    /// How many elements the application knows that the session has had.
    epoch: Arc<AtomicU32>,
    tell: Arc<Tell>,
}

impl<E> std::fmt::Debug for End<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("End").field("received", &self.incoming.queue.len()).finish_non_exhaustive()
    }
}

/// The driver's end of a session.
#[derive(Debug)]
pub(crate) struct FarEnd<E> {
    outgoing: Receiver<Outgoing>,
    pub(crate) incoming: Delivery<E>,
    is_told: Arc<AtomicBool>,
    /// What could not be sent yet.
    next: Option<Outgoing>,
}

/// A session's two ends.
pub(crate) fn link<E>(doorbell: &Arc<Doorbell>, tell: impl Fn(Notice) + Send + Sync + 'static) -> (End<E>, FarEnd<E>) {
    let (outgoing, to_send) = flume::bounded(OUTGOING);
    let (incoming, delivery) = incoming(doorbell);
    let is_told = Arc::new(AtomicBool::new(false));
    let far = FarEnd { outgoing: to_send, incoming: delivery, is_told: Arc::clone(&is_told), next: None };
    (End { outgoing, incoming, is_told, epoch: Arc::default(), tell: Arc::new(tell) }, far)
}

impl<E> End<E> {
    /// Sends a message if there is room for it in the queue.
    ///
    /// # Errors
    ///
    /// There is none, or the message cannot be sent.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.outgoing.try_send(self.message(message.into())?).map_err(|error| match error {
            TrySendError::Full(_) => Error::Full,
            TrySendError::Disconnected(_) => Error::Ended,
        })?;
        self.sent();
        Ok(())
    }

    /// Sends a message as soon as there is room for it in the queue. If the future is dropped before it is ready, the
    /// message is not sent.
    ///
    /// # Errors
    ///
    /// The message cannot be sent, or the session has ended.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.put(self.message(message.into())?).await
    }

    /// The same; the thread waits.
    ///
    /// # Errors
    ///
    /// The message cannot be sent, or the session has ended.
    pub fn send_blocking(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.put_blocking(self.message(message.into())?)
    }

    pub(crate) async fn put(&self, outgoing: Outgoing) -> Result<(), Error> {
        self.outgoing.send_async(outgoing).await.map_err(|_| Error::Ended)?;
        self.sent();
        Ok(())
    }

    pub(crate) fn put_blocking(&self, outgoing: Outgoing) -> Result<(), Error> {
        self.outgoing.send(outgoing).map_err(|_| Error::Ended)?;
        self.sent();
        Ok(())
    }

    /// What has come.
    #[must_use]
    pub const fn incoming(&self) -> &Incoming<E> {
        &self.incoming
    }

    /// The application has learned of another element.
    pub(crate) fn next_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// The same as [`Self::send`] for those who poll.
    #[must_use]
    pub fn sink(&self) -> MessageSink {
        MessageSink {
            queue: self.outgoing.clone().into_sink(),
            is_told: Arc::clone(&self.is_told),
            epoch: Arc::clone(&self.epoch),
            tell: Arc::clone(&self.tell),
        }
    }

    fn message(&self, message: Message) -> Result<Outgoing, Error> {
        message.check()?;
        Ok(Outgoing { item: Item::Message(message), epoch: self.epoch.load(Ordering::SeqCst) })
    }

    fn sent(&self) {
        if !self.is_told.swap(true, Ordering::SeqCst) {
            (self.tell)(Notice::Outgoing);
        }
    }
}

/// Where messages are put by those who poll. What was put there is sent when it is flushed. It does not keep the session from
/// ending.
pub struct MessageSink {
    queue: SendSink<'static, Outgoing>,
    is_told: Arc<AtomicBool>,
    epoch: Arc<AtomicU32>,
    tell: Arc<Tell>,
}

impl std::fmt::Debug for MessageSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageSink").finish_non_exhaustive()
    }
}

impl MessageSink {
    fn polled(&self, polled: Poll<Result<(), SendError<Outgoing>>>) -> Poll<Result<(), Error>> {
        let polled = polled.map_err(|_| Error::Ended);
        if polled.is_ready() && !self.is_told.swap(true, Ordering::SeqCst) {
            (self.tell)(Notice::Outgoing);
        }
        polled
    }
}

impl Sink<Message> for MessageSink {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let polled = Pin::new(&mut self.queue).poll_ready(context);
        self.polled(polled)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        message.check()?;
        let outgoing = Outgoing { item: Item::Message(message), epoch: self.epoch.load(Ordering::SeqCst) };
        Pin::new(&mut self.queue).start_send(outgoing).map_err(|_| Error::Ended)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let polled = Pin::new(&mut self.queue).poll_flush(context);
        self.polled(polled)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_flush(context)
    }
}

/// What has come, for those who poll.
pub struct EventStream<E: 'static> {
    queue: RecvStream<'static, E>,
    is_full: Arc<AtomicBool>,
    doorbell: Arc<Doorbell>,
}

impl<E> std::fmt::Debug for EventStream<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

impl<E> Stream for EventStream<E> {
    type Item = E;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<E>> {
        let polled = Pin::new(&mut self.queue).poll_next(context);
        if polled.is_ready() {
            let waiting = self.queue.len();
            received(&self.is_full, waiting, &self.doorbell);
        }
        polled
    }
}

/// Something was taken out of a queue in which so much waits.
fn received(is_full: &AtomicBool, waiting: usize, doorbell: &Doorbell) {
    if is_full.load(Ordering::SeqCst) && waiting <= INCOMING.1 {
        is_full.store(false, Ordering::SeqCst);
        doorbell.ring();
    }
}

impl<E> Drop for End<E> {
    fn drop(&mut self) {
        (self.tell)(Notice::Dropped);
    }
}

impl<E> FarEnd<E> {
    /// To be called before [`Self::next`]: who sends something from now on tells so again.
    pub(crate) fn look(&self) {
        self.is_told.store(false, Ordering::SeqCst);
    }

    /// The next message to be sent.
    pub(crate) fn next(&mut self) -> Option<Outgoing> {
        self.next.take().or_else(|| self.outgoing.try_recv().ok())
    }

    /// A message could not be sent yet.
    pub(crate) fn put_back(&mut self, outgoing: Outgoing) {
        self.next = Some(outgoing);
    }

    /// Whether there is nothing to be sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.next.is_none() && self.outgoing.is_empty()
    }
}
