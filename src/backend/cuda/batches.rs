//! Cells whose results belong into the processor's memory, on their way to the GPU and back.

use std::ops::Range;

use super::gpu::{Memory, Staging};
use super::queue::ALIGNMENT;
use super::run::Machine;
use crate::backend::{Advance, Evaluation, Guard, StatusBytes, StepInput, Tally, cell_status};
use crate::error::{Error, Result};
use crate::view::{Column, ElementType};

/// Cells of a batch: enough for a whole GPU, few enough that copying to one batch while the GPU computes another pays.
const BATCH: usize = 1 << 16;

/// Cells whose results belong into the processor's memory: batch by batch, in two stagings in turns. A staging holds
/// inputs, then outputs, then status bytes, a column after the other.
#[derive(Debug)]
pub struct Batches {
    stagings: [Option<Staging>; 2],
    /// The cells whose results each staging will hold.
    pending: [Option<Range<usize>>; 2],
    /// Columns of the current batch in the GPU's memory.
    inputs: Vec<Column>,
    step_inputs: Vec<StepInput>,
    outputs: Vec<Column>,
}

/// A call on the processor's memory.
struct Call<'a> {
    n_cells: usize,
    index: Option<&'a [u32]>,
    outputs: &'a [Column],
    status: StatusBytes,
    /// Bytes a cell of inputs, of outputs.
    widths: [usize; 2],
}

impl Call<'_> {
    fn row(&self, cell: usize) -> usize {
        self.index.map_or(cell, |list| list[cell] as usize)
    }

    /// Bytes of a staging before the outputs, before the status bytes, and in all.
    fn places(&self, batch: usize) -> [usize; 3] {
        let [inputs, outputs] = self.widths.map(|width| width * batch);
        [inputs, inputs + outputs, inputs + outputs + batch]
    }
}

impl Batches {
    /// Room for the descriptions of so many columns.
    pub fn new(n_columns: usize) -> Self {
        Self {
            stagings: [None, None],
            pending: [None, None],
            inputs: Vec::with_capacity(n_columns),
            step_inputs: Vec::with_capacity(n_columns),
            outputs: Vec::with_capacity(n_columns),
        }
    }

    /// Evaluates.
    ///
    /// # Safety
    /// As [`Backend::evaluate`](crate::backend::Backend::evaluate); the outputs are in the processor's memory.
    pub unsafe fn evaluate(&mut self, machine: &mut Machine, job: &Evaluation<'_>) -> Result<Tally> {
        job.inputs.iter().try_for_each(|column| refuse_gpu(machine, "inputs", column.pointer))?;
        refuse_gpu(machine, "status bytes", job.status.address())?;
        let widths = [job.inputs.len() * size_of::<f32>(), job.outputs.len() * size_of::<f32>()];
        let call =
            Call { n_cells: job.n_cells, index: None, outputs: job.outputs, status: job.status, widths };
        // SAFETY: the caller's columns have as many numbers as there are cells.
        let run = |own: &mut Self,
                   machine: &mut Machine,
                   staging: &Staging,
                   cells: Range<usize>,
                   batch: usize| unsafe {
            own.inputs.clear();
            for (j, column) in job.inputs.iter().enumerate() {
                let to = staged(staging, j * batch * size_of::<f32>(), ElementType::F32);
                cells.clone().for_each(|cell| to.host.set(cell - cells.start, column.get(cell)));
                own.inputs.push(to.device);
            }
            own.outputs.clear();
            for j in 0..job.outputs.len() {
                let at = call_offset(&job.outputs[..j], |_| ElementType::F32);
                own.outputs.push(staged(staging, (call.widths[0] + at) * batch, ElementType::F32).device);
            }
            let [outputs, status, _] = call.places(batch);
            machine.gpu.send(staging, 0..outputs)?;
            machine.evaluate(&Evaluation {
                n_cells: cells.len(),
                inputs: &own.inputs,
                outputs: &own.outputs,
                status: status_on_gpu(job.status, staging, status),
            })
        };
        // SAFETY: as this function's contract says.
        unsafe { self.run(machine, &call, |_| ElementType::F32, run) }
    }

    /// Advances.
    ///
    /// # Safety
    /// As [`Backend::step`](crate::backend::Backend::step); the state is in the processor's memory.
    pub unsafe fn step(&mut self, machine: &mut Machine, job: &Advance<'_>) -> Result<Tally> {
        for input in job.inputs {
            if let StepInput::ByPosition(column) | StepInput::ByRow(column) = input {
                refuse_gpu(machine, "stimulus and parameters", column.pointer)?;
            }
        }
        refuse_gpu(machine, "status bytes", job.status.address())?;
        refuse_gpu(machine, "an index", job.index.map_or(std::ptr::null(), |list| list.as_ptr().cast()))?;
        let others =
            job.inputs.iter().filter(|i| matches!(i, StepInput::ByPosition(_) | StepInput::ByRow(_))).count();
        let widths = [others * size_of::<f32>(), job.state.iter().map(|column| column.element.size()).sum()];
        let call =
            Call { n_cells: job.n_cells, index: job.index, outputs: job.state, status: job.status, widths };
        // SAFETY: the caller's columns have as many numbers as there are cells or rows.
        let run = |own: &mut Self,
                   machine: &mut Machine,
                   staging: &Staging,
                   cells: Range<usize>,
                   batch: usize| unsafe {
            own.step_inputs.clear();
            let mut at = 0;
            for input in job.inputs {
                let (column, by_row) = match input {
                    StepInput::ByPosition(column) => (column, false),
                    StepInput::ByRow(column) => (column, true),
                    other => {
                        own.step_inputs.push(*other);
                        continue;
                    }
                };
                let to = staged(staging, at * batch, ElementType::F32);
                let row = |cell| if by_row { call.row(cell) } else { cell };
                cells.clone().for_each(|cell| to.host.set(cell - cells.start, column.get(row(cell))));
                own.step_inputs.push(StepInput::ByPosition(to.device));
                at += size_of::<f32>();
            }
            own.outputs.clear();
            for (j, column) in job.state.iter().enumerate() {
                let at = call.widths[0] + call_offset(&job.state[..j], |column| column.element);
                let to = staged(staging, at * batch, column.element);
                cells.clone().for_each(|cell| to.host.set(cell - cells.start, column.get(call.row(cell))));
                own.outputs.push(to.device);
            }
            let [_, status, _] = call.places(batch);
            machine.gpu.send(staging, 0..status)?;
            machine.step(&Advance {
                n_cells: cells.len(),
                n_rows: cells.len(),
                index: None,
                inputs: &own.step_inputs,
                state: &own.outputs,
                status: status_on_gpu(job.status, staging, status),
                ..*job
            })
        };
        // SAFETY: as this function's contract says.
        unsafe { self.run(machine, &call, |column| column.element, run) }
    }

    /// Goes through the call's cells: `run` fills a staging and queues the kernel; results come back while the next
    /// batch is filled.
    ///
    /// # Safety
    /// The call's outputs and status bytes may be written.
    unsafe fn run(
        &mut self,
        machine: &mut Machine,
        call: &Call<'_>,
        element: impl Fn(&Column) -> ElementType,
        run: impl Fn(&mut Self, &mut Machine, &Staging, Range<usize>, usize) -> Result<()>,
    ) -> Result<Tally> {
        if machine.gpu.is_capturing()? {
            return Err(Error::unsupported(
                "results in the processor's memory, for a call that a CUDA graph records",
            )
            .remedy("keep them in the GPU's memory"));
        }
        let batch = call.n_cells.min(BATCH).next_multiple_of(ALIGNMENT);
        self.pending = [None, None];
        let mut result = Ok(());
        for (i, first) in (0..call.n_cells).step_by(batch).enumerate() {
            let (turn, cells) = (i % 2, first..call.n_cells.min(first + batch));
            let next = (|| {
                let staging = self.take(machine, turn, call, batch, &element)?;
                let queued = run(self, machine, &staging, cells.clone(), batch).and_then(|()| {
                    let [outputs, _, end] = call.places(batch);
                    machine.gpu.receive(&staging, outputs..end)?;
                    machine.gpu.record(&staging)
                });
                self.stagings[turn] = Some(staging);
                self.pending[turn] = Some(cells);
                queued
            })();
            if next.is_err() {
                result = next;
                self.pending = [None, None];
                break;
            }
        }
        // What is behind must end before its memory is used again, whatever happened.
        let tally = machine.take_tally();
        result?;
        let tally = tally?;
        let n_batches = call.n_cells.div_ceil(batch);
        for turn in [n_batches % 2, (n_batches + 1) % 2] {
            self.scatter(machine, turn, call, batch, &element);
        }
        Ok(tally)
    }

    /// A staging of which nothing is pending any more.
    fn take(
        &mut self,
        machine: &mut Machine,
        turn: usize,
        call: &Call<'_>,
        batch: usize,
        element: impl Fn(&Column) -> ElementType,
    ) -> Result<Staging> {
        if let (Some(staging), Some(_)) = (&self.stagings[turn], &self.pending[turn]) {
            machine.gpu.wait(staging)?;
            self.scatter(machine, turn, call, batch, element);
        }
        let [_, _, bytes] = call.places(batch);
        match self.stagings[turn].take() {
            Some(staging) if staging.len >= bytes => Ok(staging),
            small => {
                small.into_iter().for_each(|small| machine.gpu.free(small));
                machine.gpu.allocate(bytes)
            }
        }
    }

    /// Copies the results in a staging to where they belong.
    fn scatter(
        &mut self,
        machine: &Machine,
        turn: usize,
        call: &Call<'_>,
        batch: usize,
        element: impl Fn(&Column) -> ElementType,
    ) {
        let (Some(staging), Some(cells)) = (&self.stagings[turn], self.pending[turn].take()) else { return };
        let [outputs, status, _] = call.places(batch);
        // SAFETY: the GPU has written the staging, and is done; it is as large as the call needs.
        let flags = unsafe { std::slice::from_raw_parts(staging.host.add(status), cells.len()) };
        let keeps =
            |i: usize| machine.check.guard == Guard::Fallback && flags[i] & cell_status::OUTSIDE_DOMAIN != 0;
        for (j, column) in call.outputs.iter().enumerate() {
            let at = outputs + call_offset(&call.outputs[..j], &element) * batch;
            let from = staged(staging, at, element(column)).host;
            for i in (0..cells.len()).filter(|&i| !keeps(i)) {
                // SAFETY: as above; the caller's columns have the cells' rows.
                unsafe { column.set(call.row(cells.start + i), from.get(i)) };
            }
        }
        // SAFETY: the caller's bytes are as many as the cells.
        unsafe { call.status.store(cells, flags) };
    }

    /// Gives the memory back.
    pub fn free(&mut self, machine: &mut Machine) {
        self.stagings.iter_mut().filter_map(Option::take).for_each(|staging| machine.gpu.free(staging));
    }
}

/// A column of a staging, for the processor and for the GPU.
struct Staged {
    host: Column,
    device: Column,
}

fn staged(staging: &Staging, at: usize, element: ElementType) -> Staged {
    let column = |pointer| Column { pointer, element, stride: 1 };
    Staged {
        host: column(staging.host.wrapping_add(at)),
        device: column((staging.device + at as u64) as *mut u8),
    }
}

/// Bytes a cell of the columns before another.
fn call_offset(before: &[Column], element: impl Fn(&Column) -> ElementType) -> usize {
    before.iter().map(|column| element(column).size()).sum()
}

fn status_on_gpu(wanted: StatusBytes, staging: &Staging, at: usize) -> StatusBytes {
    StatusBytes::at(if wanted.are_wanted() {
        (staging.device + at as u64) as *mut u8
    } else {
        std::ptr::null_mut()
    })
}

fn refuse_gpu(machine: &Machine, what: &str, address: *const u8) -> Result<()> {
    match !address.is_null() && machine.memory_at(address)? == Memory::Gpu {
        true => {
            Err(Error::unsupported(format!("{what} in the GPU's memory, for results in the processor's"))
                .remedy("keep both in one memory"))
        }
        false => Ok(()),
    }
}
