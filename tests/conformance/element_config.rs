//! What an element cannot be: each mistake has its name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rserpool::UserTransport;
use rserpool::pool_element::{ConfigError, ElementConfig, MAX_POOL_HANDLE};
use rserpool::wire::{IpProtocol, PeIdentifier, TransportUse};

use crate::scripted_element::{HERE, ScriptedElement};

fn sctp(addresses: &[IpAddr], port: u16) -> UserTransport {
    UserTransport::sctp(addresses, port, TransportUse::DataPlusControl).unwrap()
}

fn new(pool_handle: &[u8], identifier: u32, transport: UserTransport) -> Result<(), ConfigError> {
    ElementConfig::new(pool_handle, PeIdentifier(identifier), transport).map(|_| ())
}

#[test]
fn an_element_without_pool_identifier_address_or_port_is_refused_by_name() {
    let any4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let any6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let mapped = "::ffff:0.0.0.0".parse::<IpAddr>().unwrap();
    let long = [b'x'; MAX_POOL_HANDLE + 1];
    assert_eq!(new(b"", 1, sctp(&[HERE], 7)), Err(ConfigError::EmptyPoolHandle));
    assert_eq!(new(&long, 1, sctp(&[HERE], 7)), Err(ConfigError::PoolHandleTooLong { length: MAX_POOL_HANDLE + 1 }));
    assert_eq!(new(b"pool", 0, sctp(&[HERE], 7)), Err(ConfigError::NoIdentifier));
    for address in [any4, any6, mapped] {
        let unspecified = Err(ConfigError::UnspecifiedAddress { address });
        assert_eq!(new(b"pool", 1, sctp(&[address], 7)), unspecified);
        assert_eq!(new(b"pool", 1, sctp(&[HERE, address], 7)), unspecified);
        assert_eq!(new(b"pool", 1, UserTransport::ip(IpProtocol::Udp, address, 7)), unspecified);
    }
    assert_eq!(new(b"pool", 1, sctp(&[HERE], 0)), Err(ConfigError::NoPort));
    assert_eq!(new(&long[1..], 1, sctp(&[HERE], 7)), Ok(()));
    assert_eq!(new(b"p", u32::MAX, UserTransport::ip(IpProtocol::UdpLite, HERE, 65_535)), Ok(()));
}

#[test]
fn an_element_that_moves_to_nowhere_stays_as_it_is() {
    let (mut scripted, home) = ScriptedElement::registered();
    let before = scripted.element.config().user_transport().clone();
    let nowhere = sctp(&[HERE], 0);
    assert_eq!(scripted.act(|element, now| element.set_user_transport(now, nowhere)), Err(ConfigError::NoPort));
    assert_eq!(scripted.element.config().user_transport(), &before);
    assert!(scripted.types(home).is_empty());
}

#[test]
fn each_mistake_is_told_in_words() {
    let text = ConfigError::UnspecifiedAddress { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED) }.to_string();
    assert!(text.contains("0.0.0.0"), "{text}");
    let text = ConfigError::PoolHandleTooLong { length: 65 }.to_string();
    assert!(text.contains("65") && text.contains("64"), "{text}");
}
