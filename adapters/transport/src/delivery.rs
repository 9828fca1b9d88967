//! Which messages of an association have arrived, for those who want to know when it ends.

use std::collections::VecDeque;

use bytes::Bytes;
use rserpool::wire::PayloadProtocol;
use rserpool::{Delivery, Failover, OutgoingMessage, Progress};

/// A message that has not arrived, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    protocol: PayloadProtocol,
    stream: u16,
    delivery: Delivery,
    failover: Failover,
    octets: Bytes,
    progress: Progress,
}

impl Undelivered {
    /// A copy of a message that has not arrived.
    #[must_use]
    pub fn new(message: &OutgoingMessage<'_>, progress: Progress) -> Self {
        let OutgoingMessage { protocol, stream, delivery, failover, octets } = *message;
        Self { protocol, stream, delivery, failover, octets: Bytes::copy_from_slice(octets), progress }
    }

    /// The message, as it was sent.
    #[must_use]
    pub fn message(&self) -> OutgoingMessage<'_> {
        let Self { protocol, stream, delivery, failover, ref octets, .. } = *self;
        OutgoingMessage { protocol, stream, delivery, failover, octets }
    }

    /// How far it got.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        self.progress
    }
}

/// The messages that have been sent on an association and have not arrived yet, by number.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    messages: VecDeque<(u64, Undelivered)>,
    last: u64,
}

impl Pending {
    /// Keeps a copy of a message, and gives it a number.
    pub(crate) fn add(&mut self, message: &OutgoingMessage<'_>) -> u64 {
        self.last += 1;
        self.messages.push_back((self.last, Undelivered::new(message, Progress::Unsent)));
        self.last
    }

    pub(crate) fn sent(&mut self, number: u64) {
        if let Some((_, message)) = self.messages.iter_mut().find(|(kept, _)| *kept == number) {
            message.progress = Progress::Unacknowledged;
        }
    }

    pub(crate) fn over(&mut self, number: u64) {
        // Mostly it is the oldest.
        if let Some(place) = self.messages.iter().position(|(kept, _)| *kept == number) {
            self.messages.remove(place);
        }
    }

    /// All that have not arrived, in the order in which they were sent.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Undelivered> {
        std::mem::take(&mut self.messages).into_iter().map(|(_, message)| message)
    }
}
