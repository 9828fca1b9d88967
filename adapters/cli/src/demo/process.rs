//! A process of the demo: started, listened to, killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cast::Name;
use crate::failure::Failure;

/// Something that a process has said.
pub(super) struct News {
    pub(super) at: Instant,
    pub(super) who: Name,
    pub(super) said: Said,
}

pub(super) enum Said {
    /// A log line with an event.
    Event(Value),
    /// A warning or an error, or something that is no log line.
    Trouble(String),
    /// A line of the user's standard output.
    Answer(String),
}

pub(super) struct Process {
    name: Name,
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Process {
    /// Starts this program once more with `arguments`. What it says goes to `news`.
    pub(super) fn spawn(name: Name, arguments: &[String], news: Sender<News>) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let is_user = name == Name::User;
        let mut child = Command::new(program)
            .args(["--log", "json"])
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(if is_user { Stdio::piped() } else { Stdio::null() })
            .stdout(if is_user { Stdio::piped() } else { Stdio::null() })
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(stderr) = child.stderr.take() {
            listen(stderr, name, news.clone(), log_line);
        }
        if let Some(stdout) = child.stdout.take() {
            listen(stdout, name, news, |line| Some(Said::Answer(line)));
        }
        let stdin = child.stdin.take();
        Ok(Self { name, child, stdin })
    }

    pub(super) fn name(&self) -> Name {
        self.name
    }

    pub(super) fn write_line(&mut self, line: &str) -> Result<(), Failure> {
        let stdin = self.stdin.as_mut().ok_or_else(|| Failure::Failed(format!("{} reads nothing", self.name)))?;
        writeln!(stdin, "{line}").map_err(|error| Failure::Failed(format!("{} has ended: {error}", self.name)))
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, if it still runs.
    pub(super) fn terminate(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let id = rustix::process::Pid::from_child(&self.child);
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
    }

    /// Closes its standard input and waits for its end, and whether it was a success. One that takes too long is killed.
    pub(super) fn finish(&mut self, patience: Duration) -> bool {
        self.stdin = None;
        let end = Instant::now() + patience;
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(_) => break,
            }
        }
        let _ = self.kill();
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Reads lines in a thread of its own.
fn listen(
    source: impl Read + Send + 'static,
    who: Name,
    news: Sender<News>,
    what: impl Fn(String) -> Option<Said> + Send + 'static,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines() {
            let Ok(line) = line else { break };
            let at = Instant::now();
            if let Some(said) = what(line)
                && news.send(News { at, who, said }).is_err()
            {
                break;
            }
        }
    });
}

fn log_line(line: String) -> Option<Said> {
    let Ok(object) = serde_json::from_str::<Value>(&line) else { return Some(Said::Trouble(line)) };
    if object.get("event").is_some() {
        return Some(Said::Event(object));
    }
    let level = object.get("level").and_then(Value::as_str).unwrap_or_default();
    matches!(level, "WARN" | "ERROR").then_some(Said::Trouble(line))
}
