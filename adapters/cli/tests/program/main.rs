//! The program as its users have it: real processes and sockets on loopback. Each test has a hard time limit.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bounds;
mod config;
mod decode;
mod health;
mod hostile;
mod identifiers;
mod peers;
mod pools;
mod process;
mod replay;
mod service;
mod sidecar;
mod tcp;
mod trouble;
mod usage;
