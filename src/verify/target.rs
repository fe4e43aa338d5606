//! What a surrogate has to reach: `apd90 1%, cv 1%, activation 1 ms, beats 500`.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::report::number;

/// What a target is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Duration to 90 % repolarisation of every beat of a paced cell where the reference repolarises, and in the middle of the cable.
    Apd90,
    /// Duration to 50 % repolarisation of the same beats.
    Apd50,
    /// Conduction velocity in the cable.
    Cv,
    /// Activation times of all beats of a paced cell and of all cells of the cable.
    Activation,
    /// Duration to 90 % repolarisation of premature beats (S1–S2).
    Restitution,
    /// Largest cycle length at which durations alternate.
    Alternans,
    /// Beats of long pacing that the surrogate answers like the reference: with APD90 within what is asked of it, or 5 %.
    Beats,
}

const NAMES: [(&str, Quantity, &[Unit]); 7] = [
    ("apd90", Quantity::Apd90, &[Unit::Percent, Unit::Milliseconds]),
    ("apd50", Quantity::Apd50, &[Unit::Percent, Unit::Milliseconds]),
    ("cv", Quantity::Cv, &[Unit::Percent]),
    ("activation", Quantity::Activation, &[Unit::Milliseconds]),
    ("restitution", Quantity::Restitution, &[Unit::Percent, Unit::Milliseconds]),
    ("alternans", Quantity::Alternans, &[Unit::Milliseconds]),
    ("beats", Quantity::Beats, &[Unit::Count]),
];

impl Quantity {
    /// The name in targets.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|entry| entry.1 == self).map_or("", |entry| entry.0)
    }
}

/// What a target is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Of the reference's value.
    Percent,
    /// Of time.
    Milliseconds,
    /// A number of beats.
    Count,
}

impl Unit {
    fn symbol(self) -> &'static str {
        match self {
            Self::Percent => "%",
            Self::Milliseconds => "ms",
            Self::Count => "",
        }
    }
}

/// One target: the largest error allowed, or the smallest number of beats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Target {
    /// What it is on.
    pub quantity: Quantity,
    /// The largest error, or the smallest number of beats.
    pub limit: f64,
    /// What `limit` is counted in.
    pub unit: Unit,
}

/// Targets, each quantity at most once a unit. Printed and read as `apd90 1%, cv 1%`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Targets(pub Vec<Target>);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.unit == Unit::Milliseconds { " " } else { "" };
        write!(f, "{} {}{space}{}", self.quantity.name(), self.limit, self.unit.symbol())
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(Target::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fault = |what: String, remedy: String| Err(Error::invalid(what).at("targets").remedy(remedy));
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let Some(&(name, quantity, units)) = NAMES.iter().find(|entry| entry.0.eq_ignore_ascii_case(name))
        else {
            let known = NAMES.map(|entry| entry.0).join(", ");
            return fault(
                format!("\"{text}\" begins with no known quantity"),
                format!("take one of {known}"),
            );
        };
        let example = match units[0] {
            Unit::Count => format!("{name} 500"),
            unit => format!("{name} 1{}", if unit == Unit::Percent { "%" } else { " ms" }),
        };
        let rest = rest.trim();
        let number_end = rest.find(|c: char| c == '%' || c.is_alphabetic() && c != 'e').unwrap_or(rest.len());
        let (number, symbol) = (rest[..number_end].trim(), rest[number_end..].trim());
        let Ok(limit) = number.parse::<f64>() else {
            return fault(format!("\"{text}\" has no number"), format!("write it like \"{example}\""));
        };
        let Some(&unit) = units.iter().find(|unit| unit.symbol() == symbol) else {
            let what = match symbol {
                "" => format!("\"{text}\" has no unit"),
                symbol => format!("\"{text}\" has the unit \"{symbol}\""),
            };
            return fault(what, format!("write it like \"{example}\""));
        };
        let whole = unit != Unit::Count || limit.fract() == 0.0;
        if !(limit.is_finite() && limit > 0.0 && whole) {
            return fault(format!("\"{text}\" cannot be reached or missed"), "give a positive number".into());
        }
        Ok(Self { quantity, limit, unit })
    }
}

impl FromStr for Targets {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let targets: Vec<Target> = text.split(',').map(str::parse).collect::<Result<_>>()?;
        for (i, target) in targets.iter().enumerate() {
            if targets[..i].iter().any(|t| (t.quantity, t.unit) == (target.quantity, target.unit)) {
                return Err(
                    Error::invalid(format!("{} is named twice", target.quantity.name())).at("targets")
                );
            }
        }
        Ok(Self(targets))
    }
}

/// What became of a target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The target.
    pub target: Target,
    /// The worst error, or the number of beats; none if nothing could be compared.
    pub measured: Option<f64>,
    /// Beats, cells or places where the surrogate does something else altogether, for which no error can be given.
    pub failures: usize,
    /// Whether it was reached, without failures.
    pub met: bool,
}

impl Outcome {
    /// Compares what was measured.
    pub fn new(target: Target, measured: Option<f64>, failures: usize) -> Self {
        let reached = measured.is_some_and(|measured| match target.unit {
            Unit::Count => measured >= target.limit,
            _ => measured <= target.limit,
        });
        Self { target, measured, failures, met: reached && failures == 0 }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { quantity, limit, unit } = self.target;
        let space = if unit == Unit::Count { "" } else { " " };
        let symbol = unit.symbol();
        let bound = if unit == Unit::Count { "at least" } else { "at most" };
        match self.measured {
            None => write!(f, "{} could not be measured", quantity.name())?,
            Some(measured) => {
                let measured = if unit == Unit::Count { format!("{measured}") } else { number(measured, 3) };
                write!(f, "{} {measured}{space}{symbol} ({bound} {limit}{space}{symbol})", quantity.name())?;
            }
        }
        match self.failures {
            0 => Ok(()),
            1 => write!(f, ", 1 failure"),
            n => write!(f, ", {n} failures"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_printed() {
        let text = "apd90 1%, cv 0.5%, activation 1 ms, beats 500";
        let targets: Targets = text.parse().unwrap();
        assert_eq!(targets.to_string(), text);
        assert_eq!(targets.0[1], Target { quantity: Quantity::Cv, limit: 0.5, unit: Unit::Percent });
        let loose: Targets = " APD90 1e-2 % ,apd90 3ms,beats 20".parse().unwrap();
        assert_eq!(loose.to_string(), "apd90 0.01%, apd90 3 ms, beats 20");
    }

    #[test]
    fn each_mistake_has_its_message() {
        let fault = |text: &str| text.parse::<Targets>().unwrap_err().to_string();
        for (text, expected) in [
            ("", "no known quantity"),
            ("apd 1%", "take one of apd90, apd50, cv"),
            ("apd90", "no number, in targets: write it like \"apd90 1%\""),
            ("cv one", "no number"),
            ("cv 1", "no unit"),
            ("cv 1 ms", "unit \"ms\""),
            ("beats 5%", "like \"beats 500\""),
            ("beats 0.5", "cannot be reached"),
            ("apd90 -1%", "positive"),
            ("apd90 inf%", "no number"),
            ("apd90 1%,", "no known quantity"),
            ("apd90 1%, apd90 2%", "apd90 is named twice"),
        ] {
            assert!(fault(text).contains(expected), "{text}: {}", fault(text));
        }
    }

    #[test]
    fn a_failure_or_nothing_measured_misses_a_target() {
        let target: Target = "apd90 1%".parse().unwrap();
        assert!(Outcome::new(target, Some(1.0), 0).met);
        assert!(!Outcome::new(target, Some(1.1), 0).met);
        assert!(!Outcome::new(target, Some(0.1), 1).met);
        assert!(!Outcome::new(target, None, 0).met);
        assert_eq!(Outcome::new(target, Some(3.21), 2).to_string(), "apd90 3.21 % (at most 1 %), 2 failures");
        let beats: Target = "beats 500".parse().unwrap();
        assert!(Outcome::new(beats, Some(500.0), 0).met && !Outcome::new(beats, Some(499.0), 0).met);
        assert_eq!(Outcome::new(beats, Some(12.0), 0).to_string(), "beats 12 (at least 500)");
    }
}
