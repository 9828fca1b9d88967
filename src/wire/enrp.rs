//! The messages of ENRP (RFC 5353 §2).

use super::encode::{EncodeError, Sink};
use super::error::{DecodeError, DecodeErrorKind};
use super::header::{Decoded, Header, encode, encoded_len, write_message};
use super::id::{PeChecksum, PoolHandle, ServerIdentifier};
use super::param::error_cause::{self, ErrorCause};
use super::param::pool_element::PoolElement;
use super::param::server_information::ServerInformation;
use super::param::{
    OPERATION_ERROR, PE_CHECKSUM, POOL_ELEMENT, POOL_HANDLE, SERVER_INFORMATION, read_pe_checksum, read_pool_handle,
    write_pe_checksum, write_pool_handle,
};
use super::sequence::{Item, Sequence, WriteItem};
use super::tlv::{Context, Once, Parameters, RawParameter, Unknown, UnknownSeen};

/// An ENRP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The registrar that sends it.
    pub sender: ServerIdentifier,
    /// The registrar that it is for; [`ServerIdentifier::NONE`] if for all, or not said.
    pub receiver: ServerIdentifier,
    /// What it says.
    pub body: Body<'a>,
    /// The flag bits that the RFC gives no meaning for this type of message. Zero in messages of our own.
    pub reserved_flags: u8,
    /// Unknown parameters.
    pub unknown: Unknown<'a>,
}

/// The ten messages of ENRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body<'a> {
    /// ENRP_PRESENCE.
    Presence(Presence<'a>),
    /// ENRP_HANDLE_TABLE_REQUEST (RFC 5353 §2.2).
    HandleTableRequest {
        /// The W flag: only the elements that the receiver owns.
        own_children_only: bool,
    },
    /// ENRP_HANDLE_TABLE_RESPONSE.
    HandleTableResponse(HandleTableResponse<'a>),
    /// ENRP_HANDLE_UPDATE.
    HandleUpdate(HandleUpdate<'a>),
    /// ENRP_LIST_REQUEST (RFC 5353 §2.5).
    ListRequest,
    /// ENRP_LIST_RESPONSE.
    ListResponse(ListResponse<'a>),
    /// ENRP_INIT_TAKEOVER (RFC 5353 §2.7): the registrar to be taken over.
    InitTakeover(ServerIdentifier),
    /// ENRP_INIT_TAKEOVER_ACK (RFC 5353 §2.8): the registrar to be taken over.
    InitTakeoverAck(ServerIdentifier),
    /// ENRP_TAKEOVER_SERVER (RFC 5353 §2.9): the registrar that is taken over.
    TakeoverServer(ServerIdentifier),
    /// ENRP_ERROR (RFC 5353 §2.10): its causes.
    Error(Sequence<'a, ErrorCause<'a>>),
}

/// ENRP_PRESENCE (RFC 5353 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence<'a> {
    /// The R flag, "reply required". The RFC's figure of the message does not show it, but its §3.4 needs it.
    pub reply_required: bool,
    /// The checksum over the elements that the sender owns.
    pub checksum: Option<PeChecksum>,
    /// Who the sender is.
    pub server_information: Option<ServerInformation<'a>>,
}

/// ENRP_HANDLE_TABLE_RESPONSE (RFC 5353 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandleTableResponse<'a> {
    /// The R flag: the request is rejected.
    pub rejected: bool,
    /// The M flag: ask again, there is more.
    pub more_to_send: bool,
    /// The pools with their elements.
    pub pool_entries: PoolEntries<'a>,
}

/// ENRP_HANDLE_UPDATE (RFC 5353 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandleUpdate<'a> {
    /// What happened.
    pub action: UpdateAction,
    /// In which pool.
    pub pool_handle: PoolHandle<'a>,
    /// To which element.
    pub pool_element: PoolElement<'a>,
    /// The T flag of rsplib: the sender suggests to the receiver to take the element over. Not of the RFCs.
    pub takeover_suggested: bool,
}

/// What an ENRP_HANDLE_UPDATE is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpdateAction {
    /// ADD_PE: the element is new, or has changed.
    AddPe,
    /// DEL_PE: the element is gone.
    DelPe,
}

impl UpdateAction {
    /// The value of the field.
    #[must_use]
    pub const fn to_wire(self) -> u16 {
        match self {
            Self::AddPe => 0,
            Self::DelPe => 1,
        }
    }
}

/// ENRP_LIST_RESPONSE (RFC 5353 §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListResponse<'a> {
    /// The R flag: the request is rejected.
    pub rejected: bool,
    /// The peers that the sender knows.
    pub servers: Sequence<'a, ServerInformation<'a>>,
}

/// The message types of RFC 5353 §2.
pub mod message_type {
    #![allow(missing_docs, reason = "the names are the RFC's")]
    pub const PRESENCE: u8 = 0x01;
    pub const HANDLE_TABLE_REQUEST: u8 = 0x02;
    pub const HANDLE_TABLE_RESPONSE: u8 = 0x03;
    pub const HANDLE_UPDATE: u8 = 0x04;
    pub const LIST_REQUEST: u8 = 0x05;
    pub const LIST_RESPONSE: u8 = 0x06;
    pub const INIT_TAKEOVER: u8 = 0x07;
    pub const INIT_TAKEOVER_ACK: u8 = 0x08;
    pub const TAKEOVER_SERVER: u8 = 0x09;
    pub const ERROR: u8 = 0x0a;
}

/// The name of a message type in RFC 5353 §2; `None` for others.
#[must_use]
pub const fn message_name(message_type: u8) -> Option<&'static str> {
    Some(match message_type {
        message_type::PRESENCE => "ENRP_PRESENCE",
        message_type::HANDLE_TABLE_REQUEST => "ENRP_HANDLE_TABLE_REQUEST",
        message_type::HANDLE_TABLE_RESPONSE => "ENRP_HANDLE_TABLE_RESPONSE",
        message_type::HANDLE_UPDATE => "ENRP_HANDLE_UPDATE",
        message_type::LIST_REQUEST => "ENRP_LIST_REQUEST",
        message_type::LIST_RESPONSE => "ENRP_LIST_RESPONSE",
        message_type::INIT_TAKEOVER => "ENRP_INIT_TAKEOVER",
        message_type::INIT_TAKEOVER_ACK => "ENRP_INIT_TAKEOVER_ACK",
        message_type::TAKEOVER_SERVER => "ENRP_TAKEOVER_SERVER",
        message_type::ERROR => "ENRP_ERROR",
        _ => return None,
    })
}

/// R in ENRP_PRESENCE and in the responses, W in ENRP_HANDLE_TABLE_REQUEST, T in rsplib's ENRP_HANDLE_UPDATE.
const FLAG: u8 = 0x01;
/// M in ENRP_HANDLE_TABLE_RESPONSE.
const FLAG_MORE: u8 = 0x02;

/// The pools in an ENRP_HANDLE_TABLE_RESPONSE, each a pool handle with one or more elements (RFC 5353 §2.3).
#[derive(Clone, Copy)]
pub struct PoolEntries<'a> {
    source: EntriesSource<'a>,
}

#[derive(Clone, Copy)]
enum EntriesSource<'a> {
    Received(&'a [u8]),
    Values(&'a [PoolEntry<'a>]),
}

/// A pool with elements of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolEntry<'a> {
    /// The pool.
    pub pool_handle: PoolHandle<'a>,
    /// Elements in it; at least one.
    pub pool_elements: Sequence<'a, PoolElement<'a>>,
}

impl<'a> PoolEntries<'a> {
    /// These pools.
    #[must_use]
    pub const fn new(entries: &'a [PoolEntry<'a>]) -> Self {
        Self { source: EntriesSource::Values(entries) }
    }

    /// No pools.
    #[must_use]
    pub const fn empty() -> Self {
        Self::new(&[])
    }

    /// The elements, each with its pool, in order.
    pub fn iter(&self) -> impl Iterator<Item = (PoolHandle<'a>, PoolElement<'a>)> + use<'a> {
        let (region, values): (&[u8], &[_]) = match self.source {
            EntriesSource::Received(region) => (region, &[]),
            EntriesSource::Values(values) => (&[], values),
        };
        let mut parameters = Parameters::new(region, 0);
        let mut pool_handle = PoolHandle::new(&[]);
        let received = core::iter::from_fn(move || {
            while let Ok(Some(p)) = parameters.next() {
                match p.parameter_type {
                    POOL_HANDLE => pool_handle = read_pool_handle(&p),
                    POOL_ELEMENT => return PoolElement::from_parameter(&p).map(|element| (pool_handle, element)),
                    _ => {}
                }
            }
            None
        });
        received.chain(values.iter().flat_map(|entry| entry.pool_elements.iter().map(|e| (entry.pool_handle, e))))
    }

    fn write(&self, sink: &mut impl Sink) {
        match self.source {
            EntriesSource::Values(values) => {
                for entry in values {
                    write_pool_handle(sink, entry.pool_handle);
                    entry.pool_elements.write(sink);
                }
            }
            EntriesSource::Received(region) => {
                let mut parameters = Parameters::new(region, 0);
                while let Ok(Some(p)) = parameters.next() {
                    match p.parameter_type {
                        POOL_HANDLE => write_pool_handle(sink, read_pool_handle(&p)),
                        POOL_ELEMENT => {
                            if let Some(element) = PoolElement::from_parameter(&p) {
                                element.write(sink);
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

impl PartialEq for PoolEntries<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for PoolEntries<'_> {}

impl core::fmt::Debug for PoolEntries<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Body<'a> {
    /// The message type that it goes under.
    #[must_use]
    pub const fn message_type(&self) -> u8 {
        match self {
            Self::Presence(_) => message_type::PRESENCE,
            Self::HandleTableRequest { .. } => message_type::HANDLE_TABLE_REQUEST,
            Self::HandleTableResponse(_) => message_type::HANDLE_TABLE_RESPONSE,
            Self::HandleUpdate(_) => message_type::HANDLE_UPDATE,
            Self::ListRequest => message_type::LIST_REQUEST,
            Self::ListResponse(_) => message_type::LIST_RESPONSE,
            Self::InitTakeover(_) => message_type::INIT_TAKEOVER,
            Self::InitTakeoverAck(_) => message_type::INIT_TAKEOVER_ACK,
            Self::TakeoverServer(_) => message_type::TAKEOVER_SERVER,
            Self::Error(_) => message_type::ERROR,
        }
    }

    fn flags(&self) -> u8 {
        let flag = |set, bit| if set { bit } else { 0 };
        match self {
            Self::Presence(presence) => flag(presence.reply_required, FLAG),
            Self::HandleTableRequest { own_children_only } => flag(*own_children_only, FLAG),
            Self::HandleTableResponse(response) => {
                flag(response.rejected, FLAG) | flag(response.more_to_send, FLAG_MORE)
            }
            Self::HandleUpdate(update) => flag(update.takeover_suggested, FLAG),
            Self::ListResponse(response) => flag(response.rejected, FLAG),
            _ => 0,
        }
    }

    fn defined_flags(message_type: u8) -> u8 {
        match message_type {
            message_type::PRESENCE
            | message_type::HANDLE_TABLE_REQUEST
            | message_type::HANDLE_UPDATE
            | message_type::LIST_RESPONSE => FLAG,
            message_type::HANDLE_TABLE_RESPONSE => FLAG | FLAG_MORE,
            _ => 0,
        }
    }

    fn write(&self, sink: &mut impl Sink) {
        match self {
            Self::Presence(presence) => {
                if let Some(checksum) = presence.checksum {
                    write_pe_checksum(sink, checksum);
                }
                if let Some(information) = &presence.server_information {
                    information.write(sink);
                }
            }
            Self::HandleTableRequest { .. } | Self::ListRequest => {}
            Self::HandleTableResponse(response) => response.pool_entries.write(sink),
            Self::HandleUpdate(update) => {
                sink.u32(u32::from(update.action.to_wire()) << 16);
                write_pool_handle(sink, update.pool_handle);
                update.pool_element.write(sink);
            }
            Self::ListResponse(response) => response.servers.write(sink),
            Self::InitTakeover(target) | Self::InitTakeoverAck(target) | Self::TakeoverServer(target) => {
                sink.u32(target.0);
            }
            Self::Error(causes) => error_cause::write(sink, causes),
        }
    }
}

impl<'a> Message<'a> {
    /// A message from `sender` to `receiver`.
    #[must_use]
    pub const fn new(sender: ServerIdentifier, receiver: ServerIdentifier, body: Body<'a>) -> Self {
        Self { sender, receiver, body, reserved_flags: 0, unknown: Unknown::NONE }
    }

    /// Decodes the message that `octets` hold, with its padding or without, and nothing else.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where. [`DecodeError::cause`] says what the sender is to be told.
    pub fn decode(octets: &'a [u8]) -> Result<Decoded<'a, Self>, DecodeError> {
        let header = Header::decode(octets)?;
        if message_name(header.message_type).is_none() {
            return Err(header.unrecognized());
        }
        let (&[s0, s1, s2, s3, r0, r1, r2, r3], parameters) = header.fixed()?;
        let mut reader = Reader { header: &header, context: Context::default(), unknown: Unknown::NONE };
        let body = reader.body(parameters)?;
        let message = Self {
            sender: ServerIdentifier(u32::from_be_bytes([s0, s1, s2, s3])),
            receiver: ServerIdentifier(u32::from_be_bytes([r0, r1, r2, r3])),
            body,
            reserved_flags: header.flags & !Body::defined_flags(header.message_type),
            unknown: reader.unknown,
        };
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
            sink.u32(self.sender.0);
            sink.u32(self.receiver.0);
            self.body.write(sink);
            self.unknown.write(sink);
        });
    }
}

struct Reader<'h, 'a> {
    header: &'h Header<'a>,
    context: Context<'a>,
    unknown: Unknown<'a>,
}

impl<'a> Reader<'_, 'a> {
    fn body(&mut self, parameters: Parameters<'a>) -> Result<Body<'a>, DecodeError> {
        let flag = self.header.flags & FLAG != 0;
        let message = 0..self.header.message.len();
        Ok(match self.header.message_type {
            message_type::PRESENCE => self.presence(parameters, flag)?,
            message_type::HANDLE_TABLE_REQUEST => {
                self.only_unknown(parameters)?;
                Body::HandleTableRequest { own_children_only: flag }
            }
            message_type::HANDLE_TABLE_RESPONSE => Body::HandleTableResponse(HandleTableResponse {
                rejected: flag,
                more_to_send: self.header.flags & FLAG_MORE != 0,
                pool_entries: self.pool_entries(parameters)?,
            }),
            message_type::HANDLE_UPDATE => self.handle_update(flag)?,
            message_type::LIST_REQUEST => {
                self.only_unknown(parameters)?;
                Body::ListRequest
            }
            message_type::LIST_RESPONSE => {
                let region = parameters.rest();
                self.each(parameters, |context, p| match p.parameter_type {
                    SERVER_INFORMATION => ServerInformation::read(p, context).map(|_| true),
                    _ => Ok(false),
                })?;
                Body::ListResponse(ListResponse { rejected: flag, servers: Sequence::received(region) })
            }
            message_type::INIT_TAKEOVER => Body::InitTakeover(self.target()?),
            message_type::INIT_TAKEOVER_ACK => Body::InitTakeoverAck(self.target()?),
            message_type::TAKEOVER_SERVER => Body::TakeoverServer(self.target()?),
            message_type::ERROR => {
                let mut causes = Once::new(OPERATION_ERROR);
                self.each(parameters, |_, p| match p.parameter_type {
                    OPERATION_ERROR => causes.set(p, error_cause::read(p)?).map(|()| true),
                    _ => Ok(false),
                })?;
                Body::Error(causes.mandatory(message)?)
            }
            _ => return Err(self.header.unrecognized()),
        })
    }

    /// Gives each parameter to `read`, which says whether it has a use for it.
    fn each(
        &mut self,
        mut parameters: Parameters<'a>,
        mut read: impl FnMut(&mut Context<'a>, &RawParameter<'a>) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut unknown = UnknownSeen::new(&parameters);
        while let Some(parameter) = parameters.next()? {
            if !read(&mut self.context, &parameter)? {
                unknown.add(&parameter, &mut self.context)?;
            }
        }
        self.unknown = unknown.finish();
        Ok(())
    }

    fn only_unknown(&mut self, parameters: Parameters<'a>) -> Result<(), DecodeError> {
        self.each(parameters, |_, _| Ok(false))
    }

    fn presence(&mut self, parameters: Parameters<'a>, reply_required: bool) -> Result<Body<'a>, DecodeError> {
        let mut checksum = Once::new(PE_CHECKSUM);
        let mut information = Once::new(SERVER_INFORMATION);
        self.each(parameters, |context, p| {
            match p.parameter_type {
                PE_CHECKSUM => checksum.set(p, read_pe_checksum(p)?)?,
                SERVER_INFORMATION => information.set(p, ServerInformation::read(p, context)?)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let (checksum, server_information) = (checksum.optional(), information.optional());
        Ok(Body::Presence(Presence { reply_required, checksum, server_information }))
    }

    /// Pool entries: a pool handle, then its elements, and so on. An element ahead of the first handle, or a handle
    /// without elements, is none.
    fn pool_entries(&mut self, parameters: Parameters<'a>) -> Result<PoolEntries<'a>, DecodeError> {
        let region = parameters.rest();
        let mut open: Option<(RawParameter<'a>, bool)> = None;
        let without_elements = |open: &Option<(RawParameter<'a>, bool)>| match open {
            Some((handle, false)) => {
                Err(handle.error(DecodeErrorKind::MissingParameter { parameter_type: POOL_ELEMENT }))
            }
            _ => Ok(()),
        };
        self.each(parameters, |context, p| {
            match p.parameter_type {
                POOL_HANDLE => {
                    without_elements(&open)?;
                    open = Some((*p, false));
                }
                POOL_ELEMENT => {
                    PoolElement::read(p, context)?;
                    let (_, has_elements) = open
                        .as_mut()
                        .ok_or_else(|| p.error(DecodeErrorKind::MissingParameter { parameter_type: POOL_HANDLE }))?;
                    *has_elements = true;
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        without_elements(&open)?;
        Ok(PoolEntries { source: EntriesSource::Received(region) })
    }

    fn handle_update(&mut self, takeover_suggested: bool) -> Result<Body<'a>, DecodeError> {
        let (&[_, _, _, _, _, _, _, _, a0, a1, _, _], parameters) = self.header.fixed()?;
        let action = match u16::from_be_bytes([a0, a1]) {
            0 => UpdateAction::AddPe,
            1 => UpdateAction::DelPe,
            value => {
                let kind = DecodeErrorKind::UpdateAction { value };
                return Err(DecodeError { offset: 12, ..DecodeError::new(kind, 0..self.header.message.len()) });
            }
        };
        let mut pool_handle = Once::new(POOL_HANDLE);
        let mut pool_element = Once::new(POOL_ELEMENT);
        self.each(parameters, |context, p| {
            match p.parameter_type {
                POOL_HANDLE => pool_handle.set(p, read_pool_handle(p))?,
                POOL_ELEMENT => pool_element.set(p, PoolElement::read(p, context)?)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let message = 0..self.header.message.len();
        Ok(Body::HandleUpdate(HandleUpdate {
            action,
            pool_handle: pool_handle.mandatory(message.clone())?,
            pool_element: pool_element.mandatory(message)?,
            takeover_suggested,
        }))
    }

    fn target(&mut self) -> Result<ServerIdentifier, DecodeError> {
        let (&[_, _, _, _, _, _, _, _, t0, t1, t2, t3], parameters) = self.header.fixed()?;
        self.only_unknown(parameters)?;
        Ok(ServerIdentifier(u32::from_be_bytes([t0, t1, t2, t3])))
    }
}
