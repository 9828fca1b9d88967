//! The parameters that ASAP and ENRP share, one file each (RFC 5354 §3), and their types.

pub mod address;
pub mod error_cause;
pub mod policy;
pub mod pool_element;
pub mod server_information;
pub mod transport;

use super::encode::Sink;
use super::error::DecodeError;
use super::id::{PeChecksum, PeIdentifier, PoolHandle};
use super::tlv::RawParameter;

/// IPv4 Address, RFC 5354 §3.1.
pub const IPV4_ADDRESS: u16 = 0x1;
/// IPv6 Address, RFC 5354 §3.2.
pub const IPV6_ADDRESS: u16 = 0x2;
/// DCCP Transport, RFC 5354 §3.3.
pub const DCCP_TRANSPORT: u16 = 0x3;
/// SCTP Transport, RFC 5354 §3.4.
pub const SCTP_TRANSPORT: u16 = 0x4;
/// TCP Transport, RFC 5354 §3.5.
pub const TCP_TRANSPORT: u16 = 0x5;
/// UDP Transport, RFC 5354 §3.6.
pub const UDP_TRANSPORT: u16 = 0x6;
/// UDP-Lite Transport, RFC 5354 §3.7.
pub const UDP_LITE_TRANSPORT: u16 = 0x7;
/// Pool Member Selection Policy, RFC 5354 §3.8.
pub const POLICY: u16 = 0x8;
/// Pool Handle, RFC 5354 §3.9.
pub const POOL_HANDLE: u16 = 0x9;
/// Pool Element, RFC 5354 §3.10.
pub const POOL_ELEMENT: u16 = 0xa;
/// Server Information, RFC 5354 §3.11.
pub const SERVER_INFORMATION: u16 = 0xb;
/// Operation Error, RFC 5354 §3.12.
pub const OPERATION_ERROR: u16 = 0xc;
/// Cookie, RFC 5354 §3.13.
pub const COOKIE: u16 = 0xd;
/// PE Identifier, RFC 5354 §3.14.
pub const PE_IDENTIFIER: u16 = 0xe;
/// PE Checksum, RFC 5354 §3.15.
pub const PE_CHECKSUM: u16 = 0xf;
/// Opaque Transport, RFC 5354 §3.16.
pub const OPAQUE_TRANSPORT: u16 = 0x10;
/// Handle Resolution Option: how many elements a user asks for. Not of the RFCs but of an Internet-Draft that rsplib
/// implements; its two highest bits make others skip it.
pub const HANDLE_RESOLUTION_OPTION: u16 = 0x803f;

/// Whether a parameter type is known; the rule of the two highest bits is for the others (RFC 5354 §3).
pub(crate) fn is_known(parameter_type: u16) -> bool {
    (IPV4_ADDRESS..=OPAQUE_TRANSPORT).contains(&parameter_type) || parameter_type == HANDLE_RESOLUTION_OPTION
}

/// The name of a parameter type, as RFC 5354 §3 has it; "unknown parameter" for others.
#[must_use]
pub fn name(parameter_type: u16) -> &'static str {
    match parameter_type {
        IPV4_ADDRESS => "IPv4 Address",
        IPV6_ADDRESS => "IPv6 Address",
        DCCP_TRANSPORT => "DCCP Transport",
        SCTP_TRANSPORT => "SCTP Transport",
        TCP_TRANSPORT => "TCP Transport",
        UDP_TRANSPORT => "UDP Transport",
        UDP_LITE_TRANSPORT => "UDP-Lite Transport",
        POLICY => "Pool Member Selection Policy",
        POOL_HANDLE => "Pool Handle",
        POOL_ELEMENT => "Pool Element",
        SERVER_INFORMATION => "Server Information",
        OPERATION_ERROR => "Operation Error",
        COOKIE => "Cookie",
        PE_IDENTIFIER => "PE Identifier",
        PE_CHECKSUM => "PE Checksum",
        OPAQUE_TRANSPORT => "Opaque Transport",
        HANDLE_RESOLUTION_OPTION => "Handle Resolution Option",
        _ => "unknown parameter",
    }
}

// The parameters whose value is a single field.

pub(crate) fn write_pool_handle(sink: &mut impl Sink, handle: PoolHandle<'_>) {
    sink.parameter(POOL_HANDLE, [], |sink| sink.put(handle.octets()));
}

pub(crate) fn read_pool_handle<'a>(parameter: &RawParameter<'a>) -> PoolHandle<'a> {
    PoolHandle::new(parameter.value())
}

pub(crate) fn write_cookie(sink: &mut impl Sink, cookie: &[u8]) {
    sink.parameter(COOKIE, [], |sink| sink.put(cookie));
}

pub(crate) fn write_pe_identifier(sink: &mut impl Sink, identifier: PeIdentifier) {
    sink.short_parameter(PE_IDENTIFIER, [identifier.0]);
}

pub(crate) fn read_pe_identifier(parameter: &RawParameter<'_>) -> Result<PeIdentifier, DecodeError> {
    Ok(PeIdentifier(u32::from_be_bytes(*parameter.array()?)))
}

pub(crate) fn write_pe_checksum(sink: &mut impl Sink, checksum: PeChecksum) {
    sink.parameter(PE_CHECKSUM, [], |sink| sink.put(&checksum.0.to_be_bytes()));
}

pub(crate) fn read_pe_checksum(parameter: &RawParameter<'_>) -> Result<PeChecksum, DecodeError> {
    Ok(PeChecksum(u16::from_be_bytes(*parameter.array()?)))
}

pub(crate) fn write_items(sink: &mut impl Sink, items: u32) {
    sink.short_parameter(HANDLE_RESOLUTION_OPTION, [items]);
}

pub(crate) fn read_items(parameter: &RawParameter<'_>) -> Result<u32, DecodeError> {
    Ok(u32::from_be_bytes(*parameter.array()?))
}
