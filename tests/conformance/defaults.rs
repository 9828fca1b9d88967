//! The timers and thresholds have the RFCs' values unless they are set otherwise (RFC 5352 §7, RFC 5353 §4.2). That they are heeded
//! is seen where they are at work.

use std::net::SocketAddr;
use std::time::Duration;

use rserpool::HuntConfig;
use rserpool::pool_element::ElementConfig;
use rserpool::pool_user::UserConfig;
use rserpool::registrar::RegistrarConfig;
use rserpool::wire::PeIdentifier;

use crate::scripted::enrp_at;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn an_elements_timers_and_thresholds_are_those_of_asap() {
    let config = ElementConfig::new(b"pool", PeIdentifier(1), SocketAddr::from(([10, 1, 0, 1], 7000))).unwrap();
    assert_eq!(config.t1_enrp_request, seconds(15));
    assert_eq!(config.t2_registration, seconds(30));
    assert_eq!(config.t3_deregistration, seconds(30));
    assert_eq!(config.t4_reregistration_max, seconds(600));
    assert_eq!((config.max_reg_attempt, config.max_request_retransmit), (2, 2));
    assert_eq!(config.hunt, HuntConfig::default());
}

#[test]
fn a_users_timers_and_thresholds_are_those_of_asap() {
    let config = UserConfig::default();
    assert_eq!(config.t1_enrp_request, seconds(15));
    assert_eq!(config.max_request_retransmit, 2);
    assert_eq!(config.hunt, HuntConfig::default());
}

#[test]
fn the_hunts_timers_are_those_of_asap() {
    let hunt = HuntConfig::default();
    assert_eq!(hunt.t5_serverhunt, seconds(10));
    assert_eq!(hunt.t7_enrp_outdate, seconds(5));
    assert_eq!(hunt.retran_max, seconds(60));
}

#[test]
fn a_registrars_timers_and_thresholds_are_those_of_asap_and_enrp() {
    let config = RegistrarConfig::new(enrp_at(1), 1);
    assert_eq!(config.t6_serverannounce, seconds(1));
    assert_eq!(config.peer_heartbeat_cycle, seconds(30));
    assert_eq!(config.max_time_last_heard, seconds(61));
    assert_eq!(config.max_time_no_response, seconds(5));
}
