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
    /// How many octets a second slow links carry ([`FaultKind::Slow`]).
    pub slow_octets_per_s: u64,
    /// How many octets may wait on an association. One that has more to send is ended.
    pub buffer: usize,
    /// So many registrars start with one and the same identifier.
    pub namesakes: usize,
    /// Until when faults strike. Then all are healed.
    pub faults_until_us: u64,
    /// How long all is quiet afterwards, until the cluster has to be as it should.
    pub quiet_us: u64,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What a registrar says that is no registrar, but a broken or hostile program in the place of the last one. It is there
    /// until the faults are over.
    pub hostile: Vec<Hostility>,
}

/// Something that a hostile node does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostility {
    /// When.
    pub at_us: u64,
    /// To whom; to all if it is a datagram.
    pub to: NodeId,
    /// How.
    pub how: How,
    /// What it sends.
    pub octets: Vec<u8>,
}

/// How a hostile node says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// As ENRP, on an association that there is, or on a new one.
    Enrp,
    /// As ASAP, on an association that there is, or on a new one.
    Asap,
    /// As a datagram to all registrars.
    Announcement,
    /// Not at all: it ends an association.
    Abort,
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
    /// A node does nothing any more, though its host keeps its associations.
    Hang(NodeId),
    /// A node that has stopped or hangs goes on.
    Resume(NodeId),
    /// Packets from the first to the second are lost.
    Cut(NodeId, NodeId),
    /// They arrive again.
    Heal(NodeId, NodeId),
    /// What the first sends to the second takes its time.
    Slow(NodeId, NodeId),
    /// It is as fast as ever.
    Fast(NodeId, NodeId),
    /// An element's load, weight or priority becomes another one.
    Load(NodeId, u32),
    /// A user gives up the element of its session, and reports it, whether it lives or not.
    GiveUp(NodeId),
    /// An element leaves its pool.
    Deregister(NodeId),
    /// An element leaves its pool, and goes on with the users that are there.
    Drain(NodeId),
    /// It comes again.
    Register(NodeId),
    /// A registrar comes to its end in order.
    ShutDown(NodeId),
}

impl FaultKind {
    /// The nodes that it is about; twice the same if it is about one.
    #[must_use]
    pub const fn nodes(self) -> [NodeId; 2] {
        match self {
            Self::Crash(id)
            | Self::Restart(id)
            | Self::RestartAnew(id)
            | Self::Pause(id)
            | Self::Hang(id)
            | Self::Resume(id)
            | Self::Deregister(id)
            | Self::Drain(id)
            | Self::ShutDown(id)
            | Self::Register(id)
            | Self::Load(id, _)
            | Self::GiveUp(id) => [id, id],
            Self::Cut(from, to) | Self::Heal(from, to) | Self::Slow(from, to) | Self::Fast(from, to) => [from, to],
        }
    }

    /// The same with other nodes.
    #[must_use]
    pub fn rename(self, name: impl Fn(NodeId) -> NodeId) -> Self {
        match self {
            Self::Crash(id) => Self::Crash(name(id)),
            Self::Restart(id) => Self::Restart(name(id)),
            Self::RestartAnew(id) => Self::RestartAnew(name(id)),
            Self::Pause(id) => Self::Pause(name(id)),
            Self::Hang(id) => Self::Hang(name(id)),
            Self::Resume(id) => Self::Resume(name(id)),
            Self::Cut(from, to) => Self::Cut(name(from), name(to)),
            Self::Heal(from, to) => Self::Heal(name(from), name(to)),
            Self::Slow(from, to) => Self::Slow(name(from), name(to)),
            Self::Fast(from, to) => Self::Fast(name(from), name(to)),
            Self::Deregister(id) => Self::Deregister(name(id)),
            Self::Drain(id) => Self::Drain(name(id)),
            Self::ShutDown(id) => Self::ShutDown(name(id)),
            Self::Register(id) => Self::Register(name(id)),
            Self::Load(id, value) => Self::Load(name(id), value),
            Self::GiveUp(id) => Self::GiveUp(name(id)),
        }
    }
}

const SECOND: u64 = 1_000_000;

/// How long it may take, after the last fault, until a cluster is as it should be.
///
/// The longest way back is that of an element whose home is dead, and whose home's death somebody has to find out first:
///
/// | what | by which timers | seconds |
/// |---|---|---|
/// | a registrar is missed | MAX-TIME-LAST-HEARD, MAX-TIME-NO-RESPONSE | 61 + 5 |
/// | whoever takes it over waits for all, twice | MAX-TIME-NO-RESPONSE | 2 x 5 |
/// | and has died itself: the others look again | MAX-TIME-LAST-HEARD, and all that again | 61 + 10 |
/// | the element is asked, and hunts | keep-alive 30 s and half of it, T5 up to RETRAN-MAX | 45 + 5 + 60 |
/// | registers, maybe in vain at first | T2-Registration | 30 |
/// | those that missed the news hear a presence, and audit | PEER-HEARTBEAT-CYCLE, MAX-TIME-NO-RESPONSE | 30 + 10 |
pub const SETTLING_US: u64 = (66 + 10 + 71 + 110 + 30 + 40) * SECOND;

/// Where takeovers are suggested, elements move when they register again, every 280 s: twice, until all registrars have as many,
/// and an audit behind it.
const BALANCING_US: u64 = (2 * 280 + 40) * SECOND;

/// In every third seed.
const fn suggests_takeovers(seed: u64) -> bool {
    seed.is_multiple_of(3)
}

impl Scenario {
    /// Whether registrars suggest to each other to take elements over.
    pub(crate) const fn takeovers_are_suggested(&self) -> bool {
        suggests_takeovers(self.seed)
    }

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
            slow_octets_per_s: 4_000,
            buffer: 1 << 20,
            namesakes: 0,
            faults_until_us: 120 * SECOND,
            quiet_us: SETTLING_US + if suggests_takeovers(seed) { BALANCING_US } else { 0 },
            faults: Vec::new(),
            hostile: Vec::new(),
        }
    }

    /// The node that is hostile, if any is.
    #[must_use]
    pub fn hostile_node(&self) -> Option<NodeId> {
        (!self.hostile.is_empty()).then(|| NodeId(self.registrars.saturating_sub(1)))
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
            buffer: if random.chance(300_000) { 4_000 } else { 1 << 20 },
            namesakes: if random.chance(100_000) { 2 + random.index(2) } else { 0 },
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
        let user = NodeId(self.registrars + self.elements + random.index(self.users.max(1)));
        let (elements, registrars) = (self.elements, self.registrars);
        let mut add = |at_us, kind| self.faults.push(Fault { at_us, kind });
        match random.below(12) {
            0 | 1 => {
                let end = if random.chance(300_000) { FaultKind::ShutDown } else { FaultKind::Crash };
                add(from, end(registrar));
                let again = if random.chance(500_000) { FaultKind::Restart } else { FaultKind::RestartAnew };
                if random.chance(700_000) {
                    add(to, again(registrar));
                }
            }
            2 => {
                add(from, if random.chance(500_000) { FaultKind::Pause(anyone) } else { FaultKind::Hang(anyone) });
                add(to, FaultKind::Resume(anyone));
            }
            3 if self.elements > 0 => {
                add(from, FaultKind::Crash(element));
                if random.chance(500_000) {
                    add(to, FaultKind::Restart(element));
                }
            }
            4 if self.elements > 0 => {
                let leave = if random.chance(400_000) { FaultKind::Drain } else { FaultKind::Deregister };
                add(from, leave(element));
                if random.chance(500_000) {
                    add(to, FaultKind::Register(element));
                }
            }
            5 if self.elements > 0 => {
                // Loads change all the time, and a few times faster than anyone asks for.
                for change in 0..1 + random.below(20) {
                    let element = NodeId(registrars + random.index(elements));
                    let at = (from + change * random.below(3 * SECOND)).min(to);
                    add(at, FaultKind::Load(element, random.below(1 << 32) as u32));
                }
            }
            6 if self.users > 0 => {
                for _ in 0..1 + random.below(8) {
                    add((from + random.below(length + 1)).min(to), FaultKind::GiveUp(user));
                }
            }
            7 => {
                let other = NodeId(random.index(registrars + elements));
                for (a, b) in [(anyone, other), (other, anyone)] {
                    add(from, FaultKind::Slow(a, b));
                    add(to, FaultKind::Fast(a, b));
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
