//! The contract. Each scenario says by its name what an adapter has to do.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rserpool::pool_user::{FailoverMode, ResolutionFailure, SessionOptions, Target};
use rserpool::wire::{CauseCode, PeIdentifier};
use rserpool::{MAX_COOKIE, Progress};
use rserpool_blocking::{Delay, ElementSessionEvent, Error, MAX_MESSAGE, Message, PoolEvent, UserSessionEvent};

use crate::world::{LIMIT, Outcome, Over, POOL, World, ask, check, established, large, message, open, until};

/// A scenario.
pub type Scenario = fn(&World) -> Outcome;

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        /// All of them, by name.
        pub const ALL: &[(&str, Scenario)] = &[$((stringify!($name), $name)),*];
    };
}

/// Runs a scenario, whose panics count as failures.
///
/// # Errors
///
/// The scenario has failed, or has no end in time.
pub fn run(scenario: Scenario, world: World) -> Result<(), String> {
    let (sender, done) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(scenario(&world).map_err(|error| error.to_string())));
    done.recv_timeout(LONGEST).unwrap_or_else(|_| Err(format!("no end within {LONGEST:?}, or a panic")))
}

/// How long a scenario may take.
const LONGEST: Duration = Duration::from_secs(120);

scenarios![
    elements_that_are_registered_are_resolved,
    a_pool_that_nobody_is_in_is_not_resolved,
    a_session_tells_why_it_has_no_element_yet,
    messages_are_answered_in_order,
    the_largest_messages_go_both_ways_and_larger_ones_are_refused,
    a_session_goes_on_when_its_element_leaves,
    a_session_goes_on_when_its_element_is_killed,
    a_session_goes_on_when_the_application_is_not_content,
    a_session_goes_on_when_the_registrar_is_gone,
    a_cookie_comes_ahead_of_all_that_the_next_element_gets,
    a_supervised_session_tells_the_next_element_first_what_it_has_to_know,
    messages_to_a_pool_reach_all_of_its_elements,
    a_draining_element_serves_who_is_there_and_nobody_else,
    who_sends_more_than_the_element_receives_waits_and_nothing_is_lost,
    who_sends_more_than_the_user_receives_waits_and_nothing_is_lost,
    what_was_sent_before_a_session_is_dropped_arrives,
    an_element_that_is_dropped_ends_though_somebody_waits_to_be_accepted,
    all_can_be_shut_down_in_every_state,
    garbage_does_no_harm,
];

fn elements_that_are_registered_are_resolved(world: &World) -> Outcome {
    let _registrar = world.registrar(1, &[])?;
    let _elements = [world.echo(1, &[1])?, world.echo(2, &[1])?];
    let mut known = world.user(&[1])?.resolve(POOL)?;
    known.sort_by_key(|element| element.identifier);
    let found: Vec<_> = known
        .iter()
        .map(|element| (element.identifier, element.transport.as_ref().and_then(|at| at.as_transport().port())))
        .collect();
    check(found == [(PeIdentifier(1), Some(7000)), (PeIdentifier(2), Some(7000))], format_args!("resolved: {found:?}"))
}

fn a_pool_that_nobody_is_in_is_not_resolved(world: &World) -> Outcome {
    let _registrar = world.registrar(1, &[])?;
    let result = world.user(&[1])?.resolve("nobody");
    check(matches!(result, Err(Error::Unresolved(_))), format_args!("{result:?}"))
}

fn a_session_tells_why_it_has_no_element_yet(world: &World) -> Outcome {
    let user = world.user(&[1])?;
    let session = open(&user)?;
    let next = || {
        until(&session, |event| match event {
            UserSessionEvent::Delayed(delay) => Some(*delay),
            _ => None,
        })
    };
    let delay = next()?;
    check(matches!(delay, Delay::NoRegistrar(_)), format_args!("{delay:?}"))?;
    let _registrar = world.registrar(1, &[])?;
    let unknown = Delay::Unresolved(ResolutionFailure::Rejected(Some(CauseCode::UNKNOWN_POOL_HANDLE)));
    while next()? != unknown {}
    let _element = world.echo(1, &[1])?;
    ask(&session, "and now it has one")?;
    Ok(())
}

fn messages_are_answered_in_order(world: &World) -> Outcome {
    let (_registrar, _element, _user, session) = world.served()?;
    for number in 0..500_u32 {
        session.send(number.to_string())?;
        if number % 16 == 15 {
            for expected in number - 15..=number {
                let next = until(&session, |event| match event {
                    UserSessionEvent::Message { message, .. } => Some(message.clone()),
                    _ => None,
                })?;
                check(next == Message::from(expected.to_string()), format_args!("{next:?} in place of {expected}"))?;
            }
        }
    }
    Ok(())
}

fn the_largest_messages_go_both_ways_and_larger_ones_are_refused(world: &World) -> Outcome {
    let (_registrar, _element, _user, session) = world.served()?;
    for number in 0..8 {
        let sent = large(number, MAX_MESSAGE);
        session.send(sent.clone())?;
        message(&session, &sent.octets)?;
    }
    let refused = session.send(large(0, MAX_MESSAGE + 1));
    check(refused == Err(Error::TooLarge { length: MAX_MESSAGE + 1 }), format_args!("{refused:?}"))?;
    let refused = session.send(Vec::new());
    check(refused == Err(Error::Empty), format_args!("{refused:?}"))?;
    ask(&session, "and on it goes")?;
    Ok(())
}

fn a_session_goes_on_when_its_element_leaves(world: &World) -> Outcome {
    let _registrar = world.registrar(1, &[])?;
    let mut elements = vec![world.echo(1, &[1])?, world.echo(2, &[1])?];
    let user = world.user(&[1])?;
    let session = open(&user)?;
    let first = ask(&session, "first")?;
    elements.remove(if first == PeIdentifier(1) { 0 } else { 1 }).shut_down();
    let second = ask(&session, "second")?;
    check(first != second, format_args!("{second} is gone"))
}

fn a_session_goes_on_when_its_element_is_killed(world: &World) -> Outcome {
    let _registrar = world.registrar(1, &[])?;
    let mut elements = vec![world.mortal_echo(1, &[1])?, world.mortal_echo(2, &[1])?];
    let user = world.user(&[1])?;
    let session = open(&user)?;
    let first = ask(&session, "first")?;
    elements.remove(if first == PeIdentifier(1) { 0 } else { 1 }).kill();
    let second = ask(&session, "second")?;
    check(first != second, format_args!("{second} is dead"))
}

fn a_session_goes_on_when_the_application_is_not_content(world: &World) -> Outcome {
    let _registrar = world.registrar(1, &[])?;
    let _elements = [world.echo(1, &[1])?, world.echo(2, &[1])?];
    let user = world.user(&[1])?;
    let session = open(&user)?;
    let first = ask(&session, "first")?;
    session.report_failure();
    let (second, failovers) = established(&session)?;
    check(first != second && failovers == 1, format_args!("{first}, {second}, {failovers}"))?;
    ask(&session, "second")?;
    Ok(())
}

fn a_session_goes_on_when_the_registrar_is_gone(world: &World) -> Outcome {
    let (first_registrar, _second) = (world.registrar(1, &[2])?, world.registrar(2, &[1])?);
    let _elements = [world.echo(1, &[1, 2])?, world.echo(2, &[1, 2])?];
    let user = world.user(&[1, 2])?;
    let session = open(&user)?;
    ask(&session, "with both")?;
    first_registrar.shut_down();
    ask(&session, "with one")?;
    // The other one knows all elements, and is found by users.
    let end = Instant::now() + LIMIT;
    loop {
        match user.resolve(POOL) {
            Ok(elements) if elements.len() == 2 => return Ok(()),
            result if Instant::now() >= end => return Err(format!("{result:?}").into()),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn a_cookie_comes_ahead_of_all_that_the_next_element_gets(world: &World) -> Outcome {
    let _registrar = world.registrar(1, &[])?;
    let first = world.element(1, &[1])?;
    first.registered()?;
    let user = world.user(&[1])?;
    let session = open(&user)?;
    session.send("remember me")?;
    let client = first.accept(LIMIT)?.ok_or("the element has ended")?;
    let state: Vec<u8> = (0..MAX_COOKIE).map(|place| place as u8).collect();
    let error = client.send_cookie([&state[..], b"!"].concat());
    let expected = Err(Error::CookieTooLong { length: MAX_COOKIE + 1, limit: MAX_COOKIE });
    check(error == expected, format_args!("a cookie that is too long: {error:?}"))?;
    client.send_cookie(state.clone())?;
    client.send("done")?;
    message(&session, b"done")?;
    let second = world.element(2, &[1])?;
    second.registered()?;
    // Its user hears of it within the time for which it believes what it knows.
    drop(client);
    first.shut_down();
    // It may have come to the first once more, which does not read any more: what is sent there comes back, and is not sent again.
    until(&session, |event| {
        matches!(event, UserSessionEvent::Established { identifier: PeIdentifier(2), .. }).then_some(())
    })?;
    session.send("who am I?")?;
    let client = second.accept(LIMIT)?.ok_or("the element has ended")?;
    let events = [client.receive(LIMIT)?, client.receive(LIMIT)?];
    let expected =
        [Some(ElementSessionEvent::CookieEcho(state.into())), Some(ElementSessionEvent::Message("who am I?".into()))];
    check(events == expected, format_args!("{events:?}"))
}

fn a_supervised_session_tells_the_next_element_first_what_it_has_to_know(world: &World) -> Outcome {
    let _registrar = world.registrar(1, &[])?;
    let (first, second) = (world.element(1, &[1])?, world.element(2, &[1])?);
    first.registered()?;
    second.registered()?;
    let user = world.user(&[1])?;
    let mut options = SessionOptions::default();
    options.failover = FailoverMode::Supervised;
    options.element = Some(PeIdentifier(1));
    let session = user.open(POOL, options)?;
    session.send("hello")?;
    drop(first.accept(LIMIT)?.ok_or("the element has ended")?);
    until(&session, |event| matches!(event, UserSessionEvent::Failover { .. }).then_some(()))?;
    // The application does not know of the next element yet.
    session.send("behind")?;
    established(&session)?;
    session.send("ahead")?;
    session.resume();
    let client = loop {
        match (second.accept(Duration::from_millis(200)), first.accept(Duration::from_millis(50))) {
            (Ok(Some(client)), _) | (_, Ok(Some(client))) => break client,
            (Ok(None), _) | (_, Ok(None)) => return Err("an element has ended".into()),
            _ => {}
        }
    };
    let events = [client.receive(LIMIT)?, client.receive(LIMIT)?];
    let expected = ["ahead", "behind"].map(|text| Some(ElementSessionEvent::Message(text.into())));
    check(events == expected, format_args!("{events:?}"))
}

fn messages_to_a_pool_reach_all_of_its_elements(world: &World) -> Outcome {
    let _registrar = world.registrar(1, &[])?;
    let _elements = [world.echo(1, &[1])?, world.echo(2, &[1])?];
    let user = world.user(&[1])?;
    user.send_to_pool(POOL, Target::All, "to all")?;
    let mut answers = Vec::new();
    for _ in 0..2 {
        match user.receive(LIMIT)? {
            Some(PoolEvent::Message { identifier, message }) if message == Message::from("to all") => {
                answers.push(identifier);
            }
            other => return Err(format!("{other:?}").into()),
        }
    }
    answers.sort();
    check(answers == [PeIdentifier(1), PeIdentifier(2)], format_args!("{answers:?}"))?;
    user.send_to_pool("nobody", Target::Policy, "to nobody")?;
    match user.receive(LIMIT)? {
        Some(PoolEvent::Undelivered { progress: Progress::Unsent, .. }) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn a_draining_element_serves_who_is_there_and_nobody_else(world: &World) -> Outcome {
    let _registrar = world.registrar(1, &[])?;
    let first = world.echo(1, &[1])?;
    let user = world.user(&[1])?;
    let session = open(&user)?;
    ask(&session, "before")?;
    let draining = first.another();
    let drained = std::thread::spawn(move || draining.drain());
    let _second = world.echo(2, &[1])?;
    let end = Instant::now() + LIMIT;
    while user.resolve(POOL)?.iter().any(|element| element.identifier == PeIdentifier(1)) {
        check(Instant::now() < end, "it does not leave its pool")?;
        std::thread::sleep(Duration::from_millis(20));
    }
    check(ask(&session, "while it drains")? == PeIdentifier(1), "the session has lost its element")?;
    let another = open(&user)?;
    check(ask(&another, "newcomer")? == PeIdentifier(2), "a newcomer came to the element that drains")?;
    check(!drained.is_finished(), "it has ended before its last user had gone")?;
    drop(session);
    drained.join().map_err(|_| "panicked")?;
    Ok(())
}

/// How much is sent to somebody who does not receive: more than all buffers on the way.
const FLOOD: (u32, usize) = (320, 64 * 1024);

fn who_sends_more_than_the_element_receives_waits_and_nothing_is_lost(world: &World) -> Outcome {
    let (_registrar, element, _user, session) = world.waiting()?;
    session.send("begin")?;
    let client = element.accept(LIMIT)?.ok_or("the element has ended")?;
    let mut sent = flood_until_full(|message| session.try_send(message))?;
    let sender = std::thread::spawn(move || {
        while sent < FLOOD.0 && session.send(large(sent, FLOOD.1)).is_ok() {
            sent += 1;
        }
        // Else it would end with what is on its way.
        session
    });
    let begin = client.receive(LIMIT)?;
    check(begin == Some(ElementSessionEvent::Message("begin".into())), format_args!("{begin:?}"))?;
    for number in 0..FLOOD.0 {
        match client.receive(LIMIT)? {
            Some(ElementSessionEvent::Message(message)) if message == large(number, FLOOD.1) => {}
            other => return Err(format!("in place of {number}: {other:.100?}").into()),
        }
    }
    sender.join().map_err(|_| "panicked")?;
    Ok(())
}

fn who_sends_more_than_the_user_receives_waits_and_nothing_is_lost(world: &World) -> Outcome {
    let (_registrar, element, _user, session) = world.waiting()?;
    session.send("begin")?;
    let client = element.accept(LIMIT)?.ok_or("the element has ended")?;
    let sender = std::thread::spawn(move || {
        let sent = (0..FLOOD.0).find(|number| client.send(large(*number, FLOOD.1)).is_err());
        (client, sent)
    });
    std::thread::sleep(Duration::from_millis(1_500));
    check(!sender.is_finished(), "the element did not have to wait")?;
    established(&session)?;
    for number in 0..FLOOD.0 {
        let next = session.receive(LIMIT)?;
        match next {
            Some(UserSessionEvent::Message { message, .. }) if message == large(number, FLOOD.1) => {}
            other => return Err(format!("in place of {number}: {other:.100?}").into()),
        }
    }
    let (_client, failed) = sender.join().map_err(|_| "panicked")?;
    check(failed.is_none(), format_args!("message {failed:?} could not be sent"))
}

/// Sends until there is no room for a while; returns how many were sent.
fn flood_until_full(mut try_send: impl FnMut(Message) -> Result<(), Error>) -> Outcome<u32> {
    let mut sent = 0;
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_millis(1_500) {
        match try_send(large(sent, FLOOD.1)) {
            Ok(()) => (sent, since) = (sent + 1, Instant::now()),
            Err(Error::Full) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(error.into()),
        }
        check(sent < FLOOD.0, "nobody had to wait")?;
    }
    Ok(sent)
}

fn what_was_sent_before_a_session_is_dropped_arrives(world: &World) -> Outcome {
    let (_registrar, element, user, session) = world.waiting()?;
    for number in 0..20 {
        session.send(large(number, 10_000))?;
    }
    drop(session);
    user.shut_down();
    let client = element.accept(LIMIT)?.ok_or("the element has ended")?;
    for number in 0..20 {
        let next = client.receive(LIMIT)?;
        check(next == Some(ElementSessionEvent::Message(large(number, 10_000))), format_args!("{next:.100?}"))?;
    }
    let last = client.receive(LIMIT)?;
    check(matches!(last, Some(ElementSessionEvent::Closed(_))), format_args!("{last:?}"))?;
    check(client.receive(LIMIT)?.is_none(), "something comes behind the end")?;
    let result = client.send("too late");
    check(result == Err(Error::Ended), format_args!("{result:?}"))
}

fn an_element_that_is_dropped_ends_though_somebody_waits_to_be_accepted(world: &World) -> Outcome {
    let (_registrar, element, user, session) = world.waiting()?;
    session.send("is anybody there?")?;
    established(&session)?;
    // What was sent is there before another question is answered.
    check(user.resolve(POOL)?.len() == 1, "the element is not in its pool")?;
    std::thread::sleep(Duration::from_millis(100));
    drop(element);
    let end = Instant::now() + LIMIT;
    loop {
        match user.resolve(POOL) {
            Err(Error::Unresolved(_)) => return Ok(()),
            result if Instant::now() >= end => return Err(format!("{result:?}").into()),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn all_can_be_shut_down_in_every_state(world: &World) -> Outcome {
    // There is no registrar at all.
    let user = world.user(&[1])?;
    let session = open(&user)?;
    user.shut_down();
    let last = session.receive(LIMIT)?;
    check(last.is_none(), format_args!("{last:?}"))?;
    check(session.send("too late") == Err(Error::Ended), "a session outlives its user")?;
    world.element(1, &[1])?.shut_down();
    // Now there is one.
    let registrar = world.registrar(1, &[])?;
    world.element(1, &[1])?.shut_down();
    let element = world.element(2, &[1])?;
    element.registered()?;
    let user = world.user(&[1])?;
    let session = open(&user)?;
    session.send("begin")?;
    let client = element.accept(LIMIT)?.ok_or("the element has ended")?;
    let other = element.another();
    element.shut_down();
    check(other.accept(LIMIT)?.is_none(), "somebody comes to an element that has ended")?;
    while client.receive(LIMIT)?.is_some() {}
    // The session looks for another element now, and finds none.
    registrar.shut_down();
    user.shut_down();
    while session.receive(LIMIT)?.is_some() {}
    Ok(())
}

fn garbage_does_no_harm(world: &World) -> Outcome {
    let (_registrar, _element, user, session) = world.served()?;
    ask(&session, "before")?;
    let mut octet = 7_u8;
    let mut garbage = |length| {
        let octets = (0..length).map(|_| {
            octet = octet.wrapping_mul(73).wrapping_add(41);
            octet
        });
        octets.collect::<Vec<u8>>()
    };
    let lengths = (0..1_500).step_by(7);
    match world.over {
        Over::SctpOverUdp => {
            let socket = std::net::UdpSocket::bind((world.at(9).ip(), 0))?;
            for garbage in lengths.map(&mut garbage) {
                for to in [world.asap(1), world.at(1)] {
                    let to = SocketAddr::new(to.ip(), 9899);
                    match world.simulator() {
                        Some(simulator) => simulator.inject(world.at(9), to, garbage.clone()),
                        None => _ = socket.send_to(&garbage, to),
                    }
                }
            }
        }
        Over::Tcp => {
            for garbage in lengths.map(&mut garbage) {
                let mut stream = std::net::TcpStream::connect(world.asap(1))?;
                // It may be cut off before it has said all.
                let _ = stream.write_all(&garbage);
            }
        }
        #[cfg(target_os = "linux")]
        Over::Sctp => {}
    }
    ask(&session, "after")?;
    check(user.resolve(POOL)?.len() == 1, "the registrar has forgotten the element")
}
