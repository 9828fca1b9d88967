//! Where a node opens associations from and to: its own ports by purpose, and its peers' UDP ports, as SCTP's addresses say
//! nothing of them.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rserpool::{Endpoint, Instant, OpenFailure, Protocol, Purpose};

use super::Sockets;
use crate::endpoint::{AssociationHandle, LocalPort, SctpOverUdp, SocketIndex};

/// SCTP ports that a machine opens associations from when it listens at none.
const EPHEMERAL_PORTS: std::ops::Range<u16> = 49_152..65_535;

/// How many peers' UDP ports are remembered.
const LEARNED_PORTS: usize = 100_000;

struct Local {
    port: LocalPort,
    address: IpAddr,
    /// For what associations are opened from here.
    purposes: Vec<Purpose>,
}

/// Ports, own and others'.
pub(super) struct Ports {
    encapsulation_port: u16,
    locals: Vec<Local>,
    /// Where associations are opened from when the machine listens nowhere: each from another SCTP port, so that there may
    /// be several to the same peer.
    ephemeral: Vec<(SocketIndex, IpAddr)>,
    opened: u16,
    /// UDP ports of peers that were told.
    told: HashMap<(IpAddr, u16), u16>,
    /// UDP ports that peers have come from, the oldest of which are forgotten.
    learned: HashMap<(IpAddr, u16), u16>,
    order: VecDeque<(IpAddr, u16)>,
}

impl Ports {
    pub(super) fn new(encapsulation_port: u16) -> Self {
        Self {
            encapsulation_port,
            locals: Vec::new(),
            ephemeral: Vec::new(),
            opened: 0,
            told: HashMap::new(),
            learned: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    pub(super) fn listen(&mut self, port: LocalPort, address: IpAddr, purposes: &[Purpose]) {
        self.locals.push(Local { port, address, purposes: purposes.to_vec() });
    }

    pub(super) fn set_udp_port(&mut self, address: IpAddr, sctp_port: u16, udp_port: u16) {
        self.told.insert((address, sctp_port), udp_port);
    }

    /// A peer has come from a UDP address, and is to be reached there again.
    pub(super) fn learn(&mut self, from: SocketAddr, sctp_port: u16) {
        if from.port() == self.encapsulation_port {
            return;
        }
        let peer = (from.ip(), sctp_port);
        if self.learned.insert(peer, from.port()).is_none() {
            self.order.push_back(peer);
        }
        if self.order.len() > LEARNED_PORTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.learned.remove(&oldest);
        }
    }

    /// Opens an association, or says why that is not possible here.
    pub(super) fn open(
        &mut self,
        now: Instant,
        transport: &mut SctpOverUdp,
        sockets: &mut impl Sockets,
        purpose: Purpose,
        remote: Endpoint<'_>,
    ) -> Result<AssociationHandle, OpenFailure> {
        if remote.protocol != Protocol::Sctp {
            return Err(OpenFailure::Unsupported);
        }
        // Multi-homing takes the kernel's SCTP; over UDP the first address that can be reached counts.
        let opened = remote.addresses.iter().find_map(|address| {
            let local = self.local(sockets, purpose, *address)?;
            let key = (*address, remote.port);
            let udp_port = self.told.get(&key).or_else(|| self.learned.get(&key)).copied();
            let peer = SocketAddr::new(*address, udp_port.unwrap_or(self.encapsulation_port));
            let handle = transport.open(now, local, peer, remote.port, purpose).ok()?;
            // Users want to know what an element has not got before it died.
            if purpose == Purpose::Session {
                transport.track(handle);
            }
            Some(handle)
        });
        opened.ok_or(OpenFailure::Local)
    }

    /// The local port to open from; if the machine listens nowhere, another one each time.
    fn local(&mut self, sockets: &mut impl Sockets, purpose: Purpose, remote: IpAddr) -> Option<LocalPort> {
        let is_family = |address: IpAddr| address.is_ipv4() == remote.is_ipv4();
        let fits = |local: &&Local| local.purposes.contains(&purpose) && is_family(local.address);
        if let Some(local) = self.locals.iter().find(fits) {
            return Some(local.port);
        }
        let socket = match self.ephemeral.iter().find(|(_, address)| is_family(*address)) {
            Some((socket, _)) => *socket,
            None => {
                let any = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                let socket = sockets.bind(SocketAddr::new(any, 0)).ok()?;
                self.ephemeral.push((socket, any));
                socket
            }
        };
        // The UDP port is unique on the machine, so the SCTP port need not be.
        let span = EPHEMERAL_PORTS.end - EPHEMERAL_PORTS.start;
        self.opened = (self.opened + 1) % span;
        Some(LocalPort { socket, port: EPHEMERAL_PORTS.start + self.opened })
    }
}
