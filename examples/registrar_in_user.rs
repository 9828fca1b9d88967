//! A registrar as a part of a program that uses pools: registrar, element and user in one process, and no socket between
//! them. What a machine sends is handed to the other one.
//!
//! ```text
//! cargo run --example registrar_in_user
//! ```

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement};
use rserpool::pool_user::{PoolUser, UserConfig, UserEvent};
use rserpool::registrar::{Registrar, RegistrarConfig};
use rserpool::wire::{PayloadProtocol, PeIdentifier, PoolHandle};
use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, Input, Instant, Machine, OutgoingMessage, Protocol, Purpose,
};

/// Where the three are: each has a host of its own, as far as addresses go.
const REGISTRAR: u8 = 1;
const ELEMENT: u8 = 2;
const USER: u8 = 3;

const fn host(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, number))
}

/// Something on its way to a machine.
enum Mail {
    Opened(AssociationId, u8),
    Accepted(AssociationId, u8),
    Closed(AssociationId, CloseReason),
    Message(AssociationId, PayloadProtocol, Vec<u8>),
}

/// What lies between the machines.
#[derive(Default)]
struct Switch {
    mail: VecDeque<(u8, Mail)>,
    /// Each association's other end.
    ends: HashMap<(u8, AssociationId), (u8, AssociationId)>,
    accepted: u32,
}

impl Switch {
    /// Takes all actions of the machine at `from`; its events go to `event`.
    fn collect<M: Machine>(&mut self, from: u8, machine: &mut M, mut event: impl FnMut(M::Event<'_>)) {
        while let Some(action) = machine.poll_action() {
            match action {
                Action::Open { association, remote, .. } => {
                    let to =
                        [REGISTRAR, ELEMENT, USER].into_iter().find(|number| remote.addresses.contains(&host(*number)));
                    let Some(to) = to else { continue };
                    self.accepted += 1;
                    let accepted = AssociationId::accepted(self.accepted);
                    self.ends.insert((from, association), (to, accepted));
                    self.ends.insert((to, accepted), (from, association));
                    self.mail.push_back((to, Mail::Accepted(accepted, from)));
                    self.mail.push_back((from, Mail::Opened(association, to)));
                }
                Action::Send { association, message } => {
                    if let Some((to, there)) = self.ends.get(&(from, association)) {
                        let message = Mail::Message(*there, message.protocol, message.octets.to_vec());
                        self.mail.push_back((*to, message));
                    }
                }
                Action::Close { association } | Action::Abort { association } => {
                    if let Some((to, there)) = self.ends.remove(&(from, association)) {
                        self.ends.remove(&(to, there));
                        self.mail.push_back((to, Mail::Closed(there, CloseReason::Shutdown)));
                    }
                }
                Action::Event(happened) => event(happened),
                _ => {}
            }
        }
    }
}

/// Hands a piece of mail to its machine.
fn deliver<M: Machine>(machine: &mut M, now: Instant, mail: &Mail) {
    let addresses = match mail {
        Mail::Opened(_, peer) | Mail::Accepted(_, peer) => [host(*peer)],
        _ => [host(0)],
    };
    let peer = Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port: 3863 };
    machine.handle(
        now,
        match mail {
            Mail::Opened(association, _) => Input::Opened { association: *association, peer },
            Mail::Accepted(association, _) => {
                Input::Accepted { association: *association, purpose: Purpose::Asap, peer }
            }
            Mail::Closed(association, reason) => Input::Closed { association: *association, reason: *reason },
            Mail::Message(association, protocol, octets) => {
                Input::Message { association: *association, protocol: *protocol, octets }
            }
        },
    );
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let at = |number| SocketAddr::new(host(number), 3863);
    let mut registrar = Registrar::new(RegistrarConfig::new(at(REGISTRAR), 1));

    let mut element: PoolElement = PoolElement::new(ElementConfig::new(b"echo", PeIdentifier(7), at(ELEMENT))?);
    element.add_registrar(at(REGISTRAR))?;

    let mut user: PoolUser = PoolUser::new(UserConfig::default());
    user.add_registrar(at(REGISTRAR))?;

    let mut now = Instant::from_millis(1);
    registrar.handle(now, Input::Timeout);
    element.register(now);
    let mut session = None;
    let mut switch = Switch::default();
    loop {
        switch.collect(REGISTRAR, &mut registrar, |event| println!("registrar: {event:?}"));
        let mut echo = None;
        switch.collect(ELEMENT, &mut element, |event| match event {
            ElementEvent::Data { session, message } => echo = Some((session, message.octets.to_vec())),
            event => println!("element:   {event:?}"),
        });
        if let Some((session, octets)) = echo {
            element.send(session, OutgoingMessage::new(&octets))?;
            continue;
        }
        let mut answered = false;
        switch.collect(USER, &mut user, |event| {
            answered |= matches!(event, UserEvent::Data { .. });
            println!("user:      {event:?}");
        });
        if answered {
            return Ok(());
        }
        if element.is_registered() && session.is_none() {
            let opened = user.open_session(now, PoolHandle::new(b"echo"))?;
            user.send(opened, OutgoingMessage::new(b"anybody there?"))?;
            session = Some(opened);
            continue;
        }
        let Some((to, mail)) = switch.mail.pop_front() else {
            // Nothing is under way: time passes until a machine wants to be called.
            let next = [registrar.poll_timeout(), element.poll_timeout(), user.poll_timeout()];
            now = next.into_iter().flatten().min().ok_or("nobody waits for anything")?.max(now);
            registrar.handle(now, Input::Timeout);
            element.handle(now, Input::Timeout);
            user.handle(now, Input::Timeout);
            continue;
        };
        match to {
            REGISTRAR => deliver(&mut registrar, now, &mail),
            ELEMENT => deliver(&mut element, now, &mail),
            _ => deliver(&mut user, now, &mail),
        }
    }
}
