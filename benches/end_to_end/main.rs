//! End to end on loopback, over SCTP over UDP: a registrar in a process of its own, asked as fast as it answers and at half that
//! rate, and beside it in the same run an echo that sends the same octets and does nothing else; memory and idling of ten thousand
//! associations; what goes through a session; how long failovers take.
//!
//! ```text
//! cargo bench --bench end_to_end                     # tables, and docs/end_to_end.svg
//! cargo bench --bench end_to_end -- --json           # a line a figure
//! cargo bench --bench end_to_end -- --quick          # or --associations 1000, or --only kills
//! cargo bench --bench end_to_end -- --only soak --soak-minutes 20 --soak-virtual-hours 24
//! cargo bench --bench end_to_end -- --server sctp://10.10.0.1:3863 --process PID
//! ```
//!
//! The last but one fails if memory grows; the last asks a registrar that somebody else has started, over the kernel's SCTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark fails by panicking"
)]

mod asker;
mod plot;
mod report;
mod server;
mod sessions;
mod soak;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use asker::{Client, What};
use report::{Report, Row};
use rserpool::EndpointBuf;
use server::Server;

type Error = Box<dyn std::error::Error>;

const SERVER: Ipv4Addr = Ipv4Addr::new(127, 45, 1, 1);
/// From where the server sees its client.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// How many elements an answer holds.
const ITEMS: usize = 3;
/// How many requests are under way.
const WINDOW: usize = 64;

/// Where registrars are that users and elements look for.
fn asap(number: u8) -> SocketAddr {
    SocketAddr::from(([127, 45, 2, number], 3863))
}

fn enrp(number: u8) -> SocketAddr {
    SocketAddr::from(([127, 45, 2, number], 9901))
}

fn element_at(number: u8) -> SocketAddr {
    SocketAddr::from(([127, 45, 3, number], 7000))
}

struct Arguments(Vec<String>);

impl Arguments {
    fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|argument| argument == flag)
    }

    fn value(&self, flag: &str) -> Option<&str> {
        let place = self.0.iter().position(|argument| argument == flag)?;
        self.0.get(place + 1).map(String::as_str)
    }
}

/// Asks a server as fast as it answers, and at half that rate.
fn measure(client: &mut Client, server: &Server, what: What, time: Duration, row: Row) -> Result<Row, Error> {
    let before = server.processor();
    let asked = client.ask(what, WINDOW, time)?;
    let after = server.processor();
    let half = client.ask_at(what, asked.rate / 2.0, time)?;
    let percentile = |share: f64| half.latencies[((half.latencies.len() - 1) as f64 * share) as usize];
    Ok(Row {
        answer: asked.answer,
        rate: asked.rate,
        user: (after.0 - before.0) as f64 / asked.answers as f64,
        all: (after.1 - before.1) as f64 / asked.answers as f64,
        percentiles: [percentile(0.5), percentile(0.99), percentile(0.999)],
        ..row
    })
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn rates(report: &mut Report, counts: &[usize], time: Duration) -> Result<(), Error> {
    let remote = EndpointBuf::from(SocketAddr::new(SERVER.into(), 3863));
    for associations in counts.iter().copied() {
        for what in [What::Resolutions, What::Registrations] {
            let mut answer = Vec::new();
            for kind in ["registrar", "echo"] {
                for adapter in ["blocking", "tokio"] {
                    let name = match kind {
                        "echo" => format!("echo-{}", hexadecimal(&answer)),
                        kind => kind.to_owned(),
                    };
                    let server = Server::start(adapter, &name);
                    let mut client = Client::new(remote.clone(), CLIENT, associations.max(ITEMS), false)?;
                    if kind == "registrar" {
                        client.register(ITEMS)?;
                    }
                    client.use_only(associations);
                    let row = Row { what: what.name(), server: kind, adapter, associations, ..Row::default() };
                    let row = measure(&mut client, &server, what, time, row)?;
                    answer.clone_from(&row.answer);
                    report.row(row);
                }
            }
        }
    }
    Ok(())
}

/// A registrar that somebody else has started, where elements are registered.
fn other(report: &mut Report, address: &str, process: u32, associations: usize, time: Duration) -> Result<(), Error> {
    let at: SocketAddr = address.strip_prefix("sctp://").ok_or("the form is sctp://ADDRESS:PORT")?.parse()?;
    let mut client = Client::new(at.into(), at.ip(), associations, true)?;
    let row = Row { what: What::Resolutions.name(), server: "another", associations, ..Row::default() };
    report.row(measure(&mut client, &Server::of(process), What::Resolutions, time, row)?);
    Ok(())
}

/// Memory, and what it costs to have so many associations with an element each.
fn many(report: &mut Report, count: usize, idle: Duration) -> Result<(), Error> {
    let server = Server::start("blocking", "registrar");
    let empty = server.resident();
    let mut client = Client::new(SocketAddr::new(SERVER.into(), 3863).into(), CLIENT, count, false)?;
    client.register(count)?;
    let octets = (server.resident() - empty) as f64 / count as f64;
    let before = server.processor();
    client.idle(idle)?;
    let share = (server.processor().1 - before.1) as f64 / idle.as_micros() as f64;
    report.figure("octets_an_association_with_an_element", count, octets);
    report.figure("idle_percent_of_a_core", count, share * 100.0);
    Ok(())
}

fn throughput(report: &mut Report, time: Duration) -> Result<(), Error> {
    for adapter in ["blocking", "tokio"] {
        let small = sessions::echoes(adapter, 100, WINDOW, time)?;
        report.figure(&format!("session_echoes_of_100_octets_a_second_{adapter}"), 1, small);
        let large = sessions::echoes(adapter, 65_536, 8, time)?;
        report.figure(&format!("session_megabytes_a_second_each_way_{adapter}"), 1, large * 65_536.0 / 1e6);
    }
    Ok(())
}

fn kills(report: &mut Report, times: usize) -> Result<(), Error> {
    for (name, found) in
        [("element", sessions::element_kills(times)?), ("registrar", sessions::registrar_kills(times)?)]
    {
        let milliseconds = |place: usize| found[place].as_secs_f64() * 1e3;
        report.figure(&format!("{name}_killed_median_ms"), times, milliseconds(times / 2));
        report.figure(&format!("{name}_killed_longest_ms"), times, milliseconds(times - 1));
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let arguments = Arguments(std::env::args().skip(1).collect());
    if let [serve, adapter, kind] = &arguments.0[..]
        && serve == "serve"
    {
        server::serve(adapter, kind);
        return Ok(());
    }
    let quick = arguments.has("--quick");
    let time = Duration::from_secs(if quick { 1 } else { 5 });
    let given: Option<usize> = arguments.value("--associations").and_then(|count| count.parse().ok());
    let mut report = Report::new(arguments.has("--json"));
    if let Some(address) = arguments.value("--server") {
        let process = arguments.value("--process").ok_or("--process is missing")?.parse()?;
        return other(&mut report, address, process, given.unwrap_or(100), time);
    }
    let counts: &[usize] = match &given {
        Some(count) => std::slice::from_ref(count),
        None if quick => &[100],
        None => &[1, 100, 10_000],
    };
    let only = arguments.value("--only");
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    if wanted("rates") {
        rates(&mut report, counts, time)?;
    }
    if wanted("many") {
        many(&mut report, if quick { 1_000 } else { 10_000 }, Duration::from_secs(if quick { 2 } else { 60 }))?;
    }
    if wanted("sessions") {
        throughput(&mut report, time)?;
    }
    if wanted("kills") {
        kills(&mut report, if quick { 10 } else { 50 })?;
    }
    // Only if asked for: they take as long as they say.
    if let Some(minutes) = arguments.value("--soak-minutes") {
        soak::real(&report, given.unwrap_or(10_000), minutes.parse()?)?;
    }
    if let Some(hours) = arguments.value("--soak-virtual-hours") {
        soak::in_virtual_time(&report, given.unwrap_or(1_000), hours.parse()?)?;
    }
    if !quick && only.is_none() && given.is_none() {
        plot::draw(&report)?;
    }
    Ok(())
}
