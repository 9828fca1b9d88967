//! The server hunt: how elements and users find a registrar to be their home (RFC 5352 §3.6).

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use heapless::Vec;

use crate::endpoint::{Endpoint, EndpointBuf, Protocol};
use crate::machine::{AssociationId, AssociationNames};
use crate::time::{Instant, earliest};
use crate::wire::asap::ServerAnnounce;

/// RFC 5352 §3.6 SH1: no more than three associations at once.
const MAX_ATTEMPTS: usize = 3;

/// How long to wait before the next round when no registrar can be reached, or when a home is lost that was found less than T5
/// ago, as one that is still starting up: at first, then twice as long each time, up to T5.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The well-known SCTP port for ASAP (RFC 5352 §8.2).
pub const ASAP_PORT: u16 = 3863;

/// The timers of the hunt (RFC 5352 §7.1, §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HuntConfig {
    /// T5-Serverhunt: how long to wait for an association with a registrar, at first. Default 10 s.
    pub t5_serverhunt: Duration,
    /// RETRAN-MAX: up to which T5 is doubled. Default 60 s.
    pub retran_max: Duration,
    /// T7-ENRPoutdate: how long an announcement of a registrar is valid. Default 5 s.
    pub t7_enrp_outdate: Duration,
}

impl Default for HuntConfig {
    fn default() -> Self {
        Self {
            t5_serverhunt: Duration::from_secs(10),
            retran_max: Duration::from_secs(60),
            t7_enrp_outdate: Duration::from_secs(5),
        }
    }
}

/// An element's or user's list of registrars is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRegistrars;

impl fmt::Display for TooManyRegistrars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no room for another registrar in the list")
    }
}

impl core::error::Error for TooManyRegistrars {}

#[derive(Clone, Debug)]
struct KnownRegistrar {
    /// Tells it from the others, also when those before it in the list are forgotten.
    number: u16,
    endpoint: EndpointBuf,
    /// How many of its addresses were configured, the first ones.
    configured: usize,
    /// When T7 runs out for the others; `None` if there are none.
    expires: Option<Instant>,
    /// Whether this round of the hunt has tried it.
    tried: bool,
}

/// What the owner of the hunt has to do.
pub(crate) enum HuntAction<'a> {
    Open { association: AssociationId, endpoint: &'a EndpointBuf },
    Abort { association: AssociationId },
}

/// Where the hunt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There is none.
    Off,
    /// The next round has to wait, as a home was lost too soon, or all attempts have failed. In the second case T5 goes on.
    Pausing { until: Instant, t5: Option<Instant> },
    /// A round is on. T5-Serverhunt expires then.
    Trying { t5: Instant },
}

/// The list of known registrars, up to `REGISTRARS`, and the hunt when one is on.
#[derive(Debug)]
pub(crate) struct Hunt<const REGISTRARS: usize> {
    config: HuntConfig,
    registrars: Vec<KnownRegistrar, REGISTRARS>,
    /// The associations that are being opened, and with whom.
    attempts: Vec<(AssociationId, u16), MAX_ATTEMPTS>,
    stage: Stage,
    t5: Duration,
    /// When the last home was found, if it has not shown since that it serves.
    found: Option<Instant>,
    /// How long the last pause was; zero if there was none.
    pause: Duration,
    /// Which registrar is the home, if the hunt has found it. It is not tried.
    home: Option<u16>,
    /// The one that was lost, as long as there are others to be tried. RFC 5352 §3.6: the new home is to be a different one.
    avoided: Option<u16>,
    next_number: u16,
    /// Where in the list the next attempt begins, so that another registrar's turn comes after a failure.
    next: usize,
}

impl<const REGISTRARS: usize> Hunt<REGISTRARS> {
    pub(crate) fn new(config: HuntConfig) -> Self {
        Self {
            t5: config.t5_serverhunt,
            config,
            registrars: Vec::new(),
            attempts: Vec::new(),
            stage: Stage::Off,
            found: None,
            pause: Duration::ZERO,
            home: None,
            avoided: None,
            next_number: 0,
            next: 0,
        }
    }

    /// Adds a configured registrar.
    pub(crate) fn add(&mut self, endpoint: EndpointBuf) -> Result<(), TooManyRegistrars> {
        let configured = endpoint.as_endpoint().addresses.len();
        self.insert(endpoint, configured, None)
    }

    fn insert(
        &mut self,
        endpoint: EndpointBuf,
        configured: usize,
        expires: Option<Instant>,
    ) -> Result<(), TooManyRegistrars> {
        let known = KnownRegistrar { number: self.next_number, endpoint, configured, expires, tried: false };
        self.next_number = self.next_number.wrapping_add(1);
        self.registrars.push(known).map_err(|_| TooManyRegistrars)
    }

    pub(crate) fn is_on(&self) -> bool {
        self.stage != Stage::Off
    }

    /// Whether no registrar is known.
    pub(crate) fn knows_none(&self) -> bool {
        self.registrars.is_empty()
    }

    /// The first value of T5.
    pub(crate) const fn t5_serverhunt(&self) -> Duration {
        self.config.t5_serverhunt
    }

    /// Whether all attempts of this round have failed.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.stage, Stage::Pausing { t5: Some(_), .. })
    }

    /// Whether a registrar at the place that somebody has come from is known. The first address is where the packets come from; what
    /// other addresses it has it may say itself.
    pub(crate) fn knows(&self, peer: Endpoint<'_>) -> bool {
        let Some(place) = peer.addresses.first() else { return false };
        self.registrars.iter().any(|known| known.endpoint.as_endpoint().addresses.contains(place))
    }

    /// There is no home, or it is lost: starts hunting, or goes on. RFC 5352 §3.6 SH1, SH2.
    pub(crate) fn start(&mut self, now: Instant, names: &mut AssociationNames, act: &mut impl FnMut(HuntAction<'_>)) {
        let lost = self.home.take();
        if lost.is_some() {
            self.avoided = lost;
        }
        if self.is_on() {
            // It was looked for another one already. Now the lost one is better than none.
            self.try_more(names, act);
            return;
        }
        if self.found.is_none_or(|found| now.since(found) >= self.config.t5_serverhunt) {
            self.pause = Duration::ZERO;
            self.begin_round(now + self.t5, names, act);
            return;
        }
        // Registrars that take nobody yet would be asked as fast as the network allows, by all elements at once.
        self.stage = Stage::Pausing { until: now + self.next_pause(), t5: None };
    }

    /// Starts hunting for another registrar than the home, which does not answer (RFC 5352 §3.7.2), unless that is so already.
    pub(crate) fn start_beside(
        &mut self,
        now: Instant,
        names: &mut AssociationNames,
        act: &mut impl FnMut(HuntAction<'_>),
    ) {
        if !self.is_on() {
            self.pause = Duration::ZERO;
            self.begin_round(now + self.t5, names, act);
        }
    }

    fn next_pause(&mut self) -> Duration {
        self.pause = self.pause.saturating_mul(2).max(FIRST_PAUSE).min(self.config.t5_serverhunt);
        self.pause
    }

    fn begin_round(&mut self, t5: Instant, names: &mut AssociationNames, act: &mut impl FnMut(HuntAction<'_>)) {
        self.stage = Stage::Trying { t5 };
        for registrar in &mut self.registrars {
            registrar.tried = [self.avoided, self.home].contains(&Some(registrar.number));
        }
        while self.attempts.len() < MAX_ATTEMPTS && self.attempt(names, act) {}
    }

    /// Tries one more registrar; false if all have been tried in this round.
    fn attempt(&mut self, names: &mut AssociationNames, act: &mut impl FnMut(HuntAction<'_>)) -> bool {
        let count = self.registrars.len();
        for step in 0..count {
            // Both are below the number of registrars.
            let index = self.next + step;
            let index = if index < count { index } else { index - count };
            if self.registrars.get(index).is_some_and(|registrar| !registrar.tried) {
                return self.open(index, names, act);
            }
        }
        // The one that was lost is better than none.
        let lost = self.avoided.filter(|_| self.attempts.is_empty());
        match self.registrars.iter().position(|registrar| Some(registrar.number) == lost) {
            Some(index) => {
                self.avoided = None;
                self.open(index, names, act)
            }
            None => false,
        }
    }

    fn open(&mut self, index: usize, names: &mut AssociationNames, act: &mut impl FnMut(HuntAction<'_>)) -> bool {
        let last = index + 1 >= self.registrars.len();
        let Some(registrar) = self.registrars.get_mut(index) else { return false };
        let association = names.next();
        if self.attempts.push((association, registrar.number)).is_err() {
            return false;
        }
        registrar.tried = true;
        self.next = if last { 0 } else { index + 1 };
        act(HuntAction::Open { association, endpoint: &registrar.endpoint });
        true
    }

    /// The home has given what was asked for: if it is lost now, or has been left, another one is looked for at once.
    pub(crate) fn home_serves(&mut self) {
        self.found = None;
    }

    /// Whether the association is one of the hunt's; if so the hunt is over and it leads to the home now (SH3, SH6).
    pub(crate) fn opened(
        &mut self,
        now: Instant,
        association: AssociationId,
        act: &mut impl FnMut(HuntAction<'_>),
    ) -> bool {
        let Some((_, number)) = self.attempts.iter().find(|(attempt, _)| *attempt == association).copied() else {
            return false;
        };
        self.found = Some(now);
        self.attempts.retain(|(attempt, _)| *attempt != association);
        self.stop(act);
        self.home = Some(number);
        true
    }

    /// A registrar has come by itself and is the home now. Which of the known ones it is, is not known.
    pub(crate) fn adopted(&mut self, act: &mut impl FnMut(HuntAction<'_>)) {
        self.stop(act);
        self.home = None;
    }

    /// The hunt is over.
    pub(crate) fn stop(&mut self, act: &mut impl FnMut(HuntAction<'_>)) {
        for (association, _) in core::mem::take(&mut self.attempts) {
            act(HuntAction::Abort { association });
        }
        self.stage = Stage::Off;
        self.avoided = None;
        self.t5 = self.config.t5_serverhunt;
    }

    /// Whether the association was one of the hunt's; if so another registrar is tried (SH4). When all have failed, the next
    /// round begins after a pause, or as T5 expires.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        association: AssociationId,
        names: &mut AssociationNames,
        act: &mut impl FnMut(HuntAction<'_>),
    ) -> bool {
        let before = self.attempts.len();
        self.attempts.retain(|(attempt, _)| *attempt != association);
        let ours = self.attempts.len() < before;
        if ours
            && !self.attempt(names, act)
            && self.attempts.is_empty()
            && let Stage::Trying { t5 } = self.stage
        {
            self.stage = Stage::Pausing { until: now + self.next_pause(), t5: Some(t5) };
        }
        ours
    }

    /// RFC 5352 §3.6 SH5, and T7.
    pub(crate) fn timeout(&mut self, now: Instant, names: &mut AssociationNames, act: &mut impl FnMut(HuntAction<'_>)) {
        if self.registrars.iter().any(|known| known.expires.is_some_and(|expires| expires <= now)) {
            self.forget_outdated(now);
        }
        match self.stage {
            Stage::Trying { t5 } | Stage::Pausing { t5: Some(t5), .. } if t5 <= now => {
                // The others do not answer: from now on the one that was lost is as good.
                self.avoided = None;
                self.t5 = self.t5.saturating_mul(2).min(self.config.retran_max);
                for (association, _) in core::mem::take(&mut self.attempts) {
                    act(HuntAction::Abort { association });
                }
                self.begin_round(now + self.t5, names, act);
            }
            Stage::Pausing { until, t5 } if until <= now => {
                self.begin_round(t5.unwrap_or(now + self.t5), names, act);
            }
            _ => {}
        }
    }

    /// Drops the addresses whose announcements are too old, and registrars that have no others. Attempts under way go on.
    fn forget_outdated(&mut self, now: Instant) {
        let mut index = 0;
        while let Some(known) = self.registrars.get_mut(index) {
            if known.expires.is_none_or(|expires| expires > now) {
                index += 1;
                continue;
            }
            if known.configured > 0 {
                known.endpoint.replace_addresses(known.configured, &[]);
                known.expires = None;
                index += 1;
                continue;
            }
            self.registrars.remove(index);
            if self.next > index {
                self.next -= 1;
            }
        }
    }

    /// An ASAP_SERVER_ANNOUNCE came: its transports are new registrars, or known ones that live on.
    pub(crate) fn announced(
        &mut self,
        now: Instant,
        announce: &ServerAnnounce<'_>,
        from: SocketAddr,
        names: &mut AssociationNames,
        act: &mut impl FnMut(HuntAction<'_>),
    ) {
        if announce.transports.is_empty() {
            // RFC 5352 §3.6: SCTP at the message's source and the well-known port.
            self.learn(now, EndpointBuf::single(Protocol::Sctp, from.ip(), ASAP_PORT));
        }
        for transport in &announce.transports {
            if let Some(endpoint) = EndpointBuf::from_transport(&transport) {
                self.learn(now, endpoint);
            }
        }
        self.try_more(names, act);
    }

    /// Tries what has not been tried in this round, if nothing else is under way.
    fn try_more(&mut self, names: &mut AssociationNames, act: &mut impl FnMut(HuntAction<'_>)) {
        if let Stage::Trying { t5 } | Stage::Pausing { t5: Some(t5), .. } = self.stage
            && self.attempts.is_empty()
        {
            while self.attempts.len() < MAX_ATTEMPTS && self.attempt(names, act) {
                self.stage = Stage::Trying { t5 };
            }
        }
    }

    fn learn(&mut self, now: Instant, endpoint: EndpointBuf) {
        let expires = now + self.config.t7_enrp_outdate;
        match self.registrars.iter_mut().find(|known| known.endpoint.meets(endpoint.as_endpoint())) {
            // RFC 5352 §3.6: its new addresses come into the list, and T7 is restarted for those that are there.
            Some(known) => {
                known.endpoint.replace_addresses(known.configured, endpoint.as_endpoint().addresses);
                known.expires = Some(expires);
            }
            // Without room for it, it announces itself again.
            None => _ = self.insert(endpoint, 0, Some(expires)),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let outdate = self.registrars.iter().filter_map(|known| known.expires).min();
        let own = match self.stage {
            Stage::Off => None,
            Stage::Pausing { until, t5 } => earliest(Some(until), t5),
            Stage::Trying { t5 } => Some(t5),
        };
        earliest(own, outdate)
    }
}
