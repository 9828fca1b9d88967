//! `rserpool user`: standard input's lines to a pool, one at a time, and the answers to standard output.

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use rserpool::pool_user::{PoolUser, SessionId, Updates, UserConfig, UserEvent};
use rserpool::wire::PoolHandle;
use rserpool::{Failover, Instant, OutgoingMessage};
use rserpool_blocking::{Application, Flow};
use tracing::{debug, info, warn};

use crate::args::UserArgs;
use crate::failure::Failure;
use crate::node::{self, Stop};
use crate::proxy;
use crate::settings;

/// Sessions, elements a pool, room for messages.
pub(crate) type User = PoolUser<4, 32, { 256 * 1024 }>;

/// How many lines are read ahead.
const READ_AHEAD: usize = 64;

pub(crate) fn run(args: &UserArgs) -> Result<(), Failure> {
    if let Some(listen) = args.listen {
        return proxy::run(args, listen);
    }
    let mut config = UserConfig::default();
    config.seed = node::random()?;
    // The elements that come and go while a session lasts are of use when it has to fail over.
    config.updates = Updates::Asked;
    let mut options = node::options(&args.node);
    settings::user(&args.node.settings, &mut config, &mut options)?;
    let mut driver = node::driver(&args.node, User::new(config), &options, &args.registrar)?;
    node::find_registrars(&mut driver, &args.node, &args.registrar, |machine, endpoint| {
        machine.add_registrar(endpoint)
    })?;
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
        state: State::Idle,
        repeat: false,
        failure: None,
    };
    driver.run(&mut app)?;
    match app.failure {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

enum State {
    /// Ready for the next line.
    Idle,
    /// A request is on its way.
    Waiting {
        request: Vec<u8>,
        /// When it was sent first.
        since: Instant,
        /// When it was sent last, or given to another element.
        sent: Instant,
    },
    /// There are no more lines.
    Done,
}

struct App {
    session: SessionId,
    lines: Receiver<Vec<u8>>,
    stop: Stop,
    answer_timeout: Duration,
    timeout: Duration,
    state: State,
    /// Whether the request has to be sent again, to another element.
    repeat: bool,
    failure: Option<Failure>,
}

impl Application<User> for App {
    fn event(&mut self, now: Instant, event: UserEvent<'_>) {
        match event {
            UserEvent::Established { identifier, failovers, .. } => {
                info!(event = "established", element = %identifier, failovers, "session with an element");
                if let State::Waiting { sent, .. } = &mut self.state {
                    *sent = now;
                    self.repeat = failovers > 0;
                }
            }
            UserEvent::Failover { identifier, reason, .. } => {
                let reason = reason.map_or_else(|| "cannot be reached".into(), |reason| reason.to_string());
                info!(event = "failover", element = %identifier, %reason, "the element is gone, taking the next");
            }
            UserEvent::HomeFound => debug!("found a registrar"),
            UserEvent::HomeLost => info!(event = "home_lost", "the registrar is gone"),
            UserEvent::ResolutionFailed { pool_handle, failure } => {
                warn!(pool = %pool_handle, reason = ?failure, "the pool cannot be resolved, trying again");
            }
            UserEvent::Data { message, .. } => {
                self.state = State::Idle;
                self.repeat = false;
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
        let send = |user: &mut User, request: &[u8]| {
            // What was not answered is sent again from here, and so not by itself.
            let message = OutgoingMessage { failover: Failover::Forbidden, ..OutgoingMessage::new(request) };
            user.send(self.session, message).map_err(|error| Failure::Failed(error.to_string()))
        };
        if let State::Waiting { request, since, sent } = &mut self.state {
            if now.since(*since) >= self.timeout {
                let request = String::from_utf8_lossy(request);
                self.failure = Some(Failure::Failed(format!("no answer to '{request}' within {:?}", self.timeout)));
                return Flow::Stop;
            }
            if now.since(*sent) >= self.answer_timeout {
                *sent = now;
                user.report_failure(now, self.session);
            }
            if self.repeat {
                self.repeat = false;
                if let Err(failure) = send(user, request) {
                    self.failure = Some(failure);
                }
            }
            return Flow::Continue;
        }
        if matches!(self.state, State::Done) {
            return Flow::Stop;
        }
        match self.lines.try_recv() {
            Ok(request) if request.is_empty() => self.commands(now, user),
            Ok(request) => {
                match send(user, &request) {
                    Ok(()) => self.state = State::Waiting { request, since: now, sent: now },
                    Err(failure) => self.failure = Some(failure),
                }
                Flow::Continue
            }
            Err(TryRecvError::Empty) => Flow::Continue,
            Err(TryRecvError::Disconnected) => {
                self.state = State::Done;
                Flow::Stop
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { since, sent, .. } => Some((*since + self.timeout).min(*sent + self.answer_timeout)),
            State::Idle | State::Done => None,
        }
    }
}
