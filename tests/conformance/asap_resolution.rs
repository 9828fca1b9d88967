//! Handle resolution and the user's cache (RFC 5352 §3.3, §3.7; RFC 5356 §4.1).

use std::time::Duration;

use rserpool::pool_user::UserConfig;
use rserpool::wire::asap::{Body, Message, message_type};
use rserpool::wire::{CauseCode, PayloadProtocol, Policy, PoolHandle};

use crate::network::{Network, NodeId};

const ASAP: PayloadProtocol = PayloadProtocol::ASAP;
const SECOND: Duration = Duration::from_secs(1);

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
    assert!(net.has(
        user,
        &format!(
            "ResolutionFailed {{ pool_handle: PoolHandle(\"nothing\"), failure: Rejected(Some({:?}",
            CauseCode::UNKNOWN_POOL_HANDLE
        )
    ));
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
    let user = net.user(&[silent]);
    resolve(&mut net, user, "pool");
    net.pause(silent);
    net.with_user(user, |user, now| user.resolve(now, PoolHandle::from("pool")).unwrap());
    net.run(Duration::from_secs(14));
    assert!(!net.has(user, "HomeLost"));
    net.run(Duration::from_secs(2));
    assert!(net.has(user, "HomeLost"), "T1 is 15 s");
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
    assert!(!net.has(user, "NoAnswer"));
    net.wait(Duration::from_secs(2), |net| net.has(user, "NoAnswer"));
}

#[test]
fn requests_are_given_up_as_well_when_there_is_no_registrar_at_all() {
    let mut net = Network::new();
    let dead = net.registrar(&[]);
    net.kill(dead);
    let user = net.user(&[dead]);
    net.with_user(user, |user, now| user.resolve(now, PoolHandle::from("pool")).unwrap());
    net.wait(Duration::from_secs(46), |net| net.has(user, "NoAnswer"));
}
