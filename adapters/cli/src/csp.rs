//! Reports to a monitor by the Component Status Protocol of rsplib (`cspmonitor`): who runs where, how it is, and with whom it
//! speaks. There is no document of the protocol; what is here was seen on the wire, and has the names that Wireshark has for it.
//!
//! A report is a UDP datagram: type, flags, length (16 bits), version, sender (8 bits of its kind, 56 of its identifier), time since
//! the sender's start and interval of the reports, both in microseconds (64 and 32 bits), where it is and how it is (128 octets
//! each, ended by a zero), its load (16 bits), the number of its associations (16 bits), and 24 octets for each of those.

use std::net::UdpSocket;
use std::time::Duration;

use rserpool::Instant;
use rserpool::wire::{PayloadProtocol, PeIdentifier, ServerIdentifier};

use crate::args::MonitorArgs;
use crate::failure::Failure;
use crate::node::any_address;

const REPORT: u8 = 1;
/// The last one: the monitor forgets the sender.
const FINAL: u8 = 1;
const VERSION: u32 = 0x0200;
const TEXT: usize = 128;
const SCTP: u16 = 132;
/// For the registrar's and the user's load: they have none.
const NO_LOAD: u16 = 0xffff;
/// Longer lists would not fit into a datagram.
const MAX_ASSOCIATIONS: usize = 512;

/// Who reports, or is spoken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Component {
    Registrar(ServerIdentifier),
    Element(PeIdentifier),
    /// Users have no identifier but a random one.
    User(u64),
}

impl Component {
    fn octets(self) -> [u8; 8] {
        let (kind, object) = match self {
            Self::Registrar(identifier) => (1, u64::from(identifier.0)),
            Self::Element(identifier) => (2, u64::from(identifier.0)),
            Self::User(number) => (3, number & 0x00ff_ffff_ffff_ffff),
        };
        (kind << 56 | object).to_be_bytes()
    }
}

/// An association that is reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Association {
    pub(crate) with: Component,
    pub(crate) since: Instant,
    pub(crate) protocol: PayloadProtocol,
}

/// How the sender is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    pub(crate) text: String,
    /// As in a policy, from 0 to `u32::MAX`.
    pub(crate) load: Option<u32>,
    pub(crate) associations: Vec<Association>,
}

/// Sends reports in intervals, and a last one when it goes.
#[derive(Debug)]
pub(crate) struct Reporter {
    socket: UdpSocket,
    sender: Component,
    location: String,
    interval: Duration,
    next: Instant,
    now: Instant,
}

impl Reporter {
    /// One that reports where the arguments say, or `None` if they do not. `place` is where the sender is reached.
    pub(crate) fn new(args: &MonitorArgs, sender: Component, place: &str) -> Result<Option<Self>, Failure> {
        let Some(monitor) = args.csp_server else { return Ok(None) };
        let socket = UdpSocket::bind((any_address(monitor.ip()), 0)).and_then(|socket| {
            socket.connect(monitor)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let socket = socket.map_err(|error| Failure::Transport(format!("--csp-server {monitor}: {error}")))?;
        let system = rustix::system::uname();
        let location = format!("{}: {place}", system.nodename().to_string_lossy());
        let (next, now) = (Instant::ZERO, Instant::ZERO);
        Ok(Some(Self { socket, sender, location, interval: args.csp_interval, next, now }))
    }

    /// Sends a report if it is time for one.
    pub(crate) fn report(&mut self, now: Instant, status: impl FnOnce() -> Status) {
        self.now = now;
        if now < self.next {
            return;
        }
        self.next = now + self.interval;
        let octets = self.encode(0, &status());
        // Nobody may be there to hear it.
        let _ = self.socket.send(&octets);
    }

    /// When it is time for the next report.
    pub(crate) const fn deadline(&self) -> Instant {
        self.next
    }

    fn encode(&self, flags: u8, status: &Status) -> Vec<u8> {
        let associations = status.associations.get(..MAX_ASSOCIATIONS).unwrap_or(&status.associations);
        let load = status.load.map_or(NO_LOAD, |load| ((load >> 16) as u16).min(NO_LOAD - 1));
        let mut octets = vec![REPORT, flags, 0, 0];
        octets.extend(VERSION.to_be_bytes());
        octets.extend(self.sender.octets());
        octets.extend(self.now.as_micros().to_be_bytes());
        octets.extend(u32::try_from(self.interval.as_micros()).unwrap_or(u32::MAX).to_be_bytes());
        for text in [&self.location, &status.text] {
            let text = text.as_bytes();
            let end = octets.len() + TEXT;
            octets.extend(text.get(..TEXT - 1).unwrap_or(text));
            octets.resize(end, 0);
        }
        octets.extend(load.to_be_bytes());
        octets.extend(u16::try_from(associations.len()).unwrap_or(u16::MAX).to_be_bytes());
        for association in associations {
            let micros = u64::try_from(self.now.since(association.since).as_micros()).unwrap_or(u64::MAX);
            octets.extend(association.with.octets());
            octets.extend(micros.to_be_bytes());
            octets.extend(0u16.to_be_bytes());
            octets.extend(SCTP.to_be_bytes());
            octets.extend(association.protocol.0.to_be_bytes());
        }
        let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
        if let Some(field) = octets.get_mut(2..4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        octets
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        let octets = self.encode(FINAL, &Status::default());
        let _ = self.socket.send(&octets);
    }
}

/// "1 session", "2 sessions".
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_report_has_the_octets_that_rsplib_s_own_have() {
        // A report of rspserver 3.4.4, as it was captured; its texts are ended by zeros up to 128 octets.
        let mut expected = vec![0x01, 0x00, 0x01, 0x38, 0, 0, 2, 0];
        expected.extend([0x02, 0, 0, 0, 0x2c, 0x07, 0xc5, 0xf4]);
        expected.extend([0, 0, 0, 0, 0, 0x07, 0xa8, 0x50]);
        expected.extend([0, 0x07, 0xa1, 0x20]);
        for text in ["(none): 10.20.0.2:55568", "0 Sessions"] {
            let mut field = text.as_bytes().to_vec();
            field.resize(128, 0);
            expected.extend(field);
        }
        expected.extend([0xff, 0xff, 0, 1]);
        expected.extend([0x01, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0, 0, 0, 0, 0, 0x07, 0xa5, 0x67]);
        expected.extend([0, 0, 0, 132, 0, 0, 0, 11]);

        let reporter = Reporter {
            socket: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
            sender: Component::Element(PeIdentifier(0x2c07_c5f4)),
            location: "(none): 10.20.0.2:55568".into(),
            interval: Duration::from_millis(500),
            next: Instant::ZERO,
            now: Instant::from_micros(501_840),
        };
        let home = Association {
            with: Component::Registrar(ServerIdentifier(0)),
            since: Instant::from_micros(501_840 - 501_095),
            protocol: PayloadProtocol::ASAP,
        };
        let status = Status { text: "0 Sessions".into(), load: None, associations: vec![home] };
        assert_eq!(reporter.encode(0, &status), expected);
    }
}
