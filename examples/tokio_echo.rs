//! A pool of two echo servers and its user in one process, on tokio. One of the servers leaves, and the session goes on with the
//! other.
//!
//! ```text
//! cargo run --example tokio_echo
//! ```

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use rserpool::pool_element::ElementConfig;
use rserpool::wire::PeIdentifier;
use rserpool_tokio::{
    Client, Element, ElementOptions, ElementSessionEvent, Message, Registrar, RegistrarOptions, User, UserOptions,
    UserSessionEvent,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Where the registrar serves elements and users: IP address and SCTP port. SCTP runs over UDP, port 9899.
const REGISTRAR: &str = "127.44.2.1:3863";

/// Sends back what comes: a session is a stream of events, and a sink of messages.
async fn serve(client: Client) {
    let (mut sink, stream) = client.split();
    let messages = stream.filter_map(|event| async move {
        match event {
            ElementSessionEvent::Message(message) => Some(Ok(message)),
            _ => None,
        }
    });
    let mut messages = Box::pin(messages);
    // An error is the end of the session.
    let _ = sink.send_all(&mut messages).await;
}

/// An element that sends back what it is sent.
async fn echo(number: u8) -> Result<Element> {
    let here = SocketAddr::from(([127, 44, 2, 10 + number], 7000));
    let config = ElementConfig::new(b"echo", PeIdentifier(number.into()), here)?;
    let element = Element::start(ElementOptions::new(config, [REGISTRAR.parse()?])).await?;
    let server = element.clone();
    tokio::spawn(async move {
        while let Some(client) = server.accept().await {
            tokio::spawn(serve(client));
        }
    });
    Ok(element)
}

#[tokio::main]
async fn main() -> Result<()> {
    let registrar = Registrar::start(RegistrarOptions::new(REGISTRAR.parse()?, "127.44.2.1:9901".parse()?)).await?;
    let mut elements = vec![echo(1).await?, echo(2).await?];
    for element in &elements {
        element.registered().await?.map_err(|failure| format!("not registered: {failure:?}"))?;
    }

    let user = User::start(UserOptions::new([REGISTRAR.parse()?])).await?;
    let session = user.open("echo").await?;
    let (mut number, mut failovers) = (0_u32, 0);
    session.send(number.to_string()).await?;
    while let Some(event) = session.receive().await {
        match event {
            UserSessionEvent::Established { identifier, failovers: so_far } => {
                println!("a session with {identifier}");
                failovers = so_far;
                if failovers > 0 {
                    // Whether the one before has answered nobody knows: it is asked again.
                    session.send(number.to_string()).await?;
                }
            }
            UserSessionEvent::Message { message, identifier } if message == Message::from(number.to_string()) => {
                println!("{identifier} says {number}");
                if number == 3 && failovers == 0 {
                    let place = if identifier == PeIdentifier(1) { 0 } else { 1 };
                    elements.remove(place).shut_down().await;
                }
                if number == 6 {
                    break;
                }
                number += 1;
                session.send(number.to_string()).await?;
            }
            UserSessionEvent::Failover { identifier, .. } => println!("{identifier} is gone"),
            _ => {}
        }
    }

    drop(session);
    user.shut_down().await;
    for element in elements {
        element.shut_down().await;
    }
    registrar.shut_down().await;
    println!("done: {failovers} failover");
    if failovers == 1 { Ok(()) } else { Err("there should have been one failover".into()) }
}
