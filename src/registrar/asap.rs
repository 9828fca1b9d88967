//! Serving elements and users: registration, deregistration, handle resolution (RFC 5352 §3.1–3.3).

use alloc::vec;
use alloc::vec::Vec;

use super::Registrar;
use super::event::{Event, RemovalReason};
use super::guard::Request;
use super::monitors::{Monitor, Second};
use super::outbox::Record;
use crate::asap_input::receive;
use crate::endpoint::Protocol;
use crate::handlespace::{ElementIndex, ElementTimer, Registered, Resolution};
use crate::machine::{AssociationId, Purpose};
use crate::profile::Life;
use crate::time::Instant;
use crate::wire::asap::{
    Body, DeregistrationResponse, ElementReference, HandleResolution, HandleResolutionResponse, Message, Registration,
    RegistrationResponse,
};
use crate::wire::encode::Writer;
use crate::wire::enrp::UpdateAction;
use crate::wire::param::write_pool_handle;
use crate::wire::{CauseCode, ErrorCause, PayloadProtocol, PoolElement, PoolHandle, Sequence, TransportUse};

/// Whether an answer to a handle resolution is one of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Once,
    /// The user is told of changes: the A bit is set.
    Update,
}

/// How many octets of elements a handle resolution response holds, at most. What else it holds finds room beside them.
const MAX_ELEMENTS: usize = 64_000;

impl Registrar {
    /// Sends an ASAP message, if the association is open.
    pub(super) fn send_asap(&mut self, association: AssociationId, message: &Message<'_>) {
        send(&mut self.outbox, association, message);
    }

    pub(super) fn asap_message(&mut self, now: Instant, association: AssociationId, octets: &[u8]) {
        let Some(entry) = self.associations.get_mut(association) else { return };
        entry.heard = true;
        let is_for_asap = entry.purpose == Purpose::Asap;
        if !is_for_asap || !self.is_serving() {
            // Not ready, or not here: the peer is to find another registrar, rather than to wait for a time-out.
            self.abort(now, association);
            return;
        }
        let outbox = &mut self.outbox;
        let report = |error: &Message<'_>| {
            let cause = if let Body::Error(causes) = error.body { causes.first() } else { None };
            match (ElementReference::of_invalid_registration(octets), cause) {
                // RFC 5352 §3.1: each registration is answered.
                (Some(element), Some(cause)) => refuse(outbox, association, element, &cause),
                _ => send(outbox, association, error),
            }
        };
        let Some(message) = receive(octets, report) else { return };
        match message.body {
            Body::Registration(registration) => self.registration(now, association, &registration),
            Body::Deregistration(element) => self.deregistration(now, association, element),
            Body::HandleResolution(request) => self.handle_resolution(now, association, &request),
            Body::EndpointKeepAliveAck(element) => self.keep_alive_ack(now, association, element),
            Body::EndpointUnreachable(element) => self.unreachable(now, association, element),
            // What other roles are to handle, and errors: nothing to be done about them here.
            _ => {}
        }
    }

    /// RFC 5352 §3.1.
    pub(super) fn registration(&mut self, now: Instant, association: AssociationId, registration: &Registration<'_>) {
        let Some(entry) = self.associations.get(association) else { return };
        let peer = entry.peer.clone();
        let element = registration.pool_element;
        let reference = ElementReference { pool_handle: registration.pool_handle, identifier: element.identifier };
        // RFC 5352 §2.2.1: only over SCTP.
        if peer.as_endpoint().protocol != Protocol::Sctp {
            self.refuse(association, reference, &ErrorCause::new(CauseCode::UNSPECIFIED_ERROR));
            return;
        }
        if !self.admits(now, association, Request::Registration) {
            self.refuse(association, reference, &ErrorCause::new(CauseCode::LACK_OF_RESOURCES));
            return;
        }
        if !self.has_own_addresses(association, &element) {
            self.refuse(association, reference, &ErrorCause::invalid_transport(element.user_transport));
            return;
        }
        if registration.pool_handle.octets().len() > self.config.profile.max_pool_handle() {
            // It would be the end of peers.
            let mut parameter = vec![0; 4 + registration.pool_handle.octets().len()];
            write_pool_handle(&mut Writer::new(&mut parameter), registration.pool_handle);
            self.refuse(association, reference, &ErrorCause::invalid_parameter(&parameter));
            return;
        }
        // RFC 5354 §3.12.4: what is offered under a policy that nobody here knows could not be kept.
        if !self.handlespace.knows_policy(element.policy.policy_type()) {
            self.refuse(association, reference, &ErrorCause::unknown_policy(element.policy));
            return;
        }
        if let Some(other) = self.another_element(association, registration) {
            if self.owns(other) || !self.contend(now, association, registration, other) {
                self.refuse(association, reference, &ErrorCause::new(CauseCode::NON_UNIQUE_PE_IDENTIFIER));
            }
            return;
        }
        if self.has_enough_elements(association, reference) {
            self.refuse(association, reference, &ErrorCause::new(CauseCode::LACK_OF_RESOURCES));
            return;
        }
        // RFC 5352 §3.1: the registrar owns the element from now on, and records where it speaks ASAP.
        let entry = PoolElement {
            home: self.identifier,
            asap_transport: Some(peer.as_transport(TransportUse::DataOnly)),
            ..element
        };
        let Self { handlespace, outbox, .. } = self;
        let (index, registered) = match handlespace.register(registration.pool_handle, &entry) {
            Ok(done) => done,
            Err(error) => {
                let cause = error.cause();
                refuse(outbox, association, reference, &cause);
                return;
            }
        };
        let response = RegistrationResponse { element: reference, rejected: false, error: None };
        self.send_asap(association, &Body::RegistrationResponse(response).into());
        let known = matches!(registered, Registered::Updated { previous_home } if previous_home == self.identifier);
        if !known {
            self.event(Event::Registered {
                pool_handle: registration.pool_handle.octets().into(),
                identifier: element.identifier,
            });
        }
        self.watch(now, index, Some(association));
        self.announce_update(UpdateAction::AddPe, index);
        self.suggest_takeover(now, index);
    }

    /// The element that has the identifier, if it is not the one at this association: it serves elsewhere, and lives, as far as is known
    /// here or at its home.
    fn another_element(&self, association: AssociationId, registration: &Registration<'_>) -> Option<ElementIndex> {
        let element = &registration.pool_element;
        let index = self.handlespace.find(registration.pool_handle, element.identifier)?;
        let known = self.handlespace.element(index)?;
        if known.view().user_transport == element.user_transport {
            return None;
        }
        let is_another = if known.home() == self.identifier {
            let other = self.monitors.get(index).and_then(|monitor| monitor.association);
            other.is_some_and(|other| other != association && self.associations.is_open(other))
        } else {
            self.is_home_alive(known.home()) && !self.speaks_for(association, index)
        };
        is_another.then_some(index)
    }

    pub(super) fn refuse(&mut self, association: AssociationId, element: ElementReference<'_>, cause: &ErrorCause<'_>) {
        refuse(&mut self.outbox, association, element, cause);
    }

    /// RFC 5352 §3.2.
    fn deregistration(&mut self, now: Instant, association: AssociationId, element: ElementReference<'_>) {
        let index = self.handlespace.find(element.pool_handle, element.identifier);
        let cause = if !self.admits(now, association, Request::Registration) {
            Some(CauseCode::LACK_OF_RESOURCES)
        } else if index.is_some_and(|index| !self.speaks_for(association, index)) {
            Some(CauseCode::REJECTED_DUE_TO_SECURITY_CONSIDERATIONS)
        } else {
            None
        };
        let causes = cause.map(|code| [ErrorCause::new(code)]);
        if let Some(index) = index.filter(|_| causes.is_none()) {
            self.remove_element(index, RemovalReason::Deregistered);
        }
        // An element that is not known counts as deregistered.
        let response = DeregistrationResponse { element, error: causes.as_ref().map(|causes| Sequence::new(causes)) };
        self.send_asap(association, &Body::DeregistrationResponse(response).into());
    }

    /// RFC 5352 §3.3.
    fn handle_resolution(&mut self, now: Instant, association: AssociationId, request: &HandleResolution<'_>) {
        let pool_handle = request.pool_handle;
        if !self.admits(now, association, Request::Resolution) {
            self.refuse_resolution(association, pool_handle, CauseCode::LACK_OF_RESOURCES);
            return;
        }
        let asked = request.items.and_then(|items| usize::try_from(items).ok()).filter(|items| *items > 0);
        let items = asked.unwrap_or(usize::MAX).min(self.config.resolution_items);
        let updates = request.send_updates && self.subscribe(association, pool_handle, items);
        let answer = if updates { Answer::Update } else { Answer::Once };
        let found = self.resolve(association, pool_handle, items, answer);
        // RFC 5352 §2.2.5: updates are for pools that exist, and for as long as they are asked for.
        if !updates || !found {
            self.unsubscribe(association, pool_handle);
        }
    }

    /// Sends a user a pool's elements, or that there are none; then it gives false.
    pub(super) fn resolve(
        &mut self,
        association: AssociationId,
        pool_handle: PoolHandle<'_>,
        items: usize,
        answer: Answer,
    ) -> bool {
        let Self { handlespace, outbox, scratch, .. } = self;
        let resolution = handlespace.resolve(pool_handle, items);
        let mut first_policy = None;
        scratch.clear();
        for element in resolution.iter().flat_map(Resolution::elements) {
            let start = scratch.len();
            push_for_users(scratch, element.octets());
            if scratch.len() > MAX_ELEMENTS {
                scratch.truncate(start);
                break;
            }
            if first_policy.is_none() {
                first_policy = Some(element.view().policy);
            }
        }
        let cause = match (&resolution, first_policy) {
            (Some(_), Some(policy)) => {
                let response = HandleResolutionResponse {
                    pool_handle,
                    accept_updates: answer == Answer::Update,
                    // RFC 5352 §3.3: the policy MUST be there if it is not round robin. All that are given have their
                    // pool's policy (§2.2.6).
                    policy: Some(policy),
                    pool_elements: Sequence::received(scratch),
                    error: None,
                };
                send(outbox, association, &Body::HandleResolutionResponse(response).into());
                return true;
            }
            (None, _) => CauseCode::UNKNOWN_POOL_HANDLE,
            // RFC 5352 §2.2.6: a positive response has at least one element. RFC 5356 §3.2: a weight of 0 serves nobody.
            (Some(_), None) => CauseCode::LACK_OF_RESOURCES,
        };
        self.refuse_resolution(association, pool_handle, cause);
        false
    }

    fn refuse_resolution(&mut self, association: AssociationId, pool_handle: PoolHandle<'_>, cause: CauseCode) {
        let causes = [ErrorCause::new(cause)];
        let response = HandleResolutionResponse {
            pool_handle,
            accept_updates: false,
            policy: None,
            pool_elements: Sequence::empty(),
            error: Some(Sequence::new(&causes)),
        };
        self.send_asap(association, &Body::HandleResolutionResponse(response).into());
    }

    /// A registration's life has ended (RFC 5352 §2.2.4, §3.2).
    pub(super) fn expired(&mut self, now: Instant, index: ElementIndex) {
        if let Some(monitor) = self.monitors.get_mut(index)
            && core::mem::take(&mut monitor.life_in_doubt)
            && let Some(element) = self.handlespace.element(index)
            && let Life::InDoubt { shorter, longer } = self.config.profile.life_from_wire(element.view().life)
        {
            let rest = longer.saturating_sub(shorter);
            self.handlespace.set_timer(index, ElementTimer::Expiry, Some(now + rest));
            self.send_keep_alive(now, index);
            return;
        }
        let association = self.monitors.get(index).and_then(|monitor| monitor.association);
        if let Some((association, element)) = association.zip(self.handlespace.element(index)) {
            let pool_handle = self.handlespace.pool_handle(element);
            let element = ElementReference { pool_handle, identifier: element.identifier() };
            let response = DeregistrationResponse { element, error: None };
            if self.associations.is_open(association) {
                send(&mut self.outbox, association, &Body::DeregistrationResponse(response).into());
            }
        }
        self.remove_element(index, RemovalReason::Expired);
    }

    /// Removes an element, and tells the peers if it was ours (RFC 5353 §3.3.2).
    pub(super) fn remove_element(&mut self, index: ElementIndex, reason: RemovalReason) {
        let Some(element) = self.handlespace.element(index) else { return };
        // Whoever removes an element answers for it: it tells the others, also if another registrar was its home.
        let (pool_handle, identifier) = (self.handlespace.pool_handle(element).octets().into(), element.identifier());
        self.announce_update(UpdateAction::DelPe, index);
        self.admit_contender(index);
        self.unwatch(index);
        self.handlespace.remove(index);
        self.event(Event::Removed { pool_handle, identifier, reason });
    }

    /// Starts to watch over an element that is ours: its life, and whether it lives. Over `association`, if it is known.
    pub(super) fn watch(&mut self, now: Instant, index: ElementIndex, association: Option<AssociationId>) {
        let Some(life) = self.handlespace.element(index).map(|element| element.view().life) else { return };
        let previous = self.monitors.get(index).and_then(|monitor| monitor.association);
        if previous != association {
            self.detach(index, previous);
            if let Some(association) = association {
                self.associations.attach(association, index);
            }
        }
        self.reports.clear(index);
        let confirmed = association.map(|_| Second::at(now));
        let life = self.config.profile.life_from_wire(life);
        let life_in_doubt = matches!(life, Life::InDoubt { .. });
        self.monitors.insert(index, Monitor { confirmed, life_in_doubt, ..Monitor::new(association) });
        let expiry = life.probable().map(|life| now + life);
        self.handlespace.set_timer(index, ElementTimer::Expiry, expiry);
        let next = self.random.around(self.config.keep_alive_interval);
        self.handlespace.set_timer(index, ElementTimer::KeepAlive, Some(now + next));
    }

    /// Stops to watch over an element.
    pub(super) fn unwatch(&mut self, index: ElementIndex) {
        let Some(monitor) = self.monitors.remove(index) else { return };
        self.refuse_contender(index);
        self.detach(index, monitor.association);
        self.reports.clear(index);
        self.handlespace.set_timer(index, ElementTimer::Expiry, None);
        self.handlespace.set_timer(index, ElementTimer::KeepAlive, None);
    }

    fn detach(&mut self, index: ElementIndex, association: Option<AssociationId>) {
        if let Some(association) = association {
            self.associations.detach(association, index);
        }
    }
}

fn send(outbox: &mut super::Outbox, association: AssociationId, message: &Message<'_>) {
    if let Some(octets) = outbox.write(message.encoded_len(), |buffer| message.encode(buffer)) {
        outbox.push(Record::Send { association, protocol: PayloadProtocol::ASAP, octets });
    }
}

fn refuse(
    outbox: &mut super::Outbox,
    association: AssociationId,
    element: ElementReference<'_>,
    cause: &ErrorCause<'_>,
) {
    let causes = [*cause];
    let response = RegistrationResponse { element, rejected: true, error: Some(Sequence::new(&causes)) };
    send(outbox, association, &Body::RegistrationResponse(response).into());
    outbox.push(Record::Event(Event::RegistrationRefused {
        pool_handle: element.pool_handle.octets().into(),
        identifier: element.identifier,
        cause: cause.code,
    }));
}

/// Adds an element without its ASAP transport, which is of no use to users.
fn push_for_users(to: &mut Vec<u8>, octets: &[u8]) {
    let Some(range) = PoolElement::asap_transport_range(octets) else {
        to.extend_from_slice(octets);
        return;
    };
    let (before, behind) = (octets.get(..range.start).unwrap_or_default(), octets.get(range.end..).unwrap_or_default());
    let start = to.len();
    to.extend_from_slice(before);
    to.extend_from_slice(behind);
    // Transports need no padding, so the length is less by all of it.
    if let Some(length) = to.get_mut(start..).and_then(|element| element.get_mut(2..)?.first_chunk_mut::<2>()) {
        let shorter = usize::from(u16::from_be_bytes(*length)).saturating_sub(range.len());
        *length = u16::try_from(shorter).unwrap_or(u16::MAX).to_be_bytes();
    }
}
