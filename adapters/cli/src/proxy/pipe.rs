//! A TCP connection with two threads, one that reads and one that writes, and the news of it in a channel.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::WINDOW;
use rserpool_blocking::Waker;

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

/// How long a connection to the service may take.
const CONNECT: Duration = Duration::from_secs(5);

/// What has happened to a connection.
#[derive(Debug)]
pub(super) enum News {
    Data(Vec<u8>),
    /// There is no more to read.
    End,
    /// The connection is broken.
    Broken,
    /// So much has been written.
    Written(usize),
    /// All has been written, and the other side knows that there is no more.
    Ended,
}

/// Where the news of all connections go: which one it is, and what.
#[derive(Clone)]
pub(super) struct Reporter {
    pub(super) to: Sender<(u64, News)>,
    pub(super) waker: Waker,
}

impl Reporter {
    fn tell(&self, id: u64, news: News) {
        let _ = self.to.send((id, news));
        self.waker.wake();
    }
}

/// How much may still be read.
#[derive(Default)]
struct Credit {
    octets: Mutex<Option<usize>>,
    changed: Condvar,
}

impl Credit {
    fn set(&self, change: impl FnOnce(&mut Option<usize>)) {
        change(&mut self.octets.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits until some may be read, and takes up to `most`; `None` if it is over.
    fn take(&self, most: usize) -> Option<usize> {
        let mut octets = self.octets.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &mut *octets {
                None => return None,
                Some(0) => octets = self.changed.wait(octets).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let taken = most.min(*left);
                    *left -= taken;
                    return Some(taken);
                }
            }
        }
    }

    fn give_back(&self, octets: usize) {
        self.set(|left| *left = left.map(|left| left + octets));
    }
}

enum Order {
    Write(Vec<u8>),
    End,
}

/// A connection.
pub(super) struct Pipe {
    orders: Sender<Order>,
    credit: Arc<Credit>,
    stream: Arc<Mutex<Option<TcpStream>>>,
}

impl Pipe {
    /// A connection that is there.
    pub(super) fn of(id: u64, stream: TcpStream, reporter: &Reporter) -> Self {
        Self::start(id, reporter, move || Ok(stream))
    }

    /// A connection to a service.
    pub(super) fn to(id: u64, service: SocketAddr, reporter: &Reporter) -> Self {
        Self::start(id, reporter, move || TcpStream::connect_timeout(&service, CONNECT))
    }

    fn start(
        id: u64,
        reporter: &Reporter,
        connect: impl FnOnce() -> std::io::Result<TcpStream> + Send + 'static,
    ) -> Self {
        let (orders, receiver) = channel();
        let credit = Arc::new(Credit::default());
        credit.set(|octets| *octets = Some(WINDOW));
        let stream = Arc::new(Mutex::new(None));
        let pipe = Self { orders, credit: Arc::clone(&credit), stream: Arc::clone(&stream) };
        let reporter = reporter.clone();
        std::thread::spawn(move || match connect().and_then(|stream| Ok((stream.try_clone()?, stream))) {
            Ok((other, connected)) => {
                let _ = connected.set_nodelay(true);
                *stream.lock().unwrap_or_else(PoisonError::into_inner) = connected.try_clone().ok();
                let writer = reporter.clone();
                std::thread::spawn(move || write(id, other, &receiver, &writer));
                read(id, connected, &credit, &reporter);
            }
            Err(_) => reporter.tell(id, News::Broken),
        });
        pipe
    }

    pub(super) fn write(&self, octets: &[u8]) {
        let _ = self.orders.send(Order::Write(octets.to_vec()));
    }

    /// There is no more to write.
    pub(super) fn end(&self) {
        let _ = self.orders.send(Order::End);
    }

    /// So much more may be read.
    pub(super) fn give(&self, octets: usize) {
        self.credit.give_back(octets);
    }

    /// Only so much may be read now.
    pub(super) fn set_credit(&self, octets: usize) {
        self.credit.set(|left| *left = left.map(|_| octets));
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.credit.set(|octets| *octets = None);
        if let Some(stream) = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn read(id: u64, mut stream: TcpStream, credit: &Credit, reporter: &Reporter) {
    let mut buffer = vec![0; CHUNK];
    while let Some(most) = credit.take(CHUNK) {
        let room = buffer.get_mut(..most).unwrap_or_default();
        match stream.read(room) {
            Ok(0) => return reporter.tell(id, News::End),
            Ok(length) => {
                credit.give_back(most - length);
                reporter.tell(id, News::Data(room.get(..length).unwrap_or_default().to_vec()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => credit.give_back(most),
            Err(_) => return reporter.tell(id, News::Broken),
        }
    }
}

fn write(id: u64, mut stream: TcpStream, orders: &Receiver<Order>, reporter: &Reporter) {
    for order in orders {
        match order {
            Order::Write(octets) => match stream.write_all(&octets) {
                Ok(()) => reporter.tell(id, News::Written(octets.len())),
                Err(_) => return reporter.tell(id, News::Broken),
            },
            Order::End => {
                let _ = stream.shutdown(Shutdown::Write);
                reporter.tell(id, News::Ended);
            }
        }
    }
}

/// Messages that the machine has had no room for yet, in order.
pub(super) type Backlog<S> = VecDeque<(S, rserpool::wire::PayloadProtocol, Vec<u8>)>;
