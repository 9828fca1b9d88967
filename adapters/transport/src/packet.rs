//! As much of SCTP's packet format as is needed to find a packet's association, and to answer one that has none
//! (RFC 9260 §3, §8.4).

const DATA: u8 = 0;
pub(crate) const INIT: u8 = 1;
pub(crate) const INIT_ACK: u8 = 2;
pub(crate) const ABORT: u8 = 6;
const SHUTDOWN_ACK: u8 = 8;
pub(crate) const COOKIE_ECHO: u8 = 10;
const SHUTDOWN_COMPLETE: u8 = 14;
/// RFC 8260.
const I_DATA: u8 = 64;

const COMMON_HEADER: usize = 12;
const CHECKSUM: std::ops::Range<usize> = 8..12;
/// The verification tag is the sender's own, not the receiver's.
const REFLECTED: u8 = 1;

/// A packet's common header and its first chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) verification_tag: u32,
    /// The first chunk's type.
    pub(crate) chunk_type: u8,
    /// Where the first chunk ends in the packet, without padding.
    pub(crate) chunk_end: usize,
    pub(crate) octets: &'a [u8],
}

pub(crate) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|field| u16::from_be_bytes(*field))
}

pub(crate) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|field| u32::from_be_bytes(*field))
}

impl<'a> Packet<'a> {
    /// The packet in a datagram, `None` if it is none. The checksum is not looked at.
    pub(crate) fn parse(octets: &'a [u8]) -> Option<Self> {
        let length = usize::from(u16_at(octets, COMMON_HEADER + 2)?);
        let chunk_end = COMMON_HEADER + length;
        if length < 4 || chunk_end > octets.len() {
            return None;
        }
        Some(Self {
            source_port: u16_at(octets, 0)?,
            destination_port: u16_at(octets, 2)?,
            verification_tag: u32_at(octets, 4)?,
            chunk_type: *octets.get(COMMON_HEADER)?,
            chunk_end,
            octets,
        })
    }

    /// The value of the first chunk.
    pub(crate) fn chunk_value(&self) -> &'a [u8] {
        self.octets.get(COMMON_HEADER + 4..self.chunk_end).unwrap_or_default()
    }

    /// All chunks, with their padding.
    fn chunks(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.octets.get(COMMON_HEADER..).unwrap_or_default();
        std::iter::from_fn(move || {
            let length = usize::from(u16_at(rest, 2)?).max(4).next_multiple_of(4);
            let (chunk, others) = rest.split_at(length.min(rest.len()));
            rest = others;
            Some(chunk)
        })
    }

    /// Whether it brings data.
    pub(crate) fn has_data(&self) -> bool {
        self.chunks().any(is_data)
    }

    /// The packet without its data, `None` if nothing else is in it, or it is not intact.
    pub(crate) fn without_data(&self) -> Option<Vec<u8>> {
        let mut packet = self.octets.get(..COMMON_HEADER).filter(|_| self.is_intact())?.to_vec();
        self.chunks().filter(|chunk| !is_data(chunk)).for_each(|chunk| packet.extend(chunk));
        seal(&mut packet);
        (packet.len() > COMMON_HEADER).then_some(packet)
    }

    /// Whether the checksum is right.
    pub(crate) fn is_intact(&self) -> bool {
        self.octets.get(CHECKSUM).is_some_and(|field| field == checksum(self.octets))
    }

    /// The answer to a packet that belongs to no association (RFC 9260 §8.4), `None` if there is to be none.
    pub(crate) fn out_of_the_blue(&self) -> Option<Vec<u8>> {
        let (chunk_type, flags, tag) = match self.chunk_type {
            ABORT | SHUTDOWN_COMPLETE | COOKIE_ECHO => return None,
            // The sender's tag stands in the chunk.
            INIT => (ABORT, 0, u32_at(self.octets, COMMON_HEADER + 4)?),
            SHUTDOWN_ACK => (SHUTDOWN_COMPLETE, REFLECTED, self.verification_tag),
            _ => (ABORT, REFLECTED, self.verification_tag),
        };
        let mut packet = Vec::with_capacity(COMMON_HEADER + 4);
        packet.extend(self.destination_port.to_be_bytes());
        packet.extend(self.source_port.to_be_bytes());
        packet.extend(tag.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend([chunk_type, flags, 0, 4]);
        seal(&mut packet);
        Some(packet)
    }
}

fn is_data(chunk: &[u8]) -> bool {
    matches!(chunk.first(), Some(&(DATA | I_DATA)))
}

/// The checksum of a packet, as it stands in the packet.
fn checksum(packet: &[u8]) -> [u8; 4] {
    let head = packet.get(..CHECKSUM.start).unwrap_or_default();
    let tail = packet.get(CHECKSUM.end..).unwrap_or_default();
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(head), &[0; 4]), tail);
    crc.to_le_bytes()
}

/// Writes the checksum of a packet that was changed.
pub(crate) fn seal(packet: &mut [u8]) {
    let value = checksum(packet);
    if let Some(field) = packet.get_mut(CHECKSUM) {
        field.copy_from_slice(&value);
    }
}

/// Writes a 16-bit field.
pub(crate) fn set_u16(packet: &mut [u8], at: usize, value: u16) {
    if let Some(field) = packet.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_of_no_association_is_answered_with_an_abort_that_reflects_its_tag() {
        // A DATA chunk's header is enough.
        let packet = [0x11, 0x11, 0x22, 0x22, 0xaa, 0xbb, 0xcc, 0xdd, 0, 0, 0, 0, 0, 3, 0, 4];
        let answer = Packet::parse(&packet).unwrap().out_of_the_blue().unwrap();
        assert_eq!(answer[..8], [0x22, 0x22, 0x11, 0x11, 0xaa, 0xbb, 0xcc, 0xdd]);
        assert_eq!(answer[12..], [6, 1, 0, 4]);
        assert!(Packet::parse(&answer).unwrap().is_intact());
    }

    #[test]
    fn without_its_data_a_packet_is_intact_and_has_all_its_other_chunks() {
        let head = [0x11, 0x11, 0x22, 0x22, 0xaa, 0xbb, 0xcc, 0xdd, 0, 0, 0, 0];
        let (sack, data) = ([3, 0, 0, 8, 1, 2, 3, 4], [0, 3, 0, 6, 9, 9, 0, 0]);
        let mut packet = [&head[..], &sack, &data, &data].concat();
        seal(&mut packet);
        let parsed = Packet::parse(&packet).unwrap();
        assert!(parsed.has_data());
        let rest = parsed.without_data().unwrap();
        assert_eq!(rest[12..], sack);
        assert!(Packet::parse(&rest).is_some_and(|rest| rest.is_intact() && !rest.has_data()));
        let mut only_data = [&head[..], &data].concat();
        seal(&mut only_data);
        assert_eq!(Packet::parse(&only_data).unwrap().without_data(), None);
    }

    #[test]
    fn an_abort_is_not_answered() {
        let packet = [0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 6, 0, 0, 4];
        assert_eq!(Packet::parse(&packet).unwrap().out_of_the_blue(), None);
    }

    #[test]
    fn garbage_is_no_packet() {
        for length in 0..16 {
            assert!(Packet::parse(&vec![0xff; length]).is_none());
        }
        assert!(Packet::parse(&[0; 64]).is_none(), "a chunk of length 0");
    }
}
