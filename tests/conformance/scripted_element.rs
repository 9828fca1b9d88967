//! One element, and a world around it that the test writes: registrars that can be reached or not, and what they say.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement};
use rserpool::wire::asap::{
    Body, DeregistrationResponse, ElementReference, EndpointKeepAlive, RegistrationResponse, message_type,
};
use rserpool::wire::{PayloadProtocol, PeIdentifier, PoolHandle, ServerIdentifier, TransportUse};
use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, EndpointBuf, Input, Instant, Machine, OpenFailure, Protocol, Purpose,
    UserTransport,
};

use crate::events::Log;
use crate::scripted_user::{ASAP, Sent, encode};

/// Where the element serves.
pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1));

/// Where the registrar of a number is.
pub(crate) fn registrar(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))
}

pub(crate) fn reference() -> ElementReference<'static> {
    ElementReference { pool_handle: PoolHandle::new(b"pool"), identifier: PeIdentifier(1) }
}

pub(crate) struct ScriptedElement {
    pub(crate) element: PoolElement,
    pub(crate) now: Instant,
    accepted: u32,
    /// What was asked for and is not open yet: the registrar's number.
    opening: Vec<(AssociationId, u8)>,
    /// When associations were asked for, and with which registrars.
    pub(crate) attempts: Vec<(Instant, u8)>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) ended: Vec<AssociationId>,
    pub(crate) events: Log<ElementEvent<'static>>,
}

impl ScriptedElement {
    /// An element that knows the registrars of these numbers.
    pub(crate) fn new(registrars: &[u8]) -> Self {
        Self::with(registrars, |_| {})
    }

    pub(crate) fn with(registrars: &[u8], adjust: impl FnOnce(&mut ElementConfig)) -> Self {
        let transport = UserTransport::sctp(&[HERE], 7000, TransportUse::DataPlusControl).unwrap();
        let mut config = ElementConfig::new(b"pool", PeIdentifier(1), transport).unwrap();
        adjust(&mut config);
        let mut element = PoolElement::new(config);
        for number in registrars {
            element.add_registrar(EndpointBuf::single(Protocol::Sctp, registrar(*number), 3863)).unwrap();
        }
        let (opening, attempts, sent, ended, events) = Default::default();
        Self { element, now: Instant::from_millis(1), accepted: 0, opening, attempts, sent, ended, events }
    }

    /// A member of its pool, whose home is registrar 1, over the association that is returned.
    pub(crate) fn registered() -> (Self, AssociationId) {
        Self::registered_with(&[1])
    }

    /// A member of its pool that knows these registrars. The first is its home.
    pub(crate) fn registered_with(registrars: &[u8]) -> (Self, AssociationId) {
        let mut scripted = Self::new(registrars);
        scripted.act(|element, now| element.register(now));
        let home = scripted.opens(registrars[0]);
        scripted.accepts(home);
        assert!(scripted.element.is_registered());
        scripted.clear();
        (scripted, home)
    }

    /// Forgets what the element has done.
    pub(crate) fn clear(&mut self) {
        self.attempts.clear();
        self.sent.clear();
        self.ended.clear();
        self.events.clear();
    }

    pub(crate) fn act<R>(&mut self, act: impl FnOnce(&mut PoolElement, Instant) -> R) -> R {
        let result = act(&mut self.element, self.now);
        self.drain();
        result
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.element.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.element.poll_action() {
            match action {
                Action::Open { association, remote, .. } => {
                    let IpAddr::V4(address) = remote.addresses[0] else { panic!("no registrar") };
                    let number = address.octets()[3];
                    self.opening.push((association, number));
                    self.attempts.push((self.now, number));
                }
                Action::Send { association, message } => self.sent.push(Sent {
                    to: association,
                    protocol: message.protocol,
                    octets: message.octets.to_vec(),
                }),
                Action::Close { association } | Action::Abort { association } => {
                    self.opening.retain(|(opening, _)| *opening != association);
                    self.ended.push(association);
                }
                Action::Event(event) => self.events.push(self.now, event),
                _ => {}
            }
        }
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.element.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    /// The registrars that the element wants to reach, and has not yet.
    pub(crate) fn wanted(&self) -> Vec<u8> {
        self.opening.iter().map(|(_, number)| *number).collect()
    }

    #[track_caller]
    fn take_opening(&mut self, number: u8) -> AssociationId {
        let place = self.opening.iter().position(|(_, opening)| *opening == number).expect("it is to be opened");
        self.opening.remove(place).0
    }

    /// A registrar can be reached.
    #[track_caller]
    pub(crate) fn opens(&mut self, number: u8) -> AssociationId {
        let association = self.take_opening(number);
        let addresses = [registrar(number)];
        let peer = Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port: 3863 };
        self.input(Input::Opened { association, peer });
        association
    }

    /// A registrar cannot be reached.
    #[track_caller]
    pub(crate) fn fails(&mut self, number: u8) {
        let association = self.take_opening(number);
        self.input(Input::OpenFailed { association, reason: OpenFailure::Unreachable });
    }

    /// A registrar comes.
    pub(crate) fn comes(&mut self, number: u8) -> AssociationId {
        self.accepted += 1;
        let association = AssociationId::accepted(self.accepted);
        let addresses = [registrar(number)];
        let peer = Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port: 3863 };
        self.input(Input::Accepted { association, purpose: Purpose::Asap, peer });
        association
    }

    pub(crate) fn closes(&mut self, association: AssociationId, reason: CloseReason) {
        self.input(Input::Closed { association, reason });
    }

    pub(crate) fn hears(&mut self, association: AssociationId, body: Body<'_>) {
        let octets = encode(body);
        self.input(Input::Message { association, protocol: ASAP, octets: &octets });
    }

    /// The registrar accepts the registration.
    pub(crate) fn accepts(&mut self, association: AssociationId) {
        let response = RegistrationResponse { element: reference(), rejected: false, error: None };
        self.hears(association, Body::RegistrationResponse(response));
    }

    /// The registrar removes the element, as it was asked to.
    pub(crate) fn removes(&mut self, association: AssociationId) {
        let response = DeregistrationResponse { element: reference(), error: None };
        self.hears(association, Body::DeregistrationResponse(response));
    }

    /// The registrar of a number asks whether the element is there.
    pub(crate) fn asks(&mut self, association: AssociationId, number: u8, wants: Wants) {
        let keep_alive = EndpointKeepAlive {
            server: ServerIdentifier(number.into()),
            new_home: wants == Wants::ToBeHome,
            pool_handle: PoolHandle::new(b"pool"),
            identifier: None,
        };
        self.hears(association, Body::EndpointKeepAlive(keep_alive));
    }

    /// The types of the ASAP messages that went out on an association, in order.
    pub(crate) fn types(&self, to: AssociationId) -> Vec<u8> {
        let sent = self.sent.iter().filter(|sent| sent.to == to && sent.protocol == PayloadProtocol::ASAP);
        sent.map(|sent| sent.octets[0]).collect()
    }

    /// How often an element has said that it is there.
    pub(crate) fn acknowledged(&self) -> usize {
        let is_ack = |sent: &&Sent| sent.octets[0] == message_type::ENDPOINT_KEEP_ALIVE_ACK && sent.protocol == ASAP;
        self.sent.iter().filter(is_ack).count()
    }
}

impl Drop for ScriptedElement {
    fn drop(&mut self) {
        self.events.show_after_failure();
    }
}

/// What a registrar wants that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// To know whether the element is there.
    ToKnow,
    /// To be its home (the H flag).
    ToBeHome,
}
