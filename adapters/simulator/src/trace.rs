//! What happened, entry by entry, and a digest over all of it.

use std::fmt;

use rserpool::wire::{PayloadProtocol, asap, enrp};
use rserpool::{AssociationId, CloseReason, MulticastGroup};

use crate::scenario::{FaultKind, NodeId};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceEntry {
    /// When, in microseconds since the start.
    pub at_us: u64,
    /// At which node; `None` if it concerns the whole cluster.
    pub node: Option<NodeId>,
    /// What.
    pub what: Happening,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happening {
    /// The node asks for an association.
    Opens {
        /// Its name there.
        association: AssociationId,
        /// With whom.
        to: NodeId,
    },
    /// The association is open.
    Opened(AssociationId),
    /// It could not be opened.
    OpenFailed(AssociationId),
    /// It has ended.
    Closed(AssociationId, CloseReason),
    /// The node sends a message.
    Sends {
        /// To whom.
        to: NodeId,
        /// What its octets are.
        protocol: PayloadProtocol,
        /// Its first octet, which is the type of an ASAP or ENRP message.
        message_type: u8,
        /// How many octets it has.
        length: usize,
        /// A number that is made of its octets.
        fingerprint: u64,
    },
    /// The node sends a datagram to a group.
    Multicasts(MulticastGroup),
    /// A fault strikes.
    Fault(FaultKind),
    /// All faults are over.
    Healed,
    /// A machine or an application has something to tell.
    Tells(String),
    /// A promise is broken.
    Violation(String),
}

impl fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8}.{:06} ", self.at_us / 1_000_000, self.at_us % 1_000_000)?;
        if let Some(node) = self.node {
            write!(f, "{node} ")?;
        }
        self.what.fmt(f)
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opens { association, to } => write!(f, "opens {association} to {to}"),
            Self::Opened(association) => write!(f, "{association} is open"),
            Self::OpenFailed(association) => write!(f, "{association} could not be opened"),
            Self::Closed(association, reason) => write!(f, "{association}: {reason}"),
            Self::Sends { to, length, .. } => match self.message_name() {
                Some(name) => write!(f, "-> {to} {name}"),
                None => write!(f, "-> {to} {length} octets"),
            },
            Self::Multicasts(group) => write!(f, "announces itself, {group:?}"),
            Self::Fault(kind) => write!(f, "FAULT {kind:?}"),
            Self::Healed => f.write_str("all faults are over"),
            Self::Tells(text) => f.write_str(text),
            Self::Violation(text) => write!(f, "VIOLATION {text}"),
        }
    }
}

impl Happening {
    /// The name of the message that is sent, if it is one of ASAP or ENRP.
    #[must_use]
    pub fn message_name(&self) -> Option<&'static str> {
        let Self::Sends { protocol, message_type, .. } = *self else { return None };
        match protocol {
            PayloadProtocol::ASAP => asap::message_name(message_type),
            PayloadProtocol::ENRP => enrp::message_name(message_type),
            _ => None,
        }
    }

    /// Numbers and text that tell this from whatever else could happen.
    fn digest(&self, digest: &mut Digest) {
        let name = |association: AssociationId| association.to_string();
        match self {
            Self::Opens { association, to } => {
                digest.words(&[1, to.0 as u64]);
                digest.octets(name(*association).as_bytes());
            }
            Self::Opened(association) => digest.tagged(2, &name(*association)),
            Self::OpenFailed(association) => digest.tagged(3, &name(*association)),
            Self::Closed(association, reason) => {
                digest.tagged(4, &name(*association));
                digest.tagged(4, &reason.to_string());
            }
            Self::Sends { to, protocol, message_type, length, fingerprint } => {
                let message_type = u64::from(*message_type);
                digest.words(&[5, to.0 as u64, protocol.0.into(), message_type, *length as u64, *fingerprint]);
            }
            Self::Multicasts(group) => digest.words(&[6, (*group == MulticastGroup::Enrp).into()]),
            Self::Fault(kind) => digest.tagged(7, &format!("{kind:?}")),
            Self::Healed => digest.words(&[8]),
            Self::Tells(text) => digest.tagged(9, text),
            Self::Violation(text) => digest.tagged(10, text),
        }
    }
}

/// Whether entries are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Digest,
    Entries,
}

/// The number that stands for these octets in the digest.
pub(crate) fn fingerprint(octets: &[u8]) -> u64 {
    let mut digest = Digest::default();
    digest.octets(octets);
    digest.0
}

/// FNV-1a, over words of 64 bits.
#[derive(Debug)]
struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    fn words(&mut self, words: &[u64]) {
        for word in words {
            self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
    }

    fn octets(&mut self, octets: &[u8]) {
        self.words(&[octets.len() as u64]);
        for part in octets.chunks(8) {
            let mut word = [0; 8];
            for (place, octet) in word.iter_mut().zip(part) {
                *place = *octet;
            }
            self.words(&[u64::from_be_bytes(word)]);
        }
    }

    fn tagged(&mut self, tag: u64, text: &str) {
        self.words(&[tag]);
        self.octets(text.as_bytes());
    }
}

#[derive(Debug)]
pub(crate) struct Trace {
    keep: Keep,
    pub(crate) entries: Vec<TraceEntry>,
    digest: Digest,
}

impl Trace {
    pub(crate) fn new(keep: Keep) -> Self {
        Self { keep, entries: Vec::new(), digest: Digest::default() }
    }

    pub(crate) const fn digest(&self) -> u64 {
        self.digest.0
    }

    /// Notes that something happened.
    pub(crate) fn note(&mut self, at_us: u64, node: Option<NodeId>, what: Happening) {
        self.digest.words(&[at_us, node.map_or(u64::MAX, |node| node.0 as u64)]);
        what.digest(&mut self.digest);
        if self.keep == Keep::Entries {
            self.entries.push(TraceEntry { at_us, node, what });
        }
    }
}
