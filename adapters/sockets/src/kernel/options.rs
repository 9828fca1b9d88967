//! Options of the kernel's SCTP sockets (RFC 6458 §8, RFC 6951 §6), as octets in the machine's own order.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rserpool::Purpose;
use rserpool_transport::SctpConfig;
use socket2::Socket;

use super::notification::{Number, u32_at};
use super::sys;

// Socket options of Linux.
const RTOINFO: i32 = 0;
const ASSOCINFO: i32 = 1;
const INITMSG: i32 = 2;
const NODELAY: i32 = 3;
const PRIMARY_ADDR: i32 = 6;
const PEER_ADDR_PARAMS: i32 = 9;
const RECVRCVINFO: i32 = 32;
const BINDX_ADD: i32 = 100;
const GET_PEER_ADDRS: i32 = 108;
const EVENT: i32 = 127;
const REMOTE_UDP_ENCAPS_PORT: i32 = 132;

/// SCTP_FUTURE_ASSOC.
const FUTURE: Number = 0;

/// The length of struct sockaddr_storage.
const ANY_ADDRESS: usize = 128;

/// Addresses as the kernel wants them in a row.
pub(super) fn packed(addresses: &[IpAddr], port: u16) -> Vec<u8> {
    let mut octets = Vec::new();
    for address in addresses {
        match address {
            IpAddr::V4(v4) => {
                octets.extend((libc::AF_INET as u16).to_ne_bytes());
                octets.extend(port.to_be_bytes());
                octets.extend(v4.octets());
                octets.extend([0; 8]);
            }
            IpAddr::V6(v6) => {
                octets.extend((libc::AF_INET6 as u16).to_ne_bytes());
                octets.extend(port.to_be_bytes());
                octets.extend([0; 4]);
                octets.extend(v6.octets());
                octets.extend([0; 4]);
            }
        }
    }
    octets
}

/// Addresses out of such a row, and the port that they share.
pub(super) fn unpacked(mut octets: &[u8], count: usize) -> (Vec<IpAddr>, u16) {
    let (mut addresses, mut port) = (Vec::new(), 0);
    for _ in 0..count {
        let Some(([family0, family1, high, low], _)) = octets.split_first_chunk() else { break };
        let family = i32::from(u16::from_ne_bytes([*family0, *family1]));
        port = u16::from_be_bytes([*high, *low]);
        let address = |at: usize| octets.get(at..);
        let (address, length) = if family == libc::AF_INET {
            (address(4).and_then(|octets| Some(IpAddr::from(*octets.first_chunk::<4>()?))), 16)
        } else {
            (address(8).and_then(|octets| Some(IpAddr::from(*octets.first_chunk::<16>()?).to_canonical())), 28)
        };
        addresses.extend(address);
        octets = octets.get(length..).unwrap_or_default();
    }
    (addresses, port)
}

/// Sets a socket's parameters, and asks for notifications.
pub(super) fn configure(socket: &Socket, config: &SctpConfig, purposes: &[Purpose]) -> io::Result<()> {
    let millis = |time: std::time::Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX).to_ne_bytes();
    let future = FUTURE.to_ne_bytes();
    sys::set_option(socket, NODELAY, &1_i32.to_ne_bytes())?;
    sys::set_option(socket, RECVRCVINFO, &1_i32.to_ne_bytes())?;
    let rto = [future, millis(config.rto_initial), millis(config.rto_max), millis(config.rto_min)].concat();
    sys::set_option(socket, RTOINFO, &rto)?;
    // struct sctp_initmsg: two numbers of streams, attempts, the longest time-out.
    let attempts = u16::try_from(config.max_init_retransmissions).unwrap_or(u16::MAX);
    let timeout = u16::try_from(config.rto_max.as_millis()).unwrap_or(u16::MAX);
    let init: Vec<u8> = [0, 0, attempts, timeout].into_iter().flat_map(u16::to_ne_bytes).collect();
    sys::set_option(socket, INITMSG, &init)?;
    // struct sctp_assocparams: association, retransmissions, and what is not set here.
    let retransmissions = u16::try_from(config.max_retransmissions).unwrap_or(u16::MAX);
    let association = [&future[..], &retransmissions.to_ne_bytes(), &[0; 14]].concat();
    sys::set_option(socket, ASSOCINFO, &association)?;
    // struct sctp_paddrparams: association, an address of 128 octets, heartbeat's interval, retransmissions of a path,
    // path MTU, delay of acknowledgements, flags (1: heartbeats), flow label, DSCP.
    let mut path = [0; 156];
    let interval = millis(config.heartbeat_interval_for(purposes));
    let parts = interval.into_iter().chain(retransmissions.to_ne_bytes());
    for (place, octet) in path.iter_mut().skip(132).zip(parts) {
        *place = octet;
    }
    for (place, octet) in path.iter_mut().skip(146).zip(1_u32.to_ne_bytes()) {
        *place = octet;
    }
    sys::set_option(socket, PEER_ADDR_PARAMS, &path)?;
    // What is to be told: changes of associations, and messages that were not delivered,
    // and paths.
    for event in [0x8001_u16, 0x8002, 0x800d] {
        let subscription = [&future[..], &event.to_ne_bytes(), &[1, 0]].concat();
        sys::set_option(socket, EVENT, &subscription)?;
    }
    if let Some(port) = config.remote_udp_port {
        // struct sctp_udpencaps: association, an address of 128 octets at the next multiple of eight, the port.
        let encapsulation = [&future[..], &[0; 132], &port.to_be_bytes(), &[0; 6]].concat();
        sys::set_option(socket, REMOTE_UDP_ENCAPS_PORT, &encapsulation)?;
    }
    socket.set_send_buffer_size(config.send_buffer)?;
    Ok(())
}

/// Binds a socket to further addresses.
pub(super) fn add_addresses(socket: &Socket, addresses: &[IpAddr], port: u16) -> io::Result<()> {
    sys::set_option(socket, BINDX_ADD, &packed(addresses, port)).map(|_| ())
}

/// Has an association use one of its peer's addresses as long as it can be reached.
pub(super) fn set_primary(socket: &Socket, number: Number, address: SocketAddr) -> io::Result<()> {
    // struct sctp_prim: association, an address of 128 octets.
    let mut option = [&number.to_ne_bytes()[..], &packed(&[address.ip()], address.port())].concat();
    option.resize(4 + ANY_ADDRESS, 0);
    sys::set_option(socket, PRIMARY_ADDR, &option).map(|_| ())
}

/// The addresses and the port of an association's peer.
pub(super) fn peer(socket: &Socket, number: Number) -> (Vec<IpAddr>, u16) {
    let mut value = [0; 2_048];
    if let Some(question) = value.first_chunk_mut::<4>() {
        *question = number.to_ne_bytes();
    }
    match sys::option(socket, GET_PEER_ADDRS, &mut value) {
        // struct sctp_getaddrs: association, how many, the addresses.
        Ok(length) => {
            let count = u32_at(&value, 4).unwrap_or(0) as usize;
            unpacked(value.get(8..length).unwrap_or_default(), count)
        }
        Err(_) => (Vec::new(), 0),
    }
}
