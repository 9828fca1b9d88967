//! Pseudo-random numbers from the seed that the embedder gives: SplitMix64. Same seed, same numbers. They spread
//! timers, pick identifiers, and draw for the random policies; nothing secret is made of them.

#[cfg(feature = "alloc")]
use core::time::Duration;

/// The generator that the machines use, for whoever wants to drive policies of his own with it, or a simulation.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that starts at `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, of all 64 bits.
    pub fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number that is not zero.
    #[cfg(feature = "alloc")]
    pub(crate) fn non_zero_u32(&mut self) -> u32 {
        loop {
            let value = (self.u64() >> 32) as u32;
            if value != 0 {
                return value;
            }
        }
    }

    /// A time from half of `duration` to one and a half of it (RFC 5352 §3.5: plus/minus 50 percent).
    #[cfg(feature = "alloc")]
    pub(crate) fn around(&mut self, duration: Duration) -> Duration {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4);
        let half = micros / 2;
        let spread = (u128::from(self.u64()) * (u128::from(micros) + 1)) >> 64;
        Duration::from_micros(half.saturating_add(spread as u64))
    }
}
