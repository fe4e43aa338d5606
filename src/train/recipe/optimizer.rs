//! The method of a recipe, its rate, and when it ends.

use serde::{Deserialize, Serialize};

use super::{Recipe, Seconds};
use crate::error::Result;
use crate::train::{Adam, Lbfgs, LevenbergMarquardt, Optimizer, Schedule, Soap};

/// The method and its rate.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerSection {
    /// The method.
    pub method: MethodName,
    /// Learning rate of Adam, AdamW and SOAP; 3e-3 if not given.
    pub rate: Option<f64>,
    /// Largest norm of the gradient, for the same methods.
    pub clip: Option<f64>,
    /// AdamW: before a step, weights are multiplied by 1 − rate · decay; 0.01 if not given.
    pub decay: Option<f64>,
    /// SOAP: steps between updates of the eigenbasis.
    pub refresh_every: Option<u64>,
    /// L-BFGS: changes of the gradient that are remembered.
    pub history: Option<usize>,
    /// Levenberg–Marquardt: damping of the first step, in units of the largest curvature.
    pub damping: Option<f64>,
}

const RATE: f64 = 3e-3;
const DECAY: f64 = 0.01;

/// Names of [`Optimizer`](crate::train::Optimizer).
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum MethodName {
    /// Adam.
    Adam,
    /// Adam with decoupled weight decay.
    Adamw,
    /// SOAP.
    #[default]
    Soap,
    /// L-BFGS.
    Lbfgs,
    /// Levenberg–Marquardt.
    LevenbergMarquardt,
}

/// How the rate changes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
pub enum ScheduleSection {
    /// It does not.
    Constant,
    /// A rise, then half a cosine down.
    Cosine {
        /// Part of the training that the rise takes.
        #[serde(default = "warm_up")]
        warm_up: f64,
        /// Factor at the end.
        #[serde(default)]
        last: f64,
    },
    /// Lower when validation does not improve.
    Plateau {
        /// What the rate is multiplied by.
        factor: f64,
        /// Validations to wait.
        patience: u32,
        /// Smallest factor.
        #[serde(default)]
        least: f64,
    },
    /// Not written: a cosine with its defaults.
    #[default]
    #[serde(skip_deserializing)]
    Default,
}

fn warm_up() -> f64 {
    0.02
}

/// When training ends.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StopSection {
    /// Iterations at most.
    pub iterations: u64,
    /// Clock time at most.
    pub time_limit: Option<Seconds>,
    /// Validations without improvement.
    pub patience: Option<u32>,
    /// Part of the validation error that counts as an improvement.
    pub tolerance: Option<f64>,
    /// Iterations between validations.
    pub validate_every: Option<u64>,
    /// Clock time between checkpoints, the most that a crash can cost; 30 s if not given.
    pub checkpoint_every: Option<Seconds>,
}

impl Recipe {
    /// The method with its constants; rejects keys of other methods.
    pub(super) fn method(&self) -> Result<Optimizer> {
        let section = &self.optimizer;
        let method = section.method;
        let optimizer = match method {
            MethodName::Adam => Optimizer::Adam(Adam::default()),
            MethodName::Adamw => {
                Optimizer::Adam(Adam { decay: section.decay.unwrap_or(DECAY), ..Adam::default() })
            }
            MethodName::Soap => {
                let defaults = Soap::default();
                let refresh_every = section.refresh_every.unwrap_or(defaults.refresh_every);
                Optimizer::Soap(Soap { refresh_every, ..defaults })
            }
            MethodName::Lbfgs => {
                Optimizer::Lbfgs(section.history.map_or_else(Lbfgs::default, |history| Lbfgs { history }))
            }
            MethodName::LevenbergMarquardt => Optimizer::LevenbergMarquardt(
                section
                    .damping
                    .map_or_else(LevenbergMarquardt::default, |damping| LevenbergMarquardt { damping }),
            ),
        };
        let finds = optimizer.finds_its_steps();
        for (given, known, key) in [
            (section.rate.is_some(), !finds, "rate"),
            (section.clip.is_some(), !finds, "clip"),
            (section.decay.is_some(), method == MethodName::Adamw, "decay"),
            (section.refresh_every.is_some(), method == MethodName::Soap, "refresh_every"),
            (section.history.is_some(), method == MethodName::Lbfgs, "history"),
            (section.damping.is_some(), method == MethodName::LevenbergMarquardt, "damping"),
        ] {
            if given && !known {
                let key = format!("optimizer.{key}");
                return Err(self.fault(
                    format!("{} has no such constant", optimizer.name()),
                    &key,
                    "remove it",
                ));
            }
        }
        let scheduled =
            matches!(self.schedule, ScheduleSection::Cosine { .. } | ScheduleSection::Plateau { .. });
        if finds && scheduled {
            let what = format!("a schedule of {}, which finds its steps itself", optimizer.name());
            return Err(self.fault(what, "schedule", "remove the section"));
        }
        optimizer.check().map_err(|e| self.place(e, "optimizer"))?;
        Ok(optimizer)
    }

    /// The learning rate.
    pub(super) fn rate(&self) -> f64 {
        self.optimizer.rate.unwrap_or(RATE)
    }

    pub(super) fn schedule(&self) -> Schedule {
        match self.schedule {
            ScheduleSection::Constant => Schedule::Constant,
            ScheduleSection::Cosine { warm_up, last } => Schedule::Cosine { warm_up, last },
            ScheduleSection::Plateau { factor, patience, least } => {
                Schedule::Plateau { factor, patience, least }
            }
            ScheduleSection::Default if self.method().is_ok_and(|m| m.finds_its_steps()) => {
                Schedule::Constant
            }
            ScheduleSection::Default => Schedule::Cosine { warm_up: warm_up(), last: 0.0 },
        }
    }
}
