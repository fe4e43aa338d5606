//! The published results: the best of 800 networks a problem (repository ybwerneck/NN_FHN_Surrogates), measured against
//! forward Euler with steps of 0.01 ms.

use serde::Serialize;

use crate::dataset::Problem;

/// What the papers report for a problem, all their methods and sizes together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Published {
    /// Mean absolute error of the best network.
    pub best: Option<f64>,
    /// Median of the networks' mean absolute errors.
    pub median: Option<f64>,
    /// Largest error, in words.
    pub maximum: &'static str,
}

impl Published {
    /// The figures for `problem`.
    pub fn of(problem: Problem) -> Self {
        let (best, median, maximum) = match problem {
            Problem::A => (Some(3.3e-4), Some(1.1e-3), "0.026 – 0.05"),
            Problem::B => (Some(2.8e-3), Some(8.8e-3), "≥ 0.85"),
            Problem::C => (Some(3.4e-3), Some(8.0e-3), "≥ 0.72"),
            Problem::D => (None, None, "drift of phase, some collapse"),
        };
        Self { best, median, maximum }
    }
}
