//! A pool element that runs by itself (RFC 5352 §6.1, §6.2).

mod application;
mod session;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flume::Sender;
use rserpool::pool_element::{ElementConfig, ElementEvent, PoolElement, RegistrationFailure};
use rserpool::wire::Policy;
use rserpool::{AssociationId, Instant, MAX_COOKIE, Purpose};
use rserpool_transport::Options;

pub use self::application::ElementApplication;
pub use self::session::{Event, Session};
use crate::hub::{Answer, Hub};
use crate::link::{Doorbell, Incoming, incoming};
use crate::message::MAX_MESSAGE;
use crate::network::Network;
use crate::role::{Place, Role};

/// How many users and registrars it has at a time.
const SESSIONS: usize = 4096;
/// Room for a message and what goes with it.
const OCTETS: usize = MAX_MESSAGE + 4096;

/// The machine of an element that runs by itself.
pub type ElementMachine = PoolElement<SESSIONS, OCTETS>;

/// What hears of all events of an element.
pub type Listener = Box<dyn FnMut(&ElementEvent<'_>) + Send>;

/// What an element is to be.
#[non_exhaustive]
pub struct ElementOptions {
    /// The machine's configuration: pool, identifier, policy, and where its users come to.
    pub config: ElementConfig,
    /// Registrars, as IP address and SCTP port, at most [`MAX_REGISTRARS`](rserpool::MAX_REGISTRARS). Without any it listens to announcements, if
    /// [`Network::announcements`] says where.
    pub registrars: Vec<SocketAddr>,
    /// How it is connected with the world.
    pub network: Network,
    /// Hears of all that happens, in the element's own thread, where it must not linger.
    pub listener: Option<Listener>,
}

impl std::fmt::Debug for ElementOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ElementOptions").field("config", &self.config).finish_non_exhaustive()
    }
}

impl ElementOptions {
    /// An element that knows these registrars. Its cookies may have [`MAX_COOKIE`] octets, which users that run by themselves keep; for
    /// users that keep less, set [`max_cookie`](ElementConfig::max_cookie) of [`Self::config`] afterwards.
    #[must_use]
    pub fn new(mut config: ElementConfig, registrars: impl IntoIterator<Item = SocketAddr>) -> Self {
        let registrars = registrars.into_iter().collect();
        config.max_cookie = MAX_COOKIE;
        Self { config, registrars, network: Network::default(), listener: None }
    }
}

/// What an element is told to do.
#[derive(Debug)]
pub(crate) enum Command {
    Outgoing(AssociationId),
    Dropped(AssociationId),
    SetPolicy(Policy<'static>),
    WhenRegistered { reply: Sender<Result<(), RegistrationFailure>> },
    Drain { reply: Sender<()> },
    ShutDown { reply: Sender<()> },
}

/// A pool element that runs by itself. It leaves its pool and ends when the last handle to it and the last session are dropped,
/// or by [`Self::shut_down`] or [`Self::drain`].
#[derive(Clone, Debug)]
pub struct ElementHandle {
    hub: Arc<Hub<Command>>,
    sessions: Arc<Incoming<Session>>,
}

impl ElementHandle {
    /// Tells when it is a member of its pool, or that a registrar does not want it, for whatever reason; it tries again by
    /// itself after a while.
    pub fn when_registered(&self) -> Answer<Result<(), RegistrationFailure>> {
        self.hub.ask(|reply| Command::WhenRegistered { reply })
    }

    /// The sessions of users that have said something.
    #[must_use]
    pub fn sessions(&self) -> &Incoming<Session> {
        &self.sessions
    }

    /// Registers the policy's values anew, as the element's load.
    pub fn set_policy(&self, policy: Policy<'static>) {
        self.hub.tell(Command::SetPolicy(policy));
    }

    /// Leaves the pool, serves the users that are there until the last has gone, and ends. There is no answer but the error
    /// that it has ended, when it has.
    pub fn drain(&self) -> Answer<()> {
        self.hub.ask(|reply| Command::Drain { reply })
    }

    /// Leaves the pool, ends all sessions in order, and then the element. There is no answer but the error that it has ended,
    /// when it has.
    pub fn shut_down(&self) -> Answer<()> {
        self.hub.ask(|reply| Command::ShutDown { reply })
    }
}

impl Role for ElementOptions {
    type Machine = ElementMachine;
    type Application = ElementApplication;
    type Handle = ElementHandle;

    const NAME: &'static str = "pool element";

    fn options(&self) -> &Options {
        &self.network.options
    }

    fn shutdown_time(&self) -> Duration {
        self.network.shutdown_time
    }

    fn machine(&self) -> io::Result<ElementMachine> {
        Ok(PoolElement::new(self.config.clone()))
    }

    fn start(
        self,
        now: Instant,
        place: &mut impl Place<ElementMachine>,
    ) -> io::Result<(ElementHandle, ElementApplication)> {
        let transport = self.config.user_transport();
        let transport = transport.as_transport();
        let none = || io::Error::other("the element has no address at which users can come");
        let endpoint = rserpool::EndpointBuf::from_transport(&transport).ok_or_else(none)?;
        place.connect(&self.network, &[(endpoint, &[Purpose::Asap, Purpose::Session])])?;
        for registrar in self.registrars {
            place.machine().add_registrar(registrar).map_err(io::Error::other)?;
        }
        place.machine().register(now);
        let doorbell = Doorbell::new(place.waker());
        let (hub, commands) = Hub::new(&doorbell);
        let (sessions, delivery) = incoming(&doorbell);
        let max_cookie = self.config.max_cookie.min(MAX_COOKIE);
        let application =
            ElementApplication::new(commands, doorbell, Arc::downgrade(&hub), delivery, self.listener, max_cookie);
        Ok((ElementHandle { hub, sessions: Arc::new(sessions) }, application))
    }
}
