//! States at which a cell model is asked: visited ones, jittered inside their ranges.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::StateIndex;
use crate::harvest::Visited;

/// Relative half-width that the range of a state has at least. Over a narrower one every smooth function would pass for a
/// polynomial.
const NARROWEST: f64 = 0.1;
/// Spread of the jitter, relative to the range.
const JITTER: f64 = 0.25;
/// A positive state whose largest value is this many times its smallest is jittered in its logarithm.
const LOGARITHMIC: f64 = 30.0;

/// Values that a state takes.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Smallest and largest value seen.
    pub visited: [f64; 2],
    /// The visited range, widened where it is too narrow to tell functions apart.
    pub asked: [f64; 2],
}

impl Range {
    fn new(visited: [f64; 2], is_voltage: bool) -> Self {
        let [low, high] = visited;
        let centre = 0.5 * (low + high);
        let least = NARROWEST * if centre == 0.0 { 1.0 } else { centre.abs() };
        let mut asked = visited;
        if !is_voltage && 0.5 * (high - low) < least {
            asked = match (0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high) {
                // Probably a fraction.
                true => [(low - least).max(0.0), (high + least).min(1.0)],
                false => [centre - least, centre + least],
            };
        }
        Self { visited, asked }
    }

    /// Width of the range that is asked.
    pub fn width(&self) -> f64 {
        self.asked[1] - self.asked[0]
    }

    /// The factor by which the Taylor series of a smooth function shrinks from term to term over the range, roughly.
    pub fn narrowness(&self) -> f64 {
        (self.width() / (self.asked[0].abs() + self.asked[1].abs())).min(1.0)
    }

    /// The end of the range that is farther from zero.
    pub fn outer(&self) -> f64 {
        let [low, high] = self.asked;
        if low.abs() > high.abs() { low } else { high }
    }

    /// Point `k` of `n` from the lower to the upper end.
    pub fn node(&self, k: usize, n: usize) -> f64 {
        self.asked[0] + self.width() * k as f64 / (n - 1) as f64
    }
}

/// Ranges of all states, and random states inside them.
pub struct Probes<'a> {
    visited: &'a Visited,
    /// One entry a state.
    pub ranges: Vec<Range>,
    random: ChaCha8Rng,
}

impl<'a> Probes<'a> {
    pub fn new(visited: &'a Visited, seed: u64) -> Self {
        let range = |j| {
            let values = (0..visited.len()).map(|i| visited.cell(i)[j]);
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            values.for_each(|x| (low, high) = (low.min(x), high.max(x)));
            Range::new([low, high], j == 0)
        };
        let ranges = (0..visited.n_states).map(range).collect();
        Self { visited, ranges, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// A number between 0 and 1.
    pub fn uniform(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn visited_cell(&mut self) -> &'a [f64] {
        let i = (self.uniform() * self.visited.len() as f64) as usize;
        self.visited.cell(i)
    }

    /// `n` states: a quarter of them as visited, the others jittered, half of those at any potential.
    pub fn draw(&mut self, n: usize) -> Vec<f64> {
        let mut states = Vec::with_capacity(n * self.visited.n_states);
        for k in 0..n {
            let cell = self.visited_cell();
            for (j, &x) in cell.iter().enumerate() {
                let range = self.ranges[j];
                let [low, high] = range.asked;
                states.push(match k % 4 {
                    0 => x,
                    1 | 2 if j == 0 => low + range.width() * self.uniform(),
                    _ if low > 0.0 && high > LOGARITHMIC * low => {
                        let spread = JITTER * (high / low).ln();
                        (x * (spread * self.normal()).exp()).clamp(low, high)
                    }
                    _ => (x + JITTER * range.width() * self.normal()).clamp(low, high),
                });
            }
        }
        states
    }

    /// A value of state `j` that was visited.
    pub fn visited_value(&mut self, j: StateIndex) -> f64 {
        self.visited_cell()[j]
    }

    /// Another value of state `j`, well away from `x`: as visited, or anywhere in its range.
    pub fn other_value(&mut self, j: StateIndex, x: f64) -> f64 {
        let range = self.ranges[j];
        for attempt in 0..8 {
            let value = match attempt {
                0 | 1 => self.visited_value(j),
                _ => range.asked[0] + range.width() * self.uniform(),
            };
            if (value - x).abs() > 0.15 * range.width() {
                return value;
            }
        }
        if x - range.asked[0] > range.asked[1] - x { range.asked[0] } else { range.asked[1] }
    }
}
