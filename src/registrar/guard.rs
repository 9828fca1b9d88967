//! Whether what elements and users say is theirs to say, and how often they may say it (RFC 5352 §2.2.1, RFC 5353 §6.1
//! threats 1, 8 and 9). Without TLS an address is all there is to tell by.

use super::Registrar;
use super::config::{AddressCheck, Rates};
use crate::handlespace::ElementIndex;
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::PoolElement;
use crate::wire::asap::ElementReference;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Registration,
    Resolution,
    Report,
}

/// How many requests there were in the present second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    second: u64,
    requests: Rates,
}

impl Counts {
    /// Counts one more, unless there were enough.
    fn admit(&mut self, now: Instant, request: Request, allowed: &Rates) -> bool {
        let second = now.as_micros() / 1_000_000;
        if self.second != second {
            *self = Self { second, requests: Rates::NONE };
        }
        let (count, allowed) = (self.requests.of_mut(request), allowed.of(request));
        if *count >= allowed {
            return false;
        }
        *count += 1;
        true
    }
}

impl Rates {
    const fn of(&self, request: Request) -> u32 {
        match request {
            Request::Registration => self.registrations,
            Request::Resolution => self.resolutions,
            Request::Report => self.reports,
        }
    }

    const fn of_mut(&mut self, request: Request) -> &mut u32 {
        match request {
            Request::Registration => &mut self.registrations,
            Request::Resolution => &mut self.resolutions,
            Request::Report => &mut self.reports,
        }
    }
}

impl Registrar {
    /// Whether an association may have one more request of a kind in this second.
    pub(super) fn admits(&mut self, now: Instant, association: AssociationId, request: Request) -> bool {
        let limits = &self.config.limits;
        let Some(entry) = self.associations.get_mut(association) else { return false };
        entry.counts.admit(now, request, &limits.association_rates) && self.counts.admit(now, request, &limits.rates)
    }

    /// Whether an element that is not registered here yet would be one too many for its association, or for the place that this
    /// comes from.
    pub(super) fn has_enough_elements(&self, association: AssociationId, element: ElementReference<'_>) -> bool {
        let Some(entry) = self.associations.get(association) else { return true };
        let limits = &self.config.limits;
        let (here, there) =
            (entry.elements().len(), entry.place().map_or(0, |place| self.associations.elements_at(place)));
        (here >= limits.association_elements || there >= limits.address_elements)
            && self
                .handlespace
                .find(element.pool_handle, element.identifier)
                .is_none_or(|index| !entry.elements().contains(&index))
    }

    /// RFC 5352 §2.2.1: whether an element's addresses are those of the association that it registers on.
    pub(super) fn has_own_addresses(&self, association: AssociationId, element: &PoolElement<'_>) -> bool {
        self.config.addresses == AddressCheck::Any
            || element.user_transport.addresses().all(|address| self.associations.has_address(association, address))
    }

    /// Whether whoever is at the other end of an association may speak for an element: it is the one that the element
    /// registered on, or comes from where the element is.
    pub(super) fn speaks_for(&self, association: AssociationId, index: ElementIndex) -> bool {
        if self.config.addresses == AddressCheck::Any
            || self.monitors.get(index).is_some_and(|monitor| monitor.association == Some(association))
        {
            return true;
        }
        let Some(element) = self.handlespace.element(index).map(|element| element.view()) else { return false };
        let transports = [Some(&element.user_transport), element.asap_transport.as_ref()].into_iter().flatten();
        let mut addresses = transports.flat_map(|transport| transport.addresses());
        addresses.any(|address| self.associations.has_address(association, address))
    }
}
