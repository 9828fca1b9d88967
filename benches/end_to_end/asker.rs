//! A client with any number of associations, that asks as fast as it is answered, or at a rate of its own.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use rserpool::wire::asap::{Body, ElementReference, HandleResolution, Message, Registration, message_type};
use rserpool::wire::{
    PayloadProtocol, PeIdentifier, Policy, PoolElement, PoolHandle, RegistrationLife, ServerIdentifier, Transport,
    TransportUse, Unknown,
};
use rserpool::{Action, AssociationId, EndpointBuf, Input, Instant, Machine, OutgoingMessage, Purpose};
use rserpool_blocking::{Driver, Options};

use crate::server::Quiet;

pub(crate) const POOL: PoolHandle<'static> = PoolHandle::new(b"bench");

/// How many associations are being opened at a time, or elements registered.
const AT_A_TIME: usize = 100;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Resolutions,
    /// Each association has an element of its own, which registers again and again.
    Registrations,
}

impl What {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Resolutions => "resolutions",
            Self::Registrations => "registrations",
        }
    }
}

pub(crate) fn encode(body: Body<'_>) -> Vec<u8> {
    let message = Message::from(body);
    let mut octets = vec![0; message.encoded_len()];
    message.encode(&mut octets).unwrap();
    octets
}

fn resolution() -> Vec<u8> {
    encode(Body::HandleResolution(HandleResolution { pool_handle: POOL, send_updates: false, items: None }))
}

pub(crate) fn identifier(place: usize) -> PeIdentifier {
    PeIdentifier(place as u32 + 1)
}

/// A registration of the element that belongs to an association.
pub(crate) fn registration(place: usize, address: IpAddr) -> Vec<u8> {
    let addresses = [address];
    let transport = Transport::sctp(10_000 + place as u16, TransportUse::DataPlusControl, &addresses);
    let pool_element = PoolElement {
        identifier: identifier(place),
        home: ServerIdentifier(0),
        life: RegistrationLife(300),
        user_transport: transport,
        policy: Policy::RoundRobin,
        asap_transport: None,
        unknown: Unknown::NONE,
    };
    encode(Body::Registration(Registration { pool_handle: POOL, pool_element }))
}

enum Step {
    Open(usize),
    /// One of the requests.
    Ask(usize),
    /// An answer to a keep-alive.
    Alive(usize),
}

enum Mode {
    Wait,
    /// All associations once, a few at a time.
    Once {
        next: usize,
    },
    /// So many under way at any time, on one association after the other.
    Closed {
        next: usize,
    },
    /// One each `interval`.
    Open {
        next: usize,
        at: Instant,
        interval: Duration,
    },
}

/// The machine.
struct Asker {
    remote: EndpointBuf,
    address: IpAddr,
    count: usize,
    opened: usize,
    next: usize,
    what: What,
    mode: Mode,
    steps: VecDeque<Step>,
    /// When was asked what is not answered yet, by association.
    asked: Vec<VecDeque<Instant>>,
    answers: u64,
    latencies: Vec<u32>,
    /// The last answer.
    answer: Vec<u8>,
    octets: Vec<u8>,
}

impl Asker {
    fn ask(&mut self, now: Instant, place: usize) {
        self.asked[place].push_back(now);
        self.steps.push_back(Step::Ask(place));
    }

    fn open_next(&mut self) {
        if self.next < self.count {
            self.steps.push_back(Step::Open(self.next));
            self.next += 1;
        }
    }

    fn answered(&mut self, now: Instant, place: usize, octets: &[u8]) {
        let Some(since) = self.asked[place].pop_front() else { return };
        if octets[0] == message_type::REGISTRATION_RESPONSE {
            assert_eq!(octets[1], 0, "a registration was rejected");
        }
        self.answer.clear();
        self.answer.extend_from_slice(octets);
        self.answers += 1;
        self.latencies.push(now.since(since).as_micros() as u32);
        match &mut self.mode {
            Mode::Once { next } if *next < self.count => {
                *next += 1;
                let place = *next - 1;
                self.ask(now, place);
            }
            Mode::Closed { next } => {
                *next = (*next + 1) % self.count;
                let place = *next;
                self.ask(now, place);
            }
            _ => {}
        }
    }
}

impl Machine for Asker {
    type Event<'a> = ();

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Opened { .. } => {
                self.opened += 1;
                self.open_next();
            }
            Input::OpenFailed { .. } | Input::Closed { .. } => panic!("the server is gone"),
            Input::Message { association, octets, .. } => {
                let place = association.to_bits() as usize;
                if octets[0] == message_type::ENDPOINT_KEEP_ALIVE {
                    self.steps.push_back(Step::Alive(place));
                } else {
                    self.answered(now, place, octets);
                }
            }
            _ => {}
        }
        while let Mode::Open { next, at, interval } = &mut self.mode
            && *at <= now
        {
            let (place, due) = (*next, *at);
            *next = (*next + 1) % self.count;
            *at = *at + *interval;
            // From when it should have been asked, so that a server that falls behind does not look good.
            self.ask(due, place);
        }
    }

    fn poll_action(&mut self) -> Option<Action<'_, ()>> {
        let (place, octets) = match self.steps.pop_front()? {
            Step::Open(place) => {
                let association = AssociationId::from_bits(place as u32);
                return Some(Action::Open { association, purpose: Purpose::Asap, remote: self.remote.as_endpoint() });
            }
            Step::Ask(place) => (
                place,
                match self.what {
                    What::Resolutions => resolution(),
                    What::Registrations => registration(place, self.address),
                },
            ),
            Step::Alive(place) => {
                let element = ElementReference { pool_handle: POOL, identifier: identifier(place) };
                (place, encode(Body::EndpointKeepAliveAck(element)))
            }
        };
        self.octets = octets;
        let message = OutgoingMessage { protocol: PayloadProtocol::ASAP, ..OutgoingMessage::new(&self.octets) };
        Some(Action::Send { association: AssociationId::from_bits(place as u32), message })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.mode {
            Mode::Open { at, .. } => Some(at),
            _ => None,
        }
    }
}

/// What was measured.
pub(crate) struct Asked {
    /// Answers a second.
    pub(crate) rate: f64,
    pub(crate) answers: u64,
    /// The last of them.
    pub(crate) answer: Vec<u8>,
    /// Microseconds, sorted.
    pub(crate) latencies: Vec<u32>,
}

/// A client at work.
pub(crate) struct Client {
    driver: Driver<Asker>,
}

impl Client {
    /// One whose associations all stand. Its elements say that they are at this address, from which the server sees it.
    pub(crate) fn new(remote: EndpointBuf, address: IpAddr, count: usize, kernel: bool) -> io::Result<Self> {
        let mut asker = Asker {
            remote,
            address,
            count,
            opened: 0,
            next: 0,
            what: What::Resolutions,
            mode: Mode::Wait,
            steps: VecDeque::new(),
            asked: vec![VecDeque::new(); count],
            answers: 0,
            latencies: Vec::new(),
            answer: Vec::new(),
            octets: Vec::new(),
        };
        for _ in 0..AT_A_TIME {
            asker.open_next();
        }
        let options = Options::default();
        let mut driver = Driver::new(asker, &options)?;
        if kernel {
            driver.host().use_kernel(&options.sctp)?;
        }
        let mut client = Self { driver };
        client.turn_until(|asker| asker.opened == asker.count)?;
        Ok(client)
    }

    fn asker(&mut self) -> &mut Asker {
        self.driver.host().machine()
    }

    fn turn_until(&mut self, mut is_so: impl FnMut(&Asker) -> bool) -> io::Result<()> {
        while !is_so(self.asker()) {
            self.driver.turn(Some(Duration::from_millis(1)), &mut Quiet)?;
        }
        Ok(())
    }

    /// Registers an element over each of the first associations.
    pub(crate) fn register(&mut self, count: usize) -> io::Result<()> {
        let now = self.driver.now();
        let asker = self.asker();
        let all = std::mem::replace(&mut asker.count, count);
        (asker.what, asker.answers) = (What::Registrations, 0);
        let first = AT_A_TIME.min(count);
        asker.mode = Mode::Once { next: first };
        for place in 0..first {
            asker.ask(now, place);
        }
        self.turn_until(|asker| asker.answers == asker.count as u64)?;
        let asker = self.asker();
        (asker.count, asker.mode) = (all, Mode::Wait);
        Ok(())
    }

    /// From now on only the first of them are used.
    pub(crate) fn use_only(&mut self, count: usize) {
        self.asker().count = count;
    }

    /// Asks for a while, with so many requests under way at any time.
    pub(crate) fn ask(&mut self, what: What, window: usize, time: Duration) -> io::Result<Asked> {
        let now = self.driver.now();
        let asker = self.asker();
        asker.what = what;
        asker.mode = Mode::Closed { next: window % asker.count };
        for number in 0..window {
            let place = number % asker.count;
            asker.ask(now, place);
        }
        self.measure(time, None)
    }

    /// Asks for a while, at a rate.
    pub(crate) fn ask_at(&mut self, what: What, rate: f64, time: Duration) -> io::Result<Asked> {
        let at = self.driver.now();
        let asker = self.asker();
        asker.what = what;
        asker.mode = Mode::Open { next: 0, at, interval: Duration::from_secs_f64(1.0 / rate) };
        // Sleeping until the next request is due would be late by up to a millisecond.
        self.measure(time, Some(Duration::ZERO))
    }

    fn measure(&mut self, time: Duration, limit: Option<Duration>) -> io::Result<Asked> {
        let asker = self.asker();
        asker.answers = 0;
        asker.latencies.clear();
        let start = self.driver.now();
        let end = start + time;
        while self.driver.now() < end {
            self.driver.turn(limit, &mut Quiet)?;
        }
        let taken = self.driver.now().since(start);
        let asker = self.asker();
        let (answers, answer) = (asker.answers, asker.answer.clone());
        let mut latencies = std::mem::take(&mut asker.latencies);
        asker.mode = Mode::Wait;
        self.turn_until(|asker| asker.asked.iter().all(VecDeque::is_empty))?;
        latencies.sort_unstable();
        Ok(Asked { rate: answers as f64 / taken.as_secs_f64(), answers, answer, latencies })
    }

    /// Asks nothing, and answers what has to be answered.
    pub(crate) fn idle(&mut self, time: Duration) -> io::Result<()> {
        let end = self.driver.now() + time;
        while self.driver.now() < end {
            self.driver.turn(Some(Duration::from_millis(10)), &mut Quiet)?;
        }
        Ok(())
    }
}
