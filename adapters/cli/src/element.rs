//! `rserpool element`.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use rserpool::pool_element::{ConfigError, ElementConfig, ElementEvent, PoolElement};
use rserpool::wire::{PayloadProtocol, PeIdentifier, Policy, ServerIdentifier, TransportUse};
use rserpool::{AssociationId, Instant, OutgoingMessage, Purpose, UserTransport};
use rserpool_blocking::{Application, Flow};
use tracing::{debug, info, warn};

use crate::args::{Command, ElementArgs, Service};
use crate::cookies::Cookies;
use crate::counter::Counter;
use crate::csp::{Association, Component, Reporter, Status, count};
use crate::endpoint::{EndpointArg, Scheme};
use crate::failure::Failure;
use crate::node::{self, Reload, Stop};
use crate::policy;
use crate::proxy::{Sidecar, Standing};
use crate::settings;
use crate::troubles::Registrars;

/// Users and registrars at a time.
const SESSIONS: usize = 4096;
/// Room for messages: the largest that is taken, twice.
const OCTETS: usize = 256 * 1024;
type Element = PoolElement<SESSIONS, OCTETS>;

/// For how long the program waits at its end for the answer to its deregistration.
const DEREGISTRATION: Duration = Duration::from_secs(3);

pub(crate) fn run(args: &ElementArgs) -> Result<(), Failure> {
    node::check_pool_handle(&args.pool, &args.node)?;
    let listen = match &args.listen {
        Some(endpoint) => endpoint.clone(),
        None => default_listen(args)?,
    };
    let identifier = args.id.map_or_else(|| node::random().map(|number| (number >> 32) as u32 | 1), Ok)?;
    let port = match listen.port {
        Some(port) => port,
        None => 49_152 + (node::random()? % 16_000) as u16,
    };
    let transport = UserTransport::sctp(&listen.addresses, port, TransportUse::DataPlusControl)
        .ok_or_else(|| Failure::Usage(format!("{listen} has no address, or too many")))?;
    let mut config = ElementConfig::new(args.pool.as_bytes(), PeIdentifier(identifier), transport)
        .map_err(|error| Failure::Usage(format!("{}: {error}", option_of(error, args, &listen))))?;
    config.policy = with_load(args.policy, args.load)?;
    let policy = config.policy;
    config.life = Some(Duration::from_secs(args.life.into()));
    config.profile = args.node.profile.profile();
    let mut options = node::options(&args.node);
    settings::element(&args.node.settings, &mut config, &mut options)?;

    let mut driver = node::driver(&args.node, Element::new(config), &options, args.registrar.iter().chain([&listen]))?;
    let purposes = [Purpose::Asap, Purpose::Session];
    let address = node::listen(&mut driver, &listen, port, args.node.encap_port, &purposes)?;
    node::find_registrars(&mut driver, &args.node, &args.registrar, |machine, endpoint| {
        machine.add_registrar(endpoint)
    })?;
    let stop = Stop::on_signals(driver.waker())?;
    let reload = Reload::on_signal(driver.waker())?;
    info!(element = %PeIdentifier(identifier), pool = args.pool, sctp_port = port, udp = %address, "element");
    let service = match (args.serve, args.proxy) {
        (Some(service), _) => Serving::Service(service),
        (None, Some(service)) => {
            let sidecar = Sidecar::new(service, args.idle_timeout, args.check_interval)?;
            driver.host().watch(sidecar.descriptor())?;
            Serving::Proxy(sidecar)
        }
        (None, None) => return Err(Failure::Usage("--serve or --proxy is missing".into())),
    };
    let is_member = matches!(service, Serving::Service(_));
    if is_member {
        let now = driver.now();
        driver.machine().register(now);
    }
    let mut app = App {
        service,
        stop,
        reload: reload.clone(),
        policy,
        is_over: false,
        sessions: HashMap::new(),
        answers: Vec::new(),
        cookies: Cookies::new(&args.pool, args.cookie_key.as_deref())?,
        end: None,
        failure: None,
        is_member,
        registrars: Registrars::new(&args.registrar),
        lines: 0,
        reporter: Reporter::new(&args.monitor, Component::Element(PeIdentifier(identifier)), &listen.to_string())?,
        home: None,
        served: HashSet::new(),
    };
    while !app.is_over {
        driver.run(&mut app)?;
        reload.carry_out(
            |name| matches!(name, "policy" | "load"),
            |command| match command {
                Command::Element(args) => app.reload(&args, driver.now(), driver.machine()),
                _ => Ok(()),
            },
        );
    }
    match app.failure {
        Some(failure) => Err(failure),
        None => {
            info!("end");
            Ok(())
        }
    }
}

/// Which option an element's configuration is wrong by.
fn option_of(error: ConfigError, args: &ElementArgs, listen: &EndpointArg) -> String {
    match error {
        ConfigError::UnspecifiedAddress { .. } | ConfigError::NoPort => format!("--listen {listen}"),
        ConfigError::NoIdentifier => "--id 0".into(),
        _ => format!("--pool {}", args.pool),
    }
}

/// Who is to be reached first: a registrar, or the group where registrars announce themselves.
fn towards(args: &ElementArgs) -> Result<IpAddr, Failure> {
    match (args.registrar.first(), args.node.interface) {
        (Some(registrar), _) => registrar.address(),
        (None, Some(interface)) => Ok(interface.into()),
        (None, None) => {
            let groups = node::groups(&args.node)?.asap;
            groups.first().map(|group| group.ip()).ok_or_else(|| Failure::Usage("--listen is missing".into()))
        }
    }
}

/// The address towards the registrar with the usual UDP port. On loopback, where several may want that port, any address
/// where it is free.
fn default_listen(args: &ElementArgs) -> Result<EndpointArg, Failure> {
    let address = node::address_towards(towards(args)?)?;
    let scheme = args.registrar.first().map_or(Scheme::SctpOverUdp, |registrar| registrar.scheme);
    let is_free = |address: &IpAddr| std::net::UdpSocket::bind((*address, args.node.encap_port)).is_ok();
    let address = match address {
        IpAddr::V4(v4) if scheme == Scheme::SctpOverUdp && v4.is_loopback() && !is_free(&address) => (0..64)
            .find_map(|_| {
                let [_, a, b, c] = (node::random().ok()? as u32).to_be_bytes();
                Some(IpAddr::from([127, a, b, c.clamp(1, 254)])).filter(is_free)
            })
            .unwrap_or(address),
        other => other,
    };
    Ok(EndpointArg { scheme, addresses: vec![address], port: None, udp_port: None })
}

fn with_load(policy: Policy<'static>, load: Option<u32>) -> Result<Policy<'static>, Failure> {
    let Some(load) = load else { return Ok(policy) };
    policy::with_load(policy, load).ok_or_else(|| {
        let name = policy.policy_type().name();
        Failure::Usage(format!("--load: the policy {name} uses no load"))
    })
}

/// What it does for its users.
enum Serving {
    Service(Service),
    Proxy(Sidecar),
}

struct App {
    service: Serving,
    stop: Stop,
    reload: Reload,
    /// The policy that was registered last.
    policy: Policy<'static>,
    is_over: bool,
    /// The counters of the sessions.
    sessions: HashMap<AssociationId, Counter>,
    /// What is to be sent: an answer, with the cookie ahead of it if there is one.
    answers: Vec<Answer>,
    cookies: Cookies,
    /// When to stop waiting for the answer to the deregistration.
    end: Option<Instant>,
    failure: Option<Failure>,
    /// Whether it has joined its pool, or is about to.
    is_member: bool,
    registrars: Registrars,
    /// How many lines of characters there were.
    lines: usize,
    reporter: Option<Reporter>,
    /// Its home registrar, and since when.
    home: Option<(ServerIdentifier, Instant)>,
    /// The users that have said something.
    served: HashSet<AssociationId>,
}

/// 72 of the 95 printing characters, in a ring, from another one each time (RFC 864).
fn line_of_characters(number: usize) -> Vec<u8> {
    (b' '..=b'~').cycle().skip(number % 95).take(72).collect()
}

struct Answer {
    session: AssociationId,
    cookie: Option<Vec<u8>>,
    protocol: PayloadProtocol,
    octets: Vec<u8>,
}

impl App {
    /// Takes another policy or load; the rest of what the command line and its file say is not for an element that runs.
    fn reload(&mut self, args: &ElementArgs, now: Instant, element: &mut Element) -> Result<(), Failure> {
        let policy = with_load(args.policy, args.load)?;
        if policy != self.policy {
            self.policy = policy;
            element.set_policy(now, policy);
        }
        Ok(())
    }

    fn request(&mut self, now: Instant, session: AssociationId, protocol: PayloadProtocol, octets: &[u8]) {
        let (cookie, octets) = match &mut self.service {
            Serving::Proxy(sidecar) => return sidecar.message(now, session, protocol, octets),
            Serving::Service(Service::Echo) => (None, octets.to_vec()),
            Serving::Service(Service::Discard) => return,
            Serving::Service(Service::Daytime) => {
                (None, humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string().into_bytes())
            }
            Serving::Service(Service::Chargen) => {
                self.lines = self.lines.wrapping_add(1);
                (None, line_of_characters(self.lines))
            }
            Serving::Service(Service::Counter) => {
                let counter = self.sessions.entry(session).or_default();
                match counter.request(octets) {
                    Some(count) => (self.cookies.make(&counter.cookie()), count.to_string().into_bytes()),
                    None => (None, b"a request begins with its number".to_vec()),
                }
            }
        };
        self.answers.push(Answer { session, cookie, protocol, octets });
    }
}

impl App {
    fn report(&mut self, now: Instant) {
        let Self { reporter: Some(reporter), home, served, policy, .. } = self else { return };
        reporter.report(now, || {
            let home = home.map(|(home, since)| Association {
                with: Component::Registrar(home),
                since,
                protocol: PayloadProtocol::ASAP,
            });
            let text = match home {
                Some(_) => count(served.len(), "session"),
                None => "looking for a registrar".into(),
            };
            Status { text, load: policy::load(policy), associations: home.into_iter().collect() }
        });
    }
}

impl Application<Element> for App {
    fn event(&mut self, now: Instant, event: ElementEvent<'_>) {
        match event {
            ElementEvent::Registered { home } => {
                self.registrars.answer();
                info!(event = "registered", %home, "registered");
                self.home = Some((home, self.home.map_or(now, |(_, since)| since)));
                node::ready();
            }
            ElementEvent::RegistrationFailed(reason) => {
                warn!(?reason, "not registered");
                self.failure = Some(Failure::Failed(format!("the registration failed: {reason:?}")));
            }
            ElementEvent::RegistrationWarning { cause } => {
                warn!(event = "registration_warning", %cause, "the registrar may have changed values of the registration");
            }
            ElementEvent::NoRegistrar(reason) => self.registrars.are_silent(reason),
            ElementEvent::RegistrationExpired => warn!("the registration has expired"),
            ElementEvent::Deregistered => {
                info!(event = "deregistered", "deregistered");
                self.home = None;
                // If its service is dead it may come back.
                self.end = self.end.map(|_| now);
            }
            ElementEvent::HomeLost { reason } => {
                self.home = None;
                info!(event = "home_lost", %reason, "the home registrar is gone, looking for another");
            }
            ElementEvent::HomeChanged { home } => {
                self.home = Some((home, now));
                info!(event = "home_changed", %home, "another registrar is the home now");
            }
            ElementEvent::CookieEcho { session, cookie } => {
                match self.cookies.open(cookie).and_then(|state| Counter::from_cookie(&state)) {
                    Some(counter) => {
                        info!(event = "session_resumed", %session, "a session comes from another element");
                        self.sessions.insert(session, counter);
                    }
                    None => warn!(%session, "a cookie that is not ours"),
                }
            }
            ElementEvent::Data { session, message } => {
                if self.reporter.is_some() {
                    self.served.insert(session);
                }
                self.request(now, session, message.protocol, message.octets);
            }
            ElementEvent::MessageTooLarge { session, length } => warn!(%session, length, "a message is too large"),
            ElementEvent::Ready { session } => {
                if let Serving::Proxy(sidecar) = &mut self.service {
                    sidecar.ready(session);
                }
            }
            ElementEvent::SessionClosed { session, reason } => {
                debug!(event = "session_closed", %session, %reason, "a session has ended");
                if let Serving::Proxy(sidecar) = &mut self.service {
                    sidecar.closed(session, reason);
                }
                self.sessions.remove(&session);
                self.served.remove(&session);
            }
            _ => {}
        }
    }

    fn commands(&mut self, now: Instant, element: &mut Element) -> Flow {
        for answer in self.answers.drain(..) {
            if let Some(cookie) = answer.cookie {
                let _ = element.send_cookie(answer.session, &cookie);
            }
            let message = OutgoingMessage { protocol: answer.protocol, ..OutgoingMessage::new(&answer.octets) };
            if let Err(error) = element.send(answer.session, message) {
                warn!(session = %answer.session, %error, "an answer was not sent");
            }
        }
        let (is_more, standing) = match &mut self.service {
            Serving::Proxy(sidecar) => (sidecar.commands(now, element), sidecar.poll_standing()),
            Serving::Service(_) => (false, None),
        };
        if self.stop.is_set() && self.end.is_none() {
            node::stopping();
            self.end = Some(now + DEREGISTRATION);
            element.deregister(now);
        }
        match standing.filter(|_| self.end.is_none()) {
            Some(Standing::Alive) => {
                info!(event = "service_up", "the service takes connections, so the element joins its pool");
                self.is_member = true;
                element.register(now);
            }
            Some(Standing::Dead) => {
                warn!(
                    event = "service_down",
                    "the service takes no connections, so the element is not in its pool until it does"
                );
                if std::mem::take(&mut self.is_member) {
                    element.deregister(now);
                }
                // It does what it can.
                node::ready();
            }
            None => {}
        }
        self.report(now);
        self.is_over = self.failure.is_some() || self.end.is_some_and(|end| end <= now);
        match (self.is_over, self.reload.is_set()) {
            (true, _) => Flow::Stop,
            (false, true) => Flow::Pause,
            (false, false) if is_more => Flow::Again,
            (false, false) => Flow::Continue,
        }
    }

    fn accepts(&self, _element: &Element, session: AssociationId) -> bool {
        match &self.service {
            Serving::Proxy(sidecar) => sidecar.accepts(session),
            Serving::Service(_) => true,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let service = match &self.service {
            Serving::Proxy(sidecar) => sidecar.deadline(),
            Serving::Service(_) => None,
        };
        self.reporter.as_ref().map(Reporter::deadline).into_iter().chain(self.end).chain(service).min()
    }
}
