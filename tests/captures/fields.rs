//! What we read in a message, field by field in the order on the wire, with tshark's names and the octets in
//! hexadecimal.

use std::net::IpAddr;

use rserpool::wire::param::transport::IpProtocol;
use rserpool::wire::{
    CauseInformation, ErrorCause, PeIdentifier, Policy, PoolElement, PoolHandle, Sequence, ServerInformation,
    Transport, Unknown, asap, enrp,
};

type Fields = Vec<String>;

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn u32_field(fields: &mut Fields, name: &str, value: u32) {
    fields.push(format!("{name}={value:08x}"));
}

fn u16_field(fields: &mut Fields, name: &str, value: u16) {
    fields.push(format!("{name}={value:04x}"));
}

fn pool_handle(fields: &mut Fields, handle: PoolHandle<'_>) {
    fields.push(format!("pool_handle_pool_handle={}", hex(handle.octets())));
}

fn pe_identifier(fields: &mut Fields, identifier: PeIdentifier) {
    u32_field(fields, "pe_identifier", identifier.0);
}

fn address(fields: &mut Fields, address: IpAddr) {
    fields.push(match address {
        IpAddr::V4(address) => format!("ipv4_address={}", hex(&address.octets())),
        IpAddr::V6(address) => format!("ipv6_address={}", hex(&address.octets())),
    });
}

fn transport(fields: &mut Fields, transport: &Transport<'_>) {
    match transport {
        Transport::Sctp { port, transport_use, .. } => {
            u16_field(fields, "sctp_transport_port", *port);
            u16_field(fields, "transport_use", transport_use.to_wire());
        }
        Transport::Ip { protocol: IpProtocol::Tcp, port, .. } => {
            // tshark dissects the reserved field as SCTP's transport use.
            u16_field(fields, "tcp_transport_port", *port);
            u16_field(fields, "transport_use", 0);
        }
        Transport::Ip { protocol: IpProtocol::Udp, port, .. } => {
            u16_field(fields, "udp_transport_port", *port);
            u16_field(fields, "udp_transport_reserved", 0);
        }
        Transport::Ip { protocol: IpProtocol::UdpLite, port, .. } => {
            u16_field(fields, "udp_lite_transport_port", *port);
            u16_field(fields, "udp_lite_transport_reserved", 0);
        }
        Transport::Dccp { port, service_code, .. } => {
            u16_field(fields, "dccp_transport_port", *port);
            u16_field(fields, "dccp_transport_reserved", 0);
            u32_field(fields, "dccp_transport_service_code", *service_code);
        }
        _ => {}
    }
    for each in transport.addresses() {
        address(fields, each);
    }
}

fn policy(fields: &mut Fields, policy: &Policy<'_>) {
    u32_field(fields, "pool_member_selection_policy_type", policy.policy_type().0);
    let mut value = |name: &str, value: u32| u32_field(fields, &format!("pool_member_selection_policy_{name}"), value);
    match *policy {
        Policy::WeightedRoundRobin { weight } | Policy::WeightedRandom { weight } => value("weight", weight),
        Policy::Priority { priority } => value("priority", priority),
        Policy::LeastUsed { load } | Policy::RandomizedLeastUsed { load } => value("load", load),
        Policy::LeastUsedWithDegradation { load, degradation } | Policy::PriorityLeastUsed { load, degradation } => {
            value("load", load);
            value("degradation", degradation);
        }
        Policy::Other { data, .. } => fields.push(format!("pool_member_selection_policy_value={}", hex(data))),
        _ => {}
    }
}

fn pool_element(fields: &mut Fields, element: &PoolElement<'_>) {
    u32_field(fields, "pool_element_pe_identifier", element.identifier.0);
    u32_field(fields, "pool_element_home_enrp_server_identifier", element.home.0);
    u32_field(fields, "pool_element_registration_life", element.life.0 as u32);
    transport(fields, &element.user_transport);
    policy(fields, &element.policy);
    if let Some(asap) = &element.asap_transport {
        transport(fields, asap);
    }
    unknown(fields, &element.unknown);
}

fn server_information(fields: &mut Fields, information: &ServerInformation<'_>) {
    u32_field(fields, "server_information_server_identifier", information.identifier.0);
    transport(fields, &information.transport);
}

fn causes(fields: &mut Fields, causes: &Sequence<'_, ErrorCause<'_>>) {
    for cause in causes {
        u16_field(fields, "cause_code", cause.code.0);
        match &cause.information {
            CauseInformation::Octets([]) => {}
            CauseInformation::Octets(octets) => fields.push(format!("cause_info={}", hex(octets))),
            CauseInformation::Policy(value) => policy(fields, value),
            CauseInformation::Transport(value) => transport(fields, value),
        }
    }
}

/// tshark shows nothing but the type and the value of what it does not know, and both are left out.
fn unknown(_fields: &mut Fields, _unknown: &Unknown<'_>) {}

/// The fields of an ASAP message.
pub(crate) fn asap(message: &asap::Message<'_>) -> Fields {
    use asap::Body;
    let flag = match &message.body {
        Body::RegistrationResponse(response) => response.rejected,
        Body::HandleResolution(request) => request.send_updates,
        Body::HandleResolutionResponse(response) => response.accept_updates,
        Body::EndpointKeepAlive(keep_alive) => keep_alive.new_home,
        _ => false,
    };
    let mut fields = vec![
        format!("message_type={:02x}", message.body.message_type()),
        format!("message_flags={:02x}", u8::from(flag) | message.reserved_flags),
    ];
    let fields_ = &mut fields;
    match &message.body {
        Body::Registration(registration) => {
            pool_handle(fields_, registration.pool_handle);
            pool_element(fields_, &registration.pool_element);
        }
        Body::Deregistration(element) | Body::EndpointKeepAliveAck(element) | Body::EndpointUnreachable(element) => {
            pool_handle(fields_, element.pool_handle);
            pe_identifier(fields_, element.identifier);
        }
        Body::RegistrationResponse(asap::RegistrationResponse { element, error, .. })
        | Body::DeregistrationResponse(asap::DeregistrationResponse { element, error }) => {
            pool_handle(fields_, element.pool_handle);
            pe_identifier(fields_, element.identifier);
            error.iter().for_each(|error| causes(fields_, error));
        }
        Body::HandleResolution(request) => {
            pool_handle(fields_, request.pool_handle);
            request.items.iter().for_each(|items| u32_field(fields_, "hropt_items", *items));
        }
        Body::HandleResolutionResponse(response) => {
            pool_handle(fields_, response.pool_handle);
            response.policy.iter().for_each(|value| policy(fields_, value));
            response.pool_elements.iter().for_each(|element| pool_element(fields_, &element));
            response.error.iter().for_each(|error| causes(fields_, error));
        }
        Body::EndpointKeepAlive(keep_alive) => {
            u32_field(fields_, "server_identifier", keep_alive.server.0);
            pool_handle(fields_, keep_alive.pool_handle);
            keep_alive.identifier.iter().for_each(|identifier| pe_identifier(fields_, *identifier));
        }
        Body::ServerAnnounce(announce) => {
            u32_field(fields_, "server_identifier", announce.server.0);
            announce.transports.iter().for_each(|each| transport(fields_, &each));
        }
        Body::Cookie(cookie) | Body::CookieEcho(cookie) => fields_.push(format!("cookie={}", hex(cookie))),
        Body::BusinessCard(card) => {
            pool_handle(fields_, card.pool_handle);
            card.pool_elements.iter().for_each(|element| pool_element(fields_, &element));
        }
        Body::Error(error) => causes(fields_, error),
        _ => panic!("a message that the test does not know"),
    }
    unknown(fields_, &message.unknown);
    fields
}

/// The fields of an ENRP message.
pub(crate) fn enrp(message: &enrp::Message<'_>) -> Fields {
    use enrp::Body;
    let flags = match &message.body {
        Body::Presence(presence) => u8::from(presence.reply_required),
        Body::HandleTableRequest { own_children_only } => u8::from(*own_children_only),
        Body::HandleTableResponse(response) => u8::from(response.rejected) | (u8::from(response.more_to_send) << 1),
        Body::HandleUpdate(update) => u8::from(update.takeover_suggested),
        Body::ListResponse(response) => u8::from(response.rejected),
        _ => 0,
    };
    let mut fields = vec![
        format!("message_type={:02x}", message.body.message_type()),
        format!("message_flags={:02x}", flags | message.reserved_flags),
    ];
    u32_field(&mut fields, "sender_servers_id", message.sender.0);
    u32_field(&mut fields, "receiver_servers_id", message.receiver.0);
    let fields_ = &mut fields;
    match &message.body {
        Body::Presence(presence) => {
            presence.checksum.iter().for_each(|checksum| u16_field(fields_, "pe_checksum", checksum.0));
            presence.server_information.iter().for_each(|information| server_information(fields_, information));
        }
        Body::HandleTableRequest { .. } | Body::ListRequest => {}
        Body::HandleTableResponse(response) => {
            let mut pool = None;
            for (handle, element) in response.pool_entries.iter() {
                if pool != Some(handle) {
                    pool_handle(fields_, handle);
                    pool = Some(handle);
                }
                pool_element(fields_, &element);
            }
        }
        Body::HandleUpdate(update) => {
            u16_field(fields_, "update_action", update.action.to_wire());
            u16_field(fields_, "reserved", 0);
            pool_handle(fields_, update.pool_handle);
            pool_element(fields_, &update.pool_element);
        }
        Body::ListResponse(response) => {
            response.servers.iter().for_each(|information| server_information(fields_, &information));
        }
        Body::InitTakeover(target) | Body::InitTakeoverAck(target) | Body::TakeoverServer(target) => {
            u32_field(fields_, "target_servers_id", target.0);
        }
        Body::Error(error) => causes(fields_, error),
        _ => panic!("a message that the test does not know"),
    }
    unknown(fields_, &message.unknown);
    fields
}

/// What tshark shows in place of the octets that an error cause quotes: it dissects them. Of a parameter or message that
/// it does not know nothing is left but type and value, which are left out of golden files.
const QUOTED: [(&str, &str); 3] = [
    // RFC 5354 §3.12.2: "The complete, unrecognized parameter TLV is included as cause-specific information."
    (" cause_info=7fff0006abcd", ""),
    // RFC 5354 §3.12.3: "The unrecognized message TLV is included as cause-specific information."
    (" cause_info=7f00000c8001000801020304", ""),
    // RFC 5354 §3.12.4: "The offending TLV that contains the invalid value(s) is included as cause-specific information."
    (
        " cause_info=000400101b58000200010008c0000201",
        " sctp_transport_port=1b58 transport_use=0002 ipv4_address=c0000201",
    ),
];

/// A line of ours as tshark has it.
pub(crate) fn as_tshark_has_it(line: &str) -> String {
    QUOTED.iter().fold(line.to_string(), |line, (ours, theirs)| line.replace(ours, theirs))
}
