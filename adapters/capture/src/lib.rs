//! Takes the SCTP user messages out of network captures: pcap and pcapng, the usual link layers, IPv4 and IPv6, SCTP
//! over IP and over UDP (RFC 6951), messages in one piece or fragmented. The announcements that registrars send as UDP
//! datagrams count as user messages too.

mod link;
mod reader;
mod sctp;
mod tsn;

pub use self::reader::{CaptureError, read};

use std::net::IpAddr;

/// A user message of SCTP, or an announcement over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserMessage {
    /// The number of the captured frame that completes it, from 1 on.
    pub frame: u64,
    /// Where in the frame its octets start. If it was fragmented, where those of the last fragment do.
    pub offset: usize,
    /// When the frame was captured, in microseconds since 1970.
    pub time_us: u64,
    /// Who has sent it: address and port.
    pub source: (IpAddr, u16),
    /// Who is to get it: address and port.
    pub destination: (IpAddr, u16),
    /// The SCTP stream; 0 for announcements.
    pub stream: u16,
    /// The payload protocol identifier; for announcements that of the same messages over SCTP.
    pub protocol: u32,
    /// Whether the capture has it for the second time or more, as its sender has repeated it. Announcements have no numbers by which
    /// that could be told.
    pub is_retransmission: bool,
    /// The message.
    pub octets: Vec<u8>,
}
