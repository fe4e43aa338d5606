//! A solution map at many times of the same cells.

use super::{Session, check_cells, check_columns};
use crate::backend::{Evaluation, Guard, StatusBytes, Tally};
use crate::error::{Error, Result};
use crate::view::{Column, Columns, ColumnsMut, ElementType};

/// Times that are handed to a backend at once.
const AT_ONCE: usize = 32;

impl Session {
    /// Evaluates a solution map at all of `times`, in the unit of its time: `inputs` are cells × inputs without the time,
    /// in the surrogate's order, `outputs` cells × times·outputs, those of the first time first.
    ///
    /// On a GPU, with the outputs in its memory, this is one launch for each 32 times, in which what the network makes of a
    /// cell alone, its first layer's part above all, is computed once. Elsewhere it is an evaluation for each time. The
    /// first call with more outputs than any before allocates.
    ///
    /// # Errors
    /// A surrogate without an input of role time; views of other shapes; [`Guard::Flag`], whose status bytes could not say
    /// which time was meant. Nothing is written then. A fallback that fails: outputs are then partly written.
    pub fn evaluate_times<'a>(
        &mut self,
        inputs: impl Into<Columns<'a>>,
        times: &[f64],
        outputs: impl Into<ColumnsMut<'a>>,
    ) -> Result<()> {
        let (inputs, mut outputs) = (inputs.into(), outputs.into());
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
        let n_outputs = self.surrogate.outputs().len();
        let n_cells = inputs.n_cells().map_err(|e| e.at("inputs"))?;
        check_columns("inputs without the time", inputs.n_variables(), self.surrogate.inputs().len() - 1)?;
        check_columns("outputs of all times", outputs.n_variables(), times.len() * n_outputs)?;
        check_cells("outputs", outputs.n_cells().map_err(|e| e.at("outputs"))?, n_cells)?;
        let mut t = [0f32; AT_ONCE];
        let time_column = Column { pointer: t.as_mut_ptr().cast(), element: ElementType::F32, stride: 0 };
        self.inputs.clear();
        self.inputs.extend(inputs.columns());
        self.inputs.insert(time, time_column);
        self.outputs.clear();
        self.outputs.extend(outputs.columns());
        self.check_rescue(None)?;
        let (mut tally, mut fallback) = (Tally::default(), 0);
        for (i, some) in times.chunks(AT_ONCE).enumerate() {
            t.iter_mut().zip(some).for_each(|(t, time)| *t = *time as f32);
            // SAFETY: shapes were checked; inputs are borrowed, outputs borrowed uniquely.
            let (seen, handed_over) =
                unsafe { self.evaluate_some(n_cells, i * AT_ONCE * n_outputs, time, &mut t[..some.len()])? };
            tally += seen;
            fallback += handed_over;
        }
        self.count(n_cells, times.len() as u32, tally, fallback);
        Ok(())
    }

    /// At these times, whose outputs begin with column `first`; the first time is where the column of times leads.
    ///
    /// # Safety
    /// As [`Backend::evaluate`](crate::backend::Backend::evaluate).
    unsafe fn evaluate_some(
        &mut self,
        n_cells: usize,
        first: usize,
        time: usize,
        times: &mut [f32],
    ) -> Result<(Tally, u64)> {
        let n_outputs = self.surrogate.outputs().len();
        let Self { backend, rescue, inputs, outputs, .. } = self;
        let outputs = &outputs[first..first + times.len() * n_outputs];
        let status = StatusBytes::new(None);
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
