//! The terms of the sum that a recipe minimises.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::data::Rows;
use super::{MethodName, Placement, Recipe};
use crate::dataset::Sampling;
use crate::error::Result;
use crate::surrogate::Kind;
use crate::train::{
    Adaptive, CellModelRates, Collocation, Criterion, DataLoss, InitialConditionLoss, ResidualLoss, Task,
    Trainer,
};

/// A term of the sum.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LossSection {
    /// Data, residual or initial condition.
    pub kind: LossName,
    /// Name in `losses.csv`.
    pub name: Option<String>,
    /// Factor in the sum.
    #[serde(default = "one")]
    pub weight: f64,
    /// Distance, a name that [`Criterion::from_name`](crate::train::Criterion::from_name) knows; `mse` if not given.
    pub criterion: Option<String>,
    /// The exponent of the criterion `lp`.
    pub p: Option<f64>,
    /// Where Huber's parabola becomes a line, in units of the scaled outputs.
    pub delta: Option<f64>,
    /// Rows or points of a batch.
    pub batch: Option<usize>,
    /// Looks more often at rows or points of large error.
    pub adaptive: Option<AdaptiveSection>,
    /// Fixed collocation points (in each window); new ones for every batch if not given.
    pub points: Option<usize>,
    /// How fixed collocation points lie in time.
    pub placement: Option<Placement>,
    /// Steps in a row of a rollout loss.
    pub horizon: Option<usize>,
    /// Part of the training until which a rollout's steps grow from one; 0.5 if not given.
    pub grow_until: Option<f64>,
    /// Noise on a rollout's first state, as a part of the states' standard deviation; 0 if not given.
    pub noise: Option<f64>,
}

fn one() -> f64 {
    1.0
}

/// Numbers of [`Adaptive`](crate::train::Adaptive).
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveSection {
    /// Iterations between measurements of the errors.
    pub every: Option<u64>,
    /// Power of the error in a point's weight.
    pub exponent: Option<f64>,
    /// Weight that every point has besides, relative to the mean of the errors' part.
    pub floor: Option<f64>,
    /// Collocation points that are drawn for each measurement.
    pub pool: Option<usize>,
}

/// Kinds of losses.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LossName {
    /// [`DataLoss`](crate::train::DataLoss)
    Data,
    /// [`ResidualLoss`](crate::train::ResidualLoss)
    Residual,
    /// [`InitialConditionLoss`](crate::train::InitialConditionLoss)
    InitialCondition,
    /// [`RolloutLoss`](crate::train::RolloutLoss)
    Rollout,
}

impl LossSection {
    /// Name in `losses.csv`.
    pub(super) fn name(&self) -> &str {
        let default = match self.kind {
            LossName::Data => "data",
            LossName::Residual => "residual",
            LossName::InitialCondition => "initial condition",
            LossName::Rollout => "rollout",
        };
        self.name.as_deref().unwrap_or(default)
    }
}

impl Recipe {
    /// Rejects losses that files and messages could not tell apart.
    pub(super) fn check_names(&self) -> Result<()> {
        let mut names: Vec<&str> = self.loss.iter().map(LossSection::name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                let what = format!("two losses called \"{}\"", pair[0]);
                Err(self.fault(what, "loss.name", "give each loss a name of its own"))
            }
            None => Ok(()),
        }
    }

    pub(super) fn criterion(&self, section: &LossSection) -> Result<Criterion> {
        if section.points.is_some() && section.kind != LossName::Residual {
            return Err(self.fault("points of a loss without collocation", "loss.points", "remove it"));
        }
        if section.placement.is_some() && section.points.is_none() {
            return Err(self.fault("a placement of no points", "loss.placement", "give points"));
        }
        if let MethodName::LevenbergMarquardt = self.optimizer.method
            && section.criterion.as_deref().is_some_and(|name| name != "mse")
        {
            let remedy = "set it to \"mse\", or use another method";
            let what = "a criterion that is no mean of squares with levenberg_marquardt";
            return Err(self.fault(what, "loss.criterion", remedy));
        }
        self.check_rollout(section)?;
        let name = section.criterion.as_deref().unwrap_or("mse");
        let named = match section.p {
            Some(p) if Criterion::is_lp(name) => Ok(Criterion::Lp { p }),
            _ => Criterion::from_name(name),
        };
        let named = named.map_err(|e| self.place(e, "loss.criterion"))?;
        let (criterion, key) = match (named, section.delta, section.p) {
            (Criterion::Huber { .. }, Some(delta), None) => (Criterion::Huber { delta }, "loss.delta"),
            (_, Some(_), _) => {
                return Err(self.fault("delta without huber", "loss.delta", "set criterion = \"huber\""));
            }
            (_, None, Some(_)) if !Criterion::is_lp(name) => {
                return Err(self.fault("p without lp", "loss.p", "set criterion = \"lp\""));
            }
            (named, None, Some(_)) => (named, "loss.p"),
            (named, None, None) => (named, "loss.criterion"),
        };
        let checked = match section.kind {
            LossName::Residual => criterion.check_residual(),
            _ => criterion.check(),
        };
        checked.map_err(|e| self.place(e, key))?;
        Ok(criterion)
    }

    pub(super) fn adaptive(&self, section: &LossSection) -> Result<Option<Adaptive>> {
        let Some(given) = section.adaptive else { return Ok(None) };
        if !matches!(section.kind, LossName::Data | LossName::Residual) {
            let remedy = "remove it: only data and residuals are drawn by their error";
            return Err(self.fault("an adaptive density of this loss", "loss.adaptive", remedy));
        }
        if given.pool.is_some() && (section.kind == LossName::Data || section.points.is_some()) {
            let remedy = "remove it: what is drawn from is the data, or the given points";
            return Err(self.fault("a pool of points", "loss.adaptive.pool", remedy));
        }
        let defaults = Adaptive::default();
        let adaptive = Adaptive {
            every: given.every.unwrap_or(defaults.every),
            exponent: given.exponent.unwrap_or(defaults.exponent),
            floor: given.floor.unwrap_or(defaults.floor),
            pool: given.pool.unwrap_or(defaults.pool),
        };
        adaptive.check().map_err(|e| self.place(e, "loss.adaptive"))?;
        Ok(Some(adaptive))
    }

    pub(super) fn add_loss(
        &self,
        trainer: &mut Trainer,
        task: &Task,
        data: &mut Option<(Rows, Option<Rows>)>,
        section: &LossSection,
    ) -> Result<()> {
        if section.kind != LossName::Data && !task.times().is_empty() {
            let remedy = "use data, or leave out the times, so that the time is an input";
            return Err(self.fault("outputs at given times have no time derivative", "loss.kind", remedy));
        }
        let criterion = self.criterion(section)?;
        let adaptive = self.adaptive(section)?;
        let is_finite = section.kind != LossName::Residual || section.points.is_some();
        let batch = match section.batch {
            Some(batch) => batch,
            // These methods compare iterations, so all rows are the batch.
            None if is_finite && self.method()?.finds_its_steps() => usize::MAX,
            None => 1024,
        };
        match section.kind {
            LossName::Data => {
                let wants = |loss: &&LossSection| matches!(loss.kind, LossName::Data | LossName::Rollout);
                let shared = self.loss.iter().filter(wants).count() > 1;
                let rows = if shared { data.clone() } else { data.take() };
                let ((inputs, targets), validation) = rows.expect("data for losses on data");
                let mut loss = DataLoss::new(criterion, inputs, targets).batch_size(batch);
                if let Some(adaptive) = adaptive {
                    loss = loss.adaptive(adaptive);
                }
                if let Some((inputs, targets)) = validation {
                    loss = loss.validation_data(inputs, targets);
                }
                trainer.add_loss(loss.named(section.name()), section.weight);
            }
            LossName::Rollout => {
                let loss = self.rollout_loss(task, data.as_ref(), criterion, section)?.batch_size(batch);
                trainer.add_loss(loss.named(section.name()), section.weight);
            }
            LossName::Residual => {
                if task.kind() != Kind::SolutionMap {
                    let remedy = "use data: a step map has no time to differentiate by";
                    return Err(self.fault("a residual of a step map", "loss.kind", remedy));
                }
                let collocation = match section.points {
                    Some(n) => {
                        let placement = section.placement.unwrap_or_default();
                        Collocation::Points(self.collocation_points(task, n, placement)?)
                    }
                    None => Collocation::Uniform(task.ranges()),
                };
                let model = task.cell_model().expect("recorded tasks are step maps").clone();
                let rates = CellModelRates::new(model, task.stimulus());
                let mut loss = ResidualLoss::new(rates, collocation).criterion(criterion).batch_size(batch);
                if let Some(adaptive) = adaptive {
                    loss = loss.adaptive(adaptive);
                }
                trainer.add_loss(loss.named(section.name()), section.weight);
            }
            LossName::InitialCondition => {
                if task.kind() != Kind::SolutionMap {
                    let remedy = "remove it: a step map has no initial time";
                    return Err(self.fault("an initial condition of a step map", "loss.kind", remedy));
                }
                let mut ranges = task.ranges();
                ranges[0] = [0.0, 0.0];
                let n = if ranges.len() == 1 { 1 } else { 4096 };
                let inputs = Sampling::LatinHypercube.sample(&ranges, n, self.seed)?;
                let states: Vec<f64> =
                    inputs.rows().into_iter().flat_map(|row| task.initial_state(&row.to_vec())).collect();
                let states = Array2::from_shape_vec((n, task.outputs().len()), states).expect("one a row");
                let loss = InitialConditionLoss::new(criterion, inputs, states).batch_size(batch);
                trainer.add_loss(loss.named(section.name()), section.weight);
            }
        }
        Ok(())
    }
}
