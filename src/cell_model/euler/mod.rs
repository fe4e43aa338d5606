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
        if !(dt.is_finite() && dt > 0.0) {
            return Err(Error::invalid(format!("Euler step of {dt} ms")).remedy("give a positive step"));
        }
        Ok(Self { model: model.clone(), dt, n_threads: 1 })
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
