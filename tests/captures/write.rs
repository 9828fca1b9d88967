//! Writes messages into a capture: one frame each, IPv4 with SCTP, one DATA chunk.

use rserpool::wire::padded;

use crate::samples::Sample;

/// The link type of frames that are IP packets.
const LINKTYPE_RAW: u32 = 101;

pub(crate) fn capture(samples: &[Sample]) -> Vec<u8> {
    let mut file = Vec::new();
    // The header of a pcap file with times in microseconds.
    for field in [0xa1b2_c3d4u32, 0x0002_0004, 0, 0, 65_535, LINKTYPE_RAW] {
        // The two halves of the version are fields of their own.
        let field = if field == 0x0002_0004 { field.rotate_left(16) } else { field };
        file.extend(field.to_le_bytes());
    }
    for (number, (protocol, message)) in samples.iter().enumerate() {
        let packet = ip(&sctp(number as u32, protocol.0, message));
        let length = packet.len() as u32;
        for field in [number as u32, 0, length, length] {
            file.extend(field.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

fn ip(payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 132, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    packet[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    packet.extend(payload);
    packet
}

fn sctp(tsn: u32, protocol: u32, message: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend(9901u16.to_be_bytes());
    packet.extend(9901u16.to_be_bytes());
    // Verification tag, and a checksum that nobody looks at.
    packet.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    packet.extend([0, 3]);
    packet.extend(((16 + message.len()) as u16).to_be_bytes());
    packet.extend(tsn.to_be_bytes());
    // Stream 0, and the number in it.
    packet.extend([0, 0]);
    packet.extend((tsn as u16).to_be_bytes());
    packet.extend(protocol.to_be_bytes());
    packet.extend(message);
    packet.resize(padded(packet.len()), 0);
    packet
}
