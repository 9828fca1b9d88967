//! The selection policies, one file each (RFC 5356).

mod round_robin;

pub(super) use self::round_robin::RoundRobin;
