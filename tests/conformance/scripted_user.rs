//! One user, and a world around it that the test writes: a registrar's answers, and elements that open or fail.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rserpool::pool_user::{PoolUser, UserConfig, UserEvent};
use rserpool::wire::asap::{Body, HandleResolutionResponse, Message, message_type};
use rserpool::wire::{
    CauseCode, ErrorCause, PayloadProtocol, PeIdentifier, Policy, PoolElement, PoolHandle, RegistrationLife, Sequence,
    ServerIdentifier, Transport, TransportUse, Unknown,
};
use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, EndpointBuf, Input, Instant, Machine, OpenFailure, OutgoingMessage,
    Progress, Protocol,
};

use crate::events::Log;

pub(crate) const ASAP: PayloadProtocol = PayloadProtocol::ASAP;
const REGISTRAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// Where an element serves.
pub(crate) fn host(identifier: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 1, 0, identifier as u8))
}

/// An element of the number, at the address of the number, with a control channel.
pub(crate) fn with_elements<R>(identifiers: &[u32], then: impl FnOnce(&[PoolElement<'_>]) -> R) -> R {
    let addresses: Vec<[IpAddr; 1]> = identifiers.iter().map(|identifier| [host(*identifier)]).collect();
    let elements: Vec<PoolElement<'_>> = identifiers
        .iter()
        .zip(&addresses)
        .map(|(identifier, addresses)| PoolElement {
            identifier: PeIdentifier(*identifier),
            home: ServerIdentifier(1),
            life: RegistrationLife(300),
            user_transport: Transport::sctp(7000, TransportUse::DataPlusControl, addresses),
            policy: Policy::RoundRobin,
            asap_transport: None,
            unknown: Unknown::NONE,
        })
        .collect();
    then(&elements)
}

/// What a registrar says of "pool" if these are its elements.
pub(crate) fn response(elements: &[PoolElement<'_>]) -> Vec<u8> {
    encode(Body::HandleResolutionResponse(HandleResolutionResponse {
        pool_handle: PoolHandle::new(b"pool"),
        accept_updates: false,
        policy: None,
        pool_elements: Sequence::new(elements),
        error: None,
    }))
}

pub(crate) fn encode(body: Body<'_>) -> Vec<u8> {
    let message = Message::from(body);
    let mut octets = vec![0; message.encoded_len()];
    message.encode(&mut octets).unwrap();
    octets
}

/// A message that the user has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) to: AssociationId,
    pub(crate) protocol: PayloadProtocol,
    pub(crate) octets: Vec<u8>,
}

pub(crate) struct ScriptedUser {
    pub(crate) user: PoolUser,
    pub(crate) now: Instant,
    /// What was asked to be opened and is not open yet: the element's number, or 0 for the registrar.
    opening: Vec<(AssociationId, u32)>,
    /// The association to the registrar.
    pub(crate) home: Option<AssociationId>,
    /// Whether the registrar's association opens at once.
    is_registrar_there: bool,
    pub(crate) sent: Vec<Sent>,
    pub(crate) ended: Vec<AssociationId>,
    pub(crate) events: Log<UserEvent<'static>>,
}

impl ScriptedUser {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(adjust: impl FnOnce(&mut UserConfig)) -> Self {
        let mut config = UserConfig::default();
        adjust(&mut config);
        let mut user = PoolUser::new(config);
        user.add_registrar(EndpointBuf::single(Protocol::Sctp, REGISTRAR, 3863)).unwrap();
        let (opening, sent, ended, events) = Default::default();
        Self { user, now: Instant::from_millis(1), opening, home: None, is_registrar_there: true, sent, ended, events }
    }

    /// Does something, and what follows: the registrar's association opens at once.
    pub(crate) fn act<R>(&mut self, act: impl FnOnce(&mut PoolUser, Instant) -> R) -> R {
        let result = act(&mut self.user, self.now);
        self.drain();
        result
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.user.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.user.poll_action() {
            match action {
                Action::Open { association, remote, .. } => {
                    let number = match remote.addresses[0] {
                        IpAddr::V4(address) if address.octets()[1] == 1 => address.octets()[3].into(),
                        _ => 0,
                    };
                    self.opening.push((association, number));
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
        if self.is_registrar_there
            && let Some(place) = self.opening.iter().position(|(_, number)| *number == 0)
        {
            let (association, _) = self.opening.remove(place);
            self.home = Some(association);
            let peer = Endpoint { protocol: Protocol::Sctp, addresses: &[REGISTRAR], port: 3863 };
            self.input(Input::Opened { association, peer });
        }
    }

    /// There is another registrar, which is told from the first by its address only.
    pub(crate) fn knows_second_registrar(&mut self) {
        let second = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
        self.user.add_registrar(EndpointBuf::single(Protocol::Sctp, second, 3863)).unwrap();
    }

    /// The registrar does not answer until [`Self::registrar_opens`].
    pub(crate) fn hold_registrar(&mut self) {
        self.is_registrar_there = false;
    }

    /// The registrar can be reached.
    pub(crate) fn registrar_opens(&mut self) {
        self.is_registrar_there = true;
        self.drain();
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.user.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    /// The registrar tells the elements of "pool".
    pub(crate) fn resolved(&mut self, identifiers: &[u32]) {
        self.resolved_with(identifiers, false);
    }

    pub(crate) fn resolved_with(&mut self, identifiers: &[u32], accept_updates: bool) {
        self.pool_resolved(b"pool", identifiers, accept_updates);
    }

    /// The registrar tells the elements of a pool.
    pub(crate) fn resolved_of(&mut self, pool: &[u8], identifiers: &[u32]) {
        self.pool_resolved(pool, identifiers, false);
    }

    fn pool_resolved(&mut self, pool: &[u8], identifiers: &[u32], accept_updates: bool) {
        let octets = with_elements(identifiers, |elements| {
            encode(Body::HandleResolutionResponse(HandleResolutionResponse {
                pool_handle: PoolHandle::new(pool),
                accept_updates,
                policy: None,
                pool_elements: Sequence::new(elements),
                error: None,
            }))
        });
        self.asap(self.home.unwrap(), &octets);
    }

    /// The registrar tells the elements of "pool": the numbers from 1, at these places.
    pub(crate) fn resolved_at(&mut self, transports: &[Transport<'_>]) {
        let identifiers: Vec<u32> = (1..).take(transports.len()).collect();
        let octets = with_elements(&identifiers, |elements| {
            let places = elements.iter().zip(transports);
            let elements: Vec<_> =
                places.map(|(element, at)| PoolElement { user_transport: *at, ..*element }).collect();
            response(&elements)
        });
        self.asap(self.home.unwrap(), &octets);
    }

    /// The registrar does not know "pool".
    pub(crate) fn unknown_pool(&mut self) {
        self.unknown_pool_of(b"pool");
    }

    /// The registrar does not know a pool.
    pub(crate) fn unknown_pool_of(&mut self, pool: &[u8]) {
        let causes = [ErrorCause::new(CauseCode::UNKNOWN_POOL_HANDLE)];
        let octets = encode(Body::HandleResolutionResponse(HandleResolutionResponse {
            pool_handle: PoolHandle::new(pool),
            accept_updates: false,
            policy: None,
            pool_elements: Sequence::empty(),
            error: Some(Sequence::new(&causes)),
        }));
        self.asap(self.home.unwrap(), &octets);
    }

    pub(crate) fn asap(&mut self, association: AssociationId, octets: &[u8]) {
        self.input(Input::Message { association, protocol: ASAP, octets });
    }

    /// The elements that the user wants to reach, and has not yet.
    pub(crate) fn wanted(&self) -> Vec<u32> {
        self.opening.iter().map(|(_, number)| *number).collect()
    }

    pub(crate) fn take_opening(&mut self, number: u32) -> AssociationId {
        let place = self.opening.iter().position(|(_, opening)| *opening == number).expect("it is to be opened");
        self.opening.remove(place).0
    }

    /// An element can be reached.
    #[track_caller]
    pub(crate) fn opens(&mut self, number: u32) -> AssociationId {
        let association = self.take_opening(number);
        let addresses = [host(number)];
        let peer = Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port: 7000 };
        self.input(Input::Opened { association, peer });
        association
    }

    /// An element cannot be reached.
    #[track_caller]
    pub(crate) fn fails(&mut self, number: u32) {
        self.fails_by(number, OpenFailure::Unreachable);
    }

    /// An association with an element does not come to be.
    #[track_caller]
    pub(crate) fn fails_by(&mut self, number: u32, reason: OpenFailure) {
        let association = self.take_opening(number);
        self.input(Input::OpenFailed { association, reason });
    }

    pub(crate) fn closes(&mut self, association: AssociationId, reason: CloseReason) {
        self.input(Input::Closed { association, reason });
    }

    pub(crate) fn undelivered(&mut self, association: AssociationId, text: &str, progress: Progress) {
        let message = OutgoingMessage::new(text.as_bytes());
        self.input(Input::Undelivered { association, message, progress });
    }

    /// The application's messages that went out on an association, in order.
    pub(crate) fn texts(&self, to: AssociationId) -> Vec<String> {
        let texts = self.sent.iter().filter(|sent| sent.to == to && sent.protocol != ASAP);
        texts.map(|sent| String::from_utf8_lossy(&sent.octets).into_owned()).collect()
    }

    /// How many ASAP messages of a type the user has sent on an association.
    pub(crate) fn count(&self, to: AssociationId, kind: u8) -> usize {
        self.sent.iter().filter(|sent| sent.to == to && sent.protocol == ASAP && sent.octets[0] == kind).count()
    }

    /// How many elements it has reported.
    pub(crate) fn reports(&self) -> usize {
        self.home.map_or(0, |home| self.count(home, message_type::ENDPOINT_UNREACHABLE))
    }

    /// How often the registrar was asked.
    pub(crate) fn requests(&self) -> usize {
        self.home.map_or(0, |home| self.count(home, message_type::HANDLE_RESOLUTION))
    }
}

impl Drop for ScriptedUser {
    fn drop(&mut self) {
        self.events.show_after_failure();
    }
}
