//! Chunks that a capture has more than once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use rserpool_capture::{UserMessage, read};

const BEGIN: u8 = 2;
const END: u8 = 1;

/// A DATA chunk as a whole frame: IPv4, SCTP, no other chunk.
struct Frame {
    from: [u8; 4],
    tag: u32,
    flags: u8,
    tsn: u32,
    text: &'static str,
}

const fn data(tsn: u32, text: &'static str) -> Frame {
    Frame { from: [192, 0, 2, 1], tag: 0x1234_5678, flags: BEGIN | END, tsn, text }
}

impl Frame {
    fn octets(&self) -> Vec<u8> {
        let length = 16 + self.text.len();
        let mut chunk = vec![0, self.flags];
        chunk.extend((length as u16).to_be_bytes());
        chunk.extend(self.tsn.to_be_bytes());
        chunk.extend([0, 0, 0, 0, 0, 0, 0, 11]);
        chunk.extend(self.text.as_bytes());
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 132, 0, 0];
        packet.extend(self.from);
        packet.extend([192, 0, 2, 9]);
        packet.extend([0x0f, 0x17, 0x0f, 0x17]);
        packet.extend(self.tag.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(chunk);
        let length = packet.len() as u16;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet
    }
}

/// Reads frames out of a pcap file of IP packets.
fn capture(frames: &[Frame]) -> Vec<UserMessage> {
    let mut file = Vec::new();
    for field in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(field.to_le_bytes());
    }
    for frame in frames {
        let octets = frame.octets();
        for field in [0, 0, octets.len() as u32, octets.len() as u32] {
            file.extend(field.to_le_bytes());
        }
        file.extend(octets);
    }
    read(file.as_slice()).unwrap()
}

/// The messages' texts, each with a mark if it is a retransmission.
fn shown(frames: &[Frame]) -> Vec<String> {
    let text = |message: UserMessage| {
        let mark = if message.is_retransmission { "again: " } else { "" };
        format!("{mark}{}", String::from_utf8(message.octets).unwrap())
    };
    capture(frames).into_iter().map(text).collect()
}

#[test]
fn a_chunk_that_was_seen_before_is_a_retransmission() {
    let frames = [data(10, "a"), data(11, "b"), data(10, "a"), data(12, "c"), data(11, "b"), data(11, "b")];
    assert_eq!(shown(&frames), ["a", "b", "again: a", "c", "again: b", "again: b"]);
}

#[test]
fn a_chunk_that_fills_a_gap_is_none_whatever_the_order() {
    let frames =
        [data(12, "c"), data(10, "a"), data(14, "e"), data(11, "b"), data(13, "d"), data(9, "x"), data(12, "c")];
    assert_eq!(shown(&frames), ["c", "a", "e", "b", "d", "x", "again: c"]);
}

#[test]
fn numbers_that_begin_anew_after_the_largest_are_told_apart() {
    let frames = [data(u32::MAX, "a"), data(0, "b"), data(u32::MAX, "a"), data(1, "c"), data(0, "b")];
    assert_eq!(shown(&frames), ["a", "b", "again: a", "c", "again: b"]);
}

#[test]
fn another_association_has_numbers_of_its_own_and_another_path_has_not() {
    let other = Frame { tag: 9, ..data(10, "other") };
    let path = Frame { from: [198, 51, 100, 1], ..data(10, "a") };
    assert_eq!(shown(&[data(10, "a"), other, path]), ["a", "other", "again: a"]);
}

#[test]
fn a_fragment_that_comes_twice_does_not_disturb_its_message() {
    let first = || Frame { flags: BEGIN, ..data(10, "one ") };
    let middle = || Frame { flags: 0, ..data(11, "two ") };
    let last = || Frame { flags: END, ..data(12, "three") };
    assert_eq!(shown(&[first(), middle(), first(), middle(), last()]), ["one two three"]);
    // A fragment of a message that was shown shows nothing, and all of them the message again.
    let frames = [first(), middle(), last(), middle(), data(13, "next"), first(), middle(), last()];
    assert_eq!(shown(&frames), ["one two three", "next", "again: one two three"]);
}

#[test]
fn a_capture_of_many_gaps_and_associations_is_read_to_its_end() {
    let frames = (0..100_000).map(|number| Frame { tag: number % 70_000, ..data(number.wrapping_mul(2), "x") });
    let frames: Vec<Frame> = frames.chain((0..100_000).map(|number| data(number * 2, "y"))).collect();
    let messages = capture(&frames);
    assert_eq!(messages.len(), 200_000);
    assert!(messages.iter().all(|message| !message.is_retransmission));
}
