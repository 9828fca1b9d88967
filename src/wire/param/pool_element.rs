//! Pool Element (RFC 5354 §3.10).
//!
//! ```text
//! |   Type = 0xa          |      Length = variable        |
//! |   PE Identifier                                       |
//! |   Home ENRP Server Identifier                         |
//! |   Registration Life                                   |
//! :   User Transport param                                :
//! :   Member Selection Policy param                       :
//! :   ASAP Transport param (optional)                     :
//! ```

use super::{POLICY, POOL_ELEMENT, SCTP_TRANSPORT};
use crate::wire::encode::{Counter, EncodeError, Sink, Writer, padded};
use crate::wire::error::{DecodeError, DecodeErrorKind};
use crate::wire::id::{PeIdentifier, RegistrationLife, ServerIdentifier};
use crate::wire::param::policy::Policy;
use crate::wire::param::transport::{Transport, TransportProtocol};
use crate::wire::sequence::{Item, WriteItem};
use crate::wire::tlv::{Context, Once, Parameters, RawParameter, Unknown, UnknownSeen};

/// A pool element as registrars and users see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolElement<'a> {
    /// Identifies it in its pool.
    pub identifier: PeIdentifier,
    /// Its home registrar; [`ServerIdentifier::NONE`] while undetermined.
    pub home: ServerIdentifier,
    /// How long its registration is valid.
    pub life: RegistrationLife,
    /// Where it serves its users.
    pub user_transport: Transport<'a>,
    /// Policy and values for its selection.
    pub policy: Policy<'a>,
    /// Where it speaks ASAP, always an SCTP transport; filled in by its home registrar (RFC 5352 §3.1).
    pub asap_transport: Option<Transport<'a>>,
    /// Unknown parameters.
    pub unknown: Unknown<'a>,
}

impl<'a> PoolElement<'a> {
    /// The element in a parameter that is one. The first transport is the user's, the second is that for ASAP.
    pub(crate) fn read(parameter: &RawParameter<'a>, context: &mut Context<'a>) -> Result<Self, DecodeError> {
        let (&[i0, i1, i2, i3, h0, h1, h2, h3, l0, l1, l2, l3], mut inner) = parameter.fixed()?;
        let mut unknown = UnknownSeen::new(&inner);
        let mut user_transport = Once::new(SCTP_TRANSPORT);
        let mut policy = Once::new(POLICY);
        let mut asap_transport = Once::new(SCTP_TRANSPORT);
        while let Some(inner) = inner.next()? {
            if inner.parameter_type == POLICY {
                policy.set(&inner, Policy::read(&inner)?)?;
            } else if let Some(transport) = Transport::read(&inner, context)? {
                if !user_transport.is_set() {
                    user_transport.set(&inner, transport)?;
                } else if transport.protocol() != TransportProtocol::Sctp {
                    // RFC 5354 §3.10: the ASAP transport MUST be an SCTP transport.
                    let parameter_type = inner.parameter_type;
                    return Err(inner.error(DecodeErrorKind::TransportProtocol { parameter_type }));
                } else {
                    asap_transport.set(&inner, transport)?;
                }
            } else {
                unknown.add(&inner, context)?;
            }
        }
        Ok(Self {
            identifier: PeIdentifier(u32::from_be_bytes([i0, i1, i2, i3])),
            home: ServerIdentifier(u32::from_be_bytes([h0, h1, h2, h3])),
            life: RegistrationLife(i32::from_be_bytes([l0, l1, l2, l3])),
            user_transport: user_transport.mandatory(parameter.range())?,
            policy: policy.mandatory(parameter.range())?,
            asap_transport: asap_transport.optional(),
            unknown: unknown.finish(),
        })
    }

    /// The element whose Pool Element parameter `octets` hold, padding or not; `None` if they hold something else.
    #[must_use]
    pub fn from_octets(octets: &'a [u8]) -> Option<Self> {
        let parameter = Parameters::new(octets, 0).next().ok()??;
        if parameter.parameter_type == POOL_ELEMENT { Self::from_parameter(&parameter) } else { None }
    }

    /// Where the ASAP transport stands in the octets of a good Pool Element parameter, if it has one.
    #[cfg(feature = "alloc")]
    pub(crate) fn asap_transport_range(octets: &[u8]) -> Option<core::ops::Range<usize>> {
        let (_, mut inner) = Parameters::new(octets, 0).next().ok()??.fixed::<12>().ok()?;
        let mut transports = core::iter::from_fn(|| inner.next().ok()?)
            .filter(|parameter| TransportProtocol::from_wire(parameter.parameter_type).is_some());
        Some(transports.nth(1)?.range())
    }

    /// How many octets its Pool Element parameter takes, padding included.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let mut counter = Counter::default();
        self.write(&mut counter);
        padded(counter.position())
    }

    /// Writes its Pool Element parameter to the start of `buffer`, padding included, and returns the octets written.
    ///
    /// # Errors
    ///
    /// The buffer is too small; its content is undefined then.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(buffer);
        self.write(&mut writer);
        writer.align();
        writer.finish()
    }

    #[inline]
    pub(crate) fn write(&self, sink: &mut impl Sink) {
        let fixed = [self.identifier.0, self.home.0, self.life.0.cast_unsigned()];
        sink.parameter(POOL_ELEMENT, fixed, |sink| {
            self.user_transport.write(sink);
            self.policy.write(sink);
            if let Some(transport) = &self.asap_transport {
                transport.write(sink);
            }
            self.unknown.write(sink);
        });
    }
}

impl<'a> Item<'a> for PoolElement<'a> {
    fn from_parameter(parameter: &RawParameter<'a>) -> Option<Self> {
        Self::read(parameter, &mut Context::default()).ok()
    }

    fn is_type(parameter_type: u16) -> bool {
        parameter_type == POOL_ELEMENT
    }
}

impl WriteItem for PoolElement<'_> {
    fn write(&self, sink: &mut impl Sink) {
        PoolElement::write(self, sink);
    }
}
