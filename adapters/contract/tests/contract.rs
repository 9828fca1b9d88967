//! The contract over SCTP over UDP; over the kernel's SCTP it is kept in the lab.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::path::PathBuf;

use rserpool_blocking::Transport;
use rserpool_contract::face::Adapter;
use rserpool_contract::scenarios::{ALL, run};
use rserpool_contract::world::World;

/// The example, which is built with the tests, and lies beside them.
fn example() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    here.ancestors().nth(2).map(|directory| directory.join("examples").join("contract")).unwrap_or_default()
}

fn keeps_the_contract(adapter: Adapter) {
    let failures: Vec<String> = ALL
        .iter()
        .filter_map(|(name, scenario)| {
            let world = World::new(adapter, Transport::SctpOverUdp, example());
            run(*scenario, world).err().map(|error| format!("{name}: {error}"))
        })
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_blocking_adapter_keeps_the_contract() {
    keeps_the_contract(Adapter::Blocking);
}

#[test]
fn the_tokio_adapter_keeps_the_contract() {
    keeps_the_contract(Adapter::Tokio);
}
