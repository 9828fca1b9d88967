//! A session of an element with a user, as the application has it.

use std::sync::Arc;

use bytes::Bytes;
use rserpool::{AssociationId, CloseReason};

use super::Command;
use crate::error::Error;
use crate::hub::Hub;
use crate::link::{End, FarEnd, Item, Notice, Outgoing, link};
use crate::message::Message;

/// What happens in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The user comes from another element, and brings its last cookie. It is ahead of all messages.
    CookieEcho(Bytes),
    /// A message of the user.
    Message(Message),
    /// The user has gone. Nothing comes behind it.
    Closed(CloseReason),
}

/// A session of an element with a user. When it is dropped it ends in order: what was sent before still goes out; the user then goes
/// on with another element.
#[derive(Debug)]
pub struct Session {
    id: AssociationId,
    end: End<Event>,
    max_cookie: usize,
}

impl Session {
    pub(super) fn new(id: AssociationId, hub: Arc<Hub<Command>>, max_cookie: usize) -> (Self, FarEnd<Event>) {
        let doorbell = Arc::clone(hub.doorbell());
        let (end, far) = link(&doorbell, move |notice| {
            hub.tell(match notice {
                Notice::Outgoing => Command::Outgoing(id),
                Notice::Dropped => Command::Dropped(id),
            });
        });
        (Self { id, end, max_cookie }, far)
    }

    /// Its name, unique within its element as long as it lasts.
    #[must_use]
    pub const fn id(&self) -> AssociationId {
        self.id
    }

    fn outgoing(&self, cookie: Bytes) -> Result<Outgoing, Error> {
        match (cookie.len(), self.max_cookie) {
            (length, limit) if length > limit => Err(Error::CookieTooLong { length, limit }),
            _ => Ok(Outgoing { item: Item::Cookie(cookie), epoch: 0 }),
        }
    }

    /// Its queues.
    #[must_use]
    pub const fn end(&self) -> &End<Event> {
        &self.end
    }

    /// Gives the user the cookie that it is to bring to another element, should this one fail (RFC 5352 §3.8). It keeps its place
    /// among the messages. It should be signed, see `CookieKey` in the core's module `cookie`. If the future is dropped before it
    /// is ready, the cookie is not sent.
    ///
    /// # Errors
    ///
    /// The session has ended, or the cookie is longer than [`ElementOptions::new`](super::ElementOptions::new) says.
    pub async fn send_cookie(&self, cookie: impl Into<Bytes>) -> Result<(), Error> {
        self.end.put(self.outgoing(cookie.into())?).await
    }

    /// The same; the thread waits.
    ///
    /// # Errors
    ///
    /// The session has ended, or the cookie is longer than [`ElementOptions::new`](super::ElementOptions::new) says.
    pub fn send_cookie_blocking(&self, cookie: impl Into<Bytes>) -> Result<(), Error> {
        self.end.put_blocking(self.outgoing(cookie.into())?)
    }
}
