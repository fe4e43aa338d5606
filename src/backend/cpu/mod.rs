//! The program tile by tile in the CPU's cache.

mod increments;
mod layers;
mod places;
mod plan;
#[cfg(feature = "planted-faults")]
mod planted;
mod pool;
mod times;
mod worker;

use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use self::increments::Increments;
use self::layers::Layers;
use self::plan::Plan;
use self::pool::Pool;
use self::times::Times;
use self::worker::Worker;
use super::tile::{Border, Check};
use super::{Advance, Backend, Evaluation, Guard, Tally, check_threads};
use crate::error::Result;
use crate::float_environment::FlushedDenormals;
use crate::kernels::{Kernels, TILE};
use crate::program::{Operation, Program};

/// What the CPU backend needs to know beside the program.
#[derive(Debug)]
pub struct CpuOptions {
    /// Threads that share the tiles, the caller's included.
    pub n_threads: usize,
    /// Instruction set by name; the fastest if none.
    pub instruction_set: Option<String>,
    /// The domain and what happens outside.
    pub check: Check,
    /// Input column of each output's state, if the program is to step.
    pub states: Option<Vec<usize>>,
    /// Input column of the time, if there may be many times of the same cells.
    pub time: Option<usize>,
}

/// See [`Backend`]; all memory is allocated here and none later.
pub struct CpuBackend {
    name: String,
    plan: Plan,
    /// For states in double precision.
    increments: Option<Increments>,
    /// None also where single cells may be handed on.
    times: Option<Times>,
    border: Border,
    crew: Crew,
}

impl CpuBackend {
    /// Prepares `program`.
    ///
    /// # Errors
    /// An instruction set that the machine does not have, no threads, or threads that cannot start.
    pub fn new(program: &Program, options: CpuOptions) -> Result<Self> {
        check_threads(options.n_threads)?;
        let kernels = Kernels::select(options.instruction_set.as_deref())?;
        let mut layers = Layers::new(kernels);
        let plan = Plan::new(&program.fused(), kernels, &mut layers)?;
        let states = options.states.as_deref();
        let increments = states.map(|states| Increments::new(program, states, kernels, &mut layers));
        let increments = increments.transpose()?.flatten();
        let check = &options.check;
        let time = options.time.filter(|_| check.guard != Guard::Fallback);
        let times = time.map(|input| Times::new(program, &plan, input, check, kernels, &mut layers));
        let worker = || Worker::new(&plan, increments.as_ref(), times.as_ref());
        let workers = (0..options.n_threads).map(|_| Mutex::new(worker())).collect();
        Ok(Self {
            name: format!("cpu {}, threads: {}", kernels.name, options.n_threads),
            plan,
            increments,
            times,
            border: Border::new(options.check, kernels.transfer, program.n_inputs(), program.n_outputs()),
            crew: Crew { workers, pool: Pool::new(options.n_threads - 1)?, flushes: !has_denormals(program) },
        })
    }
}

/// Whether there are denormals among the numbers of a program: it may divide by them, so they have to count.
fn has_denormals(program: &Program) -> bool {
    let any = |numbers: &[f32]| numbers.iter().any(|x| x.is_subnormal());
    program.operations().iter().any(|operation| match operation {
        Operation::Constant { values } => any(values),
        Operation::Dense { weights, bias, .. } => any(weights) || any(bias),
        _ => false,
    })
}

/// The threads of a backend, each with memory for one tile.
struct Crew {
    workers: Vec<Mutex<Worker>>,
    pool: Pool,
    /// Whether denormals count as zero.
    flushes: bool,
}

impl Crew {
    /// Calls `work` for each tile of `n_cells` cells, with the worker of the thread that has it.
    fn share(&mut self, n_cells: usize, work: impl Fn(&mut Worker, Range<usize>) + Sync) -> Result<Tally> {
        let tiles = n_cells.div_ceil(TILE);
        let n_threads = self.workers.len().min(tiles.max(1));
        if n_threads == 1 {
            let _flushed = self.flushes.then(FlushedDenormals::enter);
            let worker = self.workers[0].get_mut().expect(NOT_AFTER_A_PANIC);
            for first in (0..n_cells).step_by(TILE) {
                work(worker, first..n_cells.min(first + TILE));
            }
            return Ok(worker.take_tally());
        }
        let first_cell = |thread: usize| (tiles * thread / n_threads * TILE).min(n_cells);
        let (workers, flushes) = (&self.workers, self.flushes);
        let finished = self.pool.run(n_threads, &|thread| {
            let _flushed = flushes.then(FlushedDenormals::enter);
            let mut worker = lock(&workers[thread]);
            let end = first_cell(thread + 1);
            for first in (first_cell(thread)..end).step_by(TILE) {
                work(&mut worker, first..end.min(first + TILE));
            }
        });
        // Where it happened must not matter to the caller: it goes on as this thread's panic.
        finished.unwrap_or_else(|payload| std::panic::resume_unwind(payload));
        let mut tally = Tally::default();
        workers[..n_threads].iter().for_each(|worker| tally += lock(worker).take_tally());
        Ok(tally)
    }
}

const NOT_AFTER_A_PANIC: &str = "a backend is not used again after a panic";

fn lock(worker: &Mutex<Worker>) -> MutexGuard<'_, Worker> {
    worker.lock().expect(NOT_AFTER_A_PANIC)
}

impl Backend for CpuBackend {
    fn name(&self) -> &str {
        &self.name
    }

    unsafe fn evaluate(&mut self, job: &Evaluation<'_>) -> Result<Tally> {
        let Self { plan, border, crew, .. } = self;
        border.lay_out_evaluation(job);
        // SAFETY: every tile of cells belongs to one thread; the caller vouches for the job.
        crew.share(job.n_cells, |worker, cells| unsafe { worker.evaluate(plan, border, job, cells) })
    }

    unsafe fn evaluate_times(
        &mut self,
        job: &Evaluation<'_>,
        _time: usize,
        times: &[f32],
    ) -> Result<Option<Tally>> {
        let Self { plan, times: Some(prepared), crew, .. } = self else { return Ok(None) };
        let mut tally = Tally::default();
        for (some, outputs) in times.chunks(TILE).zip(job.outputs.chunks(TILE * plan.n_outputs)) {
            let job = Evaluation { outputs, ..*job };
            prepared.begin(&job, some);
            // SAFETY: as above.
            tally += crew.share(job.n_cells, |worker, cells| unsafe {
                worker.evaluate_times(plan, prepared, &job, cells);
            })?;
        }
        Ok(Some(tally))
    }

    unsafe fn step(&mut self, job: &Advance<'_>) -> Result<Tally> {
        let Self { plan, increments, border, crew, .. } = self;
        match increments.as_ref().filter(|increments| increments.serve(job)) {
            Some(increments) => {
                increments.lay_out(border, job);
                // SAFETY: as above.
                crew.share(job.n_cells, |worker, cells| unsafe {
                    worker.step_by_increments(increments, border, job, cells);
                })
            }
            None => {
                border.lay_out_step(job, |_| true);
                // SAFETY: as above.
                crew.share(job.n_cells, |worker, cells| unsafe { worker.step(plan, border, job, cells) })
            }
        }
    }
}
