//! The seam to the SCTP implementation: one association over the `dcsctp` crate. No other file names that crate's
//! types, so that it can be replaced here.

use std::time::Duration;

use bytes::Bytes;
use dcsctp::api::{
    DcSctpSocket, ErrorKind, LifecycleId, Message, PpId, SendOptions, SocketEvent, SocketTime, StreamId,
};
use rserpool::wire::PayloadProtocol;
use rserpool::{CloseReason, Delivery, Instant, OutgoingMessage, Purpose, SendBuffer};

use crate::config::SctpConfig;
use crate::delivery::{Pending, Undelivered};

/// What an association has to tell.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A packet is to be sent.
    Packet(Vec<u8>),
    /// It stands.
    Connected,
    /// The peer has begun anew, and the association stands for what comes from now on.
    Restarted,
    /// It has ended.
    Ended(CloseReason),
    /// What is sent waits for the peer, or does so no longer.
    SendBuffer(SendBuffer),
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Empty,
    TooLarge,
    BufferFull,
    Closed,
}

/// Gives the implementation's generator of random numbers, of which each thread has one, another seed. The implementation takes tags and
/// first sequence numbers from there whenever it opens an association or gets an INIT, an INIT ACK or a COOKIE ECHO. By itself the
/// generator can be predicted by everybody who has seen some of its numbers.
pub(crate) fn seed(seed: u64) {
    fastrand::seed(seed);
}

/// One SCTP association.
pub(crate) struct Association {
    socket: Box<dyn DcSctpSocket>,
    /// The implementation's time starts with the association.
    born: Instant,
    /// What has not arrived, if somebody wants to know.
    pending: Option<Pending>,
    /// The streams on which something was sent.
    streams: Vec<u16>,
    /// How many octets may wait before it is said that they do.
    high_mark: usize,
    send_buffer: SendBuffer,
    /// Whether that has changed, and nobody has been told.
    is_news: bool,
}

impl Association {
    pub(crate) fn new(
        now: Instant,
        config: &SctpConfig,
        local_port: u16,
        remote_port: u16,
        purposes: &[Purpose],
    ) -> Self {
        Self {
            socket: dcsctp::new_socket("", &config.options(local_port, remote_port, purposes)),
            born: now,
            pending: None,
            streams: Vec::new(),
            high_mark: config.high_mark(),
            send_buffer: SendBuffer::HasRoom,
            is_news: false,
        }
    }

    fn time(&self, now: Instant) -> SocketTime {
        SocketTime::zero() + now.since(self.born)
    }

    /// Lets time pass; timers that are due run.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.socket.advance_time(self.time(now));
    }

    /// When [`Self::advance`] has to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let at = self.socket.poll_timeout();
        if at == SocketTime::infinite_future() {
            return None;
        }
        // Up to a whole microsecond: a moment before its time nothing would run out, and it would be due all the same.
        let nanoseconds = (at - SocketTime::zero()).as_nanos();
        let microseconds = u64::try_from(nanoseconds.div_ceil(1_000)).unwrap_or(u64::MAX);
        Some(self.born + Duration::from_micros(microseconds))
    }

    pub(crate) fn connect(&mut self) {
        self.socket.connect();
    }

    pub(crate) fn receive(&mut self, packet: &[u8]) {
        self.socket.handle_input(packet);
    }

    pub(crate) fn send(&mut self, message: &OutgoingMessage<'_>) -> Result<(), Refused> {
        use dcsctp::api::SendError;
        let payload = Message::new(StreamId(message.stream), PpId(message.protocol.0), message.octets.to_vec());
        let number = self.pending.as_mut().map(|pending| pending.add(message));
        let options = SendOptions {
            unordered: message.delivery == Delivery::Unordered,
            lifecycle_id: number.and_then(LifecycleId::new),
            ..SendOptions::default()
        };
        let result = self.socket.send(payload, &options);
        if let (Err(_), Some(number), Some(pending)) = (&result, number, &mut self.pending) {
            pending.over(number);
        }
        if !self.streams.contains(&message.stream) {
            self.streams.push(message.stream);
        }
        let waiting = self.streams.iter().map(|stream| self.socket.buffered_amount(StreamId(*stream)));
        if self.send_buffer == SendBuffer::HasRoom && waiting.sum::<usize>() > self.high_mark {
            (self.send_buffer, self.is_news) = (SendBuffer::Full, true);
        }
        result.map_err(|error| match error {
            SendError::EmptyPayload => Refused::Empty,
            SendError::MessageTooLarge { .. } => Refused::TooLarge,
            SendError::ResourceExhaustion => Refused::BufferFull,
            SendError::ShuttingDown => Refused::Closed,
        })
    }

    /// Whether it takes more at the moment.
    pub(crate) const fn send_buffer(&self) -> SendBuffer {
        self.send_buffer
    }

    /// From now on it is kept in mind which messages have arrived.
    pub(crate) fn track(&mut self) {
        self.pending.get_or_insert_default();
    }

    /// The messages that have not arrived, now that the association has ended.
    pub(crate) fn undelivered(&mut self) -> impl Iterator<Item = Undelivered> {
        self.pending.iter_mut().flat_map(Pending::take)
    }

    /// Closes in order: what was sent arrives first.
    pub(crate) fn shutdown(&mut self) {
        self.socket.shutdown();
    }

    /// Ends at once and tells the peer.
    pub(crate) fn abort(&mut self) {
        self.socket.close();
    }

    /// The next message that has come.
    pub(crate) fn poll_message(&mut self) -> Option<(PayloadProtocol, Bytes)> {
        let message = self.socket.get_next_message()?;
        Some((PayloadProtocol(message.ppid.0), Bytes::from(message.payload)))
    }

    /// The next thing that happened, messages apart.
    pub(crate) fn poll(&mut self) -> Option<Happening> {
        loop {
            if std::mem::take(&mut self.is_news) {
                return Some(Happening::SendBuffer(self.send_buffer));
            }
            return Some(match self.socket.poll_event()? {
                SocketEvent::SendPacket(packet) => Happening::Packet(packet),
                SocketEvent::OnConnected() => Happening::Connected,
                SocketEvent::OnConnectionRestarted() => Happening::Restarted,
                SocketEvent::OnClosed() => Happening::Ended(CloseReason::Shutdown),
                SocketEvent::OnAborted(ErrorKind::TooManyRetries, _) => Happening::Ended(CloseReason::Lost),
                SocketEvent::OnAborted(..) => Happening::Ended(CloseReason::Aborted),
                SocketEvent::OnTotalBufferedAmountLow() => {
                    let before = std::mem::replace(&mut self.send_buffer, SendBuffer::HasRoom);
                    self.is_news = before == SendBuffer::Full;
                    continue;
                }
                SocketEvent::OnLifecycleMessageFullySent(number) => {
                    if let Some(pending) = &mut self.pending {
                        pending.sent(number.value());
                    }
                    continue;
                }
                SocketEvent::OnLifecycleMessageDelivered(number) => {
                    if let Some(pending) = &mut self.pending {
                        pending.over(number.value());
                    }
                    continue;
                }
                _ => continue,
            });
        }
    }
}
