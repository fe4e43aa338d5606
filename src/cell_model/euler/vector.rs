//! SIMD vectors that the equations are evaluated with.
//!
//! Every type rounds a fused multiply–add once, so that all of them, on all machines and for
//! vectors of any width, give the same bits.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::cell_model::real::Real;
use crate::view::Element;

/// Width of the widest vector.
pub(super) const MAX_WIDTH: usize = 16;

/// A number type that the solver works in.
pub(super) trait Scalar:
    Element
    + Default
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    fn narrow(value: f64) -> Self;
    fn fused_mul_add(self, factor: Self, addend: Self) -> Self;
}

macro_rules! scalar {
    ($type:ty) => {
        impl Scalar for $type {
            #[inline(always)]
            fn narrow(value: f64) -> Self {
                value as $type
            }

            #[inline(always)]
            fn fused_mul_add(self, factor: Self, addend: Self) -> Self {
                <$type>::mul_add(self, factor, addend)
            }
        }
    };
}

scalar!(f32);
scalar!(f64);

/// One number for each of [`WIDTH`](Self::WIDTH) cells side by side.
pub(super) trait Vector: Real + Copy {
    type Number: Scalar;
    const WIDTH: usize;

    fn splat(value: f64) -> Self;

    /// # Safety
    /// `from` is valid for reads of [`WIDTH`](Self::WIDTH) numbers.
    unsafe fn load(from: *const Self::Number) -> Self;

    /// # Safety
    /// `to` is valid for writes of [`WIDTH`](Self::WIDTH) numbers.
    unsafe fn store(self, to: *mut Self::Number);
}

/// A vector for any machine: an array whose loops the compiler unrolls.
#[derive(Clone, Copy)]
pub(super) struct Lanes<T, const N: usize>([T; N]);

impl<T: Scalar, const N: usize> Lanes<T, N> {
    #[inline(always)]
    fn zip(mut self, other: Self, f: impl Fn(T, T) -> T) -> Self {
        for i in 0..N {
            self.0[i] = f(self.0[i], other.0[i]);
        }
        self
    }
}

macro_rules! lanes_operator {
    ($trait:ident, $method:ident) => {
        impl<T: Scalar, const N: usize> $trait for Lanes<T, N> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                self.zip(other, T::$method)
            }
        }
    };
}

lanes_operator!(Add, add);
lanes_operator!(Sub, sub);
lanes_operator!(Mul, mul);
lanes_operator!(Div, div);

impl<T: Scalar, const N: usize> Neg for Lanes<T, N> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        self.zip(self, |x, _| -x)
    }
}

impl<T: Scalar, const N: usize> Real for Lanes<T, N> {
    #[inline(always)]
    fn constant(&self, value: f64) -> Self {
        Self::splat(value)
    }

    #[inline(always)]
    fn scale(self, factor: f64) -> Self {
        self * Self::splat(factor)
    }

    #[inline(always)]
    fn offset(self, constant: f64) -> Self {
        self + Self::splat(constant)
    }

    #[inline(always)]
    fn mul_add(mut self, factor: Self, addend: Self) -> Self {
        for i in 0..N {
            self.0[i] = self.0[i].fused_mul_add(factor.0[i], addend.0[i]);
        }
        self
    }
}

impl<T: Scalar, const N: usize> Vector for Lanes<T, N> {
    type Number = T;
    const WIDTH: usize = N;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self([T::narrow(value); N])
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller vouches for N numbers.
        Self(unsafe { from.cast::<[T; N]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller vouches for N numbers.
        unsafe { to.cast::<[T; N]>().write_unaligned(self.0) }
    }
}

/// Vectors of x86-64 registers, written out so that the speed does not hang on what the compiler
/// makes of loops over arrays.
#[cfg(target_arch = "x86_64")]
pub(super) mod x86_64 {
    use std::arch::x86_64::*;

    use super::*;

    macro_rules! register {
        ($name:ident, $register:ty, $number:ty, $width:literal, $set:ident, $load:ident, $store:ident,
         $add:ident, $sub:ident, $mul:ident, $div:ident, $fused:ident) => {
            /// A register; handled only by code that runs after the machine's features were checked.
            #[derive(Clone, Copy)]
            pub(in super::super) struct $name($register);

            register!(@operator $name, Add, add, $add);
            register!(@operator $name, Sub, sub, $sub);
            register!(@operator $name, Mul, mul, $mul);
            register!(@operator $name, Div, div, $div);

            impl Neg for $name {
                type Output = Self;

                #[inline(always)]
                fn neg(self) -> Self {
                    // From −0, not +0, so that zeros change their sign too; the compiler makes a
                    // negated fused operation of it.
                    Self::splat(-0.0) - self
                }
            }

            impl Real for $name {
                #[inline(always)]
                fn constant(&self, value: f64) -> Self {
                    Self::splat(value)
                }

                #[inline(always)]
                fn scale(self, factor: f64) -> Self {
                    self * Self::splat(factor)
                }

                #[inline(always)]
                fn offset(self, constant: f64) -> Self {
                    self + Self::splat(constant)
                }

                #[inline(always)]
                fn mul_add(self, factor: Self, addend: Self) -> Self {
                    // SAFETY: the machine has the instruction; see the type.
                    Self(unsafe { $fused(self.0, factor.0, addend.0) })
                }
            }

            impl Vector for $name {
                type Number = $number;
                const WIDTH: usize = $width;

                #[inline(always)]
                fn splat(value: f64) -> Self {
                    // SAFETY: the machine has the instruction; see the type.
                    Self(unsafe { $set(value as $number) })
                }

                #[inline(always)]
                unsafe fn load(from: *const $number) -> Self {
                    // SAFETY: the caller vouches for the numbers; alignment is not needed.
                    Self(unsafe { $load(from) })
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut $number) {
                    // SAFETY: the caller vouches for the place; alignment is not needed.
                    unsafe { $store(to, self.0) }
                }
            }
        };
        (@operator $name:ident, $trait:ident, $method:ident, $intrinsic:ident) => {
            impl $trait for $name {
                type Output = Self;

                #[inline(always)]
                fn $method(self, other: Self) -> Self {
                    // SAFETY: the machine has the instruction; see the type.
                    Self(unsafe { $intrinsic(self.0, other.0) })
                }
            }
        };
    }

    register!(
        F32x8,
        __m256,
        f32,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_div_ps,
        _mm256_fmadd_ps
    );
    register!(
        F64x4,
        __m256d,
        f64,
        4,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_add_pd,
        _mm256_sub_pd,
        _mm256_mul_pd,
        _mm256_div_pd,
        _mm256_fmadd_pd
    );
    register!(
        F32x16,
        __m512,
        f32,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_div_ps,
        _mm512_fmadd_ps
    );
    register!(
        F64x8,
        __m512d,
        f64,
        8,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_add_pd,
        _mm512_sub_pd,
        _mm512_mul_pd,
        _mm512_div_pd,
        _mm512_fmadd_pd
    );
}
