//! Asking a cell model: what single steps do to states that were chosen for the question.

use crate::error::{Error, Result};
use crate::harvest::{self, Recording, Visited};
use crate::step_function::StepFunction;
use crate::structure::{self, State, StateIndex};

/// Cells of one question; more would only cost memory.
const BATCH: usize = 16_384;

/// A cell model that answers questions about one step of `dt`.
pub struct Asker<'a> {
    model: &'a mut dyn StepFunction,
    dt: f64,
}

impl<'a> Asker<'a> {
    pub fn new(model: &'a mut dyn StepFunction, dt: f64) -> Self {
        Self { model, dt }
    }

    pub fn n_states(&self) -> usize {
        self.model.n_states()
    }

    pub fn initial_state(&self) -> &[f64] {
        self.model.initial_state()
    }

    /// States that the model visits when it is driven so.
    pub fn visit(&mut self, options: &harvest::Options) -> Result<Visited> {
        harvest::harvest(self.model, options)
    }

    /// What the model's potential does when it is driven so.
    pub fn record(&mut self, options: &harvest::Options) -> Result<Vec<Recording>> {
        harvest::record(self.model, None, options)
    }

    /// What the model does with its potential clamped to that of `cells`, which are driven so.
    pub fn clamped(
        &mut self,
        cells: &mut dyn StepFunction,
        options: &harvest::Options,
    ) -> Result<Vec<Recording>> {
        harvest::record(cells, Some(self.model), options)
    }

    /// The states after one step, cell after cell; `stimulus` has one number a cell.
    pub fn next(&mut self, cells: &[f64], stimulus: &[f64]) -> Result<Vec<f64>> {
        let mut states = cells.to_vec();
        let n = self.n_states();
        for (cells, stimulus) in states.chunks_mut(BATCH * n).zip(stimulus.chunks(BATCH)) {
            self.model.step(cells, stimulus, self.dt, 1)?;
        }
        Ok(states)
    }

    /// As [`Self::next_unstimulated`] of cells that give the states in `after` by their values after the step; of those, and of what
    /// is updated before them, the answers mean nothing.
    pub fn next_from_after(
        &mut self,
        cells: &[f64],
        states: &[State],
        after: &[StateIndex],
    ) -> Result<Vec<f64>> {
        if after.is_empty() {
            return self.next_unstimulated(cells);
        }
        let mut model = structure::after(self.model, states, after);
        Asker { model: &mut model, dt: self.dt }.next_unstimulated(cells)
    }

    /// The states after one step without stimulus.
    pub fn next_unstimulated(&mut self, cells: &[f64]) -> Result<Vec<f64>> {
        let n_cells = cells.len() / self.n_states();
        self.next(cells, &vec![0.0; n_cells])
    }
}

/// Solves `matrix`·x = b for several right-hand sides by Gaussian elimination; `matrix` is n×n and `right` n×m, row by row.
pub fn solve(matrix: &[f64], right: &[f64], n: usize) -> Result<Vec<f64>> {
    let m = right.len() / n;
    let (mut a, mut b) = (matrix.to_vec(), right.to_vec());
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs())).unwrap_or(k);
        // Zero, or NaN.
        if a[pivot * n + k].abs().partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
            return Err(Error::numeric("a system of equations without a solution"));
        }
        for j in 0..n {
            a.swap(k * n + j, pivot * n + j);
        }
        for j in 0..m {
            b.swap(k * m + j, pivot * m + j);
        }
        for i in (0..n).filter(|&i| i != k) {
            let factor = a[i * n + k] / a[k * n + k];
            if factor != 0.0 {
                (0..n).for_each(|j| a[i * n + j] -= factor * a[k * n + j]);
                (0..m).for_each(|j| b[i * m + j] -= factor * b[k * m + j]);
            }
        }
    }
    for i in 0..n {
        (0..m).for_each(|j| b[i * m + j] /= a[i * n + i]);
    }
    Ok(b)
}
