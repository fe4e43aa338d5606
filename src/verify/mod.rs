//! Proving a surrogate against the cell model that it was made from.
//!
//! Both go through the same experiments; a [`Verification`] tells the worst that was found in each, and whether the targets were met.

mod alternation;
mod cost;
mod cycles;
mod divergence;
mod errors;
mod fibre;
mod long;
mod options;
mod premature;
mod pushes;
mod reference;
mod report;
mod result;
mod surrogate_cells;
mod target;

use std::sync::Arc;

pub use alternation::{AlternansResult, Alternation};
pub use cost::Cost;
pub use cycles::{CycleResult, CyclesResult, Failure, FailureKind};
pub use divergence::{Divergence, StateError};
pub use errors::Errors;
pub use fibre::CableResult;
pub use long::LongResult;
pub use options::{Options, Relation, TrainingCycles};
pub use premature::{PrematureBeat, RestitutionResult};
pub use pushes::{Push, PushesResult};
pub use reference::Reference;
pub use report::VerificationReport;
pub use result::{Curves, Verification};
pub use surrogate_cells::SurrogateCells;
pub use target::{Outcome, Quantity, Target, Targets, Unit};

use crate::error::Result;
use crate::step_function::StepFunction;
use crate::surrogate::Surrogate;

/// Proves `surrogate` against `model`, both with the surrogate's step.
///
/// Whoever verifies several surrogates of one model measures the [`Reference`] once.
///
/// # Errors
/// A surrogate that cannot be paced (see [`SurrogateCells::new`]), a model that the stimulus does not excite, and whatever it answers.
pub fn verify(
    model: &mut dyn StepFunction,
    surrogate: &Arc<Surrogate>,
    options: &Options,
) -> Result<Verification> {
    let dt = SurrogateCells::new(surrogate)?.dt();
    Reference::measure(model, dt, options)?.verify(surrogate)
}
