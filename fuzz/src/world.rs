//! A world around a machine: it gives it any sequence of inputs that an adapter could give, and checks after each what
//! must always hold.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use arbitrary::Arbitrary;
use rserpool::wire::{
    PayloadProtocol, PeIdentifier, Policy, PoolElement, RegistrationLife, ServerIdentifier, Transport, TransportUse,
    Unknown, asap, enrp,
};
use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, Input, Instant, Machine, MulticastGroup, OpenFailure,
    OutgoingMessage, Progress, Protocol, Purpose, SendBuffer,
};

use crate::messages::{AsapMessage, EnrpMessage};

/// Something that happens.
#[derive(Arbitrary, Debug)]
pub enum Step {
    /// Milliseconds pass.
    Wait(u16),
    /// Time passes until the machine wants to be called.
    WaitForTimeout,
    /// An association comes in.
    Accepted(u8),
    /// One of the associations that are being opened is open.
    Opened(u8),
    /// It is not.
    OpenFailed(u8, u8),
    /// An open association ends.
    Closed(u8, u8),
    /// A message that was sent on an association of late has not arrived.
    Undelivered(u8, bool, Vec<u8>),
    /// The send buffer of an association is full, or has room.
    SendBuffer(u8, bool),
    /// A well-formed ASAP message comes on an open association.
    Asap(u8, AsapMessage),
    /// A well-formed ENRP message.
    Enrp(u8, EnrpMessage),
    /// Any octets.
    Octets(u8, u8, Vec<u8>),
    /// A multicast announcement.
    Announcement(AsapMessage),
    /// Any octets as an announcement.
    Datagram(Vec<u8>),
    /// A multicast message among registrars.
    RegistrarAnnouncement(EnrpMessage),
}

/// An element for a business card.
#[must_use]
pub const fn card_element(number: u8) -> PoolElement<'static> {
    const ADDRESSES: &[IpAddr] = &[IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7))];
    PoolElement {
        identifier: PeIdentifier(number as u32),
        home: ServerIdentifier::NONE,
        life: RegistrationLife::INFINITE,
        user_transport: Transport::sctp(7_000, TransportUse::DataPlusControl, ADDRESSES),
        policy: Policy::RoundRobin,
        asap_transport: None,
        unknown: Unknown::NONE,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Opening,
    Open,
}

/// The world.
#[derive(Debug, Default)]
pub struct World {
    /// The time.
    pub now: Instant,
    associations: BTreeMap<AssociationId, Standing>,
    accepted: u32,
    /// The last associations that the machine has ended.
    ended: VecDeque<AssociationId>,
}

impl World {
    /// The associations of a standing, picked by a number.
    fn pick(&self, standing: Standing, number: u8) -> Option<AssociationId> {
        let some: Vec<_> = self.associations.iter().filter(|(_, s)| **s == standing).map(|(a, _)| *a).collect();
        some.get(usize::from(number) % some.len().max(1)).copied()
    }

    /// An open association, picked by a number.
    #[must_use]
    pub fn open_association(&self, number: u8) -> Option<AssociationId> {
        self.pick(Standing::Open, number)
    }

    /// An association that is open, or that has ended not long ago.
    fn pick_recent(&self, number: u8) -> Option<AssociationId> {
        let open = self.associations.iter().filter(|(_, standing)| **standing == Standing::Open).map(|(a, _)| *a);
        let some: Vec<_> = open.chain(self.ended.iter().copied()).collect();
        some.get(usize::from(number) % some.len().max(1)).copied()
    }

    /// Lets something happen to a machine.
    pub fn step<M: Machine>(&mut self, machine: &mut M, step: &Step) {
        let addresses = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))];
        let peer = |number: u16| Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port: number };
        match step {
            Step::Wait(millis) => {
                self.now = self.now + Duration::from_millis((*millis).into());
                machine.handle(self.now, Input::Timeout);
            }
            Step::WaitForTimeout => {
                if let Some(at) = machine.poll_timeout() {
                    self.now = self.now.max(at);
                }
                machine.handle(self.now, Input::Timeout);
            }
            Step::Accepted(number) => {
                self.accepted += 1;
                let association = AssociationId::accepted(self.accepted);
                self.associations.insert(association, Standing::Open);
                let purpose = if number % 2 == 0 { Purpose::Asap } else { Purpose::Enrp };
                machine.handle(self.now, Input::Accepted { association, purpose, peer: peer((*number).into()) });
            }
            Step::Opened(number) => {
                let Some(association) = self.pick(Standing::Opening, *number) else { return };
                self.associations.insert(association, Standing::Open);
                machine.handle(self.now, Input::Opened { association, peer: peer(3863) });
            }
            Step::OpenFailed(number, reason) => {
                let Some(association) = self.pick(Standing::Opening, *number) else { return };
                self.associations.remove(&association);
                let reason = match reason % 3 {
                    0 => OpenFailure::Unreachable,
                    1 => OpenFailure::Unsupported,
                    _ => OpenFailure::Local,
                };
                machine.handle(self.now, Input::OpenFailed { association, reason });
            }
            Step::Closed(number, reason) => {
                let Some(association) = self.open_association(*number) else { return };
                self.associations.remove(&association);
                let reason = match reason % 3 {
                    0 => CloseReason::Shutdown,
                    1 => CloseReason::Aborted,
                    _ => CloseReason::Lost,
                };
                machine.handle(self.now, Input::Closed { association, reason });
            }
            Step::Undelivered(number, sent, octets) => {
                let Some(association) = self.pick_recent(*number) else { return };
                let message = OutgoingMessage::new(octets);
                let progress = if *sent { Progress::Unacknowledged } else { Progress::Unsent };
                machine.handle(self.now, Input::Undelivered { association, message, progress });
            }
            Step::SendBuffer(number, full) => {
                let Some(association) = self.open_association(*number) else { return };
                let state = if *full { SendBuffer::Full } else { SendBuffer::HasRoom };
                machine.handle(self.now, Input::SendBuffer { association, state });
            }
            Step::Asap(number, message) => {
                message.with(|message| self.message(machine, *number, PayloadProtocol::ASAP, |b| message.encode(b)));
            }
            Step::Enrp(number, message) => {
                message.with(|message| self.message(machine, *number, PayloadProtocol::ENRP, |b| message.encode(b)));
            }
            Step::Octets(number, protocol, octets) => {
                let Some(association) = self.open_association(*number) else { return };
                let protocol = match protocol % 3 {
                    0 => PayloadProtocol::ASAP,
                    1 => PayloadProtocol::ENRP,
                    _ => PayloadProtocol::UNSPECIFIED,
                };
                machine.handle(self.now, Input::Message { association, protocol, octets });
            }
            Step::Announcement(message) => message.with(|message| {
                self.announce(machine, MulticastGroup::Asap, message.encoded_len(), |b| message.encode(b));
            }),
            Step::Datagram(octets) => self.datagram(machine, MulticastGroup::Asap, octets),
            Step::RegistrarAnnouncement(message) => message.with(|message| {
                self.announce(machine, MulticastGroup::Enrp, message.encoded_len(), |b| message.encode(b));
            }),
        }
        self.drain(machine);
    }

    fn message<M: Machine, E>(
        &self,
        machine: &mut M,
        number: u8,
        protocol: PayloadProtocol,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) {
        let Some(association) = self.open_association(number) else { return };
        let mut buffer = vec![0; 70_000];
        if let Ok(length) = encode(&mut buffer) {
            machine.handle(self.now, Input::Message { association, protocol, octets: &buffer[..length] });
        }
    }

    fn announce<M: Machine, E>(
        &self,
        machine: &mut M,
        group: MulticastGroup,
        length: usize,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) {
        let mut buffer = vec![0; length];
        if let Ok(length) = encode(&mut buffer) {
            self.datagram(machine, group, &buffer[..length]);
        }
    }

    fn datagram<M: Machine>(&self, machine: &mut M, group: MulticastGroup, octets: &[u8]) {
        let from = SocketAddr::from(([10, 0, 0, 9], 3863));
        machine.handle(self.now, Input::Datagram { group, from, octets });
    }

    /// Does what the machine wants, and checks that an adapter could.
    pub fn drain<M: Machine>(&mut self, machine: &mut M) {
        while let Some(action) = machine.poll_action() {
            match action {
                Action::Open { association, remote, .. } => {
                    assert!(!remote.addresses.is_empty());
                    assert!(!association.is_accepted(), "the machine names its own");
                    let old = self.associations.insert(association, Standing::Opening);
                    assert_eq!(old, None, "{association} was in use");
                }
                Action::Send { association, message } => {
                    let standing = self.associations.get(&association);
                    assert_eq!(standing, Some(&Standing::Open), "{association} cannot be sent on");
                    assert!(!message.octets.is_empty());
                    match message.protocol {
                        PayloadProtocol::ASAP => assert!(asap::Message::decode(message.octets).is_ok()),
                        PayloadProtocol::ENRP => assert!(enrp::Message::decode(message.octets).is_ok()),
                        _ => {}
                    }
                }
                Action::Close { association } | Action::Abort { association } => {
                    self.associations.remove(&association);
                    self.ended.push_back(association);
                    if self.ended.len() > 4 {
                        self.ended.pop_front();
                    }
                }
                Action::Multicast { group: MulticastGroup::Enrp, octets } => {
                    assert!(enrp::Message::decode(octets).is_ok());
                }
                Action::Multicast { octets, .. } => assert!(asap::Message::decode(octets).is_ok()),
                _ => {}
            }
        }
    }

    /// What must hold for a machine's timeout: it is not so far in the past that the machine has forgotten it.
    pub fn check_timeout<M: Machine>(&mut self, machine: &mut M) {
        for _ in 0..10_000 {
            if machine.poll_timeout().is_none_or(|at| at > self.now) {
                return;
            }
            machine.handle(self.now, Input::Timeout);
            self.drain(machine);
        }
        panic!("the machine wants to be called again and again at the same time");
    }
}
