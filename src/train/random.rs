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
