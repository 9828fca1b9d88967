//! What an element does beside being a member: business cards, leaving in order, changes, resolutions (RFC 5352 §3.1, §3.2,
//! §3.3, §3.9, §6.2, §6.5.2).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement, ResolveError};
use rserpool::wire::asap::{
    Body, DeregistrationResponse, ElementReference, EndpointKeepAlive, HandleResolutionResponse, Message,
    RegistrationResponse, message_type,
};
use rserpool::wire::{
    CauseCode, ErrorCause, IpProtocol, PayloadProtocol, PeIdentifier, Policy, PoolHandle, Sequence, ServerIdentifier,
    TransportUse,
};
use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, EndpointBuf, Input, Instant, Machine, OutgoingMessage, Protocol,
    Purpose, SendBuffer, SendError, UserTransport,
};

use crate::events::{Log, event};
use crate::scripted_user::{ASAP, encode, with_elements};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1));
const REGISTRAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const DATA: PayloadProtocol = PayloadProtocol::UNSPECIFIED;
const SECOND: Duration = Duration::from_secs(1);

fn reference() -> ElementReference<'static> {
    ElementReference { pool_handle: PoolHandle::new(b"pool"), identifier: PeIdentifier(1) }
}

/// One element of "pool", and a world that the test writes. It has room for two users and a registrar.
struct World {
    element: PoolElement<3>,
    now: Instant,
    home: Option<AssociationId>,
    /// What was sent: to whom, as what, which octets.
    sent: Vec<(AssociationId, PayloadProtocol, Vec<u8>)>,
    ended: Vec<AssociationId>,
    events: Log<ElementEvent<'static>>,
}

impl World {
    fn with(transport: UserTransport, adjust: impl FnOnce(&mut ElementConfig)) -> Self {
        let mut config = ElementConfig::new(b"pool", PeIdentifier(1), transport).unwrap();
        adjust(&mut config);
        let mut element = PoolElement::new(config);
        element.add_registrar(EndpointBuf::single(Protocol::Sctp, REGISTRAR, 3863)).unwrap();
        let (sent, ended, events) = Default::default();
        Self { element, now: Instant::from_millis(1), home: None, sent, ended, events }
    }

    /// A member of its pool.
    fn new() -> Self {
        Self::registered_with(|_| {})
    }

    fn registered_with(adjust: impl FnOnce(&mut ElementConfig)) -> Self {
        let mut world = Self::with(transport(TransportUse::DataPlusControl), adjust);
        world.act(|element, now| element.register(now));
        world.accepts();
        assert!(world.element.is_registered());
        world
    }

    fn act<R>(&mut self, act: impl FnOnce(&mut PoolElement<3>, Instant) -> R) -> R {
        let result = act(&mut self.element, self.now);
        self.drain();
        result
    }

    fn input(&mut self, input: Input<'_>) {
        self.element.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        let mut opened = None;
        while let Some(action) = self.element.poll_action() {
            match action {
                Action::Open { association, .. } => opened = Some(association),
                Action::Send { association, message } => {
                    self.sent.push((association, message.protocol, message.octets.to_vec()));
                }
                Action::Close { association } | Action::Abort { association } => self.ended.push(association),
                Action::Event(event) => self.events.push(self.now, event),
                _ => {}
            }
        }
        if let Some(association) = opened {
            self.home = Some(association);
            let peer = Endpoint { protocol: Protocol::Sctp, addresses: &[REGISTRAR], port: 3863 };
            self.input(Input::Opened { association, peer });
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.element.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    fn asap(&mut self, association: AssociationId, body: Body<'_>) {
        let octets = encode(body);
        self.input(Input::Message { association, protocol: ASAP, octets: &octets });
    }

    /// The registrar accepts the registration.
    fn accepts(&mut self) {
        let response = RegistrationResponse { element: reference(), rejected: false, error: None };
        self.asap(self.home.unwrap(), Body::RegistrationResponse(response));
    }

    fn deregisters(&mut self) {
        let response = DeregistrationResponse { element: reference(), error: None };
        self.asap(self.home.unwrap(), Body::DeregistrationResponse(response));
    }

    /// Somebody comes.
    fn comes(&mut self, number: u32) -> AssociationId {
        let association = AssociationId::accepted(number);
        let peer = Endpoint { protocol: Protocol::Sctp, addresses: &[HERE], port: 50_000 };
        self.input(Input::Accepted { association, purpose: Purpose::Session, peer });
        association
    }

    /// A user comes and says something.
    fn user(&mut self, number: u32) -> AssociationId {
        let association = self.comes(number);
        self.input(Input::Message { association, protocol: DATA, octets: b"hello" });
        association
    }

    /// The messages of a type to somebody.
    fn said(&self, to: AssociationId, kind: u8) -> Vec<&[u8]> {
        let said = self
            .sent
            .iter()
            .filter(|(to_whom, protocol, octets)| *to_whom == to && *protocol == ASAP && octets[0] == kind);
        said.map(|(_, _, octets)| octets.as_slice()).collect()
    }

    fn cards(&self, to: AssociationId) -> Vec<Vec<u32>> {
        let cards = self.said(to, message_type::BUSINESS_CARD).into_iter().map(|octets| {
            let Body::BusinessCard(card) = Message::decode(octets).unwrap().message.body else { panic!() };
            assert_eq!(card.pool_handle, PoolHandle::new(b"pool"));
            card.pool_elements.iter().map(|element| element.identifier.0).collect()
        });
        cards.collect()
    }

    /// The users' messages, and the sessions in which they came.
    fn received(&self) -> Vec<(AssociationId, &'static [u8])> {
        self.events.pick(|event| match event {
            ElementEvent::Data { session, message } => Some((session, message.octets)),
            _ => None,
        })
    }

    fn registrations(&self) -> Vec<Policy<'_>> {
        let said = self.said(self.home.unwrap(), message_type::REGISTRATION).into_iter();
        said.map(|octets| match Message::decode(octets).unwrap().message.body {
            Body::Registration(registration) => registration.pool_element.policy,
            _ => panic!(),
        })
        .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.events.show_after_failure();
    }
}

fn transport(transport_use: TransportUse) -> UserTransport {
    UserTransport::sctp(&[HERE], 7000, transport_use).unwrap()
}

#[test]
fn a_user_gets_the_business_card_as_soon_as_it_speaks_and_a_registrar_gets_none() {
    let mut world = World::new();
    let user = world.comes(1);
    assert!(world.cards(user).is_empty());
    world.input(Input::Message { association: user, protocol: DATA, octets: b"hello" });
    world.input(Input::Message { association: user, protocol: DATA, octets: b"again" });
    assert_eq!(world.cards(user), [[1]]);
    let registrar = world.comes(2);
    let keep_alive = EndpointKeepAlive {
        server: ServerIdentifier(9),
        new_home: false,
        pool_handle: PoolHandle::new(b"pool"),
        identifier: None,
    };
    world.asap(registrar, Body::EndpointKeepAlive(keep_alive));
    assert!(world.cards(registrar).is_empty());
    assert_eq!(world.said(registrar, message_type::ENDPOINT_KEEP_ALIVE_ACK).len(), 1);
    // It is no user that could be spoken to.
    assert_eq!(world.element.send(registrar, OutgoingMessage::new(b"x")), Err(SendError::NoSession));
}

#[test]
fn an_element_that_speaks_first_gives_its_card_first() {
    let mut world = World::new();
    let user = world.comes(1);
    world.act(|element, _| element.send(user, OutgoingMessage::new(b"welcome")).unwrap());
    let to_user: Vec<_> = world.sent.iter().filter(|(to, ..)| *to == user).map(|(_, protocol, _)| *protocol).collect();
    assert_eq!(to_user, [ASAP, DATA]);
}

#[test]
fn the_card_holds_the_failover_order_and_a_new_order_is_told_to_users_that_are_there() {
    let mut world = World::new();
    let [first, second] = [world.user(1), world.user(2)];
    world.act(|element, _| with_elements(&[5, 4], |others| element.set_failover_order(others).unwrap()));
    assert_eq!(world.cards(first), [vec![1], vec![1, 5, 4]]);
    assert_eq!(world.cards(second), [vec![1], vec![1, 5, 4]]);
    assert!(world.act(|element, _| with_elements(&[5; 9], |many| element.set_failover_order(many).is_err())));
}

#[test]
fn without_a_control_channel_there_are_neither_cards_nor_cookies() {
    for service in [transport(TransportUse::DataOnly), UserTransport::ip(IpProtocol::Tcp, HERE, 7000)] {
        let mut world = World::with(service, |_| {});
        let user = world.user(1);
        assert!(world.cards(user).is_empty());
        assert_eq!(world.element.send_cookie(user, b"state"), Err(SendError::NoControlChannel));
    }
}

#[test]
fn a_users_card_is_handed_to_the_application() {
    let mut world = World::new();
    let user = world.comes(1);
    with_elements(&[8], |elements| {
        let pool_elements = Sequence::new(elements);
        let card = rserpool::wire::asap::BusinessCard { pool_handle: PoolHandle::new(b"theirs"), pool_elements };
        world.asap(user, Body::BusinessCard(card));
    });
    let card = world.events.pick(|event| match event {
        ElementEvent::BusinessCard { session, card } if session == user => {
            Some((card.pool_handle, card.pool_elements.iter().map(|element| element.identifier.0).collect()))
        }
        _ => None,
    });
    assert_eq!(card, [(PoolHandle::new(b"theirs"), vec![8])]);
    assert_eq!(world.cards(user), [[1]]);
}

#[test]
fn more_users_than_there_is_room_for_are_turned_away() {
    let mut world = World::new();
    let [first, second] = [world.user(1), world.user(2)];
    let third = world.user(3);
    assert_eq!(world.ended, [third]);
    assert_eq!(world.received(), [first, second].map(|user| (user, b"hello".as_slice())));
    // A registrar has a place, and whoever comes and says nothing has it only until somebody else comes.
    let [silent, registrar] = [world.comes(4), world.comes(5)];
    assert_eq!(world.ended, [third, silent]);
    let pool_handle = PoolHandle::new(b"pool");
    let keep_alive = EndpointKeepAlive { server: ServerIdentifier(9), new_home: false, pool_handle, identifier: None };
    world.asap(registrar, Body::EndpointKeepAlive(keep_alive));
    assert_eq!(world.said(registrar, message_type::ENDPOINT_KEEP_ALIVE_ACK).len(), 1);
    world.input(Input::Closed { association: registrar, reason: CloseReason::Shutdown });
    world.input(Input::Closed { association: first, reason: CloseReason::Shutdown });
    assert_eq!(
        world.events.all(event!(ElementEvent::SessionClosed { .. })),
        [ElementEvent::SessionClosed { session: first, reason: CloseReason::Shutdown }]
    );
    let fourth = world.user(6);
    assert_eq!(world.cards(fourth).len(), 1);
}

#[test]
fn a_draining_element_leaves_its_pool_serves_who_is_there_takes_nobody_new_and_tells_when_all_are_gone() {
    let mut world = World::new();
    let user = world.user(1);
    world.act(|element, now| element.drain(now));
    assert_eq!(world.said(world.home.unwrap(), message_type::DEREGISTRATION).len(), 1);
    world.deregisters();
    assert!(world.events.has(event!(ElementEvent::Deregistered)));
    assert!(!world.events.has(event!(ElementEvent::Drained)));
    let late = world.comes(2);
    assert!(world.ended.contains(&late));
    world.input(Input::Message { association: user, protocol: DATA, octets: b"go on" });
    world.act(|element, _| element.send(user, OutgoingMessage::new(b"yes")).unwrap());
    assert_eq!(world.received(), [(user, b"hello".as_slice()), (user, b"go on")]);
    world.input(Input::Closed { association: user, reason: CloseReason::Shutdown });
    assert_eq!(world.events.count(event!(ElementEvent::Drained)), 1);
    world.wait(Duration::from_secs(1000));
    assert_eq!(world.events.count(event!(ElementEvent::Drained)), 1);
    // It may come back.
    world.act(|element, now| element.register(now));
    world.accepts();
    let new = world.user(3);
    assert_eq!(world.received().last(), Some(&(new, b"hello".as_slice())));
}

#[test]
fn a_draining_element_may_send_its_users_away() {
    let mut world = World::new();
    let user = world.user(1);
    world.act(|element, now| element.drain(now));
    world.deregisters();
    world.act(|element, _| element.close_session(user).unwrap());
    assert!(world.ended.contains(&user));
    assert_eq!(world.events.count(event!(ElementEvent::Drained)), 1);
    assert_eq!(world.act(|element, _| element.close_session(user)), Err(SendError::NoSession));
}

#[test]
fn values_that_change_often_are_registered_no_more_often_than_configured_and_the_last_one_counts() {
    let load = |load| Policy::LeastUsed { load };
    let mut world = World::registered_with(|config| {
        config.policy = load(0);
        config.change_interval = 10 * SECOND;
    });
    for value in 1..=5 {
        world.act(|element, now| element.set_policy(now, load(value)));
        world.wait(SECOND);
    }
    assert_eq!(world.registrations(), [load(0)]);
    world.wait(5 * SECOND);
    assert_eq!(world.registrations(), [load(0), load(5)]);
    world.accepts();
    world.wait(60 * SECOND);
    assert_eq!(world.registrations().len(), 2);
    // After a while without changes a new one is told at once.
    world.act(|element, now| element.set_policy(now, load(6)));
    assert_eq!(world.registrations().len(), 3);
}

#[test]
fn a_value_that_changes_during_a_registration_is_registered_after_it() {
    let load = |load| Policy::LeastUsed { load };
    let mut world = World::registered_with(|config| config.policy = load(0));
    world.act(|element, now| element.set_policy(now, load(1)));
    world.act(|element, now| element.set_policy(now, load(2)));
    assert_eq!(world.registrations(), [load(0), load(1)]);
    world.accepts();
    assert_eq!(world.registrations(), [load(0), load(1), load(2)]);
}

#[test]
fn an_element_that_moves_registers_its_new_addresses_and_tells_its_users() {
    let mut world = World::new();
    let user = world.user(1);
    let elsewhere = UserTransport::sctp(&[HERE, REGISTRAR], 7001, TransportUse::DataPlusControl).unwrap();
    world.act(|element, now| element.set_user_transport(now, elsewhere).unwrap());
    let registration = world.said(world.home.unwrap(), message_type::REGISTRATION)[1];
    let Body::Registration(registration) = Message::decode(registration).unwrap().message.body else { panic!() };
    let transport = registration.pool_element.user_transport;
    assert_eq!((transport.port(), transport.addresses().count()), (Some(7001), 2));
    assert_eq!(registration.pool_element.identifier, PeIdentifier(1));
    let card = world.said(user, message_type::BUSINESS_CARD)[1];
    let Body::BusinessCard(card) = Message::decode(card).unwrap().message.body else { panic!() };
    assert_eq!(card.pool_elements.first().unwrap().user_transport.port(), Some(7001));
}

#[test]
fn an_element_resolves_over_the_association_on_which_it_has_registered() {
    let pool = PoolHandle::new(b"other");
    let mut world = World::new();
    let home = world.home.unwrap();
    world.act(|element, now| element.resolve(now, pool).unwrap());
    assert_eq!(world.said(home, message_type::HANDLE_RESOLUTION).len(), 1);
    assert_eq!(world.act(|element, now| element.resolve(now, pool)), Err(ResolveError::Busy));
    with_elements(&[4], |elements| {
        let response = HandleResolutionResponse {
            pool_handle: pool,
            accept_updates: false,
            policy: None,
            pool_elements: Sequence::new(elements),
            error: None,
        };
        world.asap(home, Body::HandleResolutionResponse(response));
        // A second answer is nobody's.
        world.asap(home, Body::HandleResolutionResponse(response));
    });
    let resolved = world.events.pick(|event| match event {
        ElementEvent::Resolved(HandleResolutionResponse { pool_handle, pool_elements, .. }) => {
            Some((pool_handle, pool_elements.iter().map(|element| element.identifier.0).collect()))
        }
        _ => None,
    });
    assert_eq!(resolved, [(pool, vec![4])]);
    let long = [0; 65];
    let too_long = world.act(|element, now| element.resolve(now, PoolHandle::new(&long)));
    assert_eq!(too_long, Err(ResolveError::PoolHandleTooLong));
}

#[test]
fn a_user_that_takes_less_than_is_sent_is_sent_no_more_until_there_is_room() {
    let mut world = World::new();
    let (slow, other) = (world.user(1), world.user(2));
    let say = |world: &mut World, to| world.act(|element, _| element.send(to, OutgoingMessage::new(b"more")));
    world.input(Input::SendBuffer { association: slow, state: SendBuffer::Full });
    assert_eq!(say(&mut world, slow), Err(SendError::Congested));
    assert_eq!(world.act(|element, _| element.send_cookie(slow, b"cookie")), Err(SendError::Congested));
    assert_eq!(say(&mut world, other), Ok(()));
    world.input(Input::SendBuffer { association: slow, state: SendBuffer::HasRoom });
    assert_eq!(world.events.all(event!(ElementEvent::Ready { .. })), [ElementEvent::Ready { session: slow }]);
    assert_eq!(say(&mut world, slow), Ok(()));
}

#[test]
fn an_element_whose_home_dies_while_it_leaves_deregisters_with_the_next() {
    let mut world = World::new();
    let first = world.home.unwrap();
    world.act(|element, now| element.deregister(now));
    assert_eq!(world.said(first, message_type::DEREGISTRATION).len(), 1);
    world.input(Input::Closed { association: first, reason: CloseReason::Lost });
    world.wait(SECOND);
    let next = world.home.unwrap();
    assert_ne!(next, first);
    // ASAP_DEREGISTRATION, length 20, "pool", identifier 1; and no registration.
    let said = world.said(next, message_type::DEREGISTRATION);
    assert_eq!(said, [[2, 0, 0, 20, 0, 9, 0, 8, b'p', b'o', b'o', b'l', 0, 14, 0, 8, 0, 0, 0, 1]]);
    assert!(world.said(next, message_type::REGISTRATION).is_empty());
    world.deregisters();
    assert_eq!(world.events.count(event!(ElementEvent::Deregistered)), 1);
}

#[test]
fn a_registration_whose_registrar_is_gone_before_it_has_answered_is_made_anew_for_the_next_home_only() {
    // RFC 5352 §3.7.1.
    let mut world = World::with(transport(TransportUse::DataPlusControl), |_| {});
    world.act(|element, now| element.register(now));
    let first = world.home.unwrap();
    let registrations_at = |world: &World, home| {
        world.said(home, message_type::REGISTRATION).into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let before = registrations_at(&world, first);
    assert_eq!(before.len(), 1);
    world.input(Input::Closed { association: first, reason: CloseReason::Lost });
    assert!(world.element.is_hunting());
    // T2 would expire after 30 s.
    world.wait(SECOND);
    let next = world.home.unwrap();
    assert_ne!(next, first);
    assert_eq!(registrations_at(&world, first), before);
    assert_eq!(registrations_at(&world, next), before);
    world.accepts();
    assert!(world.element.is_registered());
}

#[test]
fn an_element_takes_an_error_from_anyone_and_neither_answers_nor_leaves() {
    let mut world = World::new();
    let user = world.user(1);
    for from in [world.home.unwrap(), user] {
        let before = world.sent.len();
        let causes = [ErrorCause::new(CauseCode::UNSPECIFIED_ERROR)];
        world.asap(from, Body::Error(Sequence::new(&causes)));
        assert_eq!(world.sent.len(), before);
    }
    assert!(world.ended.is_empty() && world.element.is_registered());
}
