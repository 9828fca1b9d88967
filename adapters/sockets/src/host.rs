//! A machine with its transport and its sockets: what all drivers have in common. A driver adds a clock and a way to wait.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

#[cfg(target_os = "linux")]
use rserpool::Purpose;
use rserpool::{Instant, Machine};
#[cfg(target_os = "linux")]
use rserpool_transport::SctpConfig;
use rserpool_transport::{Application, Flow, Listen, Node, Options};

use crate::{MulticastOptions, Sockets, Waker};

/// A node and the sockets that it uses.
#[derive(Debug)]
pub struct Host<M> {
    node: Node<M>,
    sockets: Sockets,
}

impl<M: Machine> Host<M> {
    /// A host for `machine`, which listens nowhere yet.
    ///
    /// # Errors
    ///
    /// The operating system has no random numbers, or no means to wait for sockets.
    pub fn new(machine: M, options: &Options) -> io::Result<Self> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        Ok(Self { node: Node::new(machine, options, secret), sockets: Sockets::new(options)? })
    }

    /// The machine. Commands given to it are carried out as soon as the driver runs, and with the next wake-up if it runs.
    pub fn machine(&mut self) -> &mut M {
        self.node.machine()
    }

    /// Accepts associations at an address and SCTP port, and returns the UDP address they come to.
    ///
    /// # Errors
    ///
    /// The UDP port cannot be had.
    pub fn listen(&mut self, listen: Listen<'_>) -> io::Result<SocketAddr> {
        self.node.listen(&mut self.sockets, listen)
    }

    /// Accepts TCP connections, for ASAP with users, and returns the address they come to.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    pub fn listen_tcp(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        self.sockets.listen_tcp(address)
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

    /// How much has come that the machine has not been told of.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.node.backlog()
    }

    /// Does what is to be done, and sends what is to be sent; see [`Node::work`].
    pub fn work(&mut self, now: Instant, application: &mut impl Application<M>) -> Flow {
        let flow = self.node.work(now, &mut self.sockets, application);
        self.transmit(now);
        flow
    }

    /// Begins to close all associations in order. The driver goes on to wait until [`Self::is_closed`].
    pub fn close(&mut self, now: Instant) {
        self.node.close(now, &mut self.sockets);
        self.transmit(now);
    }

    /// Whether no association is left; sends what is still to be sent.
    pub fn is_closed(&mut self, now: Instant) -> bool {
        self.transmit(now);
        self.node.is_closed(&mut self.sockets)
    }

    /// Has the driver call its application's commands as well when this descriptor of the application's becomes readable: an event
    /// queue of its own, for sockets that are none of the machine's. It is told once each time.
    ///
    /// # Errors
    ///
    /// The operating system refuses.
    pub fn watch(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.sockets.watch(descriptor)
    }

    /// Something with which other threads end a [`Self::wait`].
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.sockets.waker()
    }

    /// Waits until there is something to read, a wake-up comes, or the time is over. [`Self::receive`] is to follow.
    ///
    /// # Errors
    ///
    /// The operating system refuses.
    pub fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.sockets.wait(limit)
    }

    /// Whether there is something to read, as far as is known.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.sockets.is_ready()
    }

    /// Reads what has come, and lets time pass. [`Self::work`] is to follow.
    ///
    /// # Errors
    ///
    /// A socket cannot be used any more.
    pub fn receive(&mut self, now: Instant) -> io::Result<()> {
        self.sockets.receive(now, &mut self.node)?;
        self.sockets.handle_timeout(now);
        self.node.handle_timeout(now);
        Ok(())
    }

    /// When to call [`Self::receive`] and [`Self::work`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.node.poll_timeout(now).into_iter().chain(self.sockets.poll_timeout()).min()
    }

    fn transmit(&mut self, now: Instant) {
        self.sockets.transmit(now, &mut self.node);
    }
}

impl<M> AsFd for Host<M> {
    /// What is readable as soon as [`Self::wait`] would not wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sockets.as_fd()
    }
}
