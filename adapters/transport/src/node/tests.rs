//! A node whose associations come in until their names begin anew.

use rserpool::{EndpointBuf, Protocol};

use super::*;
use crate::news::Peer;

/// Remembers the associations that have come in.
#[derive(Default)]
struct Guest {
    accepted: Vec<AssociationId>,
    said: Vec<(AssociationId, Vec<u8>)>,
    to_close: Option<AssociationId>,
}

impl Machine for Guest {
    type Event<'a> = ();

    fn handle(&mut self, _now: Instant, input: Input<'_>) {
        match input {
            Input::Accepted { association, .. } => self.accepted.push(association),
            Input::Message { association, octets, .. } => self.said.push((association, octets.to_vec())),
            _ => {}
        }
    }

    fn poll_action(&mut self) -> Option<Action<'_, ()>> {
        self.to_close.take().map(|association| Action::Close { association })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

struct Nothing;

impl Application<Guest> for Nothing {
    fn event(&mut self, _now: Instant, _event: ()) {}
}

#[derive(Default)]
struct Arrivals(VecDeque<Event<DirectHandle>>);

impl Sockets for Arrivals {
    fn bind(&mut self, _address: SocketAddr) -> io::Result<SocketIndex> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn local_address(&self, _socket: SocketIndex) -> Option<SocketAddr> {
        None
    }

    fn poll_event(&mut self) -> Option<Event<DirectHandle>> {
        self.0.pop_front()
    }
}

impl Arrivals {
    fn accepted(handles: std::ops::Range<u64>) -> Self {
        let peer: EndpointBuf = SocketAddr::from(([10, 0, 0, 1], 7000)).into();
        let peer = Peer { protocol: Protocol::Sctp, addresses: peer.as_endpoint().addresses.to_vec(), port: 7000 };
        let event =
            |handle| Event { association: DirectHandle(handle), news: News::Accepted(Purpose::Asap, peer.clone()) };
        Self(handles.map(event).collect())
    }
}

fn names(numbers: &[u32]) -> Vec<AssociationId> {
    numbers.iter().map(|number| AssociationId::accepted(*number)).collect()
}

#[test]
fn a_name_that_is_in_use_is_not_given_again() {
    let mut node = Node::new(Guest::default(), &Options::default(), [1; 16]);
    node.work(Instant::ZERO, &mut Arrivals::accepted(0..3), &mut Nothing);
    assert_eq!(node.machine().accepted, names(&[0, 1, 2]));
    // Two thousand million associations later only two of them are left.
    node.machine().to_close = Some(AssociationId::accepted(1));
    node.work(Instant::ZERO, &mut Arrivals::default(), &mut Nothing);
    node.next_accepted = 0x7fff_fffe;
    let mut arrivals = Arrivals::accepted(3..7);
    let octets = bytes::Bytes::from_static(b"still here");
    let message = News::Message { protocol: rserpool::wire::PayloadProtocol::UNSPECIFIED, octets };
    arrivals.0.push_back(Event { association: DirectHandle(0), news: message });
    node.work(Instant::ZERO, &mut arrivals, &mut Nothing);
    assert_eq!(node.machine().accepted, names(&[0, 1, 2, 0x7fff_fffe, 0x7fff_ffff, 1, 3]));
    assert_eq!(node.machine().said, [(AssociationId::accepted(0), b"still here".to_vec())]);
}

#[test]
fn a_name_of_which_the_end_has_not_been_told_yet_is_not_given_again() {
    let mut node = Node::new(Guest::default(), &Options::default(), [1; 16]);
    node.failures.push_back((AssociationId::accepted(0), News::Closed(CloseReason::Lost)));
    assert_eq!(node.name_accepted(), AssociationId::accepted(1));
}
