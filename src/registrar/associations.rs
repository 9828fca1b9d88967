//! The registrar's associations: who is at the other end, what they serve, and finding one by address.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use super::guard::Counts;
use crate::endpoint::{Endpoint, EndpointBuf, Protocol};
use crate::handlespace::ElementIndex;
use crate::machine::{AssociationId, AssociationNames, Purpose};
use crate::wire::ServerIdentifier;

/// Whether messages can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Opening,
    Open,
}

#[derive(Debug)]
pub(super) struct Association {
    pub(super) peer: EndpointBuf,
    /// Under which addresses it can be found.
    keys: Vec<Key>,
    pub(super) standing: Standing,
    /// What it is for: for what this registrar has opened it, or what the endpoint is for that it came in on.
    pub(super) purpose: Purpose,
    pub(super) speaker: Speaker,
    /// Whether anything has come from the other end.
    pub(super) heard: bool,
    pub(super) counts: Counts,
    /// The elements that registered here, or that are to get a keep-alive.
    elements: BTreeSet<ElementIndex>,
}

/// Who speaks ENRP at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// Nobody that is known.
    Unknown,
    /// This registrar's endpoint is there. It has not said anything yet.
    Expected(ServerIdentifier),
    /// This registrar says that it is there.
    Known(ServerIdentifier),
    /// Somebody says to be this registrar, which lives elsewhere as far as is known.
    Claims(ServerIdentifier),
}

impl Association {
    /// The registrar at the other end, as far as is known.
    pub(super) const fn server(&self) -> Option<ServerIdentifier> {
        match self.speaker {
            Speaker::Expected(server) | Speaker::Known(server) => Some(server),
            Speaker::Unknown | Speaker::Claims(_) => None,
        }
    }

    /// The addresses of the other end.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + Clone + '_ {
        self.keys.iter().map(|(_, _, address)| *address)
    }

    /// The address by which is counted what comes from one place.
    pub(super) fn place(&self) -> Option<IpAddr> {
        self.addresses().next()
    }

    pub(super) const fn elements(&self) -> &BTreeSet<ElementIndex> {
        &self.elements
    }

    /// Whether neither an element nor a registrar is known at the other end.
    pub(super) fn serves_nobody(&self) -> bool {
        self.elements.is_empty() && self.server().is_none()
    }
}

type Key = (Protocol, u16, IpAddr);

#[derive(Debug, Default)]
pub(super) struct Associations {
    entries: BTreeMap<AssociationId, Association>,
    by_address: BTreeMap<Key, AssociationId>,
    /// How many elements there are on associations with an address.
    elements_at: BTreeMap<IpAddr, usize>,
    names: AssociationNames,
}

impl Associations {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, association: AssociationId) -> Option<&Association> {
        self.entries.get(&association)
    }

    pub(super) fn get_mut(&mut self, association: AssociationId) -> Option<&mut Association> {
        self.entries.get_mut(&association)
    }

    pub(super) fn is_open(&self, association: AssociationId) -> bool {
        self.get(association).is_some_and(|entry| entry.standing == Standing::Open)
    }

    pub(super) fn accepted(&mut self, association: AssociationId, purpose: Purpose, peer: Endpoint<'_>) {
        // It is found by all its addresses, though there may be more than are kept to speak to.
        if let Some(kept) = EndpointBuf::new(peer.protocol, peer.addresses, peer.port) {
            self.insert(association, kept, peer, Standing::Open, purpose);
        }
    }

    /// Whether the other end of an association has this address.
    pub(super) fn has_address(&self, association: AssociationId, address: IpAddr) -> bool {
        self.get(association).is_some_and(|entry| entry.addresses().any(|own| own == address))
    }

    /// An element is spoken with on an association.
    pub(super) fn attach(&mut self, association: AssociationId, index: ElementIndex) {
        let Some(entry) = self.entries.get_mut(&association) else { return };
        if entry.elements.insert(index)
            && let Some(place) = entry.place()
        {
            *self.elements_at.entry(place).or_default() += 1;
        }
    }

    /// An element is spoken with there no more.
    pub(super) fn detach(&mut self, association: AssociationId, index: ElementIndex) {
        let Some(entry) = self.entries.get_mut(&association) else { return };
        if entry.elements.remove(&index)
            && let Some(place) = entry.place()
        {
            self.count_off(place, 1);
        }
    }

    fn count_off(&mut self, place: IpAddr, elements: usize) {
        if let Some(count) = self.elements_at.get_mut(&place) {
            *count = count.saturating_sub(elements);
            if *count == 0 {
                self.elements_at.remove(&place);
            }
        }
    }

    /// How many elements there are on associations with an address.
    pub(super) fn elements_at(&self, place: IpAddr) -> usize {
        self.elements_at.get(&place).copied().unwrap_or(0)
    }

    /// Those on which somebody says to be this registrar, which lives elsewhere.
    pub(super) fn claims_to_be(&self, server: ServerIdentifier) -> Option<AssociationId> {
        let mut entries = self.entries.iter();
        entries.find(|(_, entry)| entry.speaker == Speaker::Claims(server)).map(|(association, _)| *association)
    }

    /// A new association that is to be opened to `peer`.
    pub(super) fn open(&mut self, purpose: Purpose, peer: EndpointBuf) -> AssociationId {
        let association = self.names.next();
        self.insert(association, peer.clone(), peer.as_endpoint(), Standing::Opening, purpose);
        association
    }

    fn insert(
        &mut self,
        association: AssociationId,
        peer: EndpointBuf,
        found_at: Endpoint<'_>,
        standing: Standing,
        purpose: Purpose,
    ) {
        let keys = Vec::new();
        let entry = Association {
            peer,
            keys,
            standing,
            purpose,
            speaker: Speaker::Unknown,
            heard: false,
            counts: Counts::default(),
            elements: BTreeSet::new(),
        };
        self.entries.insert(association, entry);
        self.index(association, found_at);
    }

    fn index(&mut self, association: AssociationId, peer: Endpoint<'_>) {
        let Some(entry) = self.entries.get_mut(&association) else { return };
        for address in peer.addresses {
            let key = (peer.protocol, peer.port, *address);
            self.by_address.insert(key, association);
            if !entry.keys.contains(&key) {
                entry.keys.push(key);
            }
        }
    }

    /// Whether the association was being opened; now it is open.
    pub(super) fn opened(&mut self, association: AssociationId, peer: Endpoint<'_>) -> bool {
        let Some(entry) = self.entries.get_mut(&association) else { return false };
        entry.standing = Standing::Open;
        self.index(association, peer);
        true
    }

    /// The association with whoever is there, open or about to be.
    pub(super) fn find(&self, peer: Endpoint<'_>) -> Option<AssociationId> {
        peer.addresses.iter().find_map(|address| self.by_address.get(&(peer.protocol, peer.port, *address))).copied()
    }

    /// Those that lead to registrars.
    pub(super) fn to_registrars(&self) -> impl Iterator<Item = (AssociationId, &Association)> {
        // Whoever has come in may be one, once it has said so.
        let leads = |association: &AssociationId, entry: &Association| {
            entry.server().is_some() || (entry.purpose == Purpose::Enrp && !association.is_accepted())
        };
        let entries = self.entries.iter().map(|(association, entry)| (*association, entry));
        entries.filter(move |(association, entry)| leads(association, entry))
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<AssociationId> {
        self.entries.keys().copied().collect()
    }

    /// Those that lead to elements and users.
    pub(super) fn of_clients(&self) -> impl Iterator<Item = AssociationId> {
        self.entries.iter().filter(|(_, entry)| entry.purpose != Purpose::Enrp).map(|(association, _)| *association)
    }

    pub(super) fn remove(&mut self, association: AssociationId) -> Option<Association> {
        let entry = self.entries.remove(&association)?;
        for key in &entry.keys {
            // A later association with the same peer may have taken the place.
            if self.by_address.get(key) == Some(&association) {
                self.by_address.remove(key);
            }
        }
        if let Some(place) = entry.place() {
            self.count_off(place, entry.elements.len());
        }
        Some(entry)
    }
}
