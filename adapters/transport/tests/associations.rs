//! Two endpoints in memory and in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use rserpool::wire::PayloadProtocol;
use rserpool::{CloseReason, Delivery, Instant, OpenFailure, OutgoingMessage, Progress, Purpose, SendBuffer};
use rserpool_transport::{
    AssociationHandle, Event, LocalPort, News, OpenError, Reading, SctpConfig, SctpOverUdp, SendError, SocketIndex,
    Transmit,
};

const SOCKET: SocketIndex = SocketIndex(0);
const PORT: u16 = 3863;
const DELAY: Duration = Duration::from_millis(1);

/// Several endpoints on a network that may lose what is sent.
struct Network {
    now: Instant,
    endpoints: Vec<SctpOverUdp>,
    /// When, from whom, to whom, what.
    flying: VecDeque<(Instant, usize, usize, Vec<u8>)>,
    events: Vec<VecDeque<Event<AssociationHandle>>>,
    /// Nodes that get nothing and send nothing.
    dead: Vec<usize>,
}

fn address(endpoint: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, endpoint as u8 + 1], 9899))
}

impl Network {
    fn new(endpoints: usize) -> Self {
        Self::with(endpoints, SctpConfig::default())
    }

    fn with(endpoints: usize, config: SctpConfig) -> Self {
        let endpoint = |number: usize| {
            let mut endpoint = SctpOverUdp::new(config.clone(), [number as u8; 16]);
            endpoint.listen(LocalPort { socket: SOCKET, port: PORT }, &[Purpose::Session]);
            endpoint
        };
        Self {
            now: Instant::ZERO,
            endpoints: (0..endpoints).map(endpoint).collect(),
            flying: VecDeque::new(),
            events: (0..endpoints).map(|_| VecDeque::new()).collect(),
            dead: Vec::new(),
        }
    }

    fn open(&mut self, from: usize, to: usize) -> Result<AssociationHandle, OpenError> {
        let local = LocalPort { socket: SOCKET, port: PORT };
        self.endpoints[from].open(self.now, local, address(to), PORT, Purpose::Session)
    }

    fn send(&mut self, from: usize, association: AssociationHandle, octets: &[u8]) -> Result<(), SendError> {
        let message = OutgoingMessage { protocol: PayloadProtocol::ASAP, ..OutgoingMessage::new(octets) };
        self.endpoints[from].send(self.now, association, &message)
    }

    fn collect(&mut self) {
        for from in 0..self.endpoints.len() {
            while let Some(Transmit { to, octets, .. }) = self.endpoints[from].poll_transmit() {
                let Some(to) = (0..self.endpoints.len()).find(|number| address(*number) == to) else { continue };
                if !self.dead.contains(&from) && !self.dead.contains(&to) {
                    self.flying.push_back((self.now + DELAY, from, to, octets));
                }
            }
            while let Some(event) = self.endpoints[from].poll_event() {
                self.events[from].push_back(event);
            }
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.collect();
            let timeouts = self.endpoints.iter().filter_map(SctpOverUdp::poll_timeout);
            let next = timeouts.chain(self.flying.front().map(|(at, ..)| *at)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if let Some((_, from, to, octets)) = self.flying.pop_front_if(|(at, ..)| *at <= next) {
                self.endpoints[to].handle_datagram(self.now, SOCKET, address(from), &octets);
            }
            for endpoint in &mut self.endpoints {
                endpoint.handle_timeout(self.now);
            }
        }
        self.now = end;
    }

    fn accepted(&mut self, at: usize) -> Option<AssociationHandle> {
        self.events[at].drain(..).find_map(|event| match event {
            Event { association, news: News::Accepted(..) } => Some(association),
            _ => None,
        })
    }

    fn messages(&mut self, at: usize) -> Vec<Vec<u8>> {
        let message = |event: Event<AssociationHandle>| match event {
            Event { news: News::Message { octets, .. }, .. } => Some(octets.to_vec()),
            _ => None,
        };
        self.events[at].drain(..).filter_map(message).collect()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn messages_go_both_ways_in_order_and_keep_their_payload_protocol() {
    let mut net = Network::new(2);
    let there = net.open(0, 1).unwrap();
    net.run(SECOND);
    assert!(
        matches!(net.events[0].pop_front(), Some(Event { association, news: News::Opened(_) }) if association == there)
    );
    let back = net.accepted(1).unwrap();
    for number in 0..100u8 {
        net.send(0, there, &[number; 300]).unwrap();
    }
    net.send(1, back, b"answer").unwrap();
    net.run(SECOND);
    assert_eq!(net.messages(1), (0..100u8).map(|number| vec![number; 300]).collect::<Vec<_>>());
    assert!(matches!(
        net.events[0].pop_front(),
        Some(Event { news: News::Message { protocol: PayloadProtocol::ASAP, octets }, .. }) if octets == b"answer"[..]
    ));
}

#[test]
fn large_and_unordered_messages_arrive_whole() {
    let mut net = Network::new(2);
    let there = net.open(0, 1).unwrap();
    net.run(SECOND);
    net.events[1].clear();
    let large: Vec<u8> = (0..100_000u32).map(|number| number as u8).collect();
    let message = OutgoingMessage { delivery: Delivery::Unordered, stream: 3, ..OutgoingMessage::new(&large) };
    net.endpoints[0].send(net.now, there, &message).unwrap();
    net.run(5 * SECOND);
    assert_eq!(net.messages(1), [large]);
}

#[test]
fn a_dead_peer_is_noticed_in_about_two_seconds_without_any_help() {
    let mut net = Network::new(2);
    let there = net.open(0, 1).unwrap();
    net.run(SECOND);
    net.events[0].clear();
    net.dead.push(1);
    net.send(0, there, b"anybody?").unwrap();
    net.run(2 * SECOND);
    assert!(matches!(
        net.events[0].pop_front(),
        Some(Event { association, news: News::Closed(CloseReason::Lost) }) if association == there
    ));
    assert!(net.endpoints[0].is_empty());
    assert_eq!(net.endpoints[0].poll_timeout(), None);
}

#[test]
fn an_idle_association_notices_a_dead_peer_by_heartbeats() {
    let mut net = Network::new(2);
    net.open(0, 1).unwrap();
    net.run(10 * SECOND);
    net.events[0].clear();
    net.dead.push(1);
    net.run(15 * SECOND);
    assert!(matches!(net.events[0].pop_front(), Some(Event { news: News::Closed(CloseReason::Lost), .. })));
}

#[test]
fn an_association_to_nobody_fails() {
    let mut net = Network::new(2);
    net.dead.push(1);
    let there = net.open(0, 1).unwrap();
    net.run(5 * SECOND);
    assert!(
        matches!(net.events[0].pop_front(), Some(Event { association, news: News::OpenFailed(OpenFailure::Unreachable) }) if association == there)
    );
}

#[test]
fn a_port_that_nobody_listens_at_is_refused_at_once() {
    let mut net = Network::new(2);
    let local = LocalPort { socket: SOCKET, port: PORT };
    net.endpoints[0].open(net.now, local, address(1), 4444, Purpose::Session).unwrap();
    net.run(10 * DELAY);
    assert!(matches!(net.events[0].pop_front(), Some(Event { news: News::OpenFailed(OpenFailure::Unreachable), .. })));
}

#[test]
fn a_peer_that_has_forgotten_the_association_says_so() {
    // RFC 9260 §8.4: a packet of no association is answered with an abort.
    let mut net = Network::new(2);
    let there = net.open(0, 1).unwrap();
    net.run(SECOND);
    net.events[0].clear();
    net.endpoints[1] = SctpOverUdp::new(SctpConfig::default(), [9; 16]);
    net.send(0, there, b"hello?").unwrap();
    net.run(10 * DELAY);
    assert!(matches!(net.events[0].pop_front(), Some(Event { news: News::Closed(CloseReason::Aborted), .. })));
}

#[test]
fn a_restarted_peer_ends_one_association_and_begins_another() {
    let mut net = Network::new(2);
    let there = net.open(0, 1).unwrap();
    net.run(SECOND);
    net.events.iter_mut().for_each(VecDeque::clear);
    net.endpoints[1] = SctpOverUdp::new(SctpConfig::default(), [9; 16]);
    net.open(1, 0).unwrap();
    net.run(SECOND);
    assert!(
        matches!(net.events[0].pop_front(), Some(Event { association, news: News::Closed(_) }) if association == there)
    );
    let back = net.accepted(0).unwrap();
    assert!(matches!(net.events[1].pop_front(), Some(Event { news: News::Opened(_), .. })));
    net.send(0, back, b"welcome").unwrap();
    net.run(SECOND);
    assert_eq!(net.messages(1), [b"welcome"]);
    assert_eq!(net.endpoints[0].len(), 1);
}

#[test]
fn when_both_open_at_the_same_time_there_is_one_association() {
    let mut net = Network::new(2);
    let (a, b) = (net.open(0, 1).unwrap(), net.open(1, 0).unwrap());
    net.run(SECOND);
    assert!(
        net.events[0]
            .iter()
            .any(|event| matches!(event, Event { association, news: News::Opened(_) } if *association == a))
    );
    assert!(
        net.events[1]
            .iter()
            .any(|event| matches!(event, Event { association, news: News::Opened(_) } if *association == b))
    );
    assert_eq!((net.endpoints[0].len(), net.endpoints[1].len()), (1, 1));
    net.events.iter_mut().for_each(VecDeque::clear);
    net.send(0, a, b"ping").unwrap();
    net.run(SECOND);
    assert_eq!(net.messages(1), [b"ping"]);
}

#[test]
fn a_second_association_between_the_same_ports_is_refused() {
    let mut net = Network::new(2);
    let there = net.open(0, 1).unwrap();
    assert_eq!(net.open(0, 1), Err(OpenError::Exists(there)));
}

#[test]
fn closing_delivers_what_was_sent_and_leaves_nothing_behind() {
    let mut net = Network::new(2);
    let there = net.open(0, 1).unwrap();
    net.run(SECOND);
    net.events[1].clear();
    net.send(0, there, b"farewell").unwrap();
    net.endpoints[0].close(net.now, there);
    net.run(SECOND);
    let events: Vec<_> = net.events[1].drain(..).collect();
    assert!(matches!(&events[0], Event { news: News::Message { octets, .. }, .. } if *octets == b"farewell"[..]));
    assert!(matches!(events[1], Event { news: News::Closed(CloseReason::Shutdown), .. }));
    assert!(net.endpoints.iter().all(SctpOverUdp::is_empty));
}

#[test]
fn half_open_associations_take_no_room() {
    let mut net = Network::new(2);
    // The answers to these never arrive: nobody is at the addresses they come from.
    let local = LocalPort { socket: SOCKET, port: PORT };
    for number in 0..1000u16 {
        let mut stranger = SctpOverUdp::new(SctpConfig::default(), [0; 16]);
        let _ = stranger.open(net.now, LocalPort { port: number, ..local }, address(1), PORT, Purpose::Session);
        let init = stranger.poll_transmit().unwrap().octets;
        let from = SocketAddr::from(([10, 1, (number >> 8) as u8, number as u8], 9899));
        net.endpoints[1].handle_datagram(net.now, SOCKET, from, &init);
    }
    assert!(net.endpoints[1].is_empty());
    net.open(0, 1).unwrap();
    net.run(SECOND);
    assert!(net.accepted(1).is_some());
}

#[test]
fn a_cookie_that_we_did_not_make_or_that_is_too_old_opens_nothing() {
    // A whole handshake, recorded.
    let mut net = Network::new(2);
    net.open(0, 1).unwrap();
    net.collect();
    let mut cookie_echo = None;
    for _ in 0..4 {
        let Some((_, from, to, octets)) = net.flying.pop_front() else { break };
        if octets[12] == 10 {
            cookie_echo = Some(octets.clone());
            break;
        }
        net.endpoints[to].handle_datagram(net.now, SOCKET, address(from), &octets);
        net.collect();
    }
    let cookie_echo = cookie_echo.unwrap();
    // From another address.
    let elsewhere = SocketAddr::from(([10, 9, 9, 9], 9899));
    net.endpoints[1].handle_datagram(net.now, SOCKET, elsewhere, &cookie_echo);
    assert!(net.endpoints[1].is_empty());
    // Changed in one octet.
    for at in [20, 40, cookie_echo.len() - 1] {
        let mut changed = cookie_echo.clone();
        changed[at] ^= 1;
        net.endpoints[1].handle_datagram(net.now, SOCKET, address(0), &changed);
        assert!(net.endpoints[1].is_empty(), "octet {at}");
    }
    // Too late.
    net.endpoints[1].handle_datagram(net.now + Duration::from_secs(11), SOCKET, address(0), &cookie_echo);
    assert!(net.endpoints[1].is_empty());
    // As it should be.
    net.endpoints[1].handle_datagram(net.now, SOCKET, address(0), &cookie_echo);
    assert_eq!(net.endpoints[1].len(), 1);
}

#[test]
fn one_address_cannot_take_all_the_room() {
    let mut config = SctpConfig::default();
    config.limits.associations_per_address = 3;
    let mut net = Network::with(2, config);
    for port in 1..=10 {
        let local = LocalPort { socket: SOCKET, port };
        net.endpoints[0].open(net.now, local, address(1), PORT, Purpose::Session).unwrap();
    }
    net.run(SECOND);
    assert_eq!(net.endpoints[1].len(), 3);
}

#[test]
fn an_unreachable_message_ends_the_association_that_it_quotes_and_no_other() {
    let mut net = Network::new(3);
    let (one, two) = (net.open(0, 1).unwrap(), net.open(0, 2).unwrap());
    net.run(SECOND);
    net.events[0].clear();
    net.send(0, one, b"lost").unwrap();
    let packet = net.endpoints[0].poll_transmit().unwrap().octets;
    // A made-up quotation has another verification tag.
    let mut made_up = packet.clone();
    made_up[4] ^= 1;
    net.endpoints[0].handle_unreachable(net.now, SOCKET, address(1), &made_up);
    assert!(net.endpoints[0].poll_event().is_none());
    net.endpoints[0].handle_unreachable(net.now, SOCKET, address(1), &packet);
    assert!(matches!(
        net.endpoints[0].poll_event(),
        Some(Event { association, news: News::Closed(CloseReason::Lost) }) if association == one
    ));
    assert!(net.endpoints[0].peer(two).is_some());
}

#[test]
fn garbage_does_no_harm() {
    let mut net = Network::new(2);
    let there = net.open(0, 1).unwrap();
    net.run(SECOND);
    net.events[1].clear();
    let mut state = 1u32;
    for length in 0..2000usize {
        let octets: Vec<u8> = (0..length % 200)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        net.endpoints[1].handle_datagram(net.now, SOCKET, address(0), &octets);
        // Also with the right ports in front.
        let mut ports = vec![0x0f, 0x17, 0x0f, 0x17];
        ports.extend(&octets);
        net.endpoints[1].handle_datagram(net.now, SOCKET, address(0), &ports);
    }
    net.send(0, there, b"still here").unwrap();
    net.run(SECOND);
    assert_eq!(net.messages(1), [b"still here"]);
}

#[test]
fn a_peer_that_does_not_read_fills_a_bounded_buffer() {
    let mut net = Network::new(2);
    let there = net.open(0, 1).unwrap();
    net.run(SECOND);
    net.dead.push(1);
    let result = (0..10_000).find_map(|_| net.send(0, there, &[0; 1000]).err());
    assert_eq!(result, Some(SendError::BufferFull));
    assert_eq!(net.send(0, there, &vec![0; 300_000]), Err(SendError::TooLarge));
    assert_eq!(net.send(0, there, &[]), Err(SendError::Empty));
}

/// What was told as undelivered: how far it got, and its first octet.
fn undelivered(events: impl IntoIterator<Item = Event<AssociationHandle>>) -> Vec<(Progress, u8)> {
    let undelivered = events.into_iter().filter_map(|event| match event {
        Event { news: News::Undelivered(message), .. } => Some((message.progress(), message.message().octets[0])),
        _ => None,
    });
    undelivered.collect()
}

/// An association whose peer has died, three small messages ago.
fn with_dead_peer() -> (Network, AssociationHandle) {
    let mut net = Network::new(2);
    let there = net.open(0, 1).unwrap();
    net.endpoints[0].track(there);
    net.run(SECOND);
    net.send(0, there, b"arrives").unwrap();
    net.run(SECOND);
    net.events[0].clear();
    net.dead.push(1);
    // The first fills what may be on its way unacknowledged; what comes behind it waits.
    for octet in 1..=3 {
        net.send(0, there, &[octet; 60_000]).unwrap();
    }
    (net, there)
}

#[test]
fn what_has_not_arrived_is_told_in_order_ahead_of_the_end() {
    let (mut net, _) = with_dead_peer();
    net.run(20 * SECOND);
    let events: Vec<_> = net.events[0].drain(..).collect();
    assert!(matches!(events.last(), Some(Event { news: News::Closed(CloseReason::Lost), .. })));
    let told = undelivered(events);
    assert_eq!(told.iter().map(|(_, octet)| *octet).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(told[2].0, Progress::Unsent);
}

#[test]
fn what_was_sent_whole_and_not_acknowledged_may_have_arrived() {
    let mut net = Network::new(2);
    let there = net.open(0, 1).unwrap();
    net.endpoints[0].track(there);
    net.run(SECOND);
    net.dead.push(1);
    net.send(0, there, b"!").unwrap();
    net.run(20 * SECOND);
    assert_eq!(undelivered(net.events[0].drain(..)), [(Progress::Unacknowledged, b'!')]);
}

#[test]
fn an_association_that_is_aborted_gives_back_what_has_not_arrived() {
    let (mut net, there) = with_dead_peer();
    let now = net.now;
    let given = net.endpoints[0].abort(now, there);
    assert_eq!(given.iter().map(|message| message.message().octets[0]).collect::<Vec<_>>(), [1, 2, 3]);
    net.run(20 * SECOND);
    assert!(net.events[0].is_empty());
}

#[test]
fn an_association_that_is_not_tracked_tells_nothing_of_its_messages() {
    let mut net = Network::new(2);
    let there = net.open(0, 1).unwrap();
    net.run(SECOND);
    net.dead.push(1);
    net.send(0, there, b"!").unwrap();
    net.run(20 * SECOND);
    assert!(undelivered(net.events[0].drain(..)).is_empty());
}

/// What an association has said of its send buffer.
fn send_buffer(net: &mut Network, at: usize) -> Vec<SendBuffer> {
    let state = |event: &mut Event<AssociationHandle>| match event.news {
        News::SendBuffer(state) => Some(state),
        _ => None,
    };
    net.events[at].iter_mut().filter_map(state).collect()
}

/// An association of 0 with 1, by both names.
fn associated(net: &mut Network) -> (AssociationHandle, AssociationHandle) {
    let there = net.open(0, 1).unwrap();
    net.run(SECOND);
    let here = net.accepted(1).unwrap();
    net.events.iter_mut().for_each(VecDeque::clear);
    (there, here)
}

#[test]
fn a_sender_is_told_that_its_buffer_is_full_and_that_there_is_room_again() {
    let mut net = Network::new(2);
    let (there, _) = associated(&mut net);
    let half = SctpConfig::default().send_buffer / 2;
    let mut sent = 0;
    while send_buffer(&mut net, 0).is_empty() {
        net.send(0, there, &[7; 10_000]).unwrap();
        net.collect();
        sent += 10_000;
        assert!(sent < 2 * half, "nobody says that the buffer is full");
    }
    assert!(sent > half);
    assert_eq!(send_buffer(&mut net, 0), [SendBuffer::Full]);
    net.run(5 * SECOND);
    assert_eq!(send_buffer(&mut net, 0), [SendBuffer::Full, SendBuffer::HasRoom]);
    assert_eq!(net.messages(1).len(), sent / 10_000);
}

#[test]
fn who_is_made_to_wait_waits_for_minutes_while_the_other_direction_works_and_nothing_is_lost() {
    let mut net = Network::new(2);
    let (there, here) = associated(&mut net);
    net.endpoints[1].set_reading(here, Reading::Paused);
    let numbers: Vec<Vec<u8>> = (0..3_000_u32).map(|number| number.to_be_bytes().repeat(256)).collect();
    let mut left = numbers.iter().peekable();
    let mut arrived = Vec::new();
    for second in 0..120_u32 {
        while left.next_if(|message| net.send(0, there, message).is_ok()).is_some() {}
        net.send(1, here, &second.to_be_bytes()).unwrap();
        net.run(SECOND);
        assert_eq!(net.messages(0), [second.to_be_bytes()]);
        arrived.extend(net.messages(1));
    }
    let early: usize = arrived.iter().map(Vec::len).sum();
    assert!(early < 120 * 6_000, "{early} octets were taken");
    net.endpoints[1].set_reading(here, Reading::On);
    for _ in 0..60 {
        while left.next_if(|message| net.send(0, there, message).is_ok()).is_some() {}
        net.run(SECOND);
        arrived.extend(net.messages(1));
    }
    assert!(arrived == numbers, "{} of {}", arrived.len(), numbers.len());
}

#[test]
fn timers_that_run_out_between_two_microseconds_run_out() {
    // The retransmission time-out comes out of round trips, and has fractions of a microsecond.
    let mut config = SctpConfig::default();
    config.rto_min = Duration::from_micros(1);
    config.delayed_acknowledgement = Duration::from_micros(1);
    for step in 1..200 {
        let mut net = Network::with(2, config.clone());
        let (there, _) = associated(&mut net);
        for number in 0..5 {
            net.now = net.now + Duration::from_micros(step * 7 + number);
            net.send(0, there, b"there and back").unwrap();
            net.run(Duration::from_micros(2_003 + step));
        }
        net.dead.push(1);
        net.send(0, there, b"never").unwrap();
        net.collect();
        let mut turns = 0;
        while let Some(at) = net.endpoints[0].poll_timeout() {
            net.now = net.now.max(at);
            net.endpoints[0].handle_timeout(net.now);
            turns += 1;
            assert!(turns < 1_000, "the time-out at {at:?} does not go away");
        }
    }
}
