//! Elements that register under an identifier that another one has, whose home is another registrar that lives (RFC 5352 §3.1).
//!
//! It may be the same element at a new place, or somebody who would like to have what is sent to the other one. So the other one is
//! asked first, and while it lives, its identifier is not given away.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Registrar;
use super::monitors::Monitor;
use crate::handlespace::ElementIndex;
use crate::machine::AssociationId;
use crate::time::Instant;
use crate::wire::asap::{Body, ElementReference, Message, Registration};
use crate::wire::{CauseCode, ErrorCause};

/// A registration that waits.
#[derive(Debug)]
struct Contender {
    association: AssociationId,
    /// The ASAP_REGISTRATION.
    octets: Box<[u8]>,
}

#[derive(Debug, Default)]
pub(super) struct Contenders {
    waiting: BTreeMap<ElementIndex, Contender>,
    /// Those for whom the way is free.
    admitted: Vec<Contender>,
}

impl Registrar {
    /// Has a registration wait until the element is asked that has its identifier. False if there is no room for that.
    pub(super) fn contend(
        &mut self,
        now: Instant,
        association: AssociationId,
        registration: &Registration<'_>,
        index: ElementIndex,
    ) -> bool {
        let waiting = &mut self.contenders.waiting;
        if waiting.contains_key(&index) || waiting.len() >= self.config.limits.openings {
            return false;
        }
        let message = Message::from(Body::Registration(*registration));
        let mut octets = alloc::vec![0; message.encoded_len()];
        if message.encode(&mut octets).is_err() {
            return false;
        }
        waiting.insert(index, Contender { association, octets: octets.into() });
        if self.monitors.get(index).is_none() {
            self.monitors.insert(index, Monitor::new(None));
        }
        self.send_keep_alive(now, index);
        true
    }

    /// The element that has the identifier lives.
    pub(super) fn refuse_contender(&mut self, index: ElementIndex) {
        let Some(contender) = self.contenders.waiting.remove(&index) else { return };
        let Some(registration) = registration(&contender.octets) else { return };
        let element = ElementReference {
            pool_handle: registration.pool_handle,
            identifier: registration.pool_element.identifier,
        };
        if self.associations.is_open(contender.association) {
            self.refuse(contender.association, element, &ErrorCause::new(CauseCode::NON_UNIQUE_PE_IDENTIFIER));
        }
    }

    /// The element that had the identifier is gone.
    pub(super) fn admit_contender(&mut self, index: ElementIndex) {
        self.contenders.admitted.extend(self.contenders.waiting.remove(&index));
    }

    /// Registers those for whom the way is free.
    pub(super) fn register_contenders(&mut self, now: Instant) {
        for contender in core::mem::take(&mut self.contenders.admitted) {
            if let Some(registration) = registration(&contender.octets) {
                self.registration(now, contender.association, &registration);
            }
        }
    }
}

fn registration(octets: &[u8]) -> Option<Registration<'_>> {
    match Message::decode(octets).ok()?.message.body {
        Body::Registration(registration) => Some(registration),
        _ => None,
    }
}
