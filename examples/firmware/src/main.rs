//! A pool element and a pool user as firmware: they know nothing of networks, and speak with a host over a serial line, which
//! opens their associations for them. Without allocator and operating system, in 64 KiB of RAM.
//!
//! The element is one of the pool "firmware", and answers what it is sent in capitals. The user has a session with the pool
//! "host", and says a number there five times a second.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod frame;
mod uart;

use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use panic_semihosting as _;
use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement};
use rserpool::pool_user::{PoolUser, UserConfig, UserEvent};
use rserpool::wire::{PeIdentifier, PoolHandle};
use rserpool::{Action, Failover, Instant, Machine, OutgoingMessage};

use self::frame::{Receiver, Who, Wish, place, send, send_message};
use self::uart::Uart;

/// Milliseconds since the start.
static MILLIS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    // No other writer: a load and a store are enough, and all that this processor needs.
    MILLIS.store(MILLIS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

fn now() -> Instant {
    Instant::from_millis(MILLIS.load(Ordering::Relaxed).into())
}

/// A line for the host to print.
struct Line {
    text: [u8; 96],
    length: usize,
}

impl core::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = self.text.get_mut(self.length..).unwrap_or_default();
        for (place, octet) in room.iter_mut().zip(text.bytes()) {
            *place = octet;
            self.length += 1;
        }
        Ok(())
    }
}

fn log(uart: &mut Uart, who: Who, what: core::fmt::Arguments<'_>) {
    let mut line = Line { text: [0; 96], length: 0 };
    let _ = line.write_fmt(what);
    send(uart, who, Wish::Log, 0, &[line.text.get(..line.length).unwrap_or_default()]);
}

/// Has the host do what a machine wants, and gives its events to the application.
fn carry_out<M: Machine>(uart: &mut Uart, who: Who, machine: &mut M, mut event: impl FnMut(&mut Uart, M::Event<'_>)) {
    while let Some(action) = machine.poll_action() {
        match action {
            Action::Open { association, remote, .. } => {
                if let Some(IpAddr::V4(address)) = remote.addresses.first() {
                    let parts: [&[u8]; 2] = [&address.octets(), &remote.port.to_be_bytes()];
                    send(uart, who, Wish::Open, association.to_bits(), &parts);
                }
            }
            Action::Send { association, message } => send_message(uart, who, association, &message),
            Action::Close { association } => send(uart, who, Wish::Close, association.to_bits(), &[]),
            Action::Abort { association } => send(uart, who, Wish::Abort, association.to_bits(), &[]),
            Action::Event(happened) => event(uart, happened),
            _ => {}
        }
    }
}

/// A message that is repeated here if it has no answer, and so not by itself.
const fn numbered(octets: &[u8]) -> OutgoingMessage<'_> {
    OutgoingMessage { failover: Failover::Forbidden, ..OutgoingMessage::new(octets) }
}

/// The next whole frame, waiting for it.
fn receive(uart: &mut Uart, receiver: &mut Receiver) {
    while !uart.receive().is_some_and(|octet| receiver.push(octet)) {}
}

#[entry]
fn main() -> ! {
    let mut uart = Uart::new();
    if let Some(peripherals) = cortex_m::Peripherals::take() {
        let mut clock = peripherals.SYST;
        clock.set_clock_source(SystClkSource::Core);
        clock.set_reload(12_000 - 1);
        clock.clear_current();
        clock.enable_counter();
        clock.enable_interrupt();
    }

    // The host says where we are and where the registrar is.
    let mut receiver = Receiver::new();
    send(&mut uart, Who::Element, Wish::Begin, 0, &[]);
    receive(&mut uart, &mut receiver);
    let nowhere = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let places =
        receiver.frame().and_then(|frame| frame.rest.split_at_checked(6).map(|(us, it)| (place(us), place(it))));
    let (us, registrar) = match places {
        Some((us, registrar)) => (us.unwrap_or(nowhere), registrar.unwrap_or(nowhere)),
        None => (nowhere, nowhere),
    };
    receiver.clear();

    let Ok(config) = ElementConfig::new(b"firmware", PeIdentifier(0xf1), SocketAddr::from(us)) else {
        panic!("the pool handle is too long");
    };
    let mut element: PoolElement = PoolElement::new(config);
    let mut user: PoolUser = PoolUser::new(UserConfig::default());
    if element.add_registrar(SocketAddr::from(registrar)).is_err()
        || user.add_registrar(SocketAddr::from(registrar)).is_err()
    {
        panic!("no room for a registrar");
    }
    element.register(now());
    let Ok(session) = user.open_session(now(), PoolHandle::new(b"host")) else { panic!("no room for a session") };

    let (mut number, mut answered, mut next) = (0u32, true, now());
    loop {
        if uart.receive().is_some_and(|octet| receiver.push(octet)) {
            let mut address = [IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
            if let Some(frame) = receiver.frame() {
                match (frame.who, frame.input(&mut address)) {
                    (Who::Element, Some(input)) => element.handle(now(), input),
                    (Who::User, Some(input)) => user.handle(now(), input),
                    (_, None) => {}
                }
            }
            receiver.clear();
        }
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now());
        if due(element.poll_timeout()) {
            element.handle(now(), rserpool::Input::Timeout);
        }
        if due(user.poll_timeout()) {
            user.handle(now(), rserpool::Input::Timeout);
        }

        let mut request = None;
        carry_out(&mut uart, Who::Element, &mut element, |uart, event| match event {
            ElementEvent::Data { session, message } => {
                let mut answer = [0; 64];
                let length = message.octets.len().min(answer.len());
                for (place, octet) in answer.iter_mut().zip(message.octets) {
                    *place = octet.to_ascii_uppercase();
                }
                request = Some((session, answer, length));
            }
            ElementEvent::Registered { .. } => log(uart, Who::Element, format_args!("registered")),
            _ => {}
        });
        if let Some((session, answer, length)) = request {
            let _ = element.send(session, OutgoingMessage::new(answer.get(..length).unwrap_or_default()));
        }

        if answered && next <= now() {
            (number, answered, next) = (number + 1, false, now() + Duration::from_millis(200));
            let _ = user.send(session, numbered(&number.to_be_bytes()));
        }
        let mut again = false;
        carry_out(&mut uart, Who::User, &mut user, |uart, event| match event {
            UserEvent::Data { message, .. } => answered |= message.octets == number.to_be_bytes(),
            UserEvent::Established { identifier, failovers, .. } => {
                again = failovers > 0 && !answered;
                log(uart, Who::User, format_args!("a session with {identifier}, after {failovers} failovers"));
            }
            UserEvent::Failover { identifier, .. } => log(uart, Who::User, format_args!("{identifier} is gone")),
            _ => {}
        });
        if again {
            let _ = user.send(session, numbered(&number.to_be_bytes()));
        }
    }
}
