//! The registrar's associations: who is at the other end, what they serve, and finding one by address.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::endpoint::{Endpoint, EndpointBuf, Protocol};
use crate::handlespace::{Cursor, ElementIndex};
use crate::machine::{AssociationId, AssociationNames};
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
    /// The registrar at the other end, once it is known.
    pub(super) server: Option<ServerIdentifier>,
    /// The elements that registered here, or that are to get a keep-alive.
    pub(super) elements: BTreeSet<ElementIndex>,
    /// How far the peer's download of the handle table has come.
    pub(super) download: Option<Download>,
}

type Key = (Protocol, u16, IpAddr);

/// A download of the handle table by a peer (RFC 5353 §3.2.3).
#[derive(Debug)]
pub(super) struct Download {
    pub(super) own_children_only: bool,
    pub(super) behind: Cursor,
}

#[derive(Debug, Default)]
pub(super) struct Associations {
    entries: BTreeMap<AssociationId, Association>,
    by_address: BTreeMap<Key, AssociationId>,
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

    pub(super) fn accepted(&mut self, association: AssociationId, peer: Endpoint<'_>) {
        if let Some(peer) = EndpointBuf::new(peer.protocol, peer.addresses, peer.port) {
            self.insert(association, peer, Standing::Open);
        }
    }

    /// A new association that is to be opened to `peer`.
    pub(super) fn open(&mut self, peer: EndpointBuf) -> AssociationId {
        let association = self.names.next();
        self.insert(association, peer, Standing::Opening);
        association
    }

    fn insert(&mut self, association: AssociationId, peer: EndpointBuf, standing: Standing) {
        let endpoint = peer.clone();
        let keys = Vec::new();
        let entry = Association { peer, keys, standing, server: None, elements: BTreeSet::new(), download: None };
        self.entries.insert(association, entry);
        self.index(association, endpoint.as_endpoint());
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

    pub(super) fn remove(&mut self, association: AssociationId) -> Option<Association> {
        let entry = self.entries.remove(&association)?;
        for key in &entry.keys {
            // A later association with the same peer may have taken the place.
            if self.by_address.get(key) == Some(&association) {
                self.by_address.remove(key);
            }
        }
        Some(entry)
    }
}
