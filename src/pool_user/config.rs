//! What a user is told: the timers and thresholds of RFC 5352 §7.

use core::time::Duration;

use crate::client::hunt::HuntConfig;
use crate::client::request::RequestTimers;

/// A user's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserConfig {
    /// T1-ENRPrequest: how long to wait for the answer to a handle resolution. Default 15 s.
    pub t1_enrp_request: Duration,
    /// MAX-REQUEST-RETRANSMIT: how often a handle resolution is repeated. Default 2.
    pub max_request_retransmit: u8,
    /// stale.cache.value: how long the elements of a pool are used before the registrar is asked again. Default 30 s.
    pub stale_cache_value: Duration,
    /// How many elements to ask for, with the option that rsplib knows; `None` leaves it to the registrar, as the
    /// RFC has it. Default: none.
    pub items: Option<u32>,
    /// Whether to ask the registrar to tell by itself what changes in the pools that it is asked for, so that what is known
    /// of them does not become stale (RFC 5352 §2.2.5, the S bit). Default: no.
    pub updates: Updates,
    /// How long a session waits before it resolves its pool again when no element could be reached, or the pool is
    /// unknown. Default 500 ms. Not of the RFC, which leaves the matter open.
    pub retry_delay: Duration,
    /// How long it waits at most, as it waits twice as long each time in vain. Default 5 s.
    pub retry_delay_max: Duration,
    /// For how long an element that was reported as unreachable is not reported again, however often it fails (RFC 5355 §2.13). In
    /// that time no more elements are reported than the user has room for sessions. Default 30 s.
    pub report_interval: Duration,
    /// The timers of the server hunt.
    pub hunt: HuntConfig,
    /// The start of its random numbers, with which it chooses from pools with a random policy. It should come from the
    /// operating system, or users choose alike. Default 0.
    pub seed: u64,
}

impl UserConfig {
    pub(super) const fn request_timers(&self) -> RequestTimers {
        RequestTimers { t1: self.t1_enrp_request, max_retransmit: self.max_request_retransmit }
    }
}

/// Whether a user asks for updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Updates {
    /// It does not.
    #[default]
    Off,
    /// It does.
    Asked,
}

impl Default for UserConfig {
    fn default() -> Self {
        Self {
            t1_enrp_request: Duration::from_secs(15),
            max_request_retransmit: 2,
            stale_cache_value: Duration::from_secs(30),
            items: None,
            updates: Updates::Off,
            retry_delay: Duration::from_millis(500),
            retry_delay_max: Duration::from_secs(5),
            report_interval: Duration::from_secs(30),
            hunt: HuntConfig::default(),
            seed: 0,
        }
    }
}
