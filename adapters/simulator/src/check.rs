//! What must always be so, and what must be so once things have been quiet for a while.

use std::collections::{BTreeMap, BTreeSet};

use rserpool::handlespace::Cursor;
use rserpool::registrar::{Registrar, RegistrarLimits};
use rserpool::wire::asap::{Body, Message, message_type};
use rserpool::wire::{PayloadProtocol, PeIdentifier, ServerIdentifier};

use crate::node::{Node, Role, Wanted};
use crate::scenario::{NodeId, Scenario};
use crate::simulation::Simulation;

/// How often the tables are looked at.
pub(crate) const EVERY_US: u64 = 10_000_000;

/// Of more elements than this the tables are only looked at in the end.
const MANY: usize = 1_000;

/// By how many microseconds a timeout may lie in the past, as clocks that drift are read in whole microseconds.
const ROUNDING: u64 = 10;

/// How many actions a machine may have for its adapter at a time: all peers and the application are told of as many elements
/// as are dealt with in a step, and some more is said to each peer.
fn actions(role: &Role, scenario: &Scenario) -> usize {
    match role {
        Role::Registrar(_) => {
            RegistrarLimits::default().elements_per_step * (scenario.registrars + 3) + 16 * scenario.registrars + 64
        }
        Role::Hostile | Role::Element(..) => 64,
        // A message to all elements of a pool is one for each.
        Role::User(..) => 64 + 3 * 32,
    }
}

/// How many messages a node may send between two looks at the tables, whatever happens: all elements register, are taken
/// over and are asked, and all tables are fetched.
fn messages(id: NodeId, scenario: &Scenario) -> u64 {
    let [registrars, elements, users] = [scenario.registrars, scenario.elements, scenario.users].map(|n| n as u64);
    if id.0 < scenario.registrars {
        500 + 3 * elements * (registrars + 5) + 50 * users + 200 * registrars
    } else {
        300 + 20 * users
    }
}

impl Simulation<'_> {
    /// What is wrong with a node, at any time.
    pub(crate) fn check_node(&mut self, id: NodeId) {
        let Some(node) = self.node(id) else { return };
        if let Some(timeout) = node.timeout().filter(|timeout| timeout.saturating_add(ROUNDING) < self.now) {
            let late = self.now - timeout;
            self.violated(Some(id), &format!("its timeout is {late} us in the past"));
        }
    }

    /// Whether a registrar is the only one that has taken another one over.
    pub(crate) fn check_takeover(&mut self, id: NodeId, target: ServerIdentifier) {
        if !self.network.is_whole() {
            self.truth.unheard(self.now);
        }
        if let Some(other) = self.truth.taken_over(self.now, target, id) {
            self.violated(Some(id), &format!("it has taken {target} over, which {other} has done already"));
        }
    }

    /// Whether a machine's queue has stayed within its limits.
    pub(crate) fn check_wanted(&mut self, id: NodeId, wanted: &[Wanted]) {
        let Some(node) = self.node(id) else { return };
        if wanted.len() > actions(&node.role, self.scenario) {
            self.violated(Some(id), &format!("it wants {} things at a time", wanted.len()));
        }
    }

    /// Whether a registrar gives users elements that are gone.
    pub(crate) fn check_message(&mut self, id: NodeId, protocol: PayloadProtocol, octets: &[u8]) {
        if let Some(sent) = self.sent.get_mut(id.0) {
            *sent += 1;
        }
        if protocol == PayloadProtocol::ASAP && octets.first() == Some(&message_type::ENDPOINT_UNREACHABLE) {
            self.check_report(id);
        }
        let response = message_type::HANDLE_RESOLUTION_RESPONSE;
        let is_registrar = self.node(id).is_some_and(|node| matches!(node.role, Role::Registrar(_)));
        if protocol != PayloadProtocol::ASAP || octets.first() != Some(&response) || !is_registrar {
            return;
        }
        let Ok(decoded) = Message::decode(octets) else {
            return self.violated(Some(id), "it sends what is no message");
        };
        let Body::HandleResolutionResponse(response) = decoded.message.body else { return };
        let stale = response.pool_elements.iter().find_map(|element| {
            let element = element.identifier;
            Some((element, self.truth.is_stale(self.now, element.0)?))
        });
        if let Some((element, gone)) = stale {
            let seconds = gone / 1_000_000;
            self.violated(Some(id), &format!("it gives the element {element}, which has been gone for {seconds} s"));
        }
    }
}

impl Simulation<'_> {
    /// Whether a user reports an element that has not failed.
    fn check_report(&mut self, id: NodeId) {
        let Some(node) = self.node_mut(id).filter(|node| matches!(node.role, Role::User(..))) else { return };
        node.reports += 1;
        if node.reports > node.failures {
            let (reports, failures) = (node.reports, node.failures);
            self.violated(Some(id), &format!("it has reported {reports} elements after {failures} failures"));
        }
    }
}

/// How many messages a node has sent since then.
fn since(sent: &[u64], before: &[u64], node: usize) -> u64 {
    sent.get(node).zip(before.get(node)).map_or(0, |(now, before)| now - before)
}

/// Looks at all tables while things happen.
pub(crate) fn on_the_way(simulation: &mut Simulation<'_>) {
    for id in (0..simulation.nodes.len()).map(NodeId) {
        let sent = since(&simulation.sent, &simulation.sent_before, id.0);
        if sent > messages(id, simulation.scenario) && Some(id) != simulation.scenario.hostile_node() {
            simulation.violated(Some(id), &format!("it has sent {sent} messages in {} s", EVERY_US / 1_000_000));
        }
    }
    simulation.sent_before.clone_from(&simulation.sent);
    if simulation.scenario.elements > MANY {
        return;
    }
    let mut violations = Vec::new();
    for (id, node) in simulation.nodes.iter().enumerate() {
        let Role::Registrar(registrar) = &node.role else { continue };
        if !node.alive || node.paused {
            continue;
        }
        let mut violated = |what: String| violations.push((NodeId(id), what));
        if registrar.peers().any(|peer| peer == registrar.identifier()) {
            violated("it has itself as a peer".into());
        }
        let handlespace = registrar.handlespace();
        let mut pools = BTreeSet::new();
        for (element, _) in handlespace.read_from(Cursor::START, None) {
            pools.insert(handlespace.pool_handle(element));
            if let Some(gone) = simulation.truth.is_stale(simulation.now, element.identifier().0) {
                let (element, seconds) = (element.identifier(), gone / 1_000_000);
                violated(format!("it lists the element {element}, which has been gone for {seconds} s"));
            }
        }
        if pools.len() != handlespace.pool_count() {
            violated(format!("{} pools have elements, {} are there", pools.len(), handlespace.pool_count()));
        }
        if let Some(home) = wrong_checksum(registrar) {
            violated(format!("its checksum for {home} is wrong"));
        }
    }
    for (id, violation) in violations {
        simulation.violated(Some(id), &violation);
    }
}

/// RFC 5353 §3.6.2 by its words: the Internet checksum over the blocks of all elements of a home.
fn wrong_checksum(registrar: &Registrar) -> Option<ServerIdentifier> {
    let handlespace = registrar.handlespace();
    let mut sums: BTreeMap<ServerIdentifier, u64> = BTreeMap::new();
    for (element, _) in handlespace.read_from(Cursor::START, None) {
        let mut block = handlespace.pool_handle(element).octets().to_vec();
        block.resize(block.len().next_multiple_of(4), 0);
        block.extend(element.identifier().0.to_be_bytes());
        let words = block.chunks(2).filter_map(|word| Some(u64::from(u16::from_be_bytes(*word.first_chunk()?))));
        *sums.entry(element.home()).or_default() += words.sum::<u64>();
    }
    let folded = |mut sum: u64| {
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !(sum as u16)
    };
    sums.into_iter().find(|(home, sum)| handlespace.checksum(*home).0 != folded(*sum)).map(|(home, _)| home)
}

/// How long it takes until an association that was lost by chance makes no difference any more: the next presence, and an
/// audit.
pub(crate) const EXTENSION_US: u64 = 60_000_000;

/// For how long it is counted what a quiet cluster costs.
pub(crate) const COST_US: u64 = 120_000_000;

/// What registrars have sent at last, when all was quiet, against what the timers imply.
pub(crate) fn cost(simulation: &mut Simulation<'_>, sent_before: &[u64]) {
    let scenario = simulation.scenario;
    let cycles = |seconds: u64| COST_US / 1_000_000 / seconds;
    let mut violations = Vec::new();
    for (id, node) in simulation.nodes.iter().enumerate() {
        let Role::Registrar(registrar) = &node.role else { continue };
        let sent = since(&simulation.sent, sent_before, id);
        let peers = registrar.peers().count() as u64;
        let handlespace = registrar.handlespace();
        // What was here and has moved to a registrar with fewer has its cost, too.
        let elements = match scenario.takeovers_are_suggested() {
            true => handlespace.len(),
            false => handlespace.owned_by(registrar.identifier()).len(),
        } as u64;
        // Presences each PEER-HEARTBEAT-CYCLE, and an audit now and then.
        let to_peers = peers * (cycles(30) + 4);
        // Keep-alives every 30 s, at least 15 s apart. One registration, or two, each told to all peers.
        let for_elements = elements * (cycles(15) + 2 * (1 + peers));
        let allowed = 10 + to_peers + for_elements + 60 * scenario.users as u64;
        if sent > allowed {
            let seconds = COST_US / 1_000_000;
            violations.push((NodeId(id), format!("it has sent {sent} messages in {seconds} quiet s, not {allowed}")));
        }
    }
    for (id, violation) in violations {
        simulation.violated(Some(id), &violation);
    }
}

/// How many requests each user has had answered.
pub(crate) fn progress(simulation: &Simulation<'_>) -> Vec<u64> {
    simulation.nodes.iter().map(|node| if let Role::User(_, user) = &node.role { user.answered } else { 0 }).collect()
}

/// Requests and answers in all.
pub(crate) fn requests(simulation: &Simulation<'_>) -> (u64, u64) {
    let users = simulation.nodes.iter().filter_map(|node| match &node.role {
        Role::User(_, user) => Some((user.number, user.answered)),
        _ => None,
    });
    users.fold((0, 0), |(requests, answered), (number, last)| (requests + number, answered + last))
}

/// What a registrar's table says of an element: its home, and all its octets.
type Table = BTreeMap<(Vec<u8>, u32), (ServerIdentifier, Vec<u8>)>;

fn table(registrar: &Registrar) -> Table {
    let handlespace = registrar.handlespace();
    let entries = handlespace.read_from(Cursor::START, None).map(|(element, _)| {
        let key = (handlespace.pool_handle(element).octets().to_vec(), element.identifier().0);
        (key, (element.home(), element.octets().to_vec()))
    });
    entries.collect()
}

/// The first element that two registrars do not know alike, found without making copies of all.
fn difference(one: &Registrar, other: &Registrar) -> Option<PeIdentifier> {
    let missing_or_other = |one: &Registrar, other: &Registrar| {
        let (one, other) = (one.handlespace(), other.handlespace());
        one.read_from(Cursor::START, None).find_map(|(element, _)| {
            let there = other.find(one.pool_handle(element), element.identifier());
            let is_same =
                there.and_then(|index| other.element(index)).is_some_and(|it| it.octets() == element.octets());
            (!is_same).then(|| element.identifier())
        })
    };
    let found = missing_or_other(one, other);
    if one.handlespace().len() == other.handlespace().len() { found } else { found.or(missing_or_other(other, one)) }
}

/// After a quiet time the cluster is as it should be.
pub(crate) fn settled(simulation: &mut Simulation<'_>, before: &[u64]) {
    let mut violations = Vec::new();
    let registrars: Vec<(NodeId, &Registrar)> = simulation
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.alive)
        .filter_map(|(id, node)| match &node.role {
            Role::Registrar(registrar) => Some((NodeId(id), &**registrar)),
            _ => None,
        })
        .collect();
    let living: BTreeSet<ServerIdentifier> = registrars.iter().map(|(_, registrar)| registrar.identifier()).collect();
    if living.len() != registrars.len() {
        violations.push((None, "two registrars have the same identifier".into()));
    }
    let lives = |id: NodeId| simulation.nodes.get(id.0).is_some_and(|node| node.alive);
    let finds = |node: &Node| node.can_find(simulation.scenario, lives);
    let elements = || {
        let nodes = simulation.nodes.iter().filter(|node| node.alive && node.member);
        nodes.filter_map(|node| match &node.role {
            Role::Element(element, _) => Some((node, element)),
            _ => None,
        })
    };
    let members: BTreeSet<u32> = elements().map(|(_, element)| element.config().identifier().0).collect();
    let first = registrars.first().map(|(_, registrar)| *registrar);
    for (id, registrar) in &registrars {
        let me = registrar.identifier();
        let mut violated = |what: String| violations.push((Some(*id), what));
        if !registrar.is_serving() {
            violated("it does not serve".into());
        }
        let mut peers: BTreeSet<ServerIdentifier> = registrar.peers().collect();
        peers.insert(me);
        if peers != living {
            violated(format!("its peers are {peers:?}, living are {living:?}"));
        }
        if let Some(target) = registrar.takeovers().next() {
            violated(format!("it is still about to take over {target}"));
        }
        if let Some(element) = first.and_then(|first| difference(registrar, first)) {
            violated(format!("its table differs from the first registrar's in the element {element}"));
        }
        if let Some(home) = wrong_checksum(registrar) {
            violated(format!("its checksum for {home} is wrong"));
        }
    }
    // All have the same; one speaks for all.
    let table = first.map(table).unwrap_or_default();
    let mut violated = |what: String| violations.push((None, what));
    let listed: BTreeSet<u32> = table.keys().map(|(_, identifier)| *identifier).collect();
    if let Some(dead) = listed.difference(&members).next() {
        violated(format!("the element {dead:#x} is listed, which is none"));
    }
    for (node, element) in elements().filter(|_| !registrars.is_empty()) {
        let config = element.config();
        match table.get(&(config.pool_handle().octets().to_vec(), config.identifier().0)) {
            // Whoever knows dead registrars only has no way back into its pool.
            None if finds(node) => violated(format!("the element {} is not listed", config.identifier())),
            None => {}
            Some((home, octets)) => {
                if !living.contains(home) {
                    violated(format!("the home of {} is {home}, which is dead", config.identifier()));
                }
                let known = rserpool::wire::PoolElement::from_octets(octets).map(|element| element.policy);
                if known != Some(config.policy) {
                    violated(format!("{} is listed with {known:?}, but has {:?}", config.identifier(), config.policy));
                }
            }
        }
    }
    for (id, node) in simulation.nodes.iter().enumerate().filter(|(_, node)| node.alive && !registrars.is_empty()) {
        let hunts = match &node.role {
            Role::Element(element, _) => element.is_hunting(),
            Role::User(user, _) => user.is_hunting(),
            Role::Registrar(_) | Role::Hostile => false,
        };
        if hunts && finds(node) {
            violations.push((Some(NodeId(id)), "it still looks for a registrar".into()));
        }
    }
    if simulation.truth.quiet_for(simulation.now) >= EXTENSION_US && !registrars.is_empty() {
        let now = simulation.now;
        for id in simulation.ledger.vanished(now - 55_000_000..now - 30_000_000) {
            if simulation.nodes.get(id.0).is_some_and(finds) {
                violations.push((Some(id), "a message to its pool has neither arrived nor come back".into()));
            }
        }
    }
    let pools: BTreeSet<&[u8]> = table.keys().map(|(pool, _)| pool.as_slice()).collect();
    for (id, (node, before)) in simulation.nodes.iter().zip(before).enumerate() {
        if let Role::User(_, user) = &node.role
            && node.alive
            && !registrars.is_empty()
            && finds(node)
            && pools.contains(user.pool().as_bytes())
            && user.answered <= *before
        {
            violations.push((Some(NodeId(id)), format!("its request {} is not answered", user.number)));
        }
    }
    for (id, violation) in violations {
        simulation.violated(id, &violation);
    }
}
