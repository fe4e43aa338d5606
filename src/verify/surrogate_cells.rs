//! A surrogate as a step function.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::session::{Cells, Session, SessionOptions};
use crate::step_function::StepFunction;
use crate::surrogate::{Kind, Role, Surrogate};
use crate::view::{View, ViewMut};

/// Cells that a step map advances, on one thread, with states in double precision.
pub struct SurrogateCells {
    session: Session,
    dt: f64,
    initial_state: Vec<f64>,
}

impl SurrogateCells {
    /// # Errors
    /// A surrogate that is no step map with one stimulus, without parameters, that tells its initial state.
    pub fn new(surrogate: &Arc<Surrogate>) -> Result<Self> {
        let Kind::StepMap { dt } = surrogate.kind() else {
            return Err(Error::unsupported(format!("a {} instead of a step map", surrogate.kind().name()))
                .remedy("verify step maps; `emucell report` compares solution maps"));
        };
        let (stimuli, parameters) =
            (surrogate.columns_of(Role::Stimulus).len(), surrogate.columns_of(Role::Parameter).len());
        if stimuli != 1 || parameters != 0 {
            return Err(Error::unsupported(format!(
                "a surrogate with {stimuli} stimuli and {parameters} parameters"
            ))
            .remedy("verify surrogates with one stimulus and no parameters"));
        }
        let initial_state = surrogate.initial_state().ok_or_else(|| {
            Error::unsupported("the surrogate tells no initial state").remedy("make the file with one")
        })?;
        let session = Session::new(surrogate.clone(), &SessionOptions::default())?;
        Ok(Self { dt, initial_state: initial_state.to_vec(), session })
    }

    /// Its step, ms.
    pub fn dt(&self) -> f64 {
        self.dt
    }

    /// What computes it, for reports.
    pub fn backend(&self) -> &str {
        self.session.backend_name()
    }
}

impl StepFunction for SurrogateCells {
    fn n_states(&self) -> usize {
        self.initial_state.len()
    }

    fn initial_state(&self) -> &[f64] {
        &self.initial_state
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        let cells = Cells {
            stimulus: Some(View::array_of_structures(stimulus, 1)?),
            ..Cells::new(ViewMut::array_of_structures(states, self.initial_state.len())?)
        };
        self.session.step(cells, dt, n_steps)
    }
}
