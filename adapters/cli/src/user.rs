//! `rserpool user`: standard input's lines to a pool, one at a time, and the answers to standard output.

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use rserpool::pool_user::{CookieStore, HeapCookie, PoolUser, SessionId, Updates, UserConfig, UserEvent};
use rserpool::wire::{PayloadProtocol, PeIdentifier, PoolHandle};
use rserpool::{Failover, Instant, MAX_COOKIE, OutgoingMessage};
use rserpool_blocking::{Application, Flow};
use tracing::{debug, info};

use crate::args::{NodeArgs, TransportArg, UserArgs};
use crate::csp::{Association, Component, Reporter, Status};
use crate::driver::Driver;
use crate::endpoint::EndpointArg;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::node::{self, Stop};
use crate::proxy;
use crate::settings;
use crate::troubles::Troubles;

/// Sessions, elements a pool, room for messages.
pub(crate) type User = PoolUser<4, 32, { 256 * 1024 }, HeapCookie<MAX_COOKIE>>;

/// How many lines are read ahead.
const READ_AHEAD: usize = 64;

/// The configuration of a user that has sessions.
pub(crate) fn config_for_sessions() -> Result<UserConfig, Failure> {
    let mut config = UserConfig::default();
    config.seed = node::random()?;
    // The elements that come and go while a session lasts are of use when it has to fail over.
    config.updates = Updates::Asked;
    Ok(config)
}

/// A driver for a user that knows these registrars, or listens to announcements if there are none.
pub(crate) fn driver<const SESSIONS: usize, const ELEMENTS: usize, const OCTETS: usize, C: CookieStore>(
    args: &NodeArgs,
    registrars: &[EndpointArg],
    transport: TransportArg,
    mut config: UserConfig,
) -> Result<Driver<PoolUser<SESSIONS, ELEMENTS, OCTETS, C>>, Failure> {
    let mut options = node::options(args);
    settings::user(&args.settings, &mut config, &mut options)?;
    let mut driver = node::driver(args, PoolUser::new(config), &options, registrars)?;
    if transport == TransportArg::Sctp {
        node::use_kernel(&mut driver, &options, "--transport sctp")?;
    }
    node::find_registrars(&mut driver, args, registrars, |machine, endpoint| machine.add_registrar(endpoint))?;
    Ok(driver)
}

pub(crate) fn run(args: &UserArgs) -> Result<(), Failure> {
    node::check_pool_handle(&args.pool, &args.node)?;
    if let Some(listen) = args.listen {
        return proxy::run(args, listen);
    }
    let mut driver: Driver<User> = driver(&args.node, &args.registrar, args.transport, config_for_sessions()?)?;
    let (lines, receiver) = sync_channel(READ_AHEAD);
    let waker = driver.waker();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().split(b'\n') {
            let Ok(line) = line else { break };
            if lines.send(line).is_err() {
                break;
            }
            waker.wake();
        }
        drop(lines);
        waker.wake();
    });
    let stop = Stop::on_signals(driver.waker())?;
    let now = driver.now();
    let session = driver
        .machine()
        .open_session(now, PoolHandle::from(args.pool.as_str()))
        .map_err(|error| Failure::Usage(format!("{}: {error}", args.pool)))?;
    let mut app = App {
        session,
        lines: receiver,
        stop,
        answer_timeout: args.answer_timeout,
        timeout: args.timeout,
        exchange: Exchange::default(),
        troubles: Troubles::new(&args.pool, &args.registrar),
        failure: None,
        reporter: Reporter::new(&args.monitor, Component::User(node::random()?), &args.pool)?,
        element: None,
    };
    driver.run(&mut app)?;
    match app.failure {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

struct App {
    session: SessionId,
    lines: Receiver<Vec<u8>>,
    stop: Stop,
    answer_timeout: Duration,
    timeout: Duration,
    exchange: Exchange,
    troubles: Troubles,
    failure: Option<Failure>,
    reporter: Option<Reporter>,
    /// The element that serves, and since when.
    element: Option<(PeIdentifier, Instant)>,
}

impl App {
    fn report(&mut self, now: Instant) {
        let Self { reporter: Some(reporter), element, .. } = self else { return };
        reporter.report(now, || {
            let element = element.map(|(element, since)| Association {
                with: Component::Element(element),
                since,
                protocol: PayloadProtocol::UNSPECIFIED,
            });
            let text = if element.is_some() { "1 session" } else { "looking for an element" };
            Status { text: text.into(), load: None, associations: element.into_iter().collect() }
        });
    }
}

impl Application<User> for App {
    fn event(&mut self, now: Instant, event: UserEvent<'_>) {
        self.troubles.event(&event);
        match event {
            UserEvent::Established { identifier, failovers, .. } => {
                info!(event = "established", element = %identifier, failovers, "session with an element");
                self.exchange.established(now);
                self.element = Some((identifier, now));
            }
            UserEvent::Failover { identifier, reason, .. } => {
                let reason = reason.map_or_else(|| "cannot be reached".into(), |reason| reason.to_string());
                info!(event = "failover", element = %identifier, %reason, "the element is gone, taking the next");
                self.exchange.failed_over();
                self.element = None;
            }
            UserEvent::SessionEnded { reason, .. } => self.failure = Some(Failure::Failed(reason.to_string())),
            UserEvent::HomeFound => debug!("found a registrar"),
            UserEvent::HomeLost => info!(event = "home_lost", "the registrar is gone"),
            UserEvent::Data { message, .. } => {
                self.exchange.answered();
                let mut output = std::io::stdout().lock();
                let written = output
                    .write_all(message.octets)
                    .and_then(|()| if message.octets.ends_with(b"\n") { Ok(()) } else { output.write_all(b"\n") })
                    .and_then(|()| output.flush());
                if let Err(error) = written {
                    self.failure = Some(Failure::Failed(format!("standard output: {error}")));
                }
            }
            _ => {}
        }
    }

    fn commands(&mut self, now: Instant, user: &mut User) -> Flow {
        if self.failure.is_some() || self.stop.is_set() {
            return Flow::Stop;
        }
        self.report(now);
        self.troubles.look(now);
        while !self.exchange.is_waiting() {
            match self.lines.try_recv() {
                Ok(request) if request.is_empty() => {}
                Ok(request) => self.exchange.begin(now, request),
                Err(TryRecvError::Empty) => return Flow::Continue,
                Err(TryRecvError::Disconnected) => return Flow::Stop,
            }
        }
        if let Some(request) = self.exchange.take_due() {
            // What was not answered is sent again from here, and so not by itself.
            let message = OutgoingMessage { failover: Failover::Forbidden, ..OutgoingMessage::new(request) };
            if let Err(error) = user.send(self.session, message) {
                self.failure = Some(Failure::Failed(error.to_string()));
                return Flow::Stop;
            }
        }
        let Some((request, since, tried)) = self.exchange.waiting() else { return Flow::Continue };
        if now.since(since) >= self.timeout {
            let request = String::from_utf8_lossy(request);
            self.failure = Some(Failure::Failed(format!("no answer to '{request}' within {:?}", self.timeout)));
            return Flow::Stop;
        }
        if now.since(tried) >= self.answer_timeout {
            self.exchange.try_again(now);
            user.report_failure(now, self.session);
        }
        Flow::Continue
    }

    fn deadline(&self) -> Option<Instant> {
        let answer =
            self.exchange.waiting().map(|(_, since, tried)| (since + self.timeout).min(tried + self.answer_timeout));
        let report = self.reporter.as_ref().map(Reporter::deadline);
        [answer, report, self.troubles.deadline()].into_iter().flatten().min()
    }
}
