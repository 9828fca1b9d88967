//! A registrar in any world.
#![no_main]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use rserpool::handlespace::{Cursor, OwnerChecksum};
use rserpool::registrar::{Announcements, Registrar, RegistrarConfig, TakeoverSuggestions};
use rserpool::wire::ServerIdentifier;
use rserpool::{EndpointBuf, Protocol};
use rserpool_fuzz::world::{Step, World};

fuzz_target!(|input: (bool, bool, Vec<Step>)| {
    let (has_peer, announces, steps) = input;
    let at = |port| EndpointBuf::single(Protocol::Sctp, IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let mut config = RegistrarConfig::new(at(9901), 1);
    config.takeover_suggestions = TakeoverSuggestions::On;
    config.identifier = ServerIdentifier(0xaa);
    config.limits.handlespace.elements = 20;
    config.limits.associations = 50;
    config.limits.peers = 5;
    config.limits.elements_per_step = 2;
    config.limits.table_response_elements = 3;
    config.limits.downloads = 2;
    if has_peer {
        config.peers.push(at(9902));
    }
    if announces {
        config.announcements = Announcements::On;
    }
    let mut registrar = Registrar::new(config);
    let mut world = World::default();
    for step in &steps {
        world.step(&mut registrar, step);
        world.check_timeout(&mut registrar);
        check(&registrar);
    }
});

/// The handlespace's indices agree with each other.
fn check(registrar: &Registrar) {
    let handlespace = registrar.handlespace();
    let mut owners: BTreeMap<ServerIdentifier, OwnerChecksum> = BTreeMap::new();
    let mut count = 0;
    for (element, _) in handlespace.read_from(Cursor::START, None) {
        let pool_handle = handlespace.pool_handle(element);
        let index = handlespace.find(pool_handle, element.identifier());
        assert!(index.is_some_and(|index| handlespace.owned_by(element.home()).any(|owned| owned == index)));
        owners.entry(element.home()).or_default().add(pool_handle, element.identifier());
        count += 1;
    }
    assert_eq!(count, handlespace.len());
    assert!(count <= 20);
    for (owner, checksum) in owners {
        assert_eq!(handlespace.checksum(owner), checksum.get());
    }
    assert!(registrar.peers().count() <= 5);
}
