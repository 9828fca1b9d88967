//! The host of the firmware: it runs it under QEMU, opens the associations that the firmware's element and user want to have,
//! and carries their messages. Around them it has a registrar, two elements and a user of its own, and sees to it that all
//! works: the firmware's element is registered, resolved, asked whether it lives, and serves a user; its user goes on with the
//! other element when the one that it uses is gone.
//!
//! ```text
//! examples/firmware/run
//! ```

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement};
use rserpool::pool_user::{PoolUser, UserConfig, UserEvent};
use rserpool::registrar::{Registrar, RegistrarConfig};
use rserpool::wire::asap::message_type;
use rserpool::wire::{PayloadProtocol, PeIdentifier, PoolHandle};
use rserpool::{Action, AssociationId, CloseReason, Input, Instant, Machine, OpenFailure, OutgoingMessage, Purpose};
use rserpool_transport::{AssociationHandle, Event, LocalPort, News, Peer, SctpConfig, SctpOverUdp, SocketIndex};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A UDP socket with SCTP on it, whose SCTP port is its UDP port, and the names of its associations.
struct Link {
    socket: UdpSocket,
    sctp: SctpOverUdp,
    port: LocalPort,
    handles: HashMap<AssociationId, AssociationHandle>,
    names: HashMap<AssociationHandle, AssociationId>,
    accepted: u32,
    failed: Vec<AssociationId>,
}

/// What the firmware's machine is told, as a frame; nothing if it can do without.
fn news_frame(who: u8, association: AssociationId, news: &News) -> Option<Vec<u8>> {
    let place = |peer: &Peer| [&[127, 0, 0, 1][..], &peer.port.to_be_bytes()].concat();
    let (kind, rest) = match news {
        News::Opened(peer) => (0, place(peer)),
        News::Accepted(_, peer) => (1, place(peer)),
        News::OpenFailed(reason) => (2, vec![u8::from(*reason != OpenFailure::Unreachable)]),
        News::Closed(reason) => (3, vec![u8::from(*reason != CloseReason::Shutdown)]),
        News::Message { protocol, octets } => (4, [&protocol.0.to_be_bytes()[..], octets].concat()),
        News::Undelivered(_) | News::SendBuffer(_) => return None,
    };
    Some(frame(who, kind, association.to_bits(), &rest))
}

fn frame(who: u8, kind: u8, association: u32, rest: &[u8]) -> Vec<u8> {
    let length = (6 + rest.len()) as u16;
    [&length.to_be_bytes()[..], &[who, kind], &association.to_be_bytes(), rest].concat()
}

impl Link {
    fn new() -> Result<Self> {
        let socket = UdpSocket::bind((LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let port = LocalPort { socket: SocketIndex(0), port: socket.local_addr()?.port() };
        let mut sctp = SctpOverUdp::new(SctpConfig::default(), [7; 16]);
        sctp.listen(port, &[Purpose::Asap, Purpose::Session]);
        let (handles, names) = Default::default();
        Ok(Self { socket, sctp, port, handles, names, accepted: 0, failed: Vec::new() })
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::new(LOCALHOST, self.port.port)
    }

    fn receive(&mut self, now: Instant) -> Vec<(AssociationId, News)> {
        let mut datagram = [0; 2_048];
        while let Ok((length, from)) = self.socket.recv_from(&mut datagram) {
            self.sctp.handle_datagram(now, self.port.socket, from, datagram.get(..length).unwrap_or_default());
        }
        self.sctp.handle_timeout(now);
        let mut all: Vec<_> = self.failed.drain(..).map(|name| (name, News::OpenFailed(OpenFailure::Local))).collect();
        while let Some(Event { association: handle, news }) = self.sctp.poll_event() {
            if let News::Accepted(..) = news {
                self.accepted += 1;
                let name = AssociationId::accepted(self.accepted);
                self.handles.insert(name, handle);
                self.names.insert(handle, name);
            }
            all.extend(self.names.get(&handle).map(|name| (*name, news)));
        }
        all
    }

    fn open(&mut self, now: Instant, association: AssociationId, port: u16) {
        match self.sctp.open(now, self.port, SocketAddr::new(LOCALHOST, port), port, Purpose::Session) {
            Ok(handle) => {
                self.handles.insert(association, handle);
                self.names.insert(handle, association);
            }
            Err(_) => self.failed.push(association),
        }
    }

    fn send(&mut self, now: Instant, association: AssociationId, message: &OutgoingMessage<'_>) -> Result<()> {
        match self.handles.get(&association) {
            Some(handle) => Ok(self.sctp.send(now, *handle, message)?),
            None => Ok(()),
        }
    }

    fn end(&mut self, now: Instant, association: AssociationId) {
        if let Some(handle) = self.handles.remove(&association) {
            self.names.remove(&handle);
            self.sctp.close(now, handle);
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.sctp.poll_transmit() {
            let _ = self.socket.send_to(&transmit.octets, transmit.to);
        }
    }
}

/// One round of a machine on this host; its events go to `event`.
fn turn<M: Machine>(link: &mut Link, machine: &mut M, now: Instant, mut event: impl FnMut(M::Event<'_>)) -> Result<()> {
    for (association, news) in link.receive(now) {
        machine.handle(now, news.input(association));
    }
    machine.handle(now, Input::Timeout);
    while let Some(action) = machine.poll_action() {
        match action {
            Action::Open { association, remote, .. } => link.open(now, association, remote.port),
            Action::Send { association, message } => link.send(now, association, &message)?,
            Action::Close { association } | Action::Abort { association } => link.end(now, association),
            Action::Event(happened) => event(happened),
            _ => {}
        }
    }
    link.transmit();
    Ok(())
}

/// The firmware under QEMU, and its serial line.
struct Device {
    qemu: Child,
    octets: Receiver<Vec<u8>>,
    buffer: Vec<u8>,
    /// How many keep-alives it has answered.
    acknowledged: u32,
    /// The lines that it has had printed.
    log: Vec<String>,
    /// What it is told as soon as it listens.
    welcome: Vec<u8>,
}

impl Device {
    fn start(image: &str, welcome: Vec<u8>) -> Result<Self> {
        let mut qemu = Command::new("qemu-system-arm")
            .args(["-machine", "lm3s6965evb", "-display", "none", "-monitor", "none", "-serial", "stdio"])
            .args(["-semihosting-config", "enable=on,target=native", "-kernel", image])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = qemu.stdout.take().ok_or("QEMU has no output")?;
        let (sender, octets) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer.get(..length).unwrap_or_default().to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { qemu, octets, buffer: Vec::new(), acknowledged: 0, log: Vec::new(), welcome })
    }

    fn write(&mut self, octets: &[u8]) -> Result<()> {
        let input = self.qemu.stdin.as_mut().ok_or("QEMU has no input")?;
        input.write_all(octets)?;
        Ok(input.flush()?)
    }

    /// One round: what has come for the firmware's machines, and what they want.
    fn turn(&mut self, links: &mut [Link; 2], now: Instant) -> Result<()> {
        if let Some(status) = self.qemu.try_wait()? {
            return Err(format!("QEMU has ended: {status}").into());
        }
        for (who, link) in (0..).zip(links.iter_mut()) {
            for (association, news) in link.receive(now) {
                if let Some(frame) = news_frame(who, association, &news) {
                    self.write(&frame)?;
                }
            }
        }
        while let Ok(octets) = self.octets.try_recv() {
            self.buffer.extend(octets);
        }
        while let Some((length, _)) = self.buffer.split_first_chunk() {
            let end = 2 + usize::from(u16::from_be_bytes(*length));
            if self.buffer.len() < end {
                break;
            }
            let frame: Vec<u8> = self.buffer.drain(..end).collect();
            self.wish(links, now, frame.get(2..).unwrap_or_default())?;
        }
        links.iter_mut().for_each(Link::transmit);
        Ok(())
    }

    fn wish(&mut self, links: &mut [Link; 2], now: Instant, frame: &[u8]) -> Result<()> {
        let ([who, kind, a, b, c, d], rest) = frame.split_first_chunk().ok_or("a short frame")?;
        let association = AssociationId::from_bits(u32::from_be_bytes([*a, *b, *c, *d]));
        let link = links.get_mut(usize::from(*who)).ok_or("a frame of nobody")?;
        match kind {
            0 => link.open(now, association, u16::from_be_bytes(*rest.last_chunk().ok_or("no port")?)),
            1 => {
                let (protocol, octets) = rest.split_first_chunk().ok_or("no protocol")?;
                let protocol = PayloadProtocol(u32::from_be_bytes(*protocol));
                let is_acknowledgement = octets.first() == Some(&message_type::ENDPOINT_KEEP_ALIVE_ACK);
                if protocol == PayloadProtocol::ASAP && is_acknowledgement {
                    self.acknowledged += 1;
                }
                link.send(now, association, &OutgoingMessage { protocol, ..OutgoingMessage::new(octets) })?;
            }
            2 | 3 => link.end(now, association),
            // An octet that comes before the device has set up its line is lost, and with it all that follows.
            5 => {
                let welcome = std::mem::take(&mut self.welcome);
                self.write(&welcome)?;
            }
            _ => {
                let line = String::from_utf8_lossy(rest).into_owned();
                println!("firmware: {line}");
                self.log.push(line);
            }
        }
        Ok(())
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// An element on this host, which gives its users back what they send.
struct Echo {
    link: Link,
    element: PoolElement,
    served: u32,
}

impl Echo {
    fn new(number: u32, registrar: SocketAddr) -> Result<Self> {
        let link = Link::new()?;
        let mut element = PoolElement::new(ElementConfig::new(b"host", PeIdentifier(number), link.address())?);
        element.add_registrar(registrar)?;
        element.register(Instant::ZERO);
        Ok(Self { link, element, served: 0 })
    }

    fn turn(&mut self, now: Instant) -> Result<()> {
        let mut requests = Vec::new();
        turn(&mut self.link, &mut self.element, now, |event| {
            if let ElementEvent::Data { session, message } = event {
                requests.push((session, message.octets.to_vec()));
            }
        })?;
        for (session, octets) in requests {
            self.served += 1;
            self.element.send(session, OutgoingMessage::new(&octets))?;
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let image = std::env::args().nth(1).ok_or("which firmware? examples/firmware/run knows")?;
    let mut registrar_link = Link::new()?;
    let registrar_at = registrar_link.address();
    let mut config = RegistrarConfig::new(registrar_at, 1);
    config.keep_alive_interval = Duration::from_secs(1);
    let mut registrar = Registrar::new(config);
    let mut elements = vec![Echo::new(1, registrar_at)?, Echo::new(2, registrar_at)?];

    let mut user_link = Link::new()?;
    let mut user: PoolUser = PoolUser::new(UserConfig::default());
    user.add_registrar(registrar_at)?;
    let pool = PoolHandle::new(b"firmware");
    let session = user.open_session(Instant::ZERO, pool)?;
    user.send(session, OutgoingMessage::new(b"anybody there?"))?;
    let mut answer = None;

    let mut device_links = [Link::new()?, Link::new()?];
    let place = |port: u16| [&[127, 0, 0, 1][..], &port.to_be_bytes()].concat();
    let [us, it] = [device_links[0].port.port, registrar_link.port.port].map(place);
    let mut device = Device::start(&image, frame(0, 5, 0, &[us, it].concat()))?;

    let start = std::time::Instant::now();
    let mut killed = None;
    loop {
        let now = Instant::ZERO + start.elapsed();
        if start.elapsed() > Duration::from_secs(120) {
            return Err(format!("not done within 120 s; the user's answer: {answer:?}, killed: {killed:?}").into());
        }
        turn(&mut registrar_link, &mut registrar, now, |event| println!("registrar: {event:?}"))?;
        for element in &mut elements {
            element.turn(now)?;
        }
        turn(&mut user_link, &mut user, now, |event| {
            if let UserEvent::Data { message, .. } = event {
                println!("user: {}", message.octets.escape_ascii());
                answer = Some(message.octets.to_vec());
            }
        })?;
        device.turn(&mut device_links, now)?;

        match killed {
            // The firmware's user has been served for a while: its element goes away without a word.
            None => {
                if let Some(place) = elements.iter().position(|element| element.served >= 5) {
                    let element = elements.swap_remove(place);
                    println!("host: element {} is killed", element.element.config().identifier());
                    killed = Some(element.element.config().identifier());
                }
            }
            Some(killed) => {
                let is_served_again = elements.iter().all(|element| element.served >= 5);
                let has_failed_over = device.log.iter().any(|line| *line == format!("{killed} is gone"));
                if is_served_again && has_failed_over && answer.is_some() && device.acknowledged >= 2 {
                    break;
                }
            }
        }
        // A real loop waits for its sockets here, until the earliest of all time-outs.
        std::thread::sleep(Duration::from_millis(1));
    }
    let is_registered = registrar.handlespace().find(pool, PeIdentifier(0xf1)).is_some();
    if answer.as_deref() != Some(b"ANYBODY THERE?") || !is_registered {
        return Err(format!("the answer is {answer:?}, registered: {is_registered}").into());
    }
    let acknowledged = device.acknowledged;
    println!("done: registered, resolved, {acknowledged} keep-alives answered, a user served, one failover");
    Ok(())
}
