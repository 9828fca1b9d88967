//! A registrar that runs by itself.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flume::{Receiver, Sender, TryRecvError};
use rserpool::registrar::{Registrar, RegistrarConfig, RegistrarEvent};
use rserpool::{EndpointBuf, Instant, Purpose};
use rserpool_transport::{Application, Flow, Options};
use tracing::{debug, info};

use crate::hub::{Answer, Hub};
use crate::link::Doorbell;
use crate::network::Network;
use crate::role::{Place, Role};

/// What hears of all events of a registrar.
pub type Listener = Box<dyn FnMut(&RegistrarEvent<'_>) + Send>;

/// What a registrar is to be.
#[non_exhaustive]
pub struct RegistrarOptions {
    /// The machine's configuration: where it speaks ENRP and ASAP, its peers, its limits. Its seed is taken from the operating
    /// system if it is 0.
    pub config: RegistrarConfig,
    /// How it is connected with the world.
    pub network: Network,
    /// Hears of all that happens, in the registrar's own thread, where it must not linger.
    pub listener: Option<Listener>,
}

impl std::fmt::Debug for RegistrarOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistrarOptions").field("config", &self.config).finish_non_exhaustive()
    }
}

impl RegistrarOptions {
    /// A registrar that serves elements and users at an address, and speaks with other registrars at another one: IP address and
    /// SCTP port. It may serve at others as well ([`RegistrarConfig::asap`]), also over TCP, for users.
    #[must_use]
    pub fn new(asap: SocketAddr, enrp: SocketAddr) -> Self {
        let mut config = RegistrarConfig::new(enrp, 0);
        config.asap = vec![EndpointBuf::from(asap)];
        Self { config, network: Network::default(), listener: None }
    }
}

#[derive(Debug)]
enum Command {
    Reconfigure(Box<RegistrarConfig>),
    WhenServing { reply: Sender<()> },
    ShutDown { reply: Sender<()> },
}

/// A registrar that runs by itself. It gives its elements to a peer and ends when the last handle to it is dropped, or by
/// [`Self::shut_down`].
#[derive(Clone, Debug)]
pub struct RegistrarHandle {
    hub: Arc<Hub<Command>>,
}

impl RegistrarHandle {
    /// Tells when its start is over, and it serves.
    pub fn when_serving(&self) -> Answer<()> {
        self.hub.ask(|reply| Command::WhenServing { reply })
    }

    /// Takes other peers, timers and limits while it runs; see [`Registrar::reconfigure`].
    pub fn reconfigure(&self, config: RegistrarConfig) {
        self.hub.tell(Command::Reconfigure(Box::new(config)));
    }

    /// Gives its elements to a peer, and ends. There is no answer but the error that it has ended, when it has.
    pub fn shut_down(&self) -> Answer<()> {
        self.hub.ask(|reply| Command::ShutDown { reply })
    }
}

impl Role for RegistrarOptions {
    type Machine = Registrar;
    type Application = RegistrarApplication;
    type Handle = RegistrarHandle;

    const NAME: &'static str = "registrar";

    fn options(&self) -> &Options {
        &self.network.options
    }

    fn shutdown_time(&self) -> Duration {
        self.network.shutdown_time
    }

    fn machine(&self) -> io::Result<Registrar> {
        let mut config = self.config.clone();
        if config.seed == 0 {
            config.seed = getrandom::u64().map_err(io::Error::other)?;
        }
        Ok(Registrar::new(config))
    }

    fn start(
        self,
        _now: Instant,
        place: &mut impl Place<Registrar>,
    ) -> io::Result<(RegistrarHandle, RegistrarApplication)> {
        let asap = self.config.asap.iter().map(|endpoint| (endpoint.clone(), &[Purpose::Asap][..]));
        let enrp = (self.config.enrp.clone(), &[Purpose::Enrp][..]);
        place.connect(&self.network, &asap.chain([enrp]).collect::<Vec<_>>())?;
        let doorbell = Doorbell::new(place.waker());
        let (hub, commands) = Hub::new(&doorbell);
        let application = RegistrarApplication {
            commands,
            doorbell,
            is_serving: false,
            when_serving: Vec::new(),
            is_ending: false,
            is_over: false,
            ended: Vec::new(),
            listener: self.listener,
        };
        Ok((RegistrarHandle { hub }, application))
    }
}

/// What runs on top of a registrar.
pub struct RegistrarApplication {
    commands: Receiver<Command>,
    doorbell: Arc<Doorbell>,
    is_serving: bool,
    when_serving: Vec<Sender<()>>,
    is_ending: bool,
    is_over: bool,
    /// Who wants to know of the end.
    ended: Vec<Sender<()>>,
    listener: Option<Listener>,
}

impl std::fmt::Debug for RegistrarApplication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistrarApplication").finish_non_exhaustive()
    }
}

impl RegistrarApplication {
    fn end(&mut self, now: Instant, registrar: &mut Registrar) {
        if !std::mem::replace(&mut self.is_ending, true) {
            registrar.shut_down(now);
        }
    }
}

impl Application<Registrar> for RegistrarApplication {
    fn event(&mut self, _now: Instant, event: RegistrarEvent<'_>) {
        if let Some(listener) = &mut self.listener {
            listener(&event);
        }
        match event {
            RegistrarEvent::Serving => {
                info!("serving");
                self.is_serving = true;
                for reply in self.when_serving.drain(..) {
                    let _ = reply.send(());
                }
            }
            RegistrarEvent::ShutDown => self.is_over = true,
            RegistrarEvent::Registered { pool_handle, identifier } => {
                debug!(pool = %pool_handle, element = %identifier, "registered");
            }
            RegistrarEvent::Removed { pool_handle, identifier, reason } => {
                info!(pool = %pool_handle, element = %identifier, ?reason, "removed");
            }
            RegistrarEvent::PeerFound { peer } => info!(%peer, "another registrar"),
            RegistrarEvent::PeerDead { peer } => info!(%peer, "another registrar is dead"),
            other => debug!(event = ?other),
        }
    }

    fn commands(&mut self, now: Instant, registrar: &mut Registrar) -> Flow {
        self.doorbell.answer();
        loop {
            match self.commands.try_recv() {
                Ok(Command::Reconfigure(config)) => registrar.reconfigure(now, *config),
                Ok(Command::WhenServing { reply }) if self.is_serving => _ = reply.send(()),
                Ok(Command::WhenServing { reply }) => self.when_serving.push(reply),
                Ok(Command::ShutDown { reply }) => {
                    self.ended.push(reply);
                    self.end(now, registrar);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.end(now, registrar);
                    break;
                }
            }
        }
        if self.is_over { Flow::Pause } else { Flow::Continue }
    }
}
