//! Who sends faster than a machine works has to wait.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant as StdInstant};

use rserpool::{Action, Input, Instant, Machine, OutgoingMessage, Purpose};
use rserpool_sockets::Host;
use rserpool_transport::{
    Application, BACKLOG, Listen, LocalPort, Options, SctpConfig, SctpOverUdp, SendError, SocketIndex,
};

/// Counts the messages that it is told of.
#[derive(Default)]
struct Counter(usize);

impl Machine for Counter {
    type Event<'a> = ();

    fn handle(&mut self, _now: Instant, input: Input<'_>) {
        self.0 += usize::from(matches!(input, Input::Message { .. }));
    }

    fn poll_action(&mut self) -> Option<Action<'_, ()>> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

struct Nothing;

impl Application<Counter> for Nothing {
    fn event(&mut self, _now: Instant, _event: ()) {}
}

#[test]
fn a_machine_that_is_behind_reads_no_more_and_loses_nothing() {
    let limit = StdInstant::now() + Duration::from_secs(60);
    let mut host = Host::new(Counter::default(), &Options::default()).unwrap();
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let listen = Listen { address: here, udp_port: 0, sctp_port: 7000, purposes: &[Purpose::Asap] };
    let at = host.listen(listen).unwrap();

    let socket = UdpSocket::bind((here, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut config = SctpConfig::default();
    config.send_buffer = 16 * 1024 * 1024;
    let mut client = SctpOverUdp::new(config, [1; 16]);
    let start = StdInstant::now();
    let now = || Instant::ZERO + start.elapsed();
    let local = LocalPort { socket: SocketIndex(0), port: 8000 };
    let association = client.open(now(), local, at, 7000, Purpose::Asap).unwrap();

    let (mut sent, wanted) = (0, 60_000);
    let mut most = 0;
    let mut buffer = [0; 2_000];
    let mut round = 0_u32;
    while host.machine().0 < wanted {
        assert!(StdInstant::now() < limit, "{} of {wanted}", host.machine().0);
        while sent < wanted {
            match client.send(now(), association, &OutgoingMessage::new(b"1234")) {
                Ok(()) => sent += 1,
                Err(SendError::BufferFull | SendError::Closed) => break,
                Err(error) => assert_eq!(error, SendError::BufferFull),
            }
        }
        while let Some(transmit) = client.poll_transmit() {
            let _ = socket.send_to(&transmit.octets, transmit.to);
        }
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            client.handle_datagram(now(), SocketIndex(0), from, buffer.get(..length).unwrap());
        }
        client.handle_timeout(now());
        while client.poll_event().is_some() {}
        // It reads whenever there is something, and works now and then.
        host.wait(Some(Duration::ZERO)).unwrap();
        host.receive(now()).unwrap();
        round += 1;
        if round.is_multiple_of(16) || sent == wanted {
            host.work(now(), &mut Nothing);
        }
        most = most.max(host.backlog());
    }
    // A datagram may hold many, and bring up all that has come behind one that was lost.
    assert!(most < wanted / 3, "{most} messages waited for the machine, of which {BACKLOG} are enough");
}
