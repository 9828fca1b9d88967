//! The loop: waiting for sockets and time.

use std::future::{Future as _, pending, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rserpool::{Instant, Machine, Purpose};
use rserpool_sockets::{MulticastOptions, Sockets};
use rserpool_transport::{Application, Flow, Listen, Node, Options, SctpConfig, SocketIndex};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time::{Instant as TokioInstant, sleep_until};

/// Wakes a driver from another task or thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// Has the driver call its application's [`Application::commands`] soon.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// Runs a machine.
#[derive(Debug)]
pub struct Driver<M> {
    node: Node<M>,
    sockets: Sockets,
    /// The sockets, to be waited for.
    watched: Vec<UdpSocket>,
    notify: Arc<Notify>,
    start: TokioInstant,
}

impl<M: Machine> Driver<M> {
    /// A driver for `machine`, which listens nowhere yet. It has to be made and used within a tokio runtime whose I/O and
    /// time are enabled.
    ///
    /// # Errors
    ///
    /// The operating system has no random numbers.
    pub fn new(machine: M, options: &Options) -> io::Result<Self> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Self {
            node: Node::new(machine, options, key),
            sockets: Sockets::default(),
            watched: Vec::new(),
            notify: Arc::new(Notify::new()),
            start: TokioInstant::now(),
        })
    }

    /// The machine. Commands given to it are carried out as soon as the driver runs, and with the next wake-up if it runs.
    pub fn machine(&mut self) -> &mut M {
        self.node.machine()
    }

    /// The time that the machine is told.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Something with which other tasks and threads can wake this one.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.notify))
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

    /// Runs until the application says to stop, and closes all associations in order, or to pause. The future may be dropped at any
    /// time: nothing is lost, and another call goes on where it was. While nobody runs the driver, peers see it as silent.
    ///
    /// # Errors
    ///
    /// A socket cannot be used any more.
    pub async fn run(&mut self, application: &mut impl Application<M>) -> io::Result<()> {
        let mut flow = self.work(application);
        while flow == Flow::Continue {
            self.wait(None, application.deadline()).await?;
            flow = self.work(application);
        }
        match flow {
            Flow::Continue | Flow::Pause => Ok(()),
            Flow::Stop => self.finish(Duration::from_secs(1)).await,
        }
    }

    /// Closes all associations in order and waits until that is done, but no longer than `limit`.
    ///
    /// # Errors
    ///
    /// A socket cannot be used any more.
    pub async fn finish(&mut self, limit: Duration) -> io::Result<()> {
        let end = self.now() + limit;
        self.node.close(self.now(), &mut self.sockets);
        self.sockets.transmit(&mut self.node);
        while !self.node.is_closed(&mut self.sockets) && self.now() < end {
            self.wait(Some(end), None).await?;
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
    async fn wait(&mut self, limit: Option<Instant>, deadline: Option<Instant>) -> io::Result<()> {
        while let Some(socket) = self.sockets.get(SocketIndex(self.watched.len())) {
            // Whatever it is, waiting for it is the same.
            self.watched.push(UdpSocket::from_std(socket.try_clone_to_owned()?.into())?);
        }
        let now = self.now();
        let until = [self.node.poll_timeout(now), deadline, limit].into_iter().flatten().min();
        let start = self.start;
        let mut timer = pin!(async move {
            match until {
                Some(at) => sleep_until(start + at.since(Instant::ZERO)).await,
                None => pending().await,
            }
        });
        let mut notified = pin!(self.notify.notified());
        // Errors are news of what could not be delivered.
        let interest = Interest::READABLE | Interest::ERROR;
        let mut sockets: Vec<_> = self.watched.iter().map(|socket| Box::pin(socket.ready(interest))).collect();
        let mut ready = Vec::new();
        poll_fn(|context| {
            ready.clear();
            for (number, socket) in sockets.iter_mut().enumerate() {
                if let Poll::Ready(how) = socket.as_mut().poll(context) {
                    ready.push((number, how));
                }
            }
            let is_time = notified.as_mut().poll(context).is_ready() | timer.as_mut().poll(context).is_ready();
            if ready.is_empty() && !is_time { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        drop(sockets);
        let now = self.now();
        let Self { sockets, node, watched, .. } = self;
        for (number, how) in ready {
            let Some(socket) = watched.get(number) else { continue };
            let how = how?;
            // The runtime clears one kind of readiness at a time, and only if all is read and nothing has come meanwhile.
            for (is_so, kind) in [(how.is_error(), Interest::ERROR), (how.is_readable(), Interest::READABLE)] {
                if !is_so {
                    continue;
                }
                let read = socket.try_io(kind, || {
                    let has_more = sockets.receive(now, SocketIndex(number), node)?;
                    if has_more { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
                });
                read.or_else(|error| if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) })?;
            }
        }
        self.node.handle_timeout(now);
        Ok(())
    }
}
