//! An element in any world, and with any commands.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rserpool::pool_element::{ElementConfig, PoolElement};
use rserpool::wire::{PeIdentifier, Policy, TransportUse};
use rserpool::{EndpointBuf, OutgoingMessage, Protocol, UserTransport};
use rserpool_fuzz::messages::Handle;
use rserpool_fuzz::world::{Step, World, card_element};

#[derive(Arbitrary, Debug)]
enum Happening {
    Step(Step),
    Register,
    Deregister,
    Drain,
    SetPolicy(u32),
    Move(u16),
    FailoverOrder(Vec<u8>),
    Resolve(Handle),
    Send(u8, Vec<u8>),
    SendCookie(u8, Vec<u8>),
    CloseSession(u8),
}

fuzz_target!(|happenings: Vec<Happening>| {
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Some(transport) = UserTransport::sctp(&[localhost], 7000, TransportUse::DataPlusControl) else { return };
    let Ok(config) = ElementConfig::new(b"a", PeIdentifier(1), transport) else { return };
    // Few enough that they are too many now and then.
    let mut element: PoolElement<4> = PoolElement::new(config);
    for port in [1, 2, 3] {
        assert!(element.add_registrar(EndpointBuf::single(Protocol::Sctp, localhost, port)).is_ok());
    }
    let mut world = World::default();
    for happening in &happenings {
        match happening {
            Happening::Step(step) => world.step(&mut element, step),
            Happening::Register => element.register(world.now),
            Happening::Deregister => element.deregister(world.now),
            Happening::Drain => element.drain(world.now),
            Happening::Move(port) => {
                if let Some(transport) = UserTransport::sctp(&[localhost], *port, TransportUse::DataPlusControl) {
                    let _ = element.set_user_transport(world.now, transport);
                }
            }
            Happening::FailoverOrder(numbers) => {
                let order: Vec<_> = numbers.iter().map(|number| card_element(*number)).collect();
                let _ = element.set_failover_order(&order);
            }
            Happening::Resolve(handle) => _ = element.resolve(world.now, handle.get()),
            Happening::SetPolicy(load) => element.set_policy(world.now, Policy::LeastUsed { load: *load }),
            Happening::Send(number, octets) => {
                if let Some(session) = world.open_association(*number) {
                    let _ = element.send(session, OutgoingMessage::new(octets));
                }
            }
            Happening::SendCookie(number, cookie) => {
                if let Some(session) = world.open_association(*number) {
                    let _ = element.send_cookie(session, cookie);
                }
            }
            Happening::CloseSession(number) => {
                if let Some(session) = world.open_association(*number) {
                    let _ = element.close_session(session);
                }
            }
        }
        world.drain(&mut element);
        world.check_timeout(&mut element);
    }
});
