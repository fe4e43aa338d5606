//! Elementary functions and activations on vectors.
//!
//! Coefficients are minimax fits (Lawson's iteration on Chebyshev nodes) made for these
//! intervals. Errors are those of the fit; rounding adds one or two units in the last place.

use super::Vector;
use crate::activation::{Activation, SELU_ALPHA, SELU_SCALE};

/// A function applied to every element.
pub trait Function: Copy {
    /// The function's value.
    ///
    /// # Safety
    /// The vector's instructions must be available.
    unsafe fn apply<V: Vector>(self, x: V) -> V;
}

/// e^r − 1 = r + r²·q(r) on |r| ≤ ln 2 / 2, relative error 2e-10.
const EXP_Q: [f32; 6] = [0.5, 0.166_666_67, 4.166_646_5e-2, 8.333_286e-3, 1.393_365_2e-3, 1.990_758_3e-4];
/// (artanh √z / √z − 1) / z on 0 ≤ z ≤ 1/9, relative error of the logarithm 4e-10.
const ARTANH_G: [f32; 5] = [0.333_333_34, 0.199_998_48, 0.142_964_05, 0.108_500_22, 0.116_268_87];
/// e^(z²)·erfc(z) / t with t = 1/(1 + z/2) on 0.12 ≤ t ≤ 1, relative error 4e-8.
const ERFC_H: [f32; 9] = [
    0.282_084_33,
    0.282_412_1,
    0.242_835_02,
    0.203_752_92,
    -0.029_149_454,
    0.281_734_62,
    -0.490_407_54,
    0.286_124_53,
    -0.059_386_577,
];
/// P and Q of tanh x = x·P(x²) / Q(x²) on |x| ≤ 9, relative error 2e-8.
const TANH_P: [f32; 5] = [1.0, 0.133_810_27, 3.495_589_5e-3, 2.060_910_3e-5, 1.335_468_6e-8];
const TANH_Q: [f32; 5] = [1.0, 0.467_143_42, 2.587_698_7e-2, 3.285_637e-4, 7.776_569e-7];
/// ln 2 in two parts, the first with so few bits that its multiples are exact.
const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
/// Beyond this e^x would leave the range of single precision.
const EXP_LIMIT: f32 = 88.722_83;
/// Below this e^x is less than 3e-38 and is taken as 0; its power of two is still normal.
const EXP_FLOOR: f32 = -86.6;

#[inline(always)]
unsafe fn polynomial<V: Vector>(x: V, coefficients: &[f32]) -> V {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let mut sum = V::splat(coefficients[coefficients.len() - 1]);
        for &c in coefficients[..coefficients.len() - 1].iter().rev() {
            sum = sum.multiply_add(x, V::splat(c));
        }
        sum
    }
}

/// n and e^r − 1 such that e^x = 2ⁿ·e^r.
#[inline(always)]
unsafe fn reduced_exp<V: Vector>(x: V) -> (V, V) {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let n = x.multiply(V::splat(std::f32::consts::LOG2_E)).round();
        let r = n.multiply_add(V::splat(-LN_2.0), x);
        let r = n.multiply_add(V::splat(-LN_2.1), r);
        (n, r.multiply(r).multiply_add(polynomial(r, &EXP_Q), r))
    }
}

/// e^x for −86.6 ≤ x ≤ 88.
#[inline(always)]
pub unsafe fn exp_in_range<V: Vector>(x: V) -> V {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let (n, p) = reduced_exp(x);
        V::splat(1.0).add(p).scale(n)
    }
}

/// e^x − 1 for −86.6 ≤ x ≤ 88, accurate near 0 too.
#[inline(always)]
unsafe fn exp_m1_in_range<V: Vector>(x: V) -> V {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let (n, p) = reduced_exp(x);
        let power = V::splat(1.0).scale(n);
        power.multiply_add(p, power.subtract(V::splat(1.0)))
    }
}

/// x limited to low ..= high, NaN kept.
#[inline(always)]
pub unsafe fn limited<V: Vector>(x: V, low: f32, high: f32) -> V {
    // SAFETY: the caller vouches for the instructions.
    unsafe { V::splat(high).minimum(V::splat(low).maximum(x)) }
}

/// e^x over the whole range: 0 below, infinity beyond.
#[derive(Clone, Copy)]
pub struct Exp;

impl Function for Exp {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            // The power of two is split because 2¹²⁸ does not fit an exponent.
            let (n, p) = reduced_exp(limited(x, EXP_FLOOR, EXP_LIMIT));
            let n = n.subtract(V::splat(1.0));
            let y = V::splat(2.0).multiply_add(p, V::splat(2.0)).scale(n);
            let y = x.subtract(V::splat(EXP_LIMIT)).if_positive(V::splat(f32::INFINITY), y);
            V::splat(EXP_FLOOR).subtract(x).if_positive(V::splat(0.0), y)
        }
    }
}

/// 1 / (1 + e^(−x))
#[inline(always)]
unsafe fn sigmoid<V: Vector>(x: V) -> V {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let one = V::splat(1.0);
        let e = exp_in_range(limited(V::splat(0.0).subtract(x), EXP_FLOOR, 88.0));
        one.divide(one.add(e))
    }
}

/// e^x − 1 for x ≤ 0; for x > 0 what it gives does not matter.
#[inline(always)]
pub unsafe fn exp_m1_of_negative<V: Vector>(x: V) -> V {
    // SAFETY: the caller vouches for the instructions.
    unsafe { exp_m1_in_range(limited(x, EXP_FLOOR, 0.0)) }
}

#[derive(Clone, Copy)]
pub struct Linear;
impl Function for Linear {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        x
    }
}

#[derive(Clone, Copy)]
pub struct Relu;
impl Function for Relu {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions. NaN is kept: it is the second operand.
        unsafe { V::splat(0.0).maximum(x) }
    }
}

/// x for x > 0, slope·x else.
#[derive(Clone, Copy)]
pub struct LeakyRelu(pub f32);
impl Function for LeakyRelu {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe { x.if_positive(x, V::splat(self.0).multiply(x)) }
    }
}

/// scale·(x for x > 0, alpha·(e^(x/width) − 1) else): ELU, SELU and CELU.
#[derive(Clone, Copy)]
pub struct ExponentialUnit {
    scale: f32,
    alpha: f32,
    width: f32,
}
impl Function for ExponentialUnit {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            let below = exp_m1_of_negative(x.divide(V::splat(self.width))).multiply(V::splat(self.alpha));
            x.if_positive(x, below).multiply(V::splat(self.scale))
        }
    }
}

/// x·P(x²) / Q(x²), odd by construction and never beyond ±1.
#[derive(Clone, Copy)]
pub struct Tanh;
impl Function for Tanh {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            // tanh 9 is 1 in single precision.
            let x = limited(x, -9.0, 9.0);
            let z = x.multiply(x);
            let y = x.multiply(polynomial(z, &TANH_P)).divide(polynomial(z, &TANH_Q));
            limited(y, -1.0, 1.0)
        }
    }
}

#[derive(Clone, Copy)]
pub struct Sigmoid;
impl Function for Sigmoid {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe { sigmoid(x) }
    }
}

/// max(x, 0) + ln(1 + e^(−|x|)), the logarithm as 2·artanh(y / (2 + y)).
#[derive(Clone, Copy)]
pub struct Softplus;
impl Function for Softplus {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            let y = exp_in_range(limited(V::splat(0.0).subtract(x.abs()), EXP_FLOOR, 0.0));
            let s = y.divide(y.add(V::splat(2.0)));
            let z = s.multiply(s);
            let half_log = s.multiply(z).multiply_add(polynomial(z, &ARTANH_G), s);
            half_log.add(half_log).add(V::splat(0.0).maximum(x))
        }
    }
}

#[derive(Clone, Copy)]
pub struct Silu;
impl Function for Silu {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe { x.multiply(sigmoid(x)) }
    }
}

/// Φ(x) and e^(−x²/2); Φ(−|x|) = erfc(|x|/√2)/2 keeps its relative accuracy in the tail.
#[inline(always)]
pub unsafe fn normal_distribution<V: Vector>(x: V) -> (V, V) {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let one = V::splat(1.0);
        // erfc(9.3) is below the range of single precision.
        let z = limited(x.abs().multiply(V::splat(std::f32::consts::FRAC_1_SQRT_2)), 0.0, 9.3);
        let t = one.divide(V::splat(0.5).multiply_add(z, one));
        let minus_square = V::splat(0.0).subtract(z.multiply(z));
        // What the rounding of z² left over; e^(−z²) would magnify it.
        let rest = z.multiply_add(z, minus_square);
        let gauss = exp_in_range(limited(minus_square, EXP_FLOOR, 0.0));
        let gauss = gauss.subtract(gauss.multiply(rest));
        let tail = t.multiply(polynomial(t, &ERFC_H)).multiply(gauss).multiply(V::splat(0.5));
        (x.if_positive(one.subtract(tail), tail), gauss)
    }
}

/// x·Φ(x)
#[derive(Clone, Copy)]
pub struct Gelu;
impl Function for Gelu {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe { x.multiply(normal_distribution(x).0) }
    }
}

/// x·sigmoid(2·√(2/π)·(x + 0.044715·x³))
#[derive(Clone, Copy)]
pub struct GeluTanh;
impl Function for GeluTanh {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            let cube = x.multiply(x).multiply(x);
            let inner = V::splat(0.044_715).multiply_add(cube, x);
            x.multiply(sigmoid(inner.multiply(V::splat(2.0 * 0.797_884_6))))
        }
    }
}

/// Something to do with a [`Function`] that is known only at run time.
pub trait WithFunction {
    /// Does it.
    ///
    /// # Safety
    /// As the implementation says.
    unsafe fn run<F: Function>(self, function: F);
}

/// Calls `action` with the function of `activation`.
#[inline(always)]
pub unsafe fn with_function(activation: Activation, action: impl WithFunction) {
    let unit = |scale, alpha, width| ExponentialUnit { scale, alpha, width };
    // SAFETY: the caller vouches for what `action` needs.
    unsafe {
        match activation {
            Activation::Linear => action.run(Linear),
            Activation::Relu => action.run(Relu),
            Activation::LeakyRelu { slope } => action.run(LeakyRelu(slope)),
            Activation::Elu { alpha } => action.run(unit(1.0, alpha, 1.0)),
            Activation::Selu => action.run(unit(SELU_SCALE, SELU_ALPHA, 1.0)),
            Activation::Celu { alpha } => action.run(unit(1.0, alpha, alpha)),
            Activation::Tanh => action.run(Tanh),
            Activation::Sigmoid => action.run(Sigmoid),
            Activation::Softplus => action.run(Softplus),
            Activation::Silu => action.run(Silu),
            Activation::Gelu => action.run(Gelu),
            Activation::GeluTanh => action.run(GeluTanh),
            Activation::RRelu { .. } | Activation::Glu => activation.no_function(),
        }
    }
}
