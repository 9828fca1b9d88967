//! The small values that messages and parameters carry: identifiers, pool handles, lives and checksums
//! (RFC 5354 §3.9–3.11, §3.14, §3.15).

use core::fmt;
use core::time::Duration;

/// The SCTP payload protocol identifier of a message: what its octets are (RFC 5352 §8.3, RFC 5353 §5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadProtocol(pub u32);

impl PayloadProtocol {
    /// ASAP, between registrars, pool elements and pool users, and on the control channel of a session.
    pub const ASAP: Self = Self(11);
    /// ENRP, among registrars.
    pub const ENRP: Self = Self(12);
    /// No identifier given. Applications that have none of their own use it for the data channel.
    pub const UNSPECIFIED: Self = Self(0);
}

/// Identifies a pool element in its pool; the element picks it at random when it starts (RFC 5354 §3.10, §3.14).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeIdentifier(pub u32);

/// Identifies a registrar in the operational scope (RFC 5353 §3.2.1). Zero means "undetermined" or "all".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerIdentifier(pub u32);

impl ServerIdentifier {
    /// No registrar in particular: an element without a home, or a message to all peers.
    pub const NONE: Self = Self(0);

    /// Whether it names a registrar.
    #[must_use]
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

impl fmt::Display for PeIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

impl fmt::Debug for PeIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeIdentifier({self})")
    }
}

impl fmt::Display for ServerIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

impl fmt::Debug for ServerIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerIdentifier({self})")
    }
}

/// The name of a pool: any sequence of octets (RFC 5354 §3.9). At most 65,531 fit into a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolHandle<'a>(&'a [u8]);

impl<'a> PoolHandle<'a> {
    /// The pool handle with these octets.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// Its octets, without padding.
    #[must_use]
    pub const fn octets(self) -> &'a [u8] {
        self.0
    }
}

impl<'a> From<&'a str> for PoolHandle<'a> {
    fn from(name: &'a str) -> Self {
        Self(name.as_bytes())
    }
}

impl fmt::Display for PoolHandle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for PoolHandle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PoolHandle(\"{self}\")")
    }
}

/// How long a registration is valid, as it stands on the wire: a signed number of seconds, -1 for ever
/// (RFC 5354 §3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegistrationLife(pub i32);

impl RegistrationLife {
    /// A registration that never expires.
    pub const INFINITE: Self = Self(-1);

    /// The life nearest to `duration`: whole seconds, rounded up, at most `i32::MAX`.
    #[must_use]
    pub fn from_duration(duration: Duration) -> Self {
        let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
        Self(i32::try_from(seconds).unwrap_or(i32::MAX))
    }

    /// The time it lasts; `None` for an infinite life. The RFC defines no negative number but -1; the others are
    /// taken as infinite too.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_secs)
    }
}

/// The checksum over all elements that one registrar owns (RFC 5353 §3.6.2), as it stands on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeChecksum(pub u16);

impl fmt::Display for PeChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}

impl fmt::Debug for PeChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeChecksum({self})")
    }
}
