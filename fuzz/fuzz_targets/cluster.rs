//! Any faults in a small cluster, which finds together again.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rserpool_simulator::{Discovery, Fault, FaultKind, NodeId, Scenario, run};

const SECOND: u64 = 1_000_000;

#[derive(Arbitrary, Debug)]
struct Input {
    seed: u16,
    registrars: u8,
    elements: u8,
    users: u8,
    announced: bool,
    slow: bool,
    loss: u8,
    faults: Vec<(u16, u8, u8, u8)>,
}

fuzz_target!(|input: Input| {
    let registrars = 1 + usize::from(input.registrars % 5);
    let mut scenario =
        Scenario::calm(input.seed.into(), registrars, (input.elements % 9).into(), (input.users % 4).into());
    scenario.faults_until_us = 200 * SECOND;
    scenario.loss_ppm = u32::from(input.loss % 10) * 10_000;
    if input.announced {
        scenario.discovery = Discovery::Announced;
    }
    if input.slow {
        scenario.delay_us = 20_000..150_000;
    }
    let nodes = scenario.registrars + scenario.elements;
    for (at, kind, a, b) in input.faults.into_iter().take(60) {
        let [a, b] = [a, b].map(|node| NodeId(usize::from(node) % nodes));
        let kind = match kind % 15 {
            0 => FaultKind::Crash(a),
            1 => FaultKind::Restart(a),
            2 => FaultKind::RestartAnew(a),
            3 => FaultKind::Pause(a),
            4 => FaultKind::Resume(a),
            5 => FaultKind::Cut(a, b),
            6 => FaultKind::Heal(a, b),
            7 => FaultKind::Deregister(a),
            8 => FaultKind::Register(a),
            9 => FaultKind::Hang(a),
            10 => FaultKind::Slow(a, b),
            11 => FaultKind::Fast(a, b),
            12 => FaultKind::Drain(a),
            13 => FaultKind::ShutDown(a),
            _ => FaultKind::Load(a, at.into()),
        };
        // From the first seconds, where all starts, to the end.
        let at_us = if at < 0x4000 { u64::from(at) * 1_000 } else { u64::from(at) * 3_000 };
        scenario.faults.push(Fault { at_us: at_us.min(scenario.faults_until_us), kind });
    }
    scenario.faults.sort_by_key(|fault| fault.at_us);
    let report = run(&scenario);
    assert!(report.violations.is_empty(), "{:#?}\n{}", report.violations, scenario.as_test());
});
