//! Cells outside the domain: who computes them instead of the surrogate.

use super::solver::Solver;
use crate::backend::{Advance, Backend, Evaluation, StatusBytes, StepInput, Tally, cell_status};
use crate::error::{Error, Result};
use crate::view::Column;

/// Somebody who computes what the surrogate should not: a simulator's own cell model.
///
/// Called on the thread that called the session, once for each evaluation or step in which cells
/// are outside the domain.
pub trait Fallback: Send + Sync {
    /// Sets the outputs of every one of `cells` from its inputs.
    ///
    /// # Errors
    /// Whatever prevents it; the call of the session then fails with this error.
    fn compute(&self, cells: &mut OutsideCells<'_>) -> Result<()>;
}

impl std::fmt::Debug for dyn Fallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fallback")
    }
}

/// Cells of a call that are outside the domain.
///
/// In a step outputs are the state, which is also an input: read a cell before setting it.
#[derive(Debug)]
pub struct OutsideCells<'a> {
    positions: &'a [u32],
    rows: &'a [u32],
    inputs: Inputs<'a>,
    outputs: &'a [Column],
    dt: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
enum Inputs<'a> {
    Evaluation(&'a [Column]),
    Step(&'a [StepInput]),
}

impl<'a> OutsideCells<'a> {
    /// Position of each cell in the call.
    pub fn positions(&self) -> &'a [u32] {
        self.positions
    }

    /// Row of each cell's state and parameters; its position where no index was given.
    pub fn rows(&self) -> &'a [u32] {
        self.rows
    }

    /// Length of the step; none when an evaluation is asked for.
    pub fn dt(&self) -> Option<f64> {
        self.dt
    }

    /// The `variable`-th input of the surrogate for the `i`-th of these cells.
    ///
    /// # Panics
    /// If there is no such cell or variable.
    pub fn input(&self, i: usize, variable: usize) -> f64 {
        let (position, row) = (self.positions[i] as usize, self.rows[i] as usize);
        // SAFETY: positions and rows are of the call, whose columns are valid during it.
        unsafe {
            match self.inputs {
                Inputs::Evaluation(columns) => columns[variable].get(position),
                Inputs::Step(inputs) => match inputs[variable] {
                    StepInput::State(j) => self.outputs[j].get(row),
                    StepInput::ByPosition(column) => column.get(position),
                    StepInput::ByRow(column) => column.get(row),
                    StepInput::Time => self.dt.unwrap_or_default(),
                },
            }
        }
    }

    /// The `variable`-th output of the surrogate for the `i`-th of these cells.
    ///
    /// # Panics
    /// As [`input`](Self::input).
    pub fn output(&self, i: usize, variable: usize) -> f64 {
        // SAFETY: as in `input`.
        unsafe { self.outputs[variable].get(self.rows[i] as usize) }
    }

    /// Sets the `variable`-th output of the surrogate for the `i`-th of these cells.
    ///
    /// # Panics
    /// As [`input`](Self::input).
    pub fn set_output(&mut self, i: usize, variable: usize, number: f64) {
        // SAFETY: as in `input`; the call's outputs are its own, and only this thread is here.
        unsafe { self.outputs[variable].set(self.rows[i] as usize, number) }
    }

    fn is_finite(&self, i: usize) -> bool {
        (0..self.outputs.len()).all(|variable| self.output(i, variable).is_finite())
    }
}

/// Who computes the cells outside the domain, and memory to pick them out.
pub struct Rescue {
    by: Rescuer,
    flags: Vec<u8>,
    positions: Vec<u32>,
    rows: Vec<u32>,
}

pub enum Rescuer {
    /// The caller.
    Caller(std::sync::Arc<dyn Fallback>),
    /// The surrogate's own cell model.
    Solver(Box<Solver>),
}

impl Rescue {
    pub fn new(by: Rescuer, capacity: usize) -> Self {
        let list = || Vec::with_capacity(capacity);
        Self { by, flags: Vec::with_capacity(capacity), positions: list(), rows: list() }
    }

    /// Evaluates; returns also how many cells the fallback computed.
    ///
    /// # Safety
    /// As [`Backend::evaluate`].
    pub unsafe fn evaluate(
        &mut self,
        backend: &mut dyn Backend,
        job: &Evaluation<'_>,
    ) -> Result<(Tally, u64)> {
        self.prepare(job.n_cells)?;
        let status = StatusBytes::new(Some(&mut self.flags));
        // SAFETY: passed on.
        let tally = unsafe { backend.evaluate(&Evaluation { status, ..*job })? };
        let n = self.hand_over(None, |positions, rows| OutsideCells {
            positions,
            rows,
            inputs: Inputs::Evaluation(job.inputs),
            outputs: job.outputs,
            dt: None,
        })?;
        // SAFETY: the caller's bytes are as many as the cells.
        unsafe { job.status.store(0..job.n_cells, &self.flags) };
        Ok((tally, n))
    }

    /// Advances step by step; returns also how many cells the fallback advanced, over all steps.
    ///
    /// # Safety
    /// As [`Backend::step`].
    pub unsafe fn step(
        &mut self,
        backend: &mut dyn Backend,
        job: &Advance<'_>,
        dt: f64,
    ) -> Result<(Tally, u64)> {
        let (mut tally, mut handed_over) = (Tally::default(), 0);
        // SAFETY: the caller's bytes are as many as the cells, here and below.
        unsafe { job.status.clear(job.n_cells) };
        for _ in 0..job.n_steps {
            self.prepare(job.n_cells)?;
            let status = StatusBytes::new(Some(&mut self.flags));
            // SAFETY: passed on.
            tally += unsafe { backend.step(&Advance { status, n_steps: 1, ..*job })? };
            handed_over += self.hand_over(job.index, |positions, rows| OutsideCells {
                positions,
                rows,
                inputs: Inputs::Step(job.inputs),
                outputs: job.state,
                dt: Some(dt),
            })?;
            // SAFETY: as above.
            unsafe { job.status.add(&self.flags) };
        }
        Ok((tally, handed_over))
    }

    fn prepare(&mut self, n_cells: usize) -> Result<()> {
        if u32::try_from(n_cells).is_err() {
            return Err(Error::unsupported(format!("{n_cells} cells in one call with a fallback"))
                .remedy("split the call"));
        }
        self.flags.clear();
        self.flags.resize(n_cells, 0);
        Ok(())
    }

    /// Has the flagged cells computed; returns their number.
    fn hand_over<'a>(
        &'a mut self,
        index: Option<&[u32]>,
        cells: impl FnOnce(&'a [u32], &'a [u32]) -> OutsideCells<'a>,
    ) -> Result<u64> {
        let Self { by, flags, positions, rows } = self;
        positions.clear();
        let outside = |&i: &u32| flags[i as usize] & cell_status::OUTSIDE_DOMAIN != 0;
        positions.extend((0..flags.len() as u32).filter(outside));
        if positions.is_empty() {
            return Ok(0);
        }
        rows.clear();
        rows.extend(positions.iter().map(|&i| index.map_or(i, |list| list[i as usize])));
        let mut cells = cells(positions, rows);
        match by {
            Rescuer::Caller(fallback) => fallback.compute(&mut cells)?,
            Rescuer::Solver(solver) => solver.compute(&mut cells)?,
        }
        for (i, &position) in positions.iter().enumerate() {
            let not_finite = if cells.is_finite(i) { 0 } else { cell_status::NOT_FINITE };
            flags[position as usize] = cell_status::OUTSIDE_DOMAIN | cell_status::FALLBACK | not_finite;
        }
        Ok(positions.len() as u64)
    }
}
