//! The elements' timers: two for each, the end of its registration's life and its next keep-alive.
//!
//! A hierarchical wheel (RFC 5352 asks for no precision; a tick is about a millisecond). Time is written in digits to the
//! base of 64. Level 0 has a list for each tick that differs from now in the last digit only, level 1 for each value of
//! the second digit, and so on. When time comes to a list of a higher level, its elements move down.
//!
//! An element stands in one list, where its earlier timer was when it came there. A timer that is set later than that, as
//! with each re-registration, changes nothing in the wheel: when the time of the list comes, the element is looked at, and
//! moves on. An element that leaves stays in its list, as a number that means nothing any more. So setting and stopping
//! a timer touches no other element.

use alloc::vec::Vec;

use super::element::{ElementIndex, Octets, Slot};
use super::elements::Elements;
use crate::time::Instant;

/// Microseconds of a tick, as a power of two.
const TICK_BITS: u32 = 10;
const DIGIT_BITS: u32 = 6;
const DIGIT: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 9;
/// How far ahead an element is put, at most; then it is looked at, and moves on. 2^30 ticks are 12 days.
const AHEAD: u64 = 1 << 30;
/// So many numbers that mean nothing are not worth a thought.
const FEW: usize = 4_096;

/// One of an element's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementTimer {
    /// The end of the registration's life.
    Expiry,
    /// The next keep-alive, or the end of the time to answer one.
    KeepAlive,
}

/// A moment in ticks, in 48 bits. As octets, so that a slot has no gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    low: [u8; 4],
    high: [u8; 2],
}

impl Tick {
    pub(super) const NEVER: Self = Self { low: [u8::MAX; 4], high: [u8::MAX; 2] };

    /// The first tick that is not before the moment.
    const fn from(at: Instant) -> Self {
        let ticks = at.as_micros().div_ceil(1 << TICK_BITS);
        // The last tick but one is 9,000 years after the start.
        let ticks = if ticks >= Self::NEVER.get() { Self::NEVER.get() - 1 } else { ticks };
        Self { low: (ticks as u32).to_ne_bytes(), high: ((ticks >> 32) as u16).to_ne_bytes() }
    }

    const fn get(self) -> u64 {
        (u16::from_ne_bytes(self.high) as u64) << 32 | u32::from_ne_bytes(self.low) as u64
    }
}

impl Slot {
    fn timer(&mut self, timer: ElementTimer) -> &mut Tick {
        match timer {
            ElementTimer::Expiry => &mut self.expiry,
            ElementTimer::KeepAlive => &mut self.keep_alive,
        }
    }

    /// When one of its timers is due.
    fn due(&self) -> u64 {
        self.expiry.get().min(self.keep_alive.get())
    }

    fn is_at(&self, start: u64) -> bool {
        self.is_scheduled && self.scheduled == start as u32 && !matches!(self.octets, Octets::Free)
    }
}

/// The wheel.
#[derive(Debug)]
pub(super) struct Wheel {
    /// Up to which tick all is done.
    clock: u64,
    /// Which lists are not empty, a bit each.
    occupied: [u64; LEVELS],
    /// The lists of each level, once it is used.
    lists: [Vec<Vec<u32>>; LEVELS],
    /// The list whose time has come, and when that was.
    current: Vec<u32>,
    start: u64,
    /// How many numbers there are in lists, whether they mean something or not.
    numbers: usize,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            clock: 0,
            occupied: [0; LEVELS],
            lists: [const { Vec::new() }; LEVELS],
            current: Vec::new(),
            start: 0,
            numbers: 0,
        }
    }
}

impl Wheel {
    /// Sets or stops a timer of an element.
    pub(super) fn set(
        &mut self,
        elements: &mut Elements,
        index: ElementIndex,
        timer: ElementTimer,
        at: Option<Instant>,
    ) {
        let count = elements.len();
        let Some(slot) = elements.slot_mut(index) else { return };
        *slot.timer(timer) = at.map_or(Tick::NEVER, Tick::from);
        self.schedule(slot, index);
        if self.numbers > 2 * count + FEW {
            self.sweep(elements);
        }
    }

    pub(super) fn is_set(elements: &Elements, index: ElementIndex, timer: ElementTimer) -> bool {
        elements.slot(index).is_some_and(|slot| match timer {
            ElementTimer::Expiry => slot.expiry != Tick::NEVER,
            ElementTimer::KeepAlive => slot.keep_alive != Tick::NEVER,
        })
    }

    /// Puts an element into a list, if it is in none that comes soon enough.
    fn schedule(&mut self, slot: &mut Slot, index: ElementIndex) {
        let due = slot.due();
        if due == Tick::NEVER.get() {
            return;
        }
        // Lists lie less than 2^31 ticks ahead, so that 32 bits tell which it is.
        let ahead = u64::from(slot.scheduled.wrapping_sub(self.clock as u32));
        if slot.is_scheduled && self.clock + ahead <= due.max(self.clock) {
            return;
        }
        let tick = due.clamp(self.clock, self.clock + AHEAD);
        let level = ((tick ^ self.clock).checked_ilog2().unwrap_or(0) / DIGIT_BITS) as usize;
        let shift = level as u32 * DIGIT_BITS;
        let digit = (tick >> shift) as usize % DIGIT;
        if let (Some(lists), Some(occupied)) = (self.lists.get_mut(level), self.occupied.get_mut(level)) {
            if lists.is_empty() {
                lists.resize_with(DIGIT, Vec::new);
            }
            if let Some(list) = lists.get_mut(digit) {
                list.push(index.0);
            }
            *occupied |= 1 << digit;
            self.numbers += 1;
            slot.scheduled = (tick >> shift << shift) as u32;
            slot.is_scheduled = true;
        }
    }

    /// The level, digit and first tick of the next list that is not empty.
    fn next_list(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|occupied| *occupied != 0)?;
        let digit = self.occupied.get(level)?.trailing_zeros() as usize;
        let shift = level as u32 * DIGIT_BITS;
        let higher = self.clock >> shift >> DIGIT_BITS << DIGIT_BITS;
        Some((level, digit, (higher | digit as u64) << shift))
    }

    /// When there may be something to do: not before it, and at most as often as an element moves in vain.
    pub(super) fn next(&self) -> Option<Instant> {
        let start =
            if self.current.is_empty() { self.next_list().map(|(_, _, start)| start) } else { Some(self.start) };
        start.map(|start| Instant::from_micros(start << TICK_BITS))
    }

    /// Stops a timer that is due, and says which.
    pub(super) fn take_due(&mut self, elements: &mut Elements, now: Instant) -> Option<(ElementIndex, ElementTimer)> {
        let now = now.as_micros() >> TICK_BITS;
        loop {
            while let Some(index) = self.current.pop().map(ElementIndex) {
                self.numbers -= 1;
                let Some(slot) = elements.slot_mut(index).filter(|slot| slot.is_at(self.start)) else { continue };
                slot.is_scheduled = false;
                let timer = match slot {
                    Slot { expiry, .. } if expiry.get() <= now => Some(ElementTimer::Expiry),
                    Slot { keep_alive, .. } if keep_alive.get() <= now => Some(ElementTimer::KeepAlive),
                    _ => None,
                };
                if let Some(timer) = timer {
                    *slot.timer(timer) = Tick::NEVER;
                }
                self.schedule(slot, index);
                if let Some(timer) = timer {
                    return Some((index, timer));
                }
            }
            match self.next_list().filter(|(_, _, start)| *start <= now) {
                Some((level, digit, start)) => {
                    (self.clock, self.start) = (start, start);
                    if let Some(list) = self.lists.get_mut(level).and_then(|lists| lists.get_mut(digit))
                        && let Some(occupied) = self.occupied.get_mut(level)
                    {
                        // The room of the last list goes: lists that all kept the most that they ever held would add up.
                        self.current = core::mem::take(list);
                        *occupied &= !(1 << digit);
                    }
                }
                None => {
                    self.clock = self.clock.max(now);
                    return None;
                }
            }
        }
    }

    /// Takes out the numbers that mean nothing any more.
    fn sweep(&mut self, elements: &Elements) {
        self.numbers = self.current.len();
        for (level, (lists, occupied)) in (0..).zip(self.lists.iter_mut().zip(&mut self.occupied)) {
            let shift = level * DIGIT_BITS;
            let higher = self.clock >> shift >> DIGIT_BITS << DIGIT_BITS;
            for (digit, list) in (0u64..).zip(lists).filter(|(_, list)| !list.is_empty()) {
                let start = (higher | digit) << shift;
                list.retain(|index| elements.slot(ElementIndex(*index)).is_some_and(|slot| slot.is_at(start)));
                list.sort_unstable();
                list.dedup();
                self.numbers += list.len();
                if list.is_empty() {
                    *occupied &= !(1 << digit);
                }
            }
        }
    }
}
