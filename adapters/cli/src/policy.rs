//! Policies as the command line has them: `wrr:5`, `lud:37.5%:1%`.

use std::fmt;

use rserpool::wire::{Policy, PolicyType};

/// What a policy on the command line consists of.
struct Named {
    name: &'static str,
    policy_type: PolicyType,
    values: &'static [Value],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Weight,
    Priority,
    Load,
    Degradation,
    /// The penalty for each unit of distance. The distance itself is not the element's to say.
    DistancePenaltyFactor,
}

impl Value {
    fn name(self) -> &'static str {
        match self {
            Self::Weight => "WEIGHT",
            Self::Priority => "PRIORITY",
            Self::Load => "LOAD",
            Self::Degradation => "DEGRADATION",
            Self::DistancePenaltyFactor => "DPF",
        }
    }

    fn parse(self, text: &str) -> Result<u32, String> {
        match self {
            Self::Weight | Self::Priority => number(text),
            Self::Load | Self::Degradation | Self::DistancePenaltyFactor => percent(text),
        }
    }
}

const fn named(name: &'static str, policy_type: PolicyType, values: &'static [Value]) -> Named {
    Named { name, policy_type, values }
}

/// Those of RFC 5356, and then rsplib's own.
const POLICIES: [Named; 18] = {
    use Value::{Degradation, DistancePenaltyFactor, Load, Priority, Weight};
    [
        named("rr", PolicyType::ROUND_ROBIN, &[]),
        named("wrr", PolicyType::WEIGHTED_ROUND_ROBIN, &[Weight]),
        named("rand", PolicyType::RANDOM, &[]),
        named("wrand", PolicyType::WEIGHTED_RANDOM, &[Weight]),
        named("prio", PolicyType::PRIORITY, &[Priority]),
        named("lu", PolicyType::LEAST_USED, &[Load]),
        named("lud", PolicyType::LEAST_USED_WITH_DEGRADATION, &[Load, Degradation]),
        named("plu", PolicyType::PRIORITY_LEAST_USED, &[Load, Degradation]),
        named("rlu", PolicyType::RANDOMIZED_LEAST_USED, &[Load]),
        named("rplu", PolicyType::RANDOMIZED_PRIORITY_LEAST_USED, &[Load, Degradation]),
        named("rlud", PolicyType::RANDOMIZED_LEAST_USED_WITH_DEGRADATION, &[Load, Degradation]),
        named("plud", PolicyType::PRIORITY_LEAST_USED_WITH_DEGRADATION, &[Load, Degradation]),
        named("rplud", PolicyType::RANDOMIZED_PRIORITY_LEAST_USED_WITH_DEGRADATION, &[Load, Degradation]),
        named("wrand-dpf", PolicyType::WEIGHTED_RANDOM_WITH_DISTANCE, &[Weight, DistancePenaltyFactor]),
        named("lu-dpf", PolicyType::LEAST_USED_WITH_DISTANCE, &[Load, DistancePenaltyFactor]),
        named(
            "lud-dpf",
            PolicyType::LEAST_USED_WITH_DEGRADATION_AND_DISTANCE,
            &[Load, Degradation, DistancePenaltyFactor],
        ),
        named("plu-dpf", PolicyType::PRIORITY_LEAST_USED_WITH_DISTANCE, &[Load, Degradation, DistancePenaltyFactor]),
        named(
            "plud-dpf",
            PolicyType::PRIORITY_LEAST_USED_WITH_DEGRADATION_AND_DISTANCE,
            &[Load, Degradation, DistancePenaltyFactor],
        ),
    ]
};

/// Its form, such as `wrr:WEIGHT`.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.values.iter().try_for_each(|value| write!(f, ":{}", value.name()))
    }
}

/// Reads a policy.
pub(crate) fn parse(text: &str) -> Result<Policy<'static>, String> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let Some(named) = POLICIES.iter().find(|named| named.name == name) else {
        let all: Vec<_> = POLICIES.iter().map(Named::to_string).collect();
        return Err(format!("'{name}' is no policy; there are {}", all.join(", ")));
    };
    let mut values = Vec::new();
    for value in named.values {
        let text = parts.next().ok_or_else(|| format!("the form is {named}"))?;
        values.push(value.parse(text)?);
    }
    if let Some(more) = parts.next() {
        return Err(format!("'{more}' is too much; the form is {named}"));
    }
    if named.values.contains(&Value::DistancePenaltyFactor) {
        values.push(0);
    }
    Policy::with_values(named.policy_type, &values).ok_or_else(|| format!("the form is {named}"))
}

/// The policy with another load; `None` if it uses none.
pub(crate) fn with_load(policy: Policy<'static>, load: u32) -> Option<Policy<'static>> {
    let is_load = |(name, _): &(&str, u32)| *name == "load";
    policy.values().find(is_load)?;
    let values: Vec<_> = policy.values().map(|value| if is_load(&value) { load } else { value.1 }).collect();
    Policy::with_values(policy.policy_type(), &values)
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
    use rserpool::wire::Distance;

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
