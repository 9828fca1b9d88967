//! Policies as the command line has them: `wrr:5`, `lud:37.5%:1%`.

use rserpool::wire::Policy;

/// Reads a policy.
pub(crate) fn parse(text: &str) -> Result<Policy<'static>, String> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let mut value =
        |what: &str| parts.next().ok_or_else(|| format!("{name} wants a {what}: {name}:{}", what.to_uppercase()));
    let policy = match name {
        "rr" => Policy::RoundRobin,
        "rand" => Policy::Random,
        "wrr" => Policy::WeightedRoundRobin { weight: number(value("weight")?)? },
        "wrand" => Policy::WeightedRandom { weight: number(value("weight")?)? },
        "prio" => Policy::Priority { priority: number(value("priority")?)? },
        "lu" => Policy::LeastUsed { load: percent(value("load")?)? },
        "rlu" => Policy::RandomizedLeastUsed { load: percent(value("load")?)? },
        "lud" => Policy::LeastUsedWithDegradation {
            load: percent(value("load")?)?,
            degradation: percent(value("degradation")?)?,
        },
        "plu" => {
            Policy::PriorityLeastUsed { load: percent(value("load")?)?, degradation: percent(value("degradation")?)? }
        }
        other => {
            return Err(format!(
                "'{other}' is no policy; there are rr, wrr:WEIGHT, rand, wrand:WEIGHT, prio:PRIORITY, lu:LOAD, \
                 lud:LOAD:DEGRADATION, plu:LOAD:DEGRADATION and rlu:LOAD"
            ));
        }
    };
    match parts.next() {
        Some(more) => Err(format!("'{more}' is too much")),
        None => Ok(policy),
    }
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
    fn wrong_policies_say_what_is_wrong() {
        assert!(parse("wrr").unwrap_err().contains("wrr:WEIGHT"));
        assert!(parse("wrr:x").unwrap_err().contains("no number"));
        assert!(parse("lu:101%").unwrap_err().contains("0% to 100%"));
        assert!(parse("fifo").unwrap_err().contains("'fifo' is no policy"));
        assert!(parse("rr:1").unwrap_err().contains("too much"));
    }
}
