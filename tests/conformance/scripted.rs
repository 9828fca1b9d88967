//! One registrar, and peers whose every word the test writes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use rserpool::handlespace::Cursor;
use rserpool::registrar::{Registrar, RegistrarConfig, RegistrarEvent};
use rserpool::wire::asap;
use rserpool::wire::enrp::{self, Body, HandleTableResponse, HandleUpdate, ListResponse, PoolEntries, PoolEntry};
use rserpool::wire::enrp::{Presence, UpdateAction};
use rserpool::wire::{
    PayloadProtocol, PeChecksum, PeIdentifier, Policy, PoolElement, PoolHandle, RegistrationLife, Sequence,
    ServerIdentifier, ServerInformation, Transport, TransportUse, Unknown,
};
use rserpool::{
    Action, AssociationId, Endpoint, EndpointBuf, Input, Instant, Machine, MulticastGroup, Protocol, Purpose,
};

use crate::events::Log;

/// The registrar's own identifier, and that of its peer at 10.0.0.N.
pub(crate) const OWN: u32 = 0x500;
pub(crate) const fn peer(number: u8) -> u32 {
    0x100 * number as u32
}

pub(crate) fn host(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))
}

pub(crate) fn enrp_at(number: u8) -> EndpointBuf {
    EndpointBuf::single(Protocol::Sctp, host(number), 9901)
}

/// Something that the registrar has done.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    Opens,
    Says(AssociationId, PayloadProtocol, Vec<u8>),
    Ends(AssociationId),
    Announces(MulticastGroup, Vec<u8>),
}

pub(crate) struct Scripted {
    pub(crate) registrar: Registrar,
    pub(crate) now: Instant,
    accepted: u32,
    done: Vec<Done>,
    /// All that it has told.
    pub(crate) events: Log<RegistrarEvent<'static>>,
    /// Associations that are asked for, and neither opened nor ended yet.
    opening: Vec<(AssociationId, EndpointBuf)>,
}

impl Scripted {
    /// A registrar that knows the peers with these numbers, or serves at once without any.
    pub(crate) fn new(peers: &[u8]) -> Self {
        Self::with(peers, |_| {})
    }

    pub(crate) fn with(peers: &[u8], adjust: impl FnOnce(&mut RegistrarConfig)) -> Self {
        let mut config = RegistrarConfig::new(enrp_at(50), 1);
        config.identifier = ServerIdentifier(OWN);
        config.peers = peers.iter().copied().map(enrp_at).collect();
        adjust(&mut config);
        let mut scripted = Self {
            registrar: Registrar::new(config),
            now: Instant::from_millis(1),
            accepted: 0,
            done: Vec::new(),
            events: Log::default(),
            opening: Vec::new(),
        };
        scripted.input(Input::Timeout);
        scripted
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        if let Input::OpenFailed { association, .. } = input {
            self.opening.retain(|(opening, _)| *opening != association);
        }
        self.registrar.handle(self.now, input);
        while let Some(action) = self.registrar.poll_action() {
            self.done.push(match action {
                Action::Open { association, remote, .. } => {
                    let remote = EndpointBuf::new(remote.protocol, remote.addresses, remote.port).unwrap();
                    self.opening.push((association, remote.clone()));
                    Done::Opens
                }
                Action::Send { association, message } => {
                    Done::Says(association, message.protocol, message.octets.to_vec())
                }
                Action::Close { association } | Action::Abort { association } => {
                    self.opening.retain(|(opening, _)| *opening != association);
                    Done::Ends(association)
                }
                Action::Multicast { group, octets } => Done::Announces(group, octets.to_vec()),
                Action::Event(event) => {
                    self.events.push(self.now, event);
                    continue;
                }
                _ => continue,
            });
        }
    }

    /// Lets time pass; the registrar's timers run when they are due.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.registrar.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    pub(crate) fn wait_seconds(&mut self, seconds: u64) {
        self.wait(Duration::from_secs(seconds));
    }

    /// All that was done since this was asked last.
    pub(crate) fn done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    /// What was said on an association since [`Self::done`]: the ENRP messages' octets.
    pub(crate) fn said(&mut self, to: AssociationId) -> Vec<Vec<u8>> {
        let said = self.done().into_iter().filter_map(|done| match done {
            Done::Says(association, PayloadProtocol::ENRP, octets) if association == to => Some(octets),
            _ => None,
        });
        said.collect()
    }

    /// Those of one type.
    pub(crate) fn said_of(&mut self, to: AssociationId, message_type: u8) -> Vec<Vec<u8>> {
        self.said(to).into_iter().filter(|octets| octets.first() == Some(&message_type)).collect()
    }

    /// An association that the registrar has asked for to this host, and that has not been opened yet.
    pub(crate) fn asked_for(&self, number: u8) -> Option<AssociationId> {
        let to = |remote: &EndpointBuf| remote.as_endpoint().addresses == [host(number)];
        self.opening.iter().find(|(_, remote)| to(remote)).map(|(association, _)| *association)
    }

    /// Opens the association that the registrar has asked for to a host.
    #[track_caller]
    pub(crate) fn open(&mut self, number: u8) -> AssociationId {
        let association = self.asked_for(number).expect("an association is asked for");
        self.opening.retain(|(opening, _)| *opening != association);
        let addresses = [host(number)];
        let peer = Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port: 9901 };
        self.input(Input::Opened { association, peer });
        association
    }

    /// An association that the registrar has asked for to an element is open.
    pub(crate) fn opened(&mut self, association: AssociationId) {
        let index = self.opening.iter().position(|(opening, _)| *opening == association).expect("it is asked for");
        let (_, remote) = self.opening.remove(index);
        self.input(Input::Opened { association, peer: remote.as_endpoint() });
    }

    /// How many associations are asked for, and neither open nor given up.
    pub(crate) fn opening(&self) -> usize {
        self.opening.len()
    }

    /// An association from a host to the ENRP endpoint.
    pub(crate) fn accept(&mut self, number: u8) -> AssociationId {
        self.accept_for(Purpose::Enrp, number)
    }

    /// An association from a host to the ASAP endpoint.
    pub(crate) fn accept_client(&mut self, number: u8) -> AssociationId {
        self.accept_for(Purpose::Asap, number)
    }

    fn accept_for(&mut self, purpose: Purpose, number: u8) -> AssociationId {
        self.accepted += 1;
        let association = AssociationId::accepted(self.accepted);
        let addresses = [host(number)];
        let peer = Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port: 9901 };
        self.input(Input::Accepted { association, purpose, peer });
        association
    }

    /// A peer that comes in and tells of itself.
    pub(crate) fn comes(&mut self, number: u8) -> AssociationId {
        let association = self.accept(number);
        self.presence(association, number, 0, PeChecksum(0xffff));
        self.done();
        association
    }

    pub(crate) fn octets(&mut self, association: AssociationId, octets: &[u8]) {
        self.input(Input::Message { association, protocol: PayloadProtocol::ENRP, octets });
    }

    /// A peer says something.
    pub(crate) fn hears(&mut self, association: AssociationId, sender: u32, body: Body<'_>) {
        let octets = message(sender, body);
        self.octets(association, &octets);
    }

    pub(crate) fn presence(&mut self, association: AssociationId, number: u8, flags: u8, checksum: PeChecksum) {
        let octets = presence(peer(number), number, flags, checksum);
        self.octets(association, &octets);
    }

    pub(crate) fn datagram(&mut self, octets: &[u8]) {
        let from = SocketAddr::new(host(99), 9901);
        self.input(Input::Datagram { group: MulticastGroup::Enrp, from, octets });
    }

    /// ENRP_HANDLE_UPDATE about an element of "pool" that serves at 10.1.0.1.
    pub(crate) fn update(&mut self, association: AssociationId, from: u32, action: UpdateAction, element: &Element) {
        self.hears_update(association, from, action, element, false);
    }

    /// The home of an element suggests to take it over.
    pub(crate) fn suggestion(&mut self, association: AssociationId, element: &Element) {
        self.hears_update(association, element.home, UpdateAction::AddPe, element, true);
    }

    fn hears_update(
        &mut self,
        association: AssociationId,
        from: u32,
        action: UpdateAction,
        element: &Element,
        takeover_suggested: bool,
    ) {
        element.with(|pool_element| {
            let pool_handle = PoolHandle::new(element.pool.as_bytes());
            let update = HandleUpdate { action, pool_handle, pool_element, takeover_suggested };
            self.hears(association, from, Body::HandleUpdate(update));
        });
    }

    /// ENRP_HANDLE_TABLE_RESPONSE with these elements, and M if there are more.
    pub(crate) fn table(&mut self, association: AssociationId, from: u32, elements: &[Element], more_to_send: bool) {
        let octets = table(from, elements, more_to_send);
        self.octets(association, &octets);
    }

    /// An element registers over an association of its own, which is returned.
    pub(crate) fn registers(&mut self, element: &Element) -> AssociationId {
        let association = self.accept_client(element.host);
        self.registers_at(association, element);
        association
    }

    pub(crate) fn registers_at(&mut self, association: AssociationId, element: &Element) {
        element.with(|pool_element| {
            let pool_handle = PoolHandle::new(element.pool.as_bytes());
            self.says_asap(association, asap::Body::Registration(asap::Registration { pool_handle, pool_element }));
        });
    }

    /// An element or a user says something.
    pub(crate) fn says_asap(&mut self, association: AssociationId, body: asap::Body<'_>) {
        let message = asap::Message::from(body);
        let mut octets = vec![0; message.encoded_len()];
        message.encode(&mut octets).unwrap();
        self.input(Input::Message { association, protocol: PayloadProtocol::ASAP, octets: &octets });
    }

    /// How often an element was asked whether it lives since [`Self::done`].
    pub(crate) fn asked(&mut self, element: AssociationId) -> usize {
        let is_keep_alive = |done: &Done| {
            matches!(done, Done::Says(to, PayloadProtocol::ASAP, octets)
                if *to == element && octets[0] == asap::message_type::ENDPOINT_KEEP_ALIVE)
        };
        self.done().iter().filter(|done| is_keep_alive(done)).count()
    }

    /// ASAP_ENDPOINT_KEEP_ALIVE_ACK of an element of "pool".
    pub(crate) fn answers_keep_alive(&mut self, association: AssociationId, identifier: u32) {
        let element = asap::ElementReference { pool_handle: "pool".into(), identifier: PeIdentifier(identifier) };
        self.says_asap(association, asap::Body::EndpointKeepAliveAck(element));
    }

    /// The elements: identifier and home.
    pub(crate) fn elements(&self) -> Vec<(u32, u32)> {
        let handlespace = self.registrar.handlespace();
        let mut elements: Vec<_> =
            handlespace.read_from(Cursor::START, None).map(|(e, _)| (e.identifier().0, e.home().0)).collect();
        elements.sort_unstable();
        elements
    }

    pub(crate) fn peers(&self) -> Vec<u32> {
        self.registrar.peers().map(|peer| peer.0).collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.events.show_after_failure();
    }
}

/// An element as a test describes it.
#[derive(Clone, Copy)]
pub(crate) struct Element {
    pub(crate) pool: &'static str,
    pub(crate) identifier: u32,
    pub(crate) home: u32,
    pub(crate) host: u8,
    pub(crate) port: u16,
    pub(crate) policy: Policy<'static>,
    /// In seconds.
    pub(crate) life: i32,
}

pub(crate) const fn element(identifier: u32, home: u32) -> Element {
    Element { pool: "pool", identifier, home, host: 100, port: 7000, policy: Policy::RoundRobin, life: 300 }
}

impl Element {
    fn with<R>(&self, then: impl FnOnce(PoolElement<'_>) -> R) -> R {
        let addresses = [host(self.host)];
        then(PoolElement {
            identifier: PeIdentifier(self.identifier),
            home: ServerIdentifier(self.home),
            life: RegistrationLife(self.life),
            user_transport: Transport::sctp(self.port, TransportUse::DataPlusControl, &addresses),
            policy: self.policy,
            asap_transport: Some(Transport::sctp(self.port, TransportUse::DataOnly, &addresses)),
            unknown: Unknown::NONE,
        })
    }
}

pub(crate) fn message(sender: u32, body: Body<'_>) -> Vec<u8> {
    let message = enrp::Message::new(ServerIdentifier(sender), ServerIdentifier(OWN), body);
    let mut octets = vec![0; message.encoded_len()];
    message.encode(&mut octets).unwrap();
    octets
}

/// ENRP_PRESENCE of `sender`, which is at 10.0.0.`number`.
pub(crate) fn presence(sender: u32, number: u8, flags: u8, checksum: PeChecksum) -> Vec<u8> {
    let addresses = [host(number)];
    let transport = Transport::sctp(9901, TransportUse::DataOnly, &addresses);
    message(
        sender,
        Body::Presence(Presence {
            reply_required: flags == 1,
            checksum: Some(checksum),
            server_information: Some(ServerInformation {
                identifier: ServerIdentifier(sender),
                transport,
                unknown: Unknown::NONE,
            }),
        }),
    )
}

pub(crate) fn table(from: u32, elements: &[Element], more_to_send: bool) -> Vec<u8> {
    let encoded = elements.iter().map(|element| {
        element.with(|element| {
            let mut octets = vec![0; element.encoded_len()];
            element.encode(&mut octets).unwrap();
            octets
        })
    });
    let written: Vec<Vec<u8>> = encoded.collect();
    let views: Vec<[PoolElement<'_>; 1]> =
        written.iter().map(|octets| [PoolElement::from_octets(octets).unwrap()]).collect();
    let entries: Vec<PoolEntry<'_>> = elements
        .iter()
        .zip(&views)
        .map(|(element, views)| PoolEntry {
            pool_handle: PoolHandle::new(element.pool.as_bytes()),
            pool_elements: Sequence::new(views),
        })
        .collect();
    message(
        from,
        Body::HandleTableResponse(HandleTableResponse {
            rejected: false,
            more_to_send,
            pool_entries: PoolEntries::new(&entries),
        }),
    )
}

pub(crate) fn rejected_table() -> Body<'static> {
    Body::HandleTableResponse(HandleTableResponse {
        rejected: true,
        more_to_send: false,
        pool_entries: PoolEntries::empty(),
    })
}

/// ENRP_LIST_RESPONSE with the registrars at these hosts.
pub(crate) fn list(from: u32, numbers: &[u8]) -> Vec<u8> {
    let addresses: Vec<[IpAddr; 1]> = numbers.iter().map(|number| [host(*number)]).collect();
    let servers: Vec<ServerInformation<'_>> = numbers
        .iter()
        .zip(&addresses)
        .map(|(number, addresses)| ServerInformation {
            identifier: ServerIdentifier(peer(*number)),
            transport: Transport::sctp(9901, TransportUse::DataOnly, addresses),
            unknown: Unknown::NONE,
        })
        .collect();
    message(from, Body::ListResponse(ListResponse { rejected: false, servers: Sequence::new(&servers) }))
}
