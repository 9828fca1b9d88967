//! Transport addresses as the machines keep them and hand them to adapters.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::wire::{EncodeError, Transport, TransportProtocol, TransportUse};

/// How many addresses of a transport an element or a user keeps; further ones are left out.
pub const MAX_ADDRESSES: usize = 4;

/// How many octets an address takes in a packed endpoint: its version and, in either form, 16 octets.
const PACKED_ADDRESS: usize = 17;

/// The protocols that associations can be opened with. Whether SCTP runs in the kernel or over UDP is the adapter's
/// business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// SCTP.
    Sctp,
    /// TCP, for users' requests to registrars and for applications that use it.
    Tcp,
}

/// Where to open an association to, or where one comes from: one peer, with all its known addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// The protocol.
    pub protocol: Protocol,
    /// The addresses, the preferred one first. At least one.
    pub addresses: &'a [IpAddr],
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.protocol {
            Protocol::Sctp => "sctp://",
            Protocol::Tcp => "tcp://",
        })?;
        for (number, address) in self.addresses.iter().enumerate() {
            if number > 0 {
                f.write_str(",")?;
            }
            match address {
                IpAddr::V4(address) => write!(f, "{address}")?,
                IpAddr::V6(address) => write!(f, "[{address}]")?,
            }
        }
        write!(f, ":{}", self.port)
    }
}

/// An [`Endpoint`] that owns its addresses, up to [`MAX_ADDRESSES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointBuf {
    protocol: Protocol,
    addresses: heapless::Vec<IpAddr, MAX_ADDRESSES, u8>,
    port: u16,
}

/// The first addresses, as many as are kept. (To collect them could panic, as far as a compiler sees.)
fn first(some: impl Iterator<Item = IpAddr>) -> heapless::Vec<IpAddr, MAX_ADDRESSES, u8> {
    let mut addresses = heapless::Vec::new();
    for address in some.take(MAX_ADDRESSES) {
        let _ = addresses.push(address);
    }
    addresses
}

impl From<SocketAddr> for EndpointBuf {
    /// SCTP at an address and port.
    fn from(at: SocketAddr) -> Self {
        Self::single(Protocol::Sctp, at.ip(), at.port())
    }
}

impl EndpointBuf {
    /// The endpoint; `None` without an address.
    #[must_use]
    pub fn new(protocol: Protocol, addresses: &[IpAddr], port: u16) -> Option<Self> {
        let addresses = first(addresses.iter().copied());
        (!addresses.is_empty()).then_some(Self { protocol, addresses, port })
    }

    /// An endpoint with a single address.
    #[must_use]
    pub fn single(protocol: Protocol, address: IpAddr, port: u16) -> Self {
        Self { protocol, addresses: first(core::iter::once(address)), port }
    }

    /// The endpoint that a transport parameter names; `None` if it is not SCTP or TCP, or has no address.
    #[must_use]
    pub fn from_transport(transport: &Transport<'_>) -> Option<Self> {
        let protocol = match transport.protocol() {
            TransportProtocol::Sctp => Protocol::Sctp,
            TransportProtocol::Tcp => Protocol::Tcp,
            _ => return None,
        };
        let addresses = first(transport.addresses());
        (!addresses.is_empty()).then_some(Self { protocol, addresses, port: transport.port()? })
    }

    /// The endpoint, borrowed.
    #[must_use]
    pub fn as_endpoint(&self) -> Endpoint<'_> {
        Endpoint { protocol: self.protocol, addresses: &self.addresses, port: self.port }
    }

    /// The endpoint as a parameter on the wire.
    #[must_use]
    pub fn as_transport(&self, transport_use: TransportUse) -> Transport<'_> {
        match (self.protocol, self.addresses.first()) {
            (Protocol::Tcp, Some(address)) => {
                Transport::ip(crate::wire::param::transport::IpProtocol::Tcp, self.port, *address)
            }
            _ => Transport::sctp(self.port, transport_use, &self.addresses),
        }
    }

    /// Writes the endpoint to the start of a buffer, in a form for [`Self::unpack`], and returns how many octets it took.
    pub(crate) fn pack(&self, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        let needed = 3 + PACKED_ADDRESS * self.addresses.len();
        let available = buffer.len();
        let too_small = EncodeError::BufferTooSmall { needed, available };
        let (head, mut rest) = buffer.split_first_chunk_mut::<3>().ok_or(too_small)?;
        let [high, low] = self.port.to_be_bytes();
        *head = [u8::from(self.protocol == Protocol::Tcp), high, low];
        for address in &self.addresses {
            let too_small = EncodeError::BufferTooSmall { needed, available };
            let (place, behind) = rest.split_first_chunk_mut::<PACKED_ADDRESS>().ok_or(too_small)?;
            let (version, octets) = match address {
                IpAddr::V4(address) => (4, address.to_ipv6_mapped().octets()),
                IpAddr::V6(address) => (6, address.octets()),
            };
            if let Some((first, others)) = place.split_first_chunk_mut::<1>() {
                *first = [version];
                others.copy_from_slice(&octets);
            }
            rest = behind;
        }
        Ok(needed)
    }

    /// Reads what [`Self::pack`] has written.
    pub(crate) fn unpack(octets: &[u8]) -> Option<Self> {
        let ([protocol, high, low], rest) = octets.split_first_chunk::<3>()?;
        let (addresses, _) = rest.as_chunks::<PACKED_ADDRESS>();
        let addresses = first(addresses.iter().map(|[version, octets @ ..]| {
            let address = Ipv6Addr::from(*octets);
            if *version == 4 { address.to_canonical() } else { IpAddr::V6(address) }
        }));
        let protocol = if *protocol == 0 { Protocol::Sctp } else { Protocol::Tcp };
        Some(Self { protocol, addresses, port: u16::from_be_bytes([*high, *low]) })
    }

    /// Keeps the first `kept` addresses. The others are replaced by those of `others` that are new, as far as there is room.
    pub(crate) fn replace_addresses(&mut self, kept: usize, others: &[IpAddr]) {
        self.addresses.truncate(kept);
        for address in others {
            if !self.addresses.contains(address) {
                let _ = self.addresses.push(*address);
            }
        }
    }

    /// Whether both have the port, the protocol and an address in common: whether they are the same place.
    #[must_use]
    pub fn meets(&self, other: Endpoint<'_>) -> bool {
        self.protocol == other.protocol
            && self.port == other.port
            && self.addresses.iter().any(|address| other.addresses.contains(address))
    }
}

impl fmt::Display for EndpointBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_endpoint().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn an_endpoint_is_the_same_after_it_was_packed() {
        let addresses = ["10.1.2.3", "2001:db8::7", "::ffff:10.1.2.3"].map(|address| address.parse().unwrap());
        for endpoint in [
            EndpointBuf::new(Protocol::Sctp, &addresses, 3863).unwrap(),
            EndpointBuf::single(Protocol::Tcp, addresses[0], 0xfffe),
        ] {
            let mut buffer = [0; 100];
            let length = endpoint.pack(&mut buffer).unwrap();
            assert_eq!(EndpointBuf::unpack(&buffer[..length]), Some(endpoint.clone()));
            assert!(endpoint.pack(&mut buffer[..length - 1]).is_err());
        }
    }
}
