//! The handlespace: what each policy chooses, exactly and by statistics, and everything observable against a naive model.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod against_model;
mod distributions;
mod limits;
mod model;
mod sequences;
mod support;
mod timers;
mod world;
