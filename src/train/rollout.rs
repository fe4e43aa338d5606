//! Validation of step maps: many steps in a row beside exact trajectories of other cells.

use ndarray::{Array2, Array3, ArrayView3, Axis};
use tch::Tensor;

use super::model::Model;
use crate::error::{Error, Result};

/// Cells with their exact trajectories, beside which a step map is rolled out.
///
/// A single step says little about thousands: errors of one step may cancel or add up.
#[derive(Debug)]
pub struct RolloutValidation {
    /// Cells × inputs, at the beginning.
    inputs: Array2<f64>,
    /// Cells × steps × states.
    states: Array3<f64>,
    /// Input column of each state.
    columns: Vec<usize>,
    /// What counts as an error of 1, for each state.
    units: Vec<f64>,
}

/// The same as tensors.
#[derive(Debug)]
pub(super) struct PreparedRollout {
    inputs: Tensor,
    columns: Tensor,
    units: Tensor,
    /// Cells × states after each step.
    states: Vec<Tensor>,
}

impl RolloutValidation {
    /// Cells that start with raw `inputs` (cells × inputs), whose columns `columns` hold the
    /// states, and go through `states` (cells × steps × states). Errors count in `units`, one a
    /// state; those beyond 1 count as 1, so that a cell that fires late does not hide all others.
    pub fn new(inputs: Array2<f64>, states: Array3<f64>, columns: Vec<usize>, units: Vec<f64>) -> Self {
        Self { inputs, states, columns, units }
    }

    pub(super) fn prepare(&self, model: &Model) -> Result<PreparedRollout> {
        let (n_cells, n_steps, n_states) = self.states.dim();
        let fits = self.inputs.dim() == (n_cells, model.n_inputs())
            && n_states == model.n_outputs()
            && self.columns.len() == n_states
            && self.columns.iter().all(|&column| column < model.n_inputs())
            && self.units.len() == n_states;
        if !fits || n_cells * n_steps == 0 {
            return Err(Error::invalid(format!(
                "inputs of shape {:?}, states of shape {:?} in columns {:?} for a model of {} inputs and {} outputs",
                self.inputs.dim(),
                self.states.dim(),
                self.columns,
                model.n_inputs(),
                model.n_outputs()
            ))
            .at("the validation by rollout"));
        }
        if self.units.iter().any(|unit| !(unit.is_finite() && *unit > 0.0)) {
            return Err(Error::invalid(format!("errors in units of {:?}", self.units))
                .at("the validation by rollout")
                .remedy("give a positive number for each state"));
        }
        let columns: Vec<i64> = self.columns.iter().map(|&column| column as i64).collect();
        let units = Array2::from_shape_vec((1, n_states), self.units.clone()).expect("one a state");
        let steps = ArrayView3::from(&self.states);
        Ok(PreparedRollout {
            inputs: model.tensor(self.inputs.view()),
            columns: Tensor::from_slice(&columns).to_device(model.network().device()),
            units: model.tensor(units.view()),
            states: steps.axis_iter(Axis(1)).map(|states| model.tensor(states)).collect(),
        })
    }
}

impl PreparedRollout {
    /// Mean over cells, steps and states of the error, at most 1.
    pub(super) fn error(&self, model: &Model) -> f64 {
        tch::no_grad(|| {
            let mut inputs = self.inputs.copy();
            let mut sum = Tensor::zeros_like(&self.units);
            for exact in &self.states {
                let given = model.forward(&inputs);
                let error = ((&given - exact) / &self.units).abs().nan_to_num(1.0, 1.0, 1.0).clamp_max(1.0);
                sum += error.mean_dim(0, true, error.kind());
                let _ = inputs.index_copy_(1, &self.columns, &given);
            }
            sum.mean(sum.kind()).double_value(&[]) / self.states.len() as f64
        })
    }
}
