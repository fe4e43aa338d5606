//! Activations and their derivatives as C++ function objects.

use crate::activation::{Activation, SELU_ALPHA, SELU_SCALE};

/// A number, to the last bit.
pub fn number(x: f32) -> String {
    format!("as_float({:#010x}u)", x.to_bits())
}

fn unit(name: &str, scale: f32, alpha: f32, width: f32) -> String {
    format!("{name}{{{}, {}, {}}}", number(scale), number(alpha), number(width))
}

/// The activation, as exact as single precision.
pub fn exact(activation: Activation) -> String {
    let unit = |scale, alpha, width| unit("ExponentialUnit", scale, alpha, width);
    match activation {
        Activation::Linear => "Linear{}".to_owned(),
        Activation::Relu => "Relu{}".to_owned(),
        Activation::LeakyRelu { slope } => format!("LeakyRelu{{{}}}", number(slope)),
        Activation::Elu { alpha } => unit(1.0, alpha, 1.0),
        Activation::Selu => unit(SELU_SCALE, SELU_ALPHA, 1.0),
        Activation::Celu { alpha } => unit(1.0, alpha, alpha),
        Activation::Tanh => "Tanh{}".to_owned(),
        Activation::Sigmoid => "Sigmoid{}".to_owned(),
        Activation::Softplus => "Softplus{}".to_owned(),
        Activation::Silu => "Silu{}".to_owned(),
        Activation::Gelu => "Gelu{}".to_owned(),
        Activation::GeluTanh => "GeluTanh{}".to_owned(),
        Activation::RRelu { .. } | Activation::Glu => activation.no_function(),
    }
}

/// The activation with about the error that rounding to 11 bits makes.
pub fn approximate(activation: Activation) -> String {
    let unit = |scale, alpha, width| unit("ExponentialUnitApproximate", scale, alpha, width);
    match activation {
        Activation::Elu { alpha } => unit(1.0, alpha, 1.0),
        Activation::Selu => unit(SELU_SCALE, SELU_ALPHA, 1.0),
        Activation::Celu { alpha } => unit(1.0, alpha, alpha),
        Activation::Tanh => "TanhApproximate{}".to_owned(),
        Activation::Sigmoid => "SigmoidApproximate{}".to_owned(),
        other => fast(other),
    }
}

/// The activation by instructions that are as exact as single precision, where there are such.
pub fn fast(activation: Activation) -> String {
    match activation {
        Activation::Sigmoid => "SigmoidFast{}".to_owned(),
        Activation::Silu => "SiluFast{}".to_owned(),
        Activation::GeluTanh => "GeluTanhFast{}".to_owned(),
        other => exact(other),
    }
}

/// The derivative, from values or arguments as [`Activation::slope_follows_from_value`] says.
pub fn slope(activation: Activation) -> String {
    let step = |below| format!("StepSlope{{{}}}", number(below));
    let unit = |scale, alpha, width| unit("ExponentialUnitSlope", scale, alpha, width);
    match activation {
        Activation::Linear => step(1.0),
        Activation::Relu => step(0.0),
        Activation::LeakyRelu { slope } => step(slope),
        Activation::Elu { alpha } => unit(1.0, alpha, 1.0),
        Activation::Selu => unit(SELU_SCALE, SELU_ALPHA, 1.0),
        Activation::Celu { alpha } => unit(1.0, alpha, alpha),
        Activation::Tanh => "TanhSlope{}".to_owned(),
        Activation::Sigmoid => "SigmoidSlope{}".to_owned(),
        Activation::Softplus => "SoftplusSlope{}".to_owned(),
        Activation::Silu => "SiluSlope{}".to_owned(),
        Activation::Gelu => "GeluSlope{}".to_owned(),
        Activation::GeluTanh => "GeluTanhSlope{}".to_owned(),
        Activation::RRelu { .. } | Activation::Glu => activation.no_function(),
    }
}
