//! Activations on libtorch, differentiable twice so that residuals of ODEs can be trained on.

use tch::Tensor;

use super::random::Random;
use crate::activation::Activation;

/// activation(x), row by row, with PyTorch's definitions at inference.
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
        Activation::RRelu { lower, upper } => {
            activate(Activation::LeakyRelu { slope: (lower + upper) / 2.0 }, x)
        }
        Activation::Glu => x.glu(-1),
    }
}

/// activation(x) as it is in training, with what is random about it drawn from `random`.
pub(crate) fn activate_randomly(activation: Activation, x: &Tensor, random: &mut Random) -> Tensor {
    let Activation::RRelu { lower, upper } = activation else { return activate(activation, x) };
    let (lower, upper) = (f64::from(lower), f64::from(upper));
    let slopes: Vec<f32> = (0..x.numel()).map(|_| random.between(lower, upper) as f32).collect();
    let slopes =
        Tensor::from_slice(&slopes).view(x.size().as_slice()).to_kind(x.kind()).to_device(x.device());
    x.relu() - (-x).relu() * slopes
}
