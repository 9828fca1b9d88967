//! Endpoints as the command line has them: `sctp+udp://127.0.0.1:3863/9899`.

use std::fmt;
use std::net::{IpAddr, ToSocketAddrs};
use std::str::FromStr;

use rserpool::{EndpointBuf, Protocol};

use crate::failure::Failure;

/// The well-known port for ENRP (RFC 5353 §5.3).
pub(crate) const ENRP_PORT: u16 = 9901;

/// How an endpoint is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// The kernel's SCTP.
    Sctp,
    /// SCTP over UDP.
    SctpOverUdp,
    /// TCP.
    Tcp,
}

/// An endpoint. A name counts as all of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndpointArg {
    pub(crate) scheme: Scheme,
    pub(crate) addresses: Vec<IpAddr>,
    /// The port, if one was given.
    pub(crate) port: Option<u16>,
    /// The UDP port, if one was given.
    pub(crate) udp_port: Option<u16>,
}

impl FromStr for EndpointArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let forms = "sctp://ADDRESS[,ADDRESS…][:PORT], sctp+udp://ADDRESS[:PORT][/UDP-PORT] or tcp://ADDRESS[:PORT]";
        let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("the form is {forms}"))?;
        let scheme = match scheme {
            "sctp" => Scheme::Sctp,
            "sctp+udp" => Scheme::SctpOverUdp,
            "tcp" => Scheme::Tcp,
            other => return Err(format!("'{other}' is no transport; the form is {forms}")),
        };
        let (rest, udp_port) = match rest.split_once('/') {
            Some((rest, port)) if scheme == Scheme::SctpOverUdp => (rest, Some(parse_port(port)?)),
            Some(_) => return Err("only sctp+udp has a UDP port".into()),
            None => (rest, None),
        };
        // A colon outside of brackets precedes the port.
        let (hosts, port) = match rest.rfind(':') {
            Some(at) if !rest[at..].contains(']') => (&rest[..at], Some(parse_port(&rest[at + 1..])?)),
            _ => (rest, None),
        };
        if hosts.contains(',') && scheme != Scheme::Sctp {
            return Err("only sctp:// takes several addresses".into());
        }
        let addresses = hosts.split(',').map(parse_host).collect::<Result<Vec<_>, _>>()?.concat();
        Ok(Self { scheme, addresses, port, udp_port })
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("'{text}' is no port"))
}

/// An address, or all addresses of a name.
fn parse_host(text: &str) -> Result<Vec<IpAddr>, String> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(v6) => v6.parse().map(|v6| vec![IpAddr::V6(v6)]).map_err(|_| format!("'{v6}' is no IPv6 address")),
        None if text.contains(':') => Err(format!("an IPv6 address stands in brackets: '[{text}]'")),
        None => match text.parse() {
            Ok(address) => Ok(vec![address]),
            // So that a mistyped address is not looked for in the network.
            Err(_) if text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.') => {
                Err(format!("'{text}' is no IP address"))
            }
            Err(_) => resolve(text),
        },
    }
}

fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
    let found = (name, 0).to_socket_addrs().map_err(|error| format!("the name '{name}' has no address: {error}"))?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|address| address.ip()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

impl fmt::Display for EndpointArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            Scheme::Sctp => "sctp://",
            Scheme::SctpOverUdp => "sctp+udp://",
            Scheme::Tcp => "tcp://",
        })?;
        for (number, address) in self.addresses.iter().enumerate() {
            f.write_str(if number > 0 { "," } else { "" })?;
            match address {
                IpAddr::V4(address) => write!(f, "{address}")?,
                IpAddr::V6(address) => write!(f, "[{address}]")?,
            }
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if let Some(port) = self.udp_port {
            write!(f, "/{port}")?;
        }
        Ok(())
    }
}

impl EndpointArg {
    /// Its first address.
    pub(crate) fn address(&self) -> Result<IpAddr, Failure> {
        self.addresses.first().copied().ok_or_else(|| Failure::Usage(format!("{self} has no address")))
    }

    /// Each registrar that it is, if any will do: those behind the addresses of one name, but with the kernel's SCTP
    /// several addresses are those of one registrar.
    pub(crate) fn each(&self) -> Vec<Self> {
        match self.scheme {
            Scheme::Sctp => vec![self.clone()],
            Scheme::SctpOverUdp | Scheme::Tcp => {
                self.addresses.iter().map(|address| Self { addresses: vec![*address], ..self.clone() }).collect()
            }
        }
    }

    /// The endpoint as the machines see it.
    pub(crate) fn to_endpoint(&self, default_port: u16) -> Result<EndpointBuf, Failure> {
        let (first, port) = (self.address()?, self.port.unwrap_or(default_port));
        let single = |protocol| EndpointBuf::single(protocol, first, port);
        Ok(match self.scheme {
            Scheme::Sctp => {
                EndpointBuf::new(Protocol::Sctp, &self.addresses, port).unwrap_or_else(|| single(Protocol::Sctp))
            }
            Scheme::SctpOverUdp => single(Protocol::Sctp),
            Scheme::Tcp => single(Protocol::Tcp),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_endpoints_are_read_and_shown() {
        for text in [
            "sctp://10.1.0.1,10.2.0.1:3863",
            "sctp+udp://127.0.0.1:3863/9899",
            "sctp+udp://127.0.0.1",
            "sctp+udp://[::1]:3863/9899",
            "sctp+udp://[::1]",
            "tcp://127.0.0.1:3863",
        ] {
            assert_eq!(text.parse::<EndpointArg>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_name_is_all_of_its_addresses() {
        let endpoint: EndpointArg = "sctp+udp://localhost:3863/9899".parse().unwrap();
        assert!(endpoint.addresses.contains(&IpAddr::from([127, 0, 0, 1])));
        assert!(endpoint.addresses.iter().all(IpAddr::is_loopback));
        assert_eq!(endpoint.each().len(), endpoint.addresses.len());
        assert_eq!(endpoint.each()[0].port, Some(3863));
        let multi_homed: EndpointArg = "sctp://10.1.0.1,10.2.0.1".parse().unwrap();
        assert_eq!(multi_homed.each().len(), 1);
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_a_reason() {
        for (text, reason) in [
            ("127.0.0.1:3863", "the form is"),
            ("udp://127.0.0.1", "'udp' is no transport"),
            ("tcp://127.0.0.1:3863/9899", "only sctp+udp"),
            ("sctp+udp://::1", "in brackets"),
            ("sctp+udp://127.0.0.1:99999", "is no port"),
            ("sctp+udp://127.0.0.1,127.0.0.2:1", "several addresses"),
            ("sctp://10.0.0.300", "is no IP address"),
            ("sctp://no-such-host.invalid", "the name 'no-such-host.invalid' has no address"),
        ] {
            let error = text.parse::<EndpointArg>().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
