//! Policies as the command line has them: `wrr:5`, `lud:37.5%:1%`.

use std::iter;

use rserpool::wire::{Distance, Policy};

const NEAR: Distance = Distance { factor: 0, distance: 0 };

/// Those of RFC 5356, and then rsplib's own, each with any values.
const POLICIES: [(&str, Policy<'static>); 18] = [
    ("rr", Policy::RoundRobin),
    ("wrr", Policy::WeightedRoundRobin { weight: 0 }),
    ("rand", Policy::Random),
    ("wrand", Policy::WeightedRandom { weight: 0 }),
    ("prio", Policy::Priority { priority: 0 }),
    ("lu", Policy::LeastUsed { load: 0 }),
    ("lud", Policy::LeastUsedWithDegradation { load: 0, degradation: 0 }),
    ("plu", Policy::PriorityLeastUsed { load: 0, degradation: 0 }),
    ("rlu", Policy::RandomizedLeastUsed { load: 0 }),
    ("rplu", Policy::RandomizedPriorityLeastUsed { load: 0, degradation: 0 }),
    ("rlud", Policy::RandomizedLeastUsedWithDegradation { load: 0, degradation: 0 }),
    ("plud", Policy::PriorityLeastUsedWithDegradation { load: 0, degradation: 0 }),
    ("rplud", Policy::RandomizedPriorityLeastUsedWithDegradation { load: 0, degradation: 0 }),
    ("wrand-dpf", Policy::WeightedRandomWithDistance { weight: 0, distance: NEAR }),
    ("lu-dpf", Policy::LeastUsedWithDistance { load: 0, distance: NEAR }),
    ("lud-dpf", Policy::LeastUsedWithDegradationAndDistance { load: 0, degradation: 0, distance: NEAR }),
    ("plu-dpf", Policy::PriorityLeastUsedWithDistance { load: 0, degradation: 0, distance: NEAR }),
    ("plud-dpf", Policy::PriorityLeastUsedWithDegradationAndDistance { load: 0, degradation: 0, distance: NEAR }),
];

/// A policy's form, such as `wrr:WEIGHT`. Its distance is not the element's to say.
fn form((name, policy): &(&str, Policy<'_>)) -> String {
    let values = policy.values().filter(|(value, _)| *value != "distance").map(|(value, _)| match value {
        "distance_penalty_factor" => ":DPF".into(),
        value => format!(":{}", value.to_uppercase()),
    });
    iter::once((*name).to_owned()).chain(values).collect()
}

fn forms() -> String {
    POLICIES.map(|named| form(&named)).join(", ")
}

/// What `--help` says of policies.
pub(crate) fn help() -> String {
    format!("{}; loads, degradations and distance penalty factors (DPF) in percent", forms())
}

/// Reads a policy.
pub(crate) fn parse(text: &str) -> Result<Policy<'static>, String> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let Some(named) = POLICIES.iter().find(|named| named.0 == name) else {
        return Err(format!("'{name}' is no policy; there are {}", forms()));
    };
    let policy = with_each(named.1, |value, any| {
        let mut part = || parts.next().ok_or_else(|| format!("the form is {}", form(named)));
        match value {
            "distance" => Ok(any),
            "weight" | "priority" => number(part()?),
            _ => percent(part()?),
        }
    })?;
    match parts.next() {
        Some(more) => Err(format!("'{more}' is too much; the form is {}", form(named))),
        None => Ok(policy),
    }
}

/// The load that a policy tells.
pub(crate) fn load(policy: &Policy<'_>) -> Option<u32> {
    policy.values().find(|(name, _)| *name == "load").map(|(_, load)| load)
}

/// The policy with another load; `None` if it uses none.
pub(crate) fn with_load(policy: Policy<'static>, new: u32) -> Option<Policy<'static>> {
    load(&policy)?;
    with_each(policy, |name, value| Ok(if name == "load" { new } else { value })).ok()
}

/// The policy with each value replaced, by its name and what it was.
fn with_each(
    policy: Policy<'static>,
    mut replace: impl FnMut(&str, u32) -> Result<u32, String>,
) -> Result<Policy<'static>, String> {
    let values = policy.values().map(|(name, value)| replace(name, value)).collect::<Result<Vec<_>, _>>()?;
    // As many values as it had, so there is one.
    Ok(Policy::with_values(policy.policy_type(), &values).unwrap_or(policy))
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("'{text}' is no number from 0 to {}", u32::MAX))
}

/// A part of the full load, `u32::MAX`, from a number of percent.
pub(crate) fn percent(text: &str) -> Result<u32, String> {
    let digits = text.strip_suffix('%').unwrap_or(text);
    match digits.parse::<f64>() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok((value / 100.0 * f64::from(u32::MAX)).round() as u32),
        _ => Err(format!("'{text}' is no part from 0% to 100%")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_with_their_values() {
        assert_eq!(parse("rr"), Ok(Policy::RoundRobin));
        assert_eq!(parse("wrr:5"), Ok(Policy::WeightedRoundRobin { weight: 5 }));
        assert_eq!(parse("lu:50%"), Ok(Policy::LeastUsed { load: 0x8000_0000 }));
        assert_eq!(parse("lu:100%"), Ok(Policy::LeastUsed { load: u32::MAX }));
        let lud = Policy::LeastUsedWithDegradation { load: 0, degradation: 42_949_673 };
        assert_eq!(parse("lud:0:1%"), Ok(lud));
    }

    #[test]
    fn policies_of_rsplib_are_read_and_their_distance_is_left_open() {
        let plud = Policy::PriorityLeastUsedWithDegradation { load: 0, degradation: u32::MAX };
        assert_eq!(parse("plud:0:100%"), Ok(plud));
        let distance = Distance { factor: 0x8000_0000, distance: 0 };
        assert_eq!(parse("wrand-dpf:7:50%"), Ok(Policy::WeightedRandomWithDistance { weight: 7, distance }));
        let lud_dpf = Policy::LeastUsedWithDegradationAndDistance { load: 0, degradation: u32::MAX, distance };
        assert_eq!(parse("lud-dpf:0%:100%:50%"), Ok(lud_dpf));
    }

    #[test]
    fn another_load_leaves_the_rest_of_a_policy_as_it_is() {
        assert_eq!(with_load(parse("lu:1%").unwrap(), 5), Some(Policy::LeastUsed { load: 5 }));
        let plu = Policy::PriorityLeastUsed { load: 5, degradation: u32::MAX };
        assert_eq!(with_load(parse("plu:0:100%").unwrap(), 5), Some(plu));
        assert_eq!(with_load(parse("wrr:3").unwrap(), 5), None);
    }

    #[test]
    fn wrong_policies_say_what_is_wrong() {
        assert!(parse("wrr").unwrap_err().contains("wrr:WEIGHT"));
        assert!(parse("wrr:x").unwrap_err().contains("no number"));
        assert!(parse("lu:101%").unwrap_err().contains("0% to 100%"));
        assert!(parse("plu:1%").unwrap_err().contains("the form is plu:LOAD:DEGRADATION"));
        assert!(parse("fifo").unwrap_err().contains("'fifo' is no policy; there are rr, wrr:WEIGHT, "));
        assert!(parse("rr:1").unwrap_err().contains("too much"));
    }
}
