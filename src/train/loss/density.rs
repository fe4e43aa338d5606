//! Adaptive point density: batches drawn from a pool more often where the error is large.

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::train::network::numbers;
use crate::train::random::Random;

/// Tells these draws from all others of a loss.
const DENSITY: u64 = 0x6465_6e73_6974_7900;

/// How densely training looks at each part of its data or domain: a point of error e is drawn with a probability
/// proportional to eᵏ / mean(eᵏ) + c, by errors that are measured again and again (Wu, Zhu, Tan, Kartha and Lu 2023,
/// the residual-based adaptive distribution).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    /// Iterations between measurements; before the first one, all points are equal.
    pub every: u64,
    /// k: 0 keeps all points equal, larger numbers look at the worst ones more.
    pub exponent: f64,
    /// c: what every point has, whatever its error; positive.
    pub floor: f64,
    /// Points that are drawn anew for each measurement, where there is no table of data or points.
    pub pool: usize,
}

impl Default for Adaptive {
    /// Every 1000 iterations, k = 1 and c = 1, as Wu et al. recommend, 10 000 points.
    fn default() -> Self {
        Self { every: 1000, exponent: 1.0, floor: 1.0, pool: 10_000 }
    }
}

impl Adaptive {
    /// Rejects numbers that make no distribution.
    pub(crate) fn check(&self) -> Result<()> {
        let fault = match self {
            Self { every: 0, .. } => "0 iterations between measurements of errors".to_owned(),
            Self { pool: 0, .. } => "a pool of 0 points".to_owned(),
            Self { exponent, .. } if !(exponent.is_finite() && *exponent >= 0.0) => {
                format!("errors to the power of {exponent}")
            }
            Self { floor, .. } if !(floor.is_finite() && *floor > 0.0) => {
                format!("a floor of {floor} below the weight of errors")
            }
            _ => return Ok(()),
        };
        Err(Error::invalid(fault).remedy("give positive numbers"))
    }
}

/// The present weights of a pool's points.
#[derive(Debug)]
pub(super) struct Density {
    settings: Adaptive,
    seed: u64,
    /// Iteration at which errors were measured last; 0 before that.
    measured: u64,
    /// Sum of the weights up to and with each point; empty before the first measurement.
    cumulative: Vec<f64>,
}

impl Density {
    pub fn new(settings: Adaptive, seed: u64) -> Self {
        Self { settings, seed: seed ^ DENSITY, measured: 0, cumulative: Vec::new() }
    }

    /// True when errors have to be measured before the batch of `iteration` is drawn.
    pub fn is_due(&self, iteration: u64) -> bool {
        iteration > self.measured && iteration.is_multiple_of(self.settings.every)
    }

    /// Takes over the error `[n]` of each point, not negative.
    pub fn measure(&mut self, errors: &Tensor, iteration: u64) {
        let powers: Vec<f64> = numbers(errors).iter().map(|e| e.powf(self.settings.exponent)).collect();
        let mean = powers.iter().sum::<f64>() / powers.len() as f64;
        let mut sum = 0.0;
        let cumulative = powers.iter().map(|power| {
            // Nothing is worse than the rest where there is no error; what is not finite ends training elsewhere.
            let share = if mean > 0.0 && mean.is_finite() { power / mean } else { 1.0 };
            sum += share + self.settings.floor;
            sum
        });
        self.cumulative = cumulative.collect();
        self.measured = iteration;
    }

    /// `n` points for `iteration`, with replacement; none while all points are equal.
    pub fn draw(&self, n: usize, iteration: u64, device: Device) -> Option<Tensor> {
        let total = *self.cumulative.last()?;
        let mut random = Random::new(self.seed, iteration);
        let last = self.cumulative.len() - 1;
        let mut point = || {
            let at = random.between(0.0, total);
            self.cumulative.partition_point(|&sum| sum <= at).min(last) as i64
        };
        let points: Vec<i64> = (0..n).map(|_| point()).collect();
        Some(Tensor::from_slice(&points).to_device(device))
    }

    /// The settings.
    pub fn settings(&self) -> Adaptive {
        self.settings
    }

    /// The iteration at which errors were measured last.
    pub fn measured(&self) -> u64 {
        self.measured
    }

    /// What a checkpoint has to keep.
    pub fn state(&self) -> Tensor {
        let all: Vec<f64> =
            std::iter::once(self.measured as f64).chain(self.cumulative.iter().copied()).collect();
        Tensor::from_slice(&all)
    }

    /// Goes on from [`Self::state`].
    pub fn restore(&mut self, state: &Tensor) -> Result<()> {
        let all = numbers(&state.to_kind(Kind::Double));
        let Some((measured, cumulative)) = all.split_first() else {
            return Err(Error::format("the checkpoint has an empty density"));
        };
        (self.measured, self.cumulative) = (*measured as u64, cumulative.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_drawn_as_often_as_their_errors_say() {
        let settings = Adaptive { every: 10, exponent: 2.0, floor: 0.5, pool: 1 };
        let mut density = Density::new(settings, 3);
        assert!(!density.is_due(0) && !density.is_due(7) && density.is_due(10));
        assert!(density.draw(5, 3, Device::Cpu).is_none());
        // Squares 0, 1, 9, with the mean 10/3: weights 0.5, 0.8, 3.2.
        density.measure(&Tensor::from_slice(&[0.0, 1.0, 3.0]), 10);
        assert!(!density.is_due(10) && density.is_due(20));
        let n = 60_000;
        let drawn = density.draw(n, 11, Device::Cpu).unwrap();
        for (point, weight) in [0.5, 0.8, 3.2].into_iter().enumerate() {
            let share = drawn.eq(point as i64).sum(Kind::Int64).int64_value(&[]) as f64 / n as f64;
            assert!((share - weight / 4.5).abs() < 0.01, "{point}: {share}");
        }
        assert_eq!(density.draw(50, 11, Device::Cpu), density.draw(50, 11, Device::Cpu));
        assert_ne!(density.draw(50, 11, Device::Cpu), density.draw(50, 12, Device::Cpu));
        let mut other = Density::new(settings, 3);
        other.restore(&density.state()).unwrap();
        assert_eq!(other.draw(50, 13, Device::Cpu), density.draw(50, 13, Device::Cpu));
        assert!(!other.is_due(10));
        // No error anywhere: all points are equal.
        density.measure(&Tensor::from_slice(&[0.0, 0.0]), 20);
        assert_eq!(density.cumulative, [1.5, 3.0]);
    }

    #[test]
    fn numbers_that_make_no_distribution_are_refused() {
        let good = Adaptive::default();
        good.check().unwrap();
        for bad in [
            Adaptive { every: 0, ..good },
            Adaptive { pool: 0, ..good },
            Adaptive { exponent: -1.0, ..good },
            Adaptive { exponent: f64::NAN, ..good },
            Adaptive { floor: 0.0, ..good },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
