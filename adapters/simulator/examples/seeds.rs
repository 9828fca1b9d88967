//! Runs the scenarios of some seeds: `seeds FROM TO`.
fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|a| a.parse::<u64>().ok());
    let (from, to) = (arguments.next().unwrap_or(0), arguments.next().unwrap_or(10));
    let (mut bad, mut messages) = (0, 0);
    for seed in from..to {
        let report = rserpool_simulator::run(&rserpool_simulator::Scenario::random(seed));
        messages += report.messages;
        if !report.violations.is_empty() {
            bad += 1;
            println!("seed {seed}: {:?}", report.violations);
        }
    }
    println!("{bad} of {} seeds, {messages} messages", to - from);
}
