//! A surrogate as a step function: what it is compared with is one, too.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::session::{Cells, Session, SessionOptions};
use crate::step_function::StepFunction;
use crate::surrogate::{Role, Surrogate};
use crate::view::{View, ViewMut};

/// A surrogate that steps, states in double precision.
pub struct Stepper {
    session: Session,
    initial_state: Vec<f64>,
    has_stimulus: bool,
}

impl Stepper {
    pub fn new(surrogate: Arc<Surrogate>) -> Result<Self> {
        let initial_state = surrogate
            .initial_state()
            .ok_or_else(|| Error::invalid("a surrogate without an initial state"))?
            .to_vec();
        let has_stimulus = !surrogate.columns_of(Role::Stimulus).is_empty();
        let session = Session::new(surrogate, &SessionOptions::default())?;
        Ok(Self { session, initial_state, has_stimulus })
    }
}

impl StepFunction for Stepper {
    fn n_states(&self) -> usize {
        self.initial_state.len()
    }

    fn initial_state(&self) -> &[f64] {
        &self.initial_state
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        let n = self.initial_state.len();
        let mut cells = Cells::new(ViewMut::array_of_structures(states, n)?);
        if self.has_stimulus {
            cells.stimulus = Some(View::array_of_structures(stimulus, 1)?);
        }
        self.session.step(cells, dt, n_steps)
    }
}
