//! All adapters behind one face, which waits.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use rserpool::pool_user::{KnownElement, SessionOptions, Target};
use rserpool::wire::Policy;
use rserpool_blocking as blocking;
use rserpool_blocking::{
    ElementOptions, ElementSessionEvent, Error, Message, PoolEvent, RegistrarOptions, UserOptions, UserSessionEvent,
};
use rserpool_sessions::ElementHandle;
use rserpool_tokio as with_tokio;
use tokio::runtime::Runtime;

use crate::simulator::Simulator;

/// Which adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Adapter {
    /// For threads that wait.
    Blocking,
    /// For tasks.
    Tokio,
    /// A network within the process, which loses datagrams.
    Simulator,
}

/// An adapter at work.
#[derive(Clone, Debug)]
pub enum Runner {
    /// For threads that wait.
    Blocking,
    /// For tasks.
    Tokio,
    /// A network within the process. Its handles are those for threads that wait.
    Simulator(Simulator),
}

/// The runtime of all tokio handles.
fn runtime() -> &'static Runtime {
    static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            std::process::exit(1)
        }
    })
}

fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Result<T, Error> {
    runtime().block_on(async { tokio::time::timeout(limit, future).await }).map_err(|_| Error::TimedOut)
}

macro_rules! faces {
    ($($(#[$doc:meta])* $name:ident($inner:ident);)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {
            /// For threads that wait.
            Blocking(blocking::$inner),
            /// For tasks.
            Tokio(with_tokio::$inner),
        }
    )*};
}

faces! {
    /// A registrar.
    Registrar(Registrar);
    /// An element.
    Element(Element);
    /// An element's session.
    Client(Client);
    /// A user.
    User(User);
    /// A user's session.
    Session(Session);
}

/// The same in both faces: the one waits, the other is waited for.
macro_rules! call {
    ($type:ident, $this:expr, $method:ident($($argument:expr),*)) => {
        match $this {
            $type::Blocking(inner) => inner.$method($($argument),*),
            $type::Tokio(inner) => runtime().block_on(inner.$method($($argument),*)),
        }
    };
}

impl Registrar {
    /// Starts one, and waits until it serves.
    ///
    /// # Errors
    ///
    /// An address cannot be had.
    pub fn start(runner: &Runner, options: RegistrarOptions) -> io::Result<Self> {
        let registrar = match runner {
            Runner::Blocking => Self::Blocking(blocking::Registrar::start(options)?),
            Runner::Tokio => Self::Tokio(runtime().block_on(with_tokio::Registrar::start(options))?),
            Runner::Simulator(simulator) => Self::Blocking(simulator.start(options)?.0.into()),
        };
        call!(Registrar, &registrar, serving()).map_err(io::Error::other)?;
        Ok(registrar)
    }

    /// Ends it in order.
    pub fn shut_down(self) {
        call!(Registrar, self, shut_down());
    }
}

impl From<ElementHandle> for Element {
    fn from(handle: ElementHandle) -> Self {
        Self::Blocking(handle.into())
    }
}

impl Element {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// An address cannot be had.
    pub fn start(runner: &Runner, options: ElementOptions) -> io::Result<Self> {
        Ok(match runner {
            Runner::Blocking => Self::Blocking(blocking::Element::start(options)?),
            Runner::Tokio => Self::Tokio(runtime().block_on(with_tokio::Element::start(options))?),
            Runner::Simulator(simulator) => Self::Blocking(simulator.start(options)?.0.into()),
        })
    }

    /// Another handle to it.
    #[must_use]
    pub fn another(&self) -> Self {
        match self {
            Self::Blocking(element) => Self::Blocking(element.clone()),
            Self::Tokio(element) => Self::Tokio(element.clone()),
        }
    }

    /// Waits until it is registered.
    ///
    /// # Errors
    ///
    /// It has ended, or a registrar does not want it.
    pub fn registered(&self) -> Result<(), String> {
        let registered = call!(Element, self, registered());
        registered.map_err(|error| error.to_string())?.map_err(|failure| format!("{failure:?}"))
    }

    /// The next user.
    ///
    /// # Errors
    ///
    /// Nobody has come in time.
    pub fn accept(&self, limit: Duration) -> Result<Option<Client>, Error> {
        Ok(match self {
            Self::Blocking(element) => element.accept_timeout(limit)?.map(Client::Blocking),
            Self::Tokio(element) => within(limit, element.accept())?.map(Client::Tokio),
        })
    }

    /// Registers another load.
    pub fn set_policy(&self, policy: Policy<'static>) {
        match self {
            Self::Blocking(element) => element.set_policy(policy),
            Self::Tokio(element) => element.set_policy(policy),
        }
    }

    /// Leaves the pool, and ends with its last user.
    pub fn drain(&self) {
        call!(Element, self, drain());
    }

    /// Ends it in order.
    pub fn shut_down(self) {
        call!(Element, self, shut_down());
    }
}

impl Client {
    /// Sends a message.
    ///
    /// # Errors
    ///
    /// It cannot be sent.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        call!(Client, self, send(message))
    }

    /// Sends a cookie.
    ///
    /// # Errors
    ///
    /// It cannot be sent.
    pub fn send_cookie(&self, cookie: impl Into<Bytes>) -> Result<(), Error> {
        call!(Client, self, send_cookie(cookie))
    }

    /// What comes next.
    ///
    /// # Errors
    ///
    /// Nothing has come in time.
    pub fn receive(&self, limit: Duration) -> Result<Option<ElementSessionEvent>, Error> {
        match self {
            Self::Blocking(client) => client.receive_timeout(limit),
            Self::Tokio(client) => within(limit, client.receive()),
        }
    }
}

impl User {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// The operating system refuses.
    pub fn start(runner: &Runner, options: UserOptions) -> io::Result<Self> {
        Ok(match runner {
            Runner::Blocking => Self::Blocking(blocking::User::start(options)?),
            Runner::Tokio => Self::Tokio(runtime().block_on(with_tokio::User::start(options))?),
            Runner::Simulator(simulator) => Self::Blocking(simulator.start(options)?.0.into()),
        })
    }

    /// Opens a session.
    ///
    /// # Errors
    ///
    /// There is no room.
    pub fn open(&self, pool_handle: &str, options: SessionOptions) -> Result<Session, Error> {
        Ok(match self {
            Self::Blocking(user) => Session::Blocking(user.open_with(pool_handle, options)?),
            Self::Tokio(user) => Session::Tokio(runtime().block_on(user.open_with(pool_handle, options))?),
        })
    }

    /// Resolves a pool.
    ///
    /// # Errors
    ///
    /// It cannot be resolved.
    pub fn resolve(&self, pool_handle: &str) -> Result<Vec<KnownElement>, Error> {
        call!(User, self, resolve(pool_handle))
    }

    /// Sends a message to a pool.
    ///
    /// # Errors
    ///
    /// It cannot be sent.
    pub fn send_to_pool(&self, pool_handle: &str, target: Target, message: impl Into<Message>) -> Result<(), Error> {
        call!(User, self, send_to_pool(pool_handle, target, message))
    }

    /// What is heard of messages to pools.
    ///
    /// # Errors
    ///
    /// Nothing has come in time.
    pub fn receive(&self, limit: Duration) -> Result<Option<PoolEvent>, Error> {
        match self {
            Self::Blocking(user) => user.receive_timeout(limit),
            Self::Tokio(user) => within(limit, user.receive()),
        }
    }

    /// Ends it in order.
    pub fn shut_down(self) {
        call!(User, self, shut_down());
    }
}

impl Session {
    /// Sends a message.
    ///
    /// # Errors
    ///
    /// It cannot be sent.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        call!(Session, self, send(message))
    }

    /// Sends a message if there is room for it.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be sent.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        match self {
            Self::Blocking(session) => session.try_send(message),
            Self::Tokio(session) => session.try_send(message),
        }
    }

    /// What happens next.
    ///
    /// # Errors
    ///
    /// Nothing has happened in time.
    pub fn receive(&self, limit: Duration) -> Result<Option<UserSessionEvent>, Error> {
        match self {
            Self::Blocking(session) => session.receive_timeout(limit),
            Self::Tokio(session) => within(limit, session.receive()),
        }
    }

    /// The element does not do its work.
    pub fn report_failure(&self) {
        match self {
            Self::Blocking(session) => session.report_failure(),
            Self::Tokio(session) => session.report_failure(),
        }
    }

    /// Goes on with the next element.
    pub fn fail_over(&self) {
        match self {
            Self::Blocking(session) => session.fail_over(),
            Self::Tokio(session) => session.fail_over(),
        }
    }

    /// The new element knows what it has to.
    pub fn resume(&self) {
        match self {
            Self::Blocking(session) => session.resume(),
            Self::Tokio(session) => session.resume(),
        }
    }
}
