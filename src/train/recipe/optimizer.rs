//! The method of a recipe, its rate, and when it ends.

use serde::{Deserialize, Serialize};

use super::{Recipe, Seconds};
use crate::error::Result;
use crate::train::{Adam, Optimizer, Schedule, Soap};

/// The method and its rate.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerSection {
    /// The method.
    pub method: MethodName,
    /// Learning rate.
    pub rate: f64,
    /// Largest norm of the gradient.
    pub clip: Option<f64>,
    /// SOAP: steps between updates of the eigenbasis.
    pub refresh_every: Option<u64>,
}

impl Default for OptimizerSection {
    fn default() -> Self {
        Self { method: MethodName::Soap, rate: 3e-3, clip: None, refresh_every: None }
    }
}

/// Names of [`Optimizer`](crate::train::Optimizer).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum MethodName {
    /// Adam.
    Adam,
    /// SOAP.
    Soap,
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
}

impl Recipe {
    /// The method with its constants.
    pub(super) fn method(&self) -> Result<Optimizer> {
        let section = &self.optimizer;
        Ok(match section.method {
            MethodName::Adam if section.refresh_every.is_some() => {
                return Err(self.fault("Adam has no eigenbasis", "optimizer.refresh_every", "remove it"));
            }
            MethodName::Adam => Optimizer::Adam(Adam::default()),
            MethodName::Soap => {
                let defaults = Soap::default();
                let refresh_every = section.refresh_every.unwrap_or(defaults.refresh_every);
                Optimizer::Soap(Soap { refresh_every, ..defaults })
            }
        })
    }

    pub(super) fn schedule(&self) -> Schedule {
        match self.schedule {
            ScheduleSection::Constant => Schedule::Constant,
            ScheduleSection::Cosine { warm_up, last } => Schedule::Cosine { warm_up, last },
            ScheduleSection::Plateau { factor, patience, least } => {
                Schedule::Plateau { factor, patience, least }
            }
            ScheduleSection::Default => Schedule::Cosine { warm_up: warm_up(), last: 0.0 },
        }
    }
}
