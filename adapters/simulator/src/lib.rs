//! Whole clusters of registrars, elements and users on a virtual network and clock.
//!
//! Everything that happens follows from a [`Scenario`], which a seed can make: who there is, how the network delays and
//! loses, and which faults strike when. The same scenario always gives the same trace, on every machine.
//!
//! ```
//! use rserpool_simulator::{Scenario, run};
//!
//! let report = run(&Scenario::random(7));
//! assert_eq!(report.violations, [] as [String; 0]);
//! assert_eq!(report.digest, run(&Scenario::random(7)).digest);
//! ```
//!
//! Associations are like SCTP's: messages come in order, once, after as many transmissions as the network's losses make
//! necessary; what cannot be delivered in five ends the association. Each node has a clock of its own.

mod applications;
mod check;
mod network;
mod node;
mod promise;
mod random;
mod scenario;
mod shrink;
mod simulation;
mod trace;
mod transport;
mod truth;

pub use self::scenario::{Discovery, Fault, FaultKind, Hostility, How, NodeId, SETTLING_US, Scenario};
pub use self::shrink::shrink;
pub use self::simulation::{Report, run, run_with_trace};
pub use self::trace::{Happening, TraceEntry};
