//! A user in any world, and with any commands.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rserpool::pool_user::{PoolUser, UserConfig};
use rserpool::{EndpointBuf, OutgoingMessage, Protocol};
use rserpool_fuzz::messages::Handle;
use rserpool_fuzz::world::{Step, World};

#[derive(Arbitrary, Debug)]
enum Happening {
    Step(Step),
    Resolve(Handle),
    Open(Handle),
    Send(u8, Vec<u8>),
    ReportFailure(u8),
    Close(u8),
}

fuzz_target!(|happenings: Vec<Happening>| {
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut user: PoolUser = PoolUser::new(UserConfig::default());
    for port in [1, 2, 3] {
        assert!(user.add_registrar(EndpointBuf::single(Protocol::Sctp, localhost, port)).is_ok());
    }
    let mut sessions = Vec::new();
    let mut world = World::default();
    for happening in &happenings {
        let pick = |number: &u8| sessions.get(usize::from(*number) % sessions.len().max(1)).copied();
        match happening {
            Happening::Step(step) => world.step(&mut user, step),
            Happening::Resolve(handle) => {
                let _ = user.resolve(world.now, handle.get());
            }
            Happening::Open(handle) => sessions.extend(user.open_session(world.now, handle.get())),
            Happening::Send(number, octets) => {
                if let Some(session) = pick(number) {
                    let _ = user.send(session, OutgoingMessage::new(octets));
                }
            }
            Happening::ReportFailure(number) => {
                if let Some(session) = pick(number) {
                    user.report_failure(world.now, session);
                }
            }
            Happening::Close(number) => {
                if let Some(session) = pick(number) {
                    user.close_session(session);
                    sessions.retain(|other| *other != session);
                }
            }
        }
        world.drain(&mut user);
        world.check_timeout(&mut user);
    }
});
