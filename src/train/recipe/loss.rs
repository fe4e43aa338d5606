//! The terms of the sum that a recipe minimises.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::Recipe;
use super::data::Rows;
use crate::dataset::Sampling;
use crate::error::Result;
use crate::surrogate::Kind;
use crate::train::{
    CellModelRates, Collocation, Criterion, DataLoss, InitialConditionLoss, ResidualLoss, Task, Trainer,
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
    /// Distance: `mse`, `mae`, `huber`, `rmse`, `l3`, ….
    pub criterion: Option<String>,
    /// Where Huber's parabola becomes a line, in units of the scaled outputs.
    pub delta: Option<f64>,
    /// Rows or points of a batch.
    pub batch: Option<usize>,
    /// Fixed collocation points, drawn once; new ones for every batch if not given.
    pub points: Option<usize>,
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

impl Recipe {
    pub(super) fn criterion(&self, section: &LossSection) -> Result<Criterion> {
        if section.points.is_some() && section.kind != LossName::Residual {
            return Err(self.fault("points of a loss without collocation", "loss.points", "remove it"));
        }
        self.check_rollout(section)?;
        let named = Criterion::from_name(section.criterion.as_deref().unwrap_or("mse"));
        let named = named.map_err(|e| self.place(e, "loss.criterion"))?;
        match (named, section.delta) {
            (_, None) => {
                named.check().map_err(|e| self.place(e, "loss.criterion"))?;
                Ok(named)
            }
            (Criterion::Huber { .. }, Some(delta)) => {
                let criterion = Criterion::Huber { delta };
                criterion.check().map_err(|e| self.place(e, "loss.delta"))?;
                Ok(criterion)
            }
            _ => Err(self.fault("delta without huber", "loss.delta", "set criterion = \"huber\"")),
        }
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
        let batch = section.batch.unwrap_or(1024);
        match section.kind {
            LossName::Data => {
                if self.loss.iter().filter(|loss| loss.kind == LossName::Data).count() > 1 {
                    return Err(self.fault("two losses on the same data", "loss.kind", "remove one"));
                }
                let shared = self.loss.iter().any(|loss| loss.kind == LossName::Rollout);
                let rows = if shared { data.clone() } else { data.take() };
                let ((inputs, targets), validation) = rows.expect("data for losses on data");
                let mut loss = DataLoss::new(criterion, inputs, targets).batch_size(batch);
                if let Some((inputs, targets)) = validation {
                    loss = loss.validation_data(inputs, targets);
                }
                let name = section.name.as_deref().unwrap_or("data");
                trainer.add_loss(loss.named(name), section.weight);
            }
            LossName::Rollout => {
                let loss = self.rollout_loss(task, data.as_ref(), criterion, section)?.batch_size(batch);
                let name = section.name.as_deref().unwrap_or("rollout");
                trainer.add_loss(loss.named(name), section.weight);
            }
            LossName::Residual => {
                if task.kind() != Kind::SolutionMap {
                    let remedy = "use data: a step map has no time to differentiate by";
                    return Err(self.fault("a residual of a step map", "loss.kind", remedy));
                }
                let collocation = match section.points {
                    Some(n) => {
                        Collocation::Points(Sampling::LatinHypercube.sample(&task.ranges(), n, self.seed)?)
                    }
                    None => Collocation::Uniform(task.ranges()),
                };
                let model = task.cell_model().expect("recorded tasks are step maps").clone();
                let rates = CellModelRates::new(model, task.stimulus());
                let loss = ResidualLoss::new(rates, collocation).criterion(criterion).batch_size(batch);
                let name = section.name.as_deref().unwrap_or("residual");
                trainer.add_loss(loss.named(name), section.weight);
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
                let name = section.name.as_deref().unwrap_or("initial condition");
                trainer.add_loss(loss.named(name), section.weight);
            }
        }
        Ok(())
    }
}
