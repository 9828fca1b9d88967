//! Where an element serves its users, owned: what elements register, and what users keep of them.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use heapless::Vec;

use crate::endpoint::{EndpointBuf, MAX_ADDRESSES};
use crate::wire::param::transport::IpProtocol;
use crate::wire::{Transport, TransportProtocol, TransportUse};

/// How many octets of an opaque transport are kept (RFC 5354 §3.16). What is longer cannot be registered here, and users that
/// resolve such an element have it without its transport.
pub const MAX_OPAQUE_TRANSPORT: usize = 64;

/// Where an element serves its users, by whatever transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserTransport(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Sctp { transport_use: TransportUse, port: u16, addresses: Vec<IpAddr, MAX_ADDRESSES, u8> },
    Ip { protocol: IpProtocol, port: u16, address: IpAddr },
    Dccp { service_code: u32, port: u16, address: IpAddr },
    Opaque(Vec<u8, MAX_OPAQUE_TRANSPORT, u8>),
}

/// Why there can be no service at a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nowhere {
    Unspecified(IpAddr),
    NoPort,
}

impl From<SocketAddr> for UserTransport {
    /// SCTP at an address and port, with a control channel.
    fn from(at: SocketAddr) -> Self {
        let mut addresses = Vec::new();
        let _ = addresses.push(at.ip());
        Self(Kind::Sctp { transport_use: TransportUse::DataPlusControl, port: at.port(), addresses })
    }
}

impl UserTransport {
    /// A service over SCTP at up to [`MAX_ADDRESSES`] addresses; `None` with no address, or with more.
    #[must_use]
    pub fn sctp(addresses: &[IpAddr], port: u16, transport_use: TransportUse) -> Option<Self> {
        let addresses = Vec::from_slice(addresses).ok().filter(|addresses| !addresses.is_empty())?;
        Some(Self(Kind::Sctp { transport_use, port, addresses }))
    }

    /// A service over TCP, UDP or UDP-Lite, without a control channel.
    #[must_use]
    pub const fn ip(protocol: IpProtocol, address: IpAddr, port: u16) -> Self {
        Self(Kind::Ip { protocol, port, address })
    }

    /// A service over DCCP, without a control channel.
    #[must_use]
    pub const fn dccp(address: IpAddr, port: u16, service_code: u32) -> Self {
        Self(Kind::Dccp { service_code, port, address })
    }

    /// A service over something that only the applications know; `None` with more than [`MAX_OPAQUE_TRANSPORT`] octets.
    #[must_use]
    pub fn opaque(octets: &[u8]) -> Option<Self> {
        Some(Self(Kind::Opaque(Vec::from_slice(octets).ok()?)))
    }

    /// The transport in a parameter, with up to [`MAX_ADDRESSES`] addresses; `None` if it is opaque and longer than
    /// [`MAX_OPAQUE_TRANSPORT`].
    #[must_use]
    pub fn from_transport(transport: &Transport<'_>) -> Option<Self> {
        Some(Self(match *transport {
            Transport::Sctp { port, transport_use, .. } => {
                let mut addresses = Vec::new();
                for address in transport.addresses().take(MAX_ADDRESSES) {
                    let _ = addresses.push(address);
                }
                Kind::Sctp { transport_use, port, addresses }
            }
            Transport::Ip { protocol, port, address, .. } => Kind::Ip { protocol, port, address },
            Transport::Dccp { port, service_code, address, .. } => Kind::Dccp { service_code, port, address },
            Transport::Opaque(octets) => return Self::opaque(octets),
        }))
    }

    /// The transport as a parameter on the wire.
    #[must_use]
    pub fn as_transport(&self) -> Transport<'_> {
        match &self.0 {
            Kind::Sctp { transport_use, port, addresses } => Transport::sctp(*port, *transport_use, addresses),
            Kind::Ip { protocol, port, address } => Transport::ip(*protocol, *port, *address),
            Kind::Dccp { service_code, port, address } => Transport::dccp(*port, *service_code, *address),
            Kind::Opaque(octets) => Transport::Opaque(octets),
        }
    }

    /// Its protocol.
    #[must_use]
    pub fn protocol(&self) -> TransportProtocol {
        self.as_transport().protocol()
    }

    /// What it may be used for. Only SCTP can have a control channel.
    #[must_use]
    pub fn transport_use(&self) -> TransportUse {
        self.as_transport().transport_use()
    }

    /// Where to open an association to; `None` if it is not SCTP or TCP.
    #[must_use]
    pub fn endpoint(&self) -> Option<EndpointBuf> {
        EndpointBuf::from_transport(&self.as_transport())
    }

    /// Whether users can come there.
    pub(crate) fn check(&self) -> Result<(), Nowhere> {
        let transport = self.as_transport();
        let is_unspecified = |address: &IpAddr| address.to_canonical().is_unspecified();
        match (transport.addresses().find(is_unspecified), transport.port()) {
            (Some(address), _) => Err(Nowhere::Unspecified(address)),
            (None, Some(0)) => Err(Nowhere::NoPort),
            (None, _) => Ok(()),
        }
    }
}

impl fmt::Display for UserTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, address, port) = match &self.0 {
            Kind::Sctp { .. } | Kind::Ip { protocol: IpProtocol::Tcp, .. } => {
                return self.endpoint().map_or(Ok(()), |endpoint| endpoint.fmt(f));
            }
            Kind::Ip { protocol: IpProtocol::Udp, port, address } => ("udp", address, port),
            Kind::Ip { protocol: IpProtocol::UdpLite, port, address } => ("udp-lite", address, port),
            Kind::Dccp { port, address, .. } => ("dccp", address, port),
            Kind::Opaque(octets) => {
                f.write_str("opaque:")?;
                return octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"));
            }
        };
        write!(f, "{scheme}://{}", SocketAddr::new(*address, *port))
    }
}
