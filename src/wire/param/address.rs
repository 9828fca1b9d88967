//! IPv4 Address and IPv6 Address (RFC 5354 §3.1, §3.2).
//!
//! ```text
//! |   Type = 0x1 (IPv4)   |      Length = 0x8             |
//! |                     IPv4 Address                      |
//!
//! |   Type = 0x2 (IPv6)   |      Length = 0x14            |
//! |                     IPv6 Address (16 octets)          |
//! ```

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{IPV4_ADDRESS, IPV6_ADDRESS};
use crate::wire::encode::Sink;
use crate::wire::error::DecodeError;
use crate::wire::sequence::{Item, WriteItem};
use crate::wire::tlv::RawParameter;

/// The address in a parameter, `None` if the parameter is not an address.
pub(crate) fn read(parameter: &RawParameter<'_>) -> Result<Option<IpAddr>, DecodeError> {
    Ok(match parameter.parameter_type {
        IPV4_ADDRESS => Some(IpAddr::V4(Ipv4Addr::from(*parameter.array::<4>()?))),
        IPV6_ADDRESS => Some(IpAddr::V6(Ipv6Addr::from(*parameter.array::<16>()?))),
        _ => None,
    })
}

#[inline]
pub(crate) fn write(sink: &mut impl Sink, address: IpAddr) {
    match address {
        IpAddr::V4(address) => sink.short_parameter(IPV4_ADDRESS, [address.to_bits()]),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let words = [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32];
            sink.short_parameter(IPV6_ADDRESS, words);
        }
    }
}

impl Item<'_> for IpAddr {
    fn from_parameter(parameter: &RawParameter<'_>) -> Option<Self> {
        read(parameter).ok().flatten()
    }

    fn is_type(parameter_type: u16) -> bool {
        matches!(parameter_type, IPV4_ADDRESS | IPV6_ADDRESS)
    }
}

impl WriteItem for IpAddr {
    fn write(&self, sink: &mut impl Sink) {
        write(sink, *self);
    }
}
