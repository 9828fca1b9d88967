//! The UDP sockets of a driver.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use polling::{Event, Poller};
use rserpool_transport::SocketIndex;

/// The largest datagram that UDP can carry.
const DATAGRAM: usize = 65_535;

/// How many datagrams are read from one socket before the others and the timers have their turn.
const BURST: usize = 256;

pub(crate) struct Sockets {
    sockets: Vec<UdpSocket>,
    buffer: Box<[u8]>,
}

impl Sockets {
    pub(crate) fn new() -> Self {
        Self { sockets: Vec::new(), buffer: vec![0; DATAGRAM].into_boxed_slice() }
    }

    /// Binds a socket, or finds the one that is bound there already.
    pub(crate) fn bind(&mut self, poller: &Poller, address: SocketAddr) -> io::Result<SocketIndex> {
        let bound = |socket: &UdpSocket| address.port() != 0 && socket.local_addr().is_ok_and(|local| local == address);
        if let Some(index) = self.sockets.iter().position(bound) {
            return Ok(SocketIndex(index));
        }
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        #[cfg(target_os = "linux")]
        crate::unreachable::enable(&socket);
        let index = SocketIndex(self.sockets.len());
        crate::poll::add(poller, &socket, Event::readable(index.0))?;
        self.sockets.push(socket);
        Ok(index)
    }

    pub(crate) fn local_address(&self, index: SocketIndex) -> Option<SocketAddr> {
        self.sockets.get(index.0)?.local_addr().ok()
    }

    /// Whether a socket is of the address's family.
    pub(crate) fn is_family_of(&self, index: SocketIndex, address: IpAddr) -> bool {
        self.local_address(index).is_some_and(|local| local.is_ipv4() == address.is_ipv4())
    }

    /// Reads what has come to a socket, up to a limit, and gives each datagram to `each`.
    pub(crate) fn receive(&mut self, index: SocketIndex, mut each: impl FnMut(SocketAddr, &[u8])) -> io::Result<()> {
        let Some(socket) = self.sockets.get(index.0) else { return Ok(()) };
        for _ in 0..BURST {
            match socket.recv_from(&mut self.buffer) {
                Ok((length, from)) => each(from, self.buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // A datagram sent before could not be delivered: the error queue says which.
                Err(error) if is_peers_fault(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what could not be delivered, and gives each datagram's destination and beginning to `each`.
    #[cfg(target_os = "linux")]
    pub(crate) fn undelivered(&mut self, index: SocketIndex, mut each: impl FnMut(SocketAddr, &[u8])) {
        let Some(socket) = self.sockets.get(index.0) else { return };
        for _ in 0..BURST {
            let Some((to, length)) = crate::unreachable::next(socket, &mut self.buffer) else { break };
            each(to, self.buffer.get(..length).unwrap_or_default());
        }
    }

    /// Sends a datagram. One that cannot be sent is lost, as it may be on its way: SCTP repeats it.
    pub(crate) fn send(&self, index: SocketIndex, to: SocketAddr, octets: &[u8]) {
        let Some(socket) = self.sockets.get(index.0) else { return };
        // The first attempt may report an earlier datagram's error in place of sending.
        if socket.send_to(octets, to).is_err_and(|error| is_peers_fault(&error)) {
            let _ = socket.send_to(octets, to);
        }
    }

    /// Has the poller tell again when something comes to a socket.
    pub(crate) fn rearm(&self, poller: &Poller, index: SocketIndex) -> io::Result<()> {
        match self.sockets.get(index.0) {
            Some(socket) => poller.modify(socket, Event::readable(index.0)),
            None => Ok(()),
        }
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
