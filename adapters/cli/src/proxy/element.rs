//! The element's side: each session has a connection to the service.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};

use rserpool::pool_element::PoolElement;
use rserpool::wire::PayloadProtocol;
use rserpool::{AssociationId, OutgoingMessage};

use super::pipe::{Backlog, News, Pipe, Reporter};
use super::{CREDIT, DATA, END, RESET};
use rserpool_blocking::Waker;

/// The connections to the service.
pub(crate) struct Sidecar {
    service: SocketAddr,
    reporter: Reporter,
    news: Receiver<(u64, News)>,
    pipes: HashMap<AssociationId, (u64, Pipe)>,
    sessions: HashMap<u64, AssociationId>,
    next: u64,
    backlog: Backlog<AssociationId>,
}

impl Sidecar {
    pub(crate) fn new(service: SocketAddr, waker: Waker) -> Self {
        let (to, news) = channel();
        let (pipes, sessions, backlog) = Default::default();
        Self { service, reporter: Reporter { to, waker }, news, pipes, sessions, next: 0, backlog }
    }

    /// A message of a user.
    pub(crate) fn message(&mut self, session: AssociationId, protocol: PayloadProtocol, octets: &[u8]) {
        let Self { pipes, sessions, next, service, reporter, .. } = self;
        let (_, pipe) = pipes.entry(session).or_insert_with(|| {
            *next += 1;
            sessions.insert(*next, session);
            (*next, Pipe::to(*next, *service, reporter))
        });
        match protocol {
            DATA => pipe.write(octets),
            END => pipe.end(),
            CREDIT => pipe.give(octets.try_into().map_or(0, u32::from_be_bytes) as usize),
            RESET => self.closed(session),
            _ => {}
        }
    }

    /// A session is over.
    pub(crate) fn closed(&mut self, session: AssociationId) {
        if let Some((id, _)) = self.pipes.remove(&session) {
            self.sessions.remove(&id);
        }
    }

    /// Hands the machine what the connections have brought. True if there is more than it takes at a time.
    pub(crate) fn commands<const SESSIONS: usize, const OCTETS: usize>(
        &mut self,
        element: &mut PoolElement<SESSIONS, OCTETS>,
    ) -> bool {
        while let Ok((id, news)) = self.news.try_recv() {
            let Some(session) = self.sessions.get(&id).copied() else { continue };
            let (protocol, octets) = match news {
                News::Data(octets) => (DATA, octets),
                News::End => (END, vec![0]),
                News::Broken => (RESET, vec![0]),
                News::Written(octets) => (CREDIT, (octets as u32).to_be_bytes().to_vec()),
                // The user ends the session when both sides have said all.
                News::Ended => continue,
            };
            self.backlog.push_back((session, protocol, octets));
        }
        while let Some((session, protocol, octets)) = self.backlog.front() {
            let message = OutgoingMessage { protocol: *protocol, ..OutgoingMessage::new(octets) };
            if element.send(*session, message) == Err(rserpool::SendError::Full) {
                return true;
            }
            self.backlog.pop_front();
        }
        false
    }
}
