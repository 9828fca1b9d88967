//! Where announcements go.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use rserpool::Profile;
use rserpool_sockets::MulticastOptions;

#[test]
fn announcements_go_to_the_groups_and_ports_of_the_rfcs() {
    let addresses = |text: &[&str]| text.iter().map(|address| address.parse().unwrap()).collect::<Vec<SocketAddr>>();
    let options = MulticastOptions::new(Profile::Rfc);
    assert_eq!(options.asap, addresses(&["224.0.1.185:3863"]));
    assert_eq!(options.enrp, addresses(&["224.0.1.185:9901"]));
    let options = options.with_ipv6(2);
    assert_eq!(options.asap, addresses(&["224.0.1.185:3863", "[ff02::133]:3863"]));
    assert_eq!(options.enrp, addresses(&["224.0.1.185:9901", "[ff02::133]:9901"]));
}
