//! The program tile by tile in the CPU's cache.

mod plan;
#[cfg(feature = "planted-faults")]
mod planted;
mod pool;
mod worker;

use std::ops::Range;
use std::sync::Mutex;

use self::plan::Plan;
use self::pool::Pool;
use self::worker::Worker;
use super::{Advance, Backend, Evaluation, Guard, StepColumn};
use crate::error::{Error, Result};
use crate::kernels::{Kernels, TILE};
use crate::program::Program;

/// More threads than any machine of today has cores: a session has memory for each of them.
const MAX_THREADS: usize = 1024;

/// What the CPU backend needs to know beside the program.
#[derive(Debug)]
pub struct CpuOptions {
    /// Threads that share the tiles, the caller's included.
    pub n_threads: usize,
    /// Instruction set by name; the fastest if none.
    pub instruction_set: Option<String>,
    /// What happens outside the domain.
    pub guard: Guard,
    /// Range of each input column; infinite where unknown.
    pub domain: Vec<[f32; 2]>,
    /// Where each input column of a step comes from.
    pub step_columns: Vec<StepColumn>,
}

/// See [`Backend`]; all memory is allocated here and none later.
pub struct CpuBackend {
    name: String,
    plan: Plan,
    guard: Guard,
    domain: Vec<[f32; 2]>,
    step_columns: Vec<StepColumn>,
    workers: Vec<Mutex<Worker>>,
    pool: Pool,
}

impl CpuBackend {
    /// Prepares `program`.
    ///
    /// # Errors
    /// An instruction set that the machine does not have, no threads, or threads that cannot start.
    pub fn new(program: &Program, options: CpuOptions) -> Result<Self> {
        if options.n_threads == 0 || options.n_threads > MAX_THREADS {
            return Err(Error::invalid(format!("{} threads", options.n_threads))
                .remedy(format!("ask for 1 to {MAX_THREADS} threads")));
        }
        let kernels = Kernels::select(options.instruction_set.as_deref())?;
        let plan = Plan::new(&program.fused(), kernels);
        let workers = (0..options.n_threads).map(|_| Mutex::new(Worker::new(&plan))).collect();
        Ok(Self {
            name: format!("cpu {}, threads: {}", kernels.name, options.n_threads),
            plan,
            guard: options.guard,
            domain: options.domain,
            step_columns: options.step_columns,
            workers,
            pool: Pool::new(options.n_threads - 1)?,
        })
    }

    /// Calls `work` for each thread's worker with its share of `n_cells`, in whole tiles.
    fn share(&self, n_cells: usize, work: impl Fn(&mut Worker, Range<usize>) + Sync) -> Result<()> {
        let tiles = n_cells.div_ceil(TILE);
        let n_threads = self.workers.len().min(tiles.max(1));
        let first_cell = |thread: usize| (tiles * thread / n_threads * TILE).min(n_cells);
        let finished = self.pool.run(n_threads, &|thread| {
            let mut worker = self.workers[thread].lock().expect("no panic while a worker is locked");
            work(&mut worker, first_cell(thread)..first_cell(thread + 1));
        });
        // Where it happened must not matter to the caller: it goes on as this thread's panic.
        finished.or_else(|payload| std::panic::resume_unwind(payload))
    }
}

impl Backend for CpuBackend {
    fn name(&self) -> &str {
        &self.name
    }

    fn evaluate(&mut self, cells: &mut Evaluation<'_>) -> Result<()> {
        let n_cells = cells.outputs.layout().n_cells;
        let job = worker::SharedEvaluation::new(cells);
        let check = worker::Check { guard: self.guard, domain: &self.domain };
        self.share(n_cells, |worker, range| {
            for first in range.clone().step_by(TILE) {
                // SAFETY: every tile of cells belongs to one thread.
                unsafe { worker.evaluate(&self.plan, &check, &job, first..range.end.min(first + TILE)) }
            }
        })
    }

    fn step(&mut self, cells: &mut Advance<'_>) -> Result<()> {
        let n_cells = cells.n_cells;
        let job = worker::SharedAdvance::new(cells, &self.step_columns);
        let check = worker::Check { guard: self.guard, domain: &self.domain };
        self.share(n_cells, |worker, range| {
            for first in range.clone().step_by(TILE) {
                // SAFETY: every tile of cells belongs to one thread.
                unsafe { worker.step(&self.plan, &check, &job, first..range.end.min(first + TILE)) }
            }
        })
    }
}
