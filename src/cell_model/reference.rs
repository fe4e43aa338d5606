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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell_model::euler::{Euler, PerCell};
    use crate::view::{Layout, View, ViewMut};

    /// Mean and largest absolute difference between forward Euler and the reference at every step
    /// of `dt` up to `horizon`.
    fn euler_error(model: &CellModel, start: [f64; 2], stimulus: f64, dt: f64, horizon: f64) -> (f64, f64) {
        let n = (horizon / dt).round() as u64;
        let steps: Vec<u64> = (0..=n).collect();
        let times: Vec<f64> = steps.iter().map(|&i| i as f64 * dt).collect();
        let exact = solve(model, &start, stimulus, &times).unwrap();
        let mut samples = vec![0.0; exact.len()];
        let layout = Layout::array_of_structures(1, exact.len());
        let mut view = ViewMut::new(&mut samples, layout).unwrap();
        let stimulus = [stimulus];
        let per_cell =
            PerCell { stimulus: Some(View::array_of_structures(&stimulus, 1).unwrap()), parameters: None };
        let initial = View::array_of_structures(&start, 2).unwrap();
        Euler::new(model, dt).unwrap().sample(&initial, per_cell, &steps, &mut view).unwrap();
        let errors = samples.iter().zip(&exact).map(|(a, b)| (a - b).abs());
        let mean = errors.clone().sum::<f64>() / exact.len() as f64;
        (mean, errors.fold(0.0, f64::max))
    }

    /// The figures of an independent study of both problems.
    #[test]
    fn eulers_error_is_the_known_one() {
        let (mean, max) = euler_error(&CellModel::fhn_cubic(), [0.5, 0.0], 0.0, 0.01, 25.0);
        assert!((mean - 2.34e-4).abs() < 1e-6 && (max - 1.125e-2).abs() < 1e-5, "A: {mean} {max}");
        let (mean, max) = euler_error(&CellModel::fhn_canonical(), [0.0, 0.0], 0.5, 0.01, 50.0);
        assert!((mean - 9.91e-4).abs() < 1e-6 && (max - 1.285e-2).abs() < 1e-5, "canonical: {mean} {max}");
    }

    #[test]
    fn euler_converges_with_order_one() {
        let error = |dt| euler_error(&CellModel::fhn_cubic(), [0.5, 0.0], 0.1, dt, 8.0).0;
        for dt in [0.008, 0.004, 0.002] {
            let order = (error(dt) / error(dt / 2.0)).log2();
            assert!((order - 1.0).abs() < 0.05, "order {order} at {dt}");
        }
    }

    /// A right-hand side that is linear has a known solution.
    #[test]
    fn the_reference_is_as_exact_as_it_says() {
        let model = CellModel::fhn_cubic().with_parameter("rate", 0.0).unwrap();
        let times = [0.0, 0.5, 0.5, 7.0, 40.0];
        let states = solve(&model, &[0.3, 0.9], 0.0, &times).unwrap();
        for (state, t) in states.chunks(2).zip(times) {
            let rest = 0.04 * 0.3 / 0.16;
            let w = rest + (0.9 - rest) * (-0.16f64 * t).exp();
            assert!((state[0] - 0.3).abs() < 1e-15 && (state[1] - w).abs() < 1e-11, "{t}: {state:?}");
        }
    }

    #[test]
    fn misfits_and_blow_ups_are_errors() {
        let model = CellModel::fhn_cubic();
        assert!(solve(&model, &[0.5], 0.0, &[1.0]).is_err());
        assert!(solve(&model, &[0.5, 0.0], 0.0, &[2.0, 1.0]).is_err());
        assert!(solve(&model, &[0.5, 0.0], 0.0, &[-1.0]).is_err());
        assert!(solve(&model, &[0.5, 0.0], f64::NAN, &[1.0]).is_err());
        let runaway = CellModel::fhn_canonical().with_parameter("c", -5.0).unwrap();
        assert!(solve(&runaway, &[9.0, 0.0], 0.0, &[50.0]).is_err());
    }
}
