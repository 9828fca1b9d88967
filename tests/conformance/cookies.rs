//! How large a cookie may be (RFC 5352 §3.8): one number for each side, and nothing above it vanishes in silence.

use rserpool::pool_element::{ElementConfig, PoolElement};
use rserpool::pool_user::{CookieStore, FixedCookie, HeapCookie, PoolUser, UserConfig, UserEvent};
use rserpool::wire::asap::{Body, Message, message_type};
use rserpool::wire::{PayloadProtocol, PeIdentifier, PoolHandle};
use rserpool::{
    Action, CloseReason, DEFAULT_COOKIE, Endpoint, EndpointBuf, Input, Instant, MAX_COOKIE, Machine, Protocol, Purpose,
    SendError,
};

use crate::events::event;
use crate::scripted_user::{ASAP, ScriptedUser, encode, host};

const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");

fn cookie(length: usize) -> Vec<u8> {
    (0..length).map(|place| place as u8).collect()
}

#[test]
fn the_largest_cookie_is_the_largest_that_a_message_can_carry() {
    let largest = cookie(MAX_COOKIE);
    let octets = encode(Body::Cookie(&largest));
    assert_eq!(Message::decode(&octets).unwrap().message.body, Body::Cookie(&largest));
    let larger = cookie(MAX_COOKIE + 1);
    let message = Message::from(Body::Cookie(&larger));
    assert!(message.encode(&mut vec![0; 70_000]).is_err());
}

/// What the element says to a cookie of this length.
fn sends(max_cookie: usize, length: usize) -> Result<(), SendError> {
    let mut config = ElementConfig::new(b"pool", PeIdentifier(1), core::net::SocketAddr::new(host(1), 7000)).unwrap();
    config.max_cookie = max_cookie;
    let mut element: PoolElement<4, 140_000> = PoolElement::new(config);
    let session = rserpool::AssociationId::accepted(1);
    let addresses = [host(9)];
    let peer = Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port: 50_000 };
    element.handle(Instant::ZERO, Input::Accepted { association: session, purpose: Purpose::Session, peer });
    let protocol = PayloadProtocol::UNSPECIFIED;
    element.handle(Instant::ZERO, Input::Message { association: session, protocol, octets: b"hello" });
    while element.poll_action().is_some() {}
    let result = element.send_cookie(session, &cookie(length));
    let is_sent = matches!(element.poll_action(), Some(Action::Send { message, .. }) if message.octets[0] == message_type::COOKIE);
    assert_eq!(is_sent, result.is_ok());
    result
}

#[test]
fn an_element_refuses_cookies_above_its_limit_and_names_the_limit() {
    for limit in [DEFAULT_COOKIE, 1_000, MAX_COOKIE] {
        assert_eq!(sends(limit, limit), Ok(()));
        assert_eq!(sends(limit, limit + 1), Err(SendError::CookieTooLong { limit }));
    }
    // No more than a message can carry, whatever is configured.
    assert_eq!(sends(usize::MAX, MAX_COOKIE + 1), Err(SendError::CookieTooLong { limit: MAX_COOKIE }));
    let text = SendError::CookieTooLong { limit: 128 }.to_string();
    assert!(text.contains("128"), "{text}");
}

#[test]
fn elements_and_users_have_the_same_limit_by_default() {
    let config = ElementConfig::new(b"pool", PeIdentifier(1), core::net::SocketAddr::new(host(1), 7000)).unwrap();
    assert_eq!(config.max_cookie, DEFAULT_COOKIE);
    assert_eq!(FixedCookie::<DEFAULT_COOKIE>::LIMIT, DEFAULT_COOKIE);
}

#[test]
fn a_user_tells_of_a_cookie_that_it_has_no_room_for_and_echoes_none() {
    for (length, is_kept) in [(DEFAULT_COOKIE, true), (DEFAULT_COOKIE + 1, false)] {
        let mut scripted = ScriptedUser::new();
        scripted.act(|user, now| user.open_session(now, POOL).unwrap());
        scripted.resolved(&[1, 2]);
        let first = scripted.opens(1);
        scripted.asap(first, &encode(Body::Cookie(b"an older one")));
        scripted.asap(first, &encode(Body::Cookie(&cookie(length))));
        let told = scripted.events.count(event!(UserEvent::CookieTooLong { limit: DEFAULT_COOKIE, .. }));
        assert_eq!(told, usize::from(!is_kept));
        scripted.closes(first, CloseReason::Lost);
        let second = scripted.opens(2);
        assert_eq!(scripted.count(second, message_type::COOKIE_ECHO), usize::from(is_kept));
    }
}

/// A session whose element dies after it has sent a cookie: what the next element gets.
fn echo<C: CookieStore>(cookie: &[u8]) -> Vec<u8> {
    let mut user: PoolUser<4, 6, 140_000, C> = PoolUser::new(UserConfig::default());
    user.add_registrar(EndpointBuf::single(Protocol::Sctp, host(99), 3863)).unwrap();
    let now = Instant::from_millis(1);
    user.open_session(now, POOL).unwrap();
    let mut has_cookie = false;
    loop {
        let next = match user.poll_action().expect("it goes on") {
            Action::Open { association, .. } => Step::Open(association),
            Action::Send { association, message } => Step::Send(association, message.octets.to_vec()),
            _ => continue,
        };
        match next {
            Step::Open(association) => {
                let addresses = [host(1)];
                let peer = Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port: 1 };
                user.handle(now, Input::Opened { association, peer });
                if user.session_at(association).is_some() && !has_cookie {
                    has_cookie = true;
                    let octets = encode(Body::Cookie(cookie));
                    user.handle(now, Input::Message { association, protocol: ASAP, octets: &octets });
                    user.handle(now, Input::Closed { association, reason: CloseReason::Lost });
                }
            }
            Step::Send(association, octets) if octets[0] == message_type::HANDLE_RESOLUTION => {
                let octets = crate::scripted_user::with_elements(&[1, 2], crate::scripted_user::response);
                user.handle(now, Input::Message { association, protocol: ASAP, octets: &octets });
            }
            Step::Send(_, octets) => match Message::decode(&octets).unwrap().message.body {
                Body::CookieEcho(cookie) => return cookie.to_vec(),
                _ => continue,
            },
        }
    }
}

enum Step {
    Open(rserpool::AssociationId),
    Send(rserpool::AssociationId, Vec<u8>),
}

#[test]
fn a_user_with_room_for_them_brings_the_largest_cookies_along() {
    let largest = cookie(MAX_COOKIE);
    assert!(echo::<HeapCookie<MAX_COOKIE>>(&largest) == largest);
    let medium = cookie(2_000);
    assert!(echo::<FixedCookie<2_000>>(&medium) == medium);
    // One that has no octets is a cookie as well.
    assert!(echo::<HeapCookie<MAX_COOKIE>>(b"").is_empty());
    assert!(echo::<FixedCookie<DEFAULT_COOKIE>>(b"").is_empty());
}

#[test]
fn a_cookie_on_the_heap_is_kept_up_to_its_limit() {
    let mut store = HeapCookie::<10>::default();
    assert_eq!(store.get(), None);
    store.keep(b"0123456789").unwrap();
    assert_eq!(store.get(), Some(b"0123456789".as_slice()));
    assert!(store.keep(b"0123456789a").is_err());
    assert_eq!(store.get(), None);
}
