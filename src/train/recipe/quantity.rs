//! Quantities with a unit, as recipes write them: `"0.1 ms"`, `"110 s"`.

use serde::{Deserialize, Deserializer, Serialize, de};

/// A time of the cell model, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Milliseconds(pub f64);

/// The length of a step: one, `"1 ms"`, or any between two, `["0.1 ms", "1 ms"]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum StepLength {
    /// Always the same.
    One(Milliseconds),
    /// Any from the shortest to the longest.
    Between(Milliseconds, Milliseconds),
}

impl<'de> Deserialize<'de> for StepLength {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let own = |e: toml::de::Error| de::Error::custom(e.message());
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Array(ends) => {
                let Ok([shortest, longest]) = <[toml::Value; 2]>::try_from(ends) else {
                    return Err(de::Error::custom(
                        "not two steps; write the shortest and the longest, for example [\"0.1 ms\", \"1 ms\"]",
                    ));
                };
                let end = |value| Milliseconds::deserialize(value).map_err(own);
                Ok(Self::Between(end(shortest)?, end(longest)?))
            }
            one => Milliseconds::deserialize(one).map(Self::One).map_err(own),
        }
    }
}

/// A time of the clock, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

impl<'de> Deserialize<'de> for Milliseconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        positive(deserializer, &[("us", 1e-3), ("ms", 1.0), ("s", 1e3)], "0.1 ms").map(Self)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        positive(deserializer, &[("s", 1.0), ("min", 60.0), ("h", 3600.0)], "90 s").map(Self)
    }
}

/// A number and one of `units`, as the product of the number and the unit's size.
fn positive<'de, D: Deserializer<'de>>(
    deserializer: D,
    units: &[(&str, f64)],
    example: &str,
) -> Result<f64, D::Error> {
    let known = || units.iter().map(|u| u.0).collect::<Vec<_>>().join(", ");
    let remedy = || format!("write a number and a unit ({}), for example \"{example}\"", known());
    let text = match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => text,
        other => return Err(de::Error::custom(format!("{other} has no unit; {}", remedy()))),
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == 'µ' || c == '%').trim_end();
    let unit = text.trim_start_matches(digits).trim();
    let Some((_, size)) = units.iter().find(|u| u.0 == unit) else {
        return Err(de::Error::custom(format!("\"{text}\" has a wrong unit; {}", remedy())));
    };
    match digits.parse::<f64>().map(|number| number * size) {
        Ok(quantity) if quantity.is_finite() && quantity > 0.0 => Ok(quantity),
        _ => Err(de::Error::custom(format!("\"{text}\" is not a positive quantity; {}", remedy()))),
    }
}
