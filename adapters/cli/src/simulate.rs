//! `rserpool simulate`: whole clusters on a virtual network and clock.

use std::ops::Range;
use std::time::Instant;

use rserpool_simulator::{
    Fault, FaultKind, Happening, NodeId, Report, Scenario, TraceEntry, run, run_with_trace, shrink,
};
use serde_json::json;

use crate::args::SimulateArgs;
use crate::failure::Failure;

pub(crate) fn run_seeds(args: &SimulateArgs) -> Result<(), Failure> {
    let seeds = match (args.seed, &args.seeds) {
        (Some(seed), _) => seed..seed.saturating_add(1),
        (None, Some(seeds)) => seeds.clone(),
        (None, None) => {
            let seed = crate::node::random()? >> 32;
            seed..seed + 1
        }
    };
    let (mut violated, count) = (0, seeds.end.saturating_sub(seeds.start));
    for seed in seeds {
        let scenario = scenario(args, seed);
        let start = Instant::now();
        let report = if args.trace { run_with_trace(&scenario) } else { run(&scenario) };
        violated += u64::from(!report.violations.is_empty());
        write_trace(&report, args.json);
        let wall_s = start.elapsed().as_secs_f64();
        if args.json {
            println!("{}", as_json(seed, &report, wall_s));
        } else if args.trace || count <= 20 || !report.violations.is_empty() {
            print(seed, &report, wall_s);
        }
        if args.shrink && !report.violations.is_empty() {
            let smallest = shrink(&scenario);
            if args.trace {
                println!("the smallest:");
                write_trace(&run_with_trace(&smallest), args.json);
            }
            println!("{}", smallest.as_test());
        }
    }
    if violated > 0 {
        return Err(Failure::Failed(format!("{violated} of {count} seeds have violations")));
    }
    if !args.json {
        println!("{count} seeds without a violation");
    }
    Ok(())
}

fn write_trace(report: &Report, json: bool) {
    for entry in &report.trace {
        if json { println!("{}", entry_as_json(entry)) } else { println!("{entry}") }
    }
}

fn entry_as_json(entry: &TraceEntry) -> serde_json::Value {
    let text = entry.what.to_string();
    let (kind, more) = match &entry.what {
        Happening::Opens { association, to } => {
            ("opens", json!({ "association": association.to_string(), "to": to.to_string() }))
        }
        Happening::Opened(association) => ("opened", json!({ "association": association.to_string() })),
        Happening::OpenFailed(association) => ("open_failed", json!({ "association": association.to_string() })),
        Happening::Closed(association, reason) => {
            ("closed", json!({ "association": association.to_string(), "reason": reason.to_string() }))
        }
        Happening::Sends { to, protocol, length, .. } => (
            "sends",
            json!({
                "to": to.to_string(), "ppid": protocol.0, "octets": length, "message": entry.what.message_name(),
            }),
        ),
        Happening::Multicasts(group) => ("multicasts", json!({ "group": format!("{group:?}") })),
        Happening::Fault(_) => ("fault", json!({ "text": text })),
        Happening::Healed => ("healed", json!({})),
        Happening::Tells(text) => ("tells", json!({ "text": text })),
        Happening::Violation(text) => ("violation", json!({ "text": text })),
        _ => ("other", json!({ "text": text })),
    };
    let node = entry.node.map(|node| node.to_string());
    let mut value = json!({ "at_s": entry.at_us as f64 / 1e6, "node": node, "event": kind });
    if let (Some(value), serde_json::Value::Object(more)) = (value.as_object_mut(), more) {
        value.extend(more);
    }
    value
}

fn scenario(args: &SimulateArgs, seed: u64) -> Scenario {
    let mut scenario = Scenario::random(seed);
    let asked = [args.registrars, args.elements, args.users];
    let strikes = || args.crash.iter().chain(&args.partition);
    if asked.iter().any(Option::is_some) || args.duration.is_some() || strikes().next().is_some() {
        // Faults are for the nodes of the random cluster.
        let (registrars, elements) = (args.registrars.unwrap_or(3), args.elements.unwrap_or(10));
        scenario = Scenario::calm(seed, registrars.max(1), elements, args.users.unwrap_or(5));
    }
    for strike in &args.crash {
        for node in strike.nodes.clone().map(NodeId) {
            scenario.faults.push(Fault { at_us: strike.from_us, kind: FaultKind::Crash(node) });
            scenario.faults.extend(strike.to_us.map(|at_us| Fault { at_us, kind: FaultKind::Restart(node) }));
        }
    }
    let all = scenario.registrars + scenario.elements + scenario.users;
    for strike in &args.partition {
        for node in strike.nodes.clone() {
            for other in (0..all).filter(|other| !strike.nodes.contains(other)) {
                for (a, b) in [(NodeId(node), NodeId(other)), (NodeId(other), NodeId(node))] {
                    scenario.faults.push(Fault { at_us: strike.from_us, kind: FaultKind::Cut(a, b) });
                    scenario.faults.extend(strike.to_us.map(|at_us| Fault { at_us, kind: FaultKind::Heal(a, b) }));
                }
            }
        }
    }
    scenario.faults.sort_by_key(|fault| fault.at_us);
    if let Some(duration) = args.duration {
        scenario.faults_until_us =
            strikes().map(|strike| strike.to_us.unwrap_or(strike.from_us) + 1).max().unwrap_or(0);
        let duration = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        scenario.quiet_us = duration.saturating_sub(scenario.faults_until_us);
    }
    if let Some(loss) = args.loss {
        scenario.loss_ppm = loss;
    }
    if let Some(delay) = &args.delay {
        scenario.delay_us = delay.clone();
    }
    scenario
}

fn as_json(seed: u64, report: &Report, wall_s: f64) -> serde_json::Value {
    json!({
        "seed": seed,
        "digest": format!("{:#018x}", report.digest),
        "virtual_s": report.virtual_us as f64 / 1e6,
        "wall_s": wall_s,
        "messages": report.messages,
        "requests": report.requests,
        "answered": report.answered,
        "violations": report.violations,
        "peak_memory_octets": peak_memory(),
    })
}

fn print(seed: u64, report: &Report, wall_s: f64) {
    println!(
        "seed {seed}: {} s in {wall_s:.2} s, {} messages, {} of {} requests answered, digest {:#018x}",
        report.virtual_us / 1_000_000,
        report.messages,
        report.answered,
        report.requests,
        report.digest
    );
    for violation in &report.violations {
        println!("  VIOLATION {violation}");
    }
}

/// The most memory that this process has had so far, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

/// Nodes that something happens to, from when, until when.
#[derive(Clone, Debug)]
pub(crate) struct Strike {
    nodes: Range<usize>,
    from_us: u64,
    to_us: Option<u64>,
}

/// A time, in microseconds.
fn micros(text: &str) -> Result<u64, String> {
    let time = humantime::parse_duration(text).map_err(|error| format!("{text:?}: {error}"))?;
    u64::try_from(time.as_micros()).map_err(|_| format!("{text:?} is too long"))
}

/// `NODES@TIME` or `NODES@TIME..TIME`.
pub(crate) fn parse_strike(text: &str) -> Result<Strike, String> {
    let (nodes, times) = text.split_once('@').ok_or("nodes and times with @ between them, as in 0-2@60s..90s")?;
    let number = |text: &str| text.parse::<usize>().map_err(|error| format!("{text:?}: {error}"));
    let (first, last) = nodes.split_once('-').unwrap_or((nodes, nodes));
    let (from_us, to_us) = match times.split_once("..") {
        Some((from, to)) => (micros(from)?, Some(micros(to)?)),
        None => (micros(times)?, None),
    };
    Ok(Strike { nodes: number(first)?..number(last)?.saturating_add(1), from_us, to_us })
}

/// `A..B` seeds.
pub(crate) fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("two numbers with .. between them")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    Ok(number(from)?..number(to)?)
}

/// `A..B` times, in microseconds.
pub(crate) fn parse_delay(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("two times with .. between them, as in 1ms..5ms")?;
    let range = micros(from)?..micros(to)?;
    if range.is_empty() { Err("the second time has to be the longer one".into()) } else { Ok(range) }
}

/// A part in percent, in parts of a million.
pub(crate) fn parse_loss(text: &str) -> Result<u32, String> {
    let percent: f64 = text.trim_end_matches('%').parse().map_err(|error| format!("{text:?}: {error}"))?;
    if (0.0..=100.0).contains(&percent) { Ok((percent * 10_000.0) as u32) } else { Err("0% to 100%".into()) }
}
