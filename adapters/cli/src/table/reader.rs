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
    Introduce,
    Request,
    Tell(Progress),
    Close,
}

/// Asks for one part of the table after the other.
pub(super) struct Reader {
    registrar: EndpointBuf,
    show: Show,
    /// ENRP_PRESENCE, if this reader tells of itself.
    introduction: Option<Vec<u8>>,
    /// The request, with this reader's identifier.
    request: Vec<u8>,
    steps: VecDeque<Step>,
    told: Option<Progress>,
    is_over: bool,
}

/// The reader has but one.
const fn the_association() -> AssociationId {
    AssociationId::from_bits(0)
}

impl Reader {
    /// A reader of this registrar's table. With `own` it tells of itself, and that it could be reached there.
    pub(super) fn new(
        registrar: EndpointBuf,
        identifier: ServerIdentifier,
        own: Option<&EndpointBuf>,
        show: Show,
    ) -> Self {
        let message = |body| encode(&Message::new(identifier, ServerIdentifier::NONE, body));
        let introduction = own.map(|own| {
            let server_information = ServerInformation {
                identifier,
                transport: own.as_transport(TransportUse::DataOnly),
                unknown: Unknown::NONE,
            };
            message(Body::Presence(Presence {
                reply_required: false,
                // Of no elements (RFC 5353 §2.1).
                checksum: Some(PeChecksum(0xffff)),
                server_information: Some(server_information),
            }))
        });
        let request = message(Body::HandleTableRequest { own_children_only: false });
        Self { registrar, show, introduction, request, steps: [Step::Open].into(), told: None, is_over: false }
    }

    fn end(&mut self, progress: Progress) {
        if !self.is_over {
            self.is_over = true;
            self.steps.extend([Step::Tell(progress), Step::Close]);
        }
    }

    fn response(&mut self, response: &HandleTableResponse<'_>) {
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
            Input::Opened { .. } => {
                self.steps.extend(self.introduction.is_some().then_some(Step::Introduce));
                self.steps.push_back(Step::Request);
            }
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
            Step::Introduce => send(association, self.introduction.as_deref().unwrap_or_default()),
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
