//! What a pool's policy is worth: how long requests take, and how evenly servers are used, as the load grows; drawn as
//! `docs/policies.svg`. docs/POLICIES.md says what is to be seen in it.
//!
//! ```text
//! cargo run --release --example policies
//! ```
//!
//! Ten servers share their time among the requests that they have. Requests come at random (Poisson), with sizes that are
//! exponentially distributed, one second of an average server each. For each, the registrar's handlespace chooses a
//! server by the pool's policy.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "an example whose inputs are its own")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use plotters::prelude::*;
use rserpool::Random;
use rserpool::handlespace::{Handlespace, HandlespaceLimits};
use rserpool::wire::{
    PeIdentifier, Policy, PoolElement, PoolHandle, RegistrationLife, ServerIdentifier, Transport, TransportUse, Unknown,
};

const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");
const SERVERS: usize = 10;
const REQUESTS: usize = 40_000;
/// Of the requests the first ones count for nothing: the pool is empty in the beginning.
const WARM_UP: usize = 4_000;
/// A server with so many requests will never be done with them.
const TOO_MANY: usize = 400;

/// Ten servers that do the work of ten.
const EQUAL: [f64; SERVERS] = [1.0; SERVERS];
const UNEQUAL: [f64; SERVERS] = [3.0, 3.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5];

/// How servers register.
#[derive(Clone, Copy)]
enum Scheme {
    RoundRobin,
    Random,
    /// Weighted Random, by capacity.
    Weighted,
    /// Least Used, and the load is told whenever it changes.
    LeastUsed,
    /// Least Used, and the load is told every five seconds.
    LeastUsedLate,
    /// Least Used with Degradation, and the load is told every five seconds.
    Degradation,
}

const SCHEMES: [(Scheme, &str, RGBColor); 6] = [
    (Scheme::RoundRobin, "Round Robin", RGBColor(0, 90, 170)),
    (Scheme::Random, "Random", RGBColor(110, 110, 110)),
    (Scheme::Weighted, "Weighted Random", RGBColor(0, 140, 70)),
    (Scheme::LeastUsed, "Least Used", RGBColor(190, 30, 30)),
    (Scheme::LeastUsedLate, "Least Used, told every 5 s", RGBColor(220, 130, 40)),
    (Scheme::Degradation, "with Degradation, told every 5 s", RGBColor(130, 60, 150)),
];
const LATE: f64 = 5.0;

impl Scheme {
    /// What a server with so many requests says of itself.
    fn policy(self, capacity: f64, requests: usize) -> Policy<'static> {
        // A full load is 40 requests on a server of average capacity, more on a faster one.
        let share = |requests: f64| (requests / (40.0 * capacity)).min(1.0) * f64::from(u32::MAX);
        let load = share(requests as f64) as u32;
        match self {
            Self::RoundRobin => Policy::RoundRobin,
            Self::Random => Policy::Random,
            Self::Weighted => Policy::WeightedRandom { weight: (capacity * 1_000.0) as u32 },
            Self::LeastUsed | Self::LeastUsedLate => Policy::LeastUsed { load },
            Self::Degradation => Policy::LeastUsedWithDegradation { load, degradation: share(1.0) as u32 },
        }
    }

    const fn is_told_at_once(self) -> bool {
        matches!(self, Self::LeastUsed)
    }
}

/// From 0 to 1, without it.
fn unit(numbers: &mut Random) -> f64 {
    (numbers.u64() >> 11) as f64 / (1u64 << 53) as f64
}

fn exponential(numbers: &mut Random, mean: f64) -> f64 {
    -mean * (1.0 - unit(numbers)).ln()
}

/// A request at a server.
struct Request {
    came: f64,
    size: f64,
    left: f64,
    counts: bool,
}

/// A server that shares its time.
struct Server {
    capacity: f64,
    requests: Vec<Request>,
    done: f64,
}

impl Server {
    /// After how much time the next request is done.
    fn next(&self) -> f64 {
        let least = self.requests.iter().map(|request| request.left).min_by(f64::total_cmp);
        least.map_or(f64::INFINITY, |left| left * self.requests.len() as f64 / self.capacity)
    }

    fn work(&mut self, time: f64) {
        if !self.requests.is_empty() {
            let each = time * self.capacity / self.requests.len() as f64;
            self.requests.iter_mut().for_each(|request| request.left -= each);
            self.done += time * self.capacity;
        }
    }
}

/// How it went.
#[derive(Clone, Copy)]
struct Outcome {
    /// The mean time until an answer, in seconds.
    response: f64,
    /// Size by time, of all requests on average: the speed that a user sees, if 1 is that of an average server which
    /// he has for himself.
    speed: f64,
    /// The part of its time that the most busy server works.
    busiest: f64,
    /// The part of the pool's capacity that is used.
    utilisation: f64,
}

/// `None` if a server gets more than it can ever do.
fn simulate(scheme: Scheme, capacities: [f64; SERVERS], load: f64, seed: u64) -> Option<Outcome> {
    let mut numbers = Random::new(seed);
    let mut space = Handlespace::new(HandlespaceLimits::default(), seed);
    let mut servers = capacities.map(|capacity| Server { capacity, requests: Vec::new(), done: 0.0 });
    let register = |space: &mut Handlespace, number: usize, server: &Server| {
        let address = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, number as u8))];
        let element = PoolElement {
            identifier: PeIdentifier(number as u32 + 1),
            home: ServerIdentifier(1),
            life: RegistrationLife::INFINITE,
            user_transport: Transport::sctp(7, TransportUse::DataOnly, &address),
            policy: scheme.policy(server.capacity, server.requests.len()),
            asap_transport: None,
            unknown: Unknown::NONE,
        };
        space.register(POOL, &element).expect("there is room");
    };
    for (number, server) in servers.iter().enumerate() {
        register(&mut space, number, server);
    }
    let between = 1.0 / (load * SERVERS as f64);
    let (mut now, mut came, mut next_request, mut next_word) = (0.0, 0, exponential(&mut numbers, between), LATE);
    let (mut answers, mut response, mut speed) = (0.0, 0.0, 0.0);
    let mut started = 0.0;
    while came < REQUESTS {
        let (place, wait) = servers
            .iter()
            .map(Server::next)
            .enumerate()
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .expect("there are servers");
        let at = (now + wait).min(next_request).min(next_word);
        servers.iter_mut().for_each(|server| server.work(at - now));
        now = at;
        if now == next_word {
            next_word += LATE;
            for (number, server) in servers.iter().enumerate() {
                register(&mut space, number, server);
            }
        } else if now == next_request {
            next_request = now + exponential(&mut numbers, between);
            came += 1;
            if came == WARM_UP {
                started = now;
                servers.iter_mut().for_each(|server| server.done = 0.0);
            }
            let resolution = space.resolve(POOL, 1).expect("the pool is there");
            let place = resolution.elements().next().expect("it has servers").identifier().0 as usize - 1;
            let size = exponential(&mut numbers, 1.0);
            let server = &mut servers[place];
            server.requests.push(Request { came: now, size, left: size, counts: came >= WARM_UP });
            if server.requests.len() > TOO_MANY {
                return None;
            }
            if scheme.is_told_at_once() {
                register(&mut space, place, &servers[place]);
            }
        } else {
            let server = &mut servers[place];
            let first = (0..server.requests.len())
                .min_by(|a, b| server.requests[*a].left.total_cmp(&server.requests[*b].left))
                .expect("it has requests");
            let request = server.requests.swap_remove(first);
            if request.counts {
                answers += 1.0;
                response += now - request.came;
                speed += request.size / (now - request.came).max(1e-9);
            }
            if scheme.is_told_at_once() {
                register(&mut space, place, &servers[place]);
            }
        }
    }
    let time = now - started;
    let busy = servers.iter().map(|server| server.done / (server.capacity * time));
    Some(Outcome {
        response: response / answers,
        speed: speed / answers,
        busiest: busy.fold(0.0, f64::max),
        utilisation: servers.iter().map(|server| server.done).sum::<f64>() / (SERVERS as f64 * time),
    })
}

/// What a panel shows.
type Measure = fn(&Outcome) -> f64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = match std::env::args().nth(1) {
        Some(file) => file.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policies.svg"),
    };
    let loads: Vec<f64> = (1..=19).map(|step| f64::from(step) * 0.05).collect();
    let area = SVGBackend::new(&file, (1080, 720)).into_drawing_area();
    area.fill(&WHITE)?;
    let panels = area.split_evenly((2, 3));
    for (row, (name, capacities)) in
        [("ten equal servers", EQUAL), ("two of 3, eight of 0.5", UNEQUAL)].iter().enumerate()
    {
        println!(
            "{name}\n{:34} {:>6} {:>9} {:>6} {:>8} {:>12}",
            "policy", "load", "response", "speed", "busiest", "utilisation"
        );
        let series: Vec<Vec<(f64, Outcome)>> = SCHEMES
            .iter()
            .map(|(scheme, name, _)| {
                let outcome = |load: &f64| Some((*load, simulate(*scheme, *capacities, *load, 7)?));
                let points: Vec<(f64, Outcome)> = loads.iter().filter_map(outcome).collect();
                for (load, outcome) in
                    points.iter().filter(|(load, _)| [0.3, 0.6, 0.8].iter().any(|l| (l - load).abs() < 0.01))
                {
                    println!(
                        "{name:34} {:>5.0}% {:>7.2} s {:>6.2} {:>7.0}% {:>11.0}%",
                        load * 100.0,
                        outcome.response,
                        outcome.speed,
                        outcome.busiest * 100.0,
                        outcome.utilisation * 100.0
                    );
                }
                points
            })
            .collect();
        let measures: [(&str, f64, Measure); 3] = [
            ("seconds until the answer", 8.0, |outcome| outcome.response),
            ("speed that users see", 2.2, |outcome| outcome.speed),
            ("how busy the busiest server is", 1.0, |outcome| outcome.busiest),
        ];
        for (column, (measure, highest, value)) in measures.iter().enumerate() {
            let mut chart = ChartBuilder::on(&panels[row * 3 + column])
                .caption(format!("{name}: {measure}"), ("sans-serif", 15))
                .margin(10)
                .x_label_area_size(32)
                .y_label_area_size(36)
                .build_cartesian_2d(0.0..1.0, 0.0..*highest)?;
            chart.configure_mesh().x_desc("load of the pool").light_line_style(WHITE).draw()?;
            for ((_, name, colour), points) in SCHEMES.iter().zip(&series) {
                let points =
                    points.iter().map(|(load, outcome)| (*load, value(outcome))).filter(|(_, y)| *y <= *highest);
                chart
                    .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                    .label(*name)
                    .legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
            }
            if (row, column) == (0, 0) {
                chart
                    .configure_series_labels()
                    .position(SeriesLabelPosition::UpperLeft)
                    .background_style(WHITE)
                    .draw()?;
            }
        }
    }
    area.present()?;
    println!("{}", file.display());
    Ok(())
}
