//! The transport parameters: DCCP, SCTP, TCP, UDP, UDP-Lite and Opaque (RFC 5354 §3.3–3.7, §3.16).
//!
//! ```text
//! |   Type = 0x4 (SCTP)   |      Length = variable        |
//! |   SCTP Port           |      Transport Use            |
//! :   IPv4 or IPv6 Address #1 … #n                        :
//!
//! |   Type = 0x5, 0x6, 0x7 (TCP, UDP, UDP-Lite)  | Length |
//! |   Port                |      (reserved)               |
//! :   IPv4 or IPv6 Address                                :
//!
//! |   Type = 0x3 (DCCP)   |      Length = variable        |
//! |   DCCP Port           |      (reserved)               |
//! |   DCCP Service Code                                   |
//! :   IPv4 or IPv6 Address                                :
//!
//! |   Type = 0x10 (Opaque)|      Length = variable        |
//! :   Opaque Transport Data                               :
//! ```

use core::fmt;
use core::net::IpAddr;

use super::{
    DCCP_TRANSPORT, OPAQUE_TRANSPORT, SCTP_TRANSPORT, TCP_TRANSPORT, UDP_LITE_TRANSPORT, UDP_TRANSPORT, address,
};
use crate::wire::encode::Sink;
use crate::wire::error::{DecodeError, DecodeErrorKind};
use crate::wire::sequence::{Item, Sequence, WriteItem};
use crate::wire::tlv::{Context, Parameters, RawParameter, Unknown, UnknownSeen};

/// How an element intends an SCTP transport to be used (RFC 5354 §3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum TransportUse {
    /// Only the data channel: no ASAP messages between user and element.
    #[default]
    DataOnly,
    /// Data channel and control channel: cookies and business cards may be sent.
    DataPlusControl,
}

impl TransportUse {
    const fn from_wire(value: u16) -> Option<Self> {
        match value {
            0 => Some(Self::DataOnly),
            1 => Some(Self::DataPlusControl),
            _ => None,
        }
    }

    /// The value of the field.
    #[must_use]
    pub const fn to_wire(self) -> u16 {
        match self {
            Self::DataOnly => 0,
            Self::DataPlusControl => 1,
        }
    }
}

/// The protocol of a transport parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportProtocol {
    /// DCCP, RFC 5354 §3.3.
    Dccp,
    /// SCTP, RFC 5354 §3.4.
    Sctp,
    /// TCP, RFC 5354 §3.5.
    Tcp,
    /// UDP, RFC 5354 §3.6.
    Udp,
    /// UDP-Lite, RFC 5354 §3.7.
    UdpLite,
    /// Something only the application knows, RFC 5354 §3.16.
    Opaque,
}

impl fmt::Display for TransportProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dccp => "DCCP",
            Self::Sctp => "SCTP",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::UdpLite => "UDP-Lite",
            Self::Opaque => "an opaque transport",
        })
    }
}

impl TransportProtocol {
    pub(crate) const fn from_wire(parameter_type: u16) -> Option<Self> {
        Some(match parameter_type {
            DCCP_TRANSPORT => Self::Dccp,
            SCTP_TRANSPORT => Self::Sctp,
            TCP_TRANSPORT => Self::Tcp,
            UDP_TRANSPORT => Self::Udp,
            UDP_LITE_TRANSPORT => Self::UdpLite,
            OPAQUE_TRANSPORT => Self::Opaque,
            _ => return None,
        })
    }

    /// The type of its parameter.
    #[must_use]
    pub const fn parameter_type(self) -> u16 {
        match self {
            Self::Dccp => DCCP_TRANSPORT,
            Self::Sctp => SCTP_TRANSPORT,
            Self::Tcp => TCP_TRANSPORT,
            Self::Udp => UDP_TRANSPORT,
            Self::UdpLite => UDP_LITE_TRANSPORT,
            Self::Opaque => OPAQUE_TRANSPORT,
        }
    }
}

/// A transport address: where an element serves its users, where it speaks ASAP, or where a registrar is.
///
/// The reserved fields are written as zeros and not looked at when read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport<'a> {
    /// SCTP, with one or more addresses.
    Sctp {
        /// The SCTP port.
        port: u16,
        /// What the element offers there.
        transport_use: TransportUse,
        /// At least one address.
        addresses: Sequence<'a, IpAddr>,
        /// Unknown parameters beside the addresses.
        unknown: Unknown<'a>,
    },
    /// TCP, UDP or UDP-Lite, always "data only".
    Ip {
        /// Which of them.
        protocol: IpProtocol,
        /// The port.
        port: u16,
        /// The address.
        address: IpAddr,
        /// Unknown parameters beside the address.
        unknown: Unknown<'a>,
    },
    /// DCCP, always "data only".
    Dccp {
        /// The DCCP port.
        port: u16,
        /// The DCCP service code.
        service_code: u32,
        /// The address.
        address: IpAddr,
        /// Unknown parameters beside the address.
        unknown: Unknown<'a>,
    },
    /// Octets whose meaning is the application's.
    Opaque(&'a [u8]),
}

/// The protocols of [`Transport::Ip`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// UDP-Lite.
    UdpLite,
}

impl<'a> Transport<'a> {
    /// An SCTP transport.
    #[must_use]
    pub const fn sctp(port: u16, transport_use: TransportUse, addresses: &'a [IpAddr]) -> Self {
        Self::Sctp { port, transport_use, addresses: Sequence::new(addresses), unknown: Unknown::NONE }
    }

    /// A TCP, UDP or UDP-Lite transport.
    #[must_use]
    pub const fn ip(protocol: IpProtocol, port: u16, address: IpAddr) -> Self {
        Self::Ip { protocol, port, address, unknown: Unknown::NONE }
    }

    /// A DCCP transport.
    #[must_use]
    pub const fn dccp(port: u16, service_code: u32, address: IpAddr) -> Self {
        Self::Dccp { port, service_code, address, unknown: Unknown::NONE }
    }

    /// Its protocol.
    #[must_use]
    pub const fn protocol(&self) -> TransportProtocol {
        match self {
            Self::Sctp { .. } => TransportProtocol::Sctp,
            Self::Ip { protocol: IpProtocol::Tcp, .. } => TransportProtocol::Tcp,
            Self::Ip { protocol: IpProtocol::Udp, .. } => TransportProtocol::Udp,
            Self::Ip { protocol: IpProtocol::UdpLite, .. } => TransportProtocol::UdpLite,
            Self::Dccp { .. } => TransportProtocol::Dccp,
            Self::Opaque(_) => TransportProtocol::Opaque,
        }
    }

    /// What it may be used for. Only SCTP can have a control channel (RFC 5354 §3.3, §3.5–3.7).
    #[must_use]
    pub const fn transport_use(&self) -> TransportUse {
        match self {
            Self::Sctp { transport_use, .. } => *transport_use,
            _ => TransportUse::DataOnly,
        }
    }

    /// The port; `None` for an opaque transport.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        match self {
            Self::Sctp { port, .. } | Self::Ip { port, .. } | Self::Dccp { port, .. } => Some(*port),
            Self::Opaque(_) => None,
        }
    }

    /// The addresses, in order.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        let (list, single) = match *self {
            Self::Sctp { addresses, .. } => (addresses, None),
            Self::Ip { address, .. } | Self::Dccp { address, .. } => (Sequence::empty(), Some(address)),
            Self::Opaque(_) => (Sequence::empty(), None),
        };
        single.into_iter().chain(list.iter())
    }

    /// The transport in a parameter; `None` if the parameter is none.
    pub(crate) fn read(parameter: &RawParameter<'a>, context: &mut Context<'a>) -> Result<Option<Self>, DecodeError> {
        let Some(protocol) = TransportProtocol::from_wire(parameter.parameter_type) else { return Ok(None) };
        let ip = |protocol, context: &mut Context<'a>| {
            let (&[p0, p1, _, _], inner) = parameter.fixed()?;
            let (address, unknown) = read_single(parameter, inner, context)?;
            Ok(Self::Ip { protocol, port: u16::from_be_bytes([p0, p1]), address, unknown })
        };
        Ok(Some(match protocol {
            TransportProtocol::Sctp => {
                let (&[p0, p1, u0, u1], inner) = parameter.fixed()?;
                let value = u16::from_be_bytes([u0, u1]);
                let transport_use = TransportUse::from_wire(value).ok_or_else(|| DecodeError {
                    offset: parameter.offset.saturating_add(6),
                    ..parameter.error(DecodeErrorKind::TransportUse { value })
                })?;
                let addresses = Sequence::received(inner.rest());
                let (_, count, unknown) = read_addresses(inner, context)?;
                if count == 0 {
                    return Err(address_count(parameter));
                }
                Self::Sctp { port: u16::from_be_bytes([p0, p1]), transport_use, addresses, unknown }
            }
            TransportProtocol::Tcp => ip(IpProtocol::Tcp, context)?,
            TransportProtocol::Udp => ip(IpProtocol::Udp, context)?,
            TransportProtocol::UdpLite => ip(IpProtocol::UdpLite, context)?,
            TransportProtocol::Dccp => {
                let (&[p0, p1, _, _, s0, s1, s2, s3], inner) = parameter.fixed()?;
                let (address, unknown) = read_single(parameter, inner, context)?;
                let service_code = u32::from_be_bytes([s0, s1, s2, s3]);
                Self::Dccp { port: u16::from_be_bytes([p0, p1]), service_code, address, unknown }
            }
            TransportProtocol::Opaque => Self::Opaque(parameter.value()),
        }))
    }

    #[inline]
    pub(crate) fn write(&self, sink: &mut impl Sink) {
        let parameter_type = self.protocol().parameter_type();
        match self {
            Self::Sctp { port, transport_use, addresses, unknown } => {
                let fixed = [u32::from(*port) << 16 | u32::from(transport_use.to_wire())];
                sink.parameter(parameter_type, fixed, |sink| {
                    addresses.write(sink);
                    unknown.write(sink);
                });
            }
            Self::Ip { port, address, unknown, .. } => {
                sink.parameter(parameter_type, [u32::from(*port) << 16], |sink| {
                    address::write(sink, *address);
                    unknown.write(sink);
                });
            }
            Self::Dccp { port, service_code, address, unknown } => {
                sink.parameter(parameter_type, [u32::from(*port) << 16, *service_code], |sink| {
                    address::write(sink, *address);
                    unknown.write(sink);
                });
            }
            Self::Opaque(octets) => sink.parameter(parameter_type, [], |sink| sink.put(octets)),
        }
    }
}

fn address_count(parameter: &RawParameter<'_>) -> DecodeError {
    parameter.error(DecodeErrorKind::AddressCount { parameter_type: parameter.parameter_type })
}

/// The first address, how many there are, and the unknown parameters between them.
fn read_addresses<'a>(
    mut inner: Parameters<'a>,
    context: &mut Context<'a>,
) -> Result<(Option<IpAddr>, usize, Unknown<'a>), DecodeError> {
    let mut unknown = UnknownSeen::new(&inner);
    let (mut first, mut count) = (None, 0usize);
    while let Some(parameter) = inner.next()? {
        match address::read(&parameter)? {
            Some(address) => {
                first = first.or(Some(address));
                count = count.saturating_add(1);
            }
            None => unknown.add(&parameter, context)?,
        }
    }
    Ok((first, count, unknown.finish()))
}

fn read_single<'a>(
    parameter: &RawParameter<'a>,
    inner: Parameters<'a>,
    context: &mut Context<'a>,
) -> Result<(IpAddr, Unknown<'a>), DecodeError> {
    match read_addresses(inner, context)? {
        (Some(address), 1, unknown) => Ok((address, unknown)),
        _ => Err(address_count(parameter)),
    }
}

impl<'a> Item<'a> for Transport<'a> {
    fn from_parameter(parameter: &RawParameter<'a>) -> Option<Self> {
        Self::read(parameter, &mut Context::default()).ok().flatten()
    }

    fn is_type(parameter_type: u16) -> bool {
        TransportProtocol::from_wire(parameter_type).is_some()
    }
}

impl WriteItem for Transport<'_> {
    fn write(&self, sink: &mut impl Sink) {
        Transport::write(self, sink);
    }
}
