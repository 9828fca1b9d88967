//! The messages of ASAP (RFC 5352 §2.2).

use super::encode::{EncodeError, Sink};
use super::error::{DecodeError, DecodeErrorKind};
use super::header::{Decoded, Header, encode, encoded_len, write_message};
use super::id::{PeIdentifier, PoolHandle, ServerIdentifier};
use super::param::error_cause::{self, ErrorCause};
use super::param::policy::Policy;
use super::param::pool_element::PoolElement;
use super::param::transport::{Transport, TransportProtocol};
use super::param::{
    COOKIE, HANDLE_RESOLUTION_OPTION, OPERATION_ERROR, PE_IDENTIFIER, POLICY, POOL_ELEMENT, POOL_HANDLE, read_items,
    read_pe_identifier, read_pool_handle, write_cookie, write_items, write_pe_identifier, write_pool_handle,
};
use super::sequence::{Sequence, WriteItem};
use super::tlv::{Context, Once, Parameters, Unknown, UnknownSeen};

/// An ASAP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it says.
    pub body: Body<'a>,
    /// The flag bits that the RFC gives no meaning for this type of message. Zero in messages of our own.
    pub reserved_flags: u8,
    /// Unknown parameters.
    pub unknown: Unknown<'a>,
}

/// The fourteen messages of ASAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body<'a> {
    /// ASAP_REGISTRATION, element to registrar.
    Registration(Registration<'a>),
    /// ASAP_DEREGISTRATION, element to registrar.
    Deregistration(ElementReference<'a>),
    /// ASAP_REGISTRATION_RESPONSE, registrar to element.
    RegistrationResponse(RegistrationResponse<'a>),
    /// ASAP_DEREGISTRATION_RESPONSE, registrar to element.
    DeregistrationResponse(DeregistrationResponse<'a>),
    /// ASAP_HANDLE_RESOLUTION, user or element to registrar.
    HandleResolution(HandleResolution<'a>),
    /// ASAP_HANDLE_RESOLUTION_RESPONSE, registrar to user or element.
    HandleResolutionResponse(HandleResolutionResponse<'a>),
    /// ASAP_ENDPOINT_KEEP_ALIVE, registrar to element.
    EndpointKeepAlive(EndpointKeepAlive<'a>),
    /// ASAP_ENDPOINT_KEEP_ALIVE_ACK, element to registrar.
    EndpointKeepAliveAck(ElementReference<'a>),
    /// ASAP_ENDPOINT_UNREACHABLE, user or element to registrar.
    EndpointUnreachable(ElementReference<'a>),
    /// ASAP_SERVER_ANNOUNCE, registrar to everyone by multicast.
    ServerAnnounce(ServerAnnounce<'a>),
    /// ASAP_COOKIE, element to user: the cookie.
    Cookie(&'a [u8]),
    /// ASAP_COOKIE_ECHO, user to its next element: the cookie.
    CookieEcho(&'a [u8]),
    /// ASAP_BUSINESS_CARD, between element and user.
    BusinessCard(BusinessCard<'a>),
    /// ASAP_ERROR, either way: its causes.
    Error(Sequence<'a, ErrorCause<'a>>),
}

/// ASAP_REGISTRATION (RFC 5352 §2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration<'a> {
    /// The pool to join.
    pub pool_handle: PoolHandle<'a>,
    /// The element that joins.
    pub pool_element: PoolElement<'a>,
}

/// A pool handle and a PE identifier, all that ASAP_DEREGISTRATION, ASAP_ENDPOINT_KEEP_ALIVE_ACK and
/// ASAP_ENDPOINT_UNREACHABLE hold (RFC 5352 §2.2.2, §2.2.8, §2.2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementReference<'a> {
    /// The pool.
    pub pool_handle: PoolHandle<'a>,
    /// The element in it.
    pub identifier: PeIdentifier,
}

impl<'a> ElementReference<'a> {
    /// The element that an ASAP_REGISTRATION is for that cannot be decoded, as far as that can be read: so its sender can be told
    /// by ASAP_REGISTRATION_RESPONSE that it is rejected (RFC 5352 §3.1). `None` for other messages.
    #[must_use]
    pub fn of_invalid_registration(octets: &'a [u8]) -> Option<Self> {
        let header = Header::decode(octets).ok().filter(|header| header.message_type == message_type::REGISTRATION)?;
        if Message::decode(octets).is_ok() {
            return None;
        }
        let mut parameters = header.parameters();
        let (mut pool_handle, mut identifier) = (None, None);
        while let Ok(Some(parameter)) = parameters.next() {
            match parameter.parameter_type {
                POOL_HANDLE => pool_handle = Some(PoolHandle::new(parameter.value())),
                POOL_ELEMENT => identifier = parameter.value().first_chunk().map(|octets| u32::from_be_bytes(*octets)),
                _ => {}
            }
        }
        Some(Self { pool_handle: pool_handle?, identifier: PeIdentifier(identifier?) })
    }
}

/// ASAP_REGISTRATION_RESPONSE (RFC 5352 §2.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationResponse<'a> {
    /// Pool and element of the registration.
    pub element: ElementReference<'a>,
    /// The R flag: the registration is rejected.
    pub rejected: bool,
    /// Why it is rejected; or a warning, when it is not.
    pub error: Option<Sequence<'a, ErrorCause<'a>>>,
}

/// ASAP_DEREGISTRATION_RESPONSE (RFC 5352 §2.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeregistrationResponse<'a> {
    /// Pool and element of the deregistration.
    pub element: ElementReference<'a>,
    /// Why it is rejected, or what was atypical.
    pub error: Option<Sequence<'a, ErrorCause<'a>>>,
}

/// ASAP_HANDLE_RESOLUTION (RFC 5352 §2.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandleResolution<'a> {
    /// The pool to resolve.
    pub pool_handle: PoolHandle<'a>,
    /// The S bit: send a response again whenever the pool changes.
    pub send_updates: bool,
    /// How many elements the user would like to get, with the option that is not the RFCs' but rsplib's.
    pub items: Option<u32>,
}

/// ASAP_HANDLE_RESOLUTION_RESPONSE (RFC 5352 §2.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandleResolutionResponse<'a> {
    /// The pool.
    pub pool_handle: PoolHandle<'a>,
    /// The A bit: updates will be sent.
    pub accept_updates: bool,
    /// The pool's policy; round robin if absent.
    pub policy: Option<Policy<'a>>,
    /// The elements; none in a negative response.
    pub pool_elements: Sequence<'a, PoolElement<'a>>,
    /// Present in a negative response: why.
    pub error: Option<Sequence<'a, ErrorCause<'a>>>,
}

/// ASAP_ENDPOINT_KEEP_ALIVE (RFC 5352 §2.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointKeepAlive<'a> {
    /// The registrar that sends it.
    pub server: ServerIdentifier,
    /// The H flag: the registrar wants to be the element's home.
    pub new_home: bool,
    /// The element's pool.
    pub pool_handle: PoolHandle<'a>,
    /// The element. Not of the RFC, but rsplib sends it.
    pub identifier: Option<PeIdentifier>,
}

/// ASAP_SERVER_ANNOUNCE (RFC 5352 §2.2.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerAnnounce<'a> {
    /// The registrar that announces itself.
    pub server: ServerIdentifier,
    /// Where it speaks ASAP, SCTP and TCP only; if empty, at the message's source with SCTP on the well-known port.
    pub transports: Sequence<'a, Transport<'a>>,
}

/// ASAP_BUSINESS_CARD (RFC 5352 §2.2.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusinessCard<'a> {
    /// The sender's pool.
    pub pool_handle: PoolHandle<'a>,
    /// In which order its elements are to be tried when the sender fails. At least one.
    pub pool_elements: Sequence<'a, PoolElement<'a>>,
}

/// The message types of RFC 5352 §2.2.
pub mod message_type {
    #![allow(missing_docs, reason = "the names are the RFC's")]
    pub const REGISTRATION: u8 = 0x01;
    pub const DEREGISTRATION: u8 = 0x02;
    pub const REGISTRATION_RESPONSE: u8 = 0x03;
    pub const DEREGISTRATION_RESPONSE: u8 = 0x04;
    pub const HANDLE_RESOLUTION: u8 = 0x05;
    pub const HANDLE_RESOLUTION_RESPONSE: u8 = 0x06;
    pub const ENDPOINT_KEEP_ALIVE: u8 = 0x07;
    pub const ENDPOINT_KEEP_ALIVE_ACK: u8 = 0x08;
    pub const ENDPOINT_UNREACHABLE: u8 = 0x09;
    pub const SERVER_ANNOUNCE: u8 = 0x0a;
    pub const COOKIE: u8 = 0x0b;
    pub const COOKIE_ECHO: u8 = 0x0c;
    pub const BUSINESS_CARD: u8 = 0x0d;
    pub const ERROR: u8 = 0x0e;
}

/// The name of a message type in RFC 5352 §2.2; `None` for others.
#[must_use]
pub const fn message_name(message_type: u8) -> Option<&'static str> {
    Some(match message_type {
        message_type::REGISTRATION => "ASAP_REGISTRATION",
        message_type::DEREGISTRATION => "ASAP_DEREGISTRATION",
        message_type::REGISTRATION_RESPONSE => "ASAP_REGISTRATION_RESPONSE",
        message_type::DEREGISTRATION_RESPONSE => "ASAP_DEREGISTRATION_RESPONSE",
        message_type::HANDLE_RESOLUTION => "ASAP_HANDLE_RESOLUTION",
        message_type::HANDLE_RESOLUTION_RESPONSE => "ASAP_HANDLE_RESOLUTION_RESPONSE",
        message_type::ENDPOINT_KEEP_ALIVE => "ASAP_ENDPOINT_KEEP_ALIVE",
        message_type::ENDPOINT_KEEP_ALIVE_ACK => "ASAP_ENDPOINT_KEEP_ALIVE_ACK",
        message_type::ENDPOINT_UNREACHABLE => "ASAP_ENDPOINT_UNREACHABLE",
        message_type::SERVER_ANNOUNCE => "ASAP_SERVER_ANNOUNCE",
        message_type::COOKIE => "ASAP_COOKIE",
        message_type::COOKIE_ECHO => "ASAP_COOKIE_ECHO",
        message_type::BUSINESS_CARD => "ASAP_BUSINESS_CARD",
        message_type::ERROR => "ASAP_ERROR",
        _ => return None,
    })
}

/// The one flag bit that some messages have: R, S, A or H.
const FLAG: u8 = 0x01;

impl<'a> Body<'a> {
    /// The message type that it goes under.
    #[must_use]
    pub const fn message_type(&self) -> u8 {
        match self {
            Self::Registration(_) => message_type::REGISTRATION,
            Self::Deregistration(_) => message_type::DEREGISTRATION,
            Self::RegistrationResponse(_) => message_type::REGISTRATION_RESPONSE,
            Self::DeregistrationResponse(_) => message_type::DEREGISTRATION_RESPONSE,
            Self::HandleResolution(_) => message_type::HANDLE_RESOLUTION,
            Self::HandleResolutionResponse(_) => message_type::HANDLE_RESOLUTION_RESPONSE,
            Self::EndpointKeepAlive(_) => message_type::ENDPOINT_KEEP_ALIVE,
            Self::EndpointKeepAliveAck(_) => message_type::ENDPOINT_KEEP_ALIVE_ACK,
            Self::EndpointUnreachable(_) => message_type::ENDPOINT_UNREACHABLE,
            Self::ServerAnnounce(_) => message_type::SERVER_ANNOUNCE,
            Self::Cookie(_) => message_type::COOKIE,
            Self::CookieEcho(_) => message_type::COOKIE_ECHO,
            Self::BusinessCard(_) => message_type::BUSINESS_CARD,
            Self::Error(_) => message_type::ERROR,
        }
    }

    /// The flag bits that the body stands for.
    fn flags(&self) -> u8 {
        let set = match self {
            Self::RegistrationResponse(response) => response.rejected,
            Self::HandleResolution(request) => request.send_updates,
            Self::HandleResolutionResponse(response) => response.accept_updates,
            Self::EndpointKeepAlive(keep_alive) => keep_alive.new_home,
            _ => false,
        };
        if set { FLAG } else { 0 }
    }

    /// The flag bits that have a meaning in messages of this type.
    fn defined_flags(message_type: u8) -> u8 {
        match message_type {
            message_type::REGISTRATION_RESPONSE
            | message_type::HANDLE_RESOLUTION
            | message_type::HANDLE_RESOLUTION_RESPONSE
            | message_type::ENDPOINT_KEEP_ALIVE => FLAG,
            _ => 0,
        }
    }

    fn write(&self, sink: &mut impl Sink) {
        let error = |sink: &mut _, error: &Option<Sequence<'_, ErrorCause<'_>>>| {
            if let Some(causes) = error {
                error_cause::write(sink, causes);
            }
        };
        match self {
            Self::Registration(registration) => {
                write_pool_handle(sink, registration.pool_handle);
                registration.pool_element.write(sink);
            }
            Self::Deregistration(element)
            | Self::EndpointKeepAliveAck(element)
            | Self::EndpointUnreachable(element) => element.write(sink),
            Self::RegistrationResponse(response) => {
                response.element.write(sink);
                error(sink, &response.error);
            }
            Self::DeregistrationResponse(response) => {
                response.element.write(sink);
                error(sink, &response.error);
            }
            Self::HandleResolution(request) => {
                write_pool_handle(sink, request.pool_handle);
                if let Some(items) = request.items {
                    write_items(sink, items);
                }
            }
            Self::HandleResolutionResponse(response) => {
                write_pool_handle(sink, response.pool_handle);
                if let Some(policy) = &response.policy {
                    policy.write(sink);
                }
                response.pool_elements.write(sink);
                error(sink, &response.error);
            }
            Self::EndpointKeepAlive(keep_alive) => {
                sink.u32(keep_alive.server.0);
                write_pool_handle(sink, keep_alive.pool_handle);
                if let Some(identifier) = keep_alive.identifier {
                    write_pe_identifier(sink, identifier);
                }
            }
            Self::ServerAnnounce(announce) => {
                sink.u32(announce.server.0);
                announce.transports.write(sink);
            }
            Self::Cookie(cookie) | Self::CookieEcho(cookie) => write_cookie(sink, cookie),
            Self::BusinessCard(card) => {
                write_pool_handle(sink, card.pool_handle);
                card.pool_elements.write(sink);
            }
            Self::Error(causes) => error_cause::write(sink, causes),
        }
    }
}

impl ElementReference<'_> {
    fn write(&self, sink: &mut impl Sink) {
        write_pool_handle(sink, self.pool_handle);
        write_pe_identifier(sink, self.identifier);
    }
}

impl<'a> From<Body<'a>> for Message<'a> {
    fn from(body: Body<'a>) -> Self {
        Self { body, reserved_flags: 0, unknown: Unknown::NONE }
    }
}

impl<'a> Message<'a> {
    /// Decodes the message that `octets` hold, with its padding or without, and nothing else.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where. [`DecodeError::cause`] says what the sender is to be told.
    pub fn decode(octets: &'a [u8]) -> Result<Decoded<'a, Self>, DecodeError> {
        let header = Header::decode(octets)?;
        let mut reader = Reader { header: &header, context: Context::default(), unknown: Unknown::NONE };
        let body = reader.body()?;
        let reserved_flags = header.flags & !Body::defined_flags(header.message_type);
        let message = Self { body, reserved_flags, unknown: reader.unknown };
        Ok(Decoded { message, unrecognized: reader.context.unrecognized })
    }

    /// How many octets [`Self::encode`] writes, padding included.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        encoded_len(self)
    }

    /// Writes the message to the start of `buffer`, padding included, and returns how many octets it took.
    ///
    /// # Errors
    ///
    /// The buffer is too small, or the message longer than the RFC allows; the buffer's content is undefined then.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        encode(self, buffer)
    }
}

impl WriteItem for Message<'_> {
    fn write(&self, sink: &mut impl Sink) {
        write_message(sink, self.body.message_type(), self.body.flags() | self.reserved_flags, |sink| {
            self.body.write(sink);
            self.unknown.write(sink);
        });
    }
}

/// Reads a body by its message type.
struct Reader<'h, 'a> {
    header: &'h Header<'a>,
    context: Context<'a>,
    unknown: Unknown<'a>,
}

/// Every parameter that ASAP messages have at their outermost level.
struct Fields<'a> {
    pool_handle: Once<PoolHandle<'a>>,
    pool_element: Once<PoolElement<'a>>,
    identifier: Once<PeIdentifier>,
    policy: Once<Policy<'a>>,
    error: Once<Sequence<'a, ErrorCause<'a>>>,
    cookie: Once<&'a [u8]>,
    items: Once<u32>,
    /// All parameters, for what may occur several times.
    region: &'a [u8],
}

/// Which parameters a message may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Elements {
    None,
    One,
    Many,
}

type ReferenceWithError<'a> = (ElementReference<'a>, Option<Sequence<'a, ErrorCause<'a>>>);

impl<'a> Reader<'_, 'a> {
    fn body(&mut self) -> Result<Body<'a>, DecodeError> {
        let flag = self.header.flags & FLAG != 0;
        let message = || 0..self.header.message.len();
        Ok(match self.header.message_type {
            message_type::REGISTRATION => {
                let fields = self.fields(self.header.parameters(), &[POOL_HANDLE], Elements::One)?;
                Body::Registration(Registration {
                    pool_handle: fields.pool_handle.mandatory(message())?,
                    pool_element: fields.pool_element.mandatory(message())?,
                })
            }
            message_type::DEREGISTRATION => Body::Deregistration(self.element_reference()?.0),
            message_type::ENDPOINT_KEEP_ALIVE_ACK => Body::EndpointKeepAliveAck(self.element_reference()?.0),
            message_type::ENDPOINT_UNREACHABLE => Body::EndpointUnreachable(self.element_reference()?.0),
            message_type::REGISTRATION_RESPONSE => {
                let (element, error) = self.element_reference()?;
                Body::RegistrationResponse(RegistrationResponse { element, rejected: flag, error })
            }
            message_type::DEREGISTRATION_RESPONSE => {
                let (element, error) = self.element_reference()?;
                Body::DeregistrationResponse(DeregistrationResponse { element, error })
            }
            message_type::HANDLE_RESOLUTION => {
                let allowed = &[POOL_HANDLE, HANDLE_RESOLUTION_OPTION];
                let fields = self.fields(self.header.parameters(), allowed, Elements::None)?;
                Body::HandleResolution(HandleResolution {
                    pool_handle: fields.pool_handle.mandatory(message())?,
                    send_updates: flag,
                    items: fields.items.optional(),
                })
            }
            message_type::HANDLE_RESOLUTION_RESPONSE => {
                let allowed = &[POOL_HANDLE, POLICY, OPERATION_ERROR];
                let fields = self.fields(self.header.parameters(), allowed, Elements::Many)?;
                Body::HandleResolutionResponse(HandleResolutionResponse {
                    pool_handle: fields.pool_handle.mandatory(message())?,
                    accept_updates: flag,
                    policy: fields.policy.optional(),
                    pool_elements: Sequence::received(fields.region),
                    error: fields.error.optional(),
                })
            }
            message_type::ENDPOINT_KEEP_ALIVE => {
                let (server, parameters) = self.header.fixed()?;
                let fields = self.fields(parameters, &[POOL_HANDLE, PE_IDENTIFIER], Elements::None)?;
                Body::EndpointKeepAlive(EndpointKeepAlive {
                    server: ServerIdentifier(u32::from_be_bytes(*server)),
                    new_home: flag,
                    pool_handle: fields.pool_handle.mandatory(message())?,
                    identifier: fields.identifier.optional(),
                })
            }
            message_type::SERVER_ANNOUNCE => self.server_announce()?,
            message_type::COOKIE => Body::Cookie(self.cookie()?),
            message_type::COOKIE_ECHO => Body::CookieEcho(self.cookie()?),
            message_type::BUSINESS_CARD => {
                let fields = self.fields(self.header.parameters(), &[POOL_HANDLE], Elements::Many)?;
                let pool_elements = Sequence::received(fields.region);
                if pool_elements.is_empty() {
                    let kind = DecodeErrorKind::MissingParameter { parameter_type: POOL_ELEMENT };
                    return Err(DecodeError::new(kind, message()));
                }
                let pool_handle = fields.pool_handle.mandatory(message())?;
                Body::BusinessCard(BusinessCard { pool_handle, pool_elements })
            }
            message_type::ERROR => {
                let fields = self.fields(self.header.parameters(), &[OPERATION_ERROR], Elements::None)?;
                Body::Error(fields.error.mandatory(message())?)
            }
            _ => return Err(self.header.unrecognized()),
        })
    }

    /// A pool handle, a PE identifier, and an error where the message type allows for one.
    fn element_reference(&mut self) -> Result<ReferenceWithError<'a>, DecodeError> {
        let allowed: &[u16] = match self.header.message_type {
            message_type::REGISTRATION_RESPONSE | message_type::DEREGISTRATION_RESPONSE => {
                &[POOL_HANDLE, PE_IDENTIFIER, OPERATION_ERROR]
            }
            _ => &[POOL_HANDLE, PE_IDENTIFIER],
        };
        let fields = self.fields(self.header.parameters(), allowed, Elements::None)?;
        let message = 0..self.header.message.len();
        let pool_handle = fields.pool_handle.mandatory(message.clone())?;
        let identifier = fields.identifier.mandatory(message)?;
        Ok((ElementReference { pool_handle, identifier }, fields.error.optional()))
    }

    fn cookie(&mut self) -> Result<&'a [u8], DecodeError> {
        let fields = self.fields(self.header.parameters(), &[COOKIE], Elements::None)?;
        fields.cookie.mandatory(0..self.header.message.len())
    }

    fn server_announce(&mut self) -> Result<Body<'a>, DecodeError> {
        let (server, mut parameters) = self.header.fixed()?;
        let region = parameters.rest();
        let mut unknown = UnknownSeen::new(&parameters);
        while let Some(parameter) = parameters.next()? {
            match Transport::read(&parameter, &mut self.context)? {
                // RFC 5352 §2.2.10: only SCTP and TCP are allowed.
                Some(transport)
                    if !matches!(transport.protocol(), TransportProtocol::Sctp | TransportProtocol::Tcp) =>
                {
                    let parameter_type = parameter.parameter_type;
                    return Err(parameter.error(DecodeErrorKind::TransportProtocol { parameter_type }));
                }
                Some(_) => {}
                None => unknown.add(&parameter, &mut self.context)?,
            }
        }
        self.unknown = unknown.finish();
        let server = ServerIdentifier(u32::from_be_bytes(*server));
        Ok(Body::ServerAnnounce(ServerAnnounce { server, transports: Sequence::received(region) }))
    }

    /// Reads all parameters. Those that are neither in `allowed` nor pool elements are unknown or misplaced.
    fn fields(
        &mut self,
        mut parameters: Parameters<'a>,
        allowed: &[u16],
        elements: Elements,
    ) -> Result<Fields<'a>, DecodeError> {
        let mut fields = Fields {
            pool_handle: Once::new(POOL_HANDLE),
            pool_element: Once::new(POOL_ELEMENT),
            identifier: Once::new(PE_IDENTIFIER),
            policy: Once::new(POLICY),
            error: Once::new(OPERATION_ERROR),
            cookie: Once::new(COOKIE),
            items: Once::new(HANDLE_RESOLUTION_OPTION),
            region: parameters.rest(),
        };
        let mut unknown = UnknownSeen::new(&parameters);
        while let Some(p) = parameters.next()? {
            if p.parameter_type == POOL_ELEMENT && elements != Elements::None {
                let element = PoolElement::read(&p, &mut self.context)?;
                if elements == Elements::One {
                    fields.pool_element.set(&p, element)?;
                }
                continue;
            }
            if !allowed.contains(&p.parameter_type) {
                unknown.add(&p, &mut self.context)?;
                continue;
            }
            match p.parameter_type {
                POOL_HANDLE => fields.pool_handle.set(&p, read_pool_handle(&p))?,
                PE_IDENTIFIER => fields.identifier.set(&p, read_pe_identifier(&p)?)?,
                POLICY => fields.policy.set(&p, Policy::read(&p)?)?,
                OPERATION_ERROR => fields.error.set(&p, error_cause::read(&p)?)?,
                COOKIE => fields.cookie.set(&p, p.value())?,
                HANDLE_RESOLUTION_OPTION => fields.items.set(&p, read_items(&p)?)?,
                _ => return Err(p.unexpected()),
            }
        }
        self.unknown = unknown.finish();
        Ok(fields)
    }
}
