//! The arithmetic that the equations of cell models are written in.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number, or a whole column of numbers, that a right-hand side can be evaluated with.
///
/// `f32`, `f64`, SIMD vectors and tensors that record their derivatives all qualify; that is why
/// nothing is compared, nothing need be `Copy`, and constants enter as `f64`.
pub trait Real:
    Clone + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// `value`, in the type (and on the device) of `self`.
    #[must_use]
    fn constant(&self, value: f64) -> Self;

    /// self · `factor`
    #[must_use]
    fn scale(self, factor: f64) -> Self;

    /// self + `constant`
    #[must_use]
    fn offset(self, constant: f64) -> Self;

    /// self · `factor` + `addend`, with one rounding where the type has a fused operation.
    #[inline(always)]
    #[must_use]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        self * factor + addend
    }
}

macro_rules! real_scalar {
    ($type:ty) => {
        // A fused operation without hardware support is a slow library call; the single-number
        // types serve the reference solver and must not depend on how the crate was compiled.
        impl Real for $type {
            #[inline(always)]
            fn constant(&self, value: f64) -> Self {
                value as $type
            }

            #[inline(always)]
            fn scale(self, factor: f64) -> Self {
                self * factor as $type
            }

            #[inline(always)]
            fn offset(self, constant: f64) -> Self {
                self + constant as $type
            }
        }
    };
}

real_scalar!(f32);
real_scalar!(f64);
