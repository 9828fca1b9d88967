//! What users and elements promise each other, and who has broken it: cookies that never go back, messages to pools that
//! arrive where they should and once, reports of elements that have failed only.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use rserpool::wire::{
    PeIdentifier, Policy, PoolElement, RegistrationLife, ServerIdentifier, Transport, TransportUse, Unknown,
};

use crate::node::{SERVICE_PORT, address, identifier};
use crate::scenario::NodeId;

/// To whom a message to a pool may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// To one element, whichever it is.
    Any,
    /// To this one and no other.
    Only(PeIdentifier),
    /// To each once.
    All,
}

/// A message to a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolMessage {
    /// Who has sent it: a number that no other user, and no other life of the same, has.
    pub(crate) sender: u64,
    pub(crate) number: u64,
    pub(crate) aim: Aim,
}

impl PoolMessage {
    pub(crate) const LENGTH: usize = 21;

    pub(crate) fn encode(self) -> [u8; Self::LENGTH] {
        let (kind, only) = match self.aim {
            Aim::Any => (0, 0),
            Aim::Only(only) => (1, only.0),
            Aim::All => (2, 0),
        };
        let mut octets = [kind; Self::LENGTH];
        let parts = self.sender.to_be_bytes().into_iter().chain(self.number.to_be_bytes()).chain(only.to_be_bytes());
        for (place, octet) in octets.iter_mut().skip(1).zip(parts) {
            *place = octet;
        }
        octets
    }

    pub(crate) fn decode(octets: &[u8]) -> Option<Self> {
        let (kind, rest) = octets.split_first()?;
        let (sender, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let only = u32::from_be_bytes(rest.try_into().ok()?);
        let aim = match kind {
            0 => Aim::Any,
            1 => Aim::Only(PeIdentifier(only)),
            2 => Aim::All,
            _ => return None,
        };
        Some(Self { sender: u64::from_be_bytes(*sender), number: u64::from_be_bytes(*number), aim })
    }
}

/// What has become of a message.
#[derive(Debug, Default)]
struct Fate {
    /// By whom it was said, and when.
    said: Option<(NodeId, u64)>,
    /// Its user was told that it did not arrive, as far as is known.
    came_back: bool,
    /// Which elements have got it.
    delivered: Vec<PeIdentifier>,
    /// It came back as not sent, to this element or to any.
    unsent: Vec<Option<PeIdentifier>>,
}

impl Fate {
    /// Whether an element has got what was told as not sent.
    fn is_contradiction(&self) -> bool {
        let has = |element: &Option<PeIdentifier>| element.is_none_or(|element| self.delivered.contains(&element));
        !self.delivered.is_empty() && self.unsent.iter().any(has)
    }
}

/// How many messages are remembered.
const REMEMBERED: usize = 5_000;

/// The last messages to pools.
#[derive(Debug, Default)]
pub(crate) struct Ledger(BTreeMap<(u64, u64), Fate>);

impl Ledger {
    fn fate(&mut self, message: PoolMessage) -> &mut Fate {
        if self.0.len() > REMEMBERED {
            self.0.pop_first();
        }
        self.0.entry((message.number, message.sender)).or_default()
    }

    /// A user has said a message.
    pub(crate) fn said(&mut self, message: PoolMessage, by: NodeId, now: u64) {
        self.fate(message).said = Some((by, now));
    }

    /// A message has come back, and it is not known whether it has arrived.
    pub(crate) fn came_back(&mut self, message: PoolMessage) {
        self.fate(message).came_back = true;
    }

    /// Who has said a message at such a time of which nothing was ever heard again.
    pub(crate) fn vanished(&self, said: Range<u64>) -> impl Iterator<Item = NodeId> {
        let gone = |fate: &&Fate| fate.delivered.is_empty() && fate.unsent.is_empty() && !fate.came_back;
        let fates = self.0.values().filter(gone).filter_map(|fate| fate.said);
        fates.filter(move |(_, at)| said.contains(at)).map(|(by, _)| by)
    }

    /// An element has got a message; what is wrong with that, if anything is.
    pub(crate) fn delivered(&mut self, message: PoolMessage, element: PeIdentifier) -> Option<&'static str> {
        let fate = self.fate(message);
        let is_wrong = match message.aim {
            Aim::Only(only) if only != element => Some("it has got a message that was for another element only"),
            // One that has come back under another identifier is still listed under the one before, at the same address.
            _ if fate.delivered.contains(&element) && element.0 >> 24 <= 1 => Some("it has got a message twice"),
            Aim::Any | Aim::Only(_) if !fate.delivered.is_empty() => Some("it has got a message that another has got"),
            _ => None,
        };
        fate.delivered.push(element);
        let unsent = fate.is_contradiction().then_some("it has got a message that was told as not sent");
        is_wrong.or(unsent)
    }

    /// A message has come back as not sent.
    pub(crate) fn unsent(&mut self, message: PoolMessage, element: Option<PeIdentifier>) -> Option<&'static str> {
        let fate = self.fate(message);
        fate.unsent.push(element);
        fate.is_contradiction().then_some("it is told that a message was not sent, which has arrived")
    }
}

/// What a session's elements know of it: it goes along in the cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionState {
    /// The number of the last request that was answered.
    pub(crate) answered: u64,
}

impl SessionState {
    /// Takes a request. A user sends one only when it has the answer to the one before, and with that the cookie.
    pub(crate) fn request(&mut self, number: u64) -> Option<String> {
        let is_lost = number > self.answered + 1;
        let wrong =
            is_lost.then(|| format!("a session has come to request {number} with a cookie of {}", self.answered));
        self.answered = self.answered.max(number);
        wrong
    }
}

/// The key that elements of all pools share here.
pub(crate) fn key() -> rserpool::cookie::CookieKey {
    rserpool::cookie::CookieKey::new(&[0x5e; 32])
}

/// These nodes as elements, as they are when they have not been started anew.
pub(crate) fn with_elements<R>(nodes: &[NodeId], then: impl FnOnce(&[PoolElement<'_>]) -> R) -> R {
    let addresses: Vec<[IpAddr; 1]> = nodes.iter().map(|node| [address(*node)]).collect();
    let element = |(node, addresses)| PoolElement {
        identifier: PeIdentifier(identifier(node, 0)),
        home: ServerIdentifier::NONE,
        life: RegistrationLife::INFINITE,
        user_transport: Transport::sctp(SERVICE_PORT, TransportUse::DataPlusControl, addresses),
        policy: Policy::RoundRobin,
        asap_transport: None,
        unknown: Unknown::NONE,
    };
    let elements: Vec<PoolElement<'_>> =
        nodes.iter().copied().zip(addresses.iter().map(|one| &one[..])).map(element).collect();
    then(&elements)
}
