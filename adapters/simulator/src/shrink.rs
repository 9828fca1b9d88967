//! Making a scenario that goes wrong smaller, as long as it goes wrong.

use std::fmt::Write;
use std::ops::Range;

use crate::scenario::{Discovery, NodeId, SETTLING_US, Scenario};
use crate::simulation::run;

/// The smallest scenario that is found from this one by leaving out faults and nodes, making the network better and the
/// time shorter, and that still breaks a promise. The same scenario if it breaks none.
#[must_use]
pub fn shrink(scenario: &Scenario) -> Scenario {
    let mut smallest = scenario.clone();
    if run(&smallest).violations.is_empty() {
        return smallest;
    }
    let mut again = true;
    while std::mem::take(&mut again) {
        for smaller in candidates(&smallest) {
            if smaller != smallest && !run(&smaller).violations.is_empty() {
                smallest = smaller;
                again = true;
                break;
            }
        }
    }
    smallest
}

/// Scenarios that are a little smaller, those that leave out most first.
fn candidates(scenario: &Scenario) -> Vec<Scenario> {
    let mut candidates = Vec::new();
    let mut with = |change: &dyn Fn(&mut Scenario)| {
        let mut smaller = scenario.clone();
        change(&mut smaller);
        candidates.push(smaller);
    };
    let faults = scenario.faults.len();
    let mut part = faults.div_ceil(2);
    while part > 0 {
        for start in (0..faults).step_by(part) {
            with(&|smaller| _ = smaller.faults.drain(start..(start + part).min(faults)));
        }
        part /= 2;
    }
    for keep in [0, scenario.users / 2] {
        with(&|smaller| leave_out_users(smaller, keep));
    }
    for keep in [0, scenario.elements / 2, scenario.elements.saturating_sub(1)] {
        with(&|smaller| leave_out_elements(smaller, keep));
    }
    if scenario.registrars > 1 {
        for registrar in 0..scenario.registrars {
            with(&|smaller| leave_out_registrar(smaller, registrar));
        }
    }
    with(&|smaller| smaller.loss_ppm = 0);
    with(&|smaller| smaller.drift_ppm = 0);
    with(&|smaller| smaller.namesakes = 0);
    with(&|smaller| smaller.buffer = 1 << 20);
    with(&|smaller| smaller.delay_us = 200..1_000);
    with(&|smaller| smaller.discovery = Discovery::Configured);
    let last = scenario.faults.last().map_or(0, |fault| fault.at_us + 1);
    with(&|smaller| smaller.faults_until_us = last.min(smaller.faults_until_us));
    candidates
}

fn leave_out_users(scenario: &mut Scenario, keep: usize) {
    let end = scenario.registrars + scenario.elements + keep;
    scenario.users = keep;
    scenario.faults.retain(|fault| fault.kind.nodes().iter().all(|id| id.0 < end));
}

fn leave_out_elements(scenario: &mut Scenario, keep: usize) {
    let (first, users) = (scenario.registrars + keep, scenario.registrars + scenario.elements);
    let gone = users - first;
    scenario.elements = keep;
    leave_out(scenario, first..users, gone);
}

fn leave_out_registrar(scenario: &mut Scenario, registrar: usize) {
    scenario.registrars -= 1;
    leave_out(scenario, registrar..registrar + 1, 1);
}

/// Forgets what happens to some nodes. Those behind them move up.
fn leave_out(scenario: &mut Scenario, nodes: Range<usize>, count: usize) {
    scenario.faults.retain(|fault| fault.kind.nodes().iter().all(|id| !nodes.contains(&id.0)));
    for fault in &mut scenario.faults {
        fault.kind = fault.kind.rename(|id| if id.0 >= nodes.end { NodeId(id.0 - count) } else { id });
    }
}

impl Scenario {
    /// The scenario as a test, to be pasted into a file with tests.
    #[must_use]
    pub fn as_test(&self) -> String {
        let mut test = format!(
            "#[test]\nfn scenario_{:x}() {{\n    let mut scenario = Scenario::calm({}, {}, {}, {});\n",
            self.seed, self.seed, self.registrars, self.elements, self.users
        );
        let _ = write!(
            test,
            "    scenario.discovery = Discovery::{:?};\n    scenario.delay_us = {:?};\n    scenario.loss_ppm = {};\n    \
             scenario.drift_ppm = {};\n    scenario.buffer = {};\n    scenario.namesakes = {};\n    \
             scenario.faults_until_us = {};\n",
            self.discovery,
            self.delay_us,
            self.loss_ppm,
            self.drift_ppm,
            self.buffer,
            self.namesakes,
            self.faults_until_us
        );
        if self.quiet_us != SETTLING_US {
            let _ = writeln!(test, "    scenario.quiet_us = {};", self.quiet_us);
        }
        for fault in &self.faults {
            let _ = writeln!(
                test,
                "    scenario.faults.push(Fault {{ at_us: {}, kind: FaultKind::{:?} }});",
                fault.at_us, fault.kind
            );
        }
        test.push_str("    assert_eq!(run(&scenario).violations, [] as [String; 0]);\n}\n");
        test
    }
}
