//! What a registrar is told: where it is, whom it knows, its limits, and the timers and thresholds of RFC 5352 §7 and
//! RFC 5353 §4.2.

use alloc::vec::Vec;
use core::time::Duration;

use crate::address_range::AddressRange;
use crate::endpoint::EndpointBuf;
use crate::handlespace::HandlespaceLimits;
use crate::profile::Profile;
use crate::wire::ServerIdentifier;

/// A registrar's configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RegistrarConfig {
    /// Its identifier; [`ServerIdentifier::NONE`] to have one picked from the seed. Default: none.
    pub identifier: ServerIdentifier,
    /// The start of its random numbers: timers are spread with them, and the identifier may come from them. It should
    /// come from the operating system.
    pub seed: u64,
    /// Where its peers reach it for ENRP.
    pub enrp: EndpointBuf,
    /// Where elements and users reach it for ASAP; what announcements say. Default: none.
    pub asap: Vec<EndpointBuf>,
    /// The registrars that it is told about, mentors of its start-up. Default: none.
    pub peers: Vec<EndpointBuf>,
    /// Who may be a peer beside them. Default: anyone who can reach the ENRP endpoint.
    pub peer_admission: PeerAdmission,
    /// Whether to announce itself by multicast to elements and users (RFC 5352 §3.6) and to other registrars, and to
    /// look for registrars that do so. Default: no.
    pub announcements: Announcements,
    /// PEER-HEARTBEAT-CYCLE: how often it tells its presence. Default 30 s.
    pub peer_heartbeat_cycle: Duration,
    /// MAX-TIME-LAST-HEARD: after which silence a peer is asked whether it is alive. Default 61 s.
    pub max_time_last_heard: Duration,
    /// MAX-TIME-NO-RESPONSE: how long to wait for a peer's answer. Default 5 s.
    pub max_time_no_response: Duration,
    /// How long to wait before a mentor that has refused is asked again; the RFC says "a few seconds". Default 2 s.
    pub mentor_retry: Duration,
    /// How often mentors may refuse, all in all, before the registrar starts on its own. Default 5.
    pub max_mentor_refusals: u8,
    /// How often an element is asked whether it is alive, plus/minus 50 percent. Default 30 s.
    pub keep_alive_interval: Duration,
    /// How long an element may take to answer. Default 5 s.
    pub keep_alive_timeout: Duration,
    /// MAX-BAD-PE-REPORT: how many users may report an element as unreachable before it is removed, unless it shows meanwhile
    /// that it lives. Users at the same address count as one. Default 3.
    pub max_bad_pe_report: u8,
    /// T6-Serverannounce: the time between announcements, of all registrars together. Default 1 s.
    pub t6_serverannounce: Duration,
    /// Whether elements have to have the addresses of their associations. Default: they have to.
    pub addresses: AddressCheck,
    /// How many elements a handle resolution gives, at most. Default 64.
    pub resolution_items: usize,
    /// How long to wait at least between two updates to the users of a pool that have asked to be told of its changes.
    /// Default 1 s.
    pub update_interval: Duration,
    /// How long an orderly end may take until all elements have found another home. Default 5 s.
    pub shutdown_time: Duration,
    /// Whether elements move to registrars with fewer of them. Default: they do not.
    pub takeover_suggestions: TakeoverSuggestions,
    /// Whose habits to follow.
    pub profile: Profile,
    /// How much it takes.
    pub limits: RegistrarLimits,
}

/// Who may be a peer. Peers change what users are told, so where anyone can reach the ENRP endpoint, they should be listed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum PeerAdmission {
    /// Anyone.
    #[default]
    Anyone,
    /// The configured peers, from their IP addresses, and whoever comes from these ranges.
    Listed(Vec<AddressRange>),
}

/// Whether a registrar announces itself by multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Announcements {
    /// It does not.
    #[default]
    Off,
    /// It does.
    On,
}

/// Whether registrars suggest to each other to take elements over, by a flag of ENRP_HANDLE_UPDATE that is not of the RFCs: of an
/// Internet-Draft (draft-dreibholz-rserpool-enrp-takeover), and of rsplib, which has it off by default, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum TakeoverSuggestions {
    /// Suggestions are not followed, and none are made.
    #[default]
    Off,
    /// Suggestions are followed; and whenever an element registers, also to renew its registration, it is suggested to the peer with
    /// the fewest elements, if that has two less than this registrar.
    On,
}

/// Which addresses an element may register, and who may deregister it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum AddressCheck {
    /// Those of the association that it registers on, as RFC 5352 §2.2.1 has it; and whoever comes from one of them may
    /// deregister it.
    #[default]
    OfAssociation,
    /// Any, and anyone may. For elements behind address translation, or whose transport does not tell all addresses of
    /// an association.
    Any,
}

/// How many requests there may be in a second. What goes over it is answered with "Lack of Resources", or, if it is a report,
/// not heeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rates {
    /// Registrations and deregistrations.
    pub registrations: u32,
    /// Handle resolutions.
    pub resolutions: u32,
    /// Reports that an element cannot be reached.
    pub reports: u32,
}

impl Rates {
    pub(super) const NONE: Self = Self { registrations: 0, resolutions: 0, reports: 0 };
    /// As many as there are.
    pub const UNLIMITED: Self = Self { registrations: u32::MAX, resolutions: u32::MAX, reports: u32::MAX };
}

/// How much a registrar takes. An element that it takes has to fit into a message to its peers: larger limits than
/// 16,384 octets of a pool handle and 32,768 of an element count as these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistrarLimits {
    /// Pools and elements.
    pub handlespace: HandlespaceLimits,
    /// Associations at a time; further ones are aborted. Default 100,000.
    pub associations: usize,
    /// Requests on one association. Default 10,000 registrations, 100,000 resolutions, 10 reports.
    pub association_rates: Rates,
    /// Requests in all. Default 1,000,000 registrations, 10,000,000 resolutions, 10,000 reports.
    pub rates: Rates,
    /// How many pools one user is told of when they change. Default 64.
    pub association_updates: usize,
    /// How many pools all users together are told of, those counted twice that two users want to be told of. Default 10,000.
    pub updates: usize,
    /// Elements that register on one association. As a pool has an element at least, it limits pools as well. Default 1,000.
    pub association_elements: usize,
    /// Elements that register from one IP address. Default 20,000.
    pub address_elements: usize,
    /// Peers; messages of further ones are not listened to. Places for the configured ones are kept free. Default 256.
    pub peers: usize,
    /// Peers at one IP address, unless it is a configured peer's. Default 16.
    pub address_peers: usize,
    /// Elements of one peer. Default 100,000.
    pub peer_elements: usize,
    /// Associations that are being opened to elements at a time, on the word of peers and users, or as theirs were lost. Default 1,000.
    pub openings: usize,
    /// The same to one IP address. If so many fail in a row, and none succeeds, nothing is at that address, and the elements that are
    /// said to be there are removed. Default 16.
    pub address_openings: usize,
    /// How many elements one ENRP_HANDLE_TABLE_RESPONSE holds. Default 128.
    pub table_response_elements: usize,
    /// Peers that download the handle table at a time; further ones are rejected. Default 64.
    pub downloads: usize,
    /// How many elements are dealt with between two inputs, where there is something to do for many: taking them over,
    /// asking them, and removing those whose lives have ended. Default 256.
    pub elements_per_step: usize,
}

impl Default for RegistrarLimits {
    fn default() -> Self {
        Self {
            handlespace: HandlespaceLimits::default(),
            associations: 100_000,
            association_rates: Rates { registrations: 10_000, resolutions: 100_000, reports: 10 },
            rates: Rates { registrations: 1_000_000, resolutions: 10_000_000, reports: 10_000 },
            association_updates: 64,
            updates: 10_000,
            association_elements: 1_000,
            address_elements: 20_000,
            peers: 256,
            address_peers: 16,
            peer_elements: 100_000,
            openings: 1_000,
            address_openings: 16,
            table_response_elements: 128,
            downloads: 64,
            elements_per_step: 256,
        }
    }
}

impl RegistrarConfig {
    /// A configuration with the RFCs' defaults for a registrar whose peers reach it at `enrp`.
    #[must_use]
    pub fn new(enrp: impl Into<EndpointBuf>, seed: u64) -> Self {
        Self {
            identifier: ServerIdentifier::NONE,
            seed,
            enrp: enrp.into(),
            asap: Vec::new(),
            peers: Vec::new(),
            peer_admission: PeerAdmission::Anyone,
            announcements: Announcements::Off,
            peer_heartbeat_cycle: Duration::from_secs(30),
            max_time_last_heard: Duration::from_secs(61),
            max_time_no_response: Duration::from_secs(5),
            mentor_retry: Duration::from_secs(2),
            max_mentor_refusals: 5,
            keep_alive_interval: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(5),
            max_bad_pe_report: 3,
            t6_serverannounce: Duration::from_secs(1),
            addresses: AddressCheck::OfAssociation,
            resolution_items: 64,
            update_interval: Duration::from_secs(1),
            shutdown_time: Duration::from_secs(5),
            takeover_suggestions: TakeoverSuggestions::Off,
            profile: Profile::Rfc,
            limits: RegistrarLimits::default(),
        }
    }

    /// The same with a profile's habits: [`Profile::Rsplib`] also brings rsplib's timers, as peers that hear of each other less often
    /// than they expect think each other dead, and how many elements it gives at a time.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        if profile == Profile::Rsplib {
            self.peer_heartbeat_cycle = Duration::from_millis(2_444);
            self.max_time_last_heard = Duration::from_secs(5);
            self.max_time_no_response = Duration::from_secs(5);
            self.keep_alive_interval = Duration::from_secs(5);
            self.keep_alive_timeout = Duration::from_secs(5);
            self.resolution_items = 3;
        }
        self
    }
}
