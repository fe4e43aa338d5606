//! The activation functions of a network, by their names in PyTorch and ONNX.

use crate::error::{Error, Result};

/// An activation function, with the constants of its definition.
///
/// Definitions are those of PyTorch's `torch.nn` classes of the same name. All but [`Self::Glu`] turn
/// each number into one number.
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
    /// x for x ≥ 0, slope·x below with a slope drawn from U(`lower`, `upper`) for every number while
    /// training, and their mean at inference (Xu et al. 2015, arXiv 1505.00853). A program holds it as
    /// [`Self::LeakyRelu`] of that mean.
    RRelu {
        /// Smallest slope.
        lower: f32,
        /// Largest slope.
        upper: f32,
    },
    /// a·sigmoid(b), where a is the first half of the columns and b the second (Dauphin et al. 2016,
    /// arXiv 1612.08083): the gated linear unit, of half as many outputs as inputs.
    ///
    /// The width of a layer with it is that of the affine map, as in `nn.Linear(n, width), nn.GLU()`: it is
    /// even, and half of it goes on to the next layer. A program holds it as two slices, a sigmoid and
    /// a product.
    Glu,
}

/// α of SELU (Klambauer et al. 2017, arXiv 1706.02515).
pub const SELU_ALPHA: f32 = 1.673_263_2;
/// λ of SELU (Klambauer et al. 2017, arXiv 1706.02515).
pub const SELU_SCALE: f32 = 1.050_701;

impl Activation {
    /// Every activation with its default constants, in the order of this enum.
    pub const ALL: [Self; 14] = [
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
        Self::RRelu { lower: 1.0 / 8.0, upper: 1.0 / 3.0 },
        Self::Glu,
    ];

    /// The functions of single numbers among [`Self::ALL`], as which operations of programs have them.
    pub fn functions() -> impl Iterator<Item = Self> + Clone {
        Self::ALL.into_iter().filter(|a| a.is_function())
    }

    /// What this is at inference, as a function of single numbers; none of [`Self::Glu`].
    pub(crate) fn as_function(self) -> Option<Self> {
        match self {
            Self::Glu => None,
            Self::RRelu { lower, upper } => Some(Self::LeakyRelu { slope: (lower + upper) / 2.0 }),
            function => Some(function),
        }
    }

    pub(crate) fn is_function(self) -> bool {
        self.as_function() == Some(self)
    }

    /// Ends a kernel that is asked for what is no function.
    #[cold]
    pub(crate) fn no_function(self) -> ! {
        unreachable!("programs refuse {self:?}")
    }

    /// Columns that go into one column of the result: 2 of [`Self::Glu`], else 1.
    pub fn inputs_per_output(self) -> usize {
        if self == Self::Glu { 2 } else { 1 }
    }

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
            Self::RRelu { .. } => "rrelu",
            Self::Glu => "glu",
        }
    }

    /// Whether the derivative at x is a function of the value at x, as that of tanh is 1 − tanh²; else
    /// it has to be computed from x.
    pub fn slope_follows_from_value(self) -> bool {
        match self {
            // With a negative slope, values do not tell on which side of 0 they came from.
            Self::LeakyRelu { slope } => slope >= 0.0,
            Self::Silu | Self::Gelu | Self::GeluTanh | Self::RRelu { .. } | Self::Glu => false,
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
        assert_eq!(Activation::from_name("RReLU").unwrap().name(), "rrelu");
        let message = Activation::from_name("swush").unwrap_err().to_string();
        assert!(message.contains("swush") && message.contains("tanh"), "{message}");
    }
}
