//! What is so, whatever the registrars think: which elements there are, and since when there is no other fault.

use std::collections::BTreeMap;

use rserpool::wire::ServerIdentifier;

use crate::node::{Node, Role};
use crate::scenario::{FaultKind, NodeId, SETTLING_US};

/// An element that is gone.
#[derive(Clone, Copy, Debug)]
struct Departure {
    at: u64,
    /// Whether it has left in order.
    in_order: bool,
    /// Whether all else had been well for long before.
    calm: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// The elements' identifiers that nobody has any more.
    departed: BTreeMap<u32, Departure>,
    /// When something last went wrong, or got well, that has to do with more than one element.
    disturbed_at: Option<u64>,
    /// When somebody could last not hear somebody else. In the beginning nobody does.
    unheard_at: u64,
    /// Who has taken over which registrar.
    takeovers: BTreeMap<ServerIdentifier, NodeId>,
}

/// How long an element may be listed that has deregistered, and one that is dead, if nothing else is wrong: its home
/// asks every 30 s and half of that, and waits for 5 s; what is lost is sent again for some seconds.
const IN_ORDER_US: u64 = 10_000_000;
const DEAD_US: u64 = (45 + 5 + 10) * 1_000_000;

impl Truth {
    /// Something goes wrong, or gets well.
    pub(crate) fn disturbed(&mut self, now: u64) {
        self.disturbed_at = Some(now);
    }

    /// Somebody does not hear somebody else, or does so again.
    pub(crate) fn unheard(&mut self, now: u64) {
        self.disturbed(now);
        self.unheard_at = now;
    }

    /// For how long everybody has heard everybody.
    pub(crate) const fn quiet_for(&self, now: u64) -> u64 {
        now - self.unheard_at
    }

    /// A registrar has taken another one over. If all hear each other, nobody else has.
    pub(crate) fn taken_over(&mut self, now: u64, target: ServerIdentifier, by: NodeId) -> Option<NodeId> {
        if now - self.unheard_at <= SETTLING_US {
            self.takeovers.remove(&target);
            return None;
        }
        self.takeovers.insert(target, by).filter(|other| *other != by)
    }

    /// An element is gone, unless it was before.
    fn departs(&mut self, element: u32, now: u64, in_order: bool) {
        let calm = self.disturbed_at.is_none_or(|at| now - at > SETTLING_US);
        self.departed.entry(element).or_insert(Departure { at: now, in_order, calm });
    }

    /// A fault is about to strike.
    pub(crate) fn strike(&mut self, now: u64, kind: FaultKind, nodes: &[Node]) {
        let [id, _] = kind.nodes();
        let node = nodes.get(id.0);
        let element = match node.map(|node| &node.role) {
            Some(Role::Element(element, _)) => Some(element.config().identifier().0),
            _ => None,
        };
        let (alive, paused) = node.map_or((false, false), |node| (node.alive, node.paused));
        match (kind, element) {
            // These are nobody else's trouble.
            (FaultKind::Load(..) | FaultKind::GiveUp(_), _) => return,
            (FaultKind::Deregister(_) | FaultKind::Drain(_) | FaultKind::Hang(_), Some(element))
                if alive && !paused =>
            {
                return self.departs(element, now, !matches!(kind, FaultKind::Hang(_)));
            }
            (FaultKind::Crash(_), Some(element)) if alive => return self.departs(element, now, false),
            (FaultKind::Restart(_), Some(element)) if !alive => _ = self.departed.remove(&element),
            (FaultKind::Resume(_), Some(element)) if alive && paused && node.is_some_and(|node| node.member) => {
                self.departed.remove(&element);
                self.disturbed(now);
                return;
            }
            (FaultKind::Register(_), Some(element)) if alive && !paused => {
                self.departed.remove(&element);
                return;
            }
            // It may die again.
            (FaultKind::Restart(_) | FaultKind::RestartAnew(_), None) => self.takeovers.clear(),
            (FaultKind::Crash(_), None) => {}
            _ => self.unheard(now),
        }
        self.disturbed(now);
    }

    /// Whether an element is listed for longer than it may be, and for how long it has been gone.
    pub(crate) fn is_stale(&self, now: u64, element: u32) -> Option<u64> {
        let departure = self.departed.get(&element)?;
        let undisturbed = self.disturbed_at.is_none_or(|at| at < departure.at);
        let since = self.disturbed_at.map_or(departure.at, |at| departure.at.max(at));
        let allowed = match departure {
            Departure { calm: true, in_order: true, .. } if undisturbed => IN_ORDER_US,
            Departure { calm: true, in_order: false, .. } if undisturbed => DEAD_US,
            _ => SETTLING_US,
        };
        (now - since > allowed).then_some(now - departure.at)
    }
}
