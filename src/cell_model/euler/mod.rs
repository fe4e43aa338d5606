//! Forward Euler for many cells at once: what a surrogate has to beat.
//!
//! Blocks of cells stay in registers for all their steps, in single or double precision, and only
//! requested samples are written. Cells do not influence each other, and every operation is
//! rounded alike in every vector type, so results depend neither on the number of threads nor on
//! a cell's place nor on the machine.

mod kernel;
mod vector;

use std::thread;

use super::{CellModel, with_equations};
use crate::error::{Error, Result};
use crate::view::{Layout, View, ViewMut};
use kernel::{Job, Sink, Source};

/// Cells that are worth a thread of their own.
const MIN_CELLS_PER_THREAD: usize = 256;

/// What differs from cell to cell; without it the cell model's own values hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct PerCell<'a> {
    /// Stimulus of each cell, cells × 1; constant during the call. A cell stride of zero makes
    /// one number serve all cells.
    pub stimulus: Option<View<'a>>,
    /// Parameters of each cell, cells × parameters in the cell model's order.
    pub parameters: Option<View<'a>>,
}

/// Forward Euler with a fixed step.
#[derive(Clone, Debug)]
pub struct Euler {
    model: CellModel,
    dt: f64,
    n_threads: usize,
}

impl Euler {
    /// A solver of `model` with step `dt` in milliseconds, on the calling thread.
    ///
    /// # Errors
    /// A step that is not positive and finite.
    pub fn new(model: &CellModel, dt: f64) -> Result<Self> {
        let mut euler = Self { model: model.clone(), dt: 0.0, n_threads: 1 };
        euler.set_dt(dt)?;
        Ok(euler)
    }

    /// Changes the step to `dt` milliseconds.
    ///
    /// # Errors
    /// A step that is not positive and finite.
    pub fn set_dt(&mut self, dt: f64) -> Result<()> {
        if !(dt.is_finite() && dt > 0.0) {
            return Err(Error::invalid(format!("Euler step of {dt} ms")).remedy("give a positive step"));
        }
        self.dt = dt;
        Ok(())
    }

    /// The same solver on up to `n_threads` threads, which live for the length of a call.
    #[must_use]
    pub fn with_threads(mut self, n_threads: usize) -> Self {
        self.n_threads = n_threads.max(1);
        self
    }

    /// The cell model.
    pub fn model(&self) -> &CellModel {
        &self.model
    }

    /// Step in milliseconds.
    pub fn dt(&self) -> f64 {
        self.dt
    }

    /// Advances every cell of `state` (cells × states, `f32` or `f64`) in place by `n_steps`
    /// steps, computing in the state's own precision. Allocates nothing on one thread.
    ///
    /// # Errors
    /// Views that do not fit the cell model or the number of cells; `state` is then untouched.
    pub fn advance(&self, state: &mut ViewMut<'_>, per_cell: PerCell<'_>, n_steps: u64) -> Result<()> {
        let layout = state.layout();
        self.check_view("state", layout, layout.n_cells, self.model.states().len())?;
        let initial = Source::from(&state.as_view());
        self.run(initial, per_cell, &[n_steps], state)
    }

    /// Computes from `initial` (cells × states) the states after `at_steps[0]`, `at_steps[1]`, …
    /// steps, into `samples` (cells × samples·states; state `j` of sample `k` is variable
    /// `k·states + j`), in the precision of `samples`.
    ///
    /// # Errors
    /// Views that do not fit the cell model, each other or the samples, or `at_steps` that
    /// descend; `samples` is then untouched.
    pub fn sample(
        &self,
        initial: &View<'_>,
        per_cell: PerCell<'_>,
        at_steps: &[u64],
        samples: &mut ViewMut<'_>,
    ) -> Result<()> {
        let n_states = self.model.states().len();
        let n_cells = initial.layout().n_cells;
        self.check_view("initial state", initial.layout(), n_cells, n_states)?;
        self.check_view("samples", samples.layout(), n_cells, n_states * at_steps.len())?;
        if !at_steps.is_sorted() {
            return Err(Error::invalid("sample steps descend").remedy("sort them"));
        }
        self.run(Source::from(initial), per_cell, at_steps, samples)
    }

    /// [`advance`](Self::advance) for an array of structures in double precision, as tissue
    /// simulators keep it: the states of a cell side by side. `stimulus` holds one number a cell.
    ///
    /// # Errors
    /// Lengths that do not fit the cell model or each other; `state` is then untouched.
    pub fn advance_structures(
        &self,
        state: &mut [f64],
        stimulus: Option<&[f64]>,
        n_steps: u64,
    ) -> Result<()> {
        let mut state = ViewMut::array_of_structures(state, self.model.states().len())?;
        let stimulus = stimulus.map(|s| View::array_of_structures(s, 1)).transpose()?;
        self.advance(&mut state, PerCell { stimulus, parameters: None }, n_steps)
    }

    fn check_view(&self, what: &str, layout: Layout, n_cells: usize, n_variables: usize) -> Result<()> {
        if layout.n_cells != n_cells || layout.n_variables != n_variables {
            return Err(Error::invalid(format!(
                "{what} of {} cells × {} variables where {} needs {n_cells} × {n_variables}",
                layout.n_cells,
                layout.n_variables,
                self.model.name()
            )));
        }
        Ok(())
    }

    fn run(
        &self,
        initial: Source,
        per_cell: PerCell<'_>,
        at_steps: &[u64],
        samples: &mut ViewMut<'_>,
    ) -> Result<()> {
        let layout = samples.layout();
        if let Some(stimulus) = &per_cell.stimulus {
            self.check_view("stimulus", stimulus.layout(), layout.n_cells, 1)?;
        }
        if let Some(parameters) = &per_cell.parameters {
            let n = self.model.parameters().len();
            self.check_view("parameters", parameters.layout(), layout.n_cells, n)?;
        }
        let element = samples.element();
        let job = Job {
            initial,
            stimulus: per_cell.stimulus.as_ref().map(Source::from),
            cell_parameters: per_cell.parameters.as_ref().map(Source::from),
            parameters: self.model.parameter_values(),
            dt: self.dt,
            at_steps,
            sink: Sink {
                pointer: samples.pointer(),
                cell_stride: layout.cell_stride,
                variable_stride: layout.variable_stride,
            },
        };
        // SAFETY: the views were checked against the model and each other and are borrowed for
        // the whole call; ranges given to different threads do not overlap.
        let cells = |range| unsafe { with_equations!(self.model.kind, kernel::run, element, &job, range) };

        let n_threads = self.n_threads.min(layout.n_cells / MIN_CELLS_PER_THREAD).max(1);
        let share = layout.n_cells.div_ceil(n_threads).next_multiple_of(MIN_CELLS_PER_THREAD);
        if n_threads == 1 {
            cells(0..layout.n_cells);
            return Ok(());
        }
        let cells = &cells;
        thread::scope(|scope| {
            for first in (share..layout.n_cells).step_by(share) {
                let end = (first + share).min(layout.n_cells);
                scope.spawn(move || cells(first..end));
            }
            cells(0..share);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::vector::{Lanes, Scalar, Vector};
    use super::*;
    use crate::cell_model::equations::Equations;
    use crate::cell_model::{FhnCanonical, FhnCubic};
    use crate::view::Element;

    const DT: f64 = 0.01;

    /// One cell after `n_steps`, by the plain loop over single numbers that the solver stands for.
    fn plain_loop<E, T, const P: usize, const C: usize>(
        equations: E,
        parameters: &[f64],
        start: [T; 2],
        stimulus: T,
        n_steps: u64,
    ) -> [T; 2]
    where
        E: Equations<2, P, C>,
        T: Scalar + Into<f64>,
    {
        let parameters: &[f64; P] = parameters.try_into().unwrap();
        let coefficients = equations.coefficients(parameters, DT).map(Lanes::<T, 1>::splat);
        let stimulus = Lanes::<T, 1>::splat(stimulus.into());
        let mut state = start.map(|x| Lanes::<T, 1>::splat(x.into()));
        for _ in 0..n_steps {
            state = equations.add_rates(&coefficients, &state, &stimulus, state);
        }
        state.map(|x| {
            let mut number = T::default();
            // SAFETY: one number goes where one number is.
            unsafe { x.store(&raw mut number) };
            number
        })
    }

    fn starts<T: Scalar>(n: usize) -> Vec<T> {
        (0..2 * n).map(|i| T::narrow((i * 37 % 101) as f64 / 90.0 - 0.1)).collect()
    }

    fn stimuli<T: Scalar>(n: usize) -> Vec<T> {
        (0..n).map(|i| T::narrow((i % 13) as f64 / 100.0)).collect()
    }

    fn agrees_with_plain_loop<E, T, const P: usize, const C: usize>(equations: E, model: &CellModel)
    where
        E: Equations<2, P, C>,
        T: Scalar + Element + PartialEq + std::fmt::Debug + Into<f64>,
    {
        let solver = Euler::new(model, DT).unwrap();
        // Every tail of a block of four to six vectors of up to sixteen cells, and two blocks.
        for n in (0..=97).chain([131, 192, 200]) {
            let mut state = starts::<T>(n);
            let stimulus = stimuli::<T>(n);
            let expected: Vec<T> = (0..n)
                .flat_map(|i| {
                    let start = [state[2 * i], state[2 * i + 1]];
                    plain_loop(equations, model.parameter_values(), start, stimulus[i], 300)
                })
                .collect();
            let stimulus = Some(View::array_of_structures(&stimulus, 1).unwrap());
            let mut view = ViewMut::array_of_structures(&mut state, 2).unwrap();
            solver.advance(&mut view, PerCell { stimulus, parameters: None }, 300).unwrap();
            assert_eq!(state, expected, "{n} cells");
        }
    }

    #[test]
    fn vectors_give_the_bits_of_a_plain_loop_for_any_number_of_cells() {
        agrees_with_plain_loop::<_, f32, 4, 5>(FhnCubic, &CellModel::fhn_cubic());
        agrees_with_plain_loop::<_, f64, 4, 5>(FhnCubic, &CellModel::fhn_cubic());
        agrees_with_plain_loop::<_, f32, 4, 5>(FhnCanonical, &CellModel::fhn_canonical());
        agrees_with_plain_loop::<_, f64, 4, 5>(FhnCanonical, &CellModel::fhn_canonical());
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let model = CellModel::fhn_cubic();
        let n = 75;
        let stimulus = stimuli::<f32>(n);
        let mut dispatched = starts::<f32>(n);
        let mut portable = dispatched.clone();
        let per_cell =
            PerCell { stimulus: Some(View::array_of_structures(&stimulus, 1).unwrap()), parameters: None };
        let mut view = ViewMut::array_of_structures(&mut dispatched, 2).unwrap();
        Euler::new(&model, DT).unwrap().advance(&mut view, per_cell, 200).unwrap();
        let mut view = ViewMut::array_of_structures(&mut portable, 2).unwrap();
        kernel::tests::run_all_sets(
            &model,
            &mut view,
            per_cell.stimulus.as_ref().unwrap(),
            DT,
            200,
            |state| {
                for (i, x) in dispatched.iter().enumerate() {
                    assert_eq!(f64::from(*x), state.get(i / 2, i % 2), "number {i}");
                }
            },
        );
    }

    #[test]
    fn a_step_is_the_state_plus_dt_times_the_rates() {
        for name in CellModel::NAMES {
            let model = CellModel::from_name(name, &Default::default()).unwrap();
            let mut state = [0.37, 0.06];
            let rates = model.rates(&state, &0.11);
            let expected = [state[0] + DT * rates[0], state[1] + DT * rates[1]];
            Euler::new(&model, DT).unwrap().advance_structures(&mut state, Some(&[0.11]), 1).unwrap();
            for (x, expected) in state.iter().zip(expected) {
                assert!((x - expected).abs() < 1e-15, "{name}: {x} {expected}");
            }
        }
    }

    #[test]
    fn layouts_and_threads_do_not_change_the_numbers() {
        let model = CellModel::fhn_cubic();
        let n = 1500;
        let start = starts::<f64>(n);
        let stimulus = stimuli::<f64>(n);
        let mut expected = start.clone();
        let one = Euler::new(&model, DT).unwrap();
        one.advance_structures(&mut expected, Some(&stimulus), 100).unwrap();
        for n_threads in [1, 2, 3, 7] {
            let solver = one.clone().with_threads(n_threads);
            for layout in [
                Layout::array_of_structures(n, 2),
                Layout::structure_of_arrays(n, 2),
                Layout::pitched(n, 2, n + 5),
                Layout { n_cells: n, n_variables: 2, cell_stride: 7, variable_stride: 3 },
            ] {
                let place = |i: usize, j: usize| i * layout.cell_stride + j * layout.variable_stride;
                let mut buffer = vec![-9.0; layout.required_len().unwrap()];
                for i in 0..n {
                    for j in 0..2 {
                        buffer[place(i, j)] = start[2 * i + j];
                    }
                }
                let mut view = ViewMut::new(&mut buffer, layout).unwrap();
                let per_cell = PerCell {
                    stimulus: Some(View::array_of_structures(&stimulus, 1).unwrap()),
                    parameters: None,
                };
                solver.advance(&mut view, per_cell, 100).unwrap();
                let untouched = buffer.iter().filter(|&&x| x == -9.0).count();
                assert_eq!(untouched, buffer.len() - 2 * n, "{layout:?}");
                for i in 0..n {
                    for j in 0..2 {
                        assert_eq!(buffer[place(i, j)], expected[2 * i + j], "{layout:?} {n_threads}");
                    }
                }
            }
        }
    }

    #[test]
    fn parameters_and_stimuli_may_differ_from_cell_to_cell() {
        let n = 53;
        let parameters: Vec<f64> =
            (0..n).flat_map(|i| [9.0 + i as f64 / 20.0, 0.3 + i as f64 / 500.0, 0.04, 0.16]).collect();
        let start = starts::<f64>(n);
        let mut together = start.clone();
        let mut view = ViewMut::array_of_structures(&mut together, 2).unwrap();
        let one_stimulus = [0.09f32];
        let uniform = Layout { n_cells: n, n_variables: 1, cell_stride: 0, variable_stride: 0 };
        let per_cell = PerCell {
            stimulus: Some(View::new(&one_stimulus, uniform).unwrap()),
            parameters: Some(View::array_of_structures(&parameters, 4).unwrap()),
        };
        let model = CellModel::fhn_cubic();
        Euler::new(&model, DT).unwrap().advance(&mut view, per_cell, 150).unwrap();
        for i in 0..n {
            let own = model.clone().with_parameter("rate", parameters[4 * i]).unwrap();
            let own = own.with_parameter("threshold", parameters[4 * i + 1]).unwrap();
            let mut alone = [start[2 * i], start[2 * i + 1]];
            let stimulus = [f64::from(one_stimulus[0])];
            Euler::new(&own, DT).unwrap().advance_structures(&mut alone, Some(&stimulus), 150).unwrap();
            assert_eq!(alone, together[2 * i..2 * i + 2], "cell {i}");
        }
    }

    #[test]
    fn samples_are_the_states_passed_on_the_way() {
        let model = CellModel::fhn_canonical();
        let solver = Euler::new(&model, DT).unwrap();
        let n = 20;
        let start = starts::<f32>(n);
        let at_steps = [0, 0, 1, 10, 250];
        let mut samples = vec![0f32; n * 2 * at_steps.len()];
        let layout = Layout::array_of_structures(n, 2 * at_steps.len());
        let mut view = ViewMut::new(&mut samples, layout).unwrap();
        let initial = View::array_of_structures(&start, 2).unwrap();
        solver.sample(&initial, PerCell::default(), &at_steps, &mut view).unwrap();
        for (k, &step) in at_steps.iter().enumerate() {
            let mut state = start.clone();
            let mut view = ViewMut::array_of_structures(&mut state, 2).unwrap();
            solver.advance(&mut view, PerCell::default(), step).unwrap();
            for i in 0..n {
                let sample = &samples[i * 2 * at_steps.len() + 2 * k..][..2];
                assert_eq!(sample, &state[2 * i..2 * i + 2], "step {step}, cell {i}");
            }
        }
    }

    #[test]
    fn misfits_are_refused_and_leave_the_state_alone() {
        let model = CellModel::fhn_cubic();
        assert!(Euler::new(&model, 0.0).is_err() && Euler::new(&model, f64::NAN).is_err());
        let solver = Euler::new(&model, DT).unwrap();
        let mut state = [0.5, 0.0, 0.5, 0.0, 0.5, 0.0];
        assert!(solver.advance_structures(&mut state[..5], None, 1).is_err());
        let message = solver.advance_structures(&mut state, Some(&[0.1, 0.1]), 1).unwrap_err().to_string();
        assert!(message.contains("stimulus of 2 cells"), "{message}");
        let mut three = ViewMut::array_of_structures(&mut state, 3).unwrap();
        assert!(solver.advance(&mut three, PerCell::default(), 1).is_err());
        let start = [0.5, 0.0];
        let initial = View::array_of_structures(&start, 2).unwrap();
        let mut samples = [7.0; 4];
        let mut view = ViewMut::new(&mut samples, Layout::array_of_structures(1, 4)).unwrap();
        assert!(solver.sample(&initial, PerCell::default(), &[5, 3], &mut view).is_err());
        assert!(solver.sample(&initial, PerCell::default(), &[5], &mut view).is_err());
        assert_eq!(samples, [7.0; 4]);
        assert_eq!(state, [0.5, 0.0, 0.5, 0.0, 0.5, 0.0]);
    }
}
