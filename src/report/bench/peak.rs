//! The most that one core can multiply and add: a loop of independent multiply-adds in registers.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use super::Contender;
use crate::kernels::Kernels;

/// Independent sums, enough to hide the latency of a multiply-add on two ports.
const SUMS: usize = 12;
const ROUNDS: usize = 20_000;
/// The machine's clock rises under load; the best of many short series counts.
const SERIES: usize = 200;

/// Peaks of the instruction sets, each measured when it is first asked for.
#[derive(Debug, Default)]
pub struct Peaks(BTreeMap<&'static str, Option<f64>>);

impl Peaks {
    /// Multiply-adds a second of one core with the instruction set of `contender`, the machine's fastest if it names none.
    pub fn of(&mut self, contender: &Contender) -> Option<f64> {
        let available = Kernels::available();
        let named = contender.backend.strip_prefix("native/");
        let kernels = available.iter().find(|k| Some(k.name) == named).or(available.last())?;
        *self.0.entry(kernels.name).or_insert_with(|| multiply_adds_per_second(kernels.name))
    }
}

/// Single-precision multiply-adds a second of one core with the instruction set called `name`; none for the scalar
/// reference and for instruction sets that this machine has not.
fn multiply_adds_per_second(name: &str) -> Option<f64> {
    let (lanes, series) = series(name)?;
    let fastest = (0..SERIES)
        .map(|_| {
            let start = Instant::now();
            // SAFETY: `series` found the instructions available.
            black_box(unsafe { series(black_box(1.0)) });
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    Some((lanes * SUMS * ROUNDS) as f64 / fastest)
}

type Series = unsafe fn(f32) -> f32;

/// Numbers of a register, and a series of [`SUMS`] · [`ROUNDS`] multiply-adds of registers.
fn series(name: &str) -> Option<(usize, Series)> {
    match name {
        #[cfg(target_arch = "x86_64")]
        "avx2" if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") => Some((8, avx2)),
        #[cfg(target_arch = "x86_64")]
        "avx512" if is_x86_feature_detected!("avx512f") => Some((16, avx512)),
        #[cfg(target_arch = "aarch64")]
        "neon" => Some((4, neon)),
        _ => None,
    }
}

/// The series of one instruction set: sum ← sum·x + x, which no optimiser may shorten, as `x` is known at run time only.
macro_rules! series {
    ($name:ident, $feature:literal, $splat:ident, $multiply_add:expr, $first:ident) => {
        /// # Safety
        /// The instructions must be available.
        #[target_feature(enable = $feature)]
        unsafe fn $name(x: f32) -> f32 {
            let x = $splat(x);
            let mut sums = [x; SUMS];
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = $multiply_add(*sum, x);
                }
            }
            let total = sums.into_iter().reduce(|a, b| $multiply_add(a, b)).expect("sums");
            $first(total)
        }
    };
}

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    _mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps, _mm512_cvtss_f32, _mm512_fmadd_ps, _mm512_set1_ps,
};
#[cfg(target_arch = "x86_64")]
series!(avx2, "avx2,fma", _mm256_set1_ps, |sum, x| _mm256_fmadd_ps(sum, x, x), _mm256_cvtss_f32);
#[cfg(target_arch = "x86_64")]
series!(avx512, "avx512f", _mm512_set1_ps, |sum, x| _mm512_fmadd_ps(sum, x, x), _mm512_cvtss_f32);

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::{vaddvq_f32, vdupq_n_f32, vfmaq_f32};
#[cfg(target_arch = "aarch64")]
series!(neon, "neon", vdupq_n_f32, |sum, x| vfmaq_f32(x, sum, x), vaddvq_f32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_instruction_set_has_a_peak() {
        for name in Kernels::available().iter().map(|k| k.name).filter(|&name| name != "scalar") {
            let peak = multiply_adds_per_second(name).expect(name);
            assert!(peak.is_finite() && peak > 0.0, "{name}: {peak}");
        }
        assert_eq!(multiply_adds_per_second("scalar"), None);
    }
}
