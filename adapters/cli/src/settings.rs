//! The RFCs' variables, timers and thresholds by their names: `--set peer-heartbeat-cycle=2s`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rserpool::HuntConfig;
use rserpool::pool_element::ElementConfig;
use rserpool::pool_user::UserConfig;
use rserpool::registrar::RegistrarConfig;
use rserpool_blocking::{Options, SctpConfig, TcpConfig};

use crate::config;
use crate::failure::Failure;

/// A setting as it was given: name and value.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    name: String,
    value: String,
}

impl std::str::FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("the form is NAME=VALUE, for example t1-enrp-request=5s")?;
        Ok(Self { name: name.trim().into(), value: value.trim().into() })
    }
}

/// Something that a setting can change.
enum Place<'a> {
    Time(&'a mut Duration),
    Small(&'a mut u8),
    Count(&'a mut u32),
    Size(&'a mut usize),
    Port(&'a mut Option<u16>),
}

type Places<'a> = Vec<(&'static str, Place<'a>)>;

/// Puts the settings into their places.
fn apply(settings: &[Setting], mut places: Places<'_>) -> Result<(), Failure> {
    for Setting { name, value } in settings {
        let origin = config::origin(name).map_or_else(|| "--set".into(), |at| format!("{at}:"));
        let names: Vec<_> = places.iter().map(|(name, _)| *name).collect();
        let Some((_, place)) = places.iter_mut().find(|(known, _)| known == name) else {
            let names = names.join(", ");
            return Err(Failure::Usage(format!("{origin} {name}: there is no such setting here; there are {names}")));
        };
        let number = |what: &str| Failure::Usage(format!("{origin} {name}={value}: {what} is wanted"));
        match place {
            Place::Time(time) => {
                **time = humantime::parse_duration(value).map_err(|_| number("a time such as 500ms, 2s or 10m"))?;
            }
            Place::Small(place) => **place = value.parse().map_err(|_| number("a number from 0 to 255"))?,
            Place::Count(place) => **place = value.parse().map_err(|_| number("a number"))?,
            Place::Port(place) => **place = Some(value.parse().map_err(|_| number("a port"))?),
            Place::Size(place) => **place = value.parse().map_err(|_| number("a number"))?,
        }
    }
    Ok(())
}

fn sctp(sctp: &mut SctpConfig) -> Places<'_> {
    vec![
        ("sctp-rto-initial", Place::Time(&mut sctp.rto_initial)),
        ("sctp-rto-min", Place::Time(&mut sctp.rto_min)),
        ("sctp-rto-max", Place::Time(&mut sctp.rto_max)),
        ("sctp-association-max-retrans", Place::Count(&mut sctp.max_retransmissions)),
        ("sctp-max-init-retransmits", Place::Count(&mut sctp.max_init_retransmissions)),
        ("sctp-hb-interval", Place::Time(&mut sctp.heartbeat_interval)),
        ("sctp-control-hb-interval", Place::Time(&mut sctp.control_heartbeat_interval)),
        ("sctp-remote-udp-port", Place::Port(&mut sctp.remote_udp_port)),
        ("sctp-max-associations", Place::Size(&mut sctp.limits.associations)),
        ("sctp-max-associations-per-address", Place::Size(&mut sctp.limits.associations_per_address)),
    ]
}

fn tcp(tcp: &mut TcpConfig) -> Places<'_> {
    vec![
        ("tcp-connect-timeout", Place::Time(&mut tcp.connect_timeout)),
        ("tcp-first-message-timeout", Place::Time(&mut tcp.first_message_timeout)),
        ("tcp-message-timeout", Place::Time(&mut tcp.message_timeout)),
        ("tcp-stall-timeout", Place::Time(&mut tcp.stall_timeout)),
        ("tcp-keep-alive-time", Place::Time(&mut tcp.keep_alive_time)),
    ]
}

fn hunt(hunt: &mut HuntConfig) -> Places<'_> {
    vec![
        ("t5-serverhunt", Place::Time(&mut hunt.t5_serverhunt)),
        ("retran-max", Place::Time(&mut hunt.retran_max)),
        ("t7-enrp-outdate", Place::Time(&mut hunt.t7_enrp_outdate)),
    ]
}

fn of_registrar(config: &mut RegistrarConfig) -> Places<'_> {
    vec![
        ("peer-heartbeat-cycle", Place::Time(&mut config.peer_heartbeat_cycle)),
        ("max-time-last-heard", Place::Time(&mut config.max_time_last_heard)),
        ("max-time-no-response", Place::Time(&mut config.max_time_no_response)),
        ("mentor-retry", Place::Time(&mut config.mentor_retry)),
        ("max-mentor-refusals", Place::Small(&mut config.max_mentor_refusals)),
        ("keep-alive-interval", Place::Time(&mut config.keep_alive_interval)),
        ("keep-alive-timeout", Place::Time(&mut config.keep_alive_timeout)),
        ("max-bad-pe-report", Place::Small(&mut config.max_bad_pe_report)),
        ("t6-serverannounce", Place::Time(&mut config.t6_serverannounce)),
        ("update-interval", Place::Time(&mut config.update_interval)),
        ("shutdown-time", Place::Time(&mut config.shutdown_time)),
        ("resolution-items", Place::Size(&mut config.resolution_items)),
        ("max-pools", Place::Size(&mut config.limits.handlespace.pools)),
        ("max-elements", Place::Size(&mut config.limits.handlespace.elements)),
        ("max-elements-per-pool", Place::Size(&mut config.limits.handlespace.elements_per_pool)),
        ("max-pool-handle", Place::Size(&mut config.limits.handlespace.pool_handle)),
        ("max-element-octets", Place::Size(&mut config.limits.handlespace.element)),
        ("max-addresses", Place::Size(&mut config.limits.handlespace.addresses)),
        ("max-associations", Place::Size(&mut config.limits.associations)),
        ("max-updates", Place::Size(&mut config.limits.updates)),
        ("max-association-updates", Place::Size(&mut config.limits.association_updates)),
        ("max-peers", Place::Size(&mut config.limits.peers)),
        ("max-address-peers", Place::Size(&mut config.limits.address_peers)),
        ("max-peer-elements", Place::Size(&mut config.limits.peer_elements)),
        ("max-association-elements", Place::Size(&mut config.limits.association_elements)),
        ("max-address-elements", Place::Size(&mut config.limits.address_elements)),
        ("max-openings", Place::Size(&mut config.limits.openings)),
        ("max-address-openings", Place::Size(&mut config.limits.address_openings)),
        ("max-downloads", Place::Size(&mut config.limits.downloads)),
        ("table-response-elements", Place::Size(&mut config.limits.table_response_elements)),
        ("max-registrations-per-second", Place::Count(&mut config.limits.rates.registrations)),
        ("max-resolutions-per-second", Place::Count(&mut config.limits.rates.resolutions)),
        ("max-reports-per-second", Place::Count(&mut config.limits.rates.reports)),
        ("max-association-registrations-per-second", Place::Count(&mut config.limits.association_rates.registrations)),
        ("max-association-resolutions-per-second", Place::Count(&mut config.limits.association_rates.resolutions)),
        ("max-association-reports-per-second", Place::Count(&mut config.limits.association_rates.reports)),
        ("elements-per-step", Place::Size(&mut config.limits.elements_per_step)),
    ]
}

/// Whether a name is that of a registrar's setting, and none of its transport.
pub(crate) fn is_registrars(name: &str) -> bool {
    let nowhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    of_registrar(&mut RegistrarConfig::new(nowhere, 0)).iter().any(|(known, _)| *known == name)
}

/// Applies settings to a registrar.
pub(crate) fn registrar(
    settings: &[Setting],
    config: &mut RegistrarConfig,
    options: &mut Options,
) -> Result<(), Failure> {
    let mut places = of_registrar(config);
    places.extend(sctp(&mut options.sctp));
    places.extend(tcp(&mut options.tcp));
    apply(settings, places)
}

/// Applies settings to an element.
pub(crate) fn element(settings: &[Setting], config: &mut ElementConfig, options: &mut Options) -> Result<(), Failure> {
    let mut places = vec![
        ("t1-enrp-request", Place::Time(&mut config.t1_enrp_request)),
        ("t2-registration", Place::Time(&mut config.t2_registration)),
        ("t3-deregistration", Place::Time(&mut config.t3_deregistration)),
        ("t4-reregistration", Place::Time(&mut config.t4_reregistration_max)),
        ("change-interval", Place::Time(&mut config.change_interval)),
        ("max-reg-attempt", Place::Small(&mut config.max_reg_attempt)),
        ("max-request-retransmit", Place::Small(&mut config.max_request_retransmit)),
        ("home-silence", Place::Time(&mut config.home_silence)),
    ];
    places.extend(hunt(&mut config.hunt));
    places.extend(sctp(&mut options.sctp));
    apply(settings, places)
}

/// Applies settings to a user.
pub(crate) fn user(settings: &[Setting], config: &mut UserConfig, options: &mut Options) -> Result<(), Failure> {
    let mut places = vec![
        ("t1-enrp-request", Place::Time(&mut config.t1_enrp_request)),
        ("max-request-retransmit", Place::Small(&mut config.max_request_retransmit)),
        ("stale-cache-value", Place::Time(&mut config.stale_cache_value)),
        ("retry-delay", Place::Time(&mut config.retry_delay)),
        ("retry-delay-max", Place::Time(&mut config.retry_delay_max)),
        ("report-interval", Place::Time(&mut config.report_interval)),
    ];
    places.extend(hunt(&mut config.hunt));
    places.extend(sctp(&mut options.sctp));
    places.extend(tcp(&mut options.tcp));
    apply(settings, places)
}

/// Applies settings to what has none but those of its transport.
pub(crate) fn transport(settings: &[Setting], options: &mut Options) -> Result<(), Failure> {
    apply(settings, sctp(&mut options.sctp))
}
