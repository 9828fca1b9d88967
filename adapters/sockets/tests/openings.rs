//! Whose fault it is that an association does not come to be: users report only elements that cannot be reached.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant as StdInstant};

use rserpool::{Action, AssociationId, EndpointBuf, Input, Instant, Machine, OpenFailure, Protocol, Purpose};
use rserpool_sockets::Host;
use rserpool_transport::{Application, Options};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Opens one association, and remembers why it did not come to be.
struct Opener {
    to_open: Option<Purpose>,
    remote: EndpointBuf,
    failed: Option<OpenFailure>,
}

impl Machine for Opener {
    type Event<'a> = ();

    fn handle(&mut self, _now: Instant, input: Input<'_>) {
        match input {
            Input::OpenFailed { reason, .. } => self.failed = Some(reason),
            Input::Opened { peer, .. } => panic!("{peer} was not to be reached"),
            _ => {}
        }
    }

    fn poll_action(&mut self) -> Option<Action<'_, ()>> {
        let purpose = self.to_open.take()?;
        let association = AssociationId::from_bits(0);
        Some(Action::Open { association, purpose, remote: self.remote.as_endpoint() })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

struct Nothing;

impl Application<Opener> for Nothing {
    fn event(&mut self, _now: Instant, _event: ()) {}
}

/// How an attempt fails.
fn failure(purpose: Purpose, remote: EndpointBuf, options: &Options, udp_port: u16) -> OpenFailure {
    let start = StdInstant::now();
    let now = || Instant::ZERO + start.elapsed();
    let address = remote.as_endpoint().addresses.first().copied().unwrap();
    let port = remote.as_endpoint().port;
    let mut host = Host::new(Opener { to_open: Some(purpose), remote, failed: None }, options).unwrap();
    host.set_udp_port(address, port, udp_port);
    while host.machine().failed.is_none() {
        assert!(start.elapsed() < Duration::from_secs(60));
        host.work(now(), &mut Nothing);
        host.wait(Some(Duration::from_millis(10))).unwrap();
        host.receive(now()).unwrap();
    }
    host.machine().failed.unwrap()
}

/// A UDP port and a TCP port that nobody listens at.
fn free_ports() -> (u16, u16) {
    let udp = UdpSocket::bind((HERE, 0)).unwrap().local_addr().unwrap().port();
    let tcp = TcpListener::bind((HERE, 0)).unwrap().local_addr().unwrap().port();
    (udp, tcp)
}

#[test]
fn sessions_over_tcp_are_not_there() {
    let (udp, tcp) = free_ports();
    let remote = EndpointBuf::single(Protocol::Tcp, HERE, tcp);
    assert_eq!(failure(Purpose::Session, remote, &Options::default(), udp), OpenFailure::Unsupported);
}

#[test]
fn who_does_not_listen_is_unreachable() {
    let (udp, tcp) = free_ports();
    let registrar = EndpointBuf::single(Protocol::Tcp, HERE, tcp);
    assert_eq!(failure(Purpose::Asap, registrar, &Options::default(), udp), OpenFailure::Unreachable);
    let element = EndpointBuf::from(SocketAddr::new(HERE, 7000));
    assert_eq!(failure(Purpose::Session, element, &Options::default(), udp), OpenFailure::Unreachable);
}

#[test]
fn an_own_limit_is_no_fault_of_the_peer() {
    let (udp, tcp) = free_ports();
    let mut options = Options::default();
    options.sctp.limits.associations = 0;
    let element = EndpointBuf::from(SocketAddr::new(HERE, 7000));
    assert_eq!(failure(Purpose::Session, element, &options, udp), OpenFailure::Local);
    let registrar = EndpointBuf::single(Protocol::Tcp, HERE, tcp);
    assert_eq!(failure(Purpose::Asap, registrar, &options, udp), OpenFailure::Local);
}
