//! `rserpool demo`: a whole pool as real processes on loopback, and three deaths.
//!
//! Two registrars, three elements of the `counter` service, one user that sends a request every few milliseconds. On the
//! way the element that serves is killed, then the registrar that is its successor's home, then the element that serves
//! again. Every request must be answered once, and the counter must go up by one each time.

mod cast;
mod process;
mod report;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use clap::ValueEnum as _;

use self::cast::{Cast, Name};
use self::process::{News, Process, Said};
use self::report::{Report, Timeline};
use crate::args::DemoArgs;
use crate::driver::Adapter;
use crate::failure::Failure;
use crate::node;

/// The pool of the demo.
const POOL: &str = "demo";

/// The registrars' timers, shortened from the RFC's defaults by the same options that an operator has.
const REGISTRAR_SETTINGS: [&str; 5] = [
    "peer-heartbeat-cycle=1s",
    "max-time-last-heard=2s",
    "max-time-no-response=500ms",
    "keep-alive-interval=2s",
    "keep-alive-timeout=1s",
];

/// For how long a process may take to be ready, and the last answers to come.
const PATIENCE: Duration = Duration::from_secs(15);

/// When the deaths happen, as parts of the whole time, and by how much the moments vary.
const DEATHS: [(Death, f64); 3] = [(Death::Element, 0.2), (Death::Registrar, 0.45), (Death::Element, 0.7)];
const VARIATION: f64 = 0.08;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// The element that serves.
    Element,
    /// The home registrar of the element that serves.
    Registrar,
}

pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let seed = args.seed.map_or_else(node::random, Ok)?;
    let mut demo = Demo::start(args, seed)?;
    let result = demo.play();
    let report = demo.end();
    if args.json {
        println!("{}", report.to_json());
    } else {
        demo.timeline.table(&report);
    }
    result?;
    report.verdict()
}

struct Demo {
    timeline: Timeline,
    cast: Cast,
    processes: Vec<Process>,
    news: Receiver<News>,
    pause: Duration,
    duration: Duration,
    adapter: Adapter,
    /// The moments of the deaths from the user's first request on, soonest first.
    deaths: VecDeque<(Duration, Death)>,
    report: Report,
}

impl Demo {
    /// Starts all processes and waits until the user has an element.
    fn start(args: &DemoArgs, seed: u64) -> Result<Self, Failure> {
        let network = free_network()?;
        let (sender, news) = channel();
        let mut demo = Self {
            timeline: Timeline::new(!args.json),
            cast: Cast::default(),
            processes: Vec::new(),
            news,
            pause: args.pause,
            duration: args.duration,
            adapter: args.adapter,
            deaths: deaths(args.duration, seed),
            report: Report::default(),
        };
        demo.timeline.note(&format!("seed {seed}; every process listens at an address of its own in {network}.0/24"));
        demo.timeline.note(&format!("the registrars run with --set {}", REGISTRAR_SETTINGS.join(" --set ")));
        let scheme = args.transport.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default();
        let endpoint = |host: u8, port: u16| format!("{scheme}://{network}.{host}:{port}");
        let registrars = [endpoint(1, 3863), endpoint(2, 3863)];
        let to_registrars = registrars.iter().flat_map(|endpoint| ["--registrar".to_string(), endpoint.clone()]);
        let to_registrars: Vec<String> = to_registrars.collect();
        for number in 1..=2u8 {
            let mut arguments: Vec<String> = vec!["registrar".into(), "--asap".into(), endpoint(number, 3863)];
            arguments.extend(["--id".into(), format!("{:x}", Name::Registrar(number).identifier())]);
            if number == 2 {
                arguments.extend(["--peer".into(), endpoint(1, 9901)]);
            }
            arguments.extend(REGISTRAR_SETTINGS.iter().flat_map(|set| ["--set".to_string(), (*set).to_string()]));
            demo.spawn(Name::Registrar(number), &arguments, &sender)?;
            demo.wait_until(|cast| cast.is_serving(Name::Registrar(number)), "a registrar does not start")?;
        }
        for number in 1..=3u8 {
            let mut arguments: Vec<String> = ["element", "--pool", POOL, "--serve", "counter"].map(String::from).into();
            arguments.extend(["--listen".into(), endpoint(10 + number, 7000)]);
            arguments.extend(["--id".into(), format!("{:x}", Name::Element(number).identifier())]);
            arguments.extend(to_registrars.clone());
            demo.spawn(Name::Element(number), &arguments, &sender)?;
        }
        demo.wait_until(|cast| (1..=3).all(|n| cast.home(Name::Element(n)).is_some()), "an element does not register")?;
        let mut arguments: Vec<String> = vec!["user".into(), "--pool".into(), POOL.into()];
        arguments.extend(to_registrars);
        demo.spawn(Name::User, &arguments, &sender)?;
        demo.wait_until(|cast| cast.serving().is_some(), "the user finds no element")?;
        Ok(demo)
    }

    fn spawn(&mut self, name: Name, arguments: &[String], news: &std::sync::mpsc::Sender<News>) -> Result<(), Failure> {
        let adapter = self.adapter.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default();
        let arguments = [arguments, &["--adapter".into(), adapter]].concat();
        self.processes.push(Process::spawn(name, &arguments, news.clone())?);
        Ok(())
    }

    fn process(&mut self, name: Name) -> Option<&mut Process> {
        self.processes.iter_mut().find(|process| process.name() == name)
    }

    /// Takes in one piece of news, if there is one by then.
    fn listen(&mut self, until: Instant) -> Result<bool, Failure> {
        let news = match self.news.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(news) => news,
            Err(RecvTimeoutError::Timeout) => return Ok(false),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Failed("all processes of the demo have ended".into()));
            }
        };
        match news.said {
            Said::Event(event) => {
                self.cast.update(news.who, &event);
                self.report.event(news.at, news.who, &event);
                if let Some(text) = self.cast.tell(news.who, &event) {
                    self.timeline.line(news.at, news.who, &text);
                }
            }
            Said::Trouble(text) => self.timeline.line(news.at, news.who, &text),
            Said::Answer(line) => self.report.answer(news.at, &line),
        }
        Ok(true)
    }

    fn wait_until(&mut self, done: impl Fn(&Cast) -> bool, otherwise: &str) -> Result<(), Failure> {
        let end = Instant::now() + PATIENCE;
        while !done(&self.cast) {
            if !self.listen(end)? {
                return Err(Failure::Failed(format!("{otherwise} within {PATIENCE:?}")));
            }
        }
        Ok(())
    }

    /// Sends requests, and kills.
    fn play(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        self.timeline.line(start, Name::User, "sends the first request");
        let mut next = start;
        while start.elapsed() < self.duration {
            if let Some((at, death)) = self.deaths.front().copied()
                && start.elapsed() >= at
            {
                self.deaths.pop_front();
                self.kill(death)?;
            }
            if Instant::now() >= next {
                self.report.requests += 1;
                let request = self.report.requests;
                let user = self.process(Name::User).ok_or_else(|| Failure::Failed("there is no user".into()))?;
                user.write_line(&request.to_string())?;
                next += self.pause;
            }
            self.listen(next)?;
        }
        self.timeline.line(Instant::now(), Name::User, "has sent the last request");
        let end = Instant::now() + PATIENCE;
        while self.report.answered() < self.report.requests && self.listen(end)? {}
        Ok(())
    }

    fn kill(&mut self, death: Death) -> Result<(), Failure> {
        let serving = self.cast.serving();
        let victim = match death {
            Death::Element => serving,
            Death::Registrar => serving.and_then(|element| self.cast.home(element)),
        };
        let victim = victim.ok_or_else(|| Failure::Failed("it is not known whom to kill".into()))?;
        let role = match death {
            Death::Element => "KILLED, while it serves",
            Death::Registrar => "KILLED, the home of the element that serves",
        };
        let at = Instant::now();
        match self.process(victim) {
            Some(process) => process.kill()?,
            None => return Err(Failure::Failed(format!("{victim} is no process"))),
        }
        self.timeline.line(at, victim, role);
        self.report.killed(at, victim);
        self.cast.died(victim);
        Ok(())
    }

    /// Ends all that still runs, in order.
    fn end(&mut self) -> Report {
        self.report.wall = self.timeline.elapsed();
        if let Some(user) = self.process(Name::User) {
            self.report.user_succeeded = user.finish(PATIENCE);
        }
        // Elements first: they deregister.
        for is_registrar in [false, true] {
            let some = |process: &&mut Process| matches!(process.name(), Name::Registrar(_)) == is_registrar;
            self.processes.iter_mut().filter(some).for_each(Process::terminate);
            for process in self.processes.iter_mut().filter(some) {
                process.finish(PATIENCE);
            }
        }
        std::mem::take(&mut self.report)
    }
}

/// The moments of the deaths, each a little earlier or later by the seed.
fn deaths(duration: Duration, seed: u64) -> VecDeque<(Duration, Death)> {
    let mut state = seed;
    DEATHS
        .iter()
        .map(|(death, part)| {
            // A linear congruential generator is random enough for this.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let unit = (state >> 11) as f64 / (1u64 << 53) as f64;
            (duration.mul_f64(part + VARIATION * (2.0 * unit - 1.0)), *death)
        })
        .collect()
}

/// The first three numbers of a loopback network whose addresses nobody uses.
fn free_network() -> Result<String, Failure> {
    for _ in 0..100 {
        let [_, _, a, b] = (node::random()? as u32).to_be_bytes();
        let a = a.max(1);
        if UdpSocket::bind((Ipv4Addr::new(127, a, b, 1), 9899)).is_ok() {
            return Ok(format!("127.{a}.{b}"));
        }
    }
    Err(Failure::Transport("UDP port 9899 is in use on all of loopback".into()))
}
