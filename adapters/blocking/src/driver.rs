//! The loop: waiting for sockets and time.

use std::io;
use std::time::{Duration, Instant as StdInstant};

use rserpool::{Instant, Machine};
use rserpool_sockets::{Host, Waker};
use rserpool_transport::{Application, Flow, Options};

/// Runs a machine.
#[derive(Debug)]
pub struct Driver<M> {
    host: Host<M>,
    start: StdInstant,
}

impl<M: Machine> Driver<M> {
    /// A driver for `machine`, which listens nowhere yet.
    ///
    /// # Errors
    ///
    /// The operating system has no means to wait for sockets, or no random numbers.
    pub fn new(machine: M, options: &Options) -> io::Result<Self> {
        Ok(Self { host: Host::new(machine, options)?, start: StdInstant::now() })
    }

    /// The machine, and where it listens.
    pub fn host(&mut self) -> &mut Host<M> {
        &mut self.host
    }

    /// The time that the machine is told.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Something with which other threads can wake this one.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.host.waker()
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
        if flow == Flow::Stop { self.finish(Duration::from_secs(1)) } else { Ok(()) }
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
        self.host.close(self.now());
        while !self.host.is_closed(self.now()) && self.now() < end {
            self.wait(Some(end.since(self.now())), None)?;
        }
        Ok(())
    }

    fn work(&mut self, application: &mut impl Application<M>) -> Flow {
        self.host.work(self.now(), application)
    }

    /// Waits for sockets, timers or a wake-up, and hands on what came.
    fn wait(&mut self, limit: Option<Duration>, deadline: Option<Instant>) -> io::Result<()> {
        let now = self.now();
        let until = [self.host.poll_timeout(now), deadline].into_iter().flatten().min().map(|at| at.since(now));
        self.host.wait(until.into_iter().chain(limit).min())?;
        self.host.receive(self.now())
    }
}
