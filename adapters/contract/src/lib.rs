//! What every adapter has to do over every transport: scenarios, written once.

pub mod face;
pub mod scenarios;
pub mod simulator;
pub mod world;
