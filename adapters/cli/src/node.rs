//! What all that run a machine have in common: listening, registrars, signals.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rserpool::pool_element::MAX_POOL_HANDLE;
use rserpool::{ASAP_PORT, EndpointBuf, Machine, Purpose, TooManyRegistrars};
use rserpool_blocking::{Listen, MulticastOptions, Options};
use sd_notify::NotifyState;
use tracing::{info, warn};

use crate::args::{Command, NodeArgs};
use crate::config;
use rserpool_blocking::Waker;

use crate::driver::Driver;
use crate::endpoint::{EndpointArg, Scheme};
use crate::failure::Failure;

/// The driver's options without settings.
pub(crate) fn options(args: &NodeArgs) -> Options {
    let mut options = Options::default();
    options.encapsulation_port = args.encap_port;
    options
}

/// A driver for a machine that has to do with these endpoints. If one of them is the kernel's SCTP all associations are.
pub(crate) fn driver<'a, M: Machine>(
    args: &NodeArgs,
    machine: M,
    options: &Options,
    endpoints: impl IntoIterator<Item = &'a EndpointArg>,
) -> Result<Driver<M>, Failure> {
    let mut driver = Driver::new(args.adapter, machine, options)?;
    if let Some(endpoint) = endpoints.into_iter().find(|endpoint| endpoint.scheme == Scheme::Sctp) {
        use_kernel(&mut driver, options, endpoint)?;
    }
    Ok(driver)
}

/// Has a driver use the kernel's SCTP, which `asked` is the reason for.
pub(crate) fn use_kernel<M: Machine>(
    driver: &mut Driver<M>,
    options: &Options,
    asked: impl std::fmt::Display,
) -> Result<(), Failure> {
    driver.use_kernel(options).map_err(|error| {
        Failure::Transport(format!(
            "{asked}: the kernel's SCTP is not available here ({error}); use SCTP over UDP: sctp+udp://ADDRESS:PORT"
        ))
    })
}

/// Has a driver listen at an endpoint.
pub(crate) fn listen<M: Machine>(
    driver: &mut Driver<M>,
    endpoint: &EndpointArg,
    default_port: u16,
    encap_port: u16,
    purposes: &[Purpose],
) -> Result<SocketAddr, Failure> {
    let (address, port) = (endpoint.address()?, endpoint.port.unwrap_or(default_port));
    let here = SocketAddr::new(address, port);
    let failure = |what: &str, error, hint: &str| {
        Failure::Transport(format!("{endpoint}: {what} of {address} cannot be had: {error}{hint}"))
    };
    match endpoint.scheme {
        Scheme::Sctp => {
            let result = driver.listen_kernel(&endpoint.addresses, port, purposes);
            result.map(|()| here).map_err(|error| failure(&format!("SCTP port {port}"), error, ""))
        }
        Scheme::SctpOverUdp => {
            let udp_port = endpoint.udp_port.unwrap_or(encap_port);
            let hint = "; give another address, or another UDP port behind the slash";
            let result = driver.host().listen(Listen { address, udp_port, sctp_port: port, purposes });
            result.map_err(|error| failure(&format!("UDP port {udp_port}"), error, hint))
        }
        Scheme::Tcp => {
            let result = driver.host().listen_tcp(here);
            result.map_err(|error| failure(&format!("TCP port {port}"), error, "; give another address or port"))
        }
    }
}

/// Whether elements and users may have a pool with this handle.
pub(crate) fn check_pool_handle(pool_handle: &str, args: &NodeArgs) -> Result<(), Failure> {
    let length = pool_handle.len();
    let longest = args.profile.profile().max_pool_handle().min(MAX_POOL_HANDLE);
    if length > longest {
        return Err(Failure::Usage(format!(
            "{pool_handle}: a pool handle has at most {longest} octets here, and this one has {length}; give a shorter one"
        )));
    }
    Ok(())
}

/// The groups of announcements, by the profile.
pub(crate) fn groups(args: &NodeArgs) -> Result<MulticastOptions, Failure> {
    let mut groups = MulticastOptions::new(args.profile.profile());
    if let Some(name) = &args.interface6 {
        groups = groups.with_ipv6(interface_index(name)?);
    }
    groups.interface_v4 = args.interface;
    for (given, group) in [(&args.asap_group, &mut groups.asap), (&args.enrp_group, &mut groups.enrp)] {
        if !given.is_empty() {
            group.clone_from(given);
        }
    }
    Ok(groups)
}

fn interface_index(name: &str) -> Result<u32, Failure> {
    let any = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    rustix::net::netdevice::name_to_index(any, name)
        .map_err(|error| Failure::Usage(format!("--interface6 {name}: there is no such interface ({error})")))
}

/// Joins the groups of announcements.
pub(crate) fn join<M: Machine>(driver: &mut Driver<M>, groups: &MulticastOptions) -> Result<(), Failure> {
    driver.host().join(groups).map_err(|error| {
        Failure::Transport(format!(
            "the multicast groups of announcements cannot be joined: {error}; name an interface with --interface, or \
             registrars with --registrar or --peer"
        ))
    })
}

/// Tells an element or a user the registrars that were named, or has it hear announcements if there are none.
pub(crate) fn find_registrars<M: Machine>(
    driver: &mut Driver<M>,
    args: &NodeArgs,
    endpoints: &[EndpointArg],
    mut add: impl FnMut(&mut M, EndpointBuf) -> Result<(), TooManyRegistrars>,
) -> Result<(), Failure> {
    if endpoints.is_empty() {
        return join(driver, &groups(args)?.of_registrars_to_clients());
    }
    for endpoint in registrars(driver, endpoints, ASAP_PORT)? {
        add(driver.machine(), endpoint).map_err(|error| Failure::Usage(format!("--registrar: {error}")))?;
    }
    Ok(())
}

/// The registrars' endpoints for a machine; the driver learns their UDP ports.
pub(crate) fn registrars<M: Machine>(
    driver: &mut Driver<M>,
    endpoints: &[EndpointArg],
    default_port: u16,
) -> Result<Vec<EndpointBuf>, Failure> {
    endpoints
        .iter()
        .flat_map(EndpointArg::each)
        .map(|argument| {
            let endpoint = argument.to_endpoint(default_port)?;
            if let Some(udp_port) = argument.udp_port {
                driver.host().set_udp_port(argument.address()?, endpoint.as_endpoint().port, udp_port);
            }
            Ok(endpoint)
        })
        .collect()
}

/// Any local address of the family of another.
pub(crate) const fn any_address(remote: IpAddr) -> IpAddr {
    match remote {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// The local address from which another is reached.
pub(crate) fn address_towards(remote: IpAddr) -> Result<IpAddr, Failure> {
    let probe = UdpSocket::bind((any_address(remote), 0)).and_then(|socket| {
        // Nothing is sent by this.
        socket.connect((remote, 9))?;
        socket.local_addr()
    });
    Ok(probe.map_err(|error| Failure::Transport(format!("there is no way to {remote}: {error}")))?.ip())
}

/// A random number.
pub(crate) fn random() -> Result<u64, Failure> {
    getrandom::u64().map_err(|error| Failure::Failed(format!("no random numbers from the operating system: {error}")))
}

/// Whether SIGINT or SIGTERM has come.
#[derive(Clone, Debug)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on the signals do not end the process, but wake the driver.
    pub(crate) fn on_signals(waker: Waker) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        on_signals(&[signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM], move || {
            if flag.swap(true, Ordering::SeqCst) {
                // The second one is meant.
                std::process::exit(130);
            }
            waker.wake();
        })?;
        Ok(Self(stop))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Whether SIGHUP has come: files are to be read again.
#[derive(Clone, Debug)]
pub(crate) struct Reload(Arc<AtomicBool>);

impl Reload {
    /// From now on the signal does not end the process, but wakes the driver.
    pub(crate) fn on_signal(waker: Waker) -> Result<Self, Failure> {
        let reload = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&reload);
        on_signals(&[signal_hook::consts::SIGHUP], move || {
            flag.store(true, Ordering::SeqCst);
            waker.wake();
        })?;
        Ok(Self(reload))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Has what is to be reloaded read again, if there has been a signal. What is wrong with it is logged, and nothing else
    /// comes of it. So are options and settings that have changed, and stay as they were, as `is_taken` does not name them.
    pub(crate) fn carry_out(
        &self,
        is_taken: impl Fn(&str) -> bool,
        apply: impl FnOnce(Command) -> Result<(), Failure>,
    ) {
        if !self.0.swap(false, Ordering::SeqCst) {
            return;
        }
        notify(&[NotifyState::Reloading]);
        let result = config::parse_again().map_err(Failure::Usage).and_then(|args| apply(args.command));
        match result {
            Ok(()) => {
                for setting in config::changed().unwrap_or_default().into_iter().filter(|name| !is_taken(name)) {
                    warn!(
                        event = "stays",
                        setting, "it cannot change while the program runs: it stays as it was until the next start"
                    );
                }
                info!(event = "reloaded", "the configuration has been read again");
            }
            Err(failure) => warn!(event = "not_reloaded", %failure, "the configuration stays as it was"),
        }
        ready();
    }
}

fn on_signals(signals: &[i32], mut act: impl FnMut() + Send + 'static) -> Result<(), Failure> {
    let mut signals = signal_hook::iterator::Signals::new(signals)?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            act();
        }
    });
    Ok(())
}

/// Tells the service manager, if there is one, that all is as it should be.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Tells the service manager, if there is one, that this is the orderly end.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager cannot be told: {state:?}");
    }
}
