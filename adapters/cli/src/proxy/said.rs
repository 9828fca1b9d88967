//! What one side of a connection has said, and how much of it the session was told.

use super::{CHUNK, WINDOW};

/// Whether what was told is kept, to be told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// It is not.
    Nothing,
    /// It is, as long as it is no more than the window.
    Window,
}

/// Octets in order. Those that were told are dropped, unless they may have to be told again.
#[derive(Debug)]
pub(super) struct Said {
    octets: Vec<u8>,
    told: usize,
    keep: Keep,
    /// Whether the session was told anything.
    is_passed_on: bool,
    /// Whether something is missing at the beginning.
    is_cut: bool,
}

impl Said {
    pub(super) const fn new(keep: Keep) -> Self {
        Self { octets: Vec::new(), told: 0, keep, is_passed_on: false, is_cut: false }
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// What is to be told next; nothing if all was told.
    pub(super) fn next(&self) -> &[u8] {
        let rest = self.octets.get(self.told..).unwrap_or_default();
        rest.get(..CHUNK).unwrap_or(rest)
    }

    /// So many octets were told, or the end, which is none.
    pub(super) fn was_told(&mut self, octets: usize) {
        self.is_passed_on = true;
        self.told += octets;
        if self.octets.len() > WINDOW {
            self.keep = Keep::Nothing;
        }
        self.forget();
    }

    /// It will not be told again.
    pub(super) fn keep_nothing(&mut self) {
        (self.keep, self.is_passed_on) = (Keep::Nothing, true);
        self.forget();
    }

    fn forget(&mut self) {
        if self.keep == Keep::Nothing {
            self.is_cut |= self.is_passed_on;
            self.octets.drain(..self.told.min(self.octets.len()));
            self.told = 0;
        }
    }

    /// Whether the session was told anything.
    pub(super) const fn is_passed_on(&self) -> bool {
        self.is_passed_on
    }

    /// Whether all of it can be told from the beginning.
    pub(super) const fn is_whole(&self) -> bool {
        !self.is_cut
    }

    /// Somebody else is to be told all.
    pub(super) fn begin_anew(&mut self) {
        self.told = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_told_can_be_told_to_another() {
        let mut said = Said::new(Keep::Nothing);
        said.push(b"request");
        said.begin_anew();
        assert!(said.is_whole() && !said.is_passed_on());
        assert_eq!(said.next(), b"request");
    }

    #[test]
    fn what_was_told_is_dropped_unless_it_is_to_be_kept() {
        for (keep, rest, is_whole) in [(Keep::Nothing, &b"quest"[..], false), (Keep::Window, b"request", true)] {
            let mut said = Said::new(keep);
            said.push(b"request");
            said.was_told(2);
            assert_eq!(said.next(), b"quest");
            said.begin_anew();
            assert_eq!((said.next(), said.is_whole(), said.is_passed_on()), (rest, is_whole, true));
        }
    }

    #[test]
    fn an_end_alone_is_something_that_was_told() {
        let mut said = Said::new(Keep::Nothing);
        said.was_told(0);
        assert!(said.is_passed_on() && !said.is_whole());
    }

    #[test]
    fn more_than_the_window_is_not_kept() {
        let mut said = Said::new(Keep::Window);
        said.push(&vec![0; WINDOW + 1]);
        said.was_told(1);
        assert!(!said.is_whole());
        assert_eq!(said.octets.len(), WINDOW);
    }
}
