//! Two inputs varied together: which of them act on a state independently of each other.

use super::StateIndex;
use super::noise::Noise;
use super::probes::Probes;
use super::questions::{Answers, Questions};
use crate::error::Result;

/// For each state, the pairs of inputs whose effects do not simply add.
pub struct Interactions {
    n_states: usize,
    /// Second differences in tolerances: above 1 the two interact.
    ratios: Vec<f32>,
}

impl Interactions {
    /// Varies every two of `inputs`, alone and together, at every probe of `base`. A pair is asked only if `wanted` for some state,
    /// and an answer counts for the states for which it is wanted.
    pub fn measure(
        questions: &mut Questions,
        probes: &mut Probes,
        noise: &Noise,
        base: &Answers,
        inputs: &[StateIndex],
        wanted: impl Fn(StateIndex, StateIndex, StateIndex) -> bool,
    ) -> Result<Self> {
        let n = questions.n_states();
        let others: Vec<Vec<f64>> = inputs
            .iter()
            .map(|&j| (0..base.len()).map(|cell| probes.other_value(j, base.state(cell)[j])).collect())
            .collect();
        let moved = |moves: &[usize]| {
            let mut states = base.states.clone();
            for &a in moves {
                others[a].iter().enumerate().for_each(|(cell, &x)| states[cell * n + inputs[a]] = x);
            }
            states
        };
        let alone: Vec<Answers> =
            (0..inputs.len()).map(|a| questions.ask(moved(&[a]))).collect::<Result<_>>()?;
        let mut ratios = vec![0.0; n * n * n];
        for a in 0..inputs.len() {
            for b in a + 1..inputs.len() {
                let (j, k) = (inputs[a], inputs[b]);
                let affected: Vec<usize> = (0..n).filter(|&i| wanted(i, j, k)).collect();
                if affected.is_empty() {
                    continue;
                }
                let both = questions.ask(moved(&[a, b]))?;
                for i in affected {
                    let ratio = second_difference([base, &alone[a], &alone[b], &both], noise, i);
                    ratios[(i * n + j) * n + k] = ratio as f32;
                    ratios[(i * n + k) * n + j] = ratio as f32;
                }
            }
        }
        Ok(Self { n_states: n, ratios })
    }

    /// Whether inputs `j` and `k` act on state `i` other than by a sum.
    pub fn interact(&self, i: StateIndex, j: StateIndex, k: StateIndex) -> bool {
        self.ratio(i, j, k) > 1.0
    }

    /// Their second difference in tolerances.
    pub fn ratio(&self, i: StateIndex, j: StateIndex, k: StateIndex) -> f64 {
        f64::from(self.ratios[(i * self.n_states + j) * self.n_states + k])
    }
}

fn second_difference(corners: [&Answers; 4], noise: &Noise, i: StateIndex) -> f64 {
    let [base, one, other, both] = corners;
    let mut largest = 0.0_f64;
    for cell in 0..base.len() {
        let difference = both.increment(cell, i) - one.increment(cell, i) - other.increment(cell, i)
            + base.increment(cell, i);
        let tolerance = corners.iter().map(|a| noise.tolerance(a, cell, i)).sum::<f64>();
        let ratio = difference.abs() / tolerance;
        if ratio.is_finite() {
            largest = largest.max(ratio);
        }
    }
    largest
}
