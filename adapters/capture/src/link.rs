//! From a captured frame to the SCTP packet in it.

use std::net::IpAddr;

use etherparse::{IpNumber, IpSlice};
use pcap_file::DataLink;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const UDP_HEADER: usize = 8;

/// The UDP port of SCTP over UDP (RFC 6951 §5.1).
const ENCAPSULATION_PORT: u16 = 9899;

/// The UDP ports of announcements (RFC 5352 §8.2, RFC 5353 §5.3), each with the payload protocol identifier that the
/// same messages have over SCTP.
const ANNOUNCEMENT_PORTS: [(u16, u32); 2] = [(3863, 11), (9901, 12)];

/// A packet that carries RSerPool messages, and the addresses on its IP packet.
pub(crate) struct Packet<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) content: Content<'a>,
}

/// What a packet carries.
pub(crate) enum Content<'a> {
    /// An SCTP packet.
    Sctp(&'a [u8]),
    /// A message as a UDP datagram.
    Announcement { ports: [u16; 2], protocol: u32, octets: &'a [u8] },
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|field| u16::from_be_bytes(*field))
}

/// The IP packet in a frame.
fn ip(link: DataLink, frame: &[u8]) -> Option<&[u8]> {
    let (ethertype, payload) = match link {
        DataLink::ETHERNET => match (u16_at(frame, 12)?, u16_at(frame, 16)) {
            (ETHERTYPE_VLAN, Some(inner)) => (inner, frame.get(18..)?),
            (outer, _) => (outer, frame.get(14..)?),
        },
        DataLink::LINUX_SLL => (u16_at(frame, 14)?, frame.get(16..)?),
        DataLink::LINUX_SLL2 => (u16_at(frame, 0)?, frame.get(20..)?),
        DataLink::RAW | DataLink::IPV4 | DataLink::IPV6 => return Some(frame),
        // A family in the byte order of whoever captured it; IP tells its version itself.
        DataLink::NULL | DataLink::LOOP => return frame.get(4..),
        _ => return None,
    };
    matches!(ethertype, ETHERTYPE_IPV4 | ETHERTYPE_IPV6).then_some(payload)
}

/// The packet in a frame.
pub(crate) fn packet(link: DataLink, frame: &[u8]) -> Option<Packet<'_>> {
    let packet = IpSlice::from_slice(ip(link, frame)?).ok()?;
    let (source, destination) = (packet.source_addr(), packet.destination_addr());
    let payload = packet.payload();
    let content = match payload.ip_number {
        IpNumber::SCTP if !payload.fragmented => Content::Sctp(payload.payload),
        IpNumber::UDP if !payload.fragmented => udp(payload.payload)?,
        _ => return None,
    };
    Some(Packet { source, destination, content })
}

fn udp(datagram: &[u8]) -> Option<Content<'_>> {
    let ports = [u16_at(datagram, 0)?, u16_at(datagram, 2)?];
    let octets = datagram.get(UDP_HEADER..)?;
    if ports.contains(&ENCAPSULATION_PORT) {
        return Some(Content::Sctp(octets));
    }
    let (_, protocol) = ANNOUNCEMENT_PORTS.iter().find(|(port, _)| ports.contains(port))?;
    Some(Content::Announcement { ports, protocol: *protocol, octets })
}
