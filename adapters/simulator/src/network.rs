//! Associations between nodes: in order, once, by as many transmissions as it takes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rserpool::wire::PayloadProtocol;
use rserpool::{AssociationId, Failover, OutgoingMessage, Progress, SendBuffer};

use crate::random::Random;
use crate::scenario::{NodeId, Scenario};

/// How often something is sent until the association is given up.
pub(crate) const TRANSMISSIONS: u32 = 5;

/// The first retransmission time-out; it doubles.
const RTO: u64 = 100_000;

/// A link's place, and how many there were before it: what was planned for a link is not for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LinkId {
    place: usize,
    number: u64,
}

/// One end of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) node: NodeId,
    pub(crate) association: AssociationId,
    /// Whether the node there still has the association.
    pub(crate) there: bool,
}

/// What may be wrong with the way from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// Nothing arrives.
    Cut,
    /// All takes its time.
    Slow,
}

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) protocol: PayloadProtocol,
    pub(crate) failover: Failover,
    pub(crate) octets: Vec<u8>,
}

impl Message {
    pub(crate) fn as_outgoing(&self) -> OutgoingMessage<'_> {
        OutgoingMessage { protocol: self.protocol, failover: self.failover, ..OutgoingMessage::new(&self.octets) }
    }
}

/// What is on its way from one end to the other.
#[derive(Debug, Default)]
pub(crate) struct Direction {
    /// What waits for the first of them to get through.
    pub(crate) waiting: VecDeque<Message>,
    /// How often the first was sent in vain.
    pub(crate) attempts: u32,
    /// Whether the first has arrived nevertheless, and only its acknowledgement was lost.
    pub(crate) has_arrived: bool,
    /// Nothing arrives before this.
    pub(crate) not_before: u64,
    /// Until when a slow link carries what was sent last.
    pub(crate) busy_until: u64,
    /// How many octets wait.
    pub(crate) octets: usize,
    /// What the sender has been told of that.
    is_full: bool,
}

impl Direction {
    /// Takes a message; gives it back if there is no room.
    pub(crate) fn push(&mut self, buffer: usize, message: Message) -> Result<(), Message> {
        if !self.waiting.is_empty() && self.octets + message.octets.len() > buffer {
            return Err(message);
        }
        self.octets += message.octets.len();
        self.waiting.push_back(message);
        Ok(())
    }

    /// The first message, which has got through.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        let message = self.waiting.pop_front()?;
        self.octets -= message.octets.len();
        Some(message)
    }

    /// Whether the sender has to be told that it is full, or that there is room again.
    pub(crate) fn news(&mut self, buffer: usize) -> Option<SendBuffer> {
        if !self.is_full && self.octets > buffer / 2 {
            self.is_full = true;
            return Some(SendBuffer::Full);
        }
        (self.octets <= buffer / 4 && std::mem::take(&mut self.is_full)).then_some(SendBuffer::HasRoom)
    }

    /// What has not got through, and how far it got.
    pub(crate) fn take_undelivered(&mut self) -> Vec<(Message, Progress)> {
        let mut sent = self.attempts > 0;
        self.octets = 0;
        let progress = |message| {
            // Of the first nobody knows whether only its acknowledgements were lost.
            let progress = if std::mem::take(&mut sent) { Progress::Unacknowledged } else { Progress::Unsent };
            (message, progress)
        };
        self.waiting.drain(..).map(progress).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Link {
    number: u64,
    /// Who has opened it, and who it was opened to.
    pub(crate) ends: [End; 2],
    pub(crate) directions: [Direction; 2],
}

/// The other one of two ends.
pub(crate) const fn other(side: usize) -> usize {
    1 - side
}

/// How long to wait after so many transmissions in vain.
pub(crate) const fn backoff(attempts: u32) -> u64 {
    RTO << if attempts < 4 { attempts } else { 4 }
}

#[derive(Debug, Default)]
pub(crate) struct Network {
    links: Vec<Option<Link>>,
    free: Vec<usize>,
    count: u64,
    /// Each node's associations.
    by_node: Vec<BTreeMap<AssociationId, (LinkId, usize)>>,
    /// What is wrong, from whom to whom.
    troubles: BTreeSet<(Trouble, NodeId, NodeId)>,
}

impl Network {
    pub(crate) fn new(nodes: usize) -> Self {
        Self { by_node: vec![BTreeMap::new(); nodes], ..Self::default() }
    }

    fn set_end(&mut self, end: End, place: Option<(LinkId, usize)>) {
        let Some(ends) = self.by_node.get_mut(end.node.0) else { return };
        match place {
            Some(place) => _ = ends.insert(end.association, place),
            None => _ = ends.remove(&end.association),
        }
    }

    pub(crate) fn add(&mut self, ends: [End; 2]) -> LinkId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.links.push(None);
            self.links.len() - 1
        });
        self.count += 1;
        let id = LinkId { place, number: self.count };
        for (side, end) in ends.iter().enumerate().filter(|(_, end)| end.there) {
            self.set_end(*end, Some((id, side)));
        }
        if let Some(slot) = self.links.get_mut(place) {
            *slot = Some(Link { number: id.number, ends, directions: Default::default() });
        }
        id
    }

    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.links.get(id.place)?.as_ref().filter(|link| link.number == id.number)
    }

    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(id.place)?.as_mut().filter(|link| link.number == id.number)
    }

    /// The link of an association of a node, and which end it is.
    pub(crate) fn find(&self, node: NodeId, association: AssociationId) -> Option<(LinkId, usize)> {
        self.by_node.get(node.0)?.get(&association).copied()
    }

    /// The end that was opened to has got the association.
    pub(crate) fn accepted(&mut self, id: LinkId, association: AssociationId) {
        let Some(end) = self.get_mut(id).map(|link| {
            let [_, end] = &mut link.ends;
            (end.association, end.there) = (association, true);
            *end
        }) else {
            return;
        };
        self.set_end(end, Some((id, 1)));
    }

    /// An end has the association no more. With both gone the link is.
    pub(crate) fn leave(&mut self, id: LinkId, side: usize) {
        let Some(end) = self.get_mut(id).and_then(|link| link.ends.get_mut(side)) else { return };
        if !std::mem::replace(&mut end.there, false) {
            return;
        }
        let end = *end;
        self.set_end(end, None);
        if self.get(id).is_some_and(|link| link.ends.iter().all(|end| !end.there)) {
            if let Some(slot) = self.links.get_mut(id.place) {
                *slot = None;
            }
            self.free.push(id.place);
        }
    }

    /// All links of a node, with its end.
    pub(crate) fn of_node(&self, node: NodeId) -> Vec<(LinkId, usize)> {
        self.by_node.get(node.0).into_iter().flatten().map(|(_, place)| *place).collect()
    }

    /// The links between two nodes.
    pub(crate) fn between(&self, a: NodeId, b: NodeId) -> Vec<LinkId> {
        let leads = |side: usize| move |link: &Link| link.ends.get(other(side)).is_some_and(|end| end.node == b);
        let links = self.of_node(a).into_iter();
        links.filter(|(id, side)| self.get(*id).is_some_and(leads(*side))).map(|(id, _)| id).collect()
    }

    /// From here on there is something wrong from one node to another.
    pub(crate) fn spoil(&mut self, trouble: Trouble, from: NodeId, to: NodeId) {
        self.troubles.insert((trouble, from, to));
    }

    /// It is no more.
    pub(crate) fn heal(&mut self, trouble: Trouble, from: NodeId, to: NodeId) {
        self.troubles.remove(&(trouble, from, to));
    }

    pub(crate) fn is_spoilt(&self, trouble: Trouble, from: NodeId, to: NodeId) -> bool {
        self.troubles.contains(&(trouble, from, to))
    }

    /// Whether all reach all, at full speed.
    pub(crate) fn is_whole(&self) -> bool {
        self.troubles.is_empty()
    }

    pub(crate) fn heal_all(&mut self) {
        self.troubles.clear();
    }

    /// How long a packet takes; `None` if it is lost.
    pub(crate) fn packet(&self, from: NodeId, to: NodeId, scenario: &Scenario, random: &mut Random) -> Option<u64> {
        let lost = random.chance(scenario.loss_ppm);
        let delay = random.within(&scenario.delay_us);
        if lost || self.is_spoilt(Trouble::Cut, from, to) { None } else { Some(delay) }
    }
}
