//! Server Information (RFC 5354 §3.11).
//!
//! ```text
//! |   Type = 0xb          |      Length = variable        |
//! |   Server ID                                           |
//! :   Server Transport (SCTP)                             :
//! ```

use super::{SCTP_TRANSPORT, SERVER_INFORMATION};
use crate::wire::encode::Sink;
use crate::wire::error::{DecodeError, DecodeErrorKind};
use crate::wire::id::ServerIdentifier;
use crate::wire::param::transport::{Transport, TransportProtocol};
use crate::wire::sequence::{Item, WriteItem};
use crate::wire::tlv::{Context, Once, RawParameter, Unknown, UnknownSeen};

/// A registrar's identifier, and where it speaks ENRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerInformation<'a> {
    /// The registrar.
    pub identifier: ServerIdentifier,
    /// Its ENRP transport, always SCTP.
    pub transport: Transport<'a>,
    /// Unknown parameters.
    pub unknown: Unknown<'a>,
}

impl<'a> ServerInformation<'a> {
    /// The information in a parameter that is one.
    pub(crate) fn read(parameter: &RawParameter<'a>, context: &mut Context<'a>) -> Result<Self, DecodeError> {
        let (identifier, mut inner) = parameter.fixed()?;
        let mut unknown = UnknownSeen::new(&inner);
        let mut transport = Once::new(SCTP_TRANSPORT);
        while let Some(inner) = inner.next()? {
            match Transport::read(&inner, context)? {
                Some(value) if value.protocol() == TransportProtocol::Sctp => transport.set(&inner, value)?,
                Some(_) => {
                    let parameter_type = inner.parameter_type;
                    return Err(inner.error(DecodeErrorKind::TransportProtocol { parameter_type }));
                }
                None => unknown.add(&inner, context)?,
            }
        }
        Ok(Self {
            identifier: ServerIdentifier(u32::from_be_bytes(*identifier)),
            transport: transport.mandatory(parameter.range())?,
            unknown: unknown.finish(),
        })
    }

    pub(crate) fn write(&self, sink: &mut impl Sink) {
        sink.parameter(SERVER_INFORMATION, [self.identifier.0], |sink| {
            self.transport.write(sink);
            self.unknown.write(sink);
        });
    }
}

impl<'a> Item<'a> for ServerInformation<'a> {
    fn from_parameter(parameter: &RawParameter<'a>) -> Option<Self> {
        Self::read(parameter, &mut Context::default()).ok()
    }

    fn is_type(parameter_type: u16) -> bool {
        parameter_type == SERVER_INFORMATION
    }
}

impl WriteItem for ServerInformation<'_> {
    fn write(&self, sink: &mut impl Sink) {
        ServerInformation::write(self, sink);
    }
}
