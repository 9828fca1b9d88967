//! What the kernel tells of associations (RFC 6458 §6.1), out of octets in the machine's own order.

use std::net::IpAddr;

use rserpool::wire::PayloadProtocol;
use rserpool::{Delivery, Progress};

use super::options::unpacked;

/// A kernel's name for an association of a socket.
pub(super) type Number = i32;

/// Something that has happened to an association.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notification<'a> {
    Up(Number),
    Lost(Number),
    Restarted(Number),
    /// It was closed in order.
    Over(Number),
    /// It did not come to be.
    CannotStart(Number),
    /// One of the peer's addresses can be reached, or cannot any more.
    Path {
        number: Number,
        address: IpAddr,
        state: &'static str,
    },
    SendFailed {
        number: Number,
        protocol: PayloadProtocol,
        stream: u16,
        delivery: Delivery,
        context: u32,
        progress: Progress,
        octets: &'a [u8],
    },
}

const ASSOC_CHANGE: u16 = 0x8001;
const PEER_ADDR_CHANGE: u16 = 0x8002;
const SEND_FAILED_EVENT: u16 = 0x800d;

/// SCTP_DATA_SENT.
const SENT: u16 = 1;
/// SCTP_UNORDERED.
pub(super) const UNORDERED: u16 = 1;

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*octets.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*octets.get(at..)?.first_chunk()?))
}

fn number_at(octets: &[u8], at: usize) -> Option<Number> {
    Some(Number::from_ne_bytes(*octets.get(at..)?.first_chunk()?))
}

impl<'a> Notification<'a> {
    /// `None` for what is of no interest.
    pub(super) fn parse(octets: &'a [u8]) -> Option<Self> {
        match u16_at(octets, 0)? {
            // struct sctp_assoc_change: type, flags, length, state, error, two numbers of streams, association.
            ASSOC_CHANGE => {
                let number = number_at(octets, 16)?;
                Some(match u16_at(octets, 8)? {
                    0 => Self::Up(number),
                    1 => Self::Lost(number),
                    2 => Self::Restarted(number),
                    3 => Self::Over(number),
                    4 => Self::CannotStart(number),
                    _ => return None,
                })
            }
            // struct sctp_paddr_change: type, flags, length, an address of 128 octets, state, error, association.
            PEER_ADDR_CHANGE => Some(Self::Path {
                address: *unpacked(octets.get(8..136)?, 1).0.first()?,
                state: match u32_at(octets, 136)? {
                    0 => "available",
                    1 => "unreachable",
                    2 => "removed",
                    3 => "added",
                    4 => "primary",
                    5 => "confirmed",
                    _ => "potentially failed",
                },
                number: number_at(octets, 144)?,
            }),
            // struct sctp_send_failed_event: type, flags, length, error, struct sctp_sndinfo, association, the message.
            SEND_FAILED_EVENT => Some(Self::SendFailed {
                progress: if u16_at(octets, 2)? & SENT == 0 { Progress::Unsent } else { Progress::Unacknowledged },
                stream: u16_at(octets, 12)?,
                delivery: if u16_at(octets, 14)? & UNORDERED == 0 { Delivery::Ordered } else { Delivery::Unordered },
                protocol: PayloadProtocol(u32::from_be(u32_at(octets, 16)?)),
                context: u32_at(octets, 20)?,
                number: number_at(octets, 28)?,
                octets: octets.get(32..)?,
            }),
            _ => None,
        }
    }
}

/// struct sctp_sndinfo: stream, flags, protocol, context, association.
pub(super) fn send_info(stream: u16, flags: u16, protocol: PayloadProtocol, context: u32, number: Number) -> [u8; 16] {
    let mut info = [0; 16];
    let parts = [stream.to_ne_bytes(), flags.to_ne_bytes()].into_iter().flatten();
    let parts = parts.chain(protocol.0.to_be_bytes()).chain(context.to_ne_bytes()).chain(number.to_ne_bytes());
    for (place, octet) in info.iter_mut().zip(parts) {
        *place = octet;
    }
    info
}

/// Protocol and association out of struct sctp_rcvinfo: stream, stream's number, flags, protocol, two transmission numbers,
/// context, association.
pub(super) fn received_info(octets: &[u8]) -> Option<(PayloadProtocol, Number)> {
    Some((PayloadProtocol(u32::from_be(u32_at(octets, 8)?)), number_at(octets, 24)?))
}
