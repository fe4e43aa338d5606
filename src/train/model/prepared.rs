//! Training data made ready: whatever does not depend on the parameters is computed once.

use ndarray::{Array2, ArrayView2};
use tch::Tensor;

use super::{Form, Model, Stage};
use crate::error::{Error, Result};

/// Rows of training data; see [`Model::prepare`].
#[derive(Debug)]
pub(crate) struct Prepared {
    pub features: Tensor,
    pub gains: Option<Tensor>,
    pub targets: Tensor,
    /// Targets as they are in the data, where they are what predictions are compared with.
    pub raw_targets: Option<Tensor>,
}

impl Prepared {
    pub fn n_rows(&self) -> i64 {
        self.targets.size()[0]
    }

    /// The same rows in the order of `index`.
    pub fn select(&self, index: &Tensor) -> Self {
        self.map(|t| t.index_select(0, index))
    }

    /// `length` rows from `start` on, sharing memory.
    pub fn rows(&self, start: i64, length: i64) -> Self {
        self.map(|t| t.narrow(0, start, length))
    }

    fn map(&self, f: impl Fn(&Tensor) -> Tensor) -> Self {
        Self {
            features: f(&self.features),
            gains: self.gains.as_ref().map(&f),
            targets: f(&self.targets),
            raw_targets: self.raw_targets.as_ref().map(&f),
        }
    }
}

impl Model {
    /// Features, gains and targets such that the training error in scaled outputs is
    /// gain·network(features) − target; everything that does not depend on the parameters is
    /// done here once, in double precision.
    pub(crate) fn prepare(&self, inputs: ArrayView2<f64>, targets: ArrayView2<f64>) -> Result<Prepared> {
        let (n, n_inputs, n_outputs) = (inputs.nrows(), self.n_inputs(), self.n_outputs());
        if inputs.ncols() != n_inputs || targets.ncols() != n_outputs || targets.nrows() != n || n == 0 {
            return Err(Error::invalid(format!(
                "inputs of shape {:?} and targets of shape {:?} for a model of {n_inputs} inputs and \
                 {n_outputs} outputs",
                inputs.dim(),
                targets.dim()
            )));
        }
        if inputs.iter().chain(targets.iter()).any(|x| !x.is_finite()) {
            return Err(Error::numeric("training data that is not finite").remedy("remove those rows"));
        }
        if let Some(windows) = &self.windows {
            return Ok(self.prepare_windows(windows, inputs, targets));
        }
        if let Some((n_states, stage)) = self.body.repeated(&self.network) {
            return Ok(self.prepare_stages(n_states, stage, inputs, targets));
        }
        let states = self.form.states();
        let mut features = Array2::zeros((n, n_inputs + self.time_constants.len()));
        let mut gains = Array2::ones((n, 1));
        let mut scaled_targets = Array2::zeros((n, n_outputs));
        for i in 0..n {
            for j in 0..n_inputs {
                features[[i, j]] = (inputs[[i, j]] - self.inputs.shift()[j]) / self.inputs.scale()[j];
            }
            for (j, tau) in self.time_constants.iter().enumerate() {
                features[[i, n_inputs + j]] = 1.0 - 2.0 * (-inputs[[i, self.time]] / tau).exp();
            }
            let gain = match &self.form {
                Form::Solution { time, relaxation, .. } => -(-inputs[[i, *time]] / relaxation).exp_m1(),
                Form::Direct | Form::Step { .. } => 1.0,
            };
            gains[[i, 0]] = gain;
            for j in 0..n_outputs {
                let state = states.as_ref().map_or(0.0, |s| s[j].of(inputs.row(i)));
                let change = targets[[i, j]] - state - gain * self.outputs.shift()[j];
                scaled_targets[[i, j]] = change / self.outputs.scale()[j];
            }
        }
        let gained = matches!(self.form, Form::Solution { .. });
        Ok(Prepared {
            features: self.tensor(features.view()),
            gains: gained.then(|| self.tensor(gains.view())),
            targets: self.tensor(scaled_targets.view()),
            raw_targets: None,
        })
    }

    /// One row for each stage of each cell, from the exact state at its start.
    fn prepare_stages(
        &self,
        n_states: usize,
        stage: &Stage,
        inputs: ArrayView2<f64>,
        targets: ArrayView2<f64>,
    ) -> Prepared {
        let n_stages = self.n_outputs() / n_states;
        let n = inputs.nrows() * n_stages;
        let before = |row: usize, j: usize| match (row / n_stages, row % n_stages) {
            (cell, k) if k > 0 && j < n_states => targets[[cell, (k - 1) * n_states + j]],
            (cell, _) => inputs[[cell, j]],
        };
        let features = Array2::from_shape_fn((n, inputs.ncols()), |(row, j)| {
            (before(row, j) - stage.inputs.shift()[j]) / stage.inputs.scale()[j]
        });
        let changes = Array2::from_shape_fn((n, n_states), |(row, j)| {
            let after = targets[[row / n_stages, row % n_stages * n_states + j]];
            (after - before(row, j) - stage.outputs.shift()[j]) / stage.outputs.scale()[j]
        });
        let (features, targets) = (self.tensor(features.view()), self.tensor(changes.view()));
        Prepared { features, gains: None, targets, raw_targets: None }
    }

    /// Predictions and targets to compare: as they are in the data where the rows have such targets, else scaled.
    pub(crate) fn compare_prepared(&self, prepared: &Prepared) -> (Tensor, Tensor) {
        let (prediction, target) = (self.predict_prepared(prepared), &prepared.targets);
        match &prepared.raw_targets {
            None => (prediction, target.shallow_clone()),
            Some(raw) => {
                (raw.addcmul(&(prediction - target), &self.tensors.output_scale), raw.shallow_clone())
            }
        }
    }

    /// Scaled predictions for prepared features, to compare with prepared targets.
    pub(crate) fn predict_prepared(&self, prepared: &Prepared) -> Tensor {
        if let Some(windows) = &self.windows {
            return self.predict_windows(windows, prepared);
        }
        let y = match self.body.repeated(&self.network) {
            Some(_) => self.network.parts()[0].forward(&prepared.features),
            None => self.numbers(&prepared.features),
        };
        match &prepared.gains {
            Some(gains) => y * gains,
            None => y,
        }
    }
}
