//! What the surrogate, the reference and forward Euler say about the same cells.

use std::sync::Arc;
use std::thread;

use ndarray::{Array2, Array3, Axis, s};

use super::super::counterpart::Counterpart;
use crate::cell_model::euler::{Euler, PerCell};
use crate::cell_model::{CellModel, reference};
use crate::error::{Error, Result};
use crate::session::{Cells, Session, SessionOptions};
use crate::surrogate::{Kind, Role, Surrogate};
use crate::view::{View, ViewMut};

/// Times at which cells are compared, multiples of an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Milliseconds of which all times are multiples.
    pub interval: f64,
    /// The multiple of each sample, ascending from 1 on.
    at: Vec<u64>,
    /// Steps of a step map in an interval; 1 for a solution map.
    pub map_steps: u32,
}

/// Most intervals up to the last time: Euler makes at least a step in each.
const MAX_INTERVALS: u64 = 1_000_000;

impl Schedule {
    /// `n` samples, an interval apart.
    pub fn every(interval: f64, n: usize, map_steps: u32) -> Self {
        Self { interval, at: (1..=n as u64).collect(), map_steps }
    }

    /// About `n` samples up to `horizon`; of a step map, at whole steps.
    pub fn new(kind: Kind, horizon: f64, n: usize) -> Self {
        match kind {
            Kind::SolutionMap | Kind::Derivative => Self::every(horizon / n as f64, n, 1),
            Kind::StepMap { dt } => {
                let map_steps = (horizon / dt / n as f64).round().max(1.0) as u32;
                let interval = f64::from(map_steps) * dt;
                Self::every(interval, (horizon / interval).round().max(1.0) as usize, map_steps)
            }
        }
    }

    /// The samples that `surrogate` can give: its outputs' own times, or about `n` up to `horizon`.
    ///
    /// # Errors
    /// Own times that have no common interval of reasonable length.
    pub fn of(surrogate: &Surrogate, horizon: f64, n: usize) -> Result<Self> {
        let times = surrogate.times();
        if times.is_empty() {
            return Ok(Self::new(surrogate.kind(), horizon, n));
        }
        // Times are decimal numbers of milliseconds.
        let nanoseconds = |t: &f64| (t * 1e6).round() as u64;
        let interval = times.iter().map(nanoseconds).fold(0, greatest_common_divisor);
        let exact = times.iter().all(|t| (t * 1e6 - (t * 1e6).round()).abs() < 1e-3);
        let last = times.last().map_or(0, nanoseconds);
        if !exact || interval == 0 || last / interval > MAX_INTERVALS {
            return Err(Error::unsupported(format!("output times without a common interval: {times:?}"))
                .remedy("train with times that are multiples of 0.01 ms"));
        }
        let at = times.iter().map(|t| nanoseconds(t) / interval).collect();
        Ok(Self { interval: interval as f64 * 1e-6, at, map_steps: 1 })
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.at.len()
    }

    /// Milliseconds of each sample.
    pub fn times(&self) -> Vec<f64> {
        self.at.iter().map(|&i| i as f64 * self.interval).collect()
    }

    /// Milliseconds of the last sample.
    pub fn horizon(&self) -> f64 {
        self.at.last().map_or(0.0, |&i| i as f64 * self.interval)
    }

    /// Euler steps in an interval, none longer than `dt` milliseconds.
    fn euler_steps(&self, dt: f64) -> u64 {
        // The quotient of two decimal numbers may exceed the whole number that it stands for.
        (self.interval / dt - 1e-6).ceil().max(1.0) as u64
    }

    /// The longest Euler step up to `dt` milliseconds that divides the interval.
    pub fn euler_dt(&self, dt: f64) -> f64 {
        self.interval / self.euler_steps(dt) as f64
    }
}

/// The surrogate's answers: cells × samples × states, for `inputs` (cells × the surrogate's
/// inputs; a time among them is ignored). A surrogate of many times answers in one call.
///
/// # Errors
/// A surrogate that this machine cannot run.
pub fn of_surrogate(
    surrogate: &Arc<Surrogate>,
    inputs: &Array2<f64>,
    schedule: &Schedule,
) -> Result<Array3<f64>> {
    let mut session = Session::new(Arc::clone(surrogate), &SessionOptions::default())?;
    let (n_cells, n_outputs) = (inputs.nrows(), surrogate.outputs().len());
    if !surrogate.times().is_empty() {
        let mut outputs = vec![0.0; n_cells * n_outputs];
        let inputs = inputs.as_standard_layout();
        let rows = View::array_of_structures(inputs.as_slice().expect("standard layout"), inputs.ncols())?;
        session.evaluate(rows, ViewMut::array_of_structures(&mut outputs, n_outputs)?, None)?;
        // All states at the first time come first, then all at the second.
        let shape = (n_cells, schedule.n_samples(), surrogate.n_states());
        return Ok(Array3::from_shape_vec(shape, outputs).expect("allocated with that size"));
    }
    let mut samples = Array3::zeros((n_cells, schedule.n_samples(), n_outputs));
    match surrogate.kind() {
        Kind::SolutionMap | Kind::Derivative => {
            let time = surrogate.columns_of(Role::Time);
            let mut inputs = inputs.to_owned();
            let mut outputs = vec![0.0; n_cells * n_outputs];
            for (i, now) in schedule.times().into_iter().enumerate() {
                time.iter().for_each(|&column| inputs.column_mut(column).fill(now));
                let rows = inputs.as_slice().expect("owned in standard layout");
                let to = ViewMut::array_of_structures(&mut outputs, n_outputs)?;
                session.evaluate(View::array_of_structures(rows, inputs.ncols())?, to, None)?;
                assign(&mut samples, i, &outputs);
            }
        }
        Kind::StepMap { dt } => {
            let columns = |role| -> Vec<f64> {
                let columns = surrogate.columns_of(role);
                inputs.rows().into_iter().flat_map(|row| columns.iter().map(move |&c| row[c])).collect()
            };
            let mut state = columns(Role::State);
            let (stimulus, parameters) = (columns(Role::Stimulus), columns(Role::Parameter));
            let view = |buffer, role| match surrogate.columns_of(role).len() {
                0 => Ok(None),
                n => View::array_of_structures(buffer, n).map(Some),
            };
            for i in 0..schedule.n_samples() {
                let mut cells = Cells::new(ViewMut::array_of_structures(&mut state, n_outputs)?);
                cells.stimulus = view(stimulus.as_slice(), Role::Stimulus)?;
                cells.parameters = view(parameters.as_slice(), Role::Parameter)?.map(Into::into);
                session.step(cells, dt, schedule.map_steps)?;
                assign(&mut samples, i, &state);
            }
        }
    }
    Ok(samples)
}

fn assign(samples: &mut Array3<f64>, i: usize, values: &[f64]) {
    for (to, &from) in samples.slice_mut(s![.., i, ..]).iter_mut().zip(values) {
        *to = from;
    }
}

/// The solution to nearly machine precision, for the surrogate's outputs.
///
/// # Errors
/// An integration that fails.
pub fn of_reference(
    counterpart: &Counterpart,
    inputs: &Array2<f64>,
    schedule: &Schedule,
    n_threads: usize,
) -> Result<Array3<f64>> {
    let (n_cells, outputs) = (inputs.nrows(), counterpart.outputs());
    let n_states = counterpart.model().states().len();
    let times = schedule.times();
    let mut samples = Array3::zeros((n_cells, times.len(), outputs.len()));
    let share = n_cells.div_ceil(n_threads.max(1)).max(1);
    let solve = |inputs: &[f64]| {
        let model = with_parameters(counterpart.model(), &counterpart.parameters(inputs))?;
        reference::solve(&model, &counterpart.initial_state(inputs), counterpart.stimulus(inputs), &times)
    };
    let (solve, times) = (&solve, &times);
    thread::scope(|scope| {
        let parts = samples.axis_chunks_iter_mut(Axis(0), share).zip(inputs.axis_chunks_iter(Axis(0), share));
        let threads: Vec<_> = parts
            .map(|(mut samples, inputs)| {
                scope.spawn(move || -> Result<()> {
                    for (mut cell, inputs) in samples.outer_iter_mut().zip(inputs.rows()) {
                        let states = solve(&inputs.to_vec())?;
                        for i in 0..times.len() {
                            for (j, &state) in outputs.iter().enumerate() {
                                cell[[i, j]] = states[i * n_states + state];
                            }
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|t| t.join().expect("the solver does not panic"))
    })?;
    Ok(samples)
}

fn with_parameters(model: &CellModel, values: &[f64]) -> Result<CellModel> {
    let named = model.parameters().iter().zip(values);
    named.into_iter().try_fold(model.clone(), |model, (p, &value)| model.with_parameter(p.name, value))
}

/// Forward Euler in double precision with steps of at most `dt` milliseconds, for the
/// surrogate's outputs.
///
/// # Errors
/// A step that is not positive.
pub fn of_euler(
    counterpart: &Counterpart,
    inputs: &Array2<f64>,
    schedule: &Schedule,
    dt: f64,
) -> Result<Array3<f64>> {
    if !(dt.is_finite() && dt > 0.0) {
        return Err(Error::invalid(format!("Euler step of {dt} ms")).remedy("give a positive step"));
    }
    let n_states = counterpart.model().states().len();
    let (mut initial, mut stimulus, mut parameters) = (Vec::new(), Vec::new(), Vec::new());
    for row in inputs.rows() {
        let row = row.to_vec();
        initial.extend(counterpart.initial_state(&row));
        stimulus.push(counterpart.stimulus(&row));
        parameters.extend(counterpart.parameters(&row));
    }
    let per_cell = PerCell {
        stimulus: Some(View::array_of_structures(&stimulus, 1)?),
        parameters: Some(View::array_of_structures(&parameters, counterpart.model().parameters().len())?),
    };
    let steps = schedule.euler_steps(dt);
    let at_steps: Vec<u64> = schedule.at.iter().map(|i| i * steps).collect();
    let mut all = vec![0.0; inputs.nrows() * schedule.n_samples() * n_states];
    Euler::new(counterpart.model(), schedule.euler_dt(dt))?.sample(
        &View::array_of_structures(&initial, n_states)?,
        per_cell,
        &at_steps,
        &mut ViewMut::array_of_structures(&mut all, schedule.n_samples() * n_states)?,
    )?;
    let all = Array3::from_shape_vec((inputs.nrows(), schedule.n_samples(), n_states), all);
    Ok(all.expect("allocated with that size").select(Axis(2), counterpart.outputs()))
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        b => greatest_common_divisor(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{BlockId, ProgramBuilder};
    use crate::surrogate::{Variable, outputs_at};

    #[test]
    fn outputs_at_uneven_times_are_compared_at_multiples_of_an_interval() {
        let times = [0.8, 2.0, 20.0];
        let mut b = ProgramBuilder::new(1).unwrap();
        let y = b.concat(&[BlockId::INPUT; 3]).unwrap();
        let u = |name| Variable::new(name, "1", Role::State);
        let outputs = outputs_at(&[u("u")], &times);
        let surrogate = Surrogate::new(Kind::SolutionMap, vec![u("u0")], outputs, b.finish(y)).unwrap();
        let surrogate = surrogate.with_times(times.to_vec()).unwrap();
        let schedule = Schedule::of(&surrogate, 20.0, 100).unwrap();
        assert!((schedule.interval - 0.4).abs() < 1e-12, "{schedule:?}");
        assert_eq!(schedule.at, [2, 5, 50]);
        for (given, time) in schedule.times().iter().zip(times) {
            assert!((given - time).abs() < 1e-12, "{schedule:?}");
        }
    }
}
