//! How much elements and users keep of what both keep.

use heapless::Vec;

/// The longest pool handle that elements and users take, in octets.
pub const MAX_POOL_HANDLE: usize = 64;

/// The longest cookie that users keep, and elements send, unless they are made for others, in octets.
pub const DEFAULT_COOKIE: usize = 128;

/// The longest cookie that a message can carry, in octets.
pub const MAX_COOKIE: usize = 65_527;

/// How many registrars they know at most, configured and announced.
pub const MAX_REGISTRARS: usize = 8;

/// How many actions they queue at most.
pub(crate) const MAX_ACTIONS: usize = 16;

/// A pool handle's octets, owned.
pub(crate) type PoolHandleBuf = Vec<u8, MAX_POOL_HANDLE, u8>;
