//! How parameters are moved to lower the objective.

mod adam;
mod lbfgs;
mod levenberg_marquardt;
mod line_search;
mod soap;

use std::collections::BTreeMap;

pub use adam::Adam;
pub use lbfgs::Lbfgs;
pub use levenberg_marquardt::LevenbergMarquardt;
pub use soap::Soap;
use tch::Tensor;

use super::network::Network;
use super::objective::Objective;
use crate::error::{Error, Result};

/// An optimisation method with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Optimizer {
    /// Adam, and with a decay of the weights AdamW.
    Adam(Adam),
    /// SOAP.
    Soap(Soap),
    /// L-BFGS with a line search, for losses whose batch is the same in every iteration.
    Lbfgs(Lbfgs),
    /// Levenberg–Marquardt, for losses that are mean squares, and networks of some thousand parameters.
    LevenbergMarquardt(LevenbergMarquardt),
}

impl Optimizer {
    /// Its name in messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Adam(a) if a.decay > 0.0 => "AdamW",
            Self::Adam(_) => "Adam",
            Self::Soap(_) => "SOAP",
            Self::Lbfgs(_) => "L-BFGS",
            Self::LevenbergMarquardt(_) => "Levenberg–Marquardt",
        }
    }

    /// True where the method finds the length of its steps itself: it knows no learning rate, no schedule of one, and
    /// no clipping.
    pub(crate) fn finds_its_steps(&self) -> bool {
        matches!(self, Self::Lbfgs(_) | Self::LevenbergMarquardt(_))
    }

    /// Rejects constants for which the method makes no sense.
    pub(crate) fn check(&self) -> Result<()> {
        let part = |x: f64| (0.0..1.0).contains(&x);
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let fault = match self {
            Self::Adam(a) if !(part(a.beta1) && part(a.beta2)) => {
                format!("decays of {} and {}", a.beta1, a.beta2)
            }
            Self::Adam(a) if !positive(a.epsilon) => format!("an epsilon of {}", a.epsilon),
            Self::Adam(a) if !(a.decay >= 0.0 && a.decay.is_finite()) => {
                format!("a weight decay of {}", a.decay)
            }
            Self::Soap(s) if ![s.beta1, s.beta2, s.gram_decay].into_iter().all(part) => {
                format!("decays of {}, {} and {}", s.beta1, s.beta2, s.gram_decay)
            }
            Self::Soap(s) if !positive(s.epsilon) => format!("an epsilon of {}", s.epsilon),
            Self::Soap(s) if s.refresh_every == 0 => "0 steps between updates of its eigenbasis".to_owned(),
            Self::Lbfgs(l) if l.history == 0 => "a history of 0 steps".to_owned(),
            Self::LevenbergMarquardt(l) if !positive(l.damping) => format!("a damping of {}", l.damping),
            _ => return Ok(()),
        };
        Err(Error::invalid(format!("{} with {fault}", self.name()))
            .remedy("decays are at least 0 and below 1, all other constants positive"))
    }

    pub(crate) fn start(&self, network: &Network) -> Box<dyn Method> {
        match self {
            Self::Adam(constants) => Box::new(adam::Running::new(*constants, network)),
            Self::Soap(constants) => Box::new(soap::Running::new(*constants, network)),
            Self::Lbfgs(constants) => Box::new(lbfgs::Running::new(*constants)),
            Self::LevenbergMarquardt(constants) => Box::new(levenberg_marquardt::Running::new(*constants)),
        }
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Soap(Soap::default())
    }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Another step may lower the objective.
    Moved,
    /// The method finds no parameters that lower the objective, and never will from here.
    Stuck,
}

/// A method at work on one network. Steps are taken without recording a graph.
pub(crate) trait Method {
    /// Changes the trained parameters by one step. Methods that evaluate the objective more than once leave them as
    /// they are where it is not finite.
    fn step(&mut self, objective: &mut Objective, rate: f64) -> Taken;

    /// Everything that the next step depends on.
    fn state(&self) -> BTreeMap<String, Tensor>;

    /// Takes back what [`Self::state`] gave.
    fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()>;
}

/// A [`Method`] that follows the gradient where it is.
pub(crate) trait GradientMethod {
    /// Changes the trained parameters by one step; `gradients` in the order of [`Network::leaves`].
    fn follow(&mut self, network: &Network, gradients: &[Tensor], rate: f64);

    /// Everything that the next step depends on.
    fn state(&self) -> BTreeMap<String, Tensor>;

    /// Takes back what [`Self::state`] gave.
    fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()>;
}

impl<M: GradientMethod> Method for M {
    fn step(&mut self, objective: &mut Objective, rate: f64) -> Taken {
        let gradients = objective.gradients();
        self.follow(objective.network(), &gradients, rate);
        Taken::Moved
    }

    fn state(&self) -> BTreeMap<String, Tensor> {
        GradientMethod::state(self)
    }

    fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        GradientMethod::restore(self, state)
    }
}

/// Copies the tensor `name` of a checkpoint into `target`.
fn take(state: &BTreeMap<String, Tensor>, name: &str, target: &mut Tensor) -> Result<()> {
    match state.get(name) {
        Some(saved) if saved.size() == target.size() => {
            target.copy_(saved);
            Ok(())
        }
        _ => Err(Error::format(format!("no tensor \"{name}\" of shape {:?}", target.size()))),
    }
}

/// The number `name` of a checkpoint.
fn take_number(state: &BTreeMap<String, Tensor>, name: &str) -> Result<f64> {
    let mut number = Tensor::from_slice(&[0.0_f64]);
    take(state, name, &mut number)?;
    Ok(number.double_value(&[0]))
}
