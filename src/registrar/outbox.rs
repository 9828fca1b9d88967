//! The registrar's queue of actions. The octets of all messages stand in one buffer, so that a message to all peers is
//! written once.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use super::event::{Event, RegistrarEvent};
use crate::endpoint::EndpointBuf;
use crate::machine::{Action, AssociationId, MulticastGroup, OutgoingMessage, Purpose};
use crate::wire::{EncodeError, PayloadProtocol};

/// An action in the queue.
#[derive(Debug)]
pub(super) enum Record {
    Open { association: AssociationId, purpose: Purpose, remote: EndpointBuf },
    Send { association: AssociationId, protocol: PayloadProtocol, octets: Range<usize> },
    Close { association: AssociationId },
    Abort { association: AssociationId },
    Multicast { group: MulticastGroup, octets: Range<usize> },
    Event(Event),
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    records: VecDeque<Record>,
    octets: Vec<u8>,
}

impl Outbox {
    pub(super) fn push(&mut self, record: Record) {
        self.records.push_back(record);
    }

    /// Writes a message of `length` octets and returns where it stands, for any number of records. A message that
    /// cannot be encoded is left out.
    pub(super) fn write(
        &mut self,
        length: usize,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
    ) -> Option<Range<usize>> {
        if self.records.is_empty() {
            self.octets.clear();
        }
        let start = self.octets.len();
        self.octets.resize(start + length, 0);
        match self.octets.get_mut(start..).map(encode) {
            Some(Ok(length)) => Some(start..start + length),
            _ => {
                self.octets.truncate(start);
                None
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<Record> {
        self.records.pop_front()
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

impl Record {
    /// The action. `octets` is the whole buffer.
    pub(super) fn as_action<'a>(&'a self, octets: &'a [u8]) -> Action<'a, RegistrarEvent<'a>> {
        let part = |range: &Range<usize>| octets.get(range.clone()).unwrap_or_default();
        match self {
            Self::Open { association, purpose, remote } => {
                Action::Open { association: *association, purpose: *purpose, remote: remote.as_endpoint() }
            }
            Self::Send { association, protocol, octets } => Action::Send {
                association: *association,
                message: OutgoingMessage { protocol: *protocol, ..OutgoingMessage::new(part(octets)) },
            },
            Self::Close { association } => Action::Close { association: *association },
            Self::Abort { association } => Action::Abort { association: *association },
            Self::Multicast { group, octets } => Action::Multicast { group: *group, octets: part(octets) },
            Self::Event(event) => Action::Event(event.as_event()),
        }
    }
}
