//! Processes of the program, and addresses for them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// After this a test has failed.
const LIMIT: Duration = Duration::from_secs(60);

/// How a run of the program has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program to its end.
#[track_caller]
pub(crate) fn run(arguments: &[&str]) -> Ended {
    let mut child = spawn(arguments, &[], Stdio::null());
    let (stdout, stderr) = (read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap()));
    let status = wait(&mut child);
    Ended { status: status.code(), stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

fn spawn(arguments: &[&str], environment: &[(&str, &str)], stdin: Stdio) -> Child {
    spawn_as(Command::new(env!("CARGO_BIN_EXE_rserpool")), arguments, environment, stdin)
}

fn spawn_as(mut command: Command, arguments: &[&str], environment: &[(&str, &str)], stdin: Stdio) -> Child {
    command.args(arguments).env_remove("RUST_LOG").env_remove("NOTIFY_SOCKET").envs(environment.iter().copied());
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn read(mut source: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        let _ = source.read_to_string(&mut text);
        text
    })
}

#[track_caller]
fn wait(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("not ended within {LIMIT:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until something is the case that is asked for again and again.
#[track_caller]
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "not within {LIMIT:?}");
    }
}

/// A process that goes on until it is killed or its work is done.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    log: Vec<String>,
}

fn lines(source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(arguments, &[])
    }

    /// With these variables in its environment.
    pub(crate) fn start_in(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::of(spawn(arguments, environment, Stdio::piped()))
    }

    /// With no more than so many files open at a time, of which it has seven when it starts, so that it has less room than it thinks.
    pub(crate) fn start_with_files(files: u32, arguments: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        let opened: String = (3..10).map(|file| format!(" {file}</dev/null")).collect();
        let script = format!("ulimit -n {files} && exec{opened} && exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_rserpool")]);
        Self::of(spawn_as(shell, arguments, &[], Stdio::piped()))
    }

    fn of(mut child: Child) -> Self {
        Self {
            stdin: child.stdin.take(),
            stdout: lines(child.stdout.take().unwrap()),
            stderr: lines(child.stderr.take().unwrap()),
            log: Vec::new(),
            child,
        }
    }

    /// Waits until the process logs a line with this text. Returns what it has logged since the last one that was waited for.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> Vec<String> {
        let (end, before) = (Instant::now() + LIMIT, self.log.len());
        while let Ok(line) = self.stderr.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.log.push(line);
            if self.log.last().is_some_and(|line| line.contains(text)) {
                return self.log.get(before..).unwrap_or_default().to_vec();
            }
        }
        panic!("'{text}' was not logged: {:#?}", self.log);
    }

    /// All that it has logged, once it has ended.
    pub(crate) fn whole_log(&mut self) -> String {
        self.log.extend(self.stderr.iter());
        self.log.join("\n")
    }

    pub(crate) fn write(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line of its standard output.
    #[track_caller]
    pub(crate) fn read(&mut self) -> String {
        self.stdout.recv_timeout(LIMIT).expect("a line within the limit")
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; returns the exit status.
    #[track_caller]
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        wait(&mut self.child).code()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Closes its standard input; returns the exit status.
    #[track_caller]
    pub(crate) fn finish(&mut self) -> Option<i32> {
        self.stdin = None;
        wait(&mut self.child).code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback network in which nobody listens.
pub(crate) struct Network(u8, u8);

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Network {
    pub(crate) fn new() -> Self {
        for _ in 0..1000 {
            let number = std::process::id().wrapping_mul(37).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let [_, _, a, b] = number.to_be_bytes();
            if UdpSocket::bind((Ipv4Addr::new(127, a.max(1), b, 1), 9899)).is_ok() {
                return Self(a.max(1), b);
            }
        }
        panic!("no free loopback network");
    }

    pub(crate) fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.0, self.1, host)
    }

    /// Options for announcements that nobody else hears.
    pub(crate) fn groups(&self) -> [String; 3] {
        let group = |host: u8, port: u16| format!("{}:{port}", Ipv4Addr::new(239, self.0, self.1, host));
        [
            "--interface=127.0.0.1".into(),
            format!("--asap-group={}", group(1, 3863)),
            format!("--enrp-group={}", group(2, 9901)),
        ]
    }

    pub(crate) fn endpoint(&self, host: u8, port: u16) -> String {
        format!("sctp+udp://{}:{port}", self.address(host))
    }

    /// A registrar at the host, ready to serve.
    pub(crate) fn registrar(&self, host: u8, more: &[&str]) -> Process {
        let asap = self.endpoint(host, 3863);
        let mut process = Process::start(&[&["registrar", "--asap", &asap], more].concat());
        process.wait_for("serving\"");
        process
    }

    /// An element of the pool "pool" at the host, registered with the registrars at these hosts.
    pub(crate) fn element(&self, host: u8, serve: &str, registrars: &[u8]) -> Process {
        self.element_with(host, serve, registrars, &[])
    }

    pub(crate) fn element_with(&self, host: u8, serve: &str, registrars: &[u8], more: &[&str]) -> Process {
        self.member(host, &["--serve", serve], registrars, more)
    }

    /// A TCP service on this machine as an element of the pool "pool".
    pub(crate) fn proxy(&self, host: u8, port: u16, registrars: &[u8], more: &[&str]) -> Process {
        self.member(host, &["--proxy", &format!("127.0.0.1:{port}")], registrars, more)
    }

    fn member(&self, host: u8, service: &[&str], registrars: &[u8], more: &[&str]) -> Process {
        let (listen, id) = (self.endpoint(host, 7000), format!("{host:x}"));
        let mut arguments = vec!["element", "--pool", "pool", "--listen", &listen, "--id", &id];
        arguments.extend(service);
        let registrars: Vec<_> = registrars.iter().map(|host| self.endpoint(*host, 3863)).collect();
        arguments.extend(registrars.iter().flat_map(|endpoint| ["--registrar", endpoint]));
        arguments.extend(more);
        let mut process = Process::start(&arguments);
        process.wait_for("registered\"");
        process
    }

    /// A user of the pool "pool".
    pub(crate) fn user(&self, registrars: &[u8]) -> Process {
        self.user_with(registrars, &[])
    }

    pub(crate) fn user_with(&self, registrars: &[u8], more: &[&str]) -> Process {
        let mut arguments = vec!["user", "--pool", "pool"];
        let registrars: Vec<_> = registrars.iter().map(|host| self.endpoint(*host, 3863)).collect();
        arguments.extend(registrars.iter().flat_map(|endpoint| ["--registrar", endpoint]));
        arguments.extend(more);
        Process::start(&arguments)
    }
}
