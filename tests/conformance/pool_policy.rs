//! What the elements of a pool have in common, and what an element is worth that differs, as peers may have registered it
//! (RFC 5352 §2.2.6, §3.1, §3.3).

use rserpool::AssociationId;
use rserpool::wire::asap::{self, Body, HandleResolution, HandleResolutionResponse};
use rserpool::wire::enrp::UpdateAction;
use rserpool::wire::param::error_cause::CauseInformation;
use rserpool::wire::{CauseCode, PayloadProtocol, Policy, PolicyType};

use crate::scripted::{Done, Element, OWN, Scripted, element, peer};

const LEAST_USED: Policy<'static> = Policy::LeastUsed { load: 0x8000_0000 };

/// What a user is told of "pool".
fn resolve<R>(scripted: &mut Scripted, then: impl FnOnce(&HandleResolutionResponse<'_>) -> R) -> R {
    let user = scripted.accept_client(200);
    scripted.done();
    let request = HandleResolution { pool_handle: "pool".into(), send_updates: false, items: None };
    scripted.says_asap(user, Body::HandleResolution(request));
    let done = scripted.done();
    let [Done::Says(_, PayloadProtocol::ASAP, octets)] = done.as_slice() else { panic!("{done:?}") };
    let Body::HandleResolutionResponse(response) = asap::Message::decode(octets).unwrap().message.body else {
        panic!()
    };
    then(&response)
}

fn given(response: &HandleResolutionResponse<'_>) -> (Option<PolicyType>, Vec<u32>) {
    let mut identifiers: Vec<u32> = response.pool_elements.iter().map(|element| element.identifier.0).collect();
    identifiers.sort_unstable();
    (response.policy.map(|policy| policy.policy_type()), identifiers)
}

/// A pool with two elements that register here, with a load of a half, and one with another policy that a peer has registered.
fn mixed() -> (Scripted, AssociationId) {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    for identifier in [1, 2] {
        scripted.registers(&Element { policy: LEAST_USED, host: 100 + identifier as u8, ..element(identifier, 0) });
    }
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { policy: Policy::Random, ..element(3, peer(1)) });
    (scripted, one)
}

#[test]
fn an_element_of_another_policy_than_its_pools_is_listed_and_given_to_nobody() {
    let (mut scripted, _) = mixed();
    assert_eq!(scripted.elements(), [(1, OWN), (2, OWN), (3, peer(1))]);
    for _ in 0..3 {
        assert_eq!(resolve(&mut scripted, given), (Some(PolicyType::LEAST_USED), vec![1, 2]));
    }
}

#[test]
fn an_element_that_takes_its_pools_policy_is_given_and_one_that_takes_another_is_not_any_more() {
    let (mut scripted, one) = mixed();
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { policy: LEAST_USED, ..element(3, peer(1)) });
    assert_eq!(resolve(&mut scripted, given), (Some(PolicyType::LEAST_USED), vec![1, 2, 3]));
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { policy: Policy::RoundRobin, ..element(3, peer(1)) });
    assert_eq!(resolve(&mut scripted, given), (Some(PolicyType::LEAST_USED), vec![1, 2]));
}

#[test]
fn when_the_last_element_with_the_pools_policy_goes_the_pool_takes_that_of_another() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { policy: LEAST_USED, ..element(1, peer(1)) });
    for identifier in [2, 3] {
        let random = Element { policy: Policy::Random, ..element(identifier, peer(1)) };
        scripted.update(one, peer(1), UpdateAction::AddPe, &random);
    }
    scripted.update(one, peer(1), UpdateAction::DelPe, &element(1, peer(1)));
    assert_eq!(resolve(&mut scripted, given), (Some(PolicyType::RANDOM), vec![2, 3]));
    // The same if it changes its policy itself.
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { policy: LEAST_USED, ..element(2, peer(1)) });
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { policy: LEAST_USED, ..element(3, peer(1)) });
    assert_eq!(resolve(&mut scripted, given), (Some(PolicyType::LEAST_USED), vec![2, 3]));
}

#[test]
fn a_refusal_quotes_the_pools_policy_whatever_else_is_in_its_table() {
    let mut scripted = Scripted::new(&[]);
    let one = scripted.comes(1);
    // The odd one has the first place in the table.
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { policy: Policy::Random, ..element(9, peer(1)) });
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { policy: LEAST_USED, ..element(1, peer(1)) });
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { policy: LEAST_USED, ..element(9, peer(1)) });
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { policy: Policy::Random, ..element(9, peer(1)) });
    scripted.done();
    scripted.registers(&Element { policy: Policy::RoundRobin, host: 101, ..element(2, 0) });
    let done = scripted.done();
    let answer = done.iter().find_map(|done| match done {
        Done::Says(_, PayloadProtocol::ASAP, octets) => Some(octets),
        _ => None,
    });
    let Body::RegistrationResponse(response) = asap::Message::decode(answer.unwrap()).unwrap().message.body else {
        panic!()
    };
    let cause = response.error.and_then(|causes| causes.first()).unwrap();
    assert_eq!(cause.code, CauseCode::INCONSISTENT_POOLING_POLICY);
    assert_eq!(cause.information, CauseInformation::Policy(LEAST_USED));
}
