//! The multicast groups of announcements (RFC 5352 §3.6, §8.4, RFC 5353 §3.2.2.1): by default those of the RFCs, or those of
//! rsplib.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

use rserpool::{ASAP_PORT, MulticastGroup, Profile};
use socket2::{Domain, Protocol, Socket, Type};

use crate::any;

/// The well-known port for ENRP (RFC 5353 §5.3).
const ENRP_PORT: u16 = 9901;

/// Where announcements go, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MulticastOptions {
    /// The groups of announcements to elements and users.
    pub asap: Vec<SocketAddr>,
    /// The groups of announcements among registrars.
    pub enrp: Vec<SocketAddr>,
    /// The address of the interface that IPv4 announcements go out of and come in by; `None` leaves it to the operating
    /// system.
    pub interface_v4: Option<Ipv4Addr>,
    /// The index of the interface for IPv6; 0 leaves it to the operating system.
    pub interface_v6: u32,
    /// Over how many routers they go. Default 1: not beyond this network.
    pub hops: u32,
}

impl MulticastOptions {
    /// What a profile uses: by the RFCs 224.0.1.185, and ff02::133 if there is IPv6; rsplib has groups of its own.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        let (asap, enrp) = match profile {
            Profile::Rsplib => (Ipv4Addr::new(239, 0, 0, 50), Ipv4Addr::new(239, 0, 0, 51)),
            _ => (Ipv4Addr::new(224, 0, 1, 185), Ipv4Addr::new(224, 0, 1, 185)),
        };
        Self {
            asap: vec![SocketAddr::new(asap.into(), ASAP_PORT)],
            enrp: vec![SocketAddr::new(enrp.into(), ENRP_PORT)],
            interface_v4: None,
            interface_v6: 0,
            hops: 1,
        }
    }

    /// Adds the RFCs' groups for IPv6, of link-local scope, on an interface.
    #[must_use]
    pub fn with_ipv6(mut self, interface: u32) -> Self {
        let group = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x133));
        self.asap.push(SocketAddr::new(group, ASAP_PORT));
        self.enrp.push(SocketAddr::new(group, ENRP_PORT));
        self.interface_v6 = interface;
        self
    }

    /// Only what elements and users hear.
    #[must_use]
    pub fn of_registrars_to_clients(mut self) -> Self {
        self.enrp.clear();
        self
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = (MulticastGroup, SocketAddr)> {
        let of = |group| move |address: &SocketAddr| (group, *address);
        self.asap.iter().map(of(MulticastGroup::Asap)).chain(self.enrp.iter().map(of(MulticastGroup::Enrp)))
    }
}

fn socket(family: IpAddr) -> io::Result<Socket> {
    let domain = if family.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))
}

/// A socket that hears a group. Several processes may have the same.
pub(crate) fn listen(group: SocketAddr, options: &MulticastOptions) -> io::Result<UdpSocket> {
    let socket = socket(group.ip())?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    // Bound to the group, it hears nothing else at the port.
    match group.ip() {
        IpAddr::V4(address) => {
            socket.bind(&group.into())?;
            socket.join_multicast_v4(&address, &options.interface_v4.unwrap_or(Ipv4Addr::UNSPECIFIED))?;
        }
        IpAddr::V6(address) => {
            socket.set_only_v6(true)?;
            socket.bind(&SocketAddrV6::new(address, group.port(), 0, options.interface_v6).into())?;
            socket.join_multicast_v6(&address, options.interface_v6)?;
        }
    }
    Ok(socket.into())
}

/// The sockets from which announcements are sent, and where they go.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: Vec<(MulticastGroup, SocketAddr, UdpSocket)>,
}

impl Groups {
    pub(crate) fn new(options: &MulticastOptions) -> io::Result<Self> {
        let mut groups = Vec::new();
        for (group, address) in options.groups() {
            let socket = socket(address.ip())?;
            match address.ip() {
                IpAddr::V4(_) => {
                    let from = options.interface_v4.unwrap_or(Ipv4Addr::UNSPECIFIED);
                    socket.bind(&SocketAddr::new(from.into(), 0).into())?;
                    if let Some(interface) = &options.interface_v4 {
                        socket.set_multicast_if_v4(interface)?;
                    }
                    socket.set_multicast_ttl_v4(options.hops)?;
                    socket.set_multicast_loop_v4(true)?;
                }
                IpAddr::V6(_) => {
                    socket.bind(&SocketAddr::new(any(address.ip()), 0).into())?;
                    if options.interface_v6 != 0 {
                        socket.set_multicast_if_v6(options.interface_v6)?;
                    }
                    socket.set_multicast_hops_v6(options.hops)?;
                    socket.set_multicast_loop_v6(true)?;
                }
            }
            let socket: UdpSocket = socket.into();
            socket.set_nonblocking(true)?;
            groups.push((group, address, socket));
        }
        Ok(Self { groups })
    }

    pub(crate) fn send(&self, group: MulticastGroup, octets: &[u8]) {
        for (_, address, socket) in self.groups.iter().filter(|(of, ..)| *of == group) {
            if let Err(error) = socket.send_to(octets, address) {
                tracing::debug!(%address, %error, "an announcement was not sent");
            }
        }
    }
}
