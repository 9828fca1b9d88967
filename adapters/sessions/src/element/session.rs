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
}

/// The largest cookie, in octets. Users of this library keep no more than
/// [`MAX_COOKIE`](rserpool::pool_user::MAX_COOKIE).
pub const MAX_COOKIE: usize = 32 * 1024;

fn outgoing(cookie: Bytes) -> Result<Outgoing, Error> {
    match cookie.len() {
        length if length > MAX_COOKIE => Err(Error::TooLarge { length }),
        _ => Ok(Outgoing { item: Item::Cookie(cookie), epoch: 0 }),
    }
}

impl Session {
    pub(super) fn new(id: AssociationId, hub: Arc<Hub<Command>>) -> (Self, FarEnd<Event>) {
        let doorbell = Arc::clone(hub.doorbell());
        let (end, far) = link(&doorbell, move |notice| {
            hub.tell(match notice {
                Notice::Outgoing => Command::Outgoing(id),
                Notice::Dropped => Command::Dropped(id),
            });
        });
        (Self { id, end }, far)
    }

    /// Its name, unique within its element as long as it lasts.
    #[must_use]
    pub const fn id(&self) -> AssociationId {
        self.id
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
    /// The session has ended, or the cookie is larger than [`MAX_COOKIE`].
    pub async fn send_cookie(&self, cookie: impl Into<Bytes>) -> Result<(), Error> {
        self.end.put(outgoing(cookie.into())?).await
    }

    /// The same; the thread waits.
    ///
    /// # Errors
    ///
    /// The session has ended, or the cookie is larger than [`MAX_COOKIE`].
    pub fn send_cookie_blocking(&self, cookie: impl Into<Bytes>) -> Result<(), Error> {
        self.end.put_blocking(outgoing(cookie.into())?)
    }
}
