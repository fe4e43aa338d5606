//! States that cells visit, and what they do there: the questions put to a cell model.

pub mod stimulus;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::error::Result;
use crate::step_function::StepFunction;

/// How cells are driven while their states are collected.
#[derive(Clone, Debug)]
pub struct Options {
    /// Length of a step, ms.
    pub dt: f64,
    /// Amplitude of the stimulus around which strengths are drawn, in the model's unit and sign.
    pub strength: f64,
    /// Length of the stimulus, ms.
    pub duration: f64,
    /// Smallest and largest cycle length, ms.
    pub cycle_lengths: [f64; 2],
    /// Length of the pacing, ms.
    pub time: f64,
    /// Number of cells paced side by side.
    pub n_cells: usize,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dt: 0.02,
            strength: -50.0,
            duration: 2.0,
            cycle_lengths: [300.0, 1000.0],
            time: 1500.0,
            n_cells: 64,
            seed: 0,
        }
    }
}

/// States of cells, with the stimulus that each was under.
#[derive(Clone, Debug, Default)]
pub struct Visited {
    /// Number of states of a cell.
    pub n_states: usize,
    /// Cell after cell.
    pub states: Vec<f64>,
    /// One number a cell.
    pub stimulus: Vec<f64>,
}

impl Visited {
    /// Number of collected states.
    pub fn len(&self) -> usize {
        self.stimulus.len()
    }

    /// Whether nothing was collected.
    pub fn is_empty(&self) -> bool {
        self.stimulus.is_empty()
    }

    /// The states of cell `i`.
    pub fn cell(&self, i: usize) -> &[f64] {
        &self.states[i * self.n_states..(i + 1) * self.n_states]
    }
}

/// Paces cells and collects some of the states they pass, more of them around the upstroke.
///
/// # Errors
/// Whatever the model answers.
pub fn harvest(model: &mut dyn StepFunction, options: &Options) -> Result<Visited> {
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut uniform = |low: f64, high: f64| low + (high - low) * (random.next_u32() as f64 / u32::MAX as f64);
    let (n, n_states) = (options.n_cells, model.n_states());
    let offsets: Vec<f64> = (0..n).map(|_| uniform(0.0, 100.0)).collect();
    let strengths: Vec<f64> = (0..n).map(|_| options.strength * uniform(0.6, 1.5)).collect();
    let cycles: Vec<f64> =
        (0..n).map(|_| uniform(options.cycle_lengths[0], options.cycle_lengths[1])).collect();
    let mut states = model.initial_state().repeat(n);
    let mut visited = Visited { n_states, ..Visited::default() };
    for k in 0..(options.time / options.dt) as usize {
        let since = |i: usize| {
            let t = k as f64 * options.dt - offsets[i];
            (t >= 0.0).then(|| t % cycles[i])
        };
        let stimulus: Vec<f64> = (0..n)
            .map(|i| if since(i).is_some_and(|t| t < options.duration) { strengths[i] } else { 0.0 })
            .collect();
        for i in 0..n {
            let share = if since(i).is_some_and(|t| t < 8.0) { 0.01 } else { 0.001 };
            if uniform(0.0, 1.0) < share {
                let cell = &states[i * n_states..(i + 1) * n_states];
                if cell.iter().all(|x| x.is_finite()) {
                    visited.states.extend_from_slice(cell);
                    visited.stimulus.push(stimulus[i]);
                }
            }
        }
        model.step(&mut states, &stimulus, options.dt, 1)?;
    }
    Ok(visited)
}
