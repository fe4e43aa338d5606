//! Adam (Kingma and Ba 2015, arXiv 1412.6980) and AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101).

use std::collections::BTreeMap;

use tch::Tensor;

use super::{GradientMethod, take, take_number};
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
    /// AdamW: before each step all parameters are multiplied by 1 − rate · decay. 0 is Adam.
    pub decay: f64,
}

impl Adam {
    /// The method at work on `network`.
    pub(crate) fn start(self, network: &Network) -> impl GradientMethod + use<> {
        Running::new(self, network)
    }
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 }
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
        let zeros = || network.trained_parameters().zeros_like();
        Self { constants, mean: zeros(), square: zeros(), steps: 0 }
    }
}

impl GradientMethod for Running {
    fn follow(&mut self, network: &Network, gradients: &[Tensor], rate: f64) {
        let Adam { beta1, beta2, epsilon, decay } = self.constants;
        self.steps += 1;
        let flat: Vec<Tensor> = gradients.iter().map(|g| g.reshape([-1])).collect();
        let gradient = Tensor::cat(&flat, 0);
        let _ = self.mean.lerp_(&gradient, 1.0 - beta1);
        let _ = self.square.lerp_(&gradient.square(), 1.0 - beta2);
        let size = step_size(rate, beta1, beta2, self.steps);
        // Epsilon is added to the corrected root, which the size has the correction of.
        let epsilon = epsilon * (1.0 - beta2.powi(i32::try_from(self.steps).unwrap_or(i32::MAX))).sqrt();
        let denominator = (self.square.sqrt() + epsilon) * (-1.0 / size);
        let mut parameters = network.trained_parameters();
        if decay > 0.0 {
            let _ = parameters.g_mul_scalar_(1.0 - rate * decay);
        }
        let _ = parameters.addcdiv_(&self.mean, &denominator);
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
        self.steps = take_number(state, "steps")? as i64;
        Ok(())
    }
}

/// The rate with both means' corrections for having started at zero.
pub(super) fn step_size(rate: f64, beta1: f64, beta2: f64, steps: i64) -> f64 {
    let steps = i32::try_from(steps).unwrap_or(i32::MAX);
    rate * (1.0 - beta2.powi(steps)).sqrt() / (1.0 - beta1.powi(steps))
}
