//! The loss on initial conditions: a solution map at t = 0 gives the initial state.

use ndarray::Array2;
use tch::Tensor;

use super::{DataLoss, Loss};
use crate::error::Result;
use crate::train::criterion::Criterion;
use crate::train::model::Model;

/// The distance of a model's outputs at the initial time from the initial states.
///
/// Models of [`Form::Solution`](crate::train::Form::Solution) meet it by construction and do not
/// need it.
#[derive(Debug)]
pub struct InitialConditionLoss {
    rows: DataLoss,
}

impl InitialConditionLoss {
    /// The loss on raw `inputs` at the initial time and the `states` there.
    pub fn new(criterion: Criterion, inputs: Array2<f64>, states: Array2<f64>) -> Self {
        // Every row is a condition to be met: none is held out.
        let rows = DataLoss::new(criterion, inputs, states).validation_fraction(0.0);
        Self { rows: rows.named("initial condition") }
    }

    /// Rows of a batch; 1024 if not called.
    #[must_use]
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.rows = self.rows.batch_size(rows);
        self
    }

    /// The name in progress lines and files; `initial condition` if not called.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.rows = self.rows.named(name);
        self
    }
}

impl Loss for InitialConditionLoss {
    fn name(&self) -> &str {
        self.rows.name()
    }

    fn prepare(&mut self, model: &Model, seed: u64) -> Result<()> {
        self.rows.prepare(model, seed)
    }

    fn on_batch(&mut self, model: &Model, iteration: u64) -> Tensor {
        self.rows.on_batch(model, iteration)
    }

    fn residuals(&mut self, model: &Model, iteration: u64) -> Option<Tensor> {
        self.rows.residuals(model, iteration)
    }

    fn is_fixed(&self) -> bool {
        self.rows.is_fixed()
    }

    fn on_validation(&self, model: &Model) -> Option<Tensor> {
        self.rows.on_validation(model)
    }
}
