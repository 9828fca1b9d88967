//! SCTP's parameters, with defaults for a local network: a dead process is noticed in well under a second, also where
//! no ICMP message tells it.

use std::time::Duration;

use dcsctp::api::Options;
use rserpool::Purpose;

/// The parameters of all associations of an [`SctpOverUdp`](crate::SctpOverUdp) (RFC 9260 §16).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SctpConfig {
    /// RTO.Initial. Default 300 ms.
    pub rto_initial: Duration,
    /// RTO.Min. Default 100 ms.
    pub rto_min: Duration,
    /// RTO.Max, also the limit of the exponential back-off. Default 400 ms.
    pub rto_max: Duration,
    /// Association.Max.Retrans: after how many retransmissions in a row a peer is lost. Default 4.
    pub max_retransmissions: u32,
    /// Max.Init.Retransmits: after how many repetitions an association is given up that does not come to be. Default 4.
    pub max_init_retransmissions: u32,
    /// HB.interval: how often an idle association of a session is probed. Default 1 s.
    pub heartbeat_interval: Duration,
    /// The same for associations with registrars, who watch elements and each other by messages of their own. Default 30 s.
    pub control_heartbeat_interval: Duration,
    /// For how long an acknowledgement may wait for company. Default 20 ms.
    pub delayed_acknowledgement: Duration,
    /// For the kernel's SCTP: the UDP port that packets go to, if they are to go over UDP (RFC 6951). What comes over UDP comes to the
    /// kernel's own port (`net.sctp.udp_port`). Default: none.
    pub remote_udp_port: Option<u16>,
    /// The largest SCTP packet, in octets, without UDP and IP headers. Default 1,400.
    pub packet_size: usize,
    /// The largest message, in octets. Default 256 KiB.
    pub message_size: usize,
    /// How many octets wait in an association for being sent, at most: with more than half of it the machine is told that it is
    /// full, with a quarter that there is room again. Default 1 MiB.
    pub send_buffer: usize,
    /// How many octets of messages not yet complete, or not wanted yet, an association keeps before its peer has to wait. Default
    /// 1 MiB.
    pub receive_buffer: usize,
    /// For how long a state cookie is good: the time that a peer has for the rest of the handshake. Default 10 s.
    pub cookie_life: Duration,
    /// How much is accepted.
    pub limits: Limits,
}

/// How many associations there may be.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// In all. Default 100,000.
    pub associations: usize,
    /// That come in from one IP address. Default 20,000.
    pub associations_per_address: usize,
}

impl Default for SctpConfig {
    fn default() -> Self {
        Self {
            rto_initial: Duration::from_millis(300),
            rto_min: Duration::from_millis(100),
            rto_max: Duration::from_millis(400),
            max_retransmissions: 4,
            max_init_retransmissions: 4,
            heartbeat_interval: Duration::from_secs(1),
            control_heartbeat_interval: Duration::from_secs(30),
            delayed_acknowledgement: Duration::from_millis(20),
            remote_udp_port: None,
            packet_size: 1_400,
            message_size: 256 * 1024,
            send_buffer: 1024 * 1024,
            receive_buffer: 1024 * 1024,
            cookie_life: Duration::from_secs(10),
            limits: Limits { associations: 100_000, associations_per_address: 20_000 },
        }
    }
}

impl SctpConfig {
    /// How often an idle association is probed that is for these purposes.
    #[must_use]
    pub fn heartbeat_interval_for(&self, purposes: &[Purpose]) -> Duration {
        if purposes.contains(&Purpose::Session) { self.heartbeat_interval } else { self.control_heartbeat_interval }
    }

    /// With more octets waiting a send buffer counts as full.
    pub(crate) const fn high_mark(&self) -> usize {
        self.send_buffer / 2
    }

    /// With this many octets waiting, or fewer, it has room again.
    pub(crate) const fn low_mark(&self) -> usize {
        self.send_buffer / 4
    }

    /// The SCTP implementation's options for an association between two ports.
    pub(crate) fn options(&self, local_port: u16, remote_port: u16, purposes: &[Purpose]) -> Options {
        Options {
            local_port,
            remote_port,
            mtu: self.packet_size,
            max_message_size: self.message_size,
            max_send_buffer_size: self.send_buffer,
            per_stream_send_queue_limit: self.send_buffer,
            total_buffered_amount_low_threshold: self.low_mark(),
            max_receiver_window_buffer_size: self.receive_buffer,
            rto_initial: self.rto_initial,
            rto_min: self.rto_min,
            rto_max: self.rto_max,
            t1_init_timeout: self.rto_initial,
            t1_cookie_timeout: self.rto_initial,
            t2_shutdown_timeout: self.rto_initial,
            max_timer_backoff_duration: Some(self.rto_max),
            heartbeat_interval: self.heartbeat_interval_for(purposes),
            delayed_ack_max_timeout: self.delayed_acknowledgement,
            min_rtt_variance: self.delayed_acknowledgement,
            max_retransmissions: Some(self.max_retransmissions),
            max_init_retransmits: Some(self.max_init_retransmissions),
            ..Options::default()
        }
    }
}
