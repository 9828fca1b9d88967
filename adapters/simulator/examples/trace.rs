//! Prints the trace of a seed's scenario.
fn main() {
    let seed = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(0);
    let scenario = rserpool_simulator::Scenario::random(seed);
    for line in rserpool_simulator::run_with_trace(&scenario).trace {
        println!("{line}");
    }
}
