//! Random numbers that depend on nothing but a seed and a stream.
//!
//! Only the raw bits of ChaCha are used, so that a training does not change with the version of
//! a random-number library.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

#[derive(Clone, Debug)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// The numbers of `seed` for the `stream`-th use, independent of all other uses.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut bits = ChaCha8Rng::seed_from_u64(seed);
        bits.set_stream(stream);
        Self(bits)
    }

    /// Uniform in `low .. high`; `low` where they are equal.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        let fraction = (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        low + (high - low) * fraction
    }

    /// `n` independent numbers of mean 0 and standard deviation 1 (Box and Muller).
    pub fn normal(&mut self, n: usize) -> Vec<f64> {
        let mut numbers = Vec::with_capacity(n + 1);
        while numbers.len() < n {
            // 1 − x is never 0, whose logarithm there is not.
            let radius = (-2.0 * (1.0 - self.between(0.0, 1.0)).ln()).sqrt();
            let (sine, cosine) = self.between(0.0, std::f64::consts::TAU).sin_cos();
            numbers.extend([radius * cosine, radius * sine]);
        }
        numbers.truncate(n);
        numbers
    }

    /// The numbers `0 .. n` in random order (Fisher and Yates).
    pub fn order(&mut self, n: usize) -> Vec<i64> {
        let mut order: Vec<i64> = (0..n as i64).collect();
        for i in (1..n).rev() {
            let j = (u128::from(self.0.next_u64()) * (i as u128 + 1)) >> 64;
            order.swap(i, j as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn an_order_holds_every_number_once_and_follows_from_the_seed() {
        let order = Random::new(1, 2).order(100);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..100));
        assert_eq!(order, Random::new(1, 2).order(100));
        assert_ne!(order, Random::new(1, 3).order(100));
        assert_ne!(order, Random::new(2, 2).order(100));
    }
}
