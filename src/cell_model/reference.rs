//! The solution of a cell model to nearly machine precision, against which errors are measured.
//!
//! Dormand and Prince's method of order 8(5,3) (Hairer, Nørsett, Wanner, *Solving Ordinary
//! Differential Equations I*, 1993) with tight tolerances.

use ode_solvers::dop_shared::OutputType;
use ode_solvers::{Dop853, SVector, System};

use super::equations::Equations;
use super::{CellModel, with_equations};
use crate::error::{Error, Result};

/// Relative and absolute tolerance of a step.
const TOLERANCE: f64 = 1e-12;
/// Steps after which an interval is given up.
const MAX_STEPS: u32 = 1_000_000;

/// States of one cell at `times` (milliseconds since `initial`, ascending), time after time, with
/// a constant `stimulus`.
///
/// # Errors
/// An initial state that does not fit the model, times that are negative or descend, or an
/// integration that fails or ends in numbers that are not finite.
pub fn solve(model: &CellModel, initial: &[f64], stimulus: f64, times: &[f64]) -> Result<Vec<f64>> {
    if initial.len() != model.states().len() {
        return Err(Error::invalid(format!(
            "initial state of {} numbers where {} has {} states",
            initial.len(),
            model.name(),
            model.states().len()
        )));
    }
    if !times.iter().all(|t| t.is_finite() && *t >= 0.0) || !times.is_sorted() {
        return Err(Error::invalid("times are negative, descend or are not finite").remedy("sort the times"));
    }
    with_equations!(model.kind, integrate, model.parameter_values(), initial, stimulus, times)
}

struct Problem<E, const C: usize> {
    equations: E,
    coefficients: [f64; C],
    stimulus: f64,
}

impl<E: Equations<S, P, C>, const S: usize, const P: usize, const C: usize> System<f64, SVector<f64, S>>
    for Wrapped<E, S, P, C>
{
    fn system(&self, _time: f64, state: &SVector<f64, S>, rates: &mut SVector<f64, S>) {
        let Problem { equations, coefficients, stimulus } = &self.0;
        *rates = equations.add_rates(coefficients, &state.data.0[0], stimulus, [0.0; S]).into();
    }
}

/// Names the numbers of states and parameters, which [`Problem`] itself does not determine.
struct Wrapped<E, const S: usize, const P: usize, const C: usize>(Problem<E, C>);

fn integrate<E: Equations<S, P, C>, const S: usize, const P: usize, const C: usize>(
    equations: E,
    parameters: &[f64],
    initial: &[f64],
    stimulus: f64,
    times: &[f64],
) -> Result<Vec<f64>> {
    let mut own = [0.0; P];
    own.copy_from_slice(parameters);
    let coefficients = equations.coefficients(&own, 1.0);
    let mut state = SVector::<f64, S>::from_column_slice(initial);
    let mut now = 0.0;
    let mut states = Vec::with_capacity(times.len() * S);
    for &time in times {
        let span = time - now;
        if span > 0.0 {
            // Ending a step exactly at each time avoids the lower order of dense output.
            let problem = Wrapped::<E, S, P, C>(Problem { equations, coefficients, stimulus });
            let mut solver = Dop853::from_param(
                problem,
                0.0,
                span,
                span,
                state,
                TOLERANCE,
                TOLERANCE,
                0.9,
                0.0,
                0.333,
                6.0,
                span,
                0.0,
                MAX_STEPS,
                u32::MAX,
                OutputType::Sparse,
            );
            solver.integrate().map_err(|e| {
                Error::numeric(format!("{} cannot be integrated from {now} to {time} ms: {e}", E::NAME))
            })?;
            state = *solver.y_out().last().expect("a finished integration has an end");
            now = time;
        }
        if !state.iter().all(|x| x.is_finite()) {
            return Err(Error::numeric(format!("{} is not finite at {time} ms", E::NAME))
                .remedy("check the initial state, stimulus and parameters"));
        }
        states.extend_from_slice(state.as_slice());
    }
    Ok(states)
}
