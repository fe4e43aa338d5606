//! How far predictions are from targets, as one number to minimise.

use tch::{Reduction, Tensor};

use crate::error::{Error, Result};

/// A distance between predictions and targets `[n, columns]`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Criterion {
    /// Mean of the squared errors.
    Mse,
    /// Mean of the absolute errors.
    Mae,
    /// Mean of e²/2 below `delta` and `delta`·(|e| − `delta`/2) above (Huber 1964), divided by
    /// `delta`: absolute errors where they are large, smooth at zero.
    Huber {
        /// The error at which the parabola becomes a line.
        delta: f64,
    },
    /// Mean over rows of the row's Euclidean norm.
    Rmse,
    /// Mean of |e|^p.
    Power {
        /// The exponent p, at least 1.
        p: f64,
    },
}

impl Criterion {
    /// The criterion as a tensor of one number.
    pub fn evaluate(self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let kind = target.kind();
        match self {
            Self::Mse => prediction.mse_loss(target, Reduction::Mean),
            Self::Mae => prediction.l1_loss(target, Reduction::Mean),
            Self::Huber { delta } => prediction.huber_loss(target, Reduction::Mean, delta) / delta,
            Self::Rmse => {
                // The root's slope at 0 is infinite: a row without error must not make NaN.
                let squares = (prediction - target).square().sum_dim_intlist(1, false, kind);
                (squares + 1e-24).sqrt().mean(kind)
            }
            Self::Power { p } => (prediction - target).abs().pow_tensor_scalar(p).mean(kind),
        }
    }

    /// The criterion called `name`: `mse`, `mae`, `huber` (δ = 0.1), `rmse` or `l3`, `l4`, ….
    ///
    /// # Errors
    /// An unknown name, with the list of known ones.
    pub fn from_name(name: &str) -> Result<Self> {
        let power = |p: f64| if p >= 1.0 { Some(Self::Power { p }) } else { None };
        match name {
            "mse" => Some(Self::Mse),
            "mae" => Some(Self::Mae),
            "huber" => Some(Self::Huber { delta: 0.1 }),
            "rmse" => Some(Self::Rmse),
            _ => name.strip_prefix('l').and_then(|p| p.parse().ok()).and_then(power),
        }
        .ok_or_else(|| {
            Error::invalid(format!("unknown criterion \"{name}\""))
                .remedy("use one of mse, mae, huber, rmse, l3, l4, …")
        })
    }

    /// Rejects constants for which the criterion makes no sense.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Huber { delta } if !(delta.is_finite() && delta > 0.0) => {
                Err(Error::invalid(format!("a Huber delta of {delta}")).remedy("use a positive number"))
            }
            Self::Power { p } if !(p.is_finite() && p >= 1.0) => {
                Err(Error::invalid(format!("an exponent of {p}")).remedy("use a number of at least 1"))
            }
            _ => Ok(()),
        }
    }
}
