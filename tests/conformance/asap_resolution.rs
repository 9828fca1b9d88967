//! Handle resolution and the user's cache (RFC 5352 §3.3, §3.7; RFC 5356 §4.1).

use std::time::Duration;

use rserpool::handlespace::Cursor;
use rserpool::pool_user::{ResolutionFailure, UserConfig, UserEvent};
use rserpool::wire::asap::{Body, Message, message_type};
use rserpool::wire::{CauseCode, PayloadProtocol, Policy, PoolHandle};
use rserpool::{AssociationId, Input};

use crate::events::event;
use crate::network::{Network, NodeId};
use crate::scripted::{Done, Scripted};

const ASAP: PayloadProtocol = PayloadProtocol::ASAP;
const SECOND: Duration = Duration::from_secs(1);

/// "pool" could not be resolved, as nobody has answered.
const NO_ANSWER: fn(&UserEvent<'static>) -> bool =
    event!(UserEvent::ResolutionFailed { pool_handle: POOL, failure: ResolutionFailure::NoAnswer });
const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");

/// The elements of the last resolution response that a registrar has sent to a user.
fn resolved(net: &Network, registrar: NodeId, user: NodeId) -> Vec<u32> {
    let messages = net.messages(registrar, user, ASAP, message_type::HANDLE_RESOLUTION_RESPONSE);
    let decoded = Message::decode(&messages.last().unwrap().octets).unwrap();
    let Body::HandleResolutionResponse(response) = decoded.message.body else { panic!() };
    response.pool_elements.iter().map(|element| element.identifier.0).collect()
}

fn resolve(net: &mut Network, user: NodeId, pool: &str) {
    net.with_user(user, |user, now| user.resolve(now, PoolHandle::from(pool)).unwrap());
    net.run(SECOND);
}

#[test]
fn round_robin_starts_each_list_one_element_further() {
    // RFC 5356 §4.1.2.
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    for identifier in [10, 20, 30] {
        net.element("pool", identifier, &[registrar]);
        net.run(SECOND);
    }
    let user = net.user(&[registrar]);
    let mut lists = Vec::new();
    for _ in 0..4 {
        resolve(&mut net, user, "pool");
        lists.push(resolved(&net, registrar, user));
    }
    assert_eq!(lists, [[10, 20, 30], [20, 30, 10], [30, 10, 20], [10, 20, 30]]);
}

#[test]
fn elements_that_come_and_go_do_not_disturb_the_order_of_the_others() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let mut elements = Vec::new();
    for identifier in [10, 20, 30] {
        elements.push(net.element("pool", identifier, &[registrar]));
        net.run(SECOND);
    }
    let user = net.user(&[registrar]);
    resolve(&mut net, user, "pool");
    // 20 is next. 40 comes to the end of the list, behind 30.
    net.element("pool", 40, &[registrar]);
    net.run(SECOND);
    resolve(&mut net, user, "pool");
    assert_eq!(resolved(&net, registrar, user), [20, 30, 40, 10]);
    // 30 is next, and leaves.
    net.with_element(elements[2], |element, now| element.deregister(now));
    net.run(SECOND);
    resolve(&mut net, user, "pool");
    assert_eq!(resolved(&net, registrar, user), [40, 10, 20]);
}

#[test]
fn an_unknown_pool_is_an_error_with_its_cause() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let user = net.user(&[registrar]);
    resolve(&mut net, user, "nothing");
    assert_eq!(
        net.events(user).all(event!(UserEvent::ResolutionFailed { .. })),
        [UserEvent::ResolutionFailed {
            pool_handle: "nothing".into(),
            failure: ResolutionFailure::Rejected(Some(CauseCode::UNKNOWN_POOL_HANDLE))
        }]
    );
}

#[test]
fn the_policy_of_the_pool_is_told() {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    net.element_with("pool", 1, &[registrar], |config| config.policy = Policy::LeastUsed { load: 7 });
    net.run(SECOND);
    let user = net.user(&[registrar]);
    resolve(&mut net, user, "pool");
    let messages = net.messages(registrar, user, ASAP, message_type::HANDLE_RESOLUTION_RESPONSE);
    let decoded = Message::decode(&messages[0].octets).unwrap();
    let Body::HandleResolutionResponse(response) = decoded.message.body else { panic!() };
    assert!(matches!(response.policy, Some(Policy::LeastUsed { .. })));
}

#[test]
fn no_more_elements_are_given_than_asked_for_or_allowed() {
    let mut net = Network::new();
    let registrar = net.registrar_with(&[], |config| config.resolution_items = 3);
    for identifier in 1..=5 {
        net.element("pool", identifier, &[registrar]);
    }
    net.run(SECOND);
    let user = net.user(&[registrar]);
    resolve(&mut net, user, "pool");
    assert_eq!(resolved(&net, registrar, user).len(), 3);
    let mut config = UserConfig::default();
    config.items = Some(2);
    let modest = net.user_with(&[registrar], config);
    resolve(&mut net, modest, "pool");
    assert_eq!(resolved(&net, registrar, modest).len(), 2);
}

#[test]
fn a_silent_registrar_is_left_for_another_after_t1() {
    // RFC 5352 §3.7.2.
    let mut net = Network::new();
    let silent = net.registrar(&[]);
    let living = net.registrar(&[]);
    let user = net.user(&[silent, living]);
    resolve(&mut net, user, "pool");
    net.pause(silent);
    net.with_user(user, |user, now| user.resolve(now, PoolHandle::from("pool")).unwrap());
    net.run(Duration::from_secs(14));
    assert!(!net.events(user).has(event!(UserEvent::HomeLost)));
    net.run(Duration::from_secs(2));
    assert!(net.events(user).has(event!(UserEvent::HomeLost)), "T1 is 15 s");
    assert_eq!(net.messages(user, living, ASAP, message_type::HANDLE_RESOLUTION).len(), 1);
}

#[test]
fn requests_are_given_up_after_max_request_retransmit() {
    // RFC 5352 §3.7.2: a request and two repetitions, T1 of 15 s each.
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    let user = net.user(&[registrar]);
    net.with_user(user, |user, now| user.resolve(now, PoolHandle::from("pool")).unwrap());
    // The association stands, and the registrar says nothing any more.
    net.run(Duration::from_millis(2));
    net.pause(registrar);
    net.run(Duration::from_secs(44));
    assert!(!net.events(user).has(event!(UserEvent::ResolutionFailed { .. })));
    net.wait(Duration::from_secs(2), |net| net.events(user).has(NO_ANSWER));
}

#[test]
fn requests_are_given_up_as_well_when_there_is_no_registrar_at_all() {
    let mut net = Network::new();
    let dead = net.registrar(&[]);
    net.kill(dead);
    let user = net.user(&[dead]);
    net.with_user(user, |user, now| user.resolve(now, PoolHandle::from("pool")).unwrap());
    net.wait(Duration::from_secs(46), |net| net.events(user).has(NO_ANSWER));
}

/// A user's partners in sessions that are opened one after the other, all from the same resolution.
fn partners(policies: &[Policy<'static>], sessions: usize, seed: u64) -> Vec<u32> {
    let mut net = Network::new();
    let registrar = net.registrar(&[]);
    for (identifier, policy) in (1..).zip(policies) {
        net.element_with("pool", identifier, &[registrar], |config| config.policy = *policy);
        net.run(SECOND);
    }
    let mut config = UserConfig::default();
    config.seed = seed;
    config.stale_cache_value = Duration::from_secs(1_000);
    let user = net.user_with(&[registrar], config);
    for _ in 0..sessions {
        let session = net.with_user(user, |user, now| user.open_session(now, PoolHandle::from("pool")).unwrap());
        net.run(SECOND);
        net.with_user(user, |user, _| user.close_session(session));
        net.run(SECOND);
    }
    let requests = net.messages(user, registrar, ASAP, message_type::HANDLE_RESOLUTION);
    assert_eq!(requests.len(), 1, "all from the cache");
    net.events(user).pick(|event: UserEvent<'_>| match event {
        UserEvent::Established { identifier, .. } => Some(identifier.0),
        _ => None,
    })
}

#[test]
fn a_user_takes_the_elements_of_a_round_robin_list_one_after_the_other() {
    // RFC 5356 §4.1.3, and §4.2.3: the same, whatever the weights.
    assert_eq!(partners(&[Policy::RoundRobin; 3], 5, 0), [1, 2, 3, 1, 2]);
    let mut weighted = partners(&[2, 1, 1].map(|weight| Policy::WeightedRoundRobin { weight }), 6, 0);
    assert_eq!(weighted[..3], weighted[3..]);
    weighted.truncate(3);
    weighted.sort_unstable();
    assert_eq!(weighted, [1, 2, 3]);
}

#[test]
fn a_user_always_takes_the_element_of_the_highest_priority() {
    // RFC 5356 §4.5.3.
    let priorities = [10, 30, 20].map(|priority| Policy::Priority { priority });
    assert_eq!(partners(&priorities, 4, 0), [2, 2, 2, 2]);
}

#[test]
fn a_user_takes_the_least_used_element_and_equals_in_turn() {
    // RFC 5356 §5.1.3.
    let loads = [5, 9, 5].map(|load| Policy::LeastUsed { load });
    let partners = partners(&loads, 4, 0);
    assert!(partners == [1, 3, 1, 3] || partners == [3, 1, 3, 1], "{partners:?}");
}

#[test]
fn a_user_counts_the_sessions_that_it_gave_an_element_with_degradation() {
    // RFC 5356 §5.2.3. The registrar has counted this user's resolution for each.
    let loads = [(0, 10), (25, 10)];
    let policies = loads.map(|(load, degradation)| Policy::LeastUsedWithDegradation { load, degradation });
    assert_eq!(partners(&policies, 5, 0), [1, 1, 1, 2, 1], "0, 10, 20, then 25 is less than 30, then 30 less than 35");
}

#[test]
fn a_user_draws_from_a_random_list_by_its_own_seed() {
    // RFC 5356 §4.3.3, §4.4.3.
    let draws: Vec<Vec<u32>> = (0..3).map(|seed| partners(&[Policy::Random; 6], 30, seed)).collect();
    assert_eq!(draws[0], partners(&[Policy::Random; 6], 30, 0), "the same seed, the same draws");
    assert_ne!(draws[0], draws[1]);
    let mut seen = draws.concat();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
    let weights = [1, 1_000_000].map(|weight| Policy::WeightedRandom { weight });
    assert_eq!(partners(&weights, 20, 5), [2; 20]);
}

/// What a registrar answers to octets.
fn answer(scripted: &mut Scripted, association: AssociationId, octets: &[u8]) -> Vec<u8> {
    scripted.done();
    scripted.input(Input::Message { association, protocol: ASAP, octets });
    let said = scripted.done().into_iter().find_map(|done| match done {
        Done::Says(to, ASAP, octets) if to == association => Some(octets),
        _ => None,
    });
    said.unwrap()
}

#[test]
fn users_are_told_nothing_of_where_elements_speak_asap_and_all_the_rest_as_it_was_registered() {
    let mut scripted = Scripted::new(&[]);
    let association = scripted.accept_client(7);
    let transport = [0, 4, 0, 16, 0x1b, 0x58, 0, 1, 0, 1, 0, 8, 10, 0, 0, 7];
    let policy = [0, 8, 0, 8, 0, 0, 0, 1];
    // Of a type that nobody knows, to be skipped without a word; with two octets of padding.
    let unknown = [0x8a, 0xbc, 0, 6, b'h', b'i', 0, 0];
    let pool_handle = [0, 9, 0, 8, b'p', b'o', b'o', b'l'];
    let fixed = |home: u8| [0, 0, 0, 9, 0, 0, home, 0, 0, 0, 0, 60];
    // RFC 5352 §2.2.1. The padding of the last is no part of the lengths around it.
    let registration =
        [&[1, 0, 0, 58][..], &pool_handle, &[0, 10, 0, 46], &fixed(0), &transport, &policy, &unknown].concat();
    assert_eq!(
        answer(&mut scripted, association, &registration)[..2],
        [3, 0],
        "an ASAP_REGISTRATION_RESPONSE that accepts"
    );
    let asap_transport = scripted.registrar.handlespace().read_from(Cursor::START, None).next().unwrap().0;
    assert!(asap_transport.view().asap_transport.is_some(), "the registrar has added where the element speaks ASAP");

    let answer = answer(&mut scripted, association, &[&[5, 0, 0, 12][..], &pool_handle].concat());
    let expected =
        [&[6, 0, 0, 66][..], &pool_handle, &policy, &[0, 10, 0, 46], &fixed(5), &transport, &policy, &unknown].concat();
    assert_eq!(answer, expected);
}
