//! What is to be sent on an association, and the kernel has no room for at the moment.

use std::collections::VecDeque;

use rserpool::{OutgoingMessage, Progress};
use rserpool_transport::Undelivered;

/// What waits.
#[derive(Debug)]
pub(super) enum Item {
    Message(Undelivered),
    /// The association is to be closed in order.
    End,
}

/// What waits, in order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    octets: usize,
}

impl Queue {
    /// Takes a message; false if there is no room for it.
    pub(super) fn push(&mut self, message: &OutgoingMessage<'_>, limit: usize) -> bool {
        let octets = self.octets + message.octets.len();
        if octets > limit && !self.items.is_empty() {
            return false;
        }
        self.octets = octets;
        self.items.push_back(Item::Message(Undelivered::new(message, Progress::Unsent)));
        true
    }

    pub(super) fn end(&mut self) {
        self.items.push_back(Item::End);
    }

    pub(super) fn first(&self) -> Option<&Item> {
        self.items.front()
    }

    /// The first has been sent.
    pub(super) fn pop(&mut self) {
        if let Some(Item::Message(message)) = self.items.pop_front() {
            self.octets -= message.message().octets.len();
        }
    }

    /// All messages that were not sent.
    pub(super) fn into_undelivered(self) -> impl Iterator<Item = Undelivered> {
        self.items.into_iter().filter_map(|item| match item {
            Item::Message(message) => Some(message),
            Item::End => None,
        })
    }
}
