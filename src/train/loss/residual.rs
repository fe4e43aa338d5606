//! The loss on the residual of a system of ODEs, by which physics-informed networks learn.

use ndarray::{Array2, Axis};
use tch::Tensor;

use super::batches::{Batches, points, rows_within};
use super::density::Density;
use super::{Adaptive, Loss};
use crate::error::{Error, Result};
use crate::train::criterion::Criterion;
use crate::train::model::Model;
use crate::train::random::Random;

/// Right-hand side of a system of ODEs on tensors.
pub trait Rates {
    /// Number of states.
    fn n_states(&self) -> usize;

    /// dx/dt `[n, n_states]` at `states` `[n, n_states]`; `inputs` are the model's raw inputs,
    /// among them the time and the parameters.
    fn rates(&self, inputs: &Tensor, states: &Tensor) -> Tensor;
}

/// Where the residual is taken.
#[derive(Clone, Debug)]
pub enum Collocation {
    /// At these raw inputs `[n, n_inputs]`.
    Points(Array2<f64>),
    /// At points drawn anew for every batch, uniformly from one range an input.
    Uniform(Vec<[f64; 2]>),
}

/// The distance of dx/dt − f(x) from zero, where x is the model and the time derivative is exact.
pub struct ResidualLoss<R> {
    name: String,
    criterion: Criterion,
    system: R,
    collocation: Collocation,
    time: usize,
    batch: usize,
    adaptive: Option<Adaptive>,
    seed: u64,
    /// The time's column and the window that is trained, where that is not all of the time.
    times: Option<(usize, [f64; 2])>,
    prepared: Option<Prepared>,
}

struct Prepared {
    /// The points, or those drawn for validation.
    fixed: Tensor,
    batches: Option<Batches>,
    shuffled: Option<(u64, Tensor)>,
    density: Option<Density>,
    /// What the density draws from, and the iteration for which it was made.
    pool: Option<(u64, Tensor)>,
}

/// Tells the pools of an adaptive density from the batches of an iteration.
const POOLS: u64 = 1 << 62;
/// Points drawn for validation, where none are given.
const N_VALIDATION: usize = 2048;

impl<R: Rates> ResidualLoss<R> {
    /// The mean squared residual of `system` at `collocation`; the time is input column 0.
    pub fn new(system: R, collocation: Collocation) -> Self {
        Self {
            name: "residual".into(),
            criterion: Criterion::Mse,
            system,
            collocation,
            time: 0,
            batch: 1024,
            adaptive: None,
            seed: 0,
            times: None,
            prepared: None,
        }
    }

    /// Another distance from zero than the mean square.
    #[must_use]
    pub fn criterion(mut self, criterion: Criterion) -> Self {
        self.criterion = criterion;
        self
    }

    /// The input column of the time; 0 if not called.
    #[must_use]
    pub fn time_column(mut self, column: usize) -> Self {
        self.time = column;
        self
    }

    /// Points of a batch; 1024 if not called.
    #[must_use]
    pub fn batch_size(mut self, points: usize) -> Self {
        self.batch = points;
        self
    }

    /// Draws points of large residual more often than others.
    #[must_use]
    pub fn adaptive(mut self, adaptive: Adaptive) -> Self {
        self.adaptive = Some(adaptive);
        self
    }

    /// The name in progress lines and files; `residual` if not called.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// dx/dt − f(x) `[n, n_states]` at raw `inputs` `[n, n_inputs]`, differentiable in the
    /// parameters.
    pub fn residual(&self, model: &Model, inputs: &Tensor) -> Tensor {
        let (time, n_inputs) = (self.time as i64, inputs.size()[1]);
        // A leaf of its own, so that the derivative is taken with respect to it alone.
        let t = inputs.narrow(1, time, 1).detach().set_requires_grad(true);
        let before = inputs.narrow(1, 0, time);
        let after = inputs.narrow(1, time + 1, n_inputs - time - 1);
        let inputs = Tensor::cat(&[&before, &t, &after], 1);
        let states = model.forward(&inputs);
        let derivatives: Vec<Tensor> = (0..self.system.n_states() as i64)
            .map(|i| {
                // Rows do not depend on each other: the derivative of the sum is that of each row.
                let sum = states.narrow(1, i, 1).sum(states.kind());
                // With a graph of its own, so that the loss can be differentiated again.
                Tensor::run_backward(&[sum], &[&t], true, true).remove(0)
            })
            .collect();
        Tensor::cat(&derivatives, 1) - self.system.rates(&inputs, &states)
    }

    fn evaluate(&self, model: &Model, inputs: &Tensor) -> Tensor {
        let residual = self.residual(model, inputs);
        self.criterion.evaluate(&residual, &residual.zeros_like())
    }

    fn draw(&self, model: &Model, number: u64, n: usize) -> Option<Tensor> {
        let Collocation::Uniform(ranges) = &self.collocation else { return None };
        let mut ranges = ranges.clone();
        if let Some((time, times)) = self.times {
            ranges[time] = times;
        }
        let values = points(&mut Random::new(self.seed, number), &ranges, n);
        let rows = Tensor::from_slice(&values).view([n as i64, ranges.len() as i64]);
        Some(rows.to_kind(model.network().kind()).to_device(model.network().device()))
    }

    /// The points of the batch of `iteration`.
    fn points(&mut self, model: &Model, iteration: u64) -> Tensor {
        if let Some(points) = self.by_density(model, iteration) {
            return points;
        }
        if let Some(points) = self.draw(model, iteration, self.batch) {
            return points;
        }
        let prepared = self.prepared.as_mut().expect("prepared before training");
        let batches = prepared.batches.as_ref().expect("batches of given points");
        if batches.is_whole() {
            return prepared.fixed.shallow_clone();
        }
        let (epoch, start) = batches.locate(iteration);
        if prepared.shuffled.as_ref().is_none_or(|(e, _)| *e != epoch) {
            let order = batches.order(epoch, model.network().device());
            prepared.shuffled = Some((epoch, prepared.fixed.index_select(0, &order)));
        }
        let (_, shuffled) = prepared.shuffled.as_ref().expect("shuffled above");
        shuffled.narrow(0, start, batches.size())
    }

    /// Points drawn by their residuals, if that is wanted and they are known.
    fn by_density(&mut self, model: &Model, iteration: u64) -> Option<Tensor> {
        let density = self.prepared.as_ref()?.density.as_ref()?;
        let is_due = density.is_due(iteration);
        let made_for = if is_due { iteration } else { density.measured() };
        if made_for == 0 {
            return None;
        }
        // A pool follows from the iteration it is made for: a resumed training makes the same again.
        let known = self.prepared.as_ref()?.pool.as_ref().is_some_and(|(made, _)| *made == made_for);
        if !known {
            let n = density.settings().pool;
            let drawn = self.draw(model, POOLS ^ made_for, n);
            let prepared = self.prepared.as_mut()?;
            let pool = drawn.unwrap_or_else(|| prepared.fixed.shallow_clone());
            prepared.pool = Some((made_for, pool));
        }
        let pool = self.prepared.as_ref()?.pool.as_ref()?.1.shallow_clone();
        let residuals = is_due.then(|| {
            let residual = tch::with_grad(|| self.residual(model, &pool)).detach();
            residual.abs().mean_dim(1, false, tch::Kind::Double)
        });
        let density = self.prepared.as_mut()?.density.as_mut()?;
        if let Some(residuals) = residuals {
            density.measure(&residuals, iteration);
        }
        Some(pool.index_select(0, &density.draw(self.batch, iteration, pool.device())?))
    }

    fn check(&self, model: &Model) -> Result<()> {
        if let Some(adaptive) = &self.adaptive {
            adaptive.check().map_err(|e| e.at(format!("loss \"{}\"", self.name)))?;
        }
        let n_columns = match &self.collocation {
            Collocation::Points(points) => points.ncols(),
            Collocation::Uniform(ranges) => ranges.len(),
        };
        let fault = if n_columns != model.n_inputs() {
            format!("collocation points of {n_columns} columns for a model of {} inputs", model.n_inputs())
        } else if self.system.n_states() != model.n_outputs() {
            format!("{} states for a model of {} outputs", self.system.n_states(), model.n_outputs())
        } else if self.time >= n_columns {
            format!("time in column {} of {n_columns}", self.time)
        } else if self.batch == 0 {
            "a batch of 0 points".to_owned()
        } else {
            match &self.collocation {
                Collocation::Points(p) if p.nrows() == 0 => "no collocation points".to_owned(),
                Collocation::Points(p) if p.iter().any(|x| !x.is_finite()) => {
                    "collocation points that are not finite".to_owned()
                }
                Collocation::Uniform(ranges)
                    if ranges.iter().any(|[low, high]| !(low <= high && (high - low).is_finite())) =>
                {
                    format!("collocation ranges {ranges:?}")
                }
                _ => {
                    return self
                        .criterion
                        .check_residual()
                        .map_err(|e| e.at(format!("loss \"{}\"", self.name)));
                }
            }
        };
        Err(Error::invalid(fault).at(format!("loss \"{}\"", self.name)))
    }
}

impl<R: Rates> Loss for ResidualLoss<R> {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepare(&mut self, model: &Model, seed: u64) -> Result<()> {
        self.check(model)?;
        self.seed = seed;
        self.times = model.trained_times();
        let (fixed, batches) = match &self.collocation {
            Collocation::Points(points) => {
                let within = match self.times {
                    None => points.clone(),
                    Some((time, times)) => {
                        let rows = rows_within(points, time, times);
                        let place = || format!("the points of loss \"{}\"", self.name);
                        points.select(Axis(0), &rows.map_err(|e| e.at(place()))?)
                    }
                };
                (model.tensor(within.view()), Some(Batches::new(within.nrows(), self.batch, seed)))
            }
            Collocation::Uniform(_) => {
                (self.draw(model, u64::MAX, N_VALIDATION).expect("uniform collocation"), None)
            }
        };
        let density = self.adaptive.map(|settings| Density::new(settings, seed));
        self.prepared = Some(Prepared { fixed, batches, shuffled: None, density, pool: None });
        Ok(())
    }

    fn on_batch(&mut self, model: &Model, iteration: u64) -> Tensor {
        let points = self.points(model, iteration);
        self.evaluate(model, &points)
    }

    fn residuals(&mut self, model: &Model, iteration: u64) -> Option<Tensor> {
        matches!(self.criterion, Criterion::Mse).then(|| {
            let points = self.points(model, iteration);
            self.residual(model, &points)
        })
    }

    fn is_fixed(&self) -> bool {
        let prepared = self.prepared.as_ref().expect("prepared before training");
        prepared.density.is_none() && prepared.batches.as_ref().is_some_and(Batches::is_whole)
    }

    fn state(&self) -> Option<Tensor> {
        self.prepared.as_ref()?.density.as_ref().map(Density::state)
    }

    fn restore(&mut self, state: &Tensor) -> Result<()> {
        let density = self.prepared.as_mut().and_then(|prepared| prepared.density.as_mut());
        density.map_or(Ok(()), |density| density.restore(state))
    }

    fn on_validation(&self, model: &Model) -> Option<Tensor> {
        let prepared = self.prepared.as_ref().expect("prepared before training");
        // The time derivative needs a graph even where the parameters do not.
        Some(tch::with_grad(|| self.evaluate(model, &prepared.fixed)).detach())
    }
}
