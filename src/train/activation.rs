//! Activations on libtorch, differentiable twice so that residuals of ODEs can be trained on.

use tch::Tensor;

use crate::activation::Activation;

/// activation(x), element by element, with PyTorch's definitions.
pub(crate) fn activate(activation: Activation, x: &Tensor) -> Tensor {
    match activation {
        Activation::Linear => x.shallow_clone(),
        Activation::Relu => x.relu(),
        Activation::LeakyRelu { slope } => x.relu() - (-x).relu() * f64::from(slope),
        Activation::Elu { alpha: 1.0 } => x.elu(),
        // libtorch's binding fixes α = 1; for x ≤ 0 the exponent is x, above it is 0.
        Activation::Elu { alpha } => x.relu() + x.clamp_max(0.0).expm1() * f64::from(alpha),
        Activation::Selu => x.selu(),
        Activation::Celu { alpha } => {
            let alpha = f64::from(alpha);
            x.relu() + (x.clamp_max(0.0) / alpha).expm1() * alpha
        }
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => x.sigmoid(),
        Activation::Softplus => x.softplus(),
        Activation::Silu => x.silu(),
        Activation::Gelu => x.gelu("none"),
        Activation::GeluTanh => x.gelu("tanh"),
    }
}
