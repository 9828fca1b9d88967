//! The contract over SCTP over UDP; over the kernel's SCTP it is kept in the lab.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;

fn keeps_the_contract(adapter: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_rserpool-contract")).args(["--adapter", adapter]).output();
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_blocking_adapter_keeps_the_contract() {
    keeps_the_contract("blocking");
}

#[test]
fn the_tokio_adapter_keeps_the_contract() {
    keeps_the_contract("tokio");
}
