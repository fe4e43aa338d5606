//! Calls on a GPU: where the caller's numbers lie decides how they get there.
//!
//! Numbers in the GPU's memory are worked on where they are: a call only queues a kernel. Inputs in the processor's memory
//! that go with them, a stimulus for example, are copied first, without waiting. If the results belong into the
//! processor's memory the call goes through them in batches, and returns when they are there.

use std::cell::Cell;
use std::ops::Range;

use super::CudaOptions;
use super::batches::Batches;
use super::device::CudaDevice;
use super::generate::{Kernel, Request, TIMES};
use super::gpu::{Gpu, Memory, Region};
use super::job::{Entry, Job, OwnMemory};
use super::queue::Queue;
use crate::backend::tile::Check;
use crate::backend::{Advance, Backend, Evaluation, Guard, StatusBytes, StepInput, Tally};
use crate::error::{Error, Result};
use crate::program::Program;
use crate::view::Column;

/// See [`Backend`].
pub struct CudaBackend {
    name: String,
    machine: Machine,
    queue: Queue,
    batches: Batches,
    /// Columns of a call whose addresses are all the GPU's.
    inputs: Vec<Column>,
    step_inputs: Vec<StepInput>,
}

/// The GPU with the session's kernel.
pub struct Machine {
    pub gpu: Box<dyn Gpu>,
    pub kernel: Kernel,
    pub check: Check,
    /// Where the last address of this call led: columns of a view mostly lie in one piece of memory.
    known: Cell<[usize; 2]>,
    memory: OwnMemory,
    job: Job,
}

impl CudaBackend {
    /// Whether this build has kernels for GPUs.
    pub const IS_BUILT: bool = true;

    /// Prepares `program` on the GPU of that number.
    ///
    /// # Errors
    /// No driver, no such GPU, no compiler, a stream of another GPU, too little memory, a program that no kernel holds.
    pub fn new(program: &Program, options: CudaOptions) -> Result<Self> {
        let gpu = CudaDevice::open(options.device, options.stream, options.cache.as_deref())?;
        Self::on(Box::new(gpu), program, options)
    }

    /// The same on any [`Gpu`].
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on(mut gpu: Box<dyn Gpu>, program: &Program, options: CudaOptions) -> Result<Self> {
        let CudaOptions { precision, capacity, steps, time, check, .. } = options;
        let (n_inputs, n_outputs) = (program.n_inputs(), program.n_outputs());
        let request = Request {
            program,
            steps: steps.as_deref(),
            time,
            domain: &check.domain,
            precision,
            target: gpu.target(),
        };
        let kernel = Kernel::generate(&request)?;
        let name = format!("{}, {}", gpu.name(), kernel.arithmetic);
        gpu.enter()?;
        let loaded = gpu.load(&kernel);
        gpu.leave();
        let memory = loaded?;
        let job = match kernel.times {
            true => Job::with_columns_and_times(n_inputs, n_outputs),
            false => Job::with_columns(n_inputs + n_outputs),
        };
        Ok(Self {
            name,
            machine: Machine { gpu, kernel, check, known: Cell::default(), memory, job },
            queue: Queue::with_capacity(capacity),
            batches: Batches::new(n_inputs + n_outputs),
            inputs: Vec::with_capacity(n_inputs),
            step_inputs: Vec::with_capacity(n_inputs),
        })
    }

    /// Calls `work` with the GPU's context as the thread's.
    fn inside<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        /// The thread gets its own context back, whatever happens.
        struct Leave<'a>(&'a mut CudaBackend);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.machine.gpu.leave();
            }
        }
        self.machine.gpu.enter()?;
        // What was given back since may be another's by now.
        self.machine.known.set([0; 2]);
        let inside = Leave(self);
        work(inside.0)
    }

    /// # Safety
    /// As [`Backend::evaluate`], with `times` as [`Backend::evaluate_times`]; the outputs are in the GPU's memory.
    unsafe fn evaluate_there(
        &mut self,
        job: &Evaluation<'_>,
        times: Option<(usize, &[f32])>,
    ) -> Result<Tally> {
        let Self { machine, queue, inputs, .. } = self;
        machine.refuse_status_here(job.status, job.n_cells)?;
        // The time's column is none of the caller's.
        let is_read = |i: usize| times.is_none_or(|(time, _)| time != i);
        let mut bytes = 0;
        for (_, column) in job.inputs.iter().enumerate().filter(|(i, _)| is_read(*i)) {
            bytes += Queue::bytes_of(machine, column, job.n_cells)?;
        }
        queue.begin(machine, bytes)?;
        inputs.clear();
        for (i, column) in job.inputs.iter().enumerate() {
            inputs.push(match is_read(i) {
                // SAFETY: the caller's columns have as many numbers as there are cells.
                true => unsafe { queue.on_gpu(machine, *column, job.n_cells)? },
                false => *column,
            });
        }
        queue.send(machine)?;
        let job = Evaluation { inputs, ..*job };
        let entry = match times {
            None => machine.job.describe_evaluation(&job, &machine.check, machine.memory),
            Some((_, times)) => machine.job.describe_times(&job, times, &machine.check, machine.memory),
        };
        // SAFETY: all addresses are the GPU's by now; the caller vouches for them.
        unsafe { machine.launch(entry, job.n_cells)? };
        queue.end(machine)?;
        Ok(Tally::default())
    }

    /// # Safety
    /// As [`Backend::step`]; the state is in the GPU's memory.
    unsafe fn step_there(&mut self, job: &Advance<'_>) -> Result<Tally> {
        let Self { machine, queue, step_inputs, .. } = self;
        machine.refuse_status_here(job.status, job.n_cells)?;
        let mut bytes = job.index.map_or(Ok(0), |list| Queue::bytes_of_index(machine, list))?;
        for input in job.inputs {
            bytes += match input {
                StepInput::ByPosition(column) => Queue::bytes_of(machine, column, job.n_cells)?,
                StepInput::ByRow(column) => Queue::bytes_of(machine, column, job.n_rows)?,
                StepInput::State(_) | StepInput::Time => 0,
            };
        }
        queue.begin(machine, bytes)?;
        step_inputs.clear();
        // SAFETY: the caller's columns have as many numbers as there are cells or rows, and the index as there are cells.
        let index = unsafe {
            for input in job.inputs {
                step_inputs.push(match *input {
                    StepInput::ByPosition(column) => {
                        StepInput::ByPosition(queue.on_gpu(machine, column, job.n_cells)?)
                    }
                    StepInput::ByRow(column) => StepInput::ByRow(queue.on_gpu(machine, column, job.n_rows)?),
                    other => other,
                });
            }
            job.index.map(|list| queue.index_on_gpu(machine, list)).transpose()?
        };
        queue.send(machine)?;
        let job = Advance { inputs: step_inputs, ..*job };
        let entry = machine.job.describe_steps(&job, index, &machine.kernel, &machine.check, machine.memory);
        // SAFETY: all addresses are the GPU's by now; the caller vouches for them.
        unsafe { machine.launch(entry, job.n_cells)? };
        queue.end(machine)?;
        Ok(Tally::default())
    }
}

impl Machine {
    /// Where `address` leads.
    pub fn memory_at(&self, address: *const u8) -> Result<Memory> {
        let [start, end] = self.known.get();
        if (start..end).contains(&(address as usize)) {
            return Ok(Memory::Gpu);
        }
        let Region { memory, bytes: Range { start, end } } = self.gpu.region_at(address)?;
        if memory == Memory::Gpu {
            self.known.set([start, end]);
        }
        Ok(memory)
    }

    /// Where `len` bytes lie, at least one.
    pub fn memory_of_bytes(&self, address: *const u8, len: usize) -> Result<Memory> {
        let memory = self.memory_at(address)?;
        // Beyond its end a GPU would fault, and with it everything of the caller's there.
        if memory == Memory::Gpu && self.memory_at(address.wrapping_add(len - 1))? != Memory::Gpu {
            return Err(Error::invalid(format!("{len} bytes that go beyond the GPU's memory they begin in"))
                .remedy("check that every view leads to as many numbers of the GPU's memory as it says"));
        }
        Ok(memory)
    }

    /// Where the first `n` numbers of a column lie.
    pub fn memory_of_column(&self, column: &Column, n: usize) -> Result<Memory> {
        let len = ((n.max(1) - 1) * column.stride + 1) * column.element.size();
        self.memory_of_bytes(column.pointer, len)
    }

    /// Where the first `n` numbers of all of `columns` lie.
    fn memory_of(&self, what: &str, columns: &[Column], n: usize) -> Result<Memory> {
        let mut memories =
            columns.iter().map(|column| self.memory_of_column(column, n).map_err(|e| e.at(what)));
        let first = memories.next().expect("a column")?;
        for memory in memories {
            if memory? != first {
                return Err(Error::unsupported(format!(
                    "{what} partly in the GPU's memory and partly in the processor's"
                ))
                .remedy("keep all of them in one memory"));
            }
        }
        match (first, self.check.guard) {
            (Memory::Gpu, Guard::Fallback) => Err(Error::unsupported(format!(
                "a fallback for {what} in the GPU's memory, where it cannot reach them"
            ))
            .remedy("keep them in the processor's memory, or use another guard")),
            _ => Ok(first),
        }
    }

    fn refuse_status_here(&self, status: StatusBytes, n: usize) -> Result<()> {
        let memory = || self.memory_of_bytes(status.address(), n).map_err(|e| e.at("status bytes"));
        match status.are_wanted() && memory()? == Memory::Processor {
            true => Err(Error::invalid("status bytes in the processor's memory, for cells in the GPU's")
                .remedy("give status bytes in the GPU's memory")),
            false => Ok(()),
        }
    }

    /// Describes a call with [`Evaluation`] and queues its kernel.
    ///
    /// # Safety
    /// As [`Gpu::launch`].
    pub unsafe fn evaluate(&mut self, job: &Evaluation<'_>) -> Result<()> {
        let entry = self.job.describe_evaluation(job, &self.check, self.memory);
        // SAFETY: as this function's contract says.
        unsafe { self.launch(entry, job.n_cells) }
    }

    /// The same with [`Advance`], without an index.
    ///
    /// # Safety
    /// As [`Gpu::launch`].
    pub unsafe fn step(&mut self, job: &Advance<'_>) -> Result<()> {
        let entry = self.job.describe_steps(job, None, &self.kernel, &self.check, self.memory);
        // SAFETY: as this function's contract says.
        unsafe { self.launch(entry, job.n_cells) }
    }

    /// # Safety
    /// As [`Gpu::launch`].
    unsafe fn launch(&mut self, entry: Entry, n_cells: usize) -> Result<()> {
        // SAFETY: as this function's contract says.
        unsafe { self.gpu.launch(entry, n_cells, self.job.words()) }
    }

    /// Waits for all that was queued; what was seen in it.
    pub fn take_tally(&mut self) -> Result<Tally> {
        let [outside_domain, not_finite, wrong_rows] = self.gpu.take_counters()?;
        match wrong_rows {
            0 => Ok(Tally { outside_domain, not_finite }),
            n => Err(Error::invalid(format!(
                "an index in the GPU's memory named {n} rows that the state does not have"
            ))
            .remedy("correct the index: those cells were left alone")),
        }
    }
}

impl Backend for CudaBackend {
    fn name(&self) -> &str {
        &self.name
    }

    unsafe fn evaluate(&mut self, job: &Evaluation<'_>) -> Result<Tally> {
        if job.n_cells == 0 {
            return Ok(Tally::default());
        }
        // SAFETY: passed on.
        self.inside(|own| unsafe {
            match own.machine.memory_of("outputs", job.outputs, job.n_cells)? {
                Memory::Gpu => own.evaluate_there(job, None),
                Memory::Processor => own.batches.evaluate(&mut own.machine, job),
            }
        })
    }

    unsafe fn evaluate_times(
        &mut self,
        job: &Evaluation<'_>,
        time: usize,
        times: &[f32],
    ) -> Result<Option<Tally>> {
        if job.n_cells == 0 || times.is_empty() {
            return Ok(Some(Tally::default()));
        }
        let n_outputs = job.outputs.len() / times.len();
        // SAFETY: passed on.
        self.inside(|own| unsafe {
            if !own.machine.kernel.times
                || own.machine.memory_of("outputs", job.outputs, job.n_cells)? == Memory::Processor
            {
                return Ok(None);
            }
            for (times, outputs) in times.chunks(TIMES).zip(job.outputs.chunks(TIMES * n_outputs)) {
                own.evaluate_there(&Evaluation { outputs, ..*job }, Some((time, times)))?;
            }
            Ok(Some(Tally::default()))
        })
    }

    unsafe fn step(&mut self, job: &Advance<'_>) -> Result<Tally> {
        if job.n_cells == 0 {
            return Ok(Tally::default());
        }
        // SAFETY: passed on.
        self.inside(|own| unsafe {
            match own.machine.memory_of("state", job.state, job.n_rows)? {
                Memory::Gpu => own.step_there(job),
                Memory::Processor => own.batches.step(&mut own.machine, job),
            }
        })
    }

    fn synchronize(&mut self) -> Result<Tally> {
        self.inside(|own| own.machine.take_tally())
    }

    fn is_reachable(&self, address: *const u8) -> bool {
        // What it is instead the call itself will say.
        !matches!(self.machine.gpu.region_at(address), Ok(Region { memory: Memory::Gpu, .. }))
    }
}

impl Drop for CudaBackend {
    fn drop(&mut self) {
        let Self { machine, queue, batches, .. } = self;
        if machine.gpu.enter().is_ok() {
            // Nobody may free what a kernel still uses; a fault was told by a call or is nobody's any more.
            let _ = machine.gpu.take_counters();
            queue.free(machine);
            batches.free(machine);
            machine.gpu.leave();
        }
    }
}
