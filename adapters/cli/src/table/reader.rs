//! A machine that reads a registrar's handlespace, as a starting registrar does with its mentor's (RFC 5353 §3.2.3). It never
//! tells of itself, so the registrar forgets it when it goes. rsplib's registrars answer only those who have told of themselves, as
//! its own reader does.

use std::collections::VecDeque;

use rserpool::wire::enrp::{Body, HandleTableResponse, Message, Presence};
use rserpool::wire::{PayloadProtocol, PeChecksum, ServerIdentifier, ServerInformation, TransportUse, Unknown};
use rserpool::{Action, AssociationId, EndpointBuf, Input, Instant, Machine, OutgoingMessage, Purpose};

use crate::show::{Show, Shown};

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// An element, as it is shown.
    Element(String),
    /// That was all.
    Complete,
    /// There will be no more, for this reason.
    Failed(&'static str),
}

/// One thing to be done.
enum Step {
    Open,
    Introduce(Vec<u8>),
    Request,
    Tell(Progress),
    Close,
}

/// Asks for one part of the table after the other.
pub(super) struct Reader {
    registrar: EndpointBuf,
    show: Show,
    /// What it says when it is refused for the first time, if it may tell of itself: ENRP_PRESENCE, and another request.
    again: Option<(Vec<u8>, Vec<u8>)>,
    /// The request, with this reader's identifier.
    request: Vec<u8>,
    steps: VecDeque<Step>,
    said: Option<Vec<u8>>,
    told: Option<Progress>,
    is_over: bool,
}

/// The reader has but one.
const fn the_association() -> AssociationId {
    AssociationId::from_bits(0)
}

impl Reader {
    /// A reader of this registrar's table. If it is refused it begins anew under its second identifier, tells of itself, and asks
    /// again, with `own` as where it is.
    pub(super) fn new(
        registrar: EndpointBuf,
        identifiers: [ServerIdentifier; 2],
        own: Option<&EndpointBuf>,
        show: Show,
    ) -> Self {
        let message = |identifier, body| encode(&Message::new(identifier, ServerIdentifier::NONE, body));
        let [request, second] =
            identifiers.map(|identifier| message(identifier, Body::HandleTableRequest { own_children_only: false }));
        let [_, identifier] = identifiers;
        let again = own.map(|own| {
            let transport = own.as_transport(TransportUse::DataOnly);
            let server_information = ServerInformation { identifier, transport, unknown: Unknown::NONE };
            let presence = Presence {
                reply_required: false,
                // Of no elements (RFC 5353 §2.1).
                checksum: Some(PeChecksum(0xffff)),
                server_information: Some(server_information),
            };
            (message(identifier, Body::Presence(presence)), second)
        });
        Self { registrar, show, again, request, steps: [Step::Open].into(), said: None, told: None, is_over: false }
    }

    fn end(&mut self, progress: Progress) {
        if !self.is_over {
            self.is_over = true;
            self.steps.extend([Step::Tell(progress), Step::Close]);
        }
    }

    fn response(&mut self, response: &HandleTableResponse<'_>) {
        if response.rejected
            && let Some((introduction, request)) = self.again.take()
        {
            self.request = request;
            self.steps.extend([Step::Introduce(introduction), Step::Request]);
            return;
        }
        if response.rejected {
            self.end(Progress::Failed("the registrar is starting, or busy; try again later"));
            return;
        }
        for (pool_handle, element) in response.pool_entries.iter() {
            self.steps.push_back(Step::Tell(Progress::Element(self.show.element(
                pool_handle,
                &element,
                Shown::WithHome,
            ))));
        }
        if response.more_to_send {
            self.steps.push_back(Step::Request);
        } else {
            self.end(Progress::Complete);
        }
    }
}

impl Machine for Reader {
    type Event<'a>
        = &'a Progress
    where
        Self: 'a;

    fn handle(&mut self, _now: Instant, input: Input<'_>) {
        match input {
            Input::Opened { .. } => self.steps.push_back(Step::Request),
            Input::OpenFailed { .. } => self.end(Progress::Failed("no registrar answers there")),
            Input::Closed { .. } => self.end(Progress::Failed("the registrar has closed the association")),
            Input::Message { protocol: PayloadProtocol::ENRP, octets, .. } if !self.is_over => {
                match Message::decode(octets).map(|decoded| decoded.message.body) {
                    Ok(Body::HandleTableResponse(response)) => self.response(&response),
                    Ok(Body::Error(_)) => self.end(Progress::Failed("the registrar answers with an error")),
                    // Presences and updates: it takes us for a registrar.
                    Ok(_) => {}
                    Err(_) => self.end(Progress::Failed("what the registrar sends cannot be read")),
                }
            }
            _ => {}
        }
    }

    fn poll_action(&mut self) -> Option<Action<'_, Self::Event<'_>>> {
        let association = the_association();
        Some(match self.steps.pop_front()? {
            Step::Open => Action::Open { association, purpose: Purpose::Enrp, remote: self.registrar.as_endpoint() },
            Step::Introduce(octets) => send(association, self.said.insert(octets)),
            Step::Request => send(association, &self.request),
            Step::Tell(progress) => Action::Event(self.told.insert(progress)),
            Step::Close => Action::Close { association },
        })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

fn encode(message: &Message<'_>) -> Vec<u8> {
    let mut octets = vec![0; message.encoded_len()];
    // There is exactly the room that the message says it needs.
    let written = message.encode(&mut octets);
    debug_assert!(written.is_ok());
    octets
}

fn send<E>(association: AssociationId, octets: &[u8]) -> Action<'_, E> {
    let message = OutgoingMessage { protocol: PayloadProtocol::ENRP, ..OutgoingMessage::new(octets) };
    Action::Send { association, message }
}
