//! Arbitrary messages that are well-formed. They own what the wire types borrow.

use std::net::IpAddr;

use arbitrary::{Arbitrary, Unstructured};
use rserpool::wire::asap::{self, ElementReference};
use rserpool::wire::enrp::{self, PoolEntries, PoolEntry, UpdateAction};
use rserpool::wire::param::transport::IpProtocol;
use rserpool::wire::{
    CauseCode, CauseInformation, Distance, ErrorCause, PeChecksum, PeIdentifier, Policy, PolicyType, PoolElement,
    PoolHandle, RegistrationLife, Sequence, ServerIdentifier, ServerInformation, Transport, TransportUse, Unknown,
};

/// Few different values, so that messages speak of the same things.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Small {
    /// Zero.
    Zero,
    /// One.
    One,
    /// Two.
    Two,
    /// 0xaa, the registrar under test.
    Us,
    /// A node of a simulated cluster.
    Node(u8),
    /// Anything.
    Any(u32),
}

impl Small {
    /// The value.
    #[must_use]
    pub fn get(self) -> u32 {
        match self {
            Self::Zero => 0,
            Self::One => 1,
            Self::Two => 2,
            Self::Us => 0xaa,
            Self::Node(number) => 0x0100_0001 + u32::from(number % 8),
            Self::Any(value) => value,
        }
    }
}

/// A pool handle: one of two, or any.
#[derive(Arbitrary, Clone, Debug)]
pub enum Handle {
    /// "a".
    A,
    /// "bb".
    B,
    /// The pool of a simulated cluster.
    Simulated,
    /// Anything.
    Any(Vec<u8>),
}

impl Handle {
    /// The handle.
    #[must_use]
    pub fn get(&self) -> PoolHandle<'_> {
        match self {
            Self::A => PoolHandle::new(b"a"),
            Self::B => PoolHandle::new(b"bb"),
            Self::Simulated => PoolHandle::new(b"pool-0"),
            Self::Any(octets) => PoolHandle::new(octets),
        }
    }
}

/// Addresses, at least one.
#[derive(Clone, Debug)]
pub struct Addresses(Vec<IpAddr>);

impl<'a> Arbitrary<'a> for Addresses {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut addresses = vec![u.arbitrary()?];
        while addresses.len() < 6 && u.arbitrary()? {
            addresses.push(u.arbitrary()?);
        }
        Ok(Self(addresses))
    }
}

/// A transport.
#[derive(Arbitrary, Clone, Debug)]
pub enum AnyTransport {
    /// SCTP: port, with a control channel or not, addresses.
    Sctp(u16, bool, Addresses, Extensions),
    /// TCP.
    Tcp(u16, IpAddr),
    /// UDP.
    Udp(u16, IpAddr),
    /// UDP-Lite.
    UdpLite(u16, IpAddr),
    /// DCCP.
    Dccp(u16, u32, IpAddr, Extensions),
    /// Opaque.
    Opaque(Vec<u8>),
}

fn transport_use(control: bool) -> TransportUse {
    if control { TransportUse::DataPlusControl } else { TransportUse::DataOnly }
}

impl AnyTransport {
    fn get(&self) -> Transport<'_> {
        match self {
            Self::Sctp(port, control, Addresses(addresses), extensions) => Transport::Sctp {
                port: *port,
                transport_use: transport_use(*control),
                addresses: Sequence::new(addresses),
                unknown: extensions.get(),
            },
            Self::Tcp(port, address) => Transport::ip(IpProtocol::Tcp, *port, *address),
            Self::Udp(port, address) => Transport::ip(IpProtocol::Udp, *port, *address),
            Self::UdpLite(port, address) => Transport::ip(IpProtocol::UdpLite, *port, *address),
            Self::Dccp(port, service_code, address, extensions) => Transport::Dccp {
                port: *port,
                service_code: *service_code,
                address: *address,
                unknown: extensions.get(),
            },
            Self::Opaque(octets) => Transport::Opaque(octets),
        }
    }
}

/// Unknown parameters that are to be skipped.
#[derive(Clone, Debug)]
pub struct Extensions(Vec<u8>);

impl<'a> Arbitrary<'a> for Extensions {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut octets = Vec::new();
        while octets.len() < 64 && u.ratio(1, 8)? {
            // The two highest bits 10 or 11; 0x803f is known.
            let parameter_type = u.int_in_range(0x8040..=0xffffu16)?;
            let value: Vec<u8> = u.arbitrary()?;
            octets.resize(octets.len().next_multiple_of(4), 0);
            octets.extend(parameter_type.to_be_bytes());
            octets.extend((value.len().min(1000) as u16 + 4).to_be_bytes());
            octets.extend(value.iter().take(1000));
        }
        Ok(Self(octets))
    }
}

impl Extensions {
    fn get(&self) -> Unknown<'_> {
        Unknown::new(&self.0)
    }
}

/// A policy.
#[derive(Arbitrary, Clone, Debug)]
pub enum AnyPolicy {
    /// One of RFC 5356 or of rsplib, with its values.
    Known(u8, [u32; 4]),
    /// Another.
    Other(u32, Vec<u8>),
}

impl AnyPolicy {
    fn get(&self) -> Policy<'_> {
        match self {
            Self::Known(number, [first, second, third, fourth]) => match number % 12 {
                0 => Policy::RoundRobin,
                1 => Policy::WeightedRoundRobin { weight: *first },
                2 => Policy::Random,
                3 => Policy::WeightedRandom { weight: *first },
                4 => Policy::Priority { priority: *first },
                5 => Policy::LeastUsed { load: *first },
                6 => Policy::LeastUsedWithDegradation { load: *first, degradation: *second },
                7 => Policy::PriorityLeastUsed { load: *first, degradation: *second },
                8 => Policy::RandomizedLeastUsed { load: *first },
                9 => Policy::RandomizedLeastUsedWithDegradation { load: *first, degradation: *second },
                10 => Policy::WeightedRandomWithDistance {
                    weight: *first,
                    distance: Distance { factor: *second, distance: *third },
                },
                _ => Policy::LeastUsedWithDegradationAndDistance {
                    load: *first,
                    degradation: *second,
                    distance: Distance { factor: *third, distance: *fourth },
                },
            },
            // The X bit: no standard policy, and neither of the invalid values. The A bit: none of rsplib's.
            Self::Other(number, data) => Policy::Other { policy_type: PolicyType(number | 0xc000_0000), data },
        }
    }
}

/// A pool element.
#[derive(Arbitrary, Clone, Debug)]
pub struct AnyElement {
    identifier: Small,
    home: Small,
    life: i32,
    user_transport: AnyTransport,
    policy: AnyPolicy,
    asap_transport: Option<(u16, Addresses)>,
    extensions: Extensions,
}

impl AnyElement {
    fn get(&self) -> PoolElement<'_> {
        PoolElement {
            identifier: PeIdentifier(self.identifier.get()),
            home: ServerIdentifier(self.home.get()),
            life: RegistrationLife(self.life),
            user_transport: self.user_transport.get(),
            policy: self.policy.get(),
            asap_transport: self
                .asap_transport
                .as_ref()
                .map(|(port, Addresses(addresses))| Transport::sctp(*port, TransportUse::DataOnly, addresses)),
            unknown: self.extensions.get(),
        }
    }
}

/// An error cause.
#[derive(Arbitrary, Clone, Debug)]
pub enum AnyCause {
    /// With octets. Two causes want something else.
    Octets(u16, Vec<u8>),
    /// Inconsistent Pooling Policy.
    Policy(AnyPolicy),
    /// Inconsistent Transport Type.
    Transport(AnyTransport),
}

impl AnyCause {
    fn get(&self) -> ErrorCause<'_> {
        match self {
            Self::Octets(code, octets) => {
                let code = if *code == 5 || *code == 7 { 0 } else { *code };
                ErrorCause { code: CauseCode(code), information: CauseInformation::Octets(octets) }
            }
            Self::Policy(policy) => ErrorCause::inconsistent_pooling_policy(policy.get()),
            Self::Transport(transport) => ErrorCause::inconsistent_transport_type(transport.get()),
        }
    }
}

/// A registrar.
#[derive(Arbitrary, Clone, Debug)]
pub struct AnyServer {
    identifier: Small,
    port: u16,
    addresses: Addresses,
    extensions: Extensions,
}

impl AnyServer {
    fn get(&self) -> ServerInformation<'_> {
        ServerInformation {
            identifier: ServerIdentifier(self.identifier.get()),
            transport: Transport::sctp(self.port, TransportUse::DataOnly, &self.addresses.0),
            unknown: self.extensions.get(),
        }
    }
}

/// An ASAP message.
#[derive(Arbitrary, Clone, Debug)]
pub struct AsapMessage {
    reserved_flags: u8,
    extensions: Extensions,
    body: AsapBody,
}

#[derive(Arbitrary, Clone, Debug)]
enum AsapBody {
    Registration(Handle, AnyElement),
    Deregistration(Handle, Small),
    RegistrationResponse(Handle, Small, bool, Option<Vec<AnyCause>>),
    DeregistrationResponse(Handle, Small, Option<Vec<AnyCause>>),
    HandleResolution(Handle, bool, Option<u32>),
    HandleResolutionResponse(Handle, bool, Option<AnyPolicy>, Vec<AnyElement>, Option<Vec<AnyCause>>),
    EndpointKeepAlive(Small, bool, Handle, Option<Small>),
    EndpointKeepAliveAck(Handle, Small),
    EndpointUnreachable(Handle, Small),
    ServerAnnounce(Small, Vec<(u16, Addresses)>),
    Cookie(Vec<u8>),
    CookieEcho(Vec<u8>),
    BusinessCard(Handle, AnyElement, Vec<AnyElement>),
    Error(Vec<AnyCause>),
}

impl AsapMessage {
    /// Gives the message to `with`.
    pub fn with<R>(&self, with: impl FnOnce(&asap::Message<'_>) -> R) -> R {
        let reference = |handle: &'_ Handle, identifier: &Small| -> (Vec<u8>, PeIdentifier) {
            (handle.get().octets().to_vec(), PeIdentifier(identifier.get()))
        };
        let causes = |causes: &'_ Option<Vec<AnyCause>>| -> Option<usize> { causes.as_ref().map(Vec::len) };
        // All lists are made first, so that the message can borrow them.
        let (list, error): (&[AnyElement], &Option<Vec<AnyCause>>) = match &self.body {
            AsapBody::HandleResolutionResponse(_, _, _, elements, error) => (elements, error),
            AsapBody::RegistrationResponse(_, _, _, error) | AsapBody::DeregistrationResponse(_, _, error) => {
                (&[], error)
            }
            AsapBody::BusinessCard(_, _, more) => (more, &None),
            _ => (&[], &None),
        };
        let mut elements: Vec<PoolElement<'_>> = list.iter().map(AnyElement::get).collect();
        let error_causes: Vec<ErrorCause<'_>> = error.iter().flatten().map(AnyCause::get).collect();
        let error = causes(error).map(|_| Sequence::new(error_causes.as_slice()));
        let owned;
        let transports: Vec<Transport<'_>>;
        let body_causes: Vec<ErrorCause<'_>>;
        let body = match &self.body {
            AsapBody::Registration(handle, element) => {
                asap::Body::Registration(asap::Registration { pool_handle: handle.get(), pool_element: element.get() })
            }
            AsapBody::Deregistration(handle, identifier)
            | AsapBody::EndpointKeepAliveAck(handle, identifier)
            | AsapBody::EndpointUnreachable(handle, identifier) => {
                owned = reference(handle, identifier);
                let element = ElementReference { pool_handle: PoolHandle::new(&owned.0), identifier: owned.1 };
                match &self.body {
                    AsapBody::Deregistration(..) => asap::Body::Deregistration(element),
                    AsapBody::EndpointKeepAliveAck(..) => asap::Body::EndpointKeepAliveAck(element),
                    _ => asap::Body::EndpointUnreachable(element),
                }
            }
            AsapBody::RegistrationResponse(handle, identifier, rejected, _) => {
                let identifier = PeIdentifier(identifier.get());
                let element = ElementReference { pool_handle: handle.get(), identifier };
                asap::Body::RegistrationResponse(asap::RegistrationResponse { element, rejected: *rejected, error })
            }
            AsapBody::DeregistrationResponse(handle, identifier, _) => {
                let identifier = PeIdentifier(identifier.get());
                let element = ElementReference { pool_handle: handle.get(), identifier };
                asap::Body::DeregistrationResponse(asap::DeregistrationResponse { element, error })
            }
            AsapBody::HandleResolution(handle, send_updates, items) => {
                asap::Body::HandleResolution(asap::HandleResolution {
                    pool_handle: handle.get(),
                    send_updates: *send_updates,
                    items: *items,
                })
            }
            AsapBody::HandleResolutionResponse(handle, accept_updates, policy, _, _) => {
                asap::Body::HandleResolutionResponse(asap::HandleResolutionResponse {
                    pool_handle: handle.get(),
                    accept_updates: *accept_updates,
                    policy: policy.as_ref().map(AnyPolicy::get),
                    pool_elements: Sequence::new(&elements),
                    error,
                })
            }
            AsapBody::EndpointKeepAlive(server, new_home, handle, identifier) => {
                asap::Body::EndpointKeepAlive(asap::EndpointKeepAlive {
                    server: ServerIdentifier(server.get()),
                    new_home: *new_home,
                    pool_handle: handle.get(),
                    identifier: identifier.map(|identifier| PeIdentifier(identifier.get())),
                })
            }
            AsapBody::ServerAnnounce(server, list) => {
                transports = list
                    .iter()
                    .map(|(port, Addresses(addresses))| Transport::sctp(*port, TransportUse::DataOnly, addresses))
                    .collect();
                let server = ServerIdentifier(server.get());
                asap::Body::ServerAnnounce(asap::ServerAnnounce { server, transports: Sequence::new(&transports) })
            }
            AsapBody::Cookie(cookie) => asap::Body::Cookie(cookie),
            AsapBody::CookieEcho(cookie) => asap::Body::CookieEcho(cookie),
            AsapBody::BusinessCard(handle, first, _) => {
                elements.push(first.get());
                let pool_elements = Sequence::new(&elements);
                asap::Body::BusinessCard(asap::BusinessCard { pool_handle: handle.get(), pool_elements })
            }
            AsapBody::Error(causes) => {
                body_causes = causes.iter().map(AnyCause::get).collect();
                asap::Body::Error(Sequence::new(&body_causes))
            }
        };
        with(&asap::Message { body, reserved_flags: self.reserved_flags & 0xfe, unknown: self.extensions.get() })
    }
}

/// An ENRP message.
#[derive(Arbitrary, Clone, Debug)]
pub struct EnrpMessage {
    sender: Small,
    receiver: Small,
    reserved_flags: u8,
    extensions: Extensions,
    body: EnrpBody,
}

#[derive(Arbitrary, Clone, Debug)]
enum EnrpBody {
    Presence(bool, Option<u16>, Option<AnyServer>),
    HandleTableRequest(bool),
    HandleTableResponse(bool, bool, Vec<(Handle, AnyElement, Vec<AnyElement>)>),
    HandleUpdate(bool, Handle, AnyElement, bool),
    ListRequest,
    ListResponse(bool, Vec<AnyServer>),
    InitTakeover(Small),
    InitTakeoverAck(Small),
    TakeoverServer(Small),
    Error(Vec<AnyCause>),
}

impl EnrpMessage {
    /// Gives the message to `with`.
    pub fn with<R>(&self, with: impl FnOnce(&enrp::Message<'_>) -> R) -> R {
        let pools: &[(Handle, AnyElement, Vec<AnyElement>)] = match &self.body {
            EnrpBody::HandleTableResponse(_, _, pools) => pools,
            _ => &[],
        };
        let elements: Vec<Vec<PoolElement<'_>>> = pools
            .iter()
            .map(|(_, first, more)| std::iter::once(first).chain(more).map(AnyElement::get).collect())
            .collect();
        let entries: Vec<PoolEntry<'_>> = pools
            .iter()
            .zip(&elements)
            .map(|((handle, ..), elements)| PoolEntry {
                pool_handle: handle.get(),
                pool_elements: Sequence::new(elements),
            })
            .collect();
        let servers: Vec<ServerInformation<'_>>;
        let causes: Vec<ErrorCause<'_>>;
        let body = match &self.body {
            EnrpBody::Presence(reply_required, checksum, server) => enrp::Body::Presence(enrp::Presence {
                reply_required: *reply_required,
                checksum: checksum.map(PeChecksum),
                server_information: server.as_ref().map(AnyServer::get),
            }),
            EnrpBody::HandleTableRequest(own_children_only) => {
                enrp::Body::HandleTableRequest { own_children_only: *own_children_only }
            }
            EnrpBody::HandleTableResponse(rejected, more_to_send, _) => {
                enrp::Body::HandleTableResponse(enrp::HandleTableResponse {
                    rejected: *rejected,
                    more_to_send: *more_to_send,
                    pool_entries: PoolEntries::new(&entries),
                })
            }
            EnrpBody::HandleUpdate(add, handle, element, takeover_suggested) => {
                enrp::Body::HandleUpdate(enrp::HandleUpdate {
                    action: if *add { UpdateAction::AddPe } else { UpdateAction::DelPe },
                    pool_handle: handle.get(),
                    pool_element: element.get(),
                    takeover_suggested: *takeover_suggested,
                })
            }
            EnrpBody::ListRequest => enrp::Body::ListRequest,
            EnrpBody::ListResponse(rejected, list) => {
                servers = list.iter().map(AnyServer::get).collect();
                let servers = Sequence::new(servers.as_slice());
                enrp::Body::ListResponse(enrp::ListResponse { rejected: *rejected, servers })
            }
            EnrpBody::InitTakeover(target) => enrp::Body::InitTakeover(ServerIdentifier(target.get())),
            EnrpBody::InitTakeoverAck(target) => enrp::Body::InitTakeoverAck(ServerIdentifier(target.get())),
            EnrpBody::TakeoverServer(target) => enrp::Body::TakeoverServer(ServerIdentifier(target.get())),
            EnrpBody::Error(list) => {
                causes = list.iter().map(AnyCause::get).collect();
                enrp::Body::Error(Sequence::new(&causes))
            }
        };
        let (sender, receiver) = (ServerIdentifier(self.sender.get()), ServerIdentifier(self.receiver.get()));
        with(&enrp::Message {
            sender,
            receiver,
            body,
            reserved_flags: self.reserved_flags & 0xfc,
            unknown: self.extensions.get(),
        })
    }
}
