//! Where a scenario takes place: addresses of its own on the loopback network, and who is there.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rserpool::pool_element::ElementConfig;
use rserpool::pool_user::SessionOptions;
use rserpool::wire::{PeIdentifier, ServerIdentifier};
use rserpool::{EndpointBuf, Protocol};
use rserpool_blocking::{
    ElementOptions, ElementSessionEvent, Error, Message, Network, RegistrarOptions, Transport, UserOptions,
    UserSessionEvent,
};

use crate::face::{Adapter, Client, Element, Registrar, Runner, Session, User};
use crate::simulator::Simulator;

/// What a scenario ends with: a text says what went wrong.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// How long anything may take.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The pool of all scenarios.
pub const POOL: &str = "contract";

/// Over what all talk with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Over {
    /// SCTP over UDP.
    #[value(name = "sctp+udp")]
    SctpOverUdp,
    /// The kernel's SCTP.
    #[cfg(target_os = "linux")]
    Sctp,
    /// TCP where it is allowed, between users and registrars; for the rest SCTP over UDP.
    Tcp,
}

impl Over {
    const fn transport(self) -> Transport {
        match self {
            Self::SctpOverUdp | Self::Tcp => Transport::SctpOverUdp,
            #[cfg(target_os = "linux")]
            Self::Sctp => Transport::Sctp,
        }
    }
}

/// Where a scenario takes place.
#[derive(Debug)]
pub struct World {
    /// What runs all that is there.
    pub adapter: Adapter,
    /// Over what they talk.
    pub over: Over,
    /// The first three octets of all addresses.
    network: [u8; 3],
    /// What runs all that is there, at work.
    runner: Runner,
    /// The program of elements that are killed.
    mortal: PathBuf,
}

impl World {
    /// A new one. `mortal` is the program of elements that are killed, this crate's example.
    ///
    /// # Errors
    ///
    /// There is no thread for a simulator.
    pub fn new(adapter: Adapter, over: Over, mortal: PathBuf) -> std::io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed) + std::process::id() * 64;
        let [_, high, low, _] = (number << 8).to_be_bytes();
        Ok(Self { adapter, over, network: [127, high | 0x80, low], runner: runner(adapter)?, mortal })
    }

    /// The world of another process.
    ///
    /// # Errors
    ///
    /// There is no thread for a simulator.
    pub fn of(adapter: Adapter, over: Over, network: [u8; 3]) -> std::io::Result<Self> {
        Ok(Self { adapter, over, network, runner: runner(adapter)?, mortal: PathBuf::new() })
    }

    /// The simulator, if it runs all that is there.
    #[must_use]
    pub const fn simulator(&self) -> Option<&Simulator> {
        match &self.runner {
            Runner::Simulator(simulator) => Some(simulator),
            Runner::Blocking | Runner::Tokio => None,
        }
    }

    fn host(&self, number: u8, port: u16) -> SocketAddr {
        let [a, b, c] = self.network;
        SocketAddr::from((Ipv4Addr::new(a, b, c, number), port))
    }

    /// How all are connected.
    #[must_use]
    pub fn connection(&self) -> Network {
        let mut network = Network::default();
        network.transport = self.over.transport();
        // Nobody is lost because the machine is busy.
        network.options.sctp.max_retransmissions = 25;
        network
    }

    /// Where a registrar serves elements and users.
    #[must_use]
    pub fn asap(&self, number: u8) -> SocketAddr {
        self.host(number, 3863)
    }

    /// Where users ask a registrar.
    fn asap_for_users(&self, number: u8) -> EndpointBuf {
        let at = self.asap(number);
        match self.over {
            Over::Tcp => EndpointBuf::single(Protocol::Tcp, at.ip(), at.port()),
            _ => at.into(),
        }
    }

    /// Where an element serves.
    #[must_use]
    pub fn at(&self, number: u8) -> SocketAddr {
        self.host(100 + number, 7000)
    }

    /// A registrar, which knows the others.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn registrar(&self, number: u8, others: &[u8]) -> Outcome<Registrar> {
        let mut options = RegistrarOptions::new(self.asap(number), self.host(number, 9901));
        options.network = self.connection();
        let config = &mut options.config;
        config.identifier = ServerIdentifier(number.into());
        if self.over == Over::Tcp {
            config.asap.push(self.asap_for_users(number));
        }
        config.peers = others.iter().map(|other| self.host(*other, 9901).into()).collect();
        config.peer_heartbeat_cycle = Duration::from_millis(300);
        config.max_time_last_heard = Duration::from_secs(3);
        config.max_time_no_response = Duration::from_secs(1);
        config.keep_alive_interval = Duration::from_secs(1);
        config.keep_alive_timeout = Duration::from_secs(3);
        Ok(Registrar::start(&self.runner, options)?)
    }

    /// An element that has yet to register.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn element(&self, number: u8, registrars: &[u8]) -> Outcome<Element> {
        Ok(Element::start(&self.runner, self.element_options(number, registrars)?)?)
    }

    fn element_options(&self, number: u8, registrars: &[u8]) -> Outcome<ElementOptions> {
        let config = ElementConfig::new(POOL.as_bytes(), PeIdentifier(number.into()), self.at(number))?;
        let mut options = ElementOptions::new(config, registrars.iter().map(|registrar| self.asap(*registrar)));
        options.network = self.connection();
        Ok(options)
    }

    /// An element that sends back what comes, and is registered.
    ///
    /// # Errors
    ///
    /// It cannot be started, or no registrar wants it.
    pub fn echo(&self, number: u8, registrars: &[u8]) -> Outcome<Element> {
        let element = self.element(number, registrars)?;
        serve(&element);
        element.registered()?;
        Ok(element)
    }

    /// The same in a process of its own, or at a host of its own, to be killed.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn mortal_echo(&self, number: u8, registrars: &[u8]) -> Outcome<Mortal> {
        if let Some(simulator) = self.simulator() {
            let (handle, host) = simulator.start(self.element_options(number, registrars)?)?;
            let element = Element::from(handle);
            serve(&element);
            element.registered()?;
            return Ok(Mortal::Host(simulator.clone(), host));
        }
        let mut command = Command::new(&self.mortal);
        let [a, b, c] = self.network;
        command.args(["--adapter", &name(self.adapter), "--transport", &name(self.over)]);
        command.args(["element", &number.to_string(), &format!("{a}.{b}.{c}")]);
        command.args(registrars.iter().map(u8::to_string));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mortal = Mortal::Process(child);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim() != "registered" {
            return Err(format!("element {number} says: {line}").into());
        }
        Ok(mortal)
    }

    /// A registrar, an element that sends back what comes, and a user with a session.
    ///
    /// # Errors
    ///
    /// One of them cannot be started.
    pub fn served(&self) -> Outcome<(Registrar, Element, User, Session)> {
        let (registrar, element) = (self.registrar(1, &[])?, self.echo(1, &[1])?);
        let user = self.user(&[1])?;
        let session = open(&user)?;
        Ok((registrar, element, user, session))
    }

    /// The same with an element that the scenario plays.
    ///
    /// # Errors
    ///
    /// One of them cannot be started.
    pub fn waiting(&self) -> Outcome<(Registrar, Element, User, Session)> {
        let (registrar, element) = (self.registrar(1, &[])?, self.element(1, &[1])?);
        element.registered()?;
        let user = self.user(&[1])?;
        let session = open(&user)?;
        Ok((registrar, element, user, session))
    }

    /// A user.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn user(&self, registrars: &[u8]) -> Outcome<User> {
        let mut options = UserOptions::default();
        options.registrars = registrars.iter().map(|registrar| self.asap_for_users(*registrar)).collect();
        options.network = self.connection();
        Ok(User::start(&self.runner, options)?)
    }
}

/// How something is called on the command line.
#[must_use]
pub fn name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// An element that is killed.
#[derive(Debug)]
pub enum Mortal {
    /// A process.
    Process(Child),
    /// A host of a simulator.
    Host(Simulator, usize),
}

impl Mortal {
    /// SIGKILL, or its like.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        match self {
            Self::Process(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            Self::Host(simulator, host) => simulator.kill(*host),
        }
    }
}

/// Has an element send back what comes.
fn serve(element: &Element) {
    let server = element.another();
    std::thread::spawn(move || {
        // It stops serving when nobody has come for long; no scenario lasts as long.
        while let Ok(Some(client)) = server.accept(3 * LIMIT) {
            std::thread::spawn(move || echo(&client));
        }
    });
}

fn runner(adapter: Adapter) -> std::io::Result<Runner> {
    Ok(match adapter {
        Adapter::Blocking => Runner::Blocking,
        Adapter::Tokio => Runner::Tokio,
        Adapter::Simulator => Runner::Simulator(Simulator::new(7)?),
    })
}

/// Sends back what comes until the user has gone.
pub fn echo(client: &Client) {
    while let Ok(Some(event)) = client.receive(3 * LIMIT) {
        if let ElementSessionEvent::Message(message) = event
            && client.send(message).is_err()
        {
            break;
        }
    }
}

/// Waits for an event of a session, and passes others over.
///
/// # Errors
///
/// It does not come in time.
pub fn until<T>(session: &Session, mut wanted: impl FnMut(&UserSessionEvent) -> Option<T>) -> Outcome<T> {
    let end = Instant::now() + LIMIT;
    let mut seen = Vec::new();
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        match session.receive(left) {
            Ok(Some(event)) => {
                if let Some(found) = wanted(&event) {
                    return Ok(found);
                }
                seen.push(format!("{event:.120?}"));
            }
            Ok(None) => return Err(format!("the session has ended; there were {seen:?}").into()),
            Err(Error::TimedOut) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Err(format!("it did not come in time; there were {seen:?}").into())
}

/// Waits for a message.
///
/// # Errors
///
/// It does not come in time.
pub fn message(session: &Session, octets: &[u8]) -> Outcome<PeIdentifier> {
    until(session, |event| match event {
        UserSessionEvent::Message { identifier, message } if message.octets == octets => Some(*identifier),
        _ => None,
    })
}

/// Waits until the session has an element.
///
/// # Errors
///
/// It does not get one in time.
pub fn established(session: &Session) -> Outcome<(PeIdentifier, u32)> {
    until(session, |event| match event {
        UserSessionEvent::Established { identifier, failovers } => Some((*identifier, *failovers)),
        _ => None,
    })
}

/// A request and its answer, again after a failover. Who has answered is returned.
///
/// # Errors
///
/// There is no answer in time.
pub fn ask(session: &Session, text: &str) -> Outcome<PeIdentifier> {
    session.send(text.to_owned())?;
    until(session, |event| match event {
        UserSessionEvent::Message { identifier, message } if message.octets == text.as_bytes() => Some(Ok(*identifier)),
        UserSessionEvent::Established { failovers: 1.., .. } => session.send(text.to_owned()).err().map(Err),
        _ => None,
    })?
    .map_err(Into::into)
}

/// A session as most are.
///
/// # Errors
///
/// There is no room.
pub fn open(user: &User) -> Outcome<Session> {
    Ok(user.open(POOL, SessionOptions::default())?)
}

/// A message of a length, that others can be told from by its number.
#[must_use]
pub fn large(number: u32, length: usize) -> Message {
    Message::from(number.to_be_bytes().into_iter().cycle().take(length).collect::<Vec<u8>>())
}

/// Fails unless it is so.
///
/// # Errors
///
/// It is not.
pub fn check(is_so: bool, what: impl std::fmt::Display) -> Outcome {
    if is_so { Ok(()) } else { Err(what.to_string().into()) }
}
