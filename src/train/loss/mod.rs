//! What training minimises: data, residuals of ODEs, initial conditions.

mod batches;
mod cell_model;
mod custom;
mod data;
mod density;
mod initial_condition;
mod residual;
mod rollout;
mod windows;

pub use cell_model::{CellModelRates, StimulusSource};
pub use custom::CustomLoss;
pub use data::DataLoss;
pub use density::Adaptive;
pub use initial_condition::InitialConditionLoss;
pub use residual::{Collocation, Rates, ResidualLoss};
pub use rollout::RolloutLoss;
use tch::Tensor;

use super::model::Model;
use crate::error::Result;

/// One term of the sum that training minimises.
///
/// The batch of an iteration depends on the seed and the iteration's number only, so that a
/// resumed training sees the batches that an uninterrupted one sees.
pub trait Loss {
    /// Name in progress lines and in `losses.csv`.
    fn name(&self) -> &str;

    /// Called once before training, with a seed of this loss's own.
    ///
    /// # Errors
    /// Data that do not fit the model.
    fn prepare(&mut self, model: &Model, seed: u64) -> Result<()>;

    /// Called before each batch with the part of the training that is done, 0 to 1.
    fn on_progress(&mut self, _fraction: f64) {}

    /// The loss on the batch of `iteration`, as a tensor of one number with its graph.
    fn on_batch(&mut self, model: &Model, iteration: u64) -> Tensor;

    /// What the loss on the batch of `iteration` is the mean square of, `[n, columns]` with its graph; none where it
    /// is no mean square. Row by row it depends on one row of what the network reads: n rows in every call.
    fn residuals(&mut self, _model: &Model, _iteration: u64) -> Option<Tensor> {
        None
    }

    /// True when every iteration has the same batch, as methods need that compare iterations.
    fn is_fixed(&self) -> bool {
        false
    }

    /// What changes in the course of training and does not follow from seed and iteration, for a checkpoint.
    fn state(&self) -> Option<Tensor> {
        None
    }

    /// Goes on from [`Self::state`], after [`Self::prepare`].
    ///
    /// # Errors
    /// A state of another loss.
    fn restore(&mut self, _state: &Tensor) -> Result<()> {
        Ok(())
    }

    /// The loss on what was held out, as a tensor of one number.
    fn on_validation(&self, model: &Model) -> Option<Tensor>;
}
