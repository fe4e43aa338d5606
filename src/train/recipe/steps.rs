//! What only step maps have: losses over several steps, bounded states.

use super::data::{Data, Rows};
use super::{LossName, LossSection, Recipe};
use crate::error::Result;
use crate::surrogate::Kind;
use crate::train::{Criterion, RolloutLoss, Task};

/// Part of its width by which each side of the box of bounded states is widened.
const MARGIN: f64 = 0.05;

impl Recipe {
    /// Steps of the longest rollout loss, 1 if there is none.
    pub(super) fn longest_rollout(&self) -> usize {
        let rollouts = self.loss.iter().filter(|loss| loss.kind == LossName::Rollout);
        rollouts.filter_map(|loss| loss.horizon).max().unwrap_or(1)
    }

    pub(super) fn check_rollout(&self, section: &LossSection) -> Result<()> {
        let LossSection { horizon, grow_until, noise, .. } = section;
        if section.kind != LossName::Rollout {
            let given = [
                ("loss.horizon", horizon.is_some()),
                ("loss.grow_until", grow_until.is_some()),
                ("loss.noise", noise.is_some()),
            ];
            return match given.into_iter().find(|(_, given)| *given) {
                Some((key, _)) => {
                    Err(self.fault("a key of rollouts", key, "set kind = \"rollout\", or remove it"))
                }
                None => Ok(()),
            };
        }
        if self.surrogate.kind != super::KindName::StepMap {
            let remedy = "use data: a solution map is not rolled out";
            return Err(self.fault("a rollout of a solution map", "loss.kind", remedy));
        }
        match horizon {
            None | Some(0) => {
                return Err(self.fault("no steps to roll out", "loss.horizon", "give a number of steps"));
            }
            Some(horizon) if self.data.along.is_some_and(|along| along < *horizon) => {
                let remedy = "give at least as many data.along as steps, or leave it out";
                return Err(self.fault("a rollout longer than the trajectories", "loss.horizon", remedy));
            }
            Some(_) => {}
        }
        if grow_until.is_some_and(|part| !(0.0..=1.0).contains(&part)) {
            return Err(self.fault(
                "no part of the training",
                "loss.grow_until",
                "give a number from 0 to 1",
            ));
        }
        match noise {
            Some(noise) if !(noise.is_finite() && *noise >= 0.0) => {
                let remedy = "give a part of the states' standard deviation, for example 0.02";
                Err(self.fault(format!("noise of {noise}"), "loss.noise", remedy))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn rollout_loss(
        &self,
        task: &Task,
        data: Option<&(Rows, Option<Rows>)>,
        criterion: Criterion,
        section: &LossSection,
    ) -> Result<RolloutLoss> {
        let states = task.state_columns().expect("all states of a step map are inputs");
        let ((inputs, targets), validation) = data.cloned().expect("data for losses on data");
        let horizon = section.horizon.expect("checked with the criterion");
        let mut loss = RolloutLoss::new(criterion, inputs, targets, &states, horizon);
        loss = loss.grow_until(section.grow_until.unwrap_or(0.5)).noise(section.noise.unwrap_or(0.0));
        Ok(match validation {
            Some((inputs, targets)) => loss.validation_data(inputs, targets),
            None => loss,
        })
    }

    /// The box that a bounded step map's states are kept in.
    pub(super) fn bounds(&self, task: &Task, data: Option<&Data>) -> Result<Option<Vec<[f64; 2]>>> {
        let margin = match (self.network.bounded, self.network.margin) {
            (false, None) => return Ok(None),
            (false, Some(_)) => {
                return Err(self.fault("a margin of no bounds", "network.margin", "set bounded = true"));
            }
            (true, margin) => margin.unwrap_or(MARGIN),
        };
        if !matches!(task.kind(), Kind::StepMap { .. }) {
            let remedy = "remove it: only a step map's outputs come back as its inputs";
            return Err(self.fault("a solution map with bounds", "network.bounded", remedy));
        }
        if !(margin.is_finite() && margin >= 0.0) {
            let remedy = "give a part of the domain's width, for example 0.05";
            return Err(self.fault(format!("a margin of {margin}"), "network.margin", remedy));
        }
        let ranges = task.ranges();
        let states = task.state_columns().expect("all states of a step map are inputs");
        let widened = states.iter().enumerate().map(|(output, &column)| {
            // Where cells go from inside the domain, they must be able to go.
            let targets = data.into_iter().flat_map(|data| data.training.1.column(output));
            let [low, high] = targets.fold(ranges[column], |[low, high], &x| [low.min(x), high.max(x)]);
            [low - margin * (high - low), high + margin * (high - low)]
        });
        Ok(Some(widened.collect()))
    }
}
