//! Sessions: an element at a time, failover, cookies, unreachable reports (RFC 5352 §3.5, §3.8).

use std::time::Duration;

use rserpool::SendError;
use rserpool::pool_element::ElementEvent;
use rserpool::pool_user::{OpenError, PoolUser, SessionId, UserEvent};
use rserpool::wire::asap::message_type;
use rserpool::wire::{PayloadProtocol, PeIdentifier, PoolHandle, ServerIdentifier};
use rserpool::{AssociationId, CloseReason, IncomingMessage, Input, OutgoingMessage};

use crate::events::event;
use crate::network::{Network, NodeId, address};
use crate::scripted_user::ScriptedUser;

const ASAP: PayloadProtocol = PayloadProtocol::ASAP;
const DATA: PayloadProtocol = PayloadProtocol::UNSPECIFIED;
const SECOND: Duration = Duration::from_secs(1);

struct Pool {
    net: Network,
    registrar: NodeId,
    elements: Vec<NodeId>,
    user: NodeId,
    session: SessionId,
}

/// A pool of elements with the identifiers 1, 2, …, and a user with a session.
fn pool(elements: u32) -> Pool {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let elements = (1..=elements)
        .map(|identifier| {
            let element = net.element("pool", identifier, &[registrar]);
            net.run(SECOND);
            element
        })
        .collect();
    let user = net.user(&[registrar]);
    let session = net.with_user(user, |user, now| user.open_session(now, PoolHandle::from("pool")).unwrap());
    net.wait(SECOND, |net| net.events(user).has(event!(UserEvent::Established { .. })));
    Pool { net, registrar, elements, user, session }
}

impl Pool {
    /// The session's elements, one after the other, and how many it had before each of them.
    fn established(&self) -> Vec<(u32, u32)> {
        self.net.events(self.user).pick(|event: UserEvent<'_>| match event {
            UserEvent::Established { session, identifier, failovers } if session == self.session => {
                Some((identifier.0, failovers))
            }
            _ => None,
        })
    }

    fn send(&mut self, text: &[u8]) -> Result<(), SendError> {
        let session = self.session;
        self.net.with_user(self.user, |user, _| user.send(session, OutgoingMessage::new(text)))
    }

    /// The session as the element names it.
    fn session_at(&self, element: NodeId) -> AssociationId {
        // The last association that an element has accepted is the user's; names are given one after the other.
        let accepted = self.net.events(element).pick(|event: ElementEvent<'_>| match event {
            ElementEvent::Accepted { session, .. } => Some(session),
            _ => None,
        });
        *accepted.last().unwrap()
    }
}

/// The messages that an element has got from users.
fn received(net: &Network, element: NodeId) -> Vec<&'static [u8]> {
    net.events(element).pick(|event: ElementEvent<'static>| match event {
        ElementEvent::Data { message, .. } => Some(message.octets),
        _ => None,
    })
}

#[test]
fn messages_sent_before_the_session_has_an_element_arrive_in_order() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element("pool", 1, &[registrar]);
    net.run(SECOND);
    let user = net.user(&[registrar]);
    net.with_user(user, |user, now| {
        let session = user.open_session(now, PoolHandle::from("pool")).unwrap();
        for text in [b"one".as_slice(), b"two", b"three"] {
            user.send(session, OutgoingMessage::new(text)).unwrap();
        }
    });
    net.run(SECOND);
    assert_eq!(received(&net, element), [b"one".as_slice(), b"two", b"three"]);
}

#[test]
fn when_the_element_dies_the_session_goes_on_with_the_next_and_brings_the_last_cookie_first() {
    let mut pool = pool(3);
    let (first, second) = (pool.elements[0], pool.elements[1]);
    let at_first = pool.session_at(first);
    for cookie in [b"old cookie", b"new cookie"] {
        pool.net.with_element(first, |element, _| element.send_cookie(at_first, cookie).unwrap());
    }
    pool.net.run(SECOND);
    pool.net.kill(first);
    pool.net.run(Duration::from_millis(100));
    // Nobody has noticed yet; what is sent now is lost with the element.
    pool.net.run(SECOND);
    pool.send(b"request").unwrap();
    pool.net.run(SECOND);
    let echoes = pool.net.messages(pool.user, second, ASAP, message_type::COOKIE_ECHO);
    assert_eq!(echoes.len(), 1);
    assert_eq!(echoes[0].octets[8..18], *b"new cookie");
    // RFC 5352 §3.8: the cookie is the first message.
    let to_second: Vec<_> = pool.net.sent.iter().filter(|s| (s.from, s.to) == (pool.user, second)).collect();
    assert_eq!(to_second[0].protocol, ASAP);
    assert_eq!(to_second[1].protocol, DATA);
    let at_second = pool.session_at(second);
    assert_eq!(
        pool.net.events(second).all(event!(ElementEvent::CookieEcho { .. })),
        [ElementEvent::CookieEcho { session: at_second, cookie: b"new cookie" }]
    );
    assert_eq!(pool.established(), [(1, 0), (2, 1)]);
}

#[test]
fn a_first_session_echoes_no_cookie() {
    let pool = pool(1);
    assert!(pool.net.messages(pool.user, pool.elements[0], ASAP, message_type::COOKIE_ECHO).is_empty());
}

#[test]
fn a_dead_element_is_reported_once_for_each_failure() {
    let mut pool = pool(2);
    pool.net.kill(pool.elements[0]);
    pool.net.run(Duration::from_secs(10));
    let reports = pool.net.messages(pool.user, pool.registrar, ASAP, message_type::ENDPOINT_UNREACHABLE);
    assert_eq!(reports.len(), 1);
    assert_eq!(pool.net.table(pool.registrar), [(2, 0x100)]);
}

#[test]
fn an_element_that_the_application_gives_up_is_reported_and_left() {
    let mut pool = pool(2);
    let session = pool.session;
    pool.net.with_user(pool.user, |user, now| user.report_failure(now, session));
    pool.net.run(SECOND);
    assert_eq!(pool.established(), [(1, 0), (2, 1)]);
    assert_eq!(pool.net.messages(pool.user, pool.registrar, ASAP, message_type::ENDPOINT_UNREACHABLE).len(), 1);
}

#[test]
fn with_all_elements_dead_the_session_waits_for_a_new_one() {
    let mut pool = pool(2);
    for element in pool.elements.clone() {
        pool.net.kill(element);
    }
    pool.net.run(Duration::from_secs(10));
    pool.send(b"to whom it may concern").unwrap();
    let requests = pool.net.messages(pool.user, pool.registrar, ASAP, message_type::HANDLE_RESOLUTION).len();
    assert!(requests <= 12, "{requests} requests in 10 s");
    let registrar = pool.registrar;
    let newcomer = pool.net.element("pool", 3, &[registrar]);
    pool.net.wait(Duration::from_secs(6), |net| !received(net, newcomer).is_empty());
    assert_eq!(received(&pool.net, newcomer), [b"to whom it may concern"]);
}

#[test]
fn a_session_survives_the_death_of_its_registrar() {
    let mut pool = pool(2);
    pool.net.kill(pool.registrar);
    pool.net.run(Duration::from_secs(2));
    pool.send(b"still there?").unwrap();
    pool.net.run(SECOND);
    assert_eq!(received(&pool.net, pool.elements[0]), [b"still there?"]);
    // The cache names the second element.
    pool.net.kill(pool.elements[0]);
    pool.net.run(Duration::from_secs(2));
    assert_eq!(pool.established(), [(1, 0), (2, 1)]);
}

#[test]
fn a_request_whose_registrar_is_gone_before_it_has_answered_is_made_anew_for_the_next_home_only() {
    // RFC 5352 §3.7.1.
    let mut user = ScriptedUser::new();
    user.act(|user, now| user.open_session(now, PoolHandle::new(b"pool")).unwrap());
    let first = user.home.unwrap();
    let requests_at = |user: &ScriptedUser, home| {
        let to_home = user.sent.iter().filter(|sent| sent.to == home);
        to_home.map(|sent| sent.octets.clone()).collect::<Vec<_>>()
    };
    let before = requests_at(&user, first);
    assert_eq!((before.len(), before[0][0]), (1, message_type::HANDLE_RESOLUTION));
    user.closes(first, CloseReason::Lost);
    assert!(user.user.is_hunting());
    // T1 would expire after 15 s.
    user.wait(SECOND);
    let next = user.home.unwrap();
    assert_ne!(next, first);
    assert_eq!(requests_at(&user, first), before);
    assert_eq!(requests_at(&user, next), before);
    user.resolved(&[1]);
    assert_eq!(user.wanted(), [1]);
}

#[test]
fn full_queues_and_wrong_messages_are_errors_and_change_nothing() {
    let mut pool = pool(1);
    let session = pool.session;
    let big = vec![0; 100_000];
    assert_eq!(pool.send(&big), Err(SendError::Full));
    assert_eq!(pool.send(b""), Err(SendError::Empty));
    pool.net.with_user(pool.user, |user, now| {
        let wrong = OutgoingMessage { protocol: ASAP, ..OutgoingMessage::new(b"x") };
        assert_eq!(user.send(session, wrong), Err(SendError::ReservedProtocol));
        user.close_session(session);
        assert_eq!(user.send(session, OutgoingMessage::new(b"x")), Err(SendError::NoSession));
        // Room for four sessions, and for four pools.
        for pool in ["a", "b", "c", "d"] {
            user.open_session(now, PoolHandle::from(pool)).unwrap();
        }
        assert_eq!(user.open_session(now, PoolHandle::from("e")), Err(OpenError::NoRoom));
        let long = "x".repeat(65);
        assert_eq!(user.resolve(now, PoolHandle::from(long.as_str())), Err(OpenError::PoolHandleTooLong));
    });
}

#[test]
fn answers_come_back_on_the_session() {
    let mut pool = pool(1);
    pool.send(b"question").unwrap();
    pool.net.run(SECOND);
    let element = pool.elements[0];
    let session = pool.session_at(element);
    pool.net.with_element(element, |element, _| element.send(session, OutgoingMessage::new(b"answer")).unwrap());
    pool.net.run(SECOND);
    let answers = pool.net.events(pool.user).all(event!(UserEvent::Data { .. }));
    let message = IncomingMessage { protocol: DATA, octets: b"answer" };
    assert_eq!(answers, [UserEvent::Data { session: pool.session, identifier: PeIdentifier(1), message }]);
}

#[test]
fn the_association_with_the_home_registrar_is_no_session_that_could_be_closed() {
    use rserpool::wire::asap::{Body, EndpointKeepAlive, Message};
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let element = net.element("pool", 1, &[registrar]);
    net.run(SECOND);
    // Another registrar takes over, on an association that came in.
    let keep_alive = EndpointKeepAlive {
        server: ServerIdentifier(0x999),
        new_home: true,
        pool_handle: PoolHandle::from("pool"),
        identifier: None,
    };
    let mut octets = [0; 64];
    let length = Message::from(Body::EndpointKeepAlive(keep_alive)).encode(&mut octets).unwrap();
    let home = net.inject_from(address(registrar), element, ASAP, &octets[..length]);
    net.run(SECOND);
    assert!(net.events(element).has(event!(ElementEvent::HomeChanged { home: ServerIdentifier(0x999) })));
    net.with_element(element, |element, _| assert_eq!(element.close_session(home), Err(SendError::NoSession)));
}

#[test]
fn the_sessions_of_a_user_go_to_the_elements_in_turn_while_the_cache_is_fresh() {
    // RFC 5356 §4.1.3.
    let mut pool = pool(3);
    let mut sessions = vec![pool.session];
    for _ in 0..3 {
        let open = |user: &mut PoolUser, now| user.open_session(now, PoolHandle::from("pool")).unwrap();
        sessions.push(pool.net.with_user(pool.user, open));
        pool.net.run(SECOND);
    }
    let established = pool.net.events(pool.user).all(event!(UserEvent::Established { .. }));
    let expected: Vec<_> = (sessions.into_iter().zip([1, 2, 3, 1]))
        .map(|(session, identifier)| UserEvent::Established {
            session,
            identifier: PeIdentifier(identifier),
            failovers: 0,
        })
        .collect();
    assert_eq!(established, expected);
    assert_eq!(pool.net.messages(pool.user, pool.registrar, ASAP, message_type::HANDLE_RESOLUTION).len(), 1);
}

#[test]
fn messages_held_for_different_sessions_do_not_mix() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let first = net.element("first", 1, &[registrar]);
    net.run(SECOND);
    let user = net.user(&[registrar]);
    net.with_user(user, |user, now| {
        let to_first = user.open_session(now, PoolHandle::from("first")).unwrap();
        let to_second = user.open_session(now, PoolHandle::from("second")).unwrap();
        for (session, text) in [(to_second, "2a"), (to_first, "1a"), (to_second, "2bb"), (to_first, "1b")] {
            user.send(session, OutgoingMessage::new(text.as_bytes())).unwrap();
        }
    });
    net.run(Duration::from_millis(100));
    let second = net.element("second", 2, &[registrar]);
    net.run(Duration::from_secs(2));
    assert_eq!(received(&net, first), [b"1a", b"1b"]);
    assert_eq!(received(&net, second), [b"2a".as_slice(), b"2bb"]);
}

#[test]
fn a_session_with_a_pool_that_stays_empty_asks_less_and_less_often() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let user = net.user(&[registrar]);
    net.with_user(user, |user, now| user.open_session(now, "nobody".into()).unwrap());
    net.run(Duration::from_secs(60));
    let asked: Vec<_> =
        net.messages(user, registrar, ASAP, message_type::HANDLE_RESOLUTION).iter().map(|sent| sent.at).collect();
    let waits: Vec<u64> = asked.windows(2).map(|pair| pair[1].since(pair[0]).as_millis() as u64 / 100 * 100).collect();
    assert_eq!(waits[..5], [500, 1_000, 2_000, 4_000, 5_000]);
    assert!(waits[5..].iter().all(|wait| *wait == 5_000), "{waits:?}");
    // It is there as soon as somebody registers, by and by.
    net.element("nobody", 1, &[registrar]);
    net.wait(Duration::from_secs(6), |net| {
        net.events(user).has(event!(UserEvent::Established { identifier: PeIdentifier(1), .. }))
    });
}

#[test]
fn a_service_that_ends_each_session_after_its_answer_is_not_asked_as_often_as_it_can_answer() {
    let mut user = ScriptedUser::new();
    user.act(|user, now| user.open_session(now, PoolHandle::new(b"pool")).unwrap());
    let (mut sessions, mut answered, start) = (0, 0, user.now);
    while user.now.since(start) < Duration::from_secs(10) {
        if user.wanted().contains(&1) {
            let association = user.opens(1);
            let answer = b"Wednesday, 25-November-2026";
            user.input(Input::Message { association, protocol: DATA, octets: answer });
            user.closes(association, CloseReason::Shutdown);
            sessions += 1;
        }
        if user.requests() > answered {
            user.resolved(&[1]);
            answered += 1;
        }
        user.wait(Duration::from_millis(1));
    }
    // Every half second, as a user asks who can reach nobody at all.
    assert!((18..=21).contains(&sessions), "{sessions} sessions in 10 s");
    assert_eq!(user.reports(), 0);
}

#[test]
fn a_user_takes_an_error_from_anyone_and_neither_answers_nor_leaves() {
    let mut user = ScriptedUser::new();
    user.act(|user, now| user.open_session(now, PoolHandle::new(b"pool")).unwrap());
    user.resolved(&[1]);
    let element = user.opens(1);
    for from in [user.home.unwrap(), element] {
        let before = user.sent.len();
        // ASAP_ERROR, length 12: Operation Error, length 8, "Unspecified Error", length 4.
        user.asap(from, &[14, 0, 0, 12, 0, 12, 0, 8, 0, 0, 0, 4]);
        assert_eq!(user.sent.len(), before);
    }
    assert!(user.ended.is_empty());
    assert!(!user.events.has(event!(UserEvent::Failover { .. })));
}
