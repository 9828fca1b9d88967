//! The loop: waiting for sockets and time.

use std::future::pending;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use rserpool::{Instant, Machine};
use rserpool_sockets::{Host, Waker};
use rserpool_transport::{Application, Flow, Options};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant as TokioInstant, sleep_until};

/// Runs a machine.
#[derive(Debug)]
pub struct Driver<M> {
    host: Host<M>,
    readable: AsyncFd<OwnedFd>,
    start: TokioInstant,
}

impl<M: Machine> Driver<M> {
    /// A driver for `machine`, which listens nowhere yet. It has to be made and used within a tokio runtime whose I/O and
    /// time are enabled.
    ///
    /// # Errors
    ///
    /// The operating system has no random numbers, or no means to wait for sockets.
    pub fn new(machine: M, options: &Options) -> io::Result<Self> {
        let host = Host::new(machine, options)?;
        let readable = crate::readable::watch(host.as_fd().try_clone_to_owned()?)?;
        Ok(Self { host, readable, start: TokioInstant::now() })
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

    /// Something with which other tasks and threads can wake this one.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.host.waker()
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
        if flow == Flow::Stop { self.finish(Duration::from_secs(1)).await } else { Ok(()) }
    }

    /// Closes all associations in order and waits until that is done, but no longer than `limit`.
    ///
    /// # Errors
    ///
    /// A socket cannot be used any more.
    pub async fn finish(&mut self, limit: Duration) -> io::Result<()> {
        let end = self.now() + limit;
        self.host.close(self.now());
        while !self.host.is_closed(self.now()) && self.now() < end {
            self.wait(Some(end), None).await?;
        }
        Ok(())
    }

    fn work(&mut self, application: &mut impl Application<M>) -> Flow {
        self.host.work(self.now(), application)
    }

    /// Waits for sockets, timers or a wake-up, and hands on what came.
    async fn wait(&mut self, limit: Option<Instant>, deadline: Option<Instant>) -> io::Result<()> {
        let until = [self.host.poll_timeout(self.now()), deadline, limit].into_iter().flatten().min();
        if !self.host.is_ready() {
            let start = self.start;
            let time = async {
                match until {
                    Some(at) => sleep_until(start + at.since(Instant::ZERO)).await,
                    None => pending().await,
                }
            };
            // What comes after the runtime has been told to forget what came before makes it ready again.
            tokio::select! {
                biased;
                ready = self.readable.readable() => ready?.clear_ready(),
                () = time => {}
            }
        }
        self.host.wait(Some(Duration::ZERO))?;
        self.host.receive(self.now())
    }
}
