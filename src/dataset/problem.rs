//! The benchmark problems A–D of the Pinn-Torch publications on the cubic FitzHugh–Nagumo model.

use crate::cell_model::CellModel;
use crate::error::{Error, Result};

/// A benchmark problem: where cells start, what drives them, how long they are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// One trajectory without stimulus: t → u, w.
    A,
    /// Any start: t, u0, w0 → u, w.
    B,
    /// Any start and stimulus: t, u0, w0, k → u, w.
    C,
    /// One step from any state: u, w, k → next u, w.
    D,
}

impl Problem {
    /// All problems.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::D];

    /// `a`, `b`, `c` or `d`.
    pub fn name(self) -> &'static str {
        ["a", "b", "c", "d"][self as usize]
    }

    /// The problem called `name`; case does not matter.
    ///
    /// # Errors
    /// An unknown name.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|p| p.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
            Error::invalid(format!("unknown problem \"{name}\"")).remedy("use one of a, b, c, d")
        })
    }

    /// The cell model, which is the same for all.
    pub fn cell_model(self) -> CellModel {
        CellModel::fhn_cubic()
    }

    /// Names of the network's inputs.
    pub fn inputs(self) -> &'static [&'static str] {
        match self {
            Self::A => &["t"],
            Self::B => &["t", "u0", "w0"],
            Self::C => &["t", "u0", "w0", "k"],
            Self::D => &["u", "w", "k"],
        }
    }

    /// Ranges of u0, w0 and k (all dimensionless); what the problem fixes has no length.
    pub fn ranges(self) -> [[f64; 2]; 3] {
        match self {
            Self::A => [[0.5, 0.5], [0.0, 0.0], [0.0, 0.0]],
            Self::B => [[-0.1, 0.81], [0.0, 0.12], [0.0, 0.0]],
            Self::C => [[-0.1, 0.81], [0.0, 0.12], [0.0, 1.0]],
            Self::D => [[-0.1, 1.0], [0.0, 0.2], [0.0, 1.0]],
        }
    }

    /// Milliseconds that a cell is followed; in problem D by repeated steps.
    pub fn horizon(self) -> f64 {
        match self {
            Self::A | Self::B => 25.0,
            Self::C => 20.0,
            Self::D => 50.0,
        }
    }

    /// The stimulus that stands for `k`.
    pub fn stimulus(self, k: f64) -> f64 {
        match self {
            Self::A => 0.0,
            Self::B | Self::C | Self::D => 0.04 * k + 0.08,
        }
    }
}
