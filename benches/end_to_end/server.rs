//! What is asked: a registrar, an echo that does nothing else, elements; each in a process of its own.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rserpool::pool_element::ElementConfig;
use rserpool::registrar::{Registrar, RegistrarConfig};
use rserpool::wire::{PayloadProtocol, PeIdentifier};
use rserpool::{Action, AssociationId, Input, Instant, Machine, OutgoingMessage, Purpose};
use rserpool_blocking::{Application, ElementOptions, Listen, Options, RegistrarOptions};

use crate::{SERVER, asap, element_at, enrp};

/// Sends the same answer to each message.
struct Echo {
    answer: Vec<u8>,
    answers: VecDeque<AssociationId>,
}

impl Machine for Echo {
    type Event<'a> = ();

    fn handle(&mut self, _now: Instant, input: Input<'_>) {
        if let Input::Message { association, .. } = input {
            self.answers.push_back(association);
        }
    }

    fn poll_action(&mut self) -> Option<Action<'_, ()>> {
        let association = self.answers.pop_front()?;
        let message = OutgoingMessage { protocol: PayloadProtocol::ASAP, ..OutgoingMessage::new(&self.answer) };
        Some(Action::Send { association, message })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// An application that wants to hear of nothing.
pub(crate) struct Quiet;

impl<M: Machine> Application<M> for Quiet {
    fn event(&mut self, _now: Instant, _event: M::Event<'_>) {}
}

fn run<M: Machine>(adapter: &str, machine: M) {
    let options = Options::default();
    let listen = Listen { address: SERVER.into(), udp_port: 9899, sctp_port: 3863, purposes: &[Purpose::Asap] };
    if adapter == "tokio" {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut driver = rserpool_tokio::Driver::new(machine, &options).unwrap();
            driver.host().listen(listen).unwrap();
            println!("ready");
            driver.run(&mut Quiet).await.unwrap();
        });
    } else {
        let mut driver = rserpool_blocking::Driver::new(machine, &options).unwrap();
        driver.host().listen(listen).unwrap();
        println!("ready");
        driver.run(&mut Quiet).unwrap();
    }
}

/// Sends back what comes. It tells when it is registered.
fn element(adapter: &str, number: u8) {
    let config = ElementConfig::new(b"bench", PeIdentifier(number.into()), element_at(number)).unwrap();
    let options = ElementOptions::new(config, [asap(1), asap(2)]);
    if adapter == "tokio" {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let element = rserpool_tokio::Element::start(options).await.unwrap();
            element.registered().await.unwrap().unwrap();
            println!("ready");
            while let Some(client) = element.accept().await {
                tokio::spawn(async move {
                    while let Some(message) = client.receive_message().await {
                        if client.send(message).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
    } else {
        let element = rserpool_blocking::Element::start(options).unwrap();
        element.registered().unwrap().unwrap();
        println!("ready");
        while let Some(client) = element.accept() {
            std::thread::spawn(move || {
                while let Some(message) = client.receive_message() {
                    if client.send(message).is_err() {
                        break;
                    }
                }
            });
        }
    }
}

/// A registrar with default settings, that knows the other one.
fn registrar(number: u8) {
    let mut options = RegistrarOptions::new(asap(number), enrp(number));
    options.config.peers = vec![enrp(3 - number).into()];
    let registrar = rserpool_blocking::Registrar::start(options).unwrap();
    registrar.serving().unwrap();
    println!("ready");
    std::thread::sleep(Duration::from_secs(3600));
}

fn octets(hexadecimal: &str) -> Vec<u8> {
    let (pairs, _) = hexadecimal.as_bytes().as_chunks::<2>();
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A registrar that answers whatever it is asked, however often.
pub(crate) fn registrar_config() -> RegistrarConfig {
    let mut config = RegistrarConfig::new(SocketAddr::new(SERVER.into(), 9901), 1);
    for rates in [&mut config.limits.association_rates, &mut config.limits.rates] {
        (rates.resolutions, rates.registrations) = (u32::MAX, u32::MAX);
    }
    config
}

/// What a process does that [`Server::start`] has started.
pub(crate) fn serve(adapter: &str, kind: &str) {
    match kind.split_once('-') {
        Some(("echo", hexadecimal)) => run(adapter, Echo { answer: octets(hexadecimal), answers: VecDeque::new() }),
        Some(("element", number)) => element(adapter, number.parse().unwrap()),
        Some(("registrar", number)) => registrar(number.parse().unwrap()),
        _ => run(adapter, Registrar::new(registrar_config())),
    }
}

/// A process's memory, in octets.
pub(crate) fn resident(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// A server in a process of its own, or somebody else's process.
pub(crate) struct Server {
    child: Option<Child>,
    number: u32,
}

impl Server {
    pub(crate) fn start(adapter: &str, kind: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.args(["serve", adapter, kind]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "{kind}");
        Self { number: child.id(), child: Some(child) }
    }

    /// A process that somebody else has started.
    pub(crate) const fn of(number: u32) -> Self {
        Self { child: None, number }
    }

    /// Processor time in user mode and in all, in microseconds.
    pub(crate) fn processor(&self) -> (u64, u64) {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.number)).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // A hundred clock ticks a second, as Linux tells them.
        let (user, system): (u64, u64) = (fields[11].parse().unwrap(), fields[12].parse().unwrap());
        (user * 10_000, (user + system) * 10_000)
    }

    pub(crate) fn resident(&self) -> u64 {
        resident(&self.number.to_string())
    }

    /// SIGKILL.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
