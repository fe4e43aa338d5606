//! One thread's tile: load, check, run, store.

use std::ops::Range;

use super::plan::Plan;
use crate::backend::{Advance, Evaluation, Guard, StatusBytes, StepInput, Tally, cell_status};
use crate::kernels::{Rows, TILE, TileColumn, load_tile, store_tile, store_wanted};
use crate::view::Column;

/// A thread's memory for one tile.
#[derive(Debug)]
pub struct Worker {
    arena: Vec<TileColumn>,
    /// Status bits of the tile's cells in the last run.
    flags: [u8; TILE],
    tally: Tally,
}

/// The domain and what happens outside.
pub struct Check<'a> {
    pub guard: Guard,
    /// Range of each input column.
    pub domain: &'a [[f32; 2]],
}

impl Check<'_> {
    /// Whether somebody wants to know about the cells.
    fn looks(&self, status: StatusBytes) -> bool {
        self.guard != Guard::Ignore || status.are_wanted()
    }
}

impl Worker {
    pub fn new(plan: &Plan) -> Self {
        Self { arena: plan.new_arena(), flags: [0; TILE], tally: Tally::default() }
    }

    /// What this worker has seen since it was last asked.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Evaluates the tile of `cells`.
    ///
    /// # Safety
    /// `cells` are cells of the job and no other thread touches them; the job has the plan's
    /// columns.
    pub unsafe fn evaluate(
        &mut self,
        plan: &Plan,
        check: &Check<'_>,
        job: &Evaluation<'_>,
        cells: Range<usize>,
    ) {
        let rows = Rows::From(cells.start);
        // SAFETY: passed on.
        unsafe {
            for (column, tile) in job.inputs.iter().zip(&mut self.arena[plan.input..]) {
                load_tile(column, rows, cells.len(), &mut tile.0);
            }
            self.run(plan, check, cells.len(), check.looks(job.status));
            self.store(plan, check, job.outputs, rows, cells.len());
            job.status.store(cells, &self.flags);
        }
    }

    /// Advances the tile of `cells`; the state stays in the tile from step to step.
    ///
    /// # Safety
    /// As [`Worker::evaluate`].
    pub unsafe fn step(&mut self, plan: &Plan, check: &Check<'_>, job: &Advance<'_>, cells: Range<usize>) {
        let n_cells = cells.len();
        let by_position = Rows::From(cells.start);
        let by_row = job.index.map_or(by_position, |list| Rows::Listed(&list[cells.clone()]));
        // SAFETY: passed on.
        unsafe {
            for (input, tile) in job.inputs.iter().zip(&mut self.arena[plan.input..]) {
                match input {
                    StepInput::State(j) => load_tile(&job.state[*j], by_row, n_cells, &mut tile.0),
                    StepInput::ByPosition(column) => load_tile(column, by_position, n_cells, &mut tile.0),
                    StepInput::ByRow(column) => load_tile(column, by_row, n_cells, &mut tile.0),
                    StepInput::Time => tile.0 = [job.dt; TILE],
                }
            }
            let looks = check.looks(job.status);
            let mut flags = [0; TILE];
            for step in 0..job.n_steps {
                if step > 0 {
                    self.feed_back(plan, job.inputs);
                }
                self.run(plan, check, n_cells, looks);
                if looks {
                    flags.iter_mut().zip(&self.flags).for_each(|(all, now)| *all |= now);
                }
            }
            if job.n_steps > 0 {
                self.store(plan, check, job.state, by_row, n_cells);
            }
            job.status.store(cells, &flags);
        }
    }

    /// Makes the last step's results the next step's state.
    fn feed_back(&mut self, plan: &Plan, inputs: &[StepInput]) {
        for (column, input) in inputs.iter().enumerate() {
            if let StepInput::State(j) = input {
                self.arena[plan.input + column] = self.arena[plan.output + j];
            }
        }
    }

    /// Runs the program on the tile; if somebody `looks`, also finds out about the cells.
    fn run(&mut self, plan: &Plan, check: &Check<'_>, n_cells: usize, looks: bool) {
        let flags = &mut self.flags;
        let inputs = &mut self.arena[plan.input..plan.input + plan.n_inputs];
        #[cfg(feature = "planted-faults")]
        super::planted::fault_if_asked(inputs, n_cells);
        if looks {
            *flags = [0; TILE];
            for (TileColumn(values), &[low, high]) in inputs.iter_mut().zip(check.domain) {
                mark(flags, values, cell_status::OUTSIDE_DOMAIN, |x| x >= low && x <= high);
                if check.guard == Guard::Clamp {
                    // `clamp` keeps NaN.
                    values.iter_mut().for_each(|x| *x = x.clamp(low, high));
                }
            }
        }
        plan.run(&mut self.arena, n_cells);
        if looks {
            for TileColumn(values) in &self.arena[plan.output..plan.output + plan.n_outputs] {
                mark(flags, values, cell_status::NOT_FINITE, f32::is_finite);
            }
            let cells = &flags[..n_cells];
            self.tally.outside_domain += count(cells, cell_status::OUTSIDE_DOMAIN);
            self.tally.not_finite += count(cells, cell_status::NOT_FINITE);
        }
    }

    /// Writes the results, but not those of cells that the fallback is to compute.
    ///
    /// # Safety
    /// As [`store_tile`].
    unsafe fn store(&self, plan: &Plan, check: &Check<'_>, to: &[Column], rows: Rows<'_>, n_cells: usize) {
        let is_inside = |i: usize| self.flags[i] & cell_status::OUTSIDE_DOMAIN == 0;
        let all = check.guard != Guard::Fallback || (0..n_cells).all(is_inside);
        for (column, tile) in to.iter().zip(&self.arena[plan.output..]) {
            // SAFETY: as this function's contract says.
            unsafe {
                match all {
                    true => store_tile(column, rows, n_cells, &tile.0),
                    false => store_wanted(column, rows, n_cells, &tile.0, is_inside),
                }
            }
        }
    }
}

/// Sets `bit` in the flags of those cells whose value is not `good`.
fn mark(flags: &mut [u8; TILE], values: &[f32; TILE], bit: u8, good: impl Fn(f32) -> bool) {
    for (flag, &x) in flags.iter_mut().zip(values) {
        *flag |= if good(x) { 0 } else { bit };
    }
}

fn count(flags: &[u8], bit: u8) -> u64 {
    flags.iter().map(|flag| u64::from(flag & bit != 0)).sum()
}
