//! A third adapter, for the contract alone: hosts in one thread, on a network of this process that delays, loses and doubles
//! datagrams. Its clock follows the real one, but waits for whatever is to happen: however slow the machine that runs it,
//! nothing is late.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::task::Wake;
use std::time::Duration;

use rserpool::{Endpoint, EndpointBuf, Instant, Purpose};
use rserpool_blocking::{Network, Waker};
use rserpool_sessions::{Place, Role, STACK};
use rserpool_transport::{Application as _, Flow, Listen, Node, SocketIndex, Sockets as _};

/// How long a datagram is on its way, at least.
const DELAY: Duration = Duration::from_millis(1);
/// How much longer it may be, so that some overtake others.
const SPREAD: u64 = 500;
/// Of so many datagrams one is lost, and one comes twice.
const FAULTS: u64 = 100;

type Job = Box<dyn FnOnce(&mut World) + Send>;

enum Command {
    /// Something is to be done in the world's thread.
    Do(Job),
    /// A host has something to hear from its handles.
    Wake(usize),
}

/// A network, and all that is in it. It goes on as long as there is a clone of it.
#[derive(Clone, Debug)]
pub struct Simulator(Sender<Command>);

impl Simulator {
    /// An empty one. `seed` decides which datagrams are lost.
    ///
    /// # Errors
    ///
    /// There is no thread for it.
    pub fn new(seed: u64) -> io::Result<Self> {
        let (sender, commands) = channel();
        let thread = std::thread::Builder::new().name("simulator".into()).stack_size(STACK);
        let wakes = sender.clone();
        thread.spawn(move || {
            let mut world = World::new(seed, wakes);
            let start = std::time::Instant::now();
            loop {
                let until = Instant::ZERO + start.elapsed();
                let next = world.run(until);
                let wait = next.map_or(Duration::from_secs(60), |at| at.since(Instant::ZERO + start.elapsed()));
                match commands.recv_timeout(wait) {
                    Ok(command) => world.carry_out(command),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                for command in commands.try_iter() {
                    world.carry_out(command);
                }
            }
        })?;
        Ok(Self(sender))
    }

    /// Starts a role at a host of its own, whose number is returned.
    ///
    /// # Errors
    ///
    /// An address cannot be had, or the world has ended.
    pub fn start<R: Role>(&self, role: R) -> io::Result<(R::Handle, usize)> {
        let (sender, started) = channel();
        self.tell(Box::new(move |world| {
            // Who does not wait any more does not want it.
            let _ = sender.send(world.start(role));
        }));
        started.recv().unwrap_or_else(|_| Err(io::Error::other("the world has ended")))
    }

    /// A host is gone, as if it had lost its power.
    pub fn kill(&self, host: usize) {
        self.tell(Box::new(move |world| world.remove(host)));
    }

    /// Something comes from an address where nobody is.
    pub fn inject(&self, from: SocketAddr, to: SocketAddr, octets: Vec<u8>) {
        self.tell(Box::new(move |world| world.links.borrow_mut().send(world.now, from, to, octets)));
    }

    fn tell(&self, job: Job) {
        let _ = self.0.send(Command::Do(job));
    }
}

enum Kind {
    Datagram,
    /// Back to where it came from: nobody was there.
    Unreachable,
}

struct Parcel {
    kind: Kind,
    from: SocketAddr,
    to: SocketAddr,
    octets: Vec<u8>,
}

/// What is on its way, and who is where.
struct Links {
    taken: HashMap<SocketAddr, (usize, SocketIndex)>,
    on_the_way: BTreeMap<(Instant, u64), Parcel>,
    sent: u64,
    random: u64,
}

impl Links {
    fn draw(&mut self) -> u64 {
        // xorshift
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, octets: Vec<u8>) {
        let fault = self.draw() % FAULTS;
        if fault == 1 {
            self.carry(now, Parcel { kind: Kind::Datagram, from, to, octets: octets.clone() });
        }
        if fault != 0 {
            self.carry(now, Parcel { kind: Kind::Datagram, from, to, octets });
        }
    }

    fn carry(&mut self, now: Instant, parcel: Parcel) {
        let at = now + DELAY + Duration::from_micros(self.draw() % SPREAD);
        self.sent += 1;
        self.on_the_way.insert((at, self.sent), parcel);
    }
}

/// A host's sockets.
struct Sockets {
    host: usize,
    bound: Vec<SocketAddr>,
    links: Rc<RefCell<Links>>,
}

impl rserpool_transport::Sockets for Sockets {
    fn bind(&mut self, address: SocketAddr) -> io::Result<SocketIndex> {
        if let Some(place) = self.bound.iter().position(|bound| *bound == address) {
            return Ok(SocketIndex(place));
        }
        let index = SocketIndex(self.bound.len());
        let mut links = self.links.borrow_mut();
        let [.., high, low] = self.host.to_be_bytes();
        let ip =
            if address.ip().is_unspecified() { IpAddr::from(Ipv4Addr::new(10, 9, high, low)) } else { address.ip() };
        let mut ports = if address.port() == 0 { 40_000..=u16::MAX } else { address.port()..=address.port() };
        let free = ports.find_map(|port| {
            let address = SocketAddr::new(ip, port);
            (!links.taken.contains_key(&address)).then_some(address)
        });
        let address = free.ok_or(io::ErrorKind::AddrInUse)?;
        links.taken.insert(address, (self.host, index));
        self.bound.push(address);
        Ok(index)
    }

    fn local_address(&self, socket: SocketIndex) -> Option<SocketAddr> {
        self.bound.get(socket.0).copied()
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.links.borrow_mut().taken.retain(|_, (host, _)| *host != self.host);
    }
}

/// By which a host's handles wake it.
struct Bell(usize, Sender<Command>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = self.1.send(Command::Wake(self.0));
    }
}

/// A machine with its transport and sockets.
struct Host<M> {
    // Its associations end before the addresses are free.
    node: Node<M>,
    sockets: Sockets,
    waker: Waker,
}

impl<M: rserpool::Machine> Place<M> for Host<M> {
    fn machine(&mut self) -> &mut M {
        self.node.machine()
    }

    fn connect(&mut self, network: &Network, listen: &[(EndpointBuf, &[Purpose])]) -> io::Result<()> {
        for (endpoint, purposes) in listen {
            let Endpoint { addresses, port, .. } = endpoint.as_endpoint();
            for address in addresses {
                let listen = Listen { address: *address, udp_port: network.udp_port, sctp_port: port, purposes };
                self.node.listen(&mut self.sockets, listen)?;
            }
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }
}

enum Stage {
    Running,
    /// Associations are being closed, until this time at the latest.
    Closing(Instant),
}

/// A role at work.
struct Inhabitant<R: Role> {
    host: Host<R::Machine>,
    // Who waits for the end learns of it when the application is dropped; the addresses are free then.
    application: R::Application,
    shutdown_time: Duration,
    stage: Stage,
    is_awake: bool,
}

/// What the world does with hosts of all kinds.
trait Inhabits {
    fn datagram(&mut self, now: Instant, socket: SocketIndex, from: SocketAddr, octets: &[u8]);
    fn unreachable(&mut self, now: Instant, socket: SocketIndex, to: SocketAddr, octets: &[u8]);
    fn wake(&mut self);
    /// When it is to work at the latest.
    fn due(&self, now: Instant) -> Option<Instant>;
    /// Works; false if it has come to its end.
    fn work(&mut self, now: Instant) -> bool;
}

impl<R: Role> Inhabits for Inhabitant<R> {
    fn datagram(&mut self, now: Instant, socket: SocketIndex, from: SocketAddr, octets: &[u8]) {
        self.host.node.handle_datagram(now, socket, from, octets);
        self.is_awake = true;
    }

    fn unreachable(&mut self, now: Instant, socket: SocketIndex, to: SocketAddr, octets: &[u8]) {
        self.host.node.handle_unreachable(now, socket, to, octets);
        self.is_awake = true;
    }

    fn wake(&mut self) {
        self.is_awake = true;
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        if self.is_awake {
            return Some(now);
        }
        let other = match self.stage {
            Stage::Running => self.application.deadline(),
            Stage::Closing(end) => Some(end),
        };
        self.host.node.poll_timeout(now).into_iter().chain(other).min()
    }

    fn work(&mut self, now: Instant) -> bool {
        self.is_awake = false;
        let Host { node, sockets, .. } = &mut self.host;
        node.handle_timeout(now);
        if matches!(self.stage, Stage::Running) {
            match node.work(now, sockets, &mut self.application) {
                Flow::Continue | Flow::Again => {}
                Flow::Pause | Flow::Stop => {
                    node.close(now, sockets);
                    self.stage = Stage::Closing(now + self.shutdown_time);
                }
            }
        }
        while let Some(transmit) = node.poll_transmit() {
            if let Some(from) = sockets.local_address(transmit.socket) {
                sockets.links.borrow_mut().send(now, from, transmit.to, transmit.octets);
            }
        }
        match self.stage {
            Stage::Running => true,
            Stage::Closing(end) => !node.is_closed(sockets) && now < end,
        }
    }
}

struct World {
    now: Instant,
    links: Rc<RefCell<Links>>,
    hosts: Vec<Option<Box<dyn Inhabits>>>,
    wakes: Sender<Command>,
}

impl World {
    fn new(seed: u64, wakes: Sender<Command>) -> Self {
        let links = Links {
            taken: HashMap::new(),
            on_the_way: BTreeMap::new(),
            sent: 0,
            random: seed.wrapping_mul(2).wrapping_add(1),
        };
        Self { now: Instant::ZERO, links: Rc::new(RefCell::new(links)), hosts: Vec::new(), wakes }
    }

    fn start<R: Role>(&mut self, role: R) -> io::Result<(R::Handle, usize)> {
        let number = self.hosts.len();
        let waker = Waker::from(std::task::Waker::from(Arc::new(Bell(number, self.wakes.clone()))));
        let sockets = Sockets { host: number, bound: Vec::new(), links: Rc::clone(&self.links) };
        let mut key = [7; 16];
        key[..8].copy_from_slice(&self.links.borrow_mut().draw().to_ne_bytes());
        let node = Node::new(role.machine()?, role.options(), key);
        let mut host = Host { node, sockets, waker };
        let shutdown_time = role.shutdown_time();
        let (handle, application) = role.start(self.now, &mut host)?;
        let stage = Stage::Running;
        let inhabitant = Inhabitant::<R> { host, application, shutdown_time, stage, is_awake: true };
        self.hosts.push(Some(Box::new(inhabitant)));
        Ok((handle, number))
    }

    fn remove(&mut self, host: usize) {
        if let Some(place) = self.hosts.get_mut(host) {
            *place = None;
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Do(job) => job(self),
            Command::Wake(host) => {
                if let Some(Some(host)) = self.hosts.get_mut(host) {
                    host.wake();
                }
            }
        }
    }

    /// Lets happen what is due until then, each at its time, and says when the next is.
    fn run(&mut self, until: Instant) -> Option<Instant> {
        loop {
            let hosts = self.hosts.iter().flatten().filter_map(|host| host.due(self.now));
            let datagram = self.links.borrow().on_the_way.keys().next().map(|(at, _)| *at);
            let next = hosts.chain(datagram).min();
            let Some(at) = next.filter(|at| *at <= until) else {
                self.now = self.now.max(until);
                return next;
            };
            self.now = self.now.max(at);
            self.deliver();
            for place in &mut self.hosts {
                let Some(host) = place else { continue };
                if host.due(self.now).is_some_and(|at| at <= self.now) && !host.work(self.now) {
                    *place = None;
                }
            }
        }
    }

    fn deliver(&mut self) {
        loop {
            let mut links = self.links.borrow_mut();
            let Some(entry) = links.on_the_way.first_entry().filter(|entry| entry.key().0 <= self.now) else { return };
            let Parcel { kind, from, to, octets } = entry.remove();
            let there = links.taken.get(&to).copied();
            let Some((host, socket)) = there else {
                if matches!(kind, Kind::Datagram) {
                    links.carry(self.now, Parcel { kind: Kind::Unreachable, from: to, to: from, octets });
                }
                continue;
            };
            drop(links);
            let Some(Some(host)) = self.hosts.get_mut(host) else { continue };
            match kind {
                Kind::Datagram => host.datagram(self.now, socket, from, &octets),
                Kind::Unreachable => host.unreachable(self.now, socket, from, &octets),
            }
        }
    }
}
