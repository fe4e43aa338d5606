//! One thread's tile: load, check, run, store.

use std::ops::Range;

use super::plan::Plan;
use crate::backend::{Advance, Evaluation, Guard, StepColumn, cell_status};
use crate::kernels::{Rows, TILE, TileColumn, load_tile, store_tile};
use crate::view::{View, ViewMut};

/// A thread's memory for one tile.
#[derive(Debug)]
pub struct Worker {
    arena: Vec<TileColumn>,
}

/// The domain and what happens outside.
pub struct Check<'a> {
    pub guard: Guard,
    /// Range of each input column.
    pub domain: &'a [[f32; 2]],
}

/// An [`Evaluation`] whose cells several threads work on.
pub struct SharedEvaluation<'a> {
    inputs: View<'a>,
    outputs: ViewMut<'a>,
    status: StatusBytes,
}

/// An [`Advance`] whose cells several threads work on.
pub struct SharedAdvance<'a> {
    index: Option<&'a [u32]>,
    columns: &'a [StepColumn],
    state: ViewMut<'a>,
    stimulus: Option<View<'a>>,
    parameters: Option<View<'a>>,
    status: StatusBytes,
    dt: f32,
    n_steps: u32,
}

// SAFETY: threads only touch the cells of their own tiles (the contract of `Worker::evaluate` and
// `Worker::step`), through pointers that were borrowed uniquely.
unsafe impl Sync for SharedEvaluation<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedAdvance<'_> {}

/// The caller's status bytes, or null.
#[derive(Clone, Copy)]
struct StatusBytes(*mut u8);

impl StatusBytes {
    fn new(bytes: &mut Option<&mut [u8]>) -> Self {
        Self(bytes.as_mut().map_or(std::ptr::null_mut(), |b| b.as_mut_ptr()))
    }

    /// `flags`, if the caller asked for status bytes.
    fn wanted(self, flags: &mut [u8; TILE]) -> Option<&mut [u8; TILE]> {
        (!self.0.is_null()).then_some(flags)
    }

    /// # Safety
    /// `cells` are inside the caller's bytes and belong to this thread.
    unsafe fn store(self, cells: Range<usize>, flags: &[u8; TILE]) {
        if !self.0.is_null() {
            // SAFETY: the caller vouches for the range.
            unsafe { self.0.add(cells.start).copy_from_nonoverlapping(flags.as_ptr(), cells.len()) }
        }
    }
}

impl<'a> SharedEvaluation<'a> {
    pub fn new(cells: &'a mut Evaluation<'_>) -> Self {
        Self {
            inputs: cells.inputs,
            outputs: cells.outputs.reborrow(),
            status: StatusBytes::new(&mut cells.status),
        }
    }
}

impl<'a> SharedAdvance<'a> {
    pub fn new(cells: &'a mut Advance<'_>, columns: &'a [StepColumn]) -> Self {
        Self {
            index: cells.index,
            columns,
            state: cells.state.reborrow(),
            stimulus: cells.stimulus,
            parameters: cells.parameters,
            status: StatusBytes::new(&mut cells.status),
            dt: cells.dt,
            n_steps: cells.n_steps,
        }
    }
}

impl Worker {
    pub fn new(plan: &Plan) -> Self {
        Self { arena: plan.new_arena() }
    }

    /// Evaluates the tile of `cells`.
    ///
    /// # Safety
    /// `cells` are inside the views and no other thread touches them; views have the plan's
    /// columns.
    pub unsafe fn evaluate(
        &mut self,
        plan: &Plan,
        check: &Check<'_>,
        job: &SharedEvaluation<'_>,
        cells: Range<usize>,
    ) {
        let rows = Rows::From(cells.start);
        // SAFETY: passed on.
        unsafe {
            for column in 0..plan.n_inputs {
                let values = &mut self.arena[plan.input + column].0;
                load_tile(&job.inputs, column, rows, cells.len(), values);
            }
            let mut flags = [0; TILE];
            self.run(plan, check, cells.len(), job.status.wanted(&mut flags));
            let mut outputs = job.outputs.alias();
            for column in 0..plan.n_outputs {
                store_tile(&mut outputs, column, rows, cells.len(), &self.arena[plan.output + column].0);
            }
            job.status.store(cells, &flags);
        }
    }

    /// Advances the tile of `cells`; the state stays in the tile from step to step.
    ///
    /// # Safety
    /// As [`Worker::evaluate`].
    pub unsafe fn step(
        &mut self,
        plan: &Plan,
        check: &Check<'_>,
        job: &SharedAdvance<'_>,
        cells: Range<usize>,
    ) {
        let n_cells = cells.len();
        let by_position = Rows::From(cells.start);
        let by_index = job.index.map_or(by_position, |list| Rows::Listed(&list[cells.clone()]));
        let mut state = job.state.alias();
        // SAFETY: passed on; the session checked that stimulus and parameters are there where
        // columns ask for them.
        unsafe {
            for (column, source) in job.columns.iter().enumerate() {
                let values = &mut self.arena[plan.input + column].0;
                match (*source, &job.stimulus, &job.parameters) {
                    (StepColumn::State(j), _, _) => load_tile(&state.as_view(), j, by_index, n_cells, values),
                    (StepColumn::Stimulus(j), Some(view), _) => {
                        load_tile(view, j, by_position, n_cells, values)
                    }
                    (StepColumn::Parameter(j), _, Some(view)) => {
                        load_tile(view, j, by_index, n_cells, values)
                    }
                    (StepColumn::Time, _, _) => *values = [job.dt; TILE],
                    _ => *values = [0.0; TILE],
                }
            }
            let mut flags = [0; TILE];
            for step in 0..job.n_steps {
                if step > 0 {
                    self.feed_back(plan, job.columns);
                }
                self.run(plan, check, n_cells, job.status.wanted(&mut flags));
            }
            if job.n_steps > 0 {
                for column in 0..plan.n_outputs {
                    store_tile(&mut state, column, by_index, n_cells, &self.arena[plan.output + column].0);
                }
            }
            job.status.store(cells, &flags);
        }
    }

    /// Makes the last step's results the next step's state.
    fn feed_back(&mut self, plan: &Plan, columns: &[StepColumn]) {
        for (column, source) in columns.iter().enumerate() {
            if let StepColumn::State(j) = source {
                self.arena[plan.input + column] = self.arena[plan.output + j];
            }
        }
    }

    /// Runs the program on the tile; adds to the cells' flags if somebody wants them.
    fn run(&mut self, plan: &Plan, check: &Check<'_>, n_cells: usize, mut flags: Option<&mut [u8; TILE]>) {
        let inputs = &mut self.arena[plan.input..plan.input + plan.n_inputs];
        #[cfg(feature = "planted-faults")]
        super::planted::fault_if_asked(inputs, n_cells);
        for (TileColumn(values), &[low, high]) in inputs.iter_mut().zip(check.domain) {
            mark(&mut flags, values, cell_status::OUTSIDE_DOMAIN, |x| x >= low && x <= high);
            if check.guard == Guard::Clamp {
                // `clamp` keeps NaN.
                values.iter_mut().for_each(|x| *x = x.clamp(low, high));
            }
        }
        plan.run(&mut self.arena, n_cells);
        for TileColumn(values) in &self.arena[plan.output..plan.output + plan.n_outputs] {
            mark(&mut flags, values, cell_status::NOT_FINITE, f32::is_finite);
        }
    }
}

/// Sets `bit` in the flags of those cells whose value is not `good`.
fn mark(flags: &mut Option<&mut [u8; TILE]>, values: &[f32; TILE], bit: u8, good: impl Fn(f32) -> bool) {
    if let Some(flags) = flags {
        for (flag, &x) in flags.iter_mut().zip(values) {
            *flag |= if good(x) { 0 } else { bit };
        }
    }
}
