//! What a step of a cell costs on one thread. Indicative: other work on the machine shows.

use std::time::Instant;

use serde::Serialize;

use super::surrogate_cells::SurrogateCells;
use crate::error::Result;
use crate::protocol::Trace;
use crate::step_function::StepFunction;

/// Cells that are advanced together.
const CELLS: usize = 512;
/// Steps of a call: whatever comes once a call counts little.
const STEPS: u32 = 10;
/// The fastest of so many calls counts.
const TRIALS: usize = 7;

/// Nanoseconds that one step of one cell takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// The reference's.
    pub reference: f64,
    /// The surrogate's.
    pub surrogate: f64,
    /// What computed the surrogate.
    pub backend: String,
    /// Whether this program was built with optimisation.
    pub optimized: bool,
}

/// Nanoseconds of a step of a cell of `model`, over states that `trace` passed.
pub fn nanoseconds(model: &mut dyn StepFunction, dt: f64, trace: &Trace) -> Result<f64> {
    let n_states = model.n_states();
    let passed = trace.states.len() / n_states;
    let visited = (0..CELLS).map(|i| i * passed / CELLS);
    let start: Vec<f64> =
        visited.flat_map(|i| &trace.states[i * n_states..(i + 1) * n_states]).copied().collect();
    let stimulus = vec![0.0; CELLS];
    let mut fastest = f64::INFINITY;
    for _ in 0..TRIALS {
        let mut states = start.clone();
        let begin = Instant::now();
        model.step(&mut states, &stimulus, dt, STEPS)?;
        fastest = fastest.min(begin.elapsed().as_secs_f64());
    }
    Ok(1e9 * fastest / (CELLS as f64 * f64::from(STEPS)))
}

/// The surrogate's cost beside the reference's.
pub fn compare(cells: &mut SurrogateCells, dt: f64, trace: &Trace, reference: f64) -> Result<Cost> {
    let surrogate = nanoseconds(cells, dt, trace)?;
    let backend = cells.backend().to_owned();
    Ok(Cost { reference, surrogate, backend, optimized: !cfg!(debug_assertions) })
}
