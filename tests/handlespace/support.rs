//! Registering and resolving with few words.

use std::net::{IpAddr, Ipv4Addr};

use rserpool::handlespace::{Handlespace, HandlespaceLimits, RegisterError, Registered};
use rserpool::wire::{
    PeIdentifier, Policy, PoolElement, PoolHandle, RegistrationLife, ServerIdentifier, Transport, TransportUse, Unknown,
};

pub(crate) const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");
const ADDRESS: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];

pub(crate) fn space() -> Handlespace {
    Handlespace::new(HandlespaceLimits::default(), 1)
}

pub(crate) fn element(identifier: u32, home: u32, policy: Policy<'static>) -> PoolElement<'static> {
    PoolElement {
        identifier: PeIdentifier(identifier),
        home: ServerIdentifier(home),
        life: RegistrationLife(300),
        user_transport: Transport::sctp(7, TransportUse::DataOnly, &ADDRESS),
        policy,
        asap_transport: None,
        unknown: Unknown::NONE,
    }
}

pub(crate) fn try_register(
    space: &mut Handlespace,
    pool: PoolHandle<'_>,
    identifier: u32,
    home: u32,
    policy: Policy<'static>,
) -> Result<Registered, ()> {
    match space.register(pool, &element(identifier, home, policy)) {
        Ok((_, registered)) => Ok(registered),
        Err(RegisterError::InconsistentPolicy(_) | RegisterError::LackOfResources) => Err(()),
        Err(other) => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn register(space: &mut Handlespace, identifier: u32, policy: Policy<'static>) {
    try_register(space, POOL, identifier, 1, policy).unwrap();
}

pub(crate) fn deregister(space: &mut Handlespace, identifier: u32) {
    let index = space.find(POOL, PeIdentifier(identifier)).unwrap();
    assert!(space.remove(index));
}

/// The identifiers that a resolution gives.
pub(crate) fn resolve(space: &mut Handlespace, items: usize) -> Vec<u32> {
    space.resolve(POOL, items).unwrap().elements().map(|element| element.identifier().0).collect()
}

/// The first ones of several resolutions.
pub(crate) fn firsts(space: &mut Handlespace, items: usize, times: usize) -> Vec<u32> {
    (0..times).map(|_| resolve(space, items)[0]).collect()
}
