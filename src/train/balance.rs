//! Weights of losses that follow the lengths of their gradients.

use tch::Tensor;

use super::network::numbers;
use crate::error::{Error, Result};

/// Multiplies losses by factors that make their gradients equally long, so that none drowns the others, whatever
/// their scales.
///
/// Every few iterations the gradient gᵢ of each loss is measured on that iteration's batch. Its factor moves towards
/// G/‖gᵢ‖, G being the mean length by weight, by a moving average: gradient-norm balancing (Wang, Teng & Perdikaris
/// 2021, arXiv 2001.04536, in the form of Wang, Sankaran, Wang & Perdikaris 2023, arXiv 2308.08468, algorithm 1),
/// with the average taken of logarithms, to which a factor of 1e-6 is as far away as one of 1e6. The weights that losses
/// were added with stay: a loss of weight 10 has a gradient ten times as long as one of weight 1.
///
/// The factors of the training are no yardstick, because they change. In the validation error each loss counts by its
/// weight and relative to its first value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balance {
    /// Iterations between measurements, each of which costs about as much as an iteration.
    pub every: u64,
    /// Part of (the logarithm of) a factor that a measurement leaves: 0 follows at once.
    pub memory: f64,
}

impl Default for Balance {
    fn default() -> Self {
        Self { every: 100, memory: 0.9 }
    }
}

impl Balance {
    /// Rejects what makes no sense.
    pub(crate) fn check(&self, n_losses: usize) -> Result<()> {
        if n_losses < 2 {
            return Err(Error::invalid(format!("balance between {n_losses} losses"))
                .remedy("add a loss, or remove it"));
        }
        if self.every == 0 {
            return Err(Error::invalid("0 iterations between measurements").remedy("give a positive number"));
        }
        if !(0.0..1.0).contains(&self.memory) {
            return Err(Error::invalid(format!("a memory of {}", self.memory))
                .remedy("give a number of at least 0 and below 1"));
        }
        Ok(())
    }
}

/// A [`Balance`] at work.
#[derive(Clone, Debug)]
pub(super) struct Balancer {
    settings: Balance,
    logarithms: Vec<f64>,
    n_measured: u64,
    /// What each loss held out at the first validation; NaN before.
    first: Vec<f64>,
}

impl Balancer {
    pub fn new(settings: Balance, n_losses: usize) -> Self {
        Self { settings, logarithms: vec![0.0; n_losses], n_measured: 0, first: vec![f64::NAN; n_losses] }
    }

    pub fn is_due(&self, iteration: u64) -> bool {
        iteration.is_multiple_of(self.settings.every)
    }

    /// Learns the lengths of the losses' gradients, without weights.
    pub fn observe(&mut self, weights: &[f64], lengths: &[f64]) {
        let known = |length: f64| length.is_finite() && length > 0.0;
        let both = || weights.iter().zip(lengths).filter(|(_, length)| known(**length));
        let mean = both().map(|(w, l)| w * l).sum::<f64>() / both().map(|(w, _)| w).sum::<f64>();
        let memory = if self.n_measured == 0 { 0.0 } else { self.settings.memory };
        for (logarithm, &length) in self.logarithms.iter_mut().zip(lengths) {
            // A loss that is met exactly has no say, and keeps its factor until it has.
            if known(length) {
                *logarithm = memory * *logarithm + (1.0 - memory) * (mean / length).ln();
            }
        }
        self.n_measured += 1;
    }

    /// The present weights of losses that were added with `weights`.
    pub fn weights(&self, weights: &[f64]) -> Vec<f64> {
        weights.iter().zip(&self.logarithms).map(|(weight, logarithm)| weight * logarithm.exp()).collect()
    }

    /// What losses held out, relative to what they did first.
    pub fn relative(&mut self, held_out: Vec<Option<f64>>) -> Vec<Option<f64>> {
        let relative = |(value, first): (Option<f64>, &mut f64)| {
            let value = value?;
            if first.is_nan() {
                *first = if value > 0.0 { value } else { 1.0 };
            }
            Some(value / *first)
        };
        held_out.into_iter().zip(&mut self.first).map(relative).collect()
    }

    /// Everything that goes on in a checkpoint.
    pub fn state(&self) -> Tensor {
        let state: Vec<f64> =
            self.logarithms.iter().chain(&self.first).copied().chain([self.n_measured as f64]).collect();
        Tensor::from_slice(&state)
    }

    /// Takes back what [`Self::state`] gave.
    pub fn restore(&mut self, state: &Tensor) -> Result<()> {
        let (state, n) = (numbers(state), self.logarithms.len());
        if state.len() != 2 * n + 1 {
            return Err(Error::format("the checkpoint's balance is of other losses"));
        }
        self.logarithms.copy_from_slice(&state[..n]);
        self.first.copy_from_slice(&state[n..2 * n]);
        self.n_measured = state[2 * n] as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighted_gradients_become_as_long_as_their_weights_say() {
        let mut balancer = Balancer::new(Balance { every: 10, memory: 0.9 }, 3);
        assert_eq!(balancer.weights(&[1.0, 10.0, 1.0]), [1.0, 10.0, 1.0]);
        let (weights, mut lengths) = ([1.0, 10.0, 1.0], [1e6, 2.0, 3e-5]);
        let ratios = |balancer: &Balancer, lengths: &[f64; 3]| {
            let now = balancer.weights(&weights);
            [now[1] * lengths[1] / (now[0] * lengths[0]), now[2] * lengths[2] / (now[0] * lengths[0])]
        };
        // The first measurement counts whole.
        balancer.observe(&weights, &lengths);
        let [second, third] = ratios(&balancer, &lengths);
        assert!((second - 10.0).abs() < 1e-9 && (third - 1.0).abs() < 1e-9, "{second} {third}");
        // The sum of the weighted lengths is what it was without balance.
        let sum: f64 = balancer.weights(&weights).iter().zip(lengths).map(|(w, l)| w * l).sum();
        assert!((sum / (1e6 + 20.0 + 3e-5) - 1.0).abs() < 1e-9, "{sum}");
        // Later ones by and by: a tenth of the way, in logarithms.
        lengths[2] = 3.0;
        balancer.observe(&weights, &lengths);
        let [_, third] = ratios(&balancer, &lengths);
        assert!((third.ln() - 0.9 * 1e5f64.ln()).abs() < 0.01, "{third}");
        for _ in 0..200 {
            balancer.observe(&weights, &lengths);
        }
        assert!((ratios(&balancer, &lengths)[1] - 1.0).abs() < 1e-6);
        // A loss without a gradient changes nothing.
        let before = balancer.weights(&weights);
        balancer.observe(&weights, &[1e6, 0.0, f64::NAN]);
        assert_eq!(balancer.weights(&weights)[1..], before[1..]);

        let mut restored = Balancer::new(Balance::default(), 3);
        restored.restore(&balancer.state()).unwrap();
        assert_eq!(restored.weights(&weights), balancer.weights(&weights));
        assert!(Balancer::new(Balance::default(), 2).restore(&balancer.state()).is_err());
    }
}
