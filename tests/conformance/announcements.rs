//! ASAP_SERVER_ANNOUNCE: what registrars say in it, and what elements and users make of it (RFC 5352 §2.2.10, §3.6, §9.2).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use rserpool::pool_element::{ElementConfig, PoolElement};
use rserpool::pool_user::{PoolUser, UserConfig};
use rserpool::registrar::Announcements;
use rserpool::wire::asap::{Body, Message, ServerAnnounce};
use rserpool::wire::{
    IpProtocol, PeIdentifier, PoolHandle, Sequence, ServerIdentifier, Transport, TransportProtocol, TransportUse,
};
use rserpool::{
    Action, AssociationId, Endpoint, EndpointBuf, Input, Instant, Machine, MulticastGroup, Protocol, UserTransport,
};

use crate::scripted::{Done, OWN, Scripted, host};
use crate::scripted_user::encode;

const SECOND: Duration = Duration::from_secs(1);

/// An element or a user, which hears announcements.
struct Listener<M> {
    machine: M,
    now: Instant,
    /// With whom it wants associations, and has none yet.
    opening: Vec<(AssociationId, EndpointBuf)>,
}

impl<M: Machine> Listener<M> {
    fn new(machine: M) -> Self {
        Self { machine, now: Instant::from_millis(1), opening: Vec::new() }
    }

    fn act(&mut self, act: impl FnOnce(&mut M, Instant)) {
        act(&mut self.machine, self.now);
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Open { association, remote, .. } => {
                    let remote = EndpointBuf::new(remote.protocol, remote.addresses, remote.port).unwrap();
                    self.opening.push((association, remote));
                }
                Action::Close { association } | Action::Abort { association } => {
                    self.opening.retain(|(opening, _)| *opening != association);
                }
                _ => {}
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.machine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.act(|machine, now| machine.handle(now, Input::Timeout));
        }
        self.now = end;
    }

    /// An announcement with these transports comes from 10.0.0.8, port 5555.
    fn hears(&mut self, transports: &[Transport<'_>]) {
        let announce = ServerAnnounce { server: ServerIdentifier(9), transports: Sequence::new(transports) };
        let octets = encode(Body::ServerAnnounce(announce));
        let from = SocketAddr::new(host(8), 5_555);
        let group = MulticastGroup::Asap;
        self.act(|machine, now| machine.handle(now, Input::Datagram { group, from, octets: &octets }));
    }

    /// With whom it wants associations.
    fn wanted(&self) -> Vec<String> {
        self.opening.iter().map(|(_, remote)| remote.to_string()).collect()
    }
}

/// An element that knows no registrar, and looks for one.
fn element() -> Listener<PoolElement> {
    let mut listener = Listener::new(quiet_element());
    listener.act(|element, now| element.register(now));
    listener
}

fn quiet_element() -> PoolElement {
    let service = UserTransport::sctp(&[host(7)], 7_000, TransportUse::DataPlusControl).unwrap();
    PoolElement::new(ElementConfig::new(b"pool", PeIdentifier(1), service).unwrap())
}

/// A user that knows no registrar, and looks for one.
fn user() -> Listener<PoolUser> {
    let mut listener = Listener::new(PoolUser::new(UserConfig::default()));
    listener.act(|user, now| user.resolve(now, PoolHandle::new(b"pool")).unwrap());
    listener
}

fn sctp(address: &[IpAddr; 1]) -> Transport<'_> {
    Transport::sctp(3_900, TransportUse::DataOnly, address)
}

#[test]
fn whoever_looks_for_a_registrar_tries_all_that_an_announcement_names() {
    let (nine, ten) = ([host(9)], [host(10)]);
    let (mut element, mut user) = (element(), user());
    assert!(element.wanted().is_empty() && user.wanted().is_empty());
    element.hears(&[sctp(&nine), sctp(&ten)]);
    user.hears(&[sctp(&nine), sctp(&ten)]);
    let expected = ["sctp://10.0.0.9:3900", "sctp://10.0.0.10:3900"];
    assert_eq!(
        (element.wanted(), user.wanted()),
        (expected.map(String::from).into(), expected.map(String::from).into())
    );
}

#[test]
fn an_announcement_without_transports_means_sctp_at_its_source_and_the_port_of_asap() {
    let (mut element, mut user) = (element(), user());
    element.hears(&[]);
    user.hears(&[]);
    assert_eq!(
        (element.wanted(), user.wanted()),
        (vec!["sctp://10.0.0.8:3863".into()], vec!["sctp://10.0.0.8:3863".into()])
    );
}

#[test]
fn a_user_may_be_told_of_a_registrar_that_it_reaches_over_tcp() {
    let mut user = user();
    user.hears(&[Transport::ip(IpProtocol::Tcp, 3_863, host(9))]);
    assert_eq!(user.wanted(), ["tcp://10.0.0.9:3863"]);
}

#[test]
fn a_registrar_that_is_announced_no_more_is_forgotten_after_t7() {
    let nine = [host(9)];
    for (silence, wanted) in [(5 * SECOND - Duration::from_millis(1), 1), (5 * SECOND, 0)] {
        let mut listener = Listener::new(quiet_element());
        // The second announcement starts T7 anew.
        listener.hears(&[sctp(&nine)]);
        listener.wait(3 * SECOND);
        listener.hears(&[sctp(&nine)]);
        listener.wait(silence);
        listener.act(|element, now| element.register(now));
        assert_eq!(listener.wanted().len(), wanted, "after {silence:?}");
    }
}

#[test]
fn a_flood_of_announcements_hides_no_registrar_that_was_configured() {
    let mut listener = Listener::new(quiet_element());
    listener.machine.add_registrar(EndpointBuf::single(Protocol::Sctp, host(1), 3_863)).unwrap();
    for number in 0..20_000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        listener.hears(&[sctp(&[IpAddr::V4(Ipv4Addr::new(192, 0, high, low))])]);
    }
    listener.act(|element, now| element.register(now));
    // SH1: three at a time.
    assert_eq!(listener.opening.len(), 3);
    assert_eq!(listener.wanted()[0], "sctp://10.0.0.1:3863");
    let (association, _) = listener.opening[0];
    let peer = Endpoint { protocol: Protocol::Sctp, addresses: &[host(1)], port: 3_863 };
    listener.act(|element, now| element.handle(now, Input::Opened { association, peer }));
    assert_eq!(listener.opening.len(), 1, "the others are given up");
}

#[test]
fn a_registrar_announces_who_it_is_and_all_that_it_speaks_asap_on() {
    let mut scripted = Scripted::with(&[], |config| {
        config.announcements = Announcements::On;
        config.asap = vec![
            EndpointBuf::single(Protocol::Sctp, host(50), 3_863),
            EndpointBuf::single(Protocol::Tcp, host(51), 3_864),
        ];
    });
    scripted.wait_seconds(6);
    let done = scripted.done();
    let announced = done.iter().find_map(|done| match done {
        Done::Announces(MulticastGroup::Asap, octets) => Some(octets),
        _ => None,
    });
    let decoded = Message::decode(announced.unwrap()).unwrap();
    let Body::ServerAnnounce(announce) = decoded.message.body else { panic!("another message") };
    assert_eq!(announce.server, ServerIdentifier(OWN));
    let transports: Vec<_> = announce
        .transports
        .iter()
        .map(|transport| (transport.protocol(), transport.port(), transport.addresses().collect::<Vec<_>>()))
        .collect();
    let expected =
        [(TransportProtocol::Sctp, Some(3_863), vec![host(50)]), (TransportProtocol::Tcp, Some(3_864), vec![host(51)])];
    assert_eq!(transports, expected);
}
