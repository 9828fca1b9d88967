//! One of every message, parameter, policy and error cause that we can encode.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rserpool::wire::asap::{self, ElementReference};
use rserpool::wire::enrp::{self, HandleTableResponse, PoolEntries, PoolEntry, UpdateAction};
use rserpool::wire::param::transport::IpProtocol;
use rserpool::wire::{
    CauseCode, ErrorCause, PayloadProtocol, PeChecksum, PeIdentifier, Policy, PolicyType, PoolElement, PoolHandle,
    RegistrationLife, Sequence, ServerIdentifier, ServerInformation, Transport, TransportUse, Unknown,
};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
const BOTH: [IpAddr; 2] = [V4, V6];
const SERVER: ServerIdentifier = ServerIdentifier(0x1111_2222);
const PEER: ServerIdentifier = ServerIdentifier(0x3333_4444);
const TARGET: ServerIdentifier = ServerIdentifier(0x5555_6666);
const POOL: PoolHandle<'static> = PoolHandle::new(b"sample pool");

/// A parameter of type 0x7fff.
const UNKNOWN_PARAMETER: [u8; 6] = [0x7f, 0xff, 0, 6, 0xab, 0xcd];
/// A message of type 0x7f with a parameter of type 0x8001.
const UNKNOWN_MESSAGE: [u8; 12] = [0x7f, 0, 0, 12, 0x80, 0x01, 0, 8, 1, 2, 3, 4];
/// An SCTP Transport whose transport use is 2.
const INVALID_TRANSPORT: [u8; 16] = [0, 4, 0, 16, 0x1b, 0x58, 0, 2, 0, 1, 0, 8, 192, 0, 2, 1];

/// A message's octets and what they are.
pub(crate) type Sample = (PayloadProtocol, Vec<u8>);

fn policies() -> Vec<Policy<'static>> {
    vec![
        Policy::RoundRobin,
        Policy::WeightedRoundRobin { weight: 7 },
        Policy::Random,
        Policy::WeightedRandom { weight: 9 },
        Policy::Priority { priority: 1000 },
        Policy::LeastUsed { load: 0x4000_0000 },
        Policy::LeastUsedWithDegradation { load: 0x4000_0000, degradation: 0x0123_4567 },
        Policy::PriorityLeastUsed { load: 0x8000_0000, degradation: 0x89ab_cdef },
        Policy::RandomizedLeastUsed { load: 0xffff_ffff },
        Policy::Other { policy_type: PolicyType(0x8000_0001), data: &[1, 2, 3, 4] },
    ]
}

fn transports() -> Vec<Transport<'static>> {
    vec![
        Transport::sctp(7000, TransportUse::DataOnly, &BOTH),
        Transport::sctp(7001, TransportUse::DataPlusControl, &[V6]),
        Transport::ip(IpProtocol::Tcp, 7002, V4),
        Transport::ip(IpProtocol::Udp, 7003, V6),
        Transport::ip(IpProtocol::UdpLite, 7004, V4),
        Transport::Dccp { port: 7005, service_code: 0x7465_7374, address: V6, unknown: Unknown::NONE },
        Transport::Opaque(b"opaque"),
    ]
}

fn element(identifier: u32, user_transport: Transport<'static>, policy: Policy<'static>) -> PoolElement<'static> {
    PoolElement {
        identifier: PeIdentifier(identifier),
        home: SERVER,
        life: RegistrationLife(300),
        user_transport,
        policy,
        asap_transport: Some(Transport::sctp(3863, TransportUse::DataOnly, &BOTH)),
        unknown: Unknown::NONE,
    }
}

/// Every error cause, with the information that the RFC wants.
fn causes() -> Vec<ErrorCause<'static>> {
    vec![
        ErrorCause::new(CauseCode::UNSPECIFIED_ERROR),
        ErrorCause::unrecognized_parameter(&UNKNOWN_PARAMETER),
        ErrorCause::unrecognized_message(&UNKNOWN_MESSAGE),
        ErrorCause { code: CauseCode::INVALID_VALUES, ..ErrorCause::unrecognized_parameter(&INVALID_TRANSPORT) },
        ErrorCause::new(CauseCode::NON_UNIQUE_PE_IDENTIFIER),
        ErrorCause::inconsistent_pooling_policy(Policy::LeastUsed { load: 1 }),
        ErrorCause::new(CauseCode::LACK_OF_RESOURCES),
        ErrorCause::inconsistent_transport_type(Transport::ip(IpProtocol::Tcp, 80, V4)),
        ErrorCause::new(CauseCode::INCONSISTENT_DATA_CONTROL_CONFIGURATION),
        ErrorCause::new(CauseCode::UNKNOWN_POOL_HANDLE),
        ErrorCause::new(CauseCode::REJECTED_DUE_TO_SECURITY_CONSIDERATIONS),
    ]
}

fn asap(samples: &mut Vec<Sample>, body: asap::Body<'_>) {
    let message = asap::Message::from(body);
    let mut octets = vec![0; message.encoded_len()];
    assert_eq!(message.encode(&mut octets), Ok(octets.len()));
    samples.push((PayloadProtocol::ASAP, octets));
}

fn enrp(samples: &mut Vec<Sample>, body: enrp::Body<'_>) {
    let message = enrp::Message::new(SERVER, PEER, body);
    let mut octets = vec![0; message.encoded_len()];
    assert_eq!(message.encode(&mut octets), Ok(octets.len()));
    samples.push((PayloadProtocol::ENRP, octets));
}

/// All samples.
pub(crate) fn all() -> Vec<Sample> {
    let mut samples = Vec::new();
    asap_samples(&mut samples);
    enrp_samples(&mut samples);
    samples
}

fn asap_samples(samples: &mut Vec<Sample>) {
    let reference = ElementReference { pool_handle: POOL, identifier: PeIdentifier(0xdead_beef) };
    for (number, policy) in policies().into_iter().enumerate() {
        let transport = transports()[number % transports().len()];
        let pool_element = element(number as u32 + 1, transport, policy);
        asap(samples, asap::Body::Registration(asap::Registration { pool_handle: POOL, pool_element }));
    }
    asap(samples, asap::Body::Deregistration(reference));
    let all_causes = causes();
    let error = Sequence::new(&all_causes);
    for (rejected, error) in [(false, None), (true, Some(error))] {
        let response = asap::RegistrationResponse { element: reference, rejected, error };
        asap(samples, asap::Body::RegistrationResponse(response));
        asap(samples, asap::Body::DeregistrationResponse(asap::DeregistrationResponse { element: reference, error }));
    }
    for (send_updates, items) in [(false, None), (true, Some(3))] {
        let request = asap::HandleResolution { pool_handle: POOL, send_updates, items };
        asap(samples, asap::Body::HandleResolution(request));
    }
    let elements: Vec<_> = policies().into_iter().map(|policy| element(5, transports()[0], policy)).collect();
    for (accept_updates, policy, elements, error) in [
        (true, Some(Policy::LeastUsed { load: 0 }), elements.as_slice(), None),
        (false, None, [].as_slice(), Some(Sequence::new(&all_causes[9..10]))),
    ] {
        let pool_elements = Sequence::new(elements);
        let response =
            asap::HandleResolutionResponse { pool_handle: POOL, accept_updates, policy, pool_elements, error };
        asap(samples, asap::Body::HandleResolutionResponse(response));
    }
    for new_home in [false, true] {
        let keep_alive = asap::EndpointKeepAlive { server: SERVER, new_home, pool_handle: POOL, identifier: None };
        asap(samples, asap::Body::EndpointKeepAlive(keep_alive));
    }
    asap(samples, asap::Body::EndpointKeepAliveAck(reference));
    asap(samples, asap::Body::EndpointUnreachable(reference));
    let transports = [transports()[0], transports()[2]];
    let announce = asap::ServerAnnounce { server: SERVER, transports: Sequence::new(&transports) };
    asap(samples, asap::Body::ServerAnnounce(announce));
    asap(samples, asap::Body::Cookie(b"a cookie"));
    asap(samples, asap::Body::CookieEcho(b"a cookie of 19 octs"));
    let card = asap::BusinessCard { pool_handle: POOL, pool_elements: Sequence::new(&elements[..2]) };
    asap(samples, asap::Body::BusinessCard(card));
    asap(samples, asap::Body::Error(Sequence::new(&all_causes[..3])));
}

fn enrp_samples(samples: &mut Vec<Sample>) {
    let transport = Transport::sctp(9901, TransportUse::DataOnly, &BOTH);
    let information = |identifier| ServerInformation { identifier, transport, unknown: Unknown::NONE };
    for (reply_required, server_information) in [(false, None), (true, Some(information(SERVER)))] {
        let presence = enrp::Presence { reply_required, checksum: Some(PeChecksum(0xc980)), server_information };
        enrp(samples, enrp::Body::Presence(presence));
    }
    for own_children_only in [false, true] {
        enrp(samples, enrp::Body::HandleTableRequest { own_children_only });
    }
    let elements: Vec<_> =
        transports().into_iter().zip(policies()).map(|(transport, policy)| element(6, transport, policy)).collect();
    let entries = [
        PoolEntry { pool_handle: POOL, pool_elements: Sequence::new(&elements[..3]) },
        PoolEntry { pool_handle: PoolHandle::new(b"another"), pool_elements: Sequence::new(&elements[3..]) },
    ];
    for (rejected, more_to_send, entries) in [(false, true, entries.as_slice()), (true, false, &[])] {
        let response = HandleTableResponse { rejected, more_to_send, pool_entries: PoolEntries::new(entries) };
        enrp(samples, enrp::Body::HandleTableResponse(response));
    }
    for (action, takeover_suggested) in [(UpdateAction::AddPe, false), (UpdateAction::DelPe, true)] {
        let (pool_handle, pool_element) = (POOL, elements[0]);
        enrp(
            samples,
            enrp::Body::HandleUpdate(enrp::HandleUpdate { action, pool_handle, pool_element, takeover_suggested }),
        );
    }
    enrp(samples, enrp::Body::ListRequest);
    let servers = [information(PEER), information(TARGET)];
    for (rejected, servers) in [(false, servers.as_slice()), (true, &[])] {
        enrp(samples, enrp::Body::ListResponse(enrp::ListResponse { rejected, servers: Sequence::new(servers) }));
    }
    enrp(samples, enrp::Body::InitTakeover(TARGET));
    enrp(samples, enrp::Body::InitTakeoverAck(TARGET));
    enrp(samples, enrp::Body::TakeoverServer(TARGET));
    enrp(samples, enrp::Body::Error(Sequence::new(&causes())));
}
