//! Cells of a training that start near a threshold.

use ndarray::{Array2, Axis, concatenate, s};

use super::task::Task;
use crate::dataset::threshold::between_parting_neighbours;
use crate::error::Result;

/// Each round looks closer at the threshold than the one before.
const ROUNDS: usize = 3;
/// Tells the seeds of rounds from the others of a training.
const SEED: u64 = 0x7468_7265_7368_0000;

impl Task {
    /// [`Self::trajectories`] of a solution map with `n` more cells, which start between neighbours whose solutions part.
    ///
    /// # Errors
    /// An integration that fails.
    pub(super) fn with_starts_near_threshold(
        &self,
        (mut inputs, mut outputs): (Array2<f64>, Array2<f64>),
        n: usize,
        n_times: usize,
        seed: u64,
        n_threads: usize,
    ) -> Result<(Array2<f64>, Array2<f64>)> {
        // A row a cell, or one for each of its times.
        let rows = if self.times().is_empty() { n_times } else { 1 };
        let (ranges, width) = (self.ranges(), outputs.ncols());
        for round in 0..ROUNDS {
            let n_new = n / ROUNDS + usize::from(round < n % ROUNDS);
            if n_new == 0 {
                continue;
            }
            let mut starts = inputs.slice(s![..;rows, ..]).to_owned();
            if let Some(time) = self.time_column() {
                starts.column_mut(time).fill(0.0);
            }
            let shape = (starts.nrows(), rows * width);
            let solutions = outputs.to_shape(shape).expect("as many rows for each cell");
            let seed = seed ^ SEED ^ round as u64;
            let new = between_parting_neighbours(starts.view(), solutions.view(), &ranges, n_new, seed)?;
            let (new_inputs, new_outputs) = self.trajectories_from(new, n_times, n_threads)?;
            let joined = |a: &Array2<f64>, b: &Array2<f64>| {
                concatenate(Axis(0), &[a.view(), b.view()]).expect("as many columns")
            };
            drop(solutions);
            (inputs, outputs) = (joined(&inputs, &new_inputs), joined(&outputs, &new_outputs));
        }
        Ok((inputs, outputs))
    }
}
