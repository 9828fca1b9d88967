//! The server hunt (RFC 5352 §3.6).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement};
use rserpool::pool_user::{PoolUser, UserConfig, UserEvent};
use rserpool::wire::asap::{Body, ServerAnnounce, message_type};
use rserpool::wire::{PayloadProtocol, PeIdentifier, PoolHandle, Sequence, ServerIdentifier, Transport, TransportUse};
use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, EndpointBuf, Input, Instant, MAX_REGISTRARS, Machine, OpenFailure,
    Protocol, UserTransport,
};

use crate::events::event;
use crate::network::{Network, cluster};
use crate::scripted_element::ScriptedElement;

const ASAP: PayloadProtocol = PayloadProtocol::ASAP;
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_dead_registrar_in_the_list_does_no_harm() {
    let mut net = Network::new();
    let (dead, living) = (net.registrar(&[]), net.registrar(&[]));
    net.kill(dead);
    let element = net.element("pool", 7, &[dead, living]);
    net.wait(SECOND, |net| net.events(element).has(event!(ElementEvent::Registered { .. })));
    assert_eq!(net.table(living), [(7, 0x101)]);
}

#[test]
fn of_several_associations_one_is_kept() {
    let mut net = Network::new();
    let registrars = [net.registrar(&[]), net.registrar(&[]), net.registrar(&[])];
    let element = net.element("pool", 7, &registrars);
    net.run(Duration::from_secs(5));
    let asked: usize =
        registrars.iter().map(|r| net.messages(element, *r, ASAP, message_type::REGISTRATION).len()).sum();
    assert_eq!(asked, 1);
}

#[test]
fn without_any_registrar_the_hunt_goes_on_with_doubled_times_up_to_retran_max() {
    // RFC 5352 §3.6 SH5.1: T5 is 10 s, then 20, 40, and 60 from then on.
    let mut scripted = ScriptedElement::new(&[1]);
    let start = scripted.now;
    scripted.act(|element, now| element.register(now));
    scripted.wait(Duration::from_secs(300));
    let times: Vec<u64> = scripted.attempts.iter().map(|(at, _)| at.since(start).as_millis() as u64).collect();
    assert_eq!(times, [0, 10_000, 30_000, 70_000, 130_000, 190_000, 250_000]);
    // SH5.2: what has not been answered is given up.
    assert_eq!(scripted.ended.len(), 6);
}

#[test]
fn an_element_whose_home_dies_registers_with_another_registrar() {
    let mut net = Network::new();
    let first = net.registrar(&[]);
    let element = net.element("pool", 7, &[first]);
    net.run(SECOND);
    assert_eq!(net.table(first), [(7, 0x100)]);
    let second = net.registrar(&[]);
    net.with_element(element, |element, _| {
        element
            .add_registrar(EndpointBuf::single(
                Protocol::Sctp,
                crate::network::address(second),
                crate::network::ASAP_PORT,
            ))
            .unwrap();
    });
    net.kill(first);
    net.wait(Duration::from_secs(2), |net| net.table(second) == [(7, 0x102)]);
}

#[test]
fn a_registration_without_answer_is_tried_elsewhere_when_t2_expires() {
    // RFC 5352 §3.1: T2 is 30 s.
    let mut net = Network::new();
    let [silent, other] = [net.registrar(&[]), net.registrar(&[])];
    let element = net.element("pool", 7, &[silent, other]);
    // The association stands, but the registrar says nothing.
    net.run(Duration::from_millis(1));
    net.pause(silent);
    net.run(Duration::from_secs(29));
    let asked = |net: &Network, registrar| net.messages(element, registrar, ASAP, message_type::REGISTRATION).len();
    assert_eq!((asked(&net, silent), asked(&net, other)), (1, 0));
    net.wait(Duration::from_secs(2), |net| net.table(other) == [(7, 0x101)]);
    assert_eq!((asked(&net, silent), asked(&net, other)), (1, 1));
    assert!(!net.events(element).has(event!(ElementEvent::RegistrationFailed(_))));
}

#[test]
fn a_registrar_that_takes_nobody_yet_is_not_asked_as_fast_as_the_network_allows() {
    // Found by the simulator: a registrar that is starting ends each association at once, and ten thousand elements
    // came again in the same millisecond.
    let mut net = Network::new();
    let silent = net.registrar(&[]);
    net.pause(silent);
    let starting = net.registrar(&[silent]);
    let element = net.element("pool", 7, &[starting]);
    net.attempts.clear();
    net.run(Duration::from_secs(4));
    let attempts = net.attempts.iter().filter(|(_, node)| *node == element).count();
    assert!(attempts <= 5, "{attempts} in four seconds");
    net.wait(Duration::from_secs(20), |net| net.events(element).has(event!(ElementEvent::Registered { .. })));
}

/// An element or a user alone, and the associations that it asks for.
struct Alone<M> {
    machine: M,
    now: Instant,
    /// Those that were asked for, and when.
    asked: Vec<(Instant, AssociationId)>,
    /// Those that are being opened, and those that are open.
    alive: Vec<AssociationId>,
}

impl<M: Machine> Alone<M> {
    fn new(mut machine: M, start: impl FnOnce(&mut M, Instant)) -> Self {
        let now = Instant::from_millis(1);
        start(&mut machine, now);
        Self { machine, now, asked: Vec::new(), alive: Vec::new() }
    }

    fn input(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Open { association, .. } => {
                    self.asked.push((self.now, association));
                    self.alive.push(association);
                }
                Action::Close { association } | Action::Abort { association } => {
                    self.alive.retain(|alive| *alive != association);
                }
                _ => {}
            }
            assert!(self.alive.len() <= 3, "RFC 5352 §3.6 SH1: {:?}", self.alive);
        }
    }

    /// Lets seconds pass, and returns at how many of them an association was asked for.
    fn wait(&mut self, seconds: u64) -> Vec<(u64, AssociationId)> {
        let (start, end) = (self.now, self.now + Duration::from_secs(seconds));
        let before = self.asked.len();
        self.drain();
        while let Some(at) = self.machine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Timeout);
        }
        self.now = end;
        self.asked[before..].iter().map(|(at, association)| (at.since(start).as_secs(), *association)).collect()
    }

    fn opens(&mut self, association: AssociationId) {
        let peer = Endpoint { protocol: Protocol::Sctp, addresses: &[IpAddr::V4(Ipv4Addr::LOCALHOST)], port: 3863 };
        self.input(Input::Opened { association, peer });
    }

    fn fails(&mut self, association: AssociationId) {
        self.alive.retain(|alive| *alive != association);
        self.input(Input::OpenFailed { association, reason: OpenFailure::Unreachable });
    }
}

/// An element that wants to register, and knows as many registrars.
fn alone(registrars: u16) -> Alone<PoolElement> {
    let service = UserTransport::sctp(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 7, TransportUse::DataPlusControl).unwrap();
    let mut element = PoolElement::new(ElementConfig::new(b"pool", PeIdentifier(1), service).unwrap());
    for number in 0..registrars {
        element.add_registrar(registrar(number)).unwrap();
    }
    Alone::new(element, |element, now| element.register(now))
}

/// A user that wants to resolve a pool handle, and knows as many registrars.
fn user_alone(registrars: u16) -> Alone<PoolUser> {
    let mut user = PoolUser::new(UserConfig::default());
    for number in 0..registrars {
        user.add_registrar(registrar(number)).unwrap();
    }
    Alone::new(user, |user, now| user.resolve(now, PoolHandle::from("pool")).unwrap())
}

fn registrar(number: u16) -> EndpointBuf {
    EndpointBuf::single(Protocol::Sctp, IpAddr::V4(Ipv4Addr::LOCALHOST), 3863 + number)
}

/// Looks at somebody who hunts and knows four registrars.
fn tries_three_of_four<M: Machine>(mut alone: Alone<M>) {
    alone.drain();
    assert_eq!(alone.asked.len(), 3);
    // SH4: the fourth is tried instead of one that has failed, and there are three again.
    alone.fails(alone.alive[1]);
    assert_eq!((alone.asked.len(), alone.alive.len()), (4, 3));
    // SH5: T5 expires after 10 s. The three are given up before others are tried.
    let given_up = alone.alive.clone();
    assert_eq!(alone.wait(11).len(), 3);
    assert_eq!(alone.alive.len(), 3);
    assert!(given_up.iter().all(|association| !alone.alive.contains(association)));
    // SH6: one answers, and the others are given up.
    let home = alone.alive[2];
    alone.opens(home);
    assert_eq!(alone.alive, [home]);
}

#[test]
fn no_more_than_three_associations_with_registrars_are_tried_or_open_at_a_time() {
    tries_three_of_four(alone(4));
    tries_three_of_four(user_alone(4));
}

/// Looks at somebody whose hunt was over at once. T5 would expire after 10 s, T1 and T2 do later.
fn waits_for_nobody_else<M: Machine>(mut alone: Alone<M>) {
    alone.drain();
    let home = alone.alive[0];
    alone.opens(home);
    assert_eq!(alone.wait(14), []);
    assert_eq!(alone.alive, [home]);
}

#[test]
fn an_association_stops_t5() {
    waits_for_nobody_else(alone(4));
    waits_for_nobody_else(user_alone(4));
}

#[test]
fn an_association_sets_t5_back_to_its_first_value() {
    let mut alone = alone(1);
    // The first round is at once, further ones after 10 and 20 s more.
    let asked = alone.wait(35);
    assert_eq!(asked.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 10, 30]);
    let (_, association) = asked[2];
    alone.opens(association);
    alone.wait(15);
    alone.alive.clear();
    alone.input(Input::Closed { association, reason: CloseReason::Lost });
    assert_eq!(alone.alive.len(), 1, "at once");
    let asked = alone.wait(35);
    assert_eq!(asked.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [10, 30]);
}

#[test]
fn an_announcement_is_valid_for_t7_which_each_further_one_starts_anew() {
    use rserpool::MulticastGroup;
    let service = UserTransport::sctp(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 7, TransportUse::DataPlusControl).unwrap();
    let mut element: PoolElement = PoolElement::new(ElementConfig::new(b"pool", PeIdentifier(1), service).unwrap());
    // ASAP_SERVER_ANNOUNCE, length 24: server 9; SCTP, length 16: port 3863, data only; IPv4, length 8: 10.0.0.9.
    let announcement = [0xa, 0, 0, 24, 0, 0, 0, 9, 0, 4, 0, 16, 0xf, 0x17, 0, 0, 0, 1, 0, 8, 10, 0, 0, 9];
    let mut hears = |seconds: u64| {
        let now = Instant::ZERO + Duration::from_secs(seconds);
        let from = std::net::SocketAddr::from(([10, 0, 0, 9], 3863));
        element.handle(now, Input::Datagram { group: MulticastGroup::Asap, from, octets: &announcement });
        element.poll_timeout()
    };
    // It hunts for nobody: T7 is all that it waits for.
    assert_eq!(hears(10), Some(Instant::ZERO + Duration::from_secs(15)));
    assert_eq!(hears(13), Some(Instant::ZERO + Duration::from_secs(18)));
}

#[test]
fn who_loses_its_home_registers_with_a_different_one() {
    let (mut net, registrars) = cluster(2);
    let element = net.element("pool", 1, &registrars);
    net.run(SECOND);
    let home = net.table(registrars[0])[0].1;
    assert_eq!(home, 0x100);
    // It comes back at once, knows nothing, and could be reached again.
    net.restart_registrar(registrars[0], &[]);
    net.run(SECOND);
    assert!(net.is_serving(registrars[0]));
    assert_eq!(net.table(registrars[1]), [(1, 0x101)]);
    assert_eq!(
        net.events(element).all(event!(ElementEvent::HomeLost { .. })),
        [ElementEvent::HomeLost { reason: CloseReason::Lost }]
    );
}

#[test]
fn a_registrar_that_has_answered_is_replaced_at_once_when_it_is_lost() {
    let (mut net, registrars) = cluster(2);
    net.element("pool", 1, &registrars);
    let user = net.user(&registrars);
    net.run(SECOND);
    let ask = |net: &mut Network| {
        net.with_user(user, |user, now| user.resolve(now, PoolHandle::from("pool")).unwrap());
    };
    ask(&mut net);
    net.run(SECOND);
    assert_eq!(net.events(user).count(event!(UserEvent::Resolved(_))), 1);
    net.kill(registrars[0]);
    ask(&mut net);
    while !net.events(user).has(event!(UserEvent::HomeLost)) {
        net.run(Duration::from_millis(1));
    }
    // Messages take a few milliseconds here, a pause between hunts 200.
    net.run(Duration::from_millis(100));
    assert_eq!(net.events(user).count(event!(UserEvent::Resolved(_))), 2);
}

/// An element that has registered, the registrar, and three more that do not answer from now on.
fn with_silent_registrars() -> (Network, usize, usize) {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let silent: Vec<_> = (0..3).map(|_| net.registrar(&[])).collect();
    let known = [registrar, silent[0], silent[1], silent[2]];
    // Shorter than it takes until an attempt to reach one that does not answer fails.
    let element = net.element_with("pool", 1, &known, |config| config.hunt.t5_serverhunt = SECOND);
    net.run(2 * SECOND);
    assert_eq!(net.table(registrar), [(1, 0x100)]);
    for silent in &silent {
        net.pause(*silent);
    }
    (net, registrar, element)
}

#[test]
fn the_registrar_that_was_lost_is_tried_again_once_the_others_do_not_answer_within_t5() {
    let (mut net, registrar, element) = with_silent_registrars();
    // It comes back at once under its old identifier, and knows nothing.
    net.restart_registrar(registrar, &[]);
    net.run(Duration::from_millis(900));
    assert_eq!(net.table(registrar), []);
    net.run(SECOND);
    assert_eq!(net.table(registrar), [(1, 0x100)]);
    assert!(!net.events(element).has(event!(ElementEvent::HomeChanged { .. })));
}

#[test]
fn who_looks_for_a_home_takes_the_registrar_that_asks_whether_it_is_there() {
    let (mut net, registrar, element) = with_silent_registrars();
    net.cut(registrar, element);
    // The registrar asks over an association of its own, and the element needs no other.
    net.run(Duration::from_millis(400));
    assert!(net.events(element).has(event!(ElementEvent::HomeChanged { home: ServerIdentifier(0x100) })));
    assert_eq!(net.events(element).count(event!(ElementEvent::Registered { .. })), 2);
}

/// ASAP_SERVER_ANNOUNCE of a registrar with SCTP port 3863 at these addresses.
fn announcement(addresses: &[[u8; 4]]) -> Vec<u8> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|octets| IpAddr::from(*octets)).collect();
    let transports = [Transport::sctp(3863, TransportUse::DataOnly, &addresses)];
    let announce = ServerAnnounce { server: ServerIdentifier(9), transports: Sequence::new(&transports) };
    crate::scripted_user::encode(Body::ServerAnnounce(announce))
}

/// An element that hears an announcement, and the addresses of the registrars that it tries then, at once and later.
fn addresses_tried(registrars: &[&[[u8; 4]]], announced: &[&[[u8; 4]]], pause: Duration) -> Vec<Vec<IpAddr>> {
    use rserpool::MulticastGroup;
    let service = UserTransport::sctp(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 7, TransportUse::DataPlusControl).unwrap();
    let mut element: PoolElement = PoolElement::new(ElementConfig::new(b"pool", PeIdentifier(1), service).unwrap());
    for addresses in registrars {
        let addresses: Vec<IpAddr> = addresses.iter().map(|octets| IpAddr::from(*octets)).collect();
        element.add_registrar(EndpointBuf::new(Protocol::Sctp, &addresses, 3863).unwrap()).unwrap();
    }
    let mut now = Instant::from_millis(1);
    for addresses in announced {
        let octets = announcement(addresses);
        let from = std::net::SocketAddr::from((addresses[0], 3863));
        element.handle(now, Input::Datagram { group: MulticastGroup::Asap, from, octets: &octets });
    }
    now = now + pause;
    element.handle(now, Input::Timeout);
    element.register(now);
    let mut tried = Vec::new();
    for _ in 0..60 {
        while let Some(action) = element.poll_action() {
            if let Action::Open { remote, association, .. } = action {
                let addresses = remote.addresses.to_vec();
                if tried.contains(&addresses) {
                    return tried;
                }
                tried.push(addresses);
                element.handle(now, Input::OpenFailed { association, reason: OpenFailure::Unreachable });
            }
        }
        element.handle(now, Input::Timeout);
    }
    tried
}

#[test]
fn the_addresses_of_a_known_registrar_are_those_that_it_has_announced_last() {
    // RFC 5352 §3.6.
    let (one, two, three) = ([10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3]);
    let tried = addresses_tried(&[], &[&[one, two], &[two, three]], SECOND);
    assert_eq!(tried, [[IpAddr::from(two), IpAddr::from(three)]]);
    // Configured ones come first, and stay when T7 has expired.
    let tried = addresses_tried(&[&[one]], &[&[two, one, three], &[three, one]], SECOND);
    assert_eq!(tried, [[IpAddr::from(one), IpAddr::from(three)]]);
    let tried = addresses_tried(&[&[one]], &[&[two, one, three]], 6 * SECOND);
    assert_eq!(tried, [[IpAddr::from(one)]]);
}

#[test]
fn eight_registrars_find_room() {
    let all: Vec<[[u8; 4]; 1]> = (1..=9).map(|number| [[10, 0, 0, number]]).collect();
    let announced: Vec<&[[u8; 4]]> = all.iter().map(|addresses| &addresses[..]).collect();
    let tried = addresses_tried(&[], &announced, SECOND);
    assert_eq!(tried.len(), MAX_REGISTRARS);
    assert_eq!(MAX_REGISTRARS, 8);
}
