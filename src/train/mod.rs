//! Training of surrogates on libtorch: networks, criteria, losses, optimisers and the loop.
//!
//! ```no_run
//! use emucell::Activation;
//! use emucell::train::{Criterion, DataLoss, FullyConnected, Trainer};
//! # fn main() -> emucell::Result<()> {
//! # let (inputs, targets) = (ndarray::Array2::zeros((9, 4)), ndarray::Array2::zeros((9, 2)));
//! let net = FullyConnected::new(4, 2, &[(Activation::Relu, 128), (Activation::Tanh, 64)])?;
//! let mut trainer = Trainer::new(net, "results_ddnn")?;
//! trainer.add_loss(DataLoss::new(Criterion::Mse, inputs, targets).batch_size(1024), 1.0);
//! trainer.train(200_000)?;
//! # Ok(())
//! # }
//! ```

mod activation;
mod balance;
mod checkpoint;
mod criterion;
mod device;
mod evaluation;
mod export;
mod inference;
mod loss;
mod memory;
mod model;
mod near_threshold;
mod network;
mod objective;
mod optimizer;
mod outputs;
mod pace;
mod random;
pub mod recipe;
mod rollout;
mod run;
mod scaling;
mod schedule;
mod task;
mod trainer;

pub use balance::Balance;
pub use criterion::{Criterion, CustomCriterion};
pub use device::device;
pub use evaluation::{Cells, EULER_DT, Errors, Evaluation, evaluate};
pub use inference::Inference;
pub use loss::{
    Adaptive, CellModelRates, Collocation, CustomLoss, DataLoss, InitialConditionLoss, Loss, Rates,
    ResidualLoss, RolloutLoss, StimulusSource,
};
pub use model::{Form, Model, StageNetwork};
pub use network::{FullyConnected, Network};
pub(crate) use optimizer::GradientMethod;
pub use optimizer::{Adam, Lbfgs, LevenbergMarquardt, Optimizer, Soap};
pub use rollout::RolloutValidation;
pub use scaling::Scaling;
pub use schedule::Schedule;
pub use task::{Initial, Task, TaskStimulus};
pub use trainer::{OnProgress, Outcome, Progress, Stop, Trainer};
