//! What must always be so, and what must be so once things have been quiet for a while.

use std::collections::{BTreeMap, BTreeSet};

use rserpool::handlespace::Cursor;
use rserpool::registrar::Registrar;
use rserpool::wire::ServerIdentifier;

use crate::node::{Node, Role};
use crate::scenario::NodeId;
use crate::simulation::Simulation;

/// By how many microseconds a timeout may lie in the past, as clocks that drift are read in whole microseconds.
const ROUNDING: u64 = 10;

/// What is wrong with a node, at any time.
pub(crate) fn node(node: &Node, now: u64) -> Option<String> {
    if let Some(timeout) = node.timeout().filter(|timeout| timeout.saturating_add(ROUNDING) < now) {
        return Some(format!("its timeout is {} us in the past", now - timeout));
    }
    match &node.role {
        Role::Registrar(registrar) => {
            let handlespace = registrar.handlespace();
            if registrar.peers().any(|peer| peer == registrar.identifier()) {
                return Some("it has itself as a peer".into());
            }
            let (elements, pools) = (handlespace.len(), handlespace.pool_count());
            (pools > elements || (pools == 0 && elements > 0)).then(|| format!("{elements} elements in {pools} pools"))
        }
        Role::Element(..) | Role::User(..) => None,
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

type Table = BTreeMap<(Vec<u8>, u32), ServerIdentifier>;

fn table(registrar: &Registrar) -> Table {
    let handlespace = registrar.handlespace();
    let entries = handlespace.read_from(Cursor::START, None).map(|(element, _)| {
        let key = (handlespace.pool_handle(element).octets().to_vec(), element.identifier().0);
        (key, element.home())
    });
    entries.collect()
}

/// After a quiet time the cluster is as it should be.
pub(crate) fn settled(simulation: &mut Simulation<'_>, before: &[u64]) {
    let mut violations = Vec::new();
    let registrars: Vec<&Registrar> = simulation
        .nodes
        .iter()
        .filter(|node| node.alive)
        .filter_map(|node| if let Role::Registrar(registrar) = &node.role { Some(&**registrar) } else { None })
        .collect();
    let living: BTreeSet<ServerIdentifier> = registrars.iter().map(|registrar| registrar.identifier()).collect();
    if living.len() != registrars.len() {
        violations.push("two registrars have the same identifier".into());
    }
    let lives = |id: NodeId| simulation.nodes.get(id.0).is_some_and(|node| node.alive);
    let finds = |node: &Node| node.can_find(simulation.scenario, lives);
    let identifiers = |which: &dyn Fn(&Node) -> bool| -> BTreeSet<u32> {
        let nodes = simulation.nodes.iter().filter(|node| node.alive && node.member && which(node));
        let elements = nodes.filter_map(|node| match &node.role {
            Role::Element(element, _) => Some(element.config().identifier().0),
            _ => None,
        });
        elements.collect()
    };
    let members = identifiers(&|_| true);
    // Whoever knows dead registrars only has no way back into its pool.
    let must_be_listed = identifiers(&finds);
    let first = registrars.first().map(|registrar| table(registrar));
    for registrar in &registrars {
        let me = registrar.identifier();
        let mut violated = |what: String| violations.push(format!("registrar {me}: {what}"));
        if !registrar.is_serving() {
            violated("it does not serve".into());
        }
        let mut peers: BTreeSet<ServerIdentifier> = registrar.peers().collect();
        peers.insert(me);
        if peers != living {
            violated(format!("its peers are {peers:?}, living are {living:?}"));
        }
        let table = table(registrar);
        if Some(&table) != first.as_ref() {
            violated("its table differs from the first registrar's".into());
        }
        let listed: BTreeSet<u32> = table.keys().map(|(_, identifier)| *identifier).collect();
        if let Some(dead) = listed.difference(&members).next() {
            violated(format!("it lists the element {dead:#x}, which is none"));
        }
        if let Some(missing) = must_be_listed.difference(&listed).next() {
            violated(format!("it does not list the element {missing:#x}"));
        }
        if let Some((element, home)) = table.iter().find(|(_, home)| !living.contains(home)) {
            violated(format!("the home of {element:?} is {home}, which is dead"));
        }
        for peer in &living {
            let elements = table.values().filter(|home| *home == peer).count();
            if registrar.handlespace().owned_by(*peer).len() != elements {
                violated(format!("its list of the elements of {peer} is wrong"));
            }
        }
    }
    let pools: BTreeSet<&[u8]> = first.iter().flatten().map(|((pool, _), _)| pool.as_slice()).collect();
    for (id, (node, before)) in simulation.nodes.iter().zip(before).enumerate() {
        if let Role::User(_, user) = &node.role
            && node.alive
            && !registrars.is_empty()
            && finds(node)
            && pools.contains(user.pool().as_bytes())
            && user.answered <= *before
        {
            violations.push(format!("node-{id}: its request {} is not answered", user.number));
        }
    }
    for violation in violations {
        let now = simulation.now;
        simulation.trace.note(now, format_args!("VIOLATION {violation}"));
        simulation.violations.push(violation);
    }
}
