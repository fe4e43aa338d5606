//! Derivatives of the activations, from their values or arguments as
//! [`Activation::slope_follows_from_value`] says.

use super::Vector;
use super::function::{
    Function, WithFunction, exp_in_range, exp_m1_of_negative, limited, normal_distribution,
};
use crate::activation::{Activation, SELU_ALPHA, SELU_SCALE};

/// `above` where the value is positive, else `below`: ReLU, leaky ReLU and the identity.
#[derive(Clone, Copy)]
struct Step {
    above: f32,
    below: f32,
}
impl Function for Step {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, y: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe { y.if_positive(V::splat(self.above), V::splat(self.below)).or_nan_of(y) }
    }
}

/// scale where the value is positive, else (value + scale·alpha)/width: ELU, SELU and CELU.
#[derive(Clone, Copy)]
struct ExponentialUnit {
    scale: f32,
    alpha: f32,
    width: f32,
}
impl Function for ExponentialUnit {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, y: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            let below = y.add(V::splat(self.scale * self.alpha)).divide(V::splat(self.width));
            y.if_positive(V::splat(self.scale), below)
        }
    }
}

/// (1 − y)·(1 + y)
#[derive(Clone, Copy)]
struct Tanh;
impl Function for Tanh {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, y: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            let one = V::splat(1.0);
            one.subtract(y).multiply(one.add(y))
        }
    }
}

/// y·(1 − y)
#[derive(Clone, Copy)]
struct Sigmoid;
impl Function for Sigmoid {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, y: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe { y.multiply(V::splat(1.0).subtract(y)) }
    }
}

/// 1 − e^(−y)
#[derive(Clone, Copy)]
struct Softplus;
impl Function for Softplus {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, y: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            let zero = V::splat(0.0);
            zero.subtract(exp_m1_of_negative(zero.subtract(y)))
        }
    }
}

/// s·(1 + x·(1 − s)·inner') with s = sigmoid(inner): the derivative of x·s. 1 − s is computed without
/// the cancellation. |inner| ≤ 88.
#[inline(always)]
unsafe fn gated<V: Vector>(x: V, inner: V, inner_slope: V) -> V {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let one = V::splat(1.0);
        let e = exp_in_range(limited(V::splat(0.0).subtract(inner), -86.6, 88.0));
        let gate = one.divide(one.add(e));
        let change = x.multiply(e.multiply(gate)).multiply(inner_slope);
        gate.multiply(one.add(change))
    }
}

#[derive(Clone, Copy)]
struct Silu;
impl Function for Silu {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            let x = limited(x, -88.0, 88.0);
            gated(x, x, V::splat(1.0))
        }
    }
}

#[derive(Clone, Copy)]
struct GeluTanh;
impl Function for GeluTanh {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            // Beyond, the derivative is 0 or 1 in single precision.
            let x = limited(x, -10.0, 10.0);
            let (one, k, square) = (V::splat(1.0), V::splat(2.0 * 0.797_884_6), x.multiply(x));
            let inner = V::splat(0.044_715).multiply_add(square.multiply(x), x).multiply(k);
            let inner_slope = V::splat(3.0 * 0.044_715).multiply_add(square, one).multiply(k);
            gated(x, inner, inner_slope)
        }
    }
}

/// Φ(x) + x·φ(x)
#[derive(Clone, Copy)]
struct Gelu;
impl Function for Gelu {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            // Beyond, the derivative is 0 or 1 in single precision.
            let x = limited(x, -13.0, 13.0);
            let (distribution, gauss) = normal_distribution(x);
            // 1/√(2π)
            x.multiply(gauss).multiply_add(V::splat(0.398_942_3), distribution)
        }
    }
}

/// Calls `action` with the derivative of `activation`.
#[inline(always)]
pub unsafe fn with_slope(activation: Activation, action: impl WithFunction) {
    let step = |below| Step { above: 1.0, below };
    let unit = |scale, alpha, width| ExponentialUnit { scale, alpha, width };
    // SAFETY: the caller vouches for what `action` needs.
    unsafe {
        match activation {
            Activation::Linear => action.run(step(1.0)),
            Activation::Relu => action.run(step(0.0)),
            Activation::LeakyRelu { slope } => action.run(step(slope)),
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
