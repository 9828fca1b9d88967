//! A user in any world, and with any commands.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rserpool::pool_user::{FailoverMode, PoolUser, SessionOptions, Target, Updates, UserConfig};
use rserpool::wire::asap::BusinessCard;
use rserpool::wire::{PeIdentifier, Sequence};
use rserpool::{EndpointBuf, Failover, OutgoingMessage, Protocol};
use rserpool_fuzz::messages::Handle;
use rserpool_fuzz::world::{Step, World, card_element};

#[derive(Arbitrary, Debug)]
enum Happening {
    Step(Step),
    Resolve(Handle),
    Open(Handle, u8, Option<u32>),
    OpenByCard(Handle, Vec<u8>),
    Send(u8, bool, Vec<u8>),
    SendToPool(Handle, u8, bool, Vec<u8>),
    ReportFailure(u8),
    FailOver(u8),
    Resume(u8),
    Purge(Handle),
    Primary(Handle),
    ReportUnreachable(Handle, u32),
    BusinessCard(Handle, Vec<u8>),
    Close(u8),
}

fn failover_mode(number: u8) -> FailoverMode {
    match number % 3 {
        0 => FailoverMode::Automatic,
        1 => FailoverMode::Supervised,
        _ => FailoverMode::Manual,
    }
}

const fn message(may_fail_over: bool, octets: &[u8]) -> OutgoingMessage<'_> {
    let failover = if may_fail_over { Failover::Allowed } else { Failover::Forbidden };
    OutgoingMessage { failover, ..OutgoingMessage::new(octets) }
}

fuzz_target!(|input: (bool, Vec<Happening>)| {
    let (asks_for_updates, happenings) = input;
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut config = UserConfig::default();
    config.updates = if asks_for_updates { Updates::Asked } else { Updates::Off };
    let mut user: PoolUser = PoolUser::new(config);
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
            Happening::Open(handle, mode, element) => {
                let mut options = SessionOptions::default();
                options.failover = failover_mode(*mode);
                options.element = element.map(PeIdentifier);
                sessions.extend(user.open_session_with(world.now, handle.get(), options));
            }
            Happening::OpenByCard(handle, numbers) => {
                let elements: Vec<_> = numbers.iter().map(|number| card_element(*number)).collect();
                let card = BusinessCard { pool_handle: handle.get(), pool_elements: Sequence::new(&elements) };
                sessions.extend(user.open_session_by_card(world.now, &card, FailoverMode::Automatic));
            }
            Happening::Send(number, may_fail_over, octets) => {
                if let Some(session) = pick(number) {
                    let _ = user.send(session, message(*may_fail_over, octets));
                }
            }
            Happening::SendToPool(handle, target, may_fail_over, octets) => {
                let target = match target % 5 {
                    0 => Target::Policy,
                    1 => Target::Last,
                    2 => Target::Element(PeIdentifier((*target).into())),
                    3 => Target::All,
                    _ => Target::AllAndSelf,
                };
                let _ = user.send_to_pool(world.now, handle.get(), target, message(*may_fail_over, octets));
            }
            Happening::FailOver(number) => {
                if let Some(session) = pick(number) {
                    user.fail_over(world.now, session);
                }
            }
            Happening::Resume(number) => {
                if let Some(session) = pick(number) {
                    user.resume(session);
                }
            }
            Happening::Purge(handle) => user.purge(handle.get()),
            Happening::Primary(handle) => _ = user.primary(world.now, handle.get()),
            Happening::ReportUnreachable(handle, identifier) => {
                user.report_unreachable(world.now, handle.get(), PeIdentifier(*identifier));
            }
            Happening::BusinessCard(handle, numbers) => {
                let elements: Vec<_> = numbers.iter().map(|number| card_element(*number)).collect();
                let _ = user.set_business_card(handle.get(), &elements);
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
