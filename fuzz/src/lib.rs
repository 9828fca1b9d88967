//! What the fuzz targets share: arbitrary messages that are well-formed, and a driver for machines that checks what must
//! always hold.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a fuzz target fails by panicking")]

pub mod messages;
pub mod wire;
pub mod world;
