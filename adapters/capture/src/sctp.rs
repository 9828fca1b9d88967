//! From SCTP packets to user messages: DATA chunks, put together again where they are fragments (RFC 9260 §3.3.1,
//! §6.9).

use std::collections::HashMap;

use crate::tsn::{Direction, Seen};

const COMMON_HEADER: usize = 12;
const DATA: u8 = 0;
const DATA_HEADER: usize = 16;
const BEGINS: u8 = 2;
const ENDS: u8 = 1;

/// A user message, without what only the frame tells.
pub(crate) struct Message {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) stream: u16,
    pub(crate) protocol: u32,
    pub(crate) is_retransmission: bool,
    /// Where the last fragment's octets start in the packet.
    pub(crate) offset: usize,
    pub(crate) octets: Vec<u8>,
}

struct Fragment {
    flags: u8,
    octets: Vec<u8>,
}

/// How often a chunk was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Time {
    First,
    Again,
}

/// Keeps the fragments whose message is not complete yet, and knows which chunks were seen before.
#[derive(Default)]
pub(crate) struct Reassembly {
    /// Those that were seen again are of messages that were complete before.
    fragments: HashMap<(Direction, Time, u32), Fragment>,
    seen: Seen,
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|field| u16::from_be_bytes(*field))
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|field| u32::from_be_bytes(*field))
}

impl Reassembly {
    /// The messages that a packet completes.
    pub(crate) fn packet(&mut self, octets: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        let (Some(source_port), Some(destination_port), Some(tag)) =
            (u16_at(octets, 0), u16_at(octets, 2), u32_at(octets, 4))
        else {
            return messages;
        };
        let direction = (source_port, destination_port, tag);
        let mut at = COMMON_HEADER;
        while let (Some(chunk_type), Some(length)) = (octets.get(at), u16_at(octets, at + 2)) {
            let length = usize::from(length);
            let Some(chunk) = octets.get(at..at + length).filter(|chunk| chunk.len() >= 4) else { break };
            if *chunk_type == DATA {
                messages.extend(self.data(direction, chunk, at + DATA_HEADER));
            }
            at += length.next_multiple_of(4);
        }
        messages
    }

    fn data(&mut self, direction: Direction, chunk: &[u8], offset: usize) -> Option<Message> {
        let flags = *chunk.get(1)?;
        let tsn = u32_at(chunk, 4)?;
        let (stream, protocol) = (u16_at(chunk, 8)?, u32_at(chunk, 12)?);
        let payload = chunk.get(DATA_HEADER..)?.to_vec();
        let time = if self.seen.add(direction, tsn) { Time::Again } else { Time::First };
        let octets = if flags & (BEGINS | ENDS) == BEGINS | ENDS {
            payload
        } else {
            if time == Time::Again && self.fragments.contains_key(&(direction, Time::First, tsn)) {
                return None;
            }
            self.fragments.insert((direction, time, tsn), Fragment { flags, octets: payload });
            self.complete(direction, time, tsn)?
        };
        let (source_port, destination_port, _) = direction;
        let is_retransmission = time == Time::Again;
        Some(Message { source_port, destination_port, stream, protocol, is_retransmission, offset, octets })
    }

    /// Puts together the message to which a fragment belongs, if all its fragments are there.
    fn complete(&mut self, direction: Direction, time: Time, tsn: u32) -> Option<Vec<u8>> {
        let flags = |this: &Self, tsn| this.fragments.get(&(direction, time, tsn)).map(|fragment| fragment.flags);
        let (mut first, mut last) = (tsn, tsn);
        while flags(self, first)? & BEGINS == 0 {
            first = first.wrapping_sub(1);
        }
        while flags(self, last)? & ENDS == 0 {
            last = last.wrapping_add(1);
        }
        let mut octets = Vec::new();
        let mut tsn = first;
        loop {
            octets.extend(self.fragments.remove(&(direction, time, tsn))?.octets);
            if tsn == last {
                return Some(octets);
            }
            tsn = tsn.wrapping_add(1);
        }
    }
}
