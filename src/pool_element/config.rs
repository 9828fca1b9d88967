//! What an element is told: its pool, its service, and the timers of RFC 5352 §7.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use heapless::Vec;

use crate::client::hunt::HuntConfig;
use crate::client::request::RequestTimers;
use crate::client::sizes::{DEFAULT_COOKIE, MAX_POOL_HANDLE, PoolHandleBuf};
use crate::client::transport::{Nowhere, UserTransport};
use crate::profile::Profile;
use crate::wire::{PeIdentifier, Policy, PoolElement as WirePoolElement, PoolHandle, ServerIdentifier, Unknown};

/// Why there can be no such element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The pool handle has no octets.
    EmptyPoolHandle,
    /// The pool handle is longer than [`MAX_POOL_HANDLE`].
    PoolHandleTooLong {
        /// How many octets it has.
        length: usize,
    },
    /// The identifier is 0, which stands for no element.
    NoIdentifier,
    /// An address is 0.0.0.0 or ::, where no user can come to.
    UnspecifiedAddress {
        /// The address.
        address: IpAddr,
    },
    /// The port is 0, where no user can come to.
    NoPort,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyPoolHandle => f.write_str("the pool handle is empty"),
            Self::PoolHandleTooLong { length } => {
                write!(f, "a pool handle of {length} octets is longer than {MAX_POOL_HANDLE}")
            }
            Self::NoIdentifier => f.write_str("an element's identifier cannot be 0"),
            Self::UnspecifiedAddress { address } => {
                write!(f, "users cannot reach an element at {address}: an address of its own is needed")
            }
            Self::NoPort => f.write_str("users cannot reach an element at port 0"),
        }
    }
}

impl core::error::Error for ConfigError {}

impl From<Nowhere> for ConfigError {
    fn from(nowhere: Nowhere) -> Self {
        match nowhere {
            Nowhere::Unspecified(address) => Self::UnspecifiedAddress { address },
            Nowhere::NoPort => Self::NoPort,
        }
    }
}

/// An element's configuration. Policy and life may be changed while it runs; the next registration carries them.
#[derive(Clone, Debug)]
pub struct ElementConfig {
    pub(super) pool_handle: PoolHandleBuf,
    pub(super) identifier: PeIdentifier,
    pub(super) user_transport: UserTransport,
    /// Policy and the element's values for it. Default: round robin.
    pub policy: Policy<'static>,
    /// How long a registration is valid; `None`: for ever. Default 5 minutes.
    pub life: Option<Duration>,
    /// T2-registration: how long to wait for the answer to a registration. Default 30 s.
    pub t2_registration: Duration,
    /// T3-deregistration: how long to wait for the answer to a deregistration. Default 30 s.
    pub t3_deregistration: Duration,
    /// The upper limit of T4-reregistration; T4 is the smaller of this and life − 20 s. Default 10 minutes.
    pub t4_reregistration_max: Duration,
    /// T1-ENRPrequest: how long to wait for the answer to a handle resolution. Default 15 s.
    pub t1_enrp_request: Duration,
    /// MAX-REQUEST-RETRANSMIT: how often a handle resolution is repeated. Default 2.
    pub max_request_retransmit: u8,
    /// How long to wait at least from one registration to the next when values change, as a load may that is measured all
    /// the time. The last of them is registered. Default: no time.
    pub change_interval: Duration,
    /// MAX-REG-ATTEMPT: with more registrations without answer than these the element gives up. Default 2.
    pub max_reg_attempt: u8,
    /// How long a home registrar may be silent, once it is asked, before a registrar that the element does not know may take
    /// its place. It has to be less than the time in which registrars want their keep-alives answered. Default 3 s.
    pub home_silence: Duration,
    /// The longest cookie that may be sent, in octets: what the pool's users keep. Default [`DEFAULT_COOKIE`]; users that run by
    /// themselves keep [`MAX_COOKIE`](crate::MAX_COOKIE).
    pub max_cookie: usize,
    /// The timers of the server hunt.
    pub hunt: HuntConfig,
    /// Whose habits to follow.
    pub profile: Profile,
}

impl ElementConfig {
    /// A configuration with the RFC's defaults. The identifier should be a good random number (RFC 5352 §3.1 R2.2).
    ///
    /// # Errors
    ///
    /// There can be no such element.
    pub fn new(
        pool_handle: &[u8],
        identifier: PeIdentifier,
        user_transport: impl Into<UserTransport>,
    ) -> Result<Self, ConfigError> {
        let length = pool_handle.len();
        let pool_handle = Vec::from_slice(pool_handle).map_err(|_| ConfigError::PoolHandleTooLong { length })?;
        if pool_handle.is_empty() {
            return Err(ConfigError::EmptyPoolHandle);
        }
        if identifier == PeIdentifier(0) {
            return Err(ConfigError::NoIdentifier);
        }
        let user_transport: UserTransport = user_transport.into();
        user_transport.check()?;
        Ok(Self {
            pool_handle,
            identifier,
            user_transport,
            policy: Policy::RoundRobin,
            life: Some(Duration::from_secs(300)),
            t2_registration: Duration::from_secs(30),
            t3_deregistration: Duration::from_secs(30),
            t4_reregistration_max: Duration::from_secs(600),
            t1_enrp_request: Duration::from_secs(15),
            max_request_retransmit: 2,
            change_interval: Duration::ZERO,
            max_reg_attempt: 2,
            home_silence: Duration::from_secs(3),
            max_cookie: DEFAULT_COOKIE,
            hunt: HuntConfig::default(),
            profile: Profile::Rfc,
        })
    }

    /// Its pool.
    #[must_use]
    pub fn pool_handle(&self) -> PoolHandle<'_> {
        PoolHandle::new(&self.pool_handle)
    }

    /// Where its users come to.
    #[must_use]
    pub fn user_transport(&self) -> &UserTransport {
        &self.user_transport
    }

    /// The element's identifier in its pool.
    #[must_use]
    pub fn identifier(&self) -> PeIdentifier {
        self.identifier
    }

    /// The element as its registrations describe it.
    pub(super) fn pool_element(&self) -> WirePoolElement<'_> {
        WirePoolElement {
            identifier: self.identifier,
            home: ServerIdentifier::NONE,
            life: self.profile.life_to_wire(self.life),
            user_transport: self.user_transport.as_transport(),
            policy: self.policy,
            asap_transport: None,
            unknown: Unknown::NONE,
        }
    }

    pub(super) fn request_timers(&self) -> RequestTimers {
        RequestTimers { t1: self.t1_enrp_request, max_retransmit: self.max_request_retransmit }
    }

    /// RFC 5352 §7.1: 10 minutes, or 20 seconds less than the life, whichever is less. A life of less than 40 s
    /// leaves no such margin; then it is half the life.
    pub(super) fn t4_reregistration(&self) -> Duration {
        match self.life {
            None => self.t4_reregistration_max,
            Some(life) => self.t4_reregistration_max.min(life.saturating_sub(Duration::from_secs(20)).max(life / 2)),
        }
    }
}
