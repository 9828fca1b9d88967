//! The loop: waiting for sockets and time.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use polling::{Event, Events, Poller};
use rserpool::{Instant, Machine, Purpose};
use rserpool_sockets::{MulticastOptions, Sockets};
use rserpool_transport::{Application, Flow, Listen, Node, Options, SctpConfig, SocketIndex};

/// Wakes a driver from another thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Poller>);

impl Waker {
    /// Has the driver call its application's [`Application::commands`] soon.
    ///
    /// # Errors
    ///
    /// The operating system refuses.
    pub fn wake(&self) -> io::Result<()> {
        self.0.notify()
    }
}

/// Runs a machine.
#[derive(Debug)]
pub struct Driver<M> {
    node: Node<M>,
    // Ahead of the sockets, to be dropped first.
    poller: Arc<Poller>,
    sockets: Sockets,
    /// How many of the sockets the poller knows.
    registered: usize,
    start: StdInstant,
}

impl<M: Machine> Driver<M> {
    /// A driver for `machine`, which listens nowhere yet.
    ///
    /// # Errors
    ///
    /// The operating system has no means to wait for sockets, or no random numbers.
    pub fn new(machine: M, options: &Options) -> io::Result<Self> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Self {
            node: Node::new(machine, options, key),
            poller: Arc::new(Poller::new()?),
            sockets: Sockets::default(),
            registered: 0,
            start: StdInstant::now(),
        })
    }

    /// The machine. Commands given to it are carried out by the next [`Self::turn`].
    pub fn machine(&mut self) -> &mut M {
        self.node.machine()
    }

    /// The time that the machine is told.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Something with which other threads can wake this one.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.poller))
    }

    /// Accepts associations at an address and SCTP port, and returns the UDP address they come to.
    ///
    /// # Errors
    ///
    /// The UDP port cannot be had.
    pub fn listen(&mut self, listen: Listen<'_>) -> io::Result<SocketAddr> {
        self.node.listen(&mut self.sockets, listen)
    }

    /// From now on associations are those of the kernel's SCTP, not SCTP over UDP.
    ///
    /// # Errors
    ///
    /// The kernel has no SCTP.
    #[cfg(target_os = "linux")]
    pub fn use_kernel(&mut self, config: &SctpConfig) -> io::Result<()> {
        self.sockets.use_kernel(config)
    }

    /// Accepts associations of the kernel's SCTP at addresses and a port, and opens them from there for these purposes.
    ///
    /// # Errors
    ///
    /// The kernel's SCTP is not in use, or the addresses cannot be had.
    #[cfg(target_os = "linux")]
    pub fn listen_kernel(&mut self, addresses: &[IpAddr], port: u16, purposes: &[Purpose]) -> io::Result<()> {
        self.sockets.listen_kernel(addresses, port, purposes)
    }

    /// Sends and hears announcements.
    ///
    /// # Errors
    ///
    /// A multicast group cannot be joined.
    pub fn join(&mut self, options: &MulticastOptions) -> io::Result<()> {
        self.sockets.join(options)
    }

    /// Says to which UDP port SCTP packets for a peer go, if not to the usual one.
    pub fn set_udp_port(&mut self, address: IpAddr, sctp_port: u16, udp_port: u16) {
        self.node.set_udp_port(address, sctp_port, udp_port);
    }

    /// Runs until the application says to stop, and closes all associations in order, or to pause.
    ///
    /// # Errors
    ///
    /// A socket cannot be used any more.
    pub fn run(&mut self, application: &mut impl Application<M>) -> io::Result<()> {
        let mut flow = self.work(application);
        while flow == Flow::Continue {
            self.wait(None, application.deadline())?;
            flow = self.work(application);
        }
        match flow {
            Flow::Continue | Flow::Pause => Ok(()),
            Flow::Stop => self.finish(Duration::from_secs(1)),
        }
    }

    /// One round: carries out what is to be done, waits until something happens but no longer than `limit`, and tells
    /// machine and application.
    ///
    /// # Errors
    ///
    /// A socket cannot be used any more.
    pub fn turn(&mut self, limit: Option<Duration>, application: &mut impl Application<M>) -> io::Result<Flow> {
        let flow = self.work(application);
        if flow != Flow::Continue {
            return Ok(flow);
        }
        self.wait(limit, application.deadline())?;
        Ok(self.work(application))
    }

    /// Closes all associations in order and waits until that is done, but no longer than `limit`.
    ///
    /// # Errors
    ///
    /// A socket cannot be used any more.
    pub fn finish(&mut self, limit: Duration) -> io::Result<()> {
        let end = self.now() + limit;
        self.node.close(self.now(), &mut self.sockets);
        self.sockets.transmit(&mut self.node);
        while !self.node.is_closed(&mut self.sockets) && self.now() < end {
            self.wait(Some(end.since(self.now())), None)?;
            self.sockets.transmit(&mut self.node);
        }
        Ok(())
    }

    fn work(&mut self, application: &mut impl Application<M>) -> Flow {
        let flow = self.node.work(self.now(), &mut self.sockets, application);
        self.sockets.transmit(&mut self.node);
        flow
    }

    /// Waits for sockets, timers or a wake-up, and hands on what came.
    fn wait(&mut self, limit: Option<Duration>, deadline: Option<Instant>) -> io::Result<()> {
        while let Some(socket) = self.sockets.get(SocketIndex(self.registered)) {
            crate::poll::add(&self.poller, socket, Event::readable(self.registered))?;
            self.registered += 1;
        }
        let now = self.now();
        let until = [self.node.poll_timeout(now), deadline].into_iter().flatten().min().map(|at| at.since(now));
        let mut events = Events::new();
        self.poller.wait(&mut events, until.into_iter().chain(limit).min())?;
        let now = self.now();
        for event in events.iter() {
            self.sockets.receive(now, SocketIndex(event.key), &mut self.node)?;
            if let Some(socket) = self.sockets.get(SocketIndex(event.key)) {
                self.poller.modify(socket, Event::readable(event.key))?;
            }
        }
        self.node.handle_timeout(now);
        Ok(())
    }
}
