//! Learning from the operating system that nobody listens at an address any more, so that a dead process is noticed at
//! once (Linux: the error queue of a UDP socket).

use std::io::IoSliceMut;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};

/// Has errors kept for [`next`]. Where that is not possible dead peers are noticed by their silence.
pub(crate) fn enable(socket: &UdpSocket) {
    let v6 = socket.local_addr().is_ok_and(|address| address.is_ipv6());
    let _ = if v6 {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)
    } else {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)
    };
}

/// The next datagram that could not be delivered: where it was to go, and how many octets of it are in `buffer`.
pub(crate) fn next(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, None, flags).ok()?;
    let address = message.address?;
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4(SocketAddrV4::from(*address)));
    let v6 = || address.as_sockaddr_in6().map(|address| SocketAddr::V6(SocketAddrV6::from(*address)));
    Some((v4.or_else(v6)?, message.bytes))
}
