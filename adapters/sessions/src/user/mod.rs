//! A pool user that runs by itself (RFC 5352 §6).

mod application;
mod session;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flume::Sender;
use rserpool::pool_user::{
    HeapCookie, KnownElement, PoolUser, SessionId, SessionOptions, Target, Updates, UserConfig, UserEvent,
};
use rserpool::wire::{PeIdentifier, PoolHandle};
use rserpool::{EndpointBuf, Instant, MAX_COOKIE, Progress};
use rserpool_transport::Options;

pub use self::application::UserApplication;
pub use self::session::{Delay, Event, Session};
use crate::error::Error;
use crate::hub::{Answer, Hub};
use crate::link::{Doorbell, Incoming, incoming};
use crate::message::{MAX_MESSAGE, Message};
use crate::network::Network;
use crate::role::{Place, Role};

/// How many sessions and associations for messages to pools it has at a time, and how many elements it keeps of a pool.
const SESSIONS: usize = 64;
const ELEMENTS: usize = 16;
/// Room for a message and what goes with it.
const OCTETS: usize = MAX_MESSAGE + 4096;

/// The machine of a user that runs by itself.
pub type UserMachine = PoolUser<SESSIONS, ELEMENTS, OCTETS, HeapCookie<MAX_COOKIE>>;

/// What hears of all events of a user.
pub type Listener = Box<dyn FnMut(&UserEvent<'_>) + Send>;

/// What a user is to be.
#[non_exhaustive]
pub struct UserOptions {
    /// The machine's configuration. Its seed is taken from the operating system if it is 0; updates are asked for.
    pub config: UserConfig,
    /// Registrars, at most [`MAX_REGISTRARS`](rserpool::MAX_REGISTRARS), which it asks over SCTP or TCP. Without any it listens to announcements, if
    /// [`Network::announcements`] says where.
    pub registrars: Vec<EndpointBuf>,
    /// How it is connected with the world.
    pub network: Network,
    /// Hears of all that happens, in the user's own thread, where it must not linger.
    pub listener: Option<Listener>,
}

impl std::fmt::Debug for UserOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserOptions").field("registrars", &self.registrars).finish_non_exhaustive()
    }
}

impl Default for UserOptions {
    fn default() -> Self {
        let mut config = UserConfig::default();
        config.updates = Updates::Asked;
        Self { config, registrars: Vec::new(), network: Network::default(), listener: None }
    }
}

impl UserOptions {
    /// A user that knows these registrars, by IP address and SCTP port. For others see [`Self::registrars`].
    #[must_use]
    pub fn new(registrars: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { registrars: registrars.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// What is heard of messages to a pool, that belong to no session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolEvent {
    /// An element has sent a message.
    Message {
        /// Who.
        identifier: PeIdentifier,
        /// The message.
        message: Message,
    },
    /// A message did not arrive, as far as is known.
    Undelivered {
        /// The pool that it was for.
        pool_handle: Vec<u8>,
        /// The element that should have got it, if one was chosen.
        identifier: Option<PeIdentifier>,
        /// How far it got.
        progress: Progress,
        /// The message, or the beginning of it.
        message: Message,
    },
}

/// What a user is told to do.
#[derive(Debug)]
pub(crate) enum Command {
    Open {
        pool_handle: Vec<u8>,
        options: SessionOptions,
        hub: Arc<Hub<Command>>,
        reply: Sender<Result<Session, Error>>,
    },
    Outgoing(SessionId),
    Dropped(SessionId),
    ReportFailure(SessionId),
    FailOver(SessionId),
    Resume(SessionId),
    Resolve {
        pool_handle: Vec<u8>,
        reply: Sender<Result<Vec<KnownElement>, Error>>,
    },
    Primary {
        pool_handle: Vec<u8>,
        reply: Sender<Option<KnownElement>>,
    },
    ReportUnreachable {
        pool_handle: Vec<u8>,
        identifier: PeIdentifier,
    },
    SendToPool {
        pool_handle: Vec<u8>,
        target: Target,
        message: Message,
        reply: Sender<Result<(), Error>>,
    },
    ShutDown {
        reply: Sender<()>,
    },
}

/// A pool user that runs by itself. It ends, and its sessions with it, when the last handle to it and the last session are
/// dropped, or by [`Self::shut_down`].
#[derive(Clone, Debug)]
pub struct UserHandle {
    hub: Arc<Hub<Command>>,
    pool_events: Arc<Incoming<PoolEvent>>,
}

impl UserHandle {
    /// Opens a session with a pool. Messages may be sent at once; they wait until there is an element.
    pub fn open(&self, pool_handle: &[u8], options: SessionOptions) -> Answer<Result<Session, Error>> {
        let (pool_handle, hub) = (pool_handle.to_vec(), Arc::clone(&self.hub));
        self.hub.ask(|reply| Command::Open { pool_handle, options, hub, reply })
    }

    /// Asks a registrar for the elements of a pool (RFC 5352 §6.3, §6.9.1).
    pub fn resolve(&self, pool_handle: &[u8]) -> Answer<Result<Vec<KnownElement>, Error>> {
        self.hub.ask(|reply| Command::Resolve { pool_handle: pool_handle.to_vec(), reply })
    }

    /// The element of a pool whose turn it is, for an application that talks to it by itself; `None` if the pool has to be
    /// resolved first.
    pub fn primary(&self, pool_handle: &[u8]) -> Answer<Option<KnownElement>> {
        self.hub.ask(|reply| Command::Primary { pool_handle: pool_handle.to_vec(), reply })
    }

    /// The application, which talks to an element by itself, cannot reach it (RFC 5352 §6.9.2).
    pub fn report_unreachable(&self, pool_handle: &[u8], identifier: PeIdentifier) {
        self.hub.tell(Command::ReportUnreachable { pool_handle: pool_handle.to_vec(), identifier });
    }

    /// Sends a message to a pool (RFC 5352 §6.5). The answer comes as soon as there is room for it in the queue.
    pub fn send_to_pool(
        &self,
        pool_handle: &[u8],
        target: Target,
        message: impl Into<Message>,
    ) -> Answer<Result<(), Error>> {
        let (pool_handle, message) = (pool_handle.to_vec(), message.into());
        self.hub.ask(|reply| Command::SendToPool { pool_handle, target, message, reply })
    }

    /// What is heard of messages to pools.
    #[must_use]
    pub fn pool_events(&self) -> &Incoming<PoolEvent> {
        &self.pool_events
    }

    /// Ends all sessions in order, and then the user. There is no answer but the error that it has ended, when it has.
    pub fn shut_down(&self) -> Answer<()> {
        self.hub.ask(|reply| Command::ShutDown { reply })
    }
}

impl Role for UserOptions {
    type Machine = UserMachine;
    type Application = UserApplication;
    type Handle = UserHandle;

    const NAME: &'static str = "pool user";

    fn options(&self) -> &Options {
        &self.network.options
    }

    fn shutdown_time(&self) -> Duration {
        self.network.shutdown_time
    }

    fn machine(&self) -> io::Result<UserMachine> {
        let mut config = self.config;
        if config.seed == 0 {
            config.seed = getrandom::u64().map_err(io::Error::other)?;
        }
        Ok(PoolUser::new(config))
    }

    fn start(self, _now: Instant, place: &mut impl Place<UserMachine>) -> io::Result<(UserHandle, UserApplication)> {
        place.connect(&self.network, &[])?;
        for registrar in self.registrars {
            place.machine().add_registrar(registrar).map_err(io::Error::other)?;
        }
        let doorbell = Doorbell::new(place.waker());
        let (hub, commands) = Hub::new(&doorbell);
        let (pool_events, delivery) = incoming(&doorbell);
        let application = UserApplication::new(commands, doorbell, delivery, self.listener);
        Ok((UserHandle { hub, pool_events: Arc::new(pool_events) }, application))
    }
}

/// The pool handle of a command.
fn handle(octets: &[u8]) -> PoolHandle<'_> {
    PoolHandle::new(octets)
}
