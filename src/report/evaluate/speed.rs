//! Speed of a surrogate beside that of forward Euler, and how many solver steps an evaluation
//! must replace to pay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ndarray::Array2;
use serde::Serialize;

use super::super::counterpart::Counterpart;
use super::accuracy::EULER_DT;
use crate::cell_model::euler::{Euler, PerCell};
use crate::error::Result;
use crate::session::{Cells, Session, SessionOptions};
use crate::surrogate::{Kind, Role, Surrogate};
use crate::view::{Layout, View, ViewMut};

/// Cells of a call: their states stay in the caches, as in a tissue simulator's inner loop.
const N_CELLS: usize = 8192;
/// Length of a trial.
const TRIAL: Duration = Duration::from_millis(40);
/// Trials, of which the fastest counts: the others were disturbed.
const N_TRIALS: usize = 5;
/// Euler steps of a call, which keep the states in registers.
const EULER_STEPS: u64 = 100;

/// Speed on one thread of this machine, single precision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Speed {
    /// The processor, as the system names it.
    pub processor: String,
    /// How the surrogate was run.
    pub backend: String,
    /// Cells of a call.
    pub cells: usize,
    /// Whether the program was built with optimisation; without it speeds mean nothing.
    pub optimized: bool,
    /// Evaluations (of a step map: steps) in a second.
    pub evaluations_per_second: f64,
    /// Forward Euler beside it, if the cell model is known.
    pub euler: Option<AgainstEuler>,
}

/// Comparison with forward Euler of the same cell model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgainstEuler {
    /// Euler steps in a second.
    pub steps_per_second: f64,
    /// Euler steps that take as long as one evaluation: an evaluation must replace more.
    pub break_even_steps: f64,
    /// Euler's step in milliseconds, that of the published comparisons.
    pub dt: f64,
    /// Euler steps that one evaluation stands for: of a step map, a step; of a map of many times, the time up to the
    /// last; none for another solution map.
    pub replaced_steps: Option<f64>,
    /// How many times faster the surrogate is than Euler with `dt`; below 1 it loses. None for a
    /// solution map, for which it depends on the time between samples.
    pub times_faster: Option<f64>,
    /// Milliseconds of Euler's solution that take as long as one evaluation.
    pub break_even_time: f64,
}

/// Measures `surrogate`, beside its cell model if that is known, on the rows of `inputs` (cells ×
/// inputs), repeated as often as needed.
///
/// # Errors
/// A surrogate that this machine cannot run.
pub fn measure(
    surrogate: &Arc<Surrogate>,
    counterpart: Option<&Counterpart>,
    inputs: &Array2<f64>,
) -> Result<Speed> {
    let rows = Array2::from_shape_fn((N_CELLS, inputs.ncols()), |(i, j)| inputs[[i % inputs.nrows(), j]]);
    let mut session = Session::new(Arc::clone(surrogate), &SessionOptions::default())?;
    let backend = session.backend_name().to_owned();
    let evaluations_per_second = N_CELLS as f64 / seconds_of_surrogate(&mut session, &rows)?;
    let euler = counterpart.map(|counterpart| -> Result<AgainstEuler> {
        let call = seconds_of_euler(counterpart, &rows)?;
        let steps_per_second = N_CELLS as f64 * EULER_STEPS as f64 / call;
        let break_even_steps = steps_per_second / evaluations_per_second;
        let replaced_steps = match surrogate.kind() {
            Kind::StepMap { dt } => Some(dt / EULER_DT),
            // All times in one evaluation.
            Kind::SolutionMap | Kind::Derivative => surrogate.times().last().map(|last| last / EULER_DT),
        };
        Ok(AgainstEuler {
            steps_per_second,
            break_even_steps,
            dt: EULER_DT,
            replaced_steps,
            times_faster: replaced_steps.map(|replaced| replaced / break_even_steps),
            break_even_time: break_even_steps * EULER_DT,
        })
    });
    Ok(Speed {
        processor: processor(),
        backend,
        cells: N_CELLS,
        optimized: !cfg!(debug_assertions),
        evaluations_per_second,
        euler: euler.transpose()?,
    })
}

fn seconds_of_surrogate(session: &mut Session, rows: &Array2<f64>) -> Result<f64> {
    let surrogate = Arc::clone(session.surrogate());
    let columns = |columns: &[usize]| structure_of_arrays(rows, columns);
    let layout = |n| Layout::structure_of_arrays(N_CELLS, n);
    match surrogate.kind() {
        Kind::SolutionMap | Kind::Derivative => {
            let all: Vec<usize> = (0..rows.ncols()).collect();
            let n_outputs = surrogate.outputs().len();
            let (inputs, mut outputs) = (columns(&all), vec![0.0_f32; N_CELLS * n_outputs]);
            fastest(|| {
                let to = ViewMut::new(&mut outputs, layout(n_outputs))?;
                session.evaluate(View::new(&inputs, layout(all.len()))?, to, None)
            })
        }
        Kind::StepMap { dt } => {
            let [states, stimuli, parameters] =
                [Role::State, Role::Stimulus, Role::Parameter].map(|role| surrogate.columns_of(role));
            let mut state = columns(&states);
            let (stimulus, parameter) = (columns(&stimuli), columns(&parameters));
            let view = |buffer, n| match n {
                0 => Ok(None),
                n => View::new::<f32>(buffer, layout(n)).map(Some),
            };
            fastest(|| {
                let mut cells = Cells::new(ViewMut::new(&mut state, layout(states.len()))?);
                cells.stimulus = view(&stimulus, stimuli.len())?;
                cells.parameters = view(&parameter, parameters.len())?.map(Into::into);
                // One step a call, as between the diffusion steps of a tissue.
                session.step(cells, dt, 1)
            })
        }
    }
}

fn seconds_of_euler(counterpart: &Counterpart, rows: &Array2<f64>) -> Result<f64> {
    let model = counterpart.model();
    let n_states = model.states().len();
    let mut state = vec![0.0_f32; N_CELLS * n_states];
    let mut stimulus = vec![0.0_f32; N_CELLS];
    for (i, row) in rows.rows().into_iter().enumerate() {
        let row = row.to_vec();
        for (j, value) in counterpart.initial_state(&row).into_iter().enumerate() {
            state[j * N_CELLS + i] = value as f32;
        }
        stimulus[i] = counterpart.stimulus(&row) as f32;
    }
    let solver = Euler::new(model, EULER_DT)?;
    fastest(|| {
        let layout = Layout::structure_of_arrays(N_CELLS, n_states);
        let per_cell = PerCell { stimulus: Some(View::array_of_structures(&stimulus, 1)?), parameters: None };
        solver.advance(&mut ViewMut::new(&mut state, layout)?, per_cell, EULER_STEPS)
    })
}

fn structure_of_arrays(rows: &Array2<f64>, columns: &[usize]) -> Vec<f32> {
    columns.iter().flat_map(|&column| rows.column(column).to_vec()).map(|x| x as f32).collect()
}

/// Seconds of one call, in the fastest trial.
fn fastest(mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    call()?;
    let mut best = f64::INFINITY;
    for _ in 0..N_TRIALS {
        let start = Instant::now();
        let mut calls = 0_u32;
        while start.elapsed() < TRIAL {
            call()?;
            calls += 1;
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(calls));
    }
    Ok(best)
}

fn processor() -> String {
    let described = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = described.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
