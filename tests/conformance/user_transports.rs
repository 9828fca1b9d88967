//! Pools over any transport: a user resolves them all, and has sessions where it has the transport (RFC 5351 §4.1, RFC 5352
//! §6.9.1).

use std::net::IpAddr;
use std::time::Duration;

use rserpool::pool_user::{SessionEnd, SessionId, Target, UserEvent};
use rserpool::wire::{IpProtocol, PeIdentifier, PoolHandle, Transport, TransportProtocol, TransportUse};
use rserpool::{MAX_OPAQUE_TRANSPORT, OpenFailure, OutgoingMessage, SendError, UserTransport};

use crate::events::event;
use crate::scripted_user::{ScriptedUser, host};

const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");
const SECOND: Duration = Duration::from_secs(1);

fn ip(protocol: IpProtocol, number: u32) -> Transport<'static> {
    Transport::ip(protocol, 7000, host(number))
}

fn sctp(addresses: &[IpAddr]) -> Transport<'_> {
    Transport::sctp(7000, TransportUse::DataPlusControl, addresses)
}

fn open(scripted: &mut ScriptedUser) -> SessionId {
    scripted.act(|user, now| user.open_session(now, POOL).unwrap())
}

fn ended(scripted: &ScriptedUser) -> Vec<(SessionId, SessionEnd)> {
    scripted.events.pick(|event| match event {
        UserEvent::SessionEnded { session, reason } => Some((session, reason)),
        _ => None,
    })
}

fn undelivered(scripted: &ScriptedUser) -> Vec<&'static [u8]> {
    scripted.events.pick(|event| match event {
        UserEvent::Undelivered { message, .. } => Some(message.octets),
        _ => None,
    })
}

#[test]
fn a_resolution_gives_every_element_with_whatever_transport_it_has() {
    let two = [host(3), host(4)];
    let opaque = [0xab; MAX_OPAQUE_TRANSPORT];
    let transports = [
        ip(IpProtocol::Udp, 1),
        ip(IpProtocol::UdpLite, 2),
        ip(IpProtocol::Tcp, 3),
        sctp(&two),
        Transport::dccp(7000, 0x1234_5678, host(5)),
        Transport::Opaque(&opaque),
    ];
    let mut scripted = ScriptedUser::new();
    scripted.act(|user, now| user.resolve(now, POOL).unwrap());
    scripted.resolved_at(&transports);
    let known: Vec<_> = scripted.user.elements(scripted.now, POOL).cloned().collect();
    assert_eq!(known.len(), transports.len());
    for (number, (element, transport)) in known.iter().zip(&transports).enumerate() {
        assert_eq!(element.identifier, PeIdentifier(number as u32 + 1));
        let own = element.transport.as_ref().unwrap();
        assert_eq!(*own, UserTransport::from_transport(transport).unwrap());
        assert_eq!(own.protocol(), transport.protocol());
        assert!(own.as_transport().addresses().eq(transport.addresses()));
        assert_eq!(own.as_transport().port(), transport.port());
    }
    let dccp = known[4].transport.as_ref().unwrap().as_transport();
    assert!(matches!(dccp, Transport::Dccp { service_code: 0x1234_5678, .. }));
    assert!(
        matches!(known[5].transport.as_ref().unwrap().as_transport(), Transport::Opaque(octets) if octets == opaque)
    );
    let texts: Vec<String> = known[..5].iter().map(|element| element.transport.as_ref().unwrap().to_string()).collect();
    assert_eq!(
        texts,
        [
            "udp://10.1.0.1:7000",
            "udp-lite://10.1.0.2:7000",
            "tcp://10.1.0.3:7000",
            "sctp://10.1.0.3,10.1.0.4:7000",
            "dccp://10.1.0.5:7000"
        ]
    );
}

#[test]
fn the_element_whose_turn_it_is_comes_from_a_pool_over_udp_as_well() {
    let mut scripted = ScriptedUser::new();
    scripted.act(|user, now| user.resolve(now, POOL).unwrap());
    scripted.resolved_at(&[ip(IpProtocol::Udp, 1), ip(IpProtocol::Udp, 2)]);
    let turn = |scripted: &mut ScriptedUser| scripted.act(|user, now| user.primary(now, POOL).unwrap().identifier.0);
    assert_eq!([turn(&mut scripted), turn(&mut scripted), turn(&mut scripted)], [1, 2, 1]);
    // It may be reported, as it was given to the application.
    scripted.act(|user, now| user.report_unreachable(now, POOL, PeIdentifier(1)));
    assert_eq!((scripted.reports(), turn(&mut scripted)), (1, 2));
}

#[test]
fn an_opaque_transport_that_is_too_long_leaves_an_element_without_one() {
    let long = [1; MAX_OPAQUE_TRANSPORT + 1];
    let mut scripted = ScriptedUser::new();
    scripted.act(|user, now| user.resolve(now, POOL).unwrap());
    scripted.resolved_at(&[Transport::Opaque(&long)]);
    let known: Vec<_> = scripted.user.elements(scripted.now, POOL).cloned().collect();
    assert_eq!((known.len(), known[0].identifier, &known[0].transport), (1, PeIdentifier(1), &None));
    // The application has seen all of it.
    let seen = scripted.events.pick(|event| match event {
        UserEvent::Resolved(response) => Some(response.pool_elements.first().unwrap().user_transport),
        _ => None,
    });
    assert_eq!(seen, [Transport::Opaque(&long)]);
}

#[test]
fn a_session_with_a_pool_that_is_not_over_sctp_or_tcp_ends_and_says_why() {
    for (transport, protocol) in [
        (ip(IpProtocol::Udp, 1), TransportProtocol::Udp),
        (ip(IpProtocol::UdpLite, 1), TransportProtocol::UdpLite),
        (Transport::dccp(1, 2, host(1)), TransportProtocol::Dccp),
        (Transport::Opaque(b"x"), TransportProtocol::Opaque),
    ] {
        let mut scripted = ScriptedUser::new();
        let session = open(&mut scripted);
        scripted.act(|user, _| user.send(session, OutgoingMessage::new(b"hello")).unwrap());
        scripted.resolved_at(&[transport, transport]);
        assert_eq!(ended(&scripted), [(session, SessionEnd::NoTransport(protocol))]);
        // What was to be sent comes back first.
        assert_eq!(undelivered(&scripted), [b"hello"]);
        let message = OutgoingMessage::new(b"more");
        assert_eq!(scripted.act(|user, _| user.send(session, message)), Err(SendError::NoSession));
        // It is not tried again and again.
        scripted.wait(100 * SECOND);
        assert_eq!((scripted.requests(), scripted.wanted(), scripted.reports()), (1, vec![], 0));
        assert!(!scripted.events.has(event!(UserEvent::Failover { .. })));
    }
}

#[test]
fn a_session_goes_to_the_elements_that_it_can_speak_to() {
    let four = [host(4)];
    let mut scripted = ScriptedUser::new();
    let sessions = [open(&mut scripted), open(&mut scripted)];
    scripted.resolved_at(&[ip(IpProtocol::Udp, 1), ip(IpProtocol::Udp, 2), Transport::Opaque(b"x"), sctp(&four)]);
    assert_eq!(scripted.wanted(), [4, 4]);
    scripted.opens(4);
    assert!(sessions.iter().any(|session| scripted.user.element_of(*session) == Some((POOL, PeIdentifier(4)))));
    assert_eq!(ended(&scripted), []);
}

#[test]
fn what_the_users_side_cannot_do_is_not_reported_and_ends_the_session_after_all_were_tried() {
    let mut scripted = ScriptedUser::new();
    let session = open(&mut scripted);
    scripted.resolved_at(&[ip(IpProtocol::Tcp, 1), ip(IpProtocol::Tcp, 2)]);
    scripted.fails_by(1, OpenFailure::Unsupported);
    assert_eq!(ended(&scripted), []);
    scripted.fails_by(2, OpenFailure::Unsupported);
    assert_eq!(ended(&scripted), [(session, SessionEnd::NoTransport(TransportProtocol::Tcp))]);
    scripted.wait(100 * SECOND);
    assert_eq!((scripted.reports(), scripted.requests(), scripted.wanted()), (0, 1, vec![]));
    // An application with a transport of its own can still use them.
    scripted.act(|user, now| user.resolve(now, POOL).unwrap());
    scripted.resolved_at(&[ip(IpProtocol::Tcp, 1), ip(IpProtocol::Tcp, 2)]);
    open(&mut scripted);
    scripted.fails_by(1, OpenFailure::Unsupported);
    assert_eq!(scripted.user.elements(scripted.now, POOL).count(), 2);
    assert!(scripted.act(|user, now| user.primary(now, POOL)).is_some());
}

#[test]
fn an_element_that_cannot_be_opened_here_at_the_moment_is_tried_again_and_not_reported() {
    let mut scripted = ScriptedUser::new();
    let session = open(&mut scripted);
    scripted.resolved(&[1]);
    scripted.fails_by(1, OpenFailure::Local);
    assert_eq!((ended(&scripted), scripted.reports()), (vec![], 0));
    assert!(scripted.events.has(event!(UserEvent::Failover { reason: None, .. })));
    scripted.wait(SECOND);
    scripted.resolved(&[1]);
    scripted.opens(1);
    assert_eq!((scripted.user.element_of(session), scripted.reports()), (Some((POOL, PeIdentifier(1))), 0));
    // One that does not answer is reported.
    let mut scripted = ScriptedUser::new();
    open(&mut scripted);
    scripted.resolved(&[1]);
    scripted.fails_by(1, OpenFailure::Unreachable);
    assert_eq!(scripted.reports(), 1);
}

#[test]
fn an_unsupported_element_gives_way_to_one_that_is_supported() {
    let two = [host(2)];
    let mut scripted = ScriptedUser::new();
    let session = open(&mut scripted);
    scripted.resolved_at(&[ip(IpProtocol::Tcp, 1), sctp(&two)]);
    scripted.fails_by(1, OpenFailure::Unsupported);
    let association = scripted.opens(2);
    assert_eq!(scripted.user.element_of(session), Some((POOL, PeIdentifier(2))));
    // When that one dies the session waits for others, as it could speak to it.
    scripted.closes(association, rserpool::CloseReason::Lost);
    scripted.wait(SECOND);
    assert_eq!((ended(&scripted), scripted.reports()), (vec![], 1));
    assert_eq!(scripted.requests(), 2);
}

#[test]
fn messages_to_a_pool_that_the_user_cannot_speak_to_come_back() {
    for target in [Target::Policy, Target::All, Target::Element(PeIdentifier(1)), Target::Last] {
        let mut scripted = ScriptedUser::new();
        scripted.act(|user, now| user.send_to_pool(now, POOL, target, OutgoingMessage::new(b"hello")).unwrap());
        scripted.resolved_at(&[ip(IpProtocol::Udp, 1), ip(IpProtocol::Udp, 2)]);
        assert_eq!((undelivered(&scripted), scripted.wanted()), (vec![b"hello".as_slice()], vec![]), "{target:?}");
    }
    let mut scripted = ScriptedUser::new();
    let say = |user: &mut rserpool::pool_user::PoolUser, now| {
        user.send_to_pool(now, POOL, Target::Policy, OutgoingMessage::new(b"hello")).unwrap();
    };
    scripted.act(say);
    scripted.resolved_at(&[ip(IpProtocol::Tcp, 1), ip(IpProtocol::Tcp, 2)]);
    scripted.fails_by(1, OpenFailure::Unsupported);
    scripted.fails_by(2, OpenFailure::Unsupported);
    assert_eq!((undelivered(&scripted), scripted.reports()), (vec![b"hello".as_slice()], 0));
}
