//! What the demo shows: a timeline on the way, a table or a JSON object at the end.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::cast::Name;
use crate::failure::Failure;

/// Writes the timeline to standard output.
pub(super) struct Timeline {
    start: Instant,
    shown: bool,
    colours: bool,
}

impl Timeline {
    pub(super) fn new(shown: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { start: Instant::now(), shown, colours: std::io::stdout().is_terminal() && !no_color }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn note(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    pub(super) fn line(&self, at: Instant, who: Name, text: &str) {
        let colour = match who {
            Name::Registrar(_) => AnsiColor::Cyan,
            Name::Element(_) => AnsiColor::Green,
            Name::User => AnsiColor::Yellow,
        };
        let mut style = Style::new();
        if self.colours {
            style = if text.starts_with("KILLED") { AnsiColor::Red.on_default().bold() } else { colour.on_default() };
        }
        let seconds = at.saturating_duration_since(self.start).as_secs_f64();
        let who = who.to_string();
        self.write(&format!("{seconds:9.3} s  {style}{who:<12}  {text}{style:#}\n"));
    }

    pub(super) fn table(&self, report: &Report) {
        let list = |times: &[f64]| {
            if times.is_empty() {
                return "-".into();
            }
            times.iter().map(|time| format!("{time:.1} ms")).collect::<Vec<_>>().join(", ")
        };
        let mut text = String::from("\n");
        let rows: [(&str, String); 8] = [
            ("requests sent", report.requests.to_string()),
            ("answered", report.answered().to_string()),
            ("lost", report.lost().to_string()),
            ("duplicated", report.duplicated.to_string()),
            ("elements killed", report.element_kills.to_string()),
            ("registrars killed", report.registrar_kills.to_string()),
            ("from an element's death to the next answer", list(&report.failover_ms)),
            ("from a registrar's death to the takeover", list(&report.takeover_ms)),
        ];
        for (name, value) in rows {
            text.push_str(&format!("{name:<44}{value}\n"));
        }
        self.write(&text);
    }

    fn write(&self, text: &str) {
        if self.shown {
            let mut output = std::io::stdout().lock();
            // Nobody may be reading any more; the demo goes on all the same.
            let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
        }
    }
}

/// What has happened, in numbers.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) requests: u64,
    /// Answers that were the next number.
    counted: u64,
    /// Answers that repeated a number.
    duplicated: u64,
    /// Answers that were neither.
    wrong: u64,
    element_kills: u32,
    registrar_kills: u32,
    failover_ms: Vec<f64>,
    takeover_ms: Vec<f64>,
    /// An element's death after which the user has no element yet, or one but no answer.
    element_death: Option<(Instant, bool)>,
    registrar_death: Option<Instant>,
    pub(super) wall: Duration,
    pub(super) user_succeeded: bool,
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    (to.saturating_duration_since(from).as_secs_f64() * 1e4).round() / 10.0
}

impl Report {
    pub(super) fn answer(&mut self, at: Instant, line: &str) {
        match line.parse::<u64>() {
            Ok(number) if number == self.counted + 1 => self.counted = number,
            Ok(number) if number <= self.counted => self.duplicated += 1,
            _ => self.wrong += 1,
        }
        // What was on its way at the moment of the death does not count.
        if let Some((death, true)) = self.element_death {
            self.failover_ms.push(milliseconds(death, at));
            self.element_death = None;
        }
    }

    pub(super) fn killed(&mut self, at: Instant, who: Name) {
        match who {
            Name::Registrar(_) => {
                self.registrar_kills += 1;
                self.registrar_death = Some(at);
            }
            _ => {
                self.element_kills += 1;
                self.element_death = Some((at, false));
            }
        }
    }

    pub(super) fn event(&mut self, at: Instant, who: Name, event: &Value) {
        let kind = event.get("event").and_then(Value::as_str).unwrap_or_default();
        match (who, kind) {
            (Name::User, "established") => {
                if let Some((_, has_element)) = &mut self.element_death {
                    *has_element = true;
                }
            }
            (Name::Registrar(_), "taken_over") => {
                if let Some(death) = self.registrar_death.take() {
                    self.takeover_ms.push(milliseconds(death, at));
                }
            }
            _ => {}
        }
    }

    pub(super) fn answered(&self) -> u64 {
        self.counted
    }

    fn lost(&self) -> u64 {
        self.requests.saturating_sub(self.counted)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "requests": self.requests,
            "answered": self.answered(),
            "lost": self.lost(),
            "duplicated": self.duplicated,
            "element_kills": self.element_kills,
            "registrar_kills": self.registrar_kills,
            "failover_ms": self.failover_ms,
            "takeover_ms": self.takeover_ms,
            "wall_s": (self.wall.as_secs_f64() * 1e3).round() / 1e3,
        })
    }

    /// Whether all went as it must.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let problems = [
            (self.requests == 0, "no request was sent".to_string()),
            (self.lost() > 0, format!("{} requests were lost", self.lost())),
            (self.duplicated > 0, format!("{} answers came twice", self.duplicated)),
            (self.wrong > 0, format!("{} answers were wrong", self.wrong)),
            (self.element_kills != 2 || self.registrar_kills != 1, "not all deaths have happened".into()),
            (self.failover_ms.len() != 2, "the user did not get over each element's death".into()),
            (self.takeover_ms.len() != 1, "the dead registrar was not taken over".into()),
            (!self.user_succeeded, "the user has failed".into()),
        ];
        let problems: Vec<_> = problems.into_iter().filter(|(is, _)| *is).map(|(_, text)| text).collect();
        if problems.is_empty() { Ok(()) } else { Err(Failure::Failed(problems.join("; "))) }
    }
}
