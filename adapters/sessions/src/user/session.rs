//! A session of a user with a pool, as the application has it.

use std::sync::Arc;

use rserpool::pool_user::{ResolutionFailure, SessionEnd, SessionId};
use rserpool::wire::PeIdentifier;
use rserpool::{CloseReason, NoRegistrar, Progress};

use super::Command;
use crate::hub::Hub;
use crate::link::{End, FarEnd, Notice, link};
use crate::message::Message;

/// Why a session has no element yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delay {
    /// No registrar answers.
    NoRegistrar(NoRegistrar),
    /// A registrar has not told the pool's elements: mostly as it knows no such pool.
    Unresolved(ResolutionFailure),
}

/// What happens in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The session has an element. If it is not the first, what had been sent to the one before and has no answer may have been
    /// lost with it.
    Established {
        /// The element.
        identifier: PeIdentifier,
        /// How many elements the session has had or tried before.
        failovers: u32,
    },
    /// The element is dead, or could not be reached, or has ended the session. The next one is tried.
    Failover {
        /// The element.
        identifier: PeIdentifier,
        /// How its association ended; `None` if it never was, or the application said so.
        reason: Option<CloseReason>,
    },
    /// There is no element yet, and this is why. It is told once for each reason, and the session goes on trying.
    Delayed(Delay),
    /// A message of an element.
    Message {
        /// The element.
        identifier: PeIdentifier,
        /// The message.
        message: Message,
    },
    /// The session is over, as it cannot have an element of its pool. Nothing comes behind it, and nothing can be sent any more. What
    /// was sent before is lost.
    Ended(SessionEnd),
    /// A message did not arrive, as far as is known, and is not sent by itself to another element.
    Undelivered {
        /// The element that should have got it.
        identifier: Option<PeIdentifier>,
        /// How far it got.
        progress: Progress,
        /// The message, or the beginning of it.
        message: Message,
    },
}

/// A session of a user with a pool. When it is dropped it ends in order: what was sent before still goes out, if an element can
/// be found for it within a few seconds.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    end: End<Event>,
    hub: Arc<Hub<Command>>,
}

impl Session {
    pub(super) fn new(id: SessionId, hub: Arc<Hub<Command>>) -> (Self, FarEnd<Event>) {
        let line = Arc::clone(&hub);
        let (end, far) = link(hub.doorbell(), move |notice| {
            line.tell(match notice {
                Notice::Outgoing => Command::Outgoing(id),
                Notice::Dropped => Command::Dropped(id),
            });
        });
        (Self { id, end, hub }, far)
    }

    /// Its number, unique within its user.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Its queues. For each event that is received [`Self::received`] is due.
    #[must_use]
    pub const fn end(&self) -> &End<Event> {
        &self.end
    }

    /// An event has been taken out of the queue.
    pub fn received(&self, event: &Event) {
        if matches!(event, Event::Established { .. }) {
            self.end.next_epoch();
        }
    }

    /// The element does not do its work, though its association stands: it is reported, and the session fails over.
    pub fn report_failure(&self) {
        self.hub.tell(Command::ReportFailure(self.id));
    }

    /// A session whose failover is manual goes on with the next element.
    pub fn fail_over(&self) {
        self.hub.tell(Command::FailOver(self.id));
    }

    /// In a session whose failover is supervised or manual: the new element has been sent what it has to know, behind the event
    /// [`Event::Established`], and what was sent before that event was received goes out now.
    pub fn resume(&self) {
        self.hub.tell(Command::Resume(self.id));
    }
}
