//! Adam (Kingma and Ba 2015, arXiv 1412.6980).

use std::collections::BTreeMap;

use tch::Tensor;

use super::{Method, take};
use crate::error::Result;
use crate::train::network::Network;

/// Adam's constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the mean gradient.
    pub beta1: f64,
    /// Decay of the mean squared gradient.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// Works on all parameters as one row.
pub(super) struct Running {
    constants: Adam,
    mean: Tensor,
    square: Tensor,
    steps: i64,
}

impl Running {
    pub fn new(constants: Adam, network: &Network) -> Self {
        let zeros = || network.parameters().zeros_like();
        Self { constants, mean: zeros(), square: zeros(), steps: 0 }
    }
}

impl Method for Running {
    fn step(&mut self, network: &mut Network, gradients: &[Tensor], rate: f64) {
        let Adam { beta1, beta2, epsilon } = self.constants;
        self.steps += 1;
        let flat: Vec<Tensor> = gradients.iter().map(|g| g.reshape([-1])).collect();
        let gradient = Tensor::cat(&flat, 0);
        let _ = self.mean.lerp_(&gradient, 1.0 - beta1);
        let _ = self.square.lerp_(&gradient.square(), 1.0 - beta2);
        let size = step_size(rate, beta1, beta2, self.steps);
        let denominator = (self.square.sqrt() + epsilon) * (-1.0 / size);
        let _ = network.parameters().shallow_clone().addcdiv_(&self.mean, &denominator);
    }

    fn state(&self) -> BTreeMap<String, Tensor> {
        let tensors = [
            ("mean", self.mean.copy()),
            ("square", self.square.copy()),
            ("steps", Tensor::from_slice(&[self.steps as f64])),
        ];
        tensors.into_iter().map(|(name, t)| (name.to_owned(), t)).collect()
    }

    fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        take(state, "mean", &mut self.mean)?;
        take(state, "square", &mut self.square)?;
        let mut steps = Tensor::from_slice(&[0.0_f64]);
        take(state, "steps", &mut steps)?;
        self.steps = steps.double_value(&[0]) as i64;
        Ok(())
    }
}

/// The rate with both means' corrections for having started at zero.
pub(super) fn step_size(rate: f64, beta1: f64, beta2: f64, steps: i64) -> f64 {
    let steps = i32::try_from(steps).unwrap_or(i32::MAX);
    rate * (1.0 - beta2.powi(steps)).sqrt() / (1.0 - beta1.powi(steps))
}
