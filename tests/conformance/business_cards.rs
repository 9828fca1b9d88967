//! Business cards (RFC 5352 §2.2.13, §3.9): who gets them, and what they are good for.

use rserpool::pool_user::{FailoverMode, UserEvent};
use rserpool::wire::asap::{Body, BusinessCard, HandleResolutionResponse, Message, message_type};
use rserpool::wire::{PeIdentifier, PoolElement, PoolHandle, Sequence, Transport, TransportUse};
use rserpool::{AssociationId, CardError, CloseReason};

use crate::scripted_user::{ASAP, ScriptedUser, encode, host, with_elements};

const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");

impl ScriptedUser {
    fn gets_card(&mut self, association: AssociationId, pool_handle: &[u8], identifiers: &[u32]) {
        let octets = with_elements(identifiers, |elements| {
            let pool_elements = Sequence::new(elements);
            encode(Body::BusinessCard(BusinessCard { pool_handle: PoolHandle::new(pool_handle), pool_elements }))
        });
        self.asap(association, &octets);
    }
}

/// A user with a session at element 1 of five.
fn user() -> (ScriptedUser, AssociationId) {
    let mut world = ScriptedUser::new();
    world.act(|user, now| user.open_session(now, POOL).unwrap());
    world.resolved(&[1, 2, 3, 4, 5]);
    let first = world.opens(1);
    (world, first)
}

#[test]
fn a_failover_follows_the_order_of_the_elements_business_card() {
    let (mut world, first) = user();
    world.gets_card(first, b"pool", &[1, 4, 3]);
    world.closes(first, CloseReason::Lost);
    assert_eq!(world.wanted(), [4]);
    world.fails(4);
    assert_eq!(world.wanted(), [3]);
    world.fails(3);
    // The card has nobody else: the policy decides.
    assert_eq!(world.wanted(), [2]);
}

#[test]
fn the_last_business_card_counts_and_one_of_another_pool_does_not() {
    let (mut world, first) = user();
    world.gets_card(first, b"pool", &[1, 4]);
    world.gets_card(first, b"pool", &[1, 5]);
    world.gets_card(first, b"another", &[1, 3]);
    world.closes(first, CloseReason::Lost);
    assert_eq!(world.wanted(), [5]);
}

/// The pools of which the application got a card.
fn cards(world: &ScriptedUser) -> Vec<PoolHandle<'static>> {
    world.events.pick(|event| match event {
        UserEvent::BusinessCard { card, .. } => Some(card.pool_handle),
        _ => None,
    })
}

#[test]
fn an_elements_card_of_another_pool_is_told_and_that_pool_is_resolved() {
    // RFC 5352 §3.9 BC1.
    let (mut world, first) = user();
    world.gets_card(first, b"pool", &[1, 3]);
    assert_eq!((world.requests(), cards(&world)), (1, vec![]));
    for _ in 0..2 {
        world.gets_card(first, b"another", &[1, 3]);
        assert_eq!(world.requests(), 2);
    }
    assert_eq!(cards(&world), [PoolHandle::new(b"another"); 2]);
}

#[test]
fn cards_of_other_pools_push_nothing_out_of_the_cache() {
    let (mut world, first) = user();
    let mine = PoolHandle::new(b"mine");
    world.act(|user, now| user.resolve(now, mine).unwrap());
    world.resolved_of(b"mine", &[4]);
    for number in 0..20 {
        world.gets_card(first, format!("pool {number}").as_bytes(), &[1]);
    }
    // There is room for four pools.
    assert_eq!(world.requests(), 4);
    assert_eq!(world.user.elements(world.now, mine).count(), 1);
    // Nor do they keep others out.
    world.unknown_pool_of(b"pool 0");
    assert_eq!(world.act(|user, now| user.resolve(now, PoolHandle::new(b"wanted"))), Ok(()));
}

#[test]
fn an_element_that_only_the_business_card_knows_is_tried_as_well() {
    let (mut world, first) = user();
    world.gets_card(first, b"pool", &[1, 9]);
    world.closes(first, CloseReason::Lost);
    assert_eq!(world.wanted(), [9]);
}

#[test]
fn elements_of_the_card_that_are_known_to_be_dead_are_left_out() {
    let (mut world, first) = user();
    // Another session has found out.
    world.act(|user, now| user.open_session(now, POOL).unwrap());
    world.fails(2);
    world.gets_card(first, b"pool", &[1, 2, 5]);
    world.closes(first, CloseReason::Lost);
    assert_eq!(world.wanted(), [3, 5]);
}

#[test]
fn a_user_that_is_an_element_gives_its_card_behind_the_cookie_and_again_when_it_changes() {
    let (mut world, first) = user();
    assert_eq!(world.count(first, message_type::BUSINESS_CARD), 0, "it is none yet");
    world.act(|user, _| with_elements(&[7, 8], |own| user.set_business_card(PoolHandle::new(b"mine"), own).unwrap()));
    assert_eq!(world.count(first, message_type::BUSINESS_CARD), 1);
    world.asap(first, &encode(Body::Cookie(b"state")));
    world.closes(first, CloseReason::Lost);
    let second = world.opens(2);
    let to_second: Vec<_> = world.sent.iter().filter(|sent| sent.to == second && sent.protocol == ASAP).collect();
    assert_eq!(to_second[0].octets[0], message_type::COOKIE_ECHO);
    assert_eq!(to_second[1].octets[0], message_type::BUSINESS_CARD);
    let Body::BusinessCard(card) = Message::decode(&to_second[1].octets).unwrap().message.body else { panic!() };
    assert_eq!(card.pool_handle, PoolHandle::new(b"mine"));
    assert_eq!(card.pool_elements.iter().map(|element| element.identifier.0).collect::<Vec<_>>(), [7, 8]);
    // Registrars get none.
    assert_eq!(world.count(world.home.unwrap(), message_type::BUSINESS_CARD), 0);
}

#[test]
fn a_user_gives_neither_card_nor_cookie_where_there_is_no_control_channel() {
    // RFC 5352 §3.8, §3.9.
    let mut world = ScriptedUser::new();
    let card = |world: &mut ScriptedUser, own: &[u32]| {
        let mine = PoolHandle::new(b"mine");
        world.act(|user, _| with_elements(own, |own| user.set_business_card(mine, own).unwrap()));
    };
    card(&mut world, &[7]);
    world.act(|user, now| user.open_session(now, POOL).unwrap());
    // Element 2 has no control channel.
    let response = with_elements(&[1, 2], |elements| {
        let addresses = [host(2)];
        let user_transport = Transport::sctp(7000, TransportUse::DataOnly, &addresses);
        let elements = [elements[0], PoolElement { user_transport, ..elements[1] }];
        encode(Body::HandleResolutionResponse(HandleResolutionResponse {
            pool_handle: POOL,
            accept_updates: false,
            policy: None,
            pool_elements: Sequence::new(&elements),
            error: None,
        }))
    });
    world.asap(world.home.unwrap(), &response);
    let first = world.opens(1);
    assert_eq!(world.count(first, message_type::BUSINESS_CARD), 1);
    world.asap(first, &encode(Body::Cookie(b"state")));
    world.closes(first, CloseReason::Lost);
    let second = world.opens(2);
    card(&mut world, &[7, 8]);
    assert!(world.sent.iter().all(|sent| sent.to != second), "{:?}", world.sent);
}

#[test]
fn cards_that_cannot_be_are_refused() {
    let mut world = ScriptedUser::new();
    assert_eq!(world.user.set_business_card(POOL, &[]), Err(CardError::Empty));
    with_elements(&[1; 10], |many| assert_eq!(world.user.set_business_card(POOL, many), Err(CardError::TooLong)));
    with_elements(&[1], |own| {
        let long = [0; 65];
        assert_eq!(world.user.set_business_card(PoolHandle::new(&long), own), Err(CardError::PoolHandleTooLong));
    });
}

#[test]
fn a_session_by_card_begins_with_its_elements_and_the_pool_is_asked_for() {
    let mut world = ScriptedUser::new();
    let session = with_elements(&[6, 2], |elements| {
        let card = BusinessCard { pool_handle: POOL, pool_elements: Sequence::new(elements) };
        world.act(|user, now| user.open_session_by_card(now, &card, FailoverMode::Automatic).unwrap())
    });
    // RFC 5352 §3.9 BC1: the pool is resolved, and the card tells already where to go.
    assert_eq!((world.requests(), world.wanted()), (1, vec![6]));
    world.resolved(&[1, 2]);
    world.fails(6);
    assert_eq!(world.wanted(), [2]);
    world.opens(2);
    assert_eq!(world.user.element_of(session), Some((POOL, PeIdentifier(2))));
}
