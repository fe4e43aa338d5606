//! What decides which weights of a recipe's training are the best.

use serde::{Deserialize, Serialize};

use super::{Milliseconds, Recipe};
use crate::dataset::Sampling;
use crate::error::Result;
use crate::surrogate::Kind;
use crate::train::{RolloutValidation, Task};

/// Tells validation's cells from those of training and evaluation.
const SEED: u64 = 0x726f_6c6c_6f75_7400;
/// Steps that a rollout takes at most unless told otherwise: it must not cost more than the
/// training between two validations.
const STEPS: f64 = 100.0;
/// The longest rollout unless told otherwise, in milliseconds.
const HORIZON: f64 = 50.0;
const CELLS: usize = 256;

/// What decides which weights are the best and when training ends early.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationSection {
    /// Error over many steps, or the losses on what they held out. If not given: step maps whose data come from a cell
    /// model by rollout, all others by losses.
    pub by: Option<ValidationName>,
    /// Cells that are rolled out; 256 if not given.
    pub cells: Option<usize>,
    /// Time rolled out: 100 steps, but 50 ms at most, if not given.
    pub horizon: Option<Milliseconds>,
}

/// Ways to validate.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ValidationName {
    /// [`RolloutValidation`](crate::train::RolloutValidation)
    Rollout,
    /// What the losses held out.
    Loss,
}

impl Recipe {
    pub(super) fn check_validation(&self) -> Result<()> {
        let ValidationSection { by, cells, horizon } = &self.validation;
        let by_loss = *by == Some(ValidationName::Loss);
        if by_loss && (cells.is_some() || horizon.is_some()) {
            let remedy = "set validation.by = \"rollout\", or remove cells and horizon";
            return Err(self.fault("cells to roll out for a validation by losses", "validation.by", remedy));
        }
        if *cells == Some(0) {
            return Err(self.fault("no cells", "validation.cells", "give a positive number"));
        }
        Ok(())
    }

    /// The cells that validation rolls out, if it does.
    pub(super) fn rollout(&self, task: &Task, n_threads: usize) -> Result<Option<RolloutValidation>> {
        let section = &self.validation;
        let wanted = match section.by {
            Some(by) => by == ValidationName::Rollout,
            None => section.cells.is_some() || section.horizon.is_some(),
        };
        // Data from a file may be of another model than the one that is named.
        if !wanted && self.data.training_file.is_some() {
            return Ok(None);
        }
        let (dt, columns) = match (task.kind(), task.state_columns(), task.cell_model()) {
            (Kind::StepMap { dt }, Some(columns), Some(_)) if section.by != Some(ValidationName::Loss) => {
                (dt, columns)
            }
            _ if wanted => {
                let remedy = "validate by \"loss\"";
                let what = "a rollout of something else than a step map of a known cell model";
                return Err(self.fault(what, "validation.by", remedy));
            }
            _ => return Ok(None),
        };
        let horizon = section.horizon.map_or_else(|| HORIZON.min(STEPS * dt), |horizon| horizon.0);
        let n_steps = (horizon / dt + 1e-9).floor() as usize;
        if n_steps == 0 {
            let what = format!("a rollout of {horizon} ms with steps of {dt} ms");
            return Err(self.fault(what, "validation.horizon", "give at least one step"));
        }
        let ranges = task.ranges();
        let n_cells = section.cells.unwrap_or(CELLS);
        let cells = Sampling::LatinHypercube.sample(&ranges, n_cells, self.seed ^ SEED)?;
        let states = task.follow(cells.view(), n_steps, n_threads)?;
        let width = |&column: &usize| ranges[column][1] - ranges[column][0];
        let units = columns.iter().map(width).map(|width| if width > 0.0 { width } else { 1.0 }).collect();
        Ok(Some(RolloutValidation::new(cells, states, columns, units)))
    }
}
