//! A cell model of which only its time step is known: what a compiled model library, a surrogate and a solver have in common.

use crate::error::Result;

/// Advances cells in time. Cells are independent of each other, and a step depends on nothing but its arguments.
///
/// Times are in the model's unit (milliseconds in the field's models), the stimulus in its unit and sign.
pub trait StepFunction {
    /// Number of states of a cell; state 0 is the transmembrane potential.
    fn n_states(&self) -> usize;

    /// The state in which a cell starts.
    fn initial_state(&self) -> &[f64];

    /// Advances cells in place by `n_steps` steps of `dt`. `states` holds cell after cell, `stimulus` one number a cell, constant
    /// over the steps.
    ///
    /// # Errors
    /// Lengths that do not fit, and whatever keeps the model from computing. A result that is not finite is no error.
    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()>;
}
