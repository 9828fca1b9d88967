//! How much elements and users keep of what both keep.

use heapless::Vec;

/// The longest pool handle that elements and users take, in octets.
pub const MAX_POOL_HANDLE: usize = 64;

/// How many actions they queue at most.
pub(crate) const MAX_ACTIONS: usize = 16;

/// A pool handle's octets, owned.
pub(crate) type PoolHandleBuf = Vec<u8, MAX_POOL_HANDLE, u8>;
