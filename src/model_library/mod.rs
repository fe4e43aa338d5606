//! Cell models compiled into shared libraries by others.

mod monoalg3d;
mod options;

use std::path::Path;

use self::monoalg3d::Monoalg3d;
pub use self::options::{Function, Options, Real};
use crate::error::Result;
use crate::step_function::StepFunction;

/// A cell model in a shared library.
#[derive(Debug)]
pub struct ModelLibrary {
    library: Monoalg3d,
}

impl ModelLibrary {
    /// Loads a model library of MonoAlg3D.
    ///
    /// # Errors
    /// A file that is not a library, or not one of a cell model.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, &Options::default())
    }

    /// Loads the library at `path` as `options` say.
    ///
    /// # Errors
    /// A file that is not a library, or not one of a cell model.
    pub fn open_with(path: &Path, _options: &Options) -> Result<Self> {
        Ok(Self { library: Monoalg3d::open(path)? })
    }
}

impl StepFunction for ModelLibrary {
    fn n_states(&self) -> usize {
        self.library.initial_state().len()
    }

    fn initial_state(&self) -> &[f64] {
        self.library.initial_state()
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        self.library.step(states, stimulus, dt, n_steps)
    }
}
