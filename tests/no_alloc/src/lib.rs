//! A pool element and a pool user on a device with neither allocator nor operating system. `measure` links this library
//! and looks at what has become part of it.

#![no_std]
#![allow(unsafe_code, reason = "the device is reached by functions of its own")]

use core::net::{IpAddr, Ipv4Addr};

use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement};
use rserpool::pool_user::{PoolUser, UserConfig, UserEvent};
use rserpool::wire::{PayloadProtocol, PeIdentifier, PoolHandle, TransportUse};
use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, EndpointBuf, Input, Instant, Machine, OutgoingMessage, Protocol,
    Purpose, UserTransport, OpenFailure};

// What the device offers. Its functions are safe: they take and give numbers.
unsafe extern "C" {
    /// The next octet that has come in.
    safe fn device_read() -> u8;
    /// Sends an octet.
    safe fn device_write(octet: u8);
    /// Microseconds since the start.
    safe fn device_now() -> u64;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

const MESSAGE: usize = 1_024;

/// The next thing that the network tells: what it is, about which association, with which octets.
struct Told {
    kind: u8,
    association: AssociationId,
    protocol: PayloadProtocol,
    octets: [u8; MESSAGE],
    length: usize,
}

fn read() -> Told {
    let mut told = Told {
        kind: device_read(),
        association: AssociationId::accepted(device_read().into()),
        protocol: PayloadProtocol(device_read().into()),
        octets: [0; MESSAGE],
        length: 0,
    };
    told.length = (usize::from(u16::from_be_bytes([device_read(), device_read()]))).min(MESSAGE);
    for place in told.octets.iter_mut().take(told.length) {
        *place = device_read();
    }
    told
}

fn input<'a>(told: &'a Told, peer: &'a [IpAddr]) -> Input<'a> {
    let association = told.association;
    let peer = Endpoint { protocol: Protocol::Sctp, addresses: peer, port: 3863 };
    match told.kind {
        0 => Input::Opened { association, peer },
        1 => Input::Accepted { association, purpose: Purpose::Session, peer },
        2 => Input::OpenFailed { association, reason: OpenFailure::Unreachable },
        3 => Input::Closed { association, reason: CloseReason::Lost },
        4 => Input::Message { association, protocol: told.protocol, octets: told.octets.get(..told.length).unwrap_or(&[]) },
        _ => Input::Timeout,
    }
}

fn write(octets: &[u8]) {
    for octet in octets {
        device_write(*octet);
    }
}

/// Does what the machine wants, and gives its events to the application.
fn carry_out<M: Machine>(machine: &mut M, mut event: impl FnMut(M::Event<'_>)) {
    while let Some(action) = machine.poll_action() {
        match action {
            Action::Open { remote, .. } => write(&remote.port.to_be_bytes()),
            Action::Send { message, .. } => write(message.octets),
            Action::Close { .. } => device_write(1),
            Action::Abort { .. } => device_write(2),
            Action::Multicast { octets, .. } => write(octets),
            Action::Event(happened) => event(happened),
            _ => {}
        }
    }
}

/// The element's loop.
#[unsafe(no_mangle)]
pub extern "C" fn element() {
    let here = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, device_read()))];
    let Some(service) = UserTransport::sctp(&here, 7_000, TransportUse::DataPlusControl) else { return };
    let Ok(config) = ElementConfig::new(b"pool", PeIdentifier(device_read().into()), service) else { return };
    let mut element: PoolElement = PoolElement::new(config);
    let _ = element.add_registrar(EndpointBuf::single(Protocol::Sctp, here[0], 3863));
    element.register(Instant::from_micros(device_now()));
    loop {
        let told = read();
        element.handle(Instant::from_micros(device_now()), input(&told, &here));
        let mut answer = None;
        carry_out(&mut element, |event| {
            if let ElementEvent::Data { session, .. } = event {
                answer = Some(session);
            }
        });
        if let Some(session) = answer {
            let _ = element.send(session, OutgoingMessage::new(b"yes"));
            carry_out(&mut element, |_| {});
        }
        write(&element.poll_timeout().map_or(0, Instant::as_micros).to_be_bytes());
    }
}

/// The user's loop.
#[unsafe(no_mangle)]
pub extern "C" fn user() {
    let here = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, device_read()))];
    let mut user: PoolUser<4> = PoolUser::new(UserConfig::default());
    let _ = user.add_registrar(EndpointBuf::single(Protocol::Sctp, here[0], 3863));
    let Ok(session) = user.open_session(Instant::from_micros(device_now()), PoolHandle::new(b"pool")) else { return };
    loop {
        let told = read();
        user.handle(Instant::from_micros(device_now()), input(&told, &here));
        let mut established = false;
        carry_out(&mut user, |event| match event {
            UserEvent::Established { .. } => established = true,
            UserEvent::Data { message, .. } => write(message.octets),
            _ => {}
        });
        if established {
            let _ = user.send(session, OutgoingMessage::new(b"well?"));
            carry_out(&mut user, |_| {});
        }
        write(&user.poll_timeout().map_or(0, Instant::as_micros).to_be_bytes());
    }
}
