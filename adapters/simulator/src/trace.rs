//! What happened, a line each, and a digest over all of it.

use std::fmt::{Arguments, Write};

/// Whether lines are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Digest,
    Lines,
}

#[derive(Debug)]
pub(crate) struct Trace {
    keep: Keep,
    pub(crate) lines: Vec<String>,
    line: String,
    digest: u64,
}

impl Trace {
    pub(crate) fn new(keep: Keep) -> Self {
        // FNV-1a.
        Self { keep, lines: Vec::new(), line: String::new(), digest: 0xcbf2_9ce4_8422_2325 }
    }

    pub(crate) const fn digest(&self) -> u64 {
        self.digest
    }

    /// Notes that something happened, so many microseconds after the start.
    pub(crate) fn note(&mut self, at: u64, what: Arguments<'_>) {
        self.line.clear();
        let _ = write!(self.line, "{:>8}.{:06} {what}", at / 1_000_000, at % 1_000_000);
        for octet in self.line.bytes().chain([b'\n']) {
            self.digest = (self.digest ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if self.keep == Keep::Lines {
            self.lines.push(self.line.clone());
        }
    }
}
