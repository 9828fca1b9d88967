//! Who is who in the demo, and what is known of each from what they log.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

/// A process of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Name {
    Registrar(u8),
    Element(u8),
    User,
}

/// Added to the registrars' numbers, so that their identifiers are not the elements'.
const REGISTRARS: u32 = 0xa0;

impl Name {
    /// The identifier that the process is given.
    pub(super) fn identifier(self) -> u32 {
        match self {
            Self::Registrar(number) => REGISTRARS + u32::from(number),
            Self::Element(number) => u32::from(number),
            Self::User => 0,
        }
    }

    fn from_field(event: &Value, field: &str) -> Option<Self> {
        let digits = event.get(field)?.as_str()?.strip_prefix("0x")?;
        match u32::from_str_radix(digits, 16).ok()? {
            number @ 1..REGISTRARS => Some(Self::Element(u8::try_from(number).ok()?)),
            number => Some(Self::Registrar(u8::try_from(number.checked_sub(REGISTRARS)?).ok()?)),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registrar(number) => write!(f, "registrar {number}"),
            Self::Element(number) => write!(f, "element {number}"),
            Self::User => f.write_str("user"),
        }
    }
}

/// What is known of the processes.
#[derive(Debug, Default)]
pub(super) struct Cast {
    serving_registrars: Vec<Name>,
    homes: HashMap<Name, Name>,
    partner: Option<Name>,
}

impl Cast {
    /// Takes in what a process has logged.
    pub(super) fn update(&mut self, who: Name, event: &Value) {
        let kind = event.get("event").and_then(Value::as_str).unwrap_or_default();
        match (who, kind) {
            (Name::Registrar(_), "serving") => self.serving_registrars.push(who),
            (Name::Registrar(_), "registered") => {
                if let Some(element) = Name::from_field(event, "element") {
                    self.homes.insert(element, who);
                }
            }
            (Name::Element(_), "home_changed") => {
                if let Some(registrar) = Name::from_field(event, "home") {
                    self.homes.insert(who, registrar);
                }
            }
            (Name::User, "established") => self.partner = Name::from_field(event, "element"),
            (Name::User, "failover") => self.partner = None,
            _ => {}
        }
    }

    pub(super) fn died(&mut self, who: Name) {
        self.serving_registrars.retain(|registrar| *registrar != who);
        self.homes.retain(|element, home| *element != who && *home != who);
        if self.partner == Some(who) {
            self.partner = None;
        }
    }

    pub(super) fn is_serving(&self, registrar: Name) -> bool {
        self.serving_registrars.contains(&registrar)
    }

    /// The home registrar of an element.
    pub(super) fn home(&self, element: Name) -> Option<Name> {
        self.homes.get(&element).copied()
    }

    /// The element that serves the user.
    pub(super) fn serving(&self) -> Option<Name> {
        self.partner
    }

    /// An event in words; `None` for what is of no interest.
    pub(super) fn tell(&self, who: Name, event: &Value) -> Option<String> {
        let field = |name: &str| match Name::from_field(event, name) {
            Some(name) => name.to_string(),
            None => event
                .get(name)
                .map(|value| value.as_str().map_or_else(|| value.to_string(), Into::into))
                .unwrap_or_default(),
        };
        let kind = event.get("event").and_then(Value::as_str)?;
        Some(match (who, kind) {
            (_, "serving") => "is ready and serves".into(),
            (Name::Registrar(_), "registered") => format!("has registered {}", field("element")),
            (_, "removed") => format!("has removed {} ({})", field("element"), field("reason").to_lowercase()),
            (_, "reported") => format!("was told that {} cannot be reached, and asks it", field("element")),
            (_, "peer_found") => format!("has found {}", field("peer")),
            (_, "peer_suspected") => format!("has noticed that {} may be dead, and asks it", field("peer")),
            (_, "peer_dead") => format!("is sure that {} is dead", field("peer")),
            (_, "takeover_initiated") => format!("starts to take {} over", field("target")),
            (_, "takeover_aborted") => format!("does not take {} over", field("target")),
            (_, "taken_over") => {
                format!("has taken {} over, with {} elements", field("target"), field("elements"))
            }
            (_, "taken_over_by_peer") => format!("has heard that {} has taken {} over", field("by"), field("target")),
            (_, "inconsistent") => format!("finds its table different from that of {}", field("peer")),
            (_, "synchronized") => format!("has the table of {} again", field("peer")),
            (Name::Element(_), "registered") => "is registered".into(),
            (Name::Element(_), "home_lost") => {
                "has noticed that its home registrar is gone, and looks for another".into()
            }
            (Name::Element(_), "home_changed") => format!("has {} as its home now", field("home")),
            (Name::Element(_), "session_resumed") => "goes on with the session from the user's cookie".into(),
            (Name::User, "established") => format!("has a session with {}", field("element")),
            (Name::User, "failover") => format!("has noticed that {} is gone, and takes the next", field("element")),
            (Name::User, "home_lost") => "has noticed that its registrar is gone".into(),
            _ => return None,
        })
    }
}
