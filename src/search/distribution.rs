//! What a random search draws from.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::Deserialize;
use toml::Value;

use crate::error::{Error, Result};

/// Names of distributions: a table of nothing else is one, every other table is a section of keys.
const NAMES: [&str; 6] = ["uniform", "log_uniform", "integer", "choice", "layers", "unit"];

/// A distribution as it is written; exactly one but `unit` is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Distribution {
    /// Numbers, lowest and highest.
    uniform: Option<[f64; 2]>,
    /// Numbers whose logarithm is uniform.
    log_uniform: Option<[f64; 2]>,
    /// Whole numbers, both ends among them.
    integer: Option<[i64; 2]>,
    /// One of these.
    choice: Option<Vec<Value>>,
    /// Hidden layers.
    layers: Option<Layers>,
    /// Unit of a drawn number, as in `"ms"`.
    unit: Option<String>,
}

/// Hidden layers of one activation, each with a width of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layers {
    /// Fewest and most layers.
    depth: [i64; 2],
    /// Smallest and largest width; its logarithm is uniform, as a width of 128 differs from 64 as 32 does from 16.
    width: [i64; 2],
    /// One of these.
    activation: Vec<String>,
    /// Widths are multiples of this.
    #[serde(default = "one")]
    multiple: i64,
}

fn one() -> i64 {
    1
}

impl Distribution {
    /// True for a table that says how to draw.
    pub fn is_written_as(value: &Value) -> bool {
        let table = value.as_table();
        table.is_some_and(|t| !t.is_empty() && t.keys().all(|key| NAMES.contains(&key.as_str())))
    }

    /// Reads and checks what is written at `path`.
    pub fn read(path: &str, value: Value) -> Result<Self> {
        let place = |e: Error| e.at(format!("key \"{path}\""));
        let remedy = "write one of { uniform = [0.1, 1.0] }, { log_uniform = [1e-4, 1e-2] }, { integer = [1, 9] }, \
                      { choice = [\"a\", \"b\"] }, { layers = { depth = [2, 3], width = [16, 64], activation = [\"tanh\"] } }";
        let distribution: Self = value.try_into().map_err(|e: toml::de::Error| {
            place(Error::format(e.message().trim().replace('\n', " ")).remedy(remedy))
        })?;
        let fault = distribution.fault();
        fault.map_or(Ok(distribution), |what| Err(place(Error::invalid(what).remedy(remedy))))
    }

    fn fault(&self) -> Option<String> {
        let Self { uniform, log_uniform, integer, choice, layers, unit } = self;
        let given =
            [uniform.is_some(), log_uniform.is_some(), integer.is_some(), choice.is_some(), layers.is_some()];
        let rising = |[low, high]: [f64; 2]| low.is_finite() && high.is_finite() && low <= high;
        if given.iter().filter(|given| **given).count() != 1 {
            return Some("not exactly one distribution".to_owned());
        }
        if unit.is_some() && (choice.is_some() || layers.is_some()) {
            return Some("a unit of something else than a number".to_owned());
        }
        if let Some(range) = uniform.or(*log_uniform)
            && (!rising(range) || log_uniform.is_some() && range[0] <= 0.0)
        {
            return Some(format!("the range {} to {}", range[0], range[1]));
        }
        if let Some([low, high]) = integer
            && low > high
        {
            return Some(format!("the range {low} to {high}"));
        }
        if choice.as_ref().is_some_and(Vec::is_empty) {
            return Some("a choice among nothing".to_owned());
        }
        let Layers { depth, width, activation, multiple } = layers.as_ref()?;
        let wrong =
            depth[0] > depth[1] || depth[0] < 0 || width[0] > width[1] || width[0] < 1 || *multiple < 1;
        let multiples = |m: &i64| width[1] / m >= width[0].saturating_add(m - 1) / m;
        (wrong || activation.is_empty() || !multiples(multiple)).then(|| {
            format!("layers of depth {depth:?}, width {width:?} (multiples of {multiple}), {activation:?}")
        })
    }

    /// Draws a value.
    pub fn draw(&self, random: &mut Random) -> Value {
        let number = |value: Value| match &self.unit {
            Some(unit) => Value::String(format!("{value} {unit}")),
            None => value,
        };
        if let Some([low, high]) = self.uniform {
            return number(Value::Float(low + (high - low) * random.fraction()));
        }
        if let Some([low, high]) = self.log_uniform {
            return number(Value::Float(low * (high / low).powf(random.fraction())));
        }
        if let Some([low, high]) = self.integer {
            return number(Value::Integer(random.integer(low, high)));
        }
        if let Some(choice) = &self.choice {
            return choice[random.integer(0, choice.len() as i64 - 1) as usize].clone();
        }
        let Layers { depth, width, activation, multiple } = self.layers.as_ref().expect("one is given");
        let activation = &activation[random.integer(0, activation.len() as i64 - 1) as usize];
        let n = random.integer(depth[0], depth[1]);
        let layers = (0..n).map(|_| {
            let [low, high] = width.map(|w| w as f64);
            let drawn = low * (high / low).powf(random.fraction()) / *multiple as f64;
            let least = width[0].saturating_add(multiple - 1) / multiple;
            let width = (drawn.round() as i64).clamp(least, width[1] / multiple) * multiple;
            Value::Array(vec![Value::String(activation.clone()), Value::Integer(width)])
        });
        Value::Array(layers.collect())
    }
}

/// Random numbers of one key, so that keys and draws added later change no earlier draw.
pub struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: u64, key: &str) -> Self {
        let mut bits = ChaCha8Rng::seed_from_u64(seed);
        bits.set_stream(super::trial::hash(key));
        Self(bits)
    }

    /// Uniform in 0 … 1, without 1.
    fn fraction(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of `low ..= high`.
    fn integer(&mut self, low: i64, high: i64) -> i64 {
        let n = (i128::from(high) - i128::from(low) + 1) as u128;
        (i128::from(low) + ((u128::from(self.0.next_u64()) * n) >> 64) as i128) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(text: &str) -> Result<Distribution> {
        let table: toml::Table = toml::from_str(&format!("x = {text}")).unwrap();
        assert!(Distribution::is_written_as(&table["x"]), "{text}");
        Distribution::read("x", table["x"].clone())
    }

    #[test]
    fn draws_lie_in_their_ranges_reach_both_ends_and_follow_from_the_seed() {
        let integers = distribution("{ integer = [2, 4] }").unwrap();
        let draw = |seed| {
            let mut random = Random::new(seed, "x");
            (0..100).map(|_| integers.draw(&mut random).as_integer().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!((2..=4).all(|i| draw(1).contains(&i)) && draw(1).iter().all(|i| (2..=4).contains(i)));

        let rates = distribution("{ log_uniform = [1e-4, 1e-2] }").unwrap();
        let mut random = Random::new(0, "y");
        let rates: Vec<f64> = (0..400).map(|_| rates.draw(&mut random).as_float().unwrap()).collect();
        assert!(rates.iter().all(|r| (1e-4..=1e-2).contains(r)));
        let below = rates.iter().filter(|r| **r < 1e-3).count();
        assert!((150..250).contains(&below), "{below} of 400 below the geometric mean");

        let layers =
            "{ layers = { depth = [1, 3], width = [8, 64], activation = [\"tanh\"], multiple = 8 } }";
        let drawn = distribution(layers).unwrap().draw(&mut random);
        let widths: Vec<i64> = drawn.as_array().unwrap().iter().map(|l| l[1].as_integer().unwrap()).collect();
        assert!((1..=3).contains(&widths.len()) && widths.iter().all(|w| (8..=64).contains(w) && w % 8 == 0));

        let times = distribution("{ uniform = [1.0, 2.0], unit = \"ms\" }").unwrap().draw(&mut random);
        assert!(times.as_str().unwrap().ends_with(" ms"));
    }

    #[test]
    fn impossible_distributions_are_refused() {
        for (text, what) in [
            ("{ uniform = [1.0, 0.0] }", "range 1 to 0"),
            ("{ log_uniform = [0.0, 1.0] }", "range 0 to 1"),
            ("{ choice = [] }", "among nothing"),
            ("{ uniform = [0.0, 1.0], integer = [0, 1] }", "exactly one"),
            ("{ unit = \"ms\" }", "exactly one"),
            ("{ layers = { depth = [3, 2], width = [8, 64], activation = [\"tanh\"] } }", "depth [3, 2]"),
        ] {
            let message = distribution(text).unwrap_err().to_string();
            assert!(message.contains(what) && message.contains("\"x\""), "{message}");
        }
    }
}
