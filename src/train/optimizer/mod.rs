//! How parameters follow the gradient.

mod adam;
mod soap;

use std::collections::BTreeMap;

pub use adam::Adam;
pub use soap::Soap;
use tch::Tensor;

use super::network::Network;
use crate::error::{Error, Result};

/// An optimisation method with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Adam.
    Adam(Adam),
    /// SOAP.
    Soap(Soap),
}

impl Optimizer {
    /// Rejects constants for which the method makes no sense.
    pub(crate) fn check(&self) -> Result<()> {
        let (decays, epsilon, refresh): (&[f64], f64, u64) = match self {
            Self::Adam(a) => (&[a.beta1, a.beta2], a.epsilon, 1),
            Self::Soap(s) => (&[s.beta1, s.beta2, s.gram_decay], s.epsilon, s.refresh_every),
        };
        if let Some(beta) = decays.iter().find(|b| !(0.0..1.0).contains(*b)) {
            return Err(Error::invalid(format!("an optimiser's decay of {beta}"))
                .remedy("use a number of at least 0 and below 1"));
        }
        if !(epsilon > 0.0 && epsilon.is_finite()) || refresh == 0 {
            return Err(Error::invalid(format!("an optimiser's epsilon of {epsilon}, refresh {refresh}"))
                .remedy("use positive numbers"));
        }
        Ok(())
    }

    pub(crate) fn start(&self, network: &Network) -> Box<dyn Method> {
        match self {
            Self::Adam(constants) => Box::new(adam::Running::new(*constants, network)),
            Self::Soap(constants) => Box::new(soap::Running::new(*constants, network)),
        }
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Soap(Soap::default())
    }
}

/// A method at work on one network.
pub(crate) trait Method {
    /// Changes the parameters by one step; `gradients` in the order of
    /// [`Network::leaves`].
    fn step(&mut self, network: &mut Network, gradients: &[Tensor], rate: f64);

    /// Everything that the next step depends on.
    fn state(&self) -> BTreeMap<String, Tensor>;

    /// Takes back what [`Self::state`] gave.
    fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()>;
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
