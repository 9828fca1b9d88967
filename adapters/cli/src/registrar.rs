//! `rserpool registrar`.

use std::collections::BTreeMap;

use rserpool::registrar::{
    AddressCheck, Announcements, PeerAdmission, PeerRefusal, Registrar, RegistrarConfig, RegistrarEvent,
    TakeoverSuggestions,
};
use rserpool::wire::{PayloadProtocol, ServerIdentifier};
use rserpool::{ASAP_PORT, Instant, Purpose};
use rserpool_blocking::{Application, Flow, Options};
use tracing::{info, warn};

use crate::args::{Command, RegistrarArgs};
use crate::csp::{Association, Component, Reporter, Status, count};
use crate::driver::Driver;
use crate::endpoint::{ENRP_PORT, EndpointArg, Scheme};
use crate::failure::Failure;
use crate::node::{self, Reload, Stop};
use crate::settings;

/// Where it serves, and where it speaks with others.
fn endpoints(args: &RegistrarArgs) -> (Vec<EndpointArg>, Vec<EndpointArg>) {
    let on_loopback = EndpointArg {
        scheme: Scheme::SctpOverUdp,
        addresses: vec![std::net::Ipv4Addr::LOCALHOST.into()],
        port: None,
        udp_port: None,
    };
    let asap = if args.asap.is_empty() { vec![on_loopback.clone()] } else { args.asap.clone() };
    let enrp = match args.enrp.as_slice() {
        [] => {
            let first = asap.iter().find(|asap| asap.scheme != Scheme::Tcp).unwrap_or(&on_loopback);
            vec![EndpointArg { port: Some(ENRP_PORT), ..first.clone() }]
        }
        given => given.to_vec(),
    };
    (asap, enrp)
}

fn configuration(args: &RegistrarArgs, options: &mut Options) -> Result<RegistrarConfig, Failure> {
    let (asap, enrp) = endpoints(args);
    let Some(first_enrp) = enrp.first() else { return Err(Failure::Usage("there is no ENRP endpoint".into())) };
    let config = RegistrarConfig::new(first_enrp.to_endpoint(ENRP_PORT)?, node::random()?);
    let mut config = config.with_profile(args.node.profile.profile());
    config.identifier = args.id.map_or(ServerIdentifier::NONE, ServerIdentifier);
    config.announcements = if args.announce { Announcements::On } else { Announcements::Off };
    config.asap = asap.iter().map(|endpoint| endpoint.to_endpoint(ASAP_PORT)).collect::<Result<_, _>>()?;
    config.peers = args.peer.iter().map(|endpoint| endpoint.to_endpoint(ENRP_PORT)).collect::<Result<_, _>>()?;
    if args.peer_only || !args.peer_from.is_empty() {
        config.peer_admission = PeerAdmission::Listed(args.peer_from.clone());
    }
    if args.any_address {
        config.addresses = AddressCheck::Any;
    }
    if args.takeover_suggestions {
        config.takeover_suggestions = TakeoverSuggestions::On;
    }
    settings::registrar(&args.node.settings, &mut config, options)?;
    Ok(config)
}

pub(crate) fn run(args: &RegistrarArgs) -> Result<(), Failure> {
    let (asap, enrp) = endpoints(args);
    let mut options = node::options(&args.node);
    let config = configuration(args, &mut options)?;
    let admission = config.peer_admission.clone();
    let mut driver =
        node::driver(&args.node, Registrar::new(config), &options, asap.iter().chain(&enrp).chain(&args.peer))?;
    for endpoint in &asap {
        node::listen(&mut driver, endpoint, ASAP_PORT, args.node.encap_port, &[Purpose::Asap])?;
        info!(%endpoint, "serving elements and users");
    }
    for endpoint in &enrp {
        node::listen(&mut driver, endpoint, ENRP_PORT, args.node.encap_port, &[Purpose::Enrp])?;
        info!(%endpoint, "speaking with other registrars");
    }
    let is_open = |endpoint: &&EndpointArg| endpoint.addresses.iter().any(|address| !address.is_loopback());
    if let (PeerAdmission::Anyone, Some(endpoint)) = (&admission, enrp.iter().find(is_open)) {
        warn!(%endpoint, "any host that reaches this endpoint may change what users are told; limit it by --peer-only or --peer-from");
    }
    node::registrars(&mut driver, &args.peer, ENRP_PORT)?;
    if args.announce {
        node::join(&mut driver, &node::groups(&args.node)?)?;
    }
    let stop = Stop::on_signals(driver.waker())?;
    let reload = Reload::on_signal(driver.waker())?;
    let id = driver.machine().identifier();
    info!(registrar = %id, "registrar");
    let place = asap.first().map(ToString::to_string).unwrap_or_default();
    let reporter = Reporter::new(&args.monitor, Component::Registrar(id), &place)?;
    let mut app = App { stop, reload: reload.clone(), gone: false, reporter, peers: BTreeMap::new() };
    while !app.gone {
        driver.run(&mut app)?;
        reload.carry_out(is_reloaded, |command| match command {
            Command::Registrar(args) => reconfigure(&mut driver, &args),
            _ => Ok(()),
        });
    }
    info!("end");
    Ok(())
}

/// Whether [`reconfigure`] takes an option or a setting, by its name.
fn is_reloaded(name: &str) -> bool {
    matches!(name, "peer" | "peer-only" | "peer-from" | "any-address" | "takeover-suggestions")
        || settings::is_registrars(name)
}

/// Takes peers and settings; the rest of what the command line and its file say is not for a registrar that runs.
fn reconfigure(driver: &mut Driver<Registrar>, args: &RegistrarArgs) -> Result<(), Failure> {
    let config = configuration(args, &mut node::options(&args.node))?;
    node::registrars(driver, &args.peer, ENRP_PORT)?;
    let now = driver.now();
    driver.machine().reconfigure(now, config);
    Ok(())
}

struct App {
    stop: Stop,
    reload: Reload,
    /// Whether the registrar has come to its end.
    gone: bool,
    reporter: Option<Reporter>,
    /// Since when it knows its peers.
    peers: BTreeMap<ServerIdentifier, Instant>,
}

impl App {
    fn report(&mut self, now: Instant, registrar: &Registrar) {
        let Self { reporter: Some(reporter), peers, .. } = self else { return };
        reporter.report(now, || {
            let handlespace = registrar.handlespace();
            peers.retain(|known, _| registrar.peers().any(|peer| peer == *known));
            let peers = registrar.peers().map(|peer| Association {
                with: Component::Registrar(peer),
                since: *peers.entry(peer).or_insert(now),
                protocol: PayloadProtocol::ENRP,
            });
            let associations: Vec<_> = peers.collect();
            let own = handlespace.owned_by(registrar.identifier()).len();
            let text = format!(
                "{}, {own} its own, in {}; {}",
                count(handlespace.len(), "element"),
                count(handlespace.pool_count(), "pool"),
                count(associations.len(), "peer"),
            );
            Status { text, load: None, associations }
        });
    }
}

impl Application<Registrar> for App {
    fn event(&mut self, _now: Instant, event: RegistrarEvent<'_>) {
        match event {
            RegistrarEvent::Serving => {
                info!(event = "serving", "start-up is over, serving");
                node::ready();
            }
            RegistrarEvent::Registered { pool_handle, identifier } => {
                info!(event = "registered", pool = %pool_handle, element = %identifier, "element registered");
            }
            RegistrarEvent::RegistrationRefused { pool_handle, identifier, cause } => {
                warn!(pool = %pool_handle, element = %identifier, %cause, "registration refused");
            }
            RegistrarEvent::Removed { pool_handle, identifier, reason } => {
                info!(event = "removed", pool = %pool_handle, element = %identifier, ?reason, "element removed");
            }
            RegistrarEvent::UnreachableReported { pool_handle, identifier } => {
                info!(event = "reported", pool = %pool_handle, element = %identifier,
                    "element reported as unreachable");
            }
            RegistrarEvent::PeerFound { peer } => info!(event = "peer_found", %peer, "found another registrar"),
            RegistrarEvent::PeerRefused { address, reason } => {
                let why = match reason {
                    PeerRefusal::NotListed => "it is none of those that --peer and --peer-from name",
                    PeerRefusal::TooMany => "there are as many peers as may be, in all or at its address",
                    PeerRefusal::TwoIdentifiers => "it speaks under two identifiers on one association",
                    PeerRefusal::Impostor => "it speaks under the identifier of a registrar that lives elsewhere",
                    _ => "it may not be a peer",
                };
                warn!(event = "peer_refused", %address, why, "another registrar was turned away");
            }
            RegistrarEvent::PeerSuspected { peer } => {
                info!(event = "peer_suspected", %peer, "another registrar may be dead, asking it");
            }
            RegistrarEvent::PeerDead { peer } => warn!(event = "peer_dead", %peer, "another registrar is dead"),
            RegistrarEvent::TakeoverInitiated { target } => {
                info!(event = "takeover_initiated", %target, "taking over");
            }
            RegistrarEvent::TakeoverAborted { target } => info!(event = "takeover_aborted", %target, "not taking over"),
            RegistrarEvent::TakenOver { target, elements } => {
                info!(event = "taken_over", %target, elements, "taken over");
            }
            RegistrarEvent::TakenOverByPeer { target, by } => {
                info!(event = "taken_over_by_peer", %target, %by, "another registrar has taken over");
            }
            RegistrarEvent::Inconsistent { peer } => {
                info!(event = "inconsistent", %peer, "handlespace differs from a peer's");
            }
            RegistrarEvent::Synchronized { peer } => {
                info!(event = "synchronized", %peer, "handlespace is as the peer's again");
            }
            RegistrarEvent::ShutDown => {
                info!(event = "shut_down", "no element is at home here any more");
                self.gone = true;
            }
            other => info!(event = ?other, "event"),
        }
    }

    fn commands(&mut self, now: Instant, registrar: &mut Registrar) -> Flow {
        if self.stop.is_set() {
            node::stopping();
            registrar.shut_down(now);
        }
        self.report(now, registrar);
        match (self.gone, self.reload.is_set()) {
            (true, _) => Flow::Stop,
            (false, true) => Flow::Pause,
            (false, false) => Flow::Continue,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.reporter.as_ref().map(Reporter::deadline)
    }
}
