//! What elements and users may say, and how often (RFC 5352 §2.2.1, RFC 5353 §6.1 threats 1, 8 and 9).

use rserpool::registrar::{AddressCheck, Rates, RegistrarEvent};
use rserpool::wire::asap::{self, Body, ElementReference, EndpointKeepAlive, HandleResolution, Message, message_type};
use rserpool::wire::enrp::{self, UpdateAction};
use rserpool::wire::{
    CauseCode, PayloadProtocol, PeIdentifier, Policy, PoolElement, PoolHandle, RegistrationLife, ServerIdentifier,
    Transport, TransportUse, Unknown,
};
use rserpool::{AssociationId, Input};

use crate::events::event;
use crate::scripted::{Done, Element, OWN, Scripted, element, peer};

fn reference(identifier: u32) -> ElementReference<'static> {
    ElementReference { pool_handle: PoolHandle::new(b"pool"), identifier: PeIdentifier(identifier) }
}

/// The messages of one type that were sent on an association since this was asked last, and of each the first cause.
fn answers(scripted: &mut Scripted, to: AssociationId, kind: u8) -> Vec<Option<CauseCode>> {
    let sent = scripted.done().into_iter().filter_map(|done| match done {
        Done::Says(association, PayloadProtocol::ASAP, octets) if association == to && octets[0] == kind => {
            Some(octets)
        }
        _ => None,
    });
    sent.map(|octets| {
        let error = match Message::decode(&octets).unwrap().message.body {
            Body::RegistrationResponse(response) => response.error,
            Body::DeregistrationResponse(response) => response.error,
            Body::HandleResolutionResponse(response) => response.error,
            _ => None,
        };
        error.and_then(|causes| causes.first()).map(|cause| cause.code)
    })
    .collect()
}

#[test]
fn an_element_registers_no_addresses_but_those_of_its_association() {
    let mut scripted = Scripted::new(&[]);
    let association = scripted.accept_client(101);
    scripted.registers_at(association, &Element { host: 102, ..element(1, 0) });
    let answered = answers(&mut scripted, association, message_type::REGISTRATION_RESPONSE);
    assert_eq!(answered, [Some(CauseCode::INVALID_VALUES)]);
    assert_eq!(scripted.elements(), []);
    scripted.registers_at(association, &Element { host: 101, ..element(1, 0) });
    assert_eq!(scripted.elements().len(), 1);
}

#[test]
fn a_registrar_may_be_told_not_to_mind_addresses() {
    let mut scripted = Scripted::with(&[], |config| config.addresses = AddressCheck::Any);
    let association = scripted.accept_client(101);
    scripted.registers_at(association, &Element { host: 102, ..element(1, 0) });
    assert_eq!(scripted.elements().len(), 1);
}

#[test]
fn nobody_deregisters_an_element_from_somewhere_else() {
    let mut scripted = Scripted::new(&[]);
    scripted.registers(&element(1, 0));
    let other = scripted.accept_client(66);
    scripted.says_asap(other, Body::Deregistration(reference(1)));
    let answered = answers(&mut scripted, other, message_type::DEREGISTRATION_RESPONSE);
    assert_eq!(answered, [Some(CauseCode::REJECTED_DUE_TO_SECURITY_CONSIDERATIONS)]);
    assert_eq!(scripted.elements().len(), 1);
    // The element itself may, also over another association, as it does when it has lost its home.
    let again = scripted.accept_client(100);
    scripted.says_asap(again, Body::Deregistration(reference(1)));
    assert_eq!(answers(&mut scripted, again, message_type::DEREGISTRATION_RESPONSE), [None]);
    assert_eq!(scripted.elements(), []);
}

#[test]
fn peers_hear_of_a_deregistration_if_it_was_granted_and_there_was_an_element() {
    // RFC 5352 §3.2: otherwise the registrar must not inform them.
    let mut scripted = Scripted::new(&[]);
    let peer = scripted.comes(1);
    let own = scripted.registers(&element(1, 0));
    let stranger = scripted.accept_client(66);
    scripted.done();
    scripted.says_asap(stranger, Body::Deregistration(reference(1)));
    assert!(scripted.said(peer).is_empty(), "the deregistration was refused");
    scripted.says_asap(own, Body::Deregistration(reference(2)));
    assert!(scripted.said(peer).is_empty(), "there is no such element");
    scripted.says_asap(own, Body::Deregistration(reference(1)));
    let updates = scripted.said(peer);
    assert_eq!(updates.len(), 1);
    let decoded = enrp::Message::decode(&updates[0]).unwrap();
    let enrp::Body::HandleUpdate(update) = decoded.message.body else { panic!("{decoded:?}") };
    assert_eq!((update.action, update.pool_element.identifier), (UpdateAction::DelPe, PeIdentifier(1)));
}

fn strict() -> Scripted {
    let rates = Rates { registrations: 2, resolutions: 3, reports: 1 };
    Scripted::with(&[], |config| config.limits.association_rates = rates)
}

#[test]
fn too_many_registrations_in_a_second_are_refused_and_others_are_served() {
    let mut scripted = strict();
    let busy = scripted.accept_client(100);
    for identifier in 1..=4 {
        scripted.registers_at(busy, &element(identifier, 0));
    }
    let lack = Some(CauseCode::LACK_OF_RESOURCES);
    assert_eq!(answers(&mut scripted, busy, message_type::REGISTRATION_RESPONSE), [None, None, lack, lack]);
    let other = scripted.registers(&Element { host: 101, ..element(9, 0) });
    assert_eq!(answers(&mut scripted, other, message_type::REGISTRATION_RESPONSE), [None]);
    scripted.wait_seconds(1);
    scripted.registers_at(busy, &element(3, 0));
    assert_eq!(scripted.elements().len(), 4);
}

#[test]
fn too_many_resolutions_in_a_second_are_answered_with_lack_of_resources() {
    let mut scripted = strict();
    scripted.registers(&element(1, 0));
    let user = scripted.accept_client(66);
    for _ in 0..5 {
        let request = HandleResolution { pool_handle: PoolHandle::new(b"pool"), send_updates: false, items: None };
        scripted.says_asap(user, Body::HandleResolution(request));
    }
    let lack = Some(CauseCode::LACK_OF_RESOURCES);
    let answered = answers(&mut scripted, user, message_type::HANDLE_RESOLUTION_RESPONSE);
    assert_eq!(answered, [None, None, None, lack, lack]);
}

#[test]
fn a_flood_of_reports_costs_an_element_nothing() {
    let mut scripted = strict();
    let own = scripted.registers(&element(1, 0));
    scripted.done();
    let user = scripted.accept_client(66);
    for _ in 0..100 {
        scripted.says_asap(user, Body::EndpointUnreachable(reference(1)));
    }
    assert_eq!(answers(&mut scripted, own, message_type::ENDPOINT_KEEP_ALIVE).len(), 1);
    assert_eq!(scripted.elements().len(), 1, "one report counts");
}

/// The keep-alives that were sent on an association since this was asked last: whether H is set.
fn keep_alives(scripted: &mut Scripted, to: AssociationId) -> Vec<bool> {
    let sent = scripted.done().into_iter().filter_map(|done| match done {
        Done::Says(association, PayloadProtocol::ASAP, octets) if association == to => Some(octets),
        _ => None,
    });
    sent.filter_map(|octets| match Message::decode(&octets).unwrap().message.body {
        Body::EndpointKeepAlive(EndpointKeepAlive { server: ServerIdentifier(OWN), new_home, pool_handle, .. }) => {
            assert_eq!(pool_handle, PoolHandle::new(b"pool"));
            Some(new_home)
        }
        _ => None,
    })
    .collect()
}

#[test]
fn an_element_that_is_reported_is_asked_at_once_and_without_h_whoever_its_home_is() {
    // RFC 5352 §3.5.
    let mut scripted = Scripted::new(&[]);
    let own = scripted.registers(&element(1, 0));
    let one = scripted.comes(1);
    scripted.update(one, peer(1), UpdateAction::AddPe, &Element { host: 101, ..element(2, peer(1)) });
    scripted.done();
    let user = scripted.accept_client(66);
    scripted.says_asap(user, Body::EndpointUnreachable(reference(1)));
    assert_eq!(keep_alives(&mut scripted, own), [false]);
    scripted.says_asap(user, Body::EndpointUnreachable(reference(2)));
    let to_other = scripted.open(101);
    assert_eq!(keep_alives(&mut scripted, to_other), [false]);
    // Both answer, and stay where they are.
    scripted.answers_keep_alive(own, 1);
    scripted.answers_keep_alive(to_other, 2);
    scripted.wait_seconds(6);
    assert_eq!(scripted.elements(), [(1, OWN), (2, peer(1))]);
}

#[test]
fn an_element_that_was_asked_is_not_asked_again_before_it_has_answered() {
    let mut scripted = Scripted::new(&[]);
    let own = scripted.registers(&element(1, 0));
    scripted.done();
    for user in [66, 67] {
        let user = scripted.accept_client(user);
        scripted.says_asap(user, Body::EndpointUnreachable(reference(1)));
    }
    assert_eq!(answers(&mut scripted, own, message_type::ENDPOINT_KEEP_ALIVE).len(), 1);
}

#[test]
fn an_element_that_was_removed_on_reports_finds_out_and_comes_back() {
    let mut scripted = Scripted::new(&[]);
    let own = scripted.registers(&element(1, 0));
    // MAX-BAD-PE-REPORT is 3.
    for user in 66..70 {
        let user = scripted.accept_client(user);
        scripted.says_asap(user, Body::EndpointUnreachable(reference(1)));
    }
    assert_eq!(scripted.elements(), []);
    assert!(scripted.done().iter().any(|done| matches!(done, Done::Ends(association) if *association == own)));
    // It looks for a home again.
    scripted.registers(&element(1, 0));
    assert_eq!(scripted.elements().len(), 1);
}

#[test]
fn what_cannot_be_understood_is_reported_by_asap_error_and_an_error_is_not_answered() {
    let mut scripted = Scripted::new(&[]);
    let user = scripted.accept_client(66);
    let says_octets = |scripted: &mut Scripted, octets: &[u8]| {
        scripted.input(Input::Message { association: user, protocol: PayloadProtocol::ASAP, octets });
        let said = scripted.done().into_iter().filter_map(|done| match done {
            Done::Says(to, PayloadProtocol::ASAP, octets) if to == user => Some(octets),
            _ => None,
        });
        said.collect::<Vec<_>>()
    };
    // Type 0x41: discard and report. ASAP_ERROR, length 16: Operation Error (0xc), length 12, "Unrecognized Message"
    // (0x2), length 8, and the message.
    let answered = says_octets(&mut scripted, &[0x41, 0, 0, 4]);
    assert_eq!(answered, [[0xe, 0, 0, 16, 0, 0xc, 0, 12, 0, 2, 0, 8, 0x41, 0, 0, 4]]);
    // Type 0x81: discard in silence.
    assert!(says_octets(&mut scripted, &[0x81, 0, 0, 4]).is_empty());
    assert!(says_octets(&mut scripted, &answered[0]).is_empty());
}

#[test]
fn registrars_together_announce_themselves_about_once_a_t6() {
    use rserpool::MulticastGroup;
    use rserpool::registrar::Announcements;
    let mut scripted = Scripted::with(&[], |config| config.announcements = Announcements::On);
    // It listens for others first.
    scripted.wait_seconds(5);
    let announced = |scripted: &mut Scripted, seconds| {
        scripted.done();
        scripted.wait_seconds(seconds);
        let asap = |done: &&Done| matches!(done, Done::Announces(MulticastGroup::Asap, _));
        scripted.done().iter().filter(asap).count()
    };
    // (N + 1) x T6, with a T6 of 1 s: alone, then with two others.
    assert_eq!(announced(&mut scripted, 12), 12);
    scripted.comes(1);
    scripted.comes(2);
    scripted.wait_seconds(1);
    assert_eq!(announced(&mut scripted, 12), 4);
}

#[test]
fn a_registration_that_cannot_be_understood_is_rejected_and_not_left_without_an_answer() {
    let mut scripted = Scripted::new(&[]);
    let association = scripted.accept_client(100);
    let addresses = [crate::scripted::host(100)];
    let valid = crate::scripted_user::encode(Body::Registration(asap::Registration {
        pool_handle: "pool".into(),
        pool_element: PoolElement {
            identifier: PeIdentifier(7),
            home: ServerIdentifier::NONE,
            life: RegistrationLife(300),
            user_transport: Transport::sctp(7000, TransportUse::DataOnly, &addresses),
            policy: Policy::RoundRobin,
            asap_transport: None,
            unknown: Unknown::NONE,
        },
    }));
    // RFC 5354 §3.8: the policy's type is 0, which is invalid.
    let at = valid.windows(8).position(|octets| octets == [0, 8, 0, 8, 0, 0, 0, 1]).unwrap();
    let mut invalid = valid;
    invalid[at + 7] = 0;
    scripted.done();
    scripted.input(Input::Message { association, protocol: PayloadProtocol::ASAP, octets: &invalid });
    let done = scripted.done();
    let [Done::Says(to, PayloadProtocol::ASAP, answer)] = done.as_slice() else { panic!("{done:?}") };
    assert_eq!(*to, association);
    // ASAP_REGISTRATION_RESPONSE with R, for the same element, and "Invalid Values" with the policy.
    assert_eq!(answer[..2], [3, 1]);
    let Body::RegistrationResponse(response) = Message::decode(answer).unwrap().message.body else { panic!() };
    assert_eq!((response.element.pool_handle.octets(), response.element.identifier.0), (&b"pool"[..], 7));
    let cause = response.error.and_then(|causes| causes.first()).unwrap();
    assert_eq!(cause.code, CauseCode::INVALID_VALUES);
    assert_eq!(
        scripted.events.all(event!(RegistrarEvent::RegistrationRefused { .. })),
        [RegistrarEvent::RegistrationRefused {
            pool_handle: "pool".into(),
            identifier: PeIdentifier(7),
            cause: CauseCode::INVALID_VALUES
        }]
    );
    // Without an identifier there is nobody to be answered so.
    let mut nameless = invalid.clone();
    nameless.truncate(12);
    nameless[3] = 12;
    scripted.input(Input::Message { association, protocol: PayloadProtocol::ASAP, octets: &nameless });
    let errors: Vec<u8> = scripted
        .done()
        .iter()
        .filter_map(|done| if let Done::Says(_, _, octets) = done { Some(octets[0]) } else { None })
        .collect();
    assert_eq!(errors, [14], "ASAP_ERROR");
}
