//! State cookies that only we can have made (RFC 9260 §5.1.3).
//!
//! The SCTP implementation keeps nothing of a half-open association: all is in the cookie that the peer brings back.
//! But it does not sign the cookie, so anyone could make one up and get an association without ever receiving
//! anything. Here a time and a keyed hash over cookie, time and peer go into each INIT ACK that leaves, and are taken
//! off each COOKIE ECHO that comes; one without, or too old, or from elsewhere, is dropped.

use std::hash::Hasher;
use std::net::SocketAddr;
use std::time::Duration;

use rserpool::Instant;
use siphasher::sip::SipHasher24;

use crate::packet::{INIT_ACK, Packet, seal, set_u16, u16_at};

/// Where the parameters of an INIT ACK begin: common header, chunk header, fixed fields.
const INIT_ACK_PARAMETERS: usize = 12 + 4 + 16;
const STATE_COOKIE: u16 = 7;
const CHUNK_LENGTH: usize = 14;
const CHUNK_VALUE: usize = 16;
/// Time and keyed hash, 8 octets each.
const SIGNATURE: usize = 16;

/// Signs and checks cookies.
pub(crate) struct CookieSigner {
    key: [u8; 16],
    life: Duration,
}

impl CookieSigner {
    pub(crate) fn new(key: [u8; 16], life: Duration) -> Self {
        Self { key, life }
    }

    fn hash(&self, cookie: &[u8], time: u64, peer: SocketAddr, ports: (u16, u16)) -> [u8; 8] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(cookie);
        hasher.write_u64(time);
        match peer {
            SocketAddr::V4(peer) => hasher.write(&peer.ip().octets()),
            SocketAddr::V6(peer) => hasher.write(&peer.ip().octets()),
        }
        hasher.write_u16(peer.port());
        hasher.write_u16(ports.0);
        hasher.write_u16(ports.1);
        hasher.finish().to_be_bytes()
    }

    /// Signs the cookie of a packet that is sent, if it is an INIT ACK.
    pub(crate) fn sign(&self, now: Instant, to: SocketAddr, packet: &mut Vec<u8>) {
        let Some(parsed) = Packet::parse(packet).filter(|parsed| parsed.chunk_type == INIT_ACK) else { return };
        let ports = (parsed.source_port, parsed.destination_port);
        let mut at = INIT_ACK_PARAMETERS;
        while let (Some(parameter), Some(length)) = (u16_at(packet, at), u16_at(packet, at + 2)) {
            let end = at + usize::from(length);
            if parameter == STATE_COOKIE && length % 4 == 0 {
                let Some(cookie) = packet.get(at + 4..end) else { return };
                let time = now.as_micros();
                let mut signature = [0; SIGNATURE];
                signature[..8].copy_from_slice(&time.to_be_bytes());
                signature[8..].copy_from_slice(&self.hash(cookie, time, to, ports));
                packet.splice(end..end, signature);
                let longer = |length: u16| length.saturating_add(SIGNATURE as u16);
                set_u16(packet, at + 2, longer(length));
                let chunk = u16_at(packet, CHUNK_LENGTH).unwrap_or_default();
                set_u16(packet, CHUNK_LENGTH, longer(chunk));
                seal(packet);
                return;
            }
            at += usize::from(length.max(4)).next_multiple_of(4);
        }
    }

    /// The packet as it would be without signature; `None` if the signature is not ours, or too old.
    pub(crate) fn check(&self, now: Instant, from: SocketAddr, packet: &Packet<'_>) -> Option<Vec<u8>> {
        let value = packet.chunk_value();
        let (cookie, signature) = value.split_at_checked(value.len().checked_sub(SIGNATURE)?)?;
        let time = u64::from_be_bytes(*signature.first_chunk()?);
        // The peer echoes what we sent: our source port is its destination port.
        let ports = (packet.destination_port, packet.source_port);
        if signature.get(8..)? != self.hash(cookie, time, from, ports) || !packet.is_intact() {
            return None;
        }
        if now.since(Instant::from_micros(time)) > self.life {
            return None;
        }
        let mut octets = packet.octets.to_vec();
        octets.drain(CHUNK_VALUE + cookie.len()..CHUNK_VALUE + value.len());
        let length = u16_at(packet.octets, CHUNK_LENGTH)?;
        set_u16(&mut octets, CHUNK_LENGTH, length.saturating_sub(SIGNATURE as u16));
        seal(&mut octets);
        Some(octets)
    }
}
