//! Reliable Server Pooling
#![no_std]
#![forbid(unsafe_code)]
#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod asap_error;
pub mod endpoint;
#[cfg(feature = "alloc")]
pub mod handlespace;
mod hunt;
pub mod machine;
mod outbox;
pub mod pool_element;
pub mod pool_user;
mod profile;
#[cfg(feature = "alloc")]
mod random;
#[cfg(feature = "alloc")]
pub mod registrar;
mod time;
pub mod wire;

pub use self::endpoint::{Endpoint, EndpointBuf, MAX_ADDRESSES, Protocol};
pub use self::hunt::{ASAP_PORT, HuntConfig};
pub use self::machine::{
    Action, AssociationId, CloseReason, Delivery, Input, Machine, MulticastGroup, OutgoingMessage, Purpose,
};
pub use self::profile::Profile;
pub use self::time::Instant;
