//! Elements that users report as unreachable (RFC 5352 §3.5).
//!
//! A report is a user's word, and may be a lie or a mistake (RFC 5355 §2.13): the element is asked, and its answer counts more
//! than any number of reports before it. Reports of the same user are one.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use super::Registrar;
use super::event::{Event, RemovalReason};
use super::guard::Request;
use super::monitors::Monitor;
use crate::handlespace::ElementIndex;
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::asap::ElementReference;

/// From which addresses an element was reported since it has last shown that it lives.
#[derive(Debug, Default)]
pub(super) struct Reports(BTreeMap<ElementIndex, BTreeSet<IpAddr>>);

impl Reports {
    /// Notes one, and tells how many users have reported the element.
    fn note(&mut self, index: ElementIndex, from: IpAddr) -> usize {
        let reporters = self.0.entry(index).or_default();
        reporters.insert(from);
        reporters.len()
    }

    /// The element lives, or is another one.
    pub(super) fn clear(&mut self, index: ElementIndex) {
        self.0.remove(&index);
    }
}

impl Registrar {
    /// RFC 5352 §3.5: a keep-alive at once, and too many reports are the end. This goes for any element, not only for
    /// those that the registrar owns.
    pub(super) fn unreachable(&mut self, now: Instant, association: AssociationId, element: ElementReference<'_>) {
        if !self.admits(now, association, Request::Report) {
            return;
        }
        let Some(from) = self.associations.get(association).and_then(|entry| entry.place()) else { return };
        let Some(index) = self.handlespace.find(element.pool_handle, element.identifier) else { return };
        if self.monitors.get(index).is_none() {
            self.monitors.insert(index, Monitor::new(None));
        }
        let reporters = self.reports.note(index, from);
        self.event(Event::UnreachableReported {
            pool_handle: element.pool_handle.octets().into(),
            identifier: element.identifier,
        });
        let is_asked = self.monitors.get(index).is_some_and(|monitor| monitor.asked);
        if reporters > usize::from(self.config.max_bad_pe_report) {
            self.expel(index, RemovalReason::Reported);
        } else if !is_asked {
            // One that has not answered yet need not be asked again (RFC 5353 §6.1, threat 9).
            self.send_keep_alive(now, index);
        }
    }
}
