//! Levenberg–Marquardt (Levenberg 1944, Marquardt 1963): Gauss–Newton steps, damped as far as the quadratic model of
//! the objective is wrong (Nielsen 1999, *Damping parameter in Marquardt's method*).

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::{Method, Taken, take_number};
use crate::error::Result;
use crate::train::objective::{Jacobian, Objective};

/// The method's constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevenbergMarquardt {
    /// Damping of the first step, in units of the largest curvature.
    pub damping: f64,
}

impl Default for LevenbergMarquardt {
    fn default() -> Self {
        Self { damping: 1e-3 }
    }
}

/// Damping, in units of the largest curvature, at which a step is too short to change anything.
const LARGEST_DAMPING: f64 = 1e12;
/// Below this, in the same units, the damped matrix is that without damping.
const SMALLEST_DAMPING: f64 = 1e-20;

pub(super) struct Running {
    constants: LevenbergMarquardt,
    /// The damping, or 0 before the first step.
    damping: f64,
    /// What the damping is multiplied by when a step is refused.
    growth: f64,
}

impl Running {
    pub fn new(constants: LevenbergMarquardt) -> Self {
        Self { constants, damping: 0.0, growth: 2.0 }
    }

    /// Takes note of how much of the `predicted` decrease a step brought.
    fn accepted(&mut self, decrease: f64, predicted: f64) {
        let ratio = decrease / predicted;
        self.damping *= (1.0 - (2.0 * ratio - 1.0).powi(3)).max(1.0 / 3.0);
        self.growth = 2.0;
    }

    fn refused(&mut self) {
        self.damping *= self.growth;
        self.growth *= 2.0;
    }
}

impl Method for Running {
    fn step(&mut self, objective: &mut Objective, _: f64) -> Taken {
        let jacobian = objective.jacobian();
        let present = jacobian.residuals.square().sum(Kind::Double).double_value(&[]);
        let normal = Normal::new(&jacobian);
        let curvature = normal.largest_curvature();
        if !(present.is_finite() && curvature.is_finite()) {
            return Taken::Moved;
        }
        if present == 0.0 || curvature == 0.0 {
            return Taken::Stuck;
        }
        if self.damping == 0.0 {
            self.damping = self.constants.damping * curvature;
        }
        self.damping = self.damping.max(SMALLEST_DAMPING * curvature);
        let mut parameters = objective.network().trained_parameters();
        let before = parameters.copy();
        while self.damping <= LARGEST_DAMPING * curvature {
            let Some(step) = normal.solve(self.damping) else {
                self.refused();
                continue;
            };
            parameters.copy_(&(before.to_kind(Kind::Double) + &step));
            let reached = objective.value();
            let predicted = normal.predicted_decrease(&step, self.damping);
            if reached < present && predicted > 0.0 {
                self.accepted(present - reached, predicted);
                return Taken::Moved;
            }
            self.refused();
        }
        parameters.copy_(&before);
        (self.damping, self.growth) = (0.0, 2.0);
        // Another batch may have something to teach.
        if objective.is_fixed() { Taken::Stuck } else { Taken::Moved }
    }

    fn state(&self) -> BTreeMap<String, Tensor> {
        let numbers = [("damping", self.damping), ("growth", self.growth)];
        numbers.into_iter().map(|(name, x)| (name.to_owned(), Tensor::from_slice(&[x]))).collect()
    }

    fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        self.damping = take_number(state, "damping")?;
        self.growth = take_number(state, "growth")?;
        Ok(())
    }
}

/// The damped normal equations (JᵀJ + λ) δ = −Jᵀr, of as many unknowns as there are parameters or, where those are
/// fewer, residuals: δ = −Jᵀ (JJᵀ + λ)⁻¹ r is the same step.
struct Normal {
    derivatives: Tensor,
    matrix: Tensor,
    right_side: Tensor,
    gradient: Tensor,
    of_residuals: bool,
}

impl Normal {
    fn new(jacobian: &Jacobian) -> Self {
        let Jacobian { residuals, derivatives } = jacobian;
        let size = derivatives.size();
        let of_residuals = size[0] < size[1];
        let gradient = derivatives.tr().mv(residuals);
        let (matrix, right_side) = match of_residuals {
            true => (derivatives.matmul(&derivatives.tr()), residuals.shallow_clone()),
            false => (derivatives.tr().matmul(derivatives), gradient.shallow_clone()),
        };
        Self { derivatives: derivatives.shallow_clone(), matrix, right_side, gradient, of_residuals }
    }

    /// Largest sum of squares of the derivatives in one parameter.
    fn largest_curvature(&self) -> f64 {
        self.derivatives.square().sum_dim_intlist(0, false, Kind::Double).max().double_value(&[])
    }

    /// The step, unless the matrix is not positive definite in this precision.
    fn solve(&self, damping: f64) -> Option<Tensor> {
        let damped = self.matrix.copy();
        let _ = damped.diagonal(0, 0, 1).g_add_scalar_(damping);
        let (factor, info) = damped.linalg_cholesky_ex(false, false);
        if info.int64_value(&[]) != 0 {
            return None;
        }
        let solution = -self.right_side.unsqueeze(1).cholesky_solve(&factor, false).squeeze_dim(1);
        Some(if self.of_residuals { self.derivatives.tr().mv(&solution) } else { solution })
    }

    /// By how much the step lowers the sum of squares of r + Jδ.
    fn predicted_decrease(&self, step: &Tensor, damping: f64) -> f64 {
        step.dot(&(step * damping - &self.gradient)).double_value(&[])
    }
}
