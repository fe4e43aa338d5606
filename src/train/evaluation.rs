//! How far a surrogate is from its cell model, on cells that training never saw.

use ndarray::{Array2, ArrayView1, s};
use serde::{Deserialize, Serialize};

use super::model::Model;
use super::task::Task;
use crate::dataset::{Sampling, SolverChoice};
use crate::error::{Error, Result};
use crate::surrogate::Kind;

/// Errors against one reference, in the units of the states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// Mean absolute error over states, samples and cells.
    pub mean_absolute: f64,
    /// Largest absolute error.
    pub maximum: f64,
    /// Relative L2 error of the first state over a cell's samples: mean over cells.
    pub relative_l2_mean: f64,
    /// The same: 99th percentile over cells.
    pub relative_l2_p99: f64,
    /// Share of cells that fire early only in the surrogate, or only in the reference.
    pub excitation_wrong: f64,
    /// Share of cells that stay within 0.05 of the reference in every state at all samples.
    #[serde(default)]
    pub always_within: f64,
}

/// Errors of a surrogate on fresh cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Cells drawn uniformly in the domain of evaluation.
    pub cells: usize,
    /// Seed they were drawn with.
    pub seed: u64,
    /// Milliseconds evaluated or rolled out.
    pub horizon: f64,
    /// Samples of a cell, evenly spread over the horizon or at the times of the outputs.
    pub samples: usize,
    /// Share of cells that fire early in the exact solution.
    pub excited: f64,
    /// Against the exact solution.
    pub exact: Errors,
    /// Against forward Euler with [`EULER_DT`], the data of the published results.
    pub euler: Errors,
}

/// Step of the forward Euler solution, in milliseconds.
pub const EULER_DT: f64 = 0.01;
/// The error, in units of each state, within which [`Errors::always_within`] counts cells.
const WITHIN: f64 = 0.05;
/// A cell fires when its first state exceeds this …
const FIRED_ABOVE: f64 = 0.6;
/// … within this time, in milliseconds. Later all cells of problem C have fired.
const FIRED_WITHIN: [f64; 2] = [1.0, 6.0];

/// Which cells are evaluated.
#[derive(Clone, Debug)]
pub struct Cells {
    /// Number of cells.
    pub cells: usize,
    /// Seed to draw them with; another than training's.
    pub seed: u64,
    /// Milliseconds evaluated or rolled out.
    pub horizon: f64,
    /// Milliseconds between samples: a multiple of a step map's step.
    pub every: f64,
    /// Ranges of the inputs; a solution map's time has the range 0 … 0 here, the step of a map that
    /// reads it one length.
    pub ranges: Vec<[f64; 2]>,
    /// Threads of the reference solver.
    pub n_threads: usize,
}

/// Evaluates `model` on fresh cells: a solution map at the sample times (or its outputs' own), a step map rolled out.
///
/// # Errors
/// Samples that are no multiple of a step, or an integration that fails.
pub fn evaluate(model: &Model, task: &Task, cells: &Cells) -> Result<Evaluation> {
    let times: Vec<f64> = match task.times() {
        [] => (1..=(cells.horizon / cells.every).round() as usize).map(|i| cells.every * i as f64).collect(),
        own => own.to_vec(),
    };
    let n_samples = times.len();
    if n_samples == 0 || cells.cells == 0 {
        return Err(
            Error::invalid("an evaluation of no samples").remedy("evaluate at least one cell and sample")
        );
    }
    let drawn = Sampling::Uniform.sample(&cells.ranges, cells.cells, cells.seed)?;
    let given = match task.kind() {
        Kind::SolutionMap if !task.times().is_empty() => model.predict(drawn.view()),
        Kind::SolutionMap | Kind::Derivative => at_times(model, drawn.clone(), &times),
        Kind::StepMap { dt } => {
            // A map that reads its step is evaluated at one length.
            let dt = task.step_column().map_or(dt, |column| cells.ranges[column][0]);
            rolled_out(model, drawn.clone(), cells.every, dt, n_samples)?
        }
    };
    let solved = |solver| -> Result<Samples> {
        let states = task.solve(drawn.view(), &times, solver, cells.n_threads)?;
        Ok(states.into_shape_with_order(given.dim()).expect("as many numbers"))
    };
    let exact = solved(SolverChoice::Reference)?;
    let euler = solved(SolverChoice::Euler { dt: EULER_DT })?;
    let excited = (0..cells.cells).filter(|&i| fires(exact.row(i).as_slice(), &times)).count();
    Ok(Evaluation {
        cells: cells.cells,
        seed: cells.seed,
        horizon: cells.horizon,
        samples: n_samples,
        excited: excited as f64 / cells.cells as f64,
        exact: errors(&given, &exact, &times),
        euler: errors(&given, &euler, &times),
    })
}

/// One row a cell; a row holds the states of one sample after the other.
type Samples = Array2<f64>;

fn at_times(model: &Model, mut inputs: Array2<f64>, times: &[f64]) -> Samples {
    let n_states = model.n_outputs();
    let mut samples = Array2::zeros((inputs.nrows(), times.len() * n_states));
    for (k, &time) in times.iter().enumerate() {
        inputs.column_mut(0).fill(time);
        samples.slice_mut(s![.., k * n_states..(k + 1) * n_states]).assign(&model.predict(inputs.view()));
    }
    samples
}

fn rolled_out(
    model: &Model,
    mut inputs: Array2<f64>,
    every: f64,
    dt: f64,
    n_samples: usize,
) -> Result<Samples> {
    let n_states = model.n_outputs();
    let steps = (every / dt).round();
    if steps < 1.0 || (steps * dt - every).abs() > 1e-9 * every {
        return Err(Error::invalid(format!("samples each {every} ms of a step of {dt} ms"))
            .remedy("evaluate at multiples of the step"));
    }
    let mut samples = Array2::zeros((inputs.nrows(), n_samples * n_states));
    for k in 0..n_samples {
        for _ in 0..steps as usize {
            let next = model.predict(inputs.view());
            inputs.slice_mut(s![.., ..n_states]).assign(&next);
        }
        let states = inputs.slice(s![.., ..n_states]);
        samples.slice_mut(s![.., k * n_states..(k + 1) * n_states]).assign(&states);
    }
    Ok(samples)
}

fn errors(given: &Samples, expected: &Samples, times: &[f64]) -> Errors {
    let n_cells = given.nrows();
    let n_states = given.ncols() / times.len();
    let differences = given - expected;
    let mut relative: Vec<f64> = (0..n_cells)
        .map(|i| {
            let norm = |row: ArrayView1<f64>| row.iter().step_by(n_states).map(|x| x * x).sum::<f64>().sqrt();
            norm(differences.row(i)) / norm(expected.row(i)).max(f64::MIN_POSITIVE)
        })
        .collect();
    relative.sort_by(f64::total_cmp);
    let wrong = (0..n_cells)
        .filter(|&i| fires(given.row(i).as_slice(), times) != fires(expected.row(i).as_slice(), times))
        .count();
    Errors {
        mean_absolute: differences.mapv(f64::abs).mean().unwrap_or(f64::NAN),
        maximum: differences.iter().fold(0.0, |m, d| if d.is_nan() { *d } else { d.abs().max(m) }),
        relative_l2_mean: relative.iter().sum::<f64>() / n_cells as f64,
        relative_l2_p99: relative[((n_cells - 1) as f64 * 0.99).ceil() as usize],
        excitation_wrong: wrong as f64 / n_cells as f64,
        always_within: differences
            .rows()
            .into_iter()
            .filter(|row| row.iter().all(|d| d.abs() <= WITHIN))
            .count() as f64
            / n_cells as f64,
    }
}

/// True when the first state of a row of samples exceeds the mark within the time given.
fn fires(row: Option<&[f64]>, times: &[f64]) -> bool {
    let row = row.expect("rows of samples are contiguous");
    let n_states = row.len() / times.len();
    let within = |t: f64| t > FIRED_WITHIN[0] && t <= FIRED_WITHIN[1];
    times.iter().enumerate().any(|(k, &t)| within(t) && row[k * n_states] > FIRED_ABOVE)
}
