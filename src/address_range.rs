//! A range of IP addresses, as whoever limits who may speak writes it: `10.1.0.0/16`, `2001:db8::/32`, or one address.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// All addresses that begin with the same bits.
///
/// ```
/// use rserpool::AddressRange;
///
/// let range: AddressRange = "10.1.0.0/16".parse()?;
/// assert!(range.contains([10, 1, 200, 3].into()));
/// assert!(!range.contains([10, 2, 0, 1].into()));
/// assert!(AddressRange::from(core::net::IpAddr::from([10, 1, 0, 1])).contains([10, 1, 0, 1].into()));
/// # Ok::<(), rserpool::NoAddressRange>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressRange {
    address: IpAddr,
    /// How many bits count.
    prefix: u8,
}

/// A text is no address range, or a prefix is longer than its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAddressRange;

impl fmt::Display for NoAddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address range; it has the form 10.1.0.0/16 or 2001:db8::/32")
    }
}

impl core::error::Error for NoAddressRange {}

/// An IPv4 address as an IPv6 socket sees it is an IPv4 address.
const fn bits(address: IpAddr) -> (u128, u8) {
    match address.to_canonical() {
        IpAddr::V4(address) => ((address.to_bits() as u128) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

impl AddressRange {
    /// The addresses whose first `prefix` bits are those of `address`.
    ///
    /// # Errors
    ///
    /// The address has fewer bits.
    pub const fn new(address: IpAddr, prefix: u8) -> Result<Self, NoAddressRange> {
        let (_, length) = bits(address);
        if prefix > length { Err(NoAddressRange) } else { Ok(Self { address: address.to_canonical(), prefix }) }
    }

    /// Whether an address is one of them.
    #[must_use]
    pub const fn contains(&self, address: IpAddr) -> bool {
        let ((own, own_length), (other, other_length)) = (bits(self.address), bits(address));
        let differ = (own ^ other).leading_zeros();
        own_length == other_length && differ >= self.prefix as u32
    }
}

impl From<IpAddr> for AddressRange {
    /// One address.
    fn from(address: IpAddr) -> Self {
        Self { address: address.to_canonical(), prefix: bits(address).1 }
    }
}

impl FromStr for AddressRange {
    type Err = NoAddressRange;

    fn from_str(text: &str) -> Result<Self, NoAddressRange> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| NoAddressRange)?;
        match prefix {
            None => Ok(address.into()),
            Some(prefix) => Self::new(address, prefix.parse().map_err(|_| NoAddressRange)?),
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn contains(range: &str, address: &str) -> bool {
        range.parse::<AddressRange>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_in_a_range_if_its_first_bits_are_the_same() {
        for (range, inside, outside) in [
            ("10.1.0.0/16", "10.1.255.255", "10.2.0.0"),
            ("10.1.128.0/17", "10.1.128.0", "10.1.127.255"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.2"),
            ("10.1.2.3/32", "::ffff:10.1.2.3", "10.1.2.4"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"),
            ("::/0", "ffff::", "1.2.3.4"),
            ("fd00::1/128", "fd00::1", "fd00::2"),
        ] {
            assert!(contains(range, inside), "{range} {inside}");
            assert!(!contains(range, outside), "{range} {outside}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "10.1.0.0/33", "::/129", "10.1.0.0/", "10.1/16", "10.1.0.0/-1", "host/8"] {
            assert_eq!(text.parse::<AddressRange>(), Err(NoAddressRange), "{text}");
        }
    }
}
