//! How a model library is opened.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::extra_data::ExtraData;

/// How a model library is opened. The default suits the model libraries of MonoAlg3D.
#[derive(Clone, Debug)]
pub struct Options {
    /// Type of the library's numbers.
    pub real: Real,
    /// The library's one function, where it is not a model library of MonoAlg3D.
    pub function: Option<Function>,
    /// Substeps that make one step: the library is called with Δt / `substeps`, for models that are unstable at the
    /// step that the tissue takes.
    pub substeps: u32,
    /// The kind of cell, for libraries that mix several: what MonoAlg3D's mask gives as `ode_extra_data`, the same for all cells.
    pub mask: Option<u32>,
    /// Otherwise, what MonoAlg3D's extra-data libraries give as `ode_extra_data`.
    pub extra_data: Option<ExtraData>,
    /// Whether the library chooses its own steps within a step, as with MonoAlg3D's `adaptive`. It begins each step anew, so that what a
    /// step does depends on the state alone.
    pub adaptive: bool,
    /// Longest time that the library may take for one question, before it counts as hung.
    pub time_limit: Duration,
    /// Whether the library runs in a process of its own, so that nothing that it does harms this one.
    pub isolated: bool,
    /// The `emucell` program, which runs the library; this process's own program if not given.
    pub program: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            real: Real::Auto,
            function: None,
            substeps: 1,
            mask: None,
            extra_data: None,
            adaptive: false,
            time_limit: Duration::from_secs(60),
            isolated: true,
            program: None,
        }
    }
}

/// A C function that advances one cell: `void function(double *state, double stimulus, double dt, int n_steps)` advances
/// `state` in place by `n_steps` steps of `dt`. `n_steps` may as well be `unsigned` or `size_t`, and all of `double` may be `float`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The state in which a cell starts; its length is the number of states.
    pub initial_state: Vec<f64>,
}

/// Type of the numbers that a model library computes with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Real {
    /// Found out by asking the library; `double` for a function of one cell.
    #[default]
    Auto,
    /// `double`, MonoAlg3D's default.
    Double,
    /// `float`.
    Float,
}

impl std::fmt::Display for Real {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Double => "double",
            Self::Float => "float",
        })
    }
}
