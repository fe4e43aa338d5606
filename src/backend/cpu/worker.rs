//! One thread's tile: load, check, run, store.

use std::ops::Range;

use super::increments::Increments;
use super::plan::Plan;
use super::times::{Times, TimesArena};
use crate::backend::tile::{self, Border};
use crate::backend::{Advance, Evaluation, StepInput, Tally};
use crate::kernels::{Rows, TILE, TileColumn};

/// A thread's memory for one tile.
#[derive(Debug)]
pub struct Worker {
    arena: Vec<TileColumn>,
    /// The same for the program of increments; empty without one.
    increments_arena: Vec<TileColumn>,
    /// For many times of the same cells.
    times_arena: Option<TimesArena>,
    /// Status bits of the tile's cells in the last run.
    flags: [u8; TILE],
    tally: Tally,
}

impl Worker {
    pub fn new(plan: &Plan, increments: Option<&Increments>, times: Option<&Times>) -> Self {
        Self {
            arena: plan.new_arena(),
            increments_arena: increments.map_or_else(Vec::new, |increments| increments.plan.new_arena()),
            times_arena: times.map(Times::new_arena),
            flags: [0; TILE],
            tally: Tally::default(),
        }
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
        border: &Border,
        job: &Evaluation<'_>,
        cells: Range<usize>,
    ) {
        let (rows, n_cells) = (Rows::From(cells.start), cells.len());
        // SAFETY: passed on.
        unsafe {
            tile::load(&border.inputs, job.inputs, rows, n_cells, &mut self.arena[plan.input..]);
            self.run(plan, border, n_cells, border.check.looks(job.status));
            border.store(&self.arena[plan.output..], job.outputs, rows, n_cells, &self.flags);
            job.status.store(cells, &self.flags);
        }
    }

    /// Evaluates the tile of `cells` at all of the call's times.
    ///
    /// # Safety
    /// As [`Worker::evaluate`].
    pub unsafe fn evaluate_times(
        &mut self,
        plan: &Plan,
        times: &Times,
        job: &Evaluation<'_>,
        cells: Range<usize>,
    ) {
        let memory = self.times_arena.as_mut().expect("memory for a backend's own times");
        // SAFETY: passed on.
        self.tally += unsafe { times.evaluate((plan, &mut self.arena), memory, job, cells) };
    }

    /// Advances the tile of `cells`; the state stays in the tile from step to step.
    ///
    /// # Safety
    /// As [`Worker::evaluate`].
    pub unsafe fn step(&mut self, plan: &Plan, border: &Border, job: &Advance<'_>, cells: Range<usize>) {
        let (rows, n_cells) = (tile::rows_of(job, &cells), cells.len());
        // SAFETY: passed on.
        unsafe {
            border.load_step(job, cells.clone(), &mut self.arena[plan.input..]);
            let looks = border.check.looks(job.status);
            let mut flags = [0; TILE];
            for step in 0..job.n_steps {
                if step > 0 {
                    self.feed_back(plan, job.inputs);
                }
                self.run(plan, border, n_cells, looks);
                if looks {
                    flags.iter_mut().zip(&self.flags).for_each(|(all, now)| *all |= now);
                }
            }
            if job.n_steps > 0 {
                border.store(&self.arena[plan.output..], job.state, rows, n_cells, &self.flags);
            }
            job.status.store(cells, &flags);
        }
    }

    /// Advances the tile of `cells` by what the program of increments gives.
    ///
    /// # Safety
    /// As [`Worker::evaluate`].
    pub unsafe fn step_by_increments(
        &mut self,
        increments: &Increments,
        border: &Border,
        job: &Advance<'_>,
        cells: Range<usize>,
    ) {
        let (rows, n_cells, plan) = (tile::rows_of(job, &cells), cells.len(), &increments.plan);
        std::mem::swap(&mut self.arena, &mut self.increments_arena);
        // SAFETY: passed on.
        unsafe {
            border.load_step(job, cells.clone(), &mut self.arena[plan.input..]);
            let looks = border.check.looks(job.status);
            let mut flags = [0; TILE];
            for step in 0..job.n_steps {
                if step > 0 {
                    self.feed_back(plan, job.inputs);
                }
                self.compute(plan, border, n_cells, looks);
                let results = &mut self.arena[plan.output..];
                increments.store(border, results, job.state, rows, n_cells, &self.flags);
                if looks {
                    self.look_at_results(plan, border, n_cells);
                    flags.iter_mut().zip(&self.flags).for_each(|(all, now)| *all |= now);
                }
            }
            job.status.store(cells, &flags);
        }
        std::mem::swap(&mut self.arena, &mut self.increments_arena);
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
    fn run(&mut self, plan: &Plan, border: &Border, n_cells: usize, looks: bool) {
        self.compute(plan, border, n_cells, looks);
        if looks {
            self.look_at_results(plan, border, n_cells);
        }
    }

    /// Runs the program on the tile; if somebody `looks`, also checks the inputs.
    fn compute(&mut self, plan: &Plan, border: &Border, n_cells: usize, looks: bool) {
        let inputs = &mut self.arena[plan.input..plan.input + plan.n_inputs];
        #[cfg(feature = "planted-faults")]
        super::planted::fault_if_asked(inputs, n_cells);
        if looks {
            border.check_inputs(inputs, &mut self.flags);
        }
        plan.run(&mut self.arena, n_cells);
    }

    fn look_at_results(&mut self, plan: &Plan, border: &Border, n_cells: usize) {
        let results = &self.arena[plan.output..plan.output + plan.n_outputs];
        self.tally += border.look_at_results(results, &mut self.flags, n_cells);
    }
}
