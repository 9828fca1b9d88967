//! The loop: waiting for sockets and time.

use std::future::{Future as _, pending, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rserpool::{Instant, Machine};
use rserpool_sockets::Host;
use rserpool_transport::{Application, Flow, Options, SocketIndex};
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
    host: Host<M>,
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
        Ok(Self {
            host: Host::new(machine, options)?,
            watched: Vec::new(),
            notify: Arc::new(Notify::new()),
            start: TokioInstant::now(),
        })
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
        Waker(Arc::clone(&self.notify))
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
        self.host.close(self.now());
        while !self.host.is_closed() && self.now() < end {
            self.wait(Some(end), None).await?;
        }
        Ok(())
    }

    fn work(&mut self, application: &mut impl Application<M>) -> Flow {
        self.host.work(self.now(), application)
    }

    /// Waits for sockets, timers or a wake-up, and hands on what came.
    async fn wait(&mut self, limit: Option<Instant>, deadline: Option<Instant>) -> io::Result<()> {
        while let Some(socket) = self.host.socket(SocketIndex(self.watched.len())) {
            // Whatever it is, waiting for it is the same.
            self.watched.push(UdpSocket::from_std(socket.try_clone_to_owned()?.into())?);
        }
        let now = self.now();
        let until = [self.host.poll_timeout(now), deadline, limit].into_iter().flatten().min();
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
        let Self { host, watched, .. } = self;
        for (number, how) in ready {
            let Some(socket) = watched.get(number) else { continue };
            let how = how?;
            // The runtime clears one kind of readiness at a time, and only if all is read and nothing has come meanwhile.
            for (is_so, kind) in [(how.is_error(), Interest::ERROR), (how.is_readable(), Interest::READABLE)] {
                if !is_so {
                    continue;
                }
                let read = socket.try_io(kind, || {
                    let has_more = host.receive(now, SocketIndex(number))?;
                    if has_more { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
                });
                read.or_else(|error| if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) })?;
            }
        }
        self.host.handle_timeout(now);
        Ok(())
    }
}
