//! Reading capture files.

use std::fmt;
use std::io::{self, Read};

use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, PcapError};

use crate::UserMessage;
use crate::link::{self, Content};
use crate::sctp::{Message, Reassembly};

/// A capture cannot be read.
#[derive(Debug)]
pub enum CaptureError {
    /// The file cannot be read.
    Io(io::Error),
    /// It is no capture, or a damaged one.
    Format(PcapError),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Format(error) => write!(f, "neither pcap nor pcapng: {error}"),
        }
    }
}

impl std::error::Error for CaptureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match self {
            Self::Io(error) => error,
            Self::Format(error) => error,
        })
    }
}

impl From<io::Error> for CaptureError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<PcapError> for CaptureError {
    fn from(error: PcapError) -> Self {
        Self::Format(error)
    }
}

/// The first octets of a pcapng file: the type of its Section Header Block.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// All SCTP user messages of a capture, in its order.
///
/// # Errors
///
/// The file cannot be read, or is no capture. A capture that breaks off gives the messages up to there.
pub fn read(mut file: impl Read) -> Result<Vec<UserMessage>, CaptureError> {
    let mut octets = Vec::new();
    file.read_to_end(&mut octets)?;
    let mut messages = Messages::default();
    if octets.starts_with(&PCAPNG) {
        let mut reader = PcapNgReader::new(octets.as_slice())?;
        while let Some(block) = reader.next_block() {
            let (interface, time, data) = match block {
                Ok(Block::EnhancedPacket(packet)) => (packet.interface_id, packet.timestamp, packet.data.into_owned()),
                Ok(Block::SimplePacket(packet)) => (0, std::time::Duration::ZERO, packet.data.into_owned()),
                Ok(_) => continue,
                Err(_) => break,
            };
            let link = reader.interfaces().get(interface as usize).map(|interface| interface.linktype);
            messages.frame(link.unwrap_or(DataLink::ETHERNET), time, &data);
        }
    } else {
        let mut reader = PcapReader::new(octets.as_slice())?;
        let link = reader.header().datalink;
        while let Some(Ok(packet)) = reader.next_packet() {
            messages.frame(link, packet.timestamp, &packet.data);
        }
    }
    Ok(messages.messages)
}

#[derive(Default)]
struct Messages {
    frames: u64,
    reassembly: Reassembly,
    messages: Vec<UserMessage>,
}

impl Messages {
    fn frame(&mut self, link: DataLink, time: std::time::Duration, frame: &[u8]) {
        self.frames += 1;
        let Some(packet) = link::packet(link, frame) else { return };
        let offset_of = |octets: &[u8]| octets.as_ptr().addr() - frame.as_ptr().addr();
        let (source, destination) = (packet.source, packet.destination);
        let (start, found) = match packet.content {
            Content::Sctp(octets) => (offset_of(octets), self.reassembly.packet(octets)),
            Content::Announcement { ports: [source_port, destination_port], protocol, octets } => {
                let octets_start = offset_of(octets);
                let octets = octets.to_vec();
                let is_retransmission = false;
                let message = Message {
                    source_port,
                    destination_port,
                    stream: 0,
                    protocol,
                    is_retransmission,
                    offset: 0,
                    octets,
                };
                (octets_start, vec![message])
            }
        };
        for message in found {
            self.messages.push(UserMessage {
                frame: self.frames,
                offset: start + message.offset,
                time_us: u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
                source: (source, message.source_port),
                destination: (destination, message.destination_port),
                stream: message.stream,
                protocol: message.protocol,
                is_retransmission: message.is_retransmission,
                octets: message.octets,
            });
        }
    }
}
