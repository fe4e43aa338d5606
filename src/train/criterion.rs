//! How far predictions are from targets, as one number to minimise.

use std::fmt;
use std::rc::Rc;

use tch::{Kind, Reduction, Tensor};

use crate::error::{Error, Result};

/// Added to sums of squares below a root, whose slope at 0 is infinite: what agrees exactly must not make NaN.
const TINY: f64 = 1e-24;
/// Norm below which a row has no direction.
const NO_DIRECTION: f64 = 1e-8;

/// A distance between predictions and targets `[n, columns]`, n rows of one cell each.
///
/// Those that depend on errors alone (the first five) compare *scaled* outputs, of which each has a size of
/// one: errors of a potential in millivolts and of a gate count alike. The others compare outputs as they are in the
/// data, because relative errors, distributions and directions have another meaning when numbers are shifted.
#[derive(Clone, Debug, PartialEq)]
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
    /// Mean of |e|^p, without a root: p = 1 is [`Self::Mae`], p = 2 is [`Self::Mse`].
    Lp {
        /// The exponent p, at least 1.
        p: f64,
    },
    /// ‖prediction − target‖₂ / ‖target‖₂ over all numbers of a batch.
    RelativeL2,
    /// The square of [`Self::RelativeL2`].
    RelativeL2Squared,
    /// Mean over rows of Σⱼ qⱼ·(ln qⱼ − ln pⱼ), where q is the softmax of the row's targets and p that of its
    /// predictions. It does not see what is added to all outputs of a row.
    KlDivergence,
    /// 1 − mean over rows of the cosine between prediction and target; a row of zeros has the cosine 0. It does
    /// not see by what a row is multiplied.
    CosineSimilarity,
    /// A function of one's own; see [`Criterion::custom`].
    Custom(CustomCriterion),
}

/// Predictions and targets to a tensor of one number.
type Function = dyn Fn(&Tensor, &Tensor) -> Tensor;

/// A criterion of one's own.
#[derive(Clone)]
pub struct CustomCriterion {
    name: String,
    function: Rc<Function>,
}

impl fmt::Debug for CustomCriterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name)
    }
}

impl PartialEq for CustomCriterion {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Rc::ptr_eq(&self.function, &other.function)
    }
}

impl Criterion {
    /// Names of criteria in recipes.
    const NAMES: &str = "mse, mae, huber, rmse, l3, l4, …, relative_l2, relative_l2_squared, kl_divergence, \
                         cosine_similarity";

    /// A criterion that is computed by `function` from predictions and targets `[n, columns]` in the units of the
    /// data (of a residual: from the residual and zeros) and gives a tensor of one number, differentiable in the
    /// predictions.
    ///
    /// ```no_run
    /// use emucell::train::Criterion;
    /// // Counts errors five times where the target is near a threshold.
    /// let criterion = Criterion::custom("near threshold", |prediction, target| {
    ///     let near = (target - 0.4).abs().lt(0.1).to_kind(target.kind());
    ///     ((prediction - target).square() * (near * 4.0 + 1.0)).mean(target.kind())
    /// });
    /// assert_eq!(criterion.name(), "near threshold");
    /// ```
    pub fn custom(name: &str, function: impl Fn(&Tensor, &Tensor) -> Tensor + 'static) -> Self {
        Self::Custom(CustomCriterion { name: name.to_owned(), function: Rc::new(function) })
    }

    /// The criterion as a tensor of one number.
    pub fn evaluate(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let kind = target.kind();
        match self {
            Self::Mse => prediction.mse_loss(target, Reduction::Mean),
            Self::Mae => prediction.l1_loss(target, Reduction::Mean),
            Self::Huber { delta } => prediction.huber_loss(target, Reduction::Mean, *delta) / *delta,
            Self::Rmse => (row_squares(&(prediction - target)) + TINY).sqrt().mean(kind),
            Self::Lp { p } => (prediction - target).abs().pow_tensor_scalar(*p).mean(kind),
            Self::RelativeL2 => (relative_squares(prediction, target) + TINY).sqrt(),
            Self::RelativeL2Squared => relative_squares(prediction, target),
            Self::KlDivergence => {
                let (p, q) = (prediction.log_softmax(1, kind), target.log_softmax(1, kind));
                let terms = q.exp() * (&q - p);
                terms.sum_dim_intlist(1, false, kind).mean(kind)
            }
            Self::CosineSimilarity => {
                let product = (prediction * target).sum_dim_intlist(1, false, kind);
                let norm = |x: &Tensor| (row_squares(x) + TINY).sqrt().clamp_min(NO_DIRECTION);
                1.0 - (product / (norm(prediction) * norm(target))).mean(kind)
            }
            Self::Custom(custom) => (custom.function)(prediction, target),
        }
    }

    /// Whether predictions and targets are compared in the units of the data rather than scaled.
    pub fn compares_raw(&self) -> bool {
        !matches!(self, Self::Mse | Self::Mae | Self::Huber { .. } | Self::Rmse | Self::Lp { .. })
    }

    /// The criterion called `name`, as recipes or the papers' Python classes call it; case, `_` and a `Loss` at
    /// the end do not matter: `mse`, `mae`, `huber` (δ = 0.1), `rmse`, `l3`, `l4`, … ([`Self::Lp`]),
    /// `relative_l2` (in Python `L2`), `relative_l2_squared` (`L2_squared`), `kl_divergence`
    /// (`KLDivergenceLoss`), `cosine_similarity` (`CosineSimilarityLoss`).
    ///
    /// # Errors
    /// An unknown name, with the list of known ones; `l2` in lower case, which may mean two things.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "L2" => return Ok(Self::RelativeL2),
            "L2_squared" => return Ok(Self::RelativeL2Squared),
            _ => {}
        }
        let plain = plain(name);
        Ok(match plain.as_str() {
            "mse" => Self::Mse,
            "mae" => Self::Mae,
            "huber" => Self::Huber { delta: 0.1 },
            "rmse" => Self::Rmse,
            "relativel2" => Self::RelativeL2,
            "relativel2squared" => Self::RelativeL2Squared,
            "kl" | "kldivergence" => Self::KlDivergence,
            "cosine" | "cosinesimilarity" => Self::CosineSimilarity,
            "l2" | "l2squared" => {
                return Err(Error::invalid(format!("the criterion \"{name}\", which may mean two things"))
                    .remedy("use mse for the mean square, relative_l2 for the papers' class"));
            }
            "lp" | "lpth" => {
                return Err(Error::invalid(format!("the criterion \"{name}\" without its exponent"))
                    .remedy("use l3, l4, …, or give p in a recipe"));
            }
            _ => {
                let p = plain.strip_prefix('l').and_then(|p| p.parse().ok()).filter(|p| *p >= 1.0);
                let unknown = || {
                    Error::invalid(format!("unknown criterion \"{name}\""))
                        .remedy(format!("use one of {}", Self::NAMES))
                };
                Self::Lp { p: p.ok_or_else(unknown)? }
            }
        })
    }

    /// Whether `name` is that of [`Self::Lp`] with its exponent elsewhere, as `LPthLoss` has it.
    pub(crate) fn is_lp(name: &str) -> bool {
        matches!(plain(name).as_str(), "lp" | "lpth")
    }

    /// The name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Mse => "mse".to_owned(),
            Self::Mae => "mae".to_owned(),
            Self::Huber { .. } => "huber".to_owned(),
            Self::Rmse => "rmse".to_owned(),
            Self::Lp { p } => format!("l{p}"),
            Self::RelativeL2 => "relative_l2".to_owned(),
            Self::RelativeL2Squared => "relative_l2_squared".to_owned(),
            Self::KlDivergence => "kl_divergence".to_owned(),
            Self::CosineSimilarity => "cosine_similarity".to_owned(),
            Self::Custom(custom) => custom.name.clone(),
        }
    }

    /// Rejects constants for which the criterion makes no sense.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Huber { delta } if !(delta.is_finite() && *delta > 0.0) => {
                Err(Error::invalid(format!("a Huber delta of {delta}")).remedy("use a positive number"))
            }
            Self::Lp { p } if !(p.is_finite() && *p >= 1.0) => {
                Err(Error::invalid(format!("an exponent of {p}")).remedy("use a number of at least 1"))
            }
            _ => Ok(()),
        }
    }

    /// Rejects a criterion that says nothing about outputs of `n_columns` columns.
    pub(crate) fn check_columns(&self, n_columns: usize) -> Result<()> {
        match self {
            Self::KlDivergence | Self::CosineSimilarity if n_columns == 1 => {
                Err(Error::invalid(format!("{} of a single output", self.name()))
                    .remedy("use mse or mae: it compares the outputs of a row with each other"))
            }
            _ => self.check(),
        }
    }

    /// Rejects a criterion that cannot tell how far residuals are from zero.
    pub(crate) fn check_residual(&self) -> Result<()> {
        match self {
            Self::RelativeL2 | Self::RelativeL2Squared | Self::KlDivergence | Self::CosineSimilarity => {
                Err(Error::invalid(format!("{} of a residual, whose target is zero", self.name()))
                    .remedy("use mse, mae, huber, rmse or l3, l4, …"))
            }
            _ => self.check(),
        }
    }
}

/// A name without what does not matter.
fn plain(name: &str) -> String {
    let plain = name.to_ascii_lowercase().replace('_', "");
    plain.strip_suffix("loss").map_or(plain.clone(), str::to_owned)
}

fn row_squares(x: &Tensor) -> Tensor {
    x.square().sum_dim_intlist(1, false, x.kind())
}

fn relative_squares(prediction: &Tensor, target: &Tensor) -> Tensor {
    let kind: Kind = target.kind();
    (prediction - target).square().sum(kind) / (target.square().sum(kind) + TINY)
}
