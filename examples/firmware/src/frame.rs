//! What goes over the serial line: inputs of the machines to the device, their actions to the host.
//!
//! ```text
//! | length (2) of what follows | machine (1) | kind (1) | association (4) | rest |
//! ```

use core::net::{IpAddr, Ipv4Addr};

use rserpool::wire::PayloadProtocol;
use rserpool::{AssociationId, CloseReason, Endpoint, Input, OutgoingMessage, Protocol, Purpose, OpenFailure};

use crate::uart::Uart;

/// The largest frame.
pub const FRAME: usize = 1_200;

/// Which machine a frame is for, or comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Who {
    Element = 0,
    User = 1,
}

/// What a machine wants.
#[repr(u8)]
pub enum Wish {
    Open = 0,
    Send = 1,
    Close = 2,
    Abort = 3,
    Log = 4,
    /// It listens now: what is said on the line before that is lost.
    Begin = 5,
}

/// Puts frames together.
pub struct Receiver {
    octets: [u8; FRAME],
    length: usize,
}

impl Receiver {
    pub const fn new() -> Self {
        Self { octets: [0; FRAME], length: 0 }
    }

    /// Takes an octet; true if the frame is whole now.
    pub fn push(&mut self, octet: u8) -> bool {
        if let Some(place) = self.octets.get_mut(self.length) {
            *place = octet;
            self.length += 1;
        }
        let [high, low, ..] = self.octets;
        self.length >= 2 && self.length == 2 + usize::from(u16::from_be_bytes([high, low])).min(FRAME - 2)
    }

    /// The frame, which is whole.
    pub fn frame(&self) -> Option<Frame<'_>> {
        let ([_, _, who, kind, a, b, c, d], rest) = self.octets.get(..self.length)?.split_first_chunk()?;
        let association = AssociationId::from_bits(u32::from_be_bytes([*a, *b, *c, *d]));
        let who = if *who == 0 { Who::Element } else { Who::User };
        Some(Frame { who, kind: *kind, association, rest })
    }

    /// Makes room for the next.
    pub fn clear(&mut self) {
        self.length = 0;
    }
}

/// A frame from the host.
pub struct Frame<'a> {
    pub who: Who,
    kind: u8,
    association: AssociationId,
    pub rest: &'a [u8],
}

/// An address and a port, in six octets.
pub fn place(octets: &[u8]) -> Option<(IpAddr, u16)> {
    let ([a, b, c, d, high, low], _) = octets.split_first_chunk()?;
    Some((IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d)), u16::from_be_bytes([*high, *low])))
}

impl<'a> Frame<'a> {
    /// The input that the frame is; `address` has to live as long.
    pub fn input(&self, address: &'a mut [IpAddr; 1]) -> Option<Input<'a>> {
        let association = self.association;
        let mut peer = || {
            let (ip, port) = place(self.rest)?;
            *address = [ip];
            Some(port)
        };
        Some(match self.kind {
            0 => {
                let port = peer()?;
                Input::Opened { association, peer: Endpoint { protocol: Protocol::Sctp, addresses: address, port } }
            }
            1 => {
                let port = peer()?;
                Input::Accepted {
                    association,
                    purpose: Purpose::Session,
                    peer: Endpoint { protocol: Protocol::Sctp, addresses: address, port },
                }
            }
            2 => Input::OpenFailed {
                association,
                reason: if self.rest == [0] { OpenFailure::Unreachable } else { OpenFailure::Local },
            },
            3 => Input::Closed {
                association,
                reason: if self.rest == [0] { CloseReason::Shutdown } else { CloseReason::Lost },
            },
            4 => {
                let (protocol, octets) = self.rest.split_first_chunk()?;
                let protocol = PayloadProtocol(u32::from_be_bytes(*protocol));
                Input::Message { association, protocol, octets }
            }
            _ => return None,
        })
    }
}

/// Sends a frame, its rest in parts.
pub fn send(uart: &mut Uart, who: Who, wish: Wish, association: u32, parts: &[&[u8]]) {
    let rest: usize = parts.iter().map(|part| part.len()).sum();
    let head = [who as u8, wish as u8];
    for octet in ((6 + rest) as u16).to_be_bytes().into_iter().chain(head).chain(association.to_be_bytes()) {
        uart.send(octet);
    }
    for octet in parts.iter().flat_map(|part| part.iter()) {
        uart.send(*octet);
    }
}

/// Sends a message that a machine wants to be sent.
pub fn send_message(uart: &mut Uart, who: Who, association: AssociationId, message: &OutgoingMessage<'_>) {
    let protocol = message.protocol.0.to_be_bytes();
    send(uart, who, Wish::Send, association.to_bits(), &[&protocol, message.octets]);
}
