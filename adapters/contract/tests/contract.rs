//! The contract over SCTP over UDP, and over TCP for users; over the kernel's SCTP it is kept in the lab.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::path::PathBuf;

use rserpool_contract::face::Adapter;
use rserpool_contract::scenarios::{ALL, run};
use rserpool_contract::world::{Over, World};

/// The example, which is built with the tests, and lies beside them.
fn example() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    here.ancestors().nth(2).map(|directory| directory.join("examples").join("contract")).unwrap_or_default()
}

fn keeps_the_contract(adapter: Adapter, over: Over) {
    let failures: Vec<String> = ALL
        .iter()
        .filter_map(|(name, scenario)| {
            let world = World::new(adapter, over, example());
            let outcome = world.map_err(|error| error.to_string()).and_then(|world| run(*scenario, world));
            outcome.err().map(|error| format!("{name}: {error}"))
        })
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_blocking_adapter_keeps_the_contract_over_sctp_over_udp() {
    keeps_the_contract(Adapter::Blocking, Over::SctpOverUdp);
}

#[test]
fn the_tokio_adapter_keeps_the_contract_over_sctp_over_udp() {
    keeps_the_contract(Adapter::Tokio, Over::SctpOverUdp);
}

#[test]
fn the_blocking_adapter_keeps_the_contract_with_users_over_tcp() {
    keeps_the_contract(Adapter::Blocking, Over::Tcp);
}

#[test]
fn the_tokio_adapter_keeps_the_contract_with_users_over_tcp() {
    keeps_the_contract(Adapter::Tokio, Over::Tcp);
}

#[test]
fn the_simulator_keeps_the_contract_over_sctp_over_udp_that_loses_datagrams() {
    keeps_the_contract(Adapter::Simulator, Over::SctpOverUdp);
}
