//! The UDP sockets of an adapter, without a way to wait for them, which each adapter has of its own: binding, reading in
//! bursts, learning what could not be delivered, and the multicast groups of announcements.

mod multicast;
#[cfg(target_os = "linux")]
mod unreachable;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use rserpool::{Instant, MulticastGroup};
use rserpool_transport::{Node, SocketIndex};

pub use self::multicast::{Groups, MulticastOptions};

/// The largest datagram that UDP can carry.
const DATAGRAM: usize = 65_535;

/// How many datagrams are read from one socket before the others and the timers have their turn.
const BURST: usize = 256;

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Sctp,
    Group(MulticastGroup),
}

/// Sockets, by their numbers.
#[derive(Debug)]
pub struct Sockets {
    sockets: Vec<(UdpSocket, Use)>,
    /// Where multicast datagrams are sent from and to.
    groups: Groups,
    buffer: Box<[u8]>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { sockets: Vec::new(), groups: Groups::default(), buffer: vec![0; DATAGRAM].into_boxed_slice() }
    }
}

impl rserpool_transport::Sockets for Sockets {
    /// Binds a socket, or finds the one that is bound there already.
    fn bind(&mut self, address: SocketAddr) -> io::Result<SocketIndex> {
        let bound = |(socket, used): &(UdpSocket, Use)| {
            *used == Use::Sctp && address.port() != 0 && socket.local_addr().is_ok_and(|local| local == address)
        };
        if let Some(index) = self.sockets.iter().position(bound) {
            return Ok(SocketIndex(index));
        }
        let socket = UdpSocket::bind(address)?;
        #[cfg(target_os = "linux")]
        unreachable::enable(&socket);
        self.add(socket, Use::Sctp)
    }

    fn local_address(&self, index: SocketIndex) -> Option<SocketAddr> {
        self.sockets.get(index.0)?.0.local_addr().ok()
    }
}

impl Sockets {
    fn add(&mut self, socket: UdpSocket, used: Use) -> io::Result<SocketIndex> {
        socket.set_nonblocking(true)?;
        self.sockets.push((socket, used));
        Ok(SocketIndex(self.sockets.len() - 1))
    }

    /// Joins the multicast groups of announcements, to hear them and to send them.
    ///
    /// # Errors
    ///
    /// A group cannot be joined.
    pub fn join(&mut self, options: &MulticastOptions) -> io::Result<()> {
        for (group, address) in options.groups() {
            let socket = multicast::listen(address, options)?;
            self.add(socket, Use::Group(group))?;
        }
        self.groups = Groups::new(options)?;
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// A socket, to be waited for.
    #[must_use]
    pub fn get(&self, index: SocketIndex) -> Option<&UdpSocket> {
        self.sockets.get(index.0).map(|(socket, _)| socket)
    }

    /// Reads what has come to a socket, up to a limit, and what could not be delivered, and hands it to a node. True if
    /// there may be more.
    ///
    /// # Errors
    ///
    /// The socket cannot be used any more.
    pub fn receive<M: rserpool::Machine>(
        &mut self,
        now: Instant,
        index: SocketIndex,
        node: &mut Node<M>,
    ) -> io::Result<bool> {
        let Some((socket, used)) = self.sockets.get(index.0) else { return Ok(false) };
        #[cfg(target_os = "linux")]
        for _ in 0..BURST {
            let Some((to, length)) = unreachable::next(socket, &mut self.buffer) else { break };
            node.handle_unreachable(now, index, to, self.buffer.get(..length).unwrap_or_default());
        }
        for _ in 0..BURST {
            match socket.recv_from(&mut self.buffer) {
                Ok((length, from)) => {
                    let octets = self.buffer.get(..length).unwrap_or_default();
                    match used {
                        Use::Sctp => node.handle_datagram(now, index, from, octets),
                        Use::Group(group) => node.handle_announcement(now, *group, from, octets),
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                // A datagram sent before could not be delivered: the error queue says which.
                Err(error) if is_peers_fault(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Sends all that a node wants to be sent. What cannot be sent is lost, as it may be on its way: SCTP repeats it, and
    /// announcements come again.
    pub fn transmit<M: rserpool::Machine>(&mut self, node: &mut Node<M>) {
        while let Some(transmit) = node.poll_transmit() {
            if let Some((socket, _)) = self.sockets.get(transmit.socket.0) {
                send(socket, transmit.to, &transmit.octets);
            }
        }
        while let Some((group, octets)) = node.poll_announcement() {
            self.groups.send(group, &octets);
        }
    }
}

/// The first attempt may report an earlier datagram's error in place of sending.
fn send(socket: &UdpSocket, to: SocketAddr, octets: &[u8]) {
    if socket.send_to(octets, to).is_err_and(|error| is_peers_fault(&error)) {
        let _ = socket.send_to(octets, to);
    }
}

/// Whether an error is news of an earlier datagram, and says nothing about the socket.
fn is_peers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::Interrupted
    )
}

/// The address from which anything may be sent, of the family of another one.
pub(crate) const fn any(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}
