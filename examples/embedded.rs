//! An element and a user in a plain event loop: sockets, a clock and the machines, without any adapter. A registrar runs in
//! the same loop, so that the example needs nothing else.
//!
//! ```text
//! cargo run --example embedded
//! ```

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement};
use rserpool::pool_user::{PoolUser, UserConfig, UserEvent};
use rserpool::registrar::{Registrar, RegistrarConfig};
use rserpool::wire::{PeIdentifier, PoolHandle};
use rserpool::{Action, AssociationId, Input, Instant, Machine, OpenFailure, OutgoingMessage, Purpose};
use rserpool_transport::{AssociationHandle, Event, LocalPort, News, SctpConfig, SctpOverUdp, SocketIndex};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A machine with its UDP socket and SCTP on it. Its SCTP port is its UDP port, so that one address says all.
struct Node<M> {
    machine: M,
    socket: UdpSocket,
    sctp: SctpOverUdp,
    port: LocalPort,
    /// The machine names the associations that it opens, this loop those that come in.
    handles: HashMap<AssociationId, AssociationHandle>,
    names: HashMap<AssociationHandle, AssociationId>,
    accepted: u32,
    failed: Vec<AssociationId>,
}

impl<M: Machine> Node<M> {
    fn new(socket: UdpSocket, machine: M) -> Result<Self> {
        socket.set_nonblocking(true)?;
        let port = LocalPort { socket: SocketIndex(0), port: socket.local_addr()?.port() };
        // A real one takes the key, with which cookies are signed, from the operating system's randomness.
        let mut sctp = SctpOverUdp::new(SctpConfig::default(), [7; 16]);
        sctp.listen(port, &[Purpose::Asap, Purpose::Session]);
        let (handles, names) = Default::default();
        Ok(Self { machine, socket, sctp, port, handles, names, accepted: 0, failed: Vec::new() })
    }

    /// One round: what has come, what is due, what is to be done. The application gets the events.
    fn turn(&mut self, now: Instant, mut event: impl FnMut(M::Event<'_>)) -> Result<()> {
        let mut datagram = [0; 2_048];
        while let Ok((length, from)) = self.socket.recv_from(&mut datagram) {
            self.sctp.handle_datagram(now, self.port.socket, from, datagram.get(..length).unwrap_or_default());
        }
        self.sctp.handle_timeout(now);
        for association in std::mem::take(&mut self.failed) {
            self.machine.handle(now, Input::OpenFailed { association, reason: OpenFailure::Unreachable });
        }
        while let Some(happened) = self.sctp.poll_event() {
            self.tell(now, happened);
        }
        self.machine.handle(now, Input::Timeout);
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Open { association, purpose, remote } => {
                    let to = remote.addresses.first().map(|address| SocketAddr::new(*address, remote.port));
                    match to.and_then(|to| self.sctp.open(now, self.port, to, remote.port, purpose).ok()) {
                        Some(handle) => {
                            self.handles.insert(association, handle);
                            self.names.insert(handle, association);
                        }
                        None => self.failed.push(association),
                    }
                }
                Action::Send { association, message } => {
                    if let Some(handle) = self.handles.get(&association) {
                        self.sctp.send(now, *handle, &message)?;
                    }
                }
                Action::Close { association } | Action::Abort { association } => {
                    if let Some(handle) = self.handles.remove(&association) {
                        self.names.remove(&handle);
                        self.sctp.close(now, handle);
                    }
                }
                Action::Event(happened) => event(happened),
                _ => {}
            }
        }
        while let Some(transmit) = self.sctp.poll_transmit() {
            // What cannot be sent is lost, as on any network.
            let _ = self.socket.send_to(&transmit.octets, transmit.to);
        }
        Ok(())
    }

    fn tell(&mut self, now: Instant, Event { association: handle, news }: Event<AssociationHandle>) {
        if let News::Accepted(..) = news {
            self.accepted += 1;
            let name = AssociationId::accepted(self.accepted);
            self.handles.insert(name, handle);
            self.names.insert(handle, name);
        }
        if let Some(association) = self.names.get(&handle).copied() {
            self.machine.handle(now, news.input(association));
        }
    }
}

fn main() -> Result<()> {
    let bind = || UdpSocket::bind((LOCALHOST, 0));
    let [registrar_socket, element_socket, user_socket] = [bind()?, bind()?, bind()?];
    let registrar_at = registrar_socket.local_addr()?;
    let mut registrar = Node::new(registrar_socket, Registrar::new(RegistrarConfig::new(registrar_at, 1)))?;

    let port = element_socket.local_addr()?.port();
    let config = ElementConfig::new(b"echo", PeIdentifier(7), SocketAddr::new(LOCALHOST, port))?;
    let mut element: Node<PoolElement> = Node::new(element_socket, PoolElement::new(config))?;
    element.machine.add_registrar(registrar_at)?;

    let mut user: Node<PoolUser> = Node::new(user_socket, PoolUser::new(UserConfig::default()))?;
    user.machine.add_registrar(registrar_at)?;

    let start = std::time::Instant::now();
    let time = || Instant::ZERO + start.elapsed();
    element.machine.register(time());
    let session = user.machine.open_session(time(), PoolHandle::new(b"echo"))?;
    user.machine.send(session, OutgoingMessage::new(b"anybody there?"))?;
    let mut answered = false;
    while !answered {
        if start.elapsed() > Duration::from_secs(30) {
            return Err("no answer within 30 s".into());
        }
        registrar.turn(time(), |event| println!("registrar: {event:?}"))?;
        let mut echo = None;
        element.turn(time(), |event| match event {
            ElementEvent::Data { session, message } => echo = Some((session, message.octets.to_vec())),
            event => println!("element:   {event:?}"),
        })?;
        if let Some((session, octets)) = echo {
            element.machine.send(session, OutgoingMessage::new(&octets))?;
        }
        user.turn(time(), |event| {
            answered |= matches!(event, UserEvent::Data { .. });
            println!("user:      {event:?}");
        })?;
        // A real loop waits for its sockets here, until the earliest of what `poll_timeout` of machine and transport say.
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
