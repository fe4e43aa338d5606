//! A solution map at many times of the same cells.

use super::{Session, check_cells, check_columns};
use crate::backend::{Evaluation, Guard, StatusBytes, Tally};
use crate::error::{Error, Result};
use crate::view::{Column, Columns, ColumnsMut, ElementType};

/// Times that are handed to a backend at once.
pub(super) const AT_ONCE: usize = 32;

impl Session {
    /// Evaluates a solution map at all of `times`, in the unit of its time: `inputs` are cells × inputs without the time,
    /// in the surrogate's order (no variables if the time is the only one), `outputs` cells × times·outputs, those of the
    /// first time first.
    ///
    /// What the network makes of a cell alone is computed once for 32 times, and what it makes of a time alone once for all
    /// cells, where that is less work than the whole. Results agree with [`evaluate`](Self::evaluate) to rounding, on the CPU
    /// to the last bit where the network was left whole, and never depend on the other cells and times. On the CPU a few
    /// cells at many times are as fast as many cells. On a GPU, with the outputs in its memory, this is one launch for
    /// each 32 times. ONNX Runtime, outputs in the processor's memory of a session on a GPU, and [`Guard::Fallback`] get
    /// an evaluation for each time. Nothing is allocated within the session's capacity: what times need beyond an
    /// evaluation was reserved when the session was made.
    ///
    /// The guard looks at each cell at each time: one outside the domain counts once for each time, and all cells at a time
    /// outside the domain are outside.
    ///
    /// # Errors
    /// A surrogate without an input of role time; no times, or some in a GPU's memory; views of other shapes;
    /// [`Guard::Flag`], whose status bytes could not say which time was meant. Nothing is written then. A fallback that
    /// fails: outputs are then partly written.
    pub fn evaluate_times<'a>(
        &mut self,
        inputs: impl Into<Columns<'a>>,
        times: &[f64],
        outputs: impl Into<ColumnsMut<'a>>,
    ) -> Result<()> {
        let (inputs, mut outputs) = (inputs.into(), outputs.into());
        let time = self.check_times(times)?;
        let n_outputs = self.surrogate.outputs().len();
        let n_cells = inputs.n_cells().map_err(|e| e.at("inputs"))?;
        check_columns("inputs without the time", inputs.n_variables(), self.surrogate.inputs().len() - 1)?;
        check_columns("outputs of all times", outputs.n_variables(), times.len() * n_outputs)?;
        check_cells("outputs", outputs.n_cells().map_err(|e| e.at("outputs"))?, n_cells)?;
        self.check_rescue(outputs.views().iter().map(|view| view.as_view().pointer()), None)?;
        let mut t = [0f32; AT_ONCE];
        // Where it leads is set when its numbers are.
        let time_column = Column { pointer: std::ptr::null_mut(), element: ElementType::F32, stride: 0 };
        self.inputs.clear();
        self.inputs.extend(inputs.columns());
        self.inputs.insert(time, time_column);
        let mut columns = outputs.columns();
        let (mut tally, mut fallback) = (Tally::default(), 0);
        for some in times.chunks(AT_ONCE) {
            t.iter_mut().zip(some).for_each(|(t, time)| *t = *time as f32);
            self.outputs.clear();
            self.outputs.extend(columns.by_ref().take(some.len() * n_outputs));
            // SAFETY: shapes were checked; inputs are borrowed, outputs borrowed uniquely.
            let (seen, handed_over) = unsafe { self.evaluate_some(n_cells, time, &mut t[..some.len()])? };
            tally += seen;
            fallback += handed_over;
        }
        self.count(n_cells, times.len() as u32, tally, fallback);
        Ok(())
    }

    /// The column of the surrogate's time, if these times can be asked for.
    fn check_times(&self, times: &[f64]) -> Result<usize> {
        let Some(time) = self.surrogate.time_input() else {
            return Err(Error::invalid(
                "many times of a surrogate that is no solution map with a time as input",
            )
            .remedy("evaluate it: all that it gives comes at once"));
        };
        if self.guard == Guard::Flag {
            return Err(Error::invalid("many times in one call, with guard Flag")
                .remedy("evaluate time by time, or make the session with another guard"));
        }
        if times.is_empty() {
            return Err(Error::invalid("no time to evaluate at").remedy("give one time or more"));
        }
        if !self.backend.is_reachable(times.as_ptr().cast()) {
            return Err(
                Error::unsupported("times in a GPU's memory").remedy("keep them in the processor's memory")
            );
        }
        Ok(time)
    }

    /// At these times, at most [`AT_ONCE`].
    ///
    /// # Safety
    /// As [`Backend::evaluate`](crate::backend::Backend::evaluate).
    unsafe fn evaluate_some(
        &mut self,
        n_cells: usize,
        time: usize,
        times: &mut [f32],
    ) -> Result<(Tally, u64)> {
        let n_outputs = self.surrogate.outputs().len();
        let Self { backend, rescue, inputs, outputs, .. } = self;
        let status = StatusBytes::new(None);
        inputs[time].pointer = times.as_mut_ptr().cast();
        if rescue.is_none() {
            let job = Evaluation { n_cells, inputs, outputs, status };
            // SAFETY: as this function's contract says, here and below.
            if let Some(tally) = unsafe { backend.evaluate_times(&job, time, times)? } {
                return Ok((tally, 0));
            }
        }
        let (mut tally, mut handed_over) = (Tally::default(), 0);
        for (t, outputs) in times.iter_mut().zip(outputs.chunks(n_outputs)) {
            inputs[time].pointer = (&raw mut *t).cast();
            let job = Evaluation { n_cells, inputs, outputs, status };
            match rescue {
                // SAFETY: see above.
                None => tally += unsafe { backend.evaluate(&job)? },
                Some(rescue) => {
                    // SAFETY: see above.
                    let (seen, n) = unsafe { rescue.evaluate(&mut **backend, &job)? };
                    tally += seen;
                    handed_over += n;
                }
            }
        }
        Ok((tally, handed_over))
    }
}
