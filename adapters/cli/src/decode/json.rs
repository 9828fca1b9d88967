//! Messages and parameters as JSON.

use rserpool::wire::param::name;
use rserpool::wire::{
    CauseInformation, ErrorCause, Policy, PoolElement, PoolHandle, Sequence, ServerInformation, Transport,
    TransportUse, Unknown, asap, enrp,
};
use serde_json::{Map, Value, json};

type Fields = Map<String, Value>;

/// Octets as hexadecimal digits.
fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn snake_case(name: &str) -> String {
    name.to_lowercase().replace([' ', '-', '/'], "_")
}

fn parameter(name: &str, value: Value) -> Value {
    let mut object = Map::new();
    object.insert("parameter".into(), name.into());
    match value {
        Value::Object(fields) => object.extend(fields),
        other => {
            object.insert("value".into(), other);
        }
    }
    Value::Object(object)
}

fn pool_handle(handle: PoolHandle<'_>) -> Value {
    parameter("pool_handle", handle.to_string().into())
}

/// A transport with its protocol, addresses and port.
pub(crate) fn transport(transport: &Transport<'_>) -> Value {
    let protocol = format!("{:?}", transport.protocol()).to_lowercase().replace("udplite", "udp-lite");
    let addresses: Vec<_> = transport.addresses().map(|address| address.to_string()).collect();
    let mut object = Map::new();
    object.insert("protocol".into(), protocol.into());
    match transport {
        Transport::Opaque(octets) => {
            object.insert("octets".into(), hex(octets).into());
            return Value::Object(object);
        }
        Transport::Dccp { service_code, .. } => {
            object.insert("service_code".into(), (*service_code).into());
        }
        Transport::Sctp { .. } => {
            let control = transport.transport_use() == TransportUse::DataPlusControl;
            object.insert("use".into(), if control { "data_plus_control" } else { "data_only" }.into());
        }
        _ => {}
    }
    object.insert("addresses".into(), addresses.into());
    object.insert("port".into(), transport.port().into());
    Value::Object(object)
}

/// A policy with its values.
pub(crate) fn policy(policy: &Policy<'_>) -> Value {
    let kind = policy.policy_type();
    let mut object = Map::new();
    object.insert("type".into(), kind.to_string().into());
    object.insert("name".into(), snake_case(kind.name()).into());
    object.extend(policy.values().map(|(name, value)| (name.into(), value.into())));
    if let Policy::Other { data, .. } = policy {
        object.insert("data".into(), hex(data).into());
    }
    Value::Object(object)
}

fn pool_element(element: &PoolElement<'_>) -> Value {
    let mut object = Map::new();
    object.insert("id".into(), element.identifier.to_string().into());
    object.insert("home".into(), element.home.to_string().into());
    object.insert("life".into(), element.life.0.into());
    object.insert("user_transport".into(), transport(&element.user_transport));
    object.insert("policy".into(), policy(&element.policy));
    if let Some(asap) = &element.asap_transport {
        object.insert("asap_transport".into(), transport(asap));
    }
    add_unknown(&mut object, &element.unknown);
    Value::Object(object)
}

fn server_information(information: &ServerInformation<'_>) -> Value {
    json!({ "id": information.identifier.to_string(), "transport": transport(&information.transport) })
}

fn causes(causes: &Sequence<'_, ErrorCause<'_>>) -> Value {
    let cause = |cause: ErrorCause<'_>| {
        let mut object = Map::new();
        object.insert("code".into(), cause.code.0.into());
        object.insert("name".into(), snake_case(cause.code.name()).into());
        match cause.information {
            CauseInformation::Octets([]) => {}
            CauseInformation::Octets(octets) => {
                object.insert("information".into(), hex(octets).into());
            }
            CauseInformation::Policy(value) => {
                object.insert("policy".into(), policy(&value));
            }
            CauseInformation::Transport(value) => {
                object.insert("transport".into(), transport(&value));
            }
        }
        Value::Object(object)
    };
    json!({ "causes": causes.iter().map(cause).collect::<Vec<_>>() })
}

fn add_unknown(object: &mut Fields, unknown: &Unknown<'_>) {
    let list: Vec<_> = unknown_parameters(unknown).collect();
    if !list.is_empty() {
        object.insert("unknown".into(), list.into());
    }
}

fn unknown_parameters<'a>(unknown: &Unknown<'a>) -> impl Iterator<Item = Value> + use<'a> {
    unknown.iter().map(|p| {
        let kind = format!("0x{:04x}", p.parameter_type);
        parameter(&snake_case(name(p.parameter_type)), json!({ "type": kind, "value": hex(p.value()) }))
    })
}

fn element_reference(element: &asap::ElementReference<'_>) -> Vec<Value> {
    vec![pool_handle(element.pool_handle), parameter("pe_identifier", element.identifier.to_string().into())]
}

/// The fields of an ASAP message.
pub(crate) fn asap(message: &asap::Message<'_>) -> Fields {
    use asap::Body;
    let mut fields = Map::new();
    let mut flag = |name: &str, value: bool| {
        fields.insert(name.into(), value.into());
    };
    let error = |list: &mut Vec<Value>, error: &Option<Sequence<'_, ErrorCause<'_>>>| {
        list.extend(error.as_ref().map(|error| parameter("operation_error", causes(error))));
    };
    let mut list = Vec::new();
    match &message.body {
        Body::Registration(registration) => {
            list.push(pool_handle(registration.pool_handle));
            list.push(parameter("pool_element", pool_element(&registration.pool_element)));
        }
        Body::Deregistration(element) | Body::EndpointKeepAliveAck(element) | Body::EndpointUnreachable(element) => {
            list = element_reference(element);
        }
        Body::RegistrationResponse(response) => {
            flag("rejected", response.rejected);
            list = element_reference(&response.element);
            error(&mut list, &response.error);
        }
        Body::DeregistrationResponse(response) => {
            list = element_reference(&response.element);
            error(&mut list, &response.error);
        }
        Body::HandleResolution(request) => {
            flag("send_updates", request.send_updates);
            list.push(pool_handle(request.pool_handle));
            list.extend(request.items.map(|items| parameter("handle_resolution_option", json!({ "items": items }))));
        }
        Body::HandleResolutionResponse(response) => {
            flag("accept_updates", response.accept_updates);
            list.push(pool_handle(response.pool_handle));
            list.extend(response.policy.as_ref().map(|p| parameter("pool_member_selection_policy", policy(p))));
            list.extend(response.pool_elements.iter().map(|e| parameter("pool_element", pool_element(&e))));
            error(&mut list, &response.error);
        }
        Body::EndpointKeepAlive(keep_alive) => {
            flag("new_home", keep_alive.new_home);
            fields.insert("server".into(), keep_alive.server.to_string().into());
            list.push(pool_handle(keep_alive.pool_handle));
            list.extend(keep_alive.identifier.map(|id| parameter("pe_identifier", id.to_string().into())));
        }
        Body::ServerAnnounce(announce) => {
            fields.insert("server".into(), announce.server.to_string().into());
            list.extend(announce.transports.iter().map(|t| parameter("transport", transport(&t))));
        }
        Body::Cookie(cookie) | Body::CookieEcho(cookie) => list.push(parameter("cookie", hex(cookie).into())),
        Body::BusinessCard(card) => {
            list.push(pool_handle(card.pool_handle));
            list.extend(card.pool_elements.iter().map(|e| parameter("pool_element", pool_element(&e))));
        }
        Body::Error(error) => list.push(parameter("operation_error", causes(error))),
        _ => {}
    }
    list.extend(unknown_parameters(&message.unknown));
    fields.insert("parameters".into(), list.into());
    fields
}

/// The fields of an ENRP message.
pub(crate) fn enrp(message: &enrp::Message<'_>) -> Fields {
    use enrp::Body;
    let mut fields = Map::new();
    fields.insert("sender".into(), message.sender.to_string().into());
    fields.insert("receiver".into(), message.receiver.to_string().into());
    let mut list = Vec::new();
    match &message.body {
        Body::Presence(presence) => {
            fields.insert("reply_required".into(), presence.reply_required.into());
            list.extend(presence.checksum.map(|c| parameter("pe_checksum", c.to_string().into())));
            let information = presence.server_information.as_ref();
            list.extend(information.map(|i| parameter("server_information", server_information(i))));
        }
        Body::HandleTableRequest { own_children_only } => {
            fields.insert("own_children_only".into(), (*own_children_only).into());
        }
        Body::HandleTableResponse(response) => {
            fields.insert("rejected".into(), response.rejected.into());
            fields.insert("more_to_send".into(), response.more_to_send.into());
            let mut pool = None;
            for (handle, element) in response.pool_entries.iter() {
                if pool != Some(handle) {
                    list.push(pool_handle(handle));
                    pool = Some(handle);
                }
                list.push(parameter("pool_element", pool_element(&element)));
            }
        }
        Body::HandleUpdate(update) => {
            let action = match update.action {
                enrp::UpdateAction::AddPe => "add_pe",
                enrp::UpdateAction::DelPe => "del_pe",
            };
            fields.insert("action".into(), action.into());
            fields.insert("takeover_suggested".into(), update.takeover_suggested.into());
            list.push(pool_handle(update.pool_handle));
            list.push(parameter("pool_element", pool_element(&update.pool_element)));
        }
        Body::ListResponse(response) => {
            fields.insert("rejected".into(), response.rejected.into());
            list.extend(response.servers.iter().map(|i| parameter("server_information", server_information(&i))));
        }
        Body::InitTakeover(target) | Body::InitTakeoverAck(target) | Body::TakeoverServer(target) => {
            fields.insert("target".into(), target.to_string().into());
        }
        Body::Error(error) => list.push(parameter("operation_error", causes(error))),
        _ => {}
    }
    list.extend(unknown_parameters(&message.unknown));
    fields.insert("parameters".into(), list.into());
    fields
}
