//! A pool of two echo servers and its user in one process, with threads that wait. One of the servers leaves, and the session goes on
//! with the other.
//!
//! ```text
//! cargo run --example blocking_echo
//! ```

use std::net::SocketAddr;
use std::thread;

use rserpool::pool_element::ElementConfig;
use rserpool::wire::PeIdentifier;
use rserpool_blocking::{Element, ElementOptions, Registrar, RegistrarOptions, User, UserOptions, UserSessionEvent};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Where the registrar serves elements and users: IP address and SCTP port. SCTP runs over UDP, port 9899.
const REGISTRAR: &str = "127.44.1.1:3863";

/// An element that sends back what it is sent.
fn echo(number: u8) -> Result<Element> {
    let here = SocketAddr::from(([127, 44, 1, 10 + number], 7000));
    let config = ElementConfig::new(b"echo", PeIdentifier(number.into()), here)?;
    let element = Element::start(ElementOptions::new(config, [REGISTRAR.parse()?]))?;
    let server = element.clone();
    thread::spawn(move || {
        while let Some(client) = server.accept() {
            thread::spawn(move || {
                while let Some(message) = client.receive_message() {
                    if client.send(message).is_err() {
                        break;
                    }
                }
            });
        }
    });
    Ok(element)
}

fn main() -> Result<()> {
    let registrar = Registrar::start(RegistrarOptions::new(REGISTRAR.parse()?, "127.44.1.1:9901".parse()?))?;
    let mut elements = vec![echo(1)?, echo(2)?];
    for element in &elements {
        element.registered()?.map_err(|failure| format!("not registered: {failure:?}"))?;
    }

    let user = User::start(UserOptions::new([REGISTRAR.parse()?]))?;
    let session = user.open("echo")?;
    let (mut number, mut failovers) = (0_u32, 0);
    session.send(number.to_string())?;
    for event in &session {
        match event {
            UserSessionEvent::Established { identifier, failovers: so_far } => {
                println!("a session with {identifier}");
                failovers = so_far;
                if failovers > 0 {
                    // Whether the one before has answered nobody knows: it is asked again.
                    session.send(number.to_string())?;
                }
            }
            UserSessionEvent::Message { message, identifier } if message.octets == number.to_string().as_bytes() => {
                println!("{identifier} says {number}");
                if number == 3 && failovers == 0 {
                    let place = if identifier == PeIdentifier(1) { 0 } else { 1 };
                    elements.remove(place).shut_down();
                }
                if number == 6 {
                    break;
                }
                number += 1;
                session.send(number.to_string())?;
            }
            UserSessionEvent::Failover { identifier, .. } => println!("{identifier} is gone"),
            _ => {}
        }
    }

    drop(session);
    user.shut_down();
    elements.into_iter().for_each(Element::shut_down);
    registrar.shut_down();
    println!("done: {failovers} failover");
    if failovers == 1 { Ok(()) } else { Err("there should have been one failover".into()) }
}
