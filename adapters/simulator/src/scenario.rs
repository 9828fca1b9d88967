//! What a simulation is made of: nodes, network, faults.

use std::fmt;
use std::ops::Range;

use crate::random::Random;

/// A node: registrars come first, then elements, then users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node-{}", self.0)
    }
}

/// Who there is, how the network is, and what goes wrong. Times are microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scenario {
    /// Where all random numbers come from.
    pub seed: u64,
    /// How many registrars.
    pub registrars: usize,
    /// How many elements, in a few pools.
    pub elements: usize,
    /// How many users, each of which sends requests to a pool.
    pub users: usize,
    /// How elements and users find registrars.
    pub discovery: Discovery,
    /// How long a packet takes, at random.
    pub delay_us: Range<u64>,
    /// How many packets of a million are lost.
    pub loss_ppm: u32,
    /// By how many parts of a million clocks may run fast or slow.
    pub drift_ppm: u32,
    /// Until when faults strike. Then all are healed.
    pub faults_until_us: u64,
    /// How long all is quiet afterwards, until the cluster has to be as it should.
    pub quiet_us: u64,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// How elements and users find registrars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// They are told of all.
    Configured,
    /// They are told of one, and hear the announcements of all.
    Announced,
}

/// Something that goes wrong, or gets well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When.
    pub at_us: u64,
    /// What.
    pub kind: FaultKind,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// A node is gone at once.
    Crash(NodeId),
    /// A node that has crashed is there again, under its old identifier.
    Restart(NodeId),
    /// A node that has crashed is there again, under another identifier.
    RestartAnew(NodeId),
    /// A node stops, and knows nothing of it.
    Pause(NodeId),
    /// It goes on.
    Resume(NodeId),
    /// Packets from the first to the second are lost.
    Cut(NodeId, NodeId),
    /// They arrive again.
    Heal(NodeId, NodeId),
    /// An element leaves its pool.
    Deregister(NodeId),
    /// It comes again.
    Register(NodeId),
}

const SECOND: u64 = 1_000_000;

impl Scenario {
    /// A cluster without faults on a fast network.
    #[must_use]
    pub fn calm(seed: u64, registrars: usize, elements: usize, users: usize) -> Self {
        Self {
            seed,
            registrars,
            elements,
            users,
            discovery: Discovery::Configured,
            delay_us: 200..1_000,
            loss_ppm: 0,
            drift_ppm: 0,
            faults_until_us: 120 * SECOND,
            quiet_us: 600 * SECOND,
            faults: Vec::new(),
        }
    }

    /// What a seed says: from one to nine registrars, up to 200 elements and 50 users, and any faults.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5ce7_a210);
        let few_or_many = |random: &mut Random, most: u64| {
            let most = if random.chance(800_000) { most.div_ceil(10) } else { most };
            random.below(most + 1) as usize
        };
        let registrars = 1 + random.index(9);
        let elements = few_or_many(&mut random, 200);
        let users = few_or_many(&mut random, 50);
        let slow = random.chance(200_000);
        let announced = random.chance(250_000);
        let mut scenario = Self {
            discovery: if announced { Discovery::Announced } else { Discovery::Configured },
            delay_us: if slow { 20_000..150_000 } else { 200..5_000 },
            loss_ppm: if random.chance(500_000) { random.below(100_000) as u32 } else { 0 },
            drift_ppm: if random.chance(300_000) { 20_000 } else { 0 },
            faults_until_us: (120 + random.below(480)) * SECOND,
            quiet_us: 900 * SECOND,
            ..Self::calm(seed, registrars, elements, users)
        };
        for _ in 0..random.below(14) {
            scenario.add_random_faults(&mut random);
        }
        scenario.faults.sort_by_key(|fault| fault.at_us);
        scenario
    }

    fn add_random_faults(&mut self, random: &mut Random) {
        let from = 5 * SECOND + random.below(self.faults_until_us.saturating_sub(10 * SECOND));
        // Short ones that nobody may notice, and long ones.
        let length = if random.chance(500_000) { random.below(8 * SECOND) } else { random.below(200 * SECOND) };
        let to = (from + length).min(self.faults_until_us);
        let registrar = NodeId(random.index(self.registrars));
        let element = NodeId(self.registrars + random.index(self.elements.max(1)));
        let anyone = NodeId(random.index(self.registrars + self.elements));
        let mut add = |at_us, kind| self.faults.push(Fault { at_us, kind });
        match random.below(8) {
            0 | 1 => {
                add(from, FaultKind::Crash(registrar));
                let again = if random.chance(500_000) { FaultKind::Restart } else { FaultKind::RestartAnew };
                if random.chance(700_000) {
                    add(to, again(registrar));
                }
            }
            2 => {
                add(from, FaultKind::Pause(anyone));
                add(to, FaultKind::Resume(anyone));
            }
            3 if self.elements > 0 => {
                add(from, FaultKind::Crash(element));
                if random.chance(500_000) {
                    add(to, FaultKind::Restart(element));
                }
            }
            4 if self.elements > 0 => {
                add(from, FaultKind::Deregister(element));
                if random.chance(500_000) {
                    add(to, FaultKind::Register(element));
                }
            }
            _ => {
                // A part of the registrars, and now and then an element, cannot reach the others, or not be reached.
                let one_way = random.chance(300_000);
                let inside: Vec<bool> =
                    (0..self.registrars + self.elements.min(20)).map(|_| random.chance(500_000)).collect();
                for a in 0..inside.len() {
                    for b in 0..inside.len() {
                        let (a_inside, b_inside) = (inside.get(a) == Some(&true), inside.get(b) == Some(&true));
                        if a_inside && !b_inside || (!one_way && !a_inside && b_inside) {
                            add(from, FaultKind::Cut(NodeId(a), NodeId(b)));
                            add(to, FaultKind::Heal(NodeId(a), NodeId(b)));
                        }
                    }
                }
            }
        }
    }

    pub(crate) const fn nodes(&self) -> usize {
        self.registrars + self.elements + self.users
    }
}
