//! The activation functions of a network, by their names in PyTorch and ONNX.

use crate::error::{Error, Result};

/// An element-wise activation function, with the constants of its definition.
///
/// Definitions are those of PyTorch's `torch.nn` classes of the same name.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// x
    Linear,
    /// max(x, 0)
    Relu,
    /// x for x ≥ 0, `slope`·x below
    LeakyRelu {
        /// Slope for negative inputs.
        slope: f32,
    },
    /// x for x ≥ 0, `alpha`·(eˣ − 1) below
    Elu {
        /// Saturation value for large negative inputs, as a positive number.
        alpha: f32,
    },
    /// `SELU_SCALE`·ELU(x) with `SELU_ALPHA`
    Selu,
    /// max(x, 0) + min(0, `alpha`·(e^(x/`alpha`) − 1))
    Celu {
        /// Saturation value for large negative inputs, as a positive number.
        alpha: f32,
    },
    /// tanh x
    Tanh,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
    /// ln(1 + eˣ)
    Softplus,
    /// x·sigmoid(x)
    Silu,
    /// x·Φ(x) with the normal distribution's Φ
    Gelu,
    /// x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))
    GeluTanh,
}

/// α of SELU (Klambauer et al. 2017, arXiv 1706.02515).
pub const SELU_ALPHA: f32 = 1.673_263_2;
/// λ of SELU (Klambauer et al. 2017, arXiv 1706.02515).
pub const SELU_SCALE: f32 = 1.050_701;

impl Activation {
    /// Every activation with its default constants, in the order of this enum.
    pub const ALL: [Self; 12] = [
        Self::Linear,
        Self::Relu,
        Self::LeakyRelu { slope: 0.01 },
        Self::Elu { alpha: 1.0 },
        Self::Selu,
        Self::Celu { alpha: 1.0 },
        Self::Tanh,
        Self::Sigmoid,
        Self::Softplus,
        Self::Silu,
        Self::Gelu,
        Self::GeluTanh,
    ];

    /// The name used in recipes and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Relu => "relu",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Elu { .. } => "elu",
            Self::Selu => "selu",
            Self::Celu { .. } => "celu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Softplus => "softplus",
            Self::Silu => "silu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
        }
    }

    /// Whether the derivative at x is a function of the value at x, as that of tanh is 1 − tanh²; else
    /// it has to be computed from x.
    pub fn slope_follows_from_value(self) -> bool {
        match self {
            // With a negative slope, values do not tell on which side of 0 they came from.
            Self::LeakyRelu { slope } => slope >= 0.0,
            Self::Silu | Self::Gelu | Self::GeluTanh => false,
            _ => true,
        }
    }

    /// The activation called `name`, with its default constants; case and `_` do not matter,
    /// so that PyTorch's class names (`LeakyReLU`, `SiLU`) are understood.
    ///
    /// # Errors
    /// An unknown name, with the list of known ones.
    pub fn from_name(name: &str) -> Result<Self> {
        let plain = |s: &str| s.to_ascii_lowercase().replace('_', "");
        Self::ALL.into_iter().find(|a| plain(a.name()) == plain(name)).ok_or_else(|| {
            Error::invalid(format!("unknown activation \"{name}\""))
                .remedy(format!("use one of {}", Self::ALL.map(Self::name).join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_written_here_and_in_pytorch() {
        for activation in Activation::ALL {
            assert_eq!(Activation::from_name(activation.name()).unwrap(), activation);
        }
        assert_eq!(Activation::from_name("SiLU").unwrap(), Activation::Silu);
        assert_eq!(Activation::from_name("LeakyReLU").unwrap(), Activation::LeakyRelu { slope: 0.01 });
        let message = Activation::from_name("swush").unwrap_err().to_string();
        assert!(message.contains("swush") && message.contains("tanh"), "{message}");
    }
}
