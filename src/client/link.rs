//! The way to the home registrar: the association with it, and the hunt for one when there is none, or when it does not answer
//! (RFC 5352 §3.6, §3.7).

use core::net::SocketAddr;

use super::alarm::{Alarm, NoRegistrar};
use super::hunt::{Hunt, HuntAction, HuntConfig, TooManyRegistrars};
use super::outbox::Outbox;
use super::{ClientRecord, queue_hunt};
use crate::endpoint::{Endpoint, EndpointBuf};
use crate::machine::{AssociationId, AssociationNames};
use crate::time::{Instant, earliest};
use crate::wire::asap::ServerAnnounce;

/// Whose an association is that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// The hunt did not ask for it, or does not need it any more.
    NotOurs,
    /// It leads to the home registrar now. `instead_of` is the association with the one before, if there is one.
    Home { instead_of: Option<AssociationId> },
}

/// The home registrar, and up to `REGISTRARS` that are known.
#[derive(Debug)]
pub(crate) struct Link<const REGISTRARS: usize> {
    hunt: Hunt<REGISTRARS>,
    names: AssociationNames,
    home: Option<AssociationId>,
    alarm: Alarm,
}

impl<const REGISTRARS: usize> Link<REGISTRARS> {
    pub(crate) fn new(config: HuntConfig) -> Self {
        Self { hunt: Hunt::new(config), names: AssociationNames::default(), home: None, alarm: Alarm::default() }
    }

    /// Adds a configured registrar.
    pub(crate) fn add(&mut self, registrar: EndpointBuf) -> Result<(), TooManyRegistrars> {
        self.hunt.add(registrar)
    }

    /// The association with the home registrar.
    pub(crate) const fn home(&self) -> Option<AssociationId> {
        self.home
    }

    /// Whether there is no home registrar, and one is looked for.
    pub(crate) fn is_hunting(&self) -> bool {
        self.home.is_none() && self.hunt.is_on()
    }

    /// Something is asked for that only a registrar can do.
    pub(crate) fn expects(&mut self, now: Instant) {
        self.alarm.set(now);
    }

    /// Nothing is asked for.
    pub(crate) const fn expects_nothing(&mut self) {
        self.alarm.stop();
    }

    /// Why no registrar has done what was asked for, if it is time to tell.
    pub(crate) fn complaint(&mut self, now: Instant) -> Option<NoRegistrar> {
        self.alarm.goes_off(now, self.hunt.t5_serverhunt()).then(|| {
            if self.home.is_none() && self.hunt.knows_none() {
                NoRegistrar::NoneKnown
            } else if self.nobody_answers() {
                NoRegistrar::Unreachable
            } else {
                NoRegistrar::Silent
            }
        })
    }

    /// Whether somebody who has come is a registrar that is known.
    pub(crate) fn knows(&self, peer: Endpoint<'_>) -> bool {
        self.hunt.knows(peer)
    }

    /// Whether there is no home registrar, and of those that are known none answers.
    pub(crate) fn nobody_answers(&self) -> bool {
        self.home.is_none() && self.hunt.has_failed()
    }

    /// A name for another association.
    pub(crate) fn name(&mut self) -> AssociationId {
        self.names.next()
    }

    /// There is no home registrar: one is looked for, unless that is so already.
    pub(crate) fn hunt<R: ClientRecord, const RECORDS: usize, const OCTETS: usize>(
        &mut self,
        now: Instant,
        outbox: &mut Outbox<R, RECORDS, OCTETS>,
    ) {
        self.expects(now);
        self.hunt.start(now, &mut self.names, &mut |action: HuntAction<'_>| queue_hunt(outbox, &action));
    }

    /// The home registrar does not answer: another one is looked for while it is asked again (RFC 5352 §3.7.2).
    pub(crate) fn hunt_beside<R: ClientRecord, const RECORDS: usize, const OCTETS: usize>(
        &mut self,
        now: Instant,
        outbox: &mut Outbox<R, RECORDS, OCTETS>,
    ) {
        self.hunt.start_beside(now, &mut self.names, &mut |action: HuntAction<'_>| queue_hunt(outbox, &action));
    }

    /// No registrar is needed, or no other than the home.
    pub(crate) fn end_hunt<R: ClientRecord, const RECORDS: usize, const OCTETS: usize>(
        &mut self,
        outbox: &mut Outbox<R, RECORDS, OCTETS>,
    ) {
        self.hunt.stop(&mut |action: HuntAction<'_>| queue_hunt(outbox, &action));
    }

    /// An association that was asked for is there.
    pub(crate) fn opened<R: ClientRecord, const RECORDS: usize, const OCTETS: usize>(
        &mut self,
        now: Instant,
        association: AssociationId,
        outbox: &mut Outbox<R, RECORDS, OCTETS>,
    ) -> Opened {
        if !self.hunt.opened(now, association, &mut |action: HuntAction<'_>| queue_hunt(outbox, &action)) {
            return Opened::NotOurs;
        }
        Opened::Home { instead_of: self.home.replace(association) }
    }

    /// Whether an association that could not be opened is one of the hunt's.
    pub(crate) fn failed<R: ClientRecord, const RECORDS: usize, const OCTETS: usize>(
        &mut self,
        now: Instant,
        association: AssociationId,
        outbox: &mut Outbox<R, RECORDS, OCTETS>,
    ) -> bool {
        self.hunt.failed(now, association, &mut self.names, &mut |action: HuntAction<'_>| queue_hunt(outbox, &action))
    }

    /// The association with the home registrar is gone, or is about to be ended. It is returned.
    pub(crate) const fn lose(&mut self) -> Option<AssociationId> {
        self.home.take()
    }

    /// A registrar has come and is the home now. The association with the one before is returned.
    pub(crate) fn adopt<R: ClientRecord, const RECORDS: usize, const OCTETS: usize>(
        &mut self,
        association: AssociationId,
        outbox: &mut Outbox<R, RECORDS, OCTETS>,
    ) -> Option<AssociationId> {
        self.hunt.adopted(&mut |action: HuntAction<'_>| queue_hunt(outbox, &action));
        self.home.replace(association).filter(|old| *old != association)
    }

    /// The home registrar has given what was asked for: if it is lost now another one is looked for at once.
    pub(crate) fn home_serves(&mut self) {
        self.hunt.home_serves();
    }

    /// A registrar has announced itself.
    pub(crate) fn announced<R: ClientRecord, const RECORDS: usize, const OCTETS: usize>(
        &mut self,
        now: Instant,
        announce: &ServerAnnounce<'_>,
        from: SocketAddr,
        outbox: &mut Outbox<R, RECORDS, OCTETS>,
    ) {
        let Self { hunt, names, .. } = self;
        hunt.announced(now, announce, from, names, &mut |action: HuntAction<'_>| queue_hunt(outbox, &action));
    }

    pub(crate) fn timeout<R: ClientRecord, const RECORDS: usize, const OCTETS: usize>(
        &mut self,
        now: Instant,
        outbox: &mut Outbox<R, RECORDS, OCTETS>,
    ) {
        self.hunt.timeout(now, &mut self.names, &mut |action: HuntAction<'_>| queue_hunt(outbox, &action));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.hunt.poll_timeout(), self.alarm.timeout())
    }
}
