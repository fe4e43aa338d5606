//! How much of a difference between two answers is rounding.

use super::probes::Probes;
use super::questions::{Answers, Questions};
use crate::error::Result;

/// Answers differ by more than this many times what was measured, or they are the same: in double precision, which has room
/// between rounding and everything else, and in single precision, which has little.
const SAFETY: [f64; 2] = [100.0, 16.0];
/// Questions that differ in their last digit only, a probe.
const REPEATS: usize = 4;

/// Rounding of each state's answers: a part that belongs to the state's own digits, and one that belongs to the terms of its
/// increment, in units of the last place.
pub struct Noise {
    /// A unit of the last place with what is added for safety.
    unit: f64,
    of_state: Vec<f64>,
    of_increment: Vec<f64>,
}

impl Noise {
    /// Asks every question of `base` again, with all states moved in their last digit.
    pub fn measure(questions: &mut Questions, probes: &mut Probes, base: &Answers) -> Result<Self> {
        let n = questions.n_states();
        let mut apart = vec![vec![0.0_f64; base.len()]; n];
        for _ in 0..REPEATS {
            let moved = base.states.iter().map(|x| {
                let sign = (probes.uniform() * 3.0).floor() - 1.0;
                x * (1.0 + 2.0 * sign * questions.unit)
            });
            let again = questions.ask(moved.collect())?;
            for (i, apart) in apart.iter_mut().enumerate() {
                for (cell, apart) in apart.iter_mut().enumerate() {
                    let difference = (again.increment(cell, i) - base.increment(cell, i)).abs();
                    *apart = apart.max(difference / questions.unit);
                }
            }
        }
        let (mut of_state, mut of_increment) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for (i, apart) in apart.iter().enumerate() {
            let cells = || (0..base.len()).filter(|&c| base.magnitude(c, i) > 0.0);
            let own = quantile(cells().map(|c| apart[c] / base.magnitude(c, i)), 0.5).max(1.0);
            let rest = cells()
                .filter(|&c| base.increment(c, i) != 0.0)
                .map(|c| (apart[c] - own * base.magnitude(c, i)).max(0.0) / base.increment(c, i).abs());
            of_state.push(own);
            of_increment.push(quantile(rest, 0.95).max(1.0));
        }
        let safety = SAFETY[usize::from(questions.unit > f64::EPSILON)];
        Ok(Self { unit: safety * questions.unit, of_state, of_increment })
    }

    /// Largest difference between two answers like that of `cell` which means nothing about state `i`.
    pub fn tolerance(&self, answers: &Answers, cell: usize, i: usize) -> f64 {
        let places = self.of_state[i] * answers.magnitude(cell, i)
            + self.of_increment[i] * answers.increment(cell, i).abs();
        self.unit * places + f64::MIN_POSITIVE
    }
}

/// The value below which this `share` of the finite ones lie; 0 if there is none.
fn quantile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.filter(|x| x.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let place = (share * values.len() as f64) as usize;
    values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}
