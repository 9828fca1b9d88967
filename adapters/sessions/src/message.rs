//! A message that owns its octets.

use bytes::Bytes;
use rserpool::wire::PayloadProtocol;
use rserpool::{Delivery, Failover, OutgoingMessage};

use crate::error::Error;

/// The largest message, in octets.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// A message of an application, to be sent or received.
///
/// ```
/// use rserpool_sessions::Message;
///
/// let plain = Message::from("hello");
/// let on_another_stream = Message { stream: 3, ..Message::from(vec![1, 2, 3]) };
/// assert_eq!(plain.stream, 0);
/// # assert_eq!(on_another_stream.octets.len(), 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its octets: at least one, at most [`MAX_MESSAGE`].
    pub octets: Bytes,
    /// The payload protocol identifier that SCTP carries with it. Default 0, unspecified.
    pub protocol: PayloadProtocol,
    /// The SCTP stream to send it on. Default 0.
    pub stream: u16,
    /// Whether it keeps its place among the stream's messages. Default: it does.
    pub delivery: Delivery,
    /// Whether it goes to the next element by itself if its own dies before it was sent. Default: it does. Elements have no
    /// use for that.
    pub failover: Failover,
}

impl Message {
    /// A message as most are.
    #[must_use]
    pub fn new(octets: impl Into<Bytes>) -> Self {
        Self {
            octets: octets.into(),
            protocol: PayloadProtocol::UNSPECIFIED,
            stream: 0,
            delivery: Delivery::Ordered,
            failover: Failover::Allowed,
        }
    }

    pub(crate) fn copied(message: &OutgoingMessage<'_>) -> Self {
        let OutgoingMessage { protocol, stream, delivery, failover, octets } = *message;
        Self { octets: Bytes::copy_from_slice(octets), protocol, stream, delivery, failover }
    }

    pub(crate) fn as_outgoing(&self) -> OutgoingMessage<'_> {
        let Self { ref octets, protocol, stream, delivery, failover } = *self;
        OutgoingMessage { protocol, stream, delivery, failover, octets }
    }

    /// Whether it can be sent at all.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.octets.len() {
            0 => Err(Error::Empty),
            length if length > MAX_MESSAGE => Err(Error::TooLarge { length }),
            _ if self.protocol == PayloadProtocol::ASAP => Err(Error::ReservedProtocol),
            _ => Ok(()),
        }
    }
}

impl From<Bytes> for Message {
    fn from(octets: Bytes) -> Self {
        Self::new(octets)
    }
}

impl From<Vec<u8>> for Message {
    fn from(octets: Vec<u8>) -> Self {
        Self::new(octets)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&'static str> for Message {
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

impl From<&'static [u8]> for Message {
    fn from(octets: &'static [u8]) -> Self {
        Self::new(octets)
    }
}
