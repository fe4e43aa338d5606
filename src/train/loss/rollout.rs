//! The loss on several steps in a row: a step map's outputs are its next inputs.

use ndarray::{Array2, ArrayView2, s};
use tch::Tensor;

use super::Loss;
use super::batches::Batches;
use super::windows::{spread, starts};
use crate::error::{Error, Result};
use crate::train::criterion::Criterion;
use crate::train::model::Model;
use crate::train::random::Random;

/// Tells the noise's random numbers from those of the batches' order.
const NOISE_SEED: u64 = 0x6e6f_6973_6500_0001;
/// Part of the rows that is held out where no others are given.
const HELD_OUT: f64 = 0.1;
/// Trajectories that validation follows at most: it must not cost more than the training between.
const MAX_VALIDATED: usize = 4096;

/// The mean distance of a step map's states from a trajectory's over steps in a row, each from the
/// state that the model gave before, in units of the model's output scaling.
///
/// Gradients go back through all steps. The number of steps grows in the course of training, so
/// that a network learns single steps before it learns what they add up to.
#[derive(Debug)]
pub struct RolloutLoss {
    name: String,
    criterion: Criterion,
    inputs: Array2<f64>,
    targets: Array2<f64>,
    held_out: Option<(Array2<f64>, Array2<f64>)>,
    states: Vec<usize>,
    horizon: usize,
    grow_until: f64,
    noise: f64,
    batch: usize,
    fraction: f64,
    noise_seed: u64,
    prepared: Option<Prepared>,
}

#[derive(Debug)]
struct Prepared {
    training: Trajectories,
    validation: Trajectories,
    batches: Batches,
    /// First rows in the order of an epoch.
    shuffled: Option<(u64, Tensor)>,
    /// Input columns of the states.
    states: Tensor,
    /// Standard deviation of the noise of each state.
    noise: Tensor,
    scale: Tensor,
}

/// Rows of steps, and those from which `horizon` steps can be followed.
#[derive(Debug)]
struct Trajectories {
    inputs: Tensor,
    targets: Tensor,
    /// (target − state) / scale.
    changes: Tensor,
    starts: Tensor,
}

impl RolloutLoss {
    /// The loss over up to `horizon` steps on raw `inputs` `[n, n_inputs]`, whose columns `states`
    /// hold the state, and raw `targets` `[n, n_outputs]`, the states one step later.
    ///
    /// A row whose states are the targets of the row before continues its trajectory; other
    /// inputs, a stimulus for example, may change on the way. The last tenth of the rows is held
    /// out for validation.
    pub fn new(
        criterion: Criterion,
        inputs: Array2<f64>,
        targets: Array2<f64>,
        states: &[usize],
        horizon: usize,
    ) -> Self {
        Self {
            name: "rollout".into(),
            criterion,
            inputs,
            targets,
            held_out: None,
            states: states.to_vec(),
            horizon,
            grow_until: 0.5,
            noise: 0.0,
            batch: 1024,
            fraction: 0.0,
            noise_seed: 0,
            prepared: None,
        }
    }

    /// Part of the training after which all steps are taken, 0.5 if not called; steps grow evenly
    /// from one until then.
    #[must_use]
    pub fn grow_until(mut self, fraction: f64) -> Self {
        self.grow_until = fraction;
        self
    }

    /// Disturbs the first state of each trajectory by normal noise of this part of the states'
    /// standard deviation, while the targets stay: the map learns to come back.
    #[must_use]
    pub fn noise(mut self, part: f64) -> Self {
        self.noise = part;
        self
    }

    /// Trajectories of a batch; 1024 if not called.
    #[must_use]
    pub fn batch_size(mut self, trajectories: usize) -> Self {
        self.batch = trajectories;
        self
    }

    /// The name in progress lines and files; `rollout` if not called.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Validates on these rows instead.
    #[must_use]
    pub fn validation_data(mut self, inputs: Array2<f64>, targets: Array2<f64>) -> Self {
        self.held_out = Some((inputs, targets));
        self
    }

    /// Steps at the present part of the training.
    fn steps(&self) -> usize {
        let grown = if self.grow_until > 0.0 { (self.fraction / self.grow_until).min(1.0) } else { 1.0 };
        1 + ((self.horizon - 1) as f64 * grown) as usize
    }

    fn check(&self, model: &Model) -> Result<()> {
        self.criterion.check_columns(model.n_outputs())?;
        let fault = if self.batch == 0 || self.horizon == 0 {
            format!("a batch of {} trajectories of {} steps", self.batch, self.horizon)
        } else if !(0.0..=1.0).contains(&self.grow_until) {
            format!("steps that grow until {} of the training", self.grow_until)
        } else if !(self.noise.is_finite() && self.noise >= 0.0) {
            format!("noise of {} of the states' spread", self.noise)
        } else if self.states.len() != model.n_outputs()
            || self.states.iter().any(|&column| column >= model.n_inputs())
        {
            format!(
                "states in columns {:?} for a model of {} inputs and {} outputs",
                self.states,
                model.n_inputs(),
                model.n_outputs()
            )
        } else {
            return Ok(());
        };
        Err(Error::invalid(fault).at(format!("loss \"{}\"", self.name)))
    }

    fn trajectories(
        &self,
        model: &Model,
        inputs: ArrayView2<f64>,
        targets: ArrayView2<f64>,
    ) -> Result<Trajectories> {
        let place = || format!("the trajectories of loss \"{}\"", self.name);
        // Compares shapes and rejects what is not finite.
        model.prepare(inputs, targets).map_err(|e| e.at(place()))?;
        let starts = starts(inputs, targets, &self.states, self.horizon);
        if starts.is_empty() {
            return Err(Error::invalid(format!(
                "no {} consecutive steps in {} rows",
                self.horizon,
                inputs.nrows()
            ))
            .at(place())
            .remedy("give longer trajectories (data.along), their rows in order, or a shorter horizon"));
        }
        let mut changes = &targets - &inputs.select(ndarray::Axis(1), &self.states);
        for (mut column, scale) in changes.columns_mut().into_iter().zip(model.output_scaling().scale()) {
            column /= *scale;
        }
        Ok(Trajectories {
            inputs: model.tensor(inputs),
            targets: model.tensor(targets),
            changes: model.tensor(changes.view()),
            starts: Tensor::from_slice(&starts).to_device(model.network().device()),
        })
    }

    /// The mean over `steps` steps from the rows `first`, whose states are disturbed by `noise`.
    fn evaluate(
        &self,
        model: &Model,
        rows: &Trajectories,
        first: &Tensor,
        steps: usize,
        noise: Option<Tensor>,
    ) -> Tensor {
        let Prepared { states, scale, .. } = self.prepared.as_ref().expect("prepared before training");
        let mut state = noise.map(|noise| rows.inputs.index_select(0, first).index_select(1, states) + noise);
        let mut sum: Option<Tensor> = None;
        for step in 0..steps {
            let index = first + step as i64;
            let mut inputs = rows.inputs.index_select(0, &index);
            if let Some(state) = &state {
                inputs = inputs.index_copy(1, states, state);
            }
            let next = model.unbounded(&inputs);
            let target = rows.changes.index_select(0, &index);
            let raw = rows.targets.index_select(0, &index);
            let term = if self.criterion.compares_raw() {
                self.criterion.evaluate(&next, &raw)
            } else {
                self.criterion.evaluate(&((&next - raw) / scale + &target), &target)
            };
            sum = Some(sum.map_or_else(|| term.shallow_clone(), |sum| sum + &term));
            state = Some(model.within_bounds(next));
        }
        sum.expect("at least one step") / steps as f64
    }
}

impl Loss for RolloutLoss {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepare(&mut self, model: &Model, seed: u64) -> Result<()> {
        self.check(model)?;
        let n_kept = ((1.0 - HELD_OUT) * self.inputs.nrows() as f64).ceil() as usize;
        let (training, validation) = match &self.held_out {
            Some((inputs, targets)) => (
                self.trajectories(model, self.inputs.view(), self.targets.view())?,
                self.trajectories(model, inputs.view(), targets.view())?,
            ),
            None => {
                let part = |rows: &Array2<f64>, from, to| rows.slice(s![from..to, ..]).to_owned();
                let rows = |from: usize, to: usize| {
                    let to = to.min(self.targets.nrows());
                    let (x, y) = (part(&self.inputs, from, to), part(&self.targets, from, to));
                    self.trajectories(model, x.view(), y.view())
                };
                (rows(0, n_kept)?, rows(n_kept, self.inputs.nrows())?)
            }
        };
        let columns: Vec<i64> = self.states.iter().map(|&column| column as i64).collect();
        let options = (model.network().kind(), model.network().device());
        let row =
            |values: &[f64]| Tensor::from_slice(values).to_kind(options.0).to_device(options.1).unsqueeze(0);
        let noise: Vec<f64> = spread(&self.inputs, &self.states).iter().map(|s| s * self.noise).collect();
        self.noise_seed = seed ^ NOISE_SEED;
        self.prepared = Some(Prepared {
            batches: Batches::new(training.starts.size()[0] as usize, self.batch, seed),
            training,
            validation,
            shuffled: None,
            states: Tensor::from_slice(&columns).to_device(options.1),
            noise: row(&noise),
            scale: row(model.output_scaling().scale()),
        });
        Ok(())
    }

    fn on_progress(&mut self, fraction: f64) {
        self.fraction = fraction;
    }

    fn on_batch(&mut self, model: &Model, iteration: u64) -> Tensor {
        let prepared = self.prepared.as_mut().expect("prepared before training");
        let (epoch, start) = prepared.batches.locate(iteration);
        if prepared.shuffled.as_ref().is_none_or(|(e, _)| *e != epoch) {
            let order = prepared.batches.order(epoch, model.network().device());
            prepared.shuffled = Some((epoch, prepared.training.starts.index_select(0, &order)));
        }
        let (_, shuffled) = prepared.shuffled.as_ref().expect("shuffled above");
        let first = shuffled.narrow(0, start, prepared.batches.size());
        let noise = (self.noise > 0.0).then(|| {
            let size = [first.size()[0], self.states.len() as i64];
            let numbers = Random::new(self.noise_seed, iteration).normal((size[0] * size[1]) as usize);
            let numbers = Tensor::from_slice(&numbers).view(size);
            numbers.to_kind(prepared.noise.kind()).to_device(prepared.noise.device()) * &prepared.noise
        });
        let prepared = self.prepared.as_ref().expect("prepared before training");
        self.evaluate(model, &prepared.training, &first, self.steps(), noise)
    }

    fn on_validation(&self, model: &Model) -> Option<Tensor> {
        let prepared = self.prepared.as_ref().expect("prepared before training");
        let rows = &prepared.validation;
        let every = (rows.starts.size()[0] as usize).div_ceil(MAX_VALIDATED) as i64;
        let first = rows.starts.slice(0, None, None, every);
        Some(self.evaluate(model, rows, &first, self.horizon, None))
    }
}
