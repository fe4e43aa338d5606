//! How much of a difference between two answers is rounding.

use super::probes::Probes;
use super::questions::{Answers, Questions};
use crate::error::Result;

/// Answers differ by more than this many times what was measured, or they are the same.
const SAFETY: f64 = 24.0;
/// Questions that differ in their last digit only, a probe.
const REPEATS: usize = 4;

/// Rounding of each state's answers.
pub struct Noise {
    unit: f64,
    /// Units of the last place that equal questions were answered apart; one entry a state.
    places: Vec<f64>,
}

impl Noise {
    /// Asks every question of `base` again, with all states moved in their last digit.
    pub fn measure(questions: &mut Questions, probes: &mut Probes, base: &Answers) -> Result<Self> {
        let n = questions.n_states();
        let mut places = vec![1.0_f64; n];
        for _ in 0..REPEATS {
            let moved = base.states.iter().map(|x| {
                let sign = (probes.uniform() * 3.0).floor() - 1.0;
                x * (1.0 + 2.0 * sign * questions.unit)
            });
            let again = questions.ask(moved.collect())?;
            for cell in 0..base.len() {
                for (i, places) in places.iter_mut().enumerate() {
                    let apart = (again.increment(cell, i) - base.increment(cell, i)).abs();
                    let magnitude = base.magnitude(cell, i);
                    if apart.is_finite() && magnitude > 0.0 {
                        *places = places.max(apart / (questions.unit * magnitude));
                    }
                }
            }
        }
        Ok(Self { unit: questions.unit, places })
    }

    /// Largest difference between answers of state `i` that means nothing, for numbers of size `magnitude`.
    pub fn tolerance(&self, i: usize, magnitude: f64) -> f64 {
        SAFETY * self.unit * self.places[i] * magnitude + f64::MIN_POSITIVE
    }
}
