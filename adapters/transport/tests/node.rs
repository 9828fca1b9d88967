//! A node between a machine and sockets that carry associations by themselves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use rserpool::wire::PayloadProtocol;
use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, EndpointBuf, Input, Instant, Machine, OutgoingMessage, Progress,
    Protocol, Purpose, SendBuffer,
};
use rserpool_transport::{
    Application, DirectHandle, Event, News, Node, Opening, Options, Peer, SendError, SocketIndex, Sockets, Undelivered,
};

const ASSOCIATION: AssociationId = AssociationId::from_bits(0);
const HANDLE: DirectHandle = DirectHandle(7);

/// Opens an association, sends two messages as soon as it stands, and remembers what it is told.
#[derive(Default)]
struct Script {
    is_opening: bool,
    to_send: VecDeque<&'static str>,
    told: Vec<String>,
}

impl Machine for Script {
    type Event<'a> = ();

    fn handle(&mut self, _now: Instant, input: Input<'_>) {
        match input {
            Input::Opened { .. } => self.to_send.extend(["first", "second"]),
            Input::Undelivered { message, progress: Progress::Unsent, .. } => {
                self.told.push(format!("{} was not sent", message.octets.escape_ascii()));
            }
            Input::Closed { reason, .. } => self.told.push(format!("closed: {reason:?}")),
            _ => {}
        }
    }

    fn poll_action(&mut self) -> Option<Action<'_, ()>> {
        if !std::mem::replace(&mut self.is_opening, true) {
            let remote: EndpointBuf = SocketAddr::from(([10, 0, 0, 1], 7000)).into();
            let remote = Box::leak(Box::new(remote)).as_endpoint();
            return Some(Action::Open { association: ASSOCIATION, purpose: Purpose::Session, remote });
        }
        let text = self.to_send.pop_front()?;
        Some(Action::Send { association: ASSOCIATION, message: OutgoingMessage::new(text.as_bytes()) })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// The peer has ended the association, and the machine has not been told yet: no message is taken any more.
struct Ended(VecDeque<News>);

impl Sockets for Ended {
    fn bind(&mut self, _address: SocketAddr) -> io::Result<SocketIndex> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn local_address(&self, _socket: SocketIndex) -> Option<SocketAddr> {
        None
    }

    fn open(&mut self, _now: Instant, _purpose: Purpose, _remote: Endpoint<'_>) -> Opening {
        Opening::Direct(HANDLE)
    }

    fn send(
        &mut self,
        _now: Instant,
        _association: DirectHandle,
        _message: &OutgoingMessage<'_>,
    ) -> Result<(), SendError> {
        Err(SendError::Closed)
    }

    fn poll_event(&mut self) -> Option<Event<DirectHandle>> {
        Some(Event { association: HANDLE, news: self.0.pop_front()? })
    }
}

struct Nothing;

impl Application<Script> for Nothing {
    fn event(&mut self, _now: Instant, _event: ()) {}
}

#[test]
fn what_is_sent_on_an_association_whose_end_is_not_known_yet_comes_back_in_order_ahead_of_the_end() {
    let peer = Peer { protocol: Protocol::Sctp, addresses: vec![[10, 0, 0, 1].into()], port: 7000 };
    let before = Undelivered::new(&OutgoingMessage::new(b"an earlier one"), Progress::Unsent);
    let mut sockets =
        Ended([News::Opened(peer), News::Undelivered(before), News::Closed(CloseReason::Shutdown)].into());
    let mut node = Node::new(Script::default(), &Options::default(), [1; 16]);
    node.work(Instant::ZERO, &mut sockets, &mut Nothing);
    let expected = ["an earlier one was not sent", "first was not sent", "second was not sent", "closed: Shutdown"];
    assert_eq!(node.machine().told, expected);
}

/// Sends a message whenever it is told something, unless it has been told to wait.
#[derive(Default)]
struct Eager {
    is_opening: bool,
    is_full: bool,
    to_send: usize,
    told: Vec<SendBuffer>,
}

impl Machine for Eager {
    type Event<'a> = ();

    fn handle(&mut self, _now: Instant, input: Input<'_>) {
        if let Input::SendBuffer { state, .. } = input {
            self.is_full = state == SendBuffer::Full;
            self.told.push(state);
        }
        if matches!(input, Input::Opened { .. } | Input::Message { .. }) && !self.is_full {
            self.to_send += 1;
        }
    }

    fn poll_action(&mut self) -> Option<Action<'_, ()>> {
        if !std::mem::replace(&mut self.is_opening, true) {
            let remote: EndpointBuf = SocketAddr::from(([10, 0, 0, 1], 7000)).into();
            let remote = Box::leak(Box::new(remote)).as_endpoint();
            return Some(Action::Open { association: ASSOCIATION, purpose: Purpose::Session, remote });
        }
        self.to_send = self.to_send.checked_sub(1)?;
        Some(Action::Send { association: ASSOCIATION, message: OutgoingMessage::new(b"x") })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// An association whose send buffer is full with the first message.
struct Narrow {
    events: VecDeque<News>,
    sent: usize,
    state: SendBuffer,
}

impl Sockets for Narrow {
    fn bind(&mut self, _address: SocketAddr) -> io::Result<SocketIndex> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn local_address(&self, _socket: SocketIndex) -> Option<SocketAddr> {
        None
    }

    fn open(&mut self, _now: Instant, _purpose: Purpose, _remote: Endpoint<'_>) -> Opening {
        Opening::Direct(HANDLE)
    }

    fn send(
        &mut self,
        _now: Instant,
        _association: DirectHandle,
        _message: &OutgoingMessage<'_>,
    ) -> Result<(), SendError> {
        self.sent += 1;
        self.state = SendBuffer::Full;
        self.events.push_back(News::SendBuffer(SendBuffer::Full));
        Ok(())
    }

    fn send_buffer(&self, _association: DirectHandle) -> Option<SendBuffer> {
        Some(self.state)
    }

    fn poll_event(&mut self) -> Option<Event<DirectHandle>> {
        Some(Event { association: HANDLE, news: self.events.pop_front()? })
    }
}

fn opened_with_messages() -> VecDeque<News> {
    let peer = Peer { protocol: Protocol::Sctp, addresses: vec![[10, 0, 0, 1].into()], port: 7000 };
    let message = News::Message { protocol: PayloadProtocol::UNSPECIFIED, octets: Bytes::from_static(b"x") };
    [News::Opened(peer)].into_iter().chain(std::iter::repeat_n(message, 20)).collect()
}

/// Takes messages, or does not.
struct Takes(bool);

impl Application<Eager> for Takes {
    fn event(&mut self, _now: Instant, _event: ()) {}

    fn accepts(&self, _machine: &Eager, _association: AssociationId) -> bool {
        self.0
    }
}

#[test]
fn a_machine_is_told_that_a_send_buffer_is_full_ahead_of_the_messages_that_have_come_before() {
    let mut sockets = Narrow { events: opened_with_messages(), sent: 0, state: SendBuffer::HasRoom };
    let mut node = Node::new(Eager::default(), &Options::default(), [1; 16]);
    node.work(Instant::ZERO, &mut sockets, &mut Takes(true));
    assert_eq!(sockets.sent, 1);
}

#[test]
fn a_machine_is_told_that_there_is_room_again_while_no_messages_are_wanted_and_only_if_it_is_still_so() {
    let mut sockets = Narrow { events: opened_with_messages(), sent: 0, state: SendBuffer::HasRoom };
    let mut node = Node::new(Eager::default(), &Options::default(), [1; 16]);
    node.work(Instant::ZERO, &mut sockets, &mut Takes(false));
    sockets.events.push_back(News::SendBuffer(SendBuffer::HasRoom));
    node.work(Instant::ZERO, &mut sockets, &mut Takes(false));
    assert_eq!(node.machine().told.last(), Some(&SendBuffer::Full));
    sockets.state = SendBuffer::HasRoom;
    sockets.events.push_back(News::SendBuffer(SendBuffer::HasRoom));
    node.work(Instant::ZERO, &mut sockets, &mut Takes(false));
    assert_eq!(node.machine().told.last(), Some(&SendBuffer::HasRoom));
}
