//! A session's queues for those who poll.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use rserpool_sessions::{End, EventStream, MessageSink};

/// The two directions. Nobody ever waits for these locks: only who has the session to himself gets at what is behind them. They
/// let a session be shared by those who do not poll.
#[derive(Debug)]
pub(crate) struct Polled<E: 'static> {
    stream: Mutex<EventStream<E>>,
    sink: Mutex<MessageSink>,
}

impl<E> Polled<E> {
    pub(crate) fn new(end: &End<E>) -> Self {
        Self { stream: Mutex::new(end.incoming().stream()), sink: Mutex::new(end.sink()) }
    }

    pub(crate) fn stream(&mut self) -> Pin<&mut EventStream<E>> {
        Pin::new(self.stream.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn sink(&mut self) -> Pin<&mut MessageSink> {
        Pin::new(self.sink.get_mut().unwrap_or_else(PoisonError::into_inner))
    }
}
