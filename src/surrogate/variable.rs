//! A named column of a surrogate.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a variable is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Time since the initial state; in a step map the length of the step.
    Time,
    /// A state of the cell model.
    State,
    /// An external current or rate that the simulator applies.
    Stimulus,
    /// A number that belongs to a cell and does not change in time.
    Parameter,
}

impl Role {
    /// The name used in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::State => "state",
            Self::Stimulus => "stimulus",
            Self::Parameter => "parameter",
        }
    }
}

/// A named column with unit, role and the range it was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Name in the cell model, for example `u`.
    pub name: String,
    /// Unit as text, `1` for dimensionless, empty if unknown.
    pub unit: String,
    /// What it is for.
    pub role: Role,
    /// Smallest and largest value of the training data: a side of the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
}

impl Variable {
    /// A variable without a range.
    pub fn new(name: &str, unit: &str, role: Role) -> Self {
        Self { name: name.to_owned(), unit: unit.to_owned(), role, range: None }
    }

    /// The same variable with the range `low ..= high`.
    #[must_use]
    pub fn with_range(mut self, low: f64, high: f64) -> Self {
        self.range = Some([low, high]);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.name.is_empty() || self.name.contains('\0') || self.unit.contains('\0') {
            return Err(Error::format(format!("variable name {:?}, unit {:?}", self.name, self.unit)));
        }
        match self.range {
            Some([low, high]) if !(low.is_finite() && high.is_finite() && low <= high) => {
                Err(Error::format(format!("variable \"{}\" ranges from {low} to {high}", self.name)))
            }
            _ => Ok(()),
        }
    }
}
