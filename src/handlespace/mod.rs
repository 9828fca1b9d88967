//! The registrar's data: pools and their elements, who owns them, and what is chosen from them (RFC 5352 §3.1–3.3,
//! RFC 5353 §3.3, §3.6.2).
//!
//! An element is kept as the octets of its Pool Element parameter, so that a response is put together by copying. Pools
//! are found by handle, and elements in their pool by identifier, in hash tables seeded against collisions on purpose.
//! Each registrar's elements are in a list. How elements are chosen is the matter of [`policy`], which is there without an
//! allocator as well: a user's cache chooses in the same way.

#[cfg(feature = "alloc")]
mod checksum;
#[cfg(feature = "alloc")]
mod element;
#[cfg(feature = "alloc")]
mod elements;
#[cfg(feature = "alloc")]
mod owners;
pub mod policy;
#[cfg(feature = "alloc")]
mod pool;
#[cfg(feature = "alloc")]
mod space;
#[cfg(feature = "alloc")]
mod timers;

#[cfg(feature = "alloc")]
pub use self::{
    checksum::OwnerChecksum,
    element::{Element, ElementIndex},
    space::{Cursor, Handlespace, HandlespaceLimits, NewPolicy, RegisterError, Registered, Resolution},
    timers::ElementTimer,
};
