//! The calls that everything else is there for.

use std::mem::MaybeUninit;

use super::cells::emucell_cells;
use super::check_pointer;
use super::evaluation::emucell_evaluation;
use super::overlap::{check_apart, check_bytes_apart};
use super::session::{Inner, Workspace, emucell_session};
use super::status::emucell_status;
use super::structs;
use super::view::emucell_view;
use crate::error::{Error, Result};
use crate::session::Cells;
use crate::view::{Columns, ColumnsMut, Layout, View};

/// Computes outputs (n_cells × outputs) from inputs (n_cells × inputs), columns in the order of
/// emucell_surrogate_input() and emucell_surrogate_output().
///
/// inputs and outputs share no number. Allocates nothing. A cell with NaN inputs gets NaN
/// outputs and disturbs no other. One thread at a time may use a session (EMUCELL_BUSY).
/// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_BUSY, EMUCELL_POISONED; outputs stay as they were.
///
/// # Safety
/// session is NULL or a live handle; the views are NULL or lead to as many elements as they say,
/// which nobody else uses meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_evaluate(
    session: *mut emucell_session,
    n_cells: usize,
    inputs: *const emucell_view,
    outputs: *const emucell_view,
) -> emucell_status {
    let evaluation = emucell_evaluation::of_views(n_cells, inputs, outputs);
    // SAFETY: as this function's contract says.
    unsafe { emucell_session::with(session, |inner| evaluate(inner, &evaluation)) }
}

/// Computes outputs from inputs that lie in several places, and status bytes if asked.
///
/// Otherwise as emucell_evaluate(). Errors: also EMUCELL_CALLBACK; outputs of the other cells are
/// then written.
///
/// # Safety
/// session is NULL or a live handle; what evaluation leads to is as large as it says, and nobody
/// else uses it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_evaluate_parts(
    session: *mut emucell_session,
    evaluation: *const emucell_evaluation,
) -> emucell_status {
    // SAFETY: as this function's contract says.
    unsafe { emucell_session::with(session, |inner| evaluate(inner, evaluation)) }
}

/// Evaluates a solution map at n_times times of the same cells, in the unit of its time: inputs is
/// n_cells × inputs without the one of role EMUCELL_TIME, otherwise in the surrogate's order (NULL if
/// the time is the only one); times is in the processor's memory; outputs is n_cells × n_times·outputs,
/// all of the first time, then of the next.
///
/// Faster than as many calls of emucell_evaluate(), above all for few cells; what the network makes of
/// a cell alone and of a time alone is computed once where that is less work. Results agree with
/// emucell_evaluate() to rounding and do not depend on the other cells and times. On a GPU, with the
/// outputs in its memory, one launch for each 32 times is queued. emucell_counters counts each cell
/// once for each time. outputs shares no number with inputs and times. Allocates nothing within the
/// session's capacity. One thread at a time may use a session (EMUCELL_BUSY).
/// Errors: EMUCELL_INVALID_ARGUMENT (no input of role EMUCELL_TIME and EMUCELL_GUARD_FLAG among others),
/// EMUCELL_UNSUPPORTED (a session with a fallback function, which could not be told the time),
/// EMUCELL_BUSY, EMUCELL_POISONED; outputs stay as they were.
///
/// # Safety
/// session is NULL or a live handle; the views are NULL or lead to as many elements as they say, and
/// times is NULL or leads to n_times numbers, which nobody else uses meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_evaluate_times(
    session: *mut emucell_session,
    n_cells: usize,
    inputs: *const emucell_view,
    times: *const f64,
    n_times: usize,
    outputs: *const emucell_view,
) -> emucell_status {
    let times = std::ptr::slice_from_raw_parts(times, n_times);
    // SAFETY: as this function's contract says.
    unsafe { emucell_session::with(session, |inner| evaluate_times(inner, n_cells, inputs, times, outputs)) }
}

/// Advances cells in place by n_steps steps of length dt, in the unit of the surrogate's time.
///
/// A step map takes its own step only (emucell_surrogate_kind()), unless it has an input of role
/// EMUCELL_TIME: then any in that input's range. A solution map takes any. That input is dt. Stimulus
/// and parameters are the same in all n_steps. Allocates nothing within the session's capacity. A cell with a NaN state stays NaN, is reported in its status byte and
/// disturbs no other. One thread at a time may use a session (EMUCELL_BUSY).
/// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_WRONG_STEP, EMUCELL_BUSY, EMUCELL_POISONED; the
/// state stays as it was. EMUCELL_CALLBACK: cells have then made different numbers of steps.
///
/// # Safety
/// session is NULL or a live handle; what cells leads to is as large as it says, and nobody else
/// uses it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_step(
    session: *mut emucell_session,
    cells: *const emucell_cells,
    dt: f64,
    n_steps: u32,
) -> emucell_status {
    // SAFETY: as this function's contract says.
    unsafe { emucell_session::with(session, |inner| step(inner, cells, dt, n_steps)) }
}

/// # Safety
/// As [`emucell_evaluate_parts`].
unsafe fn evaluate(inner: &mut Inner, evaluation: *const emucell_evaluation) -> Result<()> {
    let mut copy = MaybeUninit::uninit();
    // SAFETY: as this function's contract says, here and below.
    let given = unsafe { structs::read(evaluation, "evaluation", &mut copy)? };
    check_reserved(given.reserved, "emucell_evaluation")?;
    let Workspace { inputs, outputs } = &mut inner.workspace;
    // SAFETY: see above; the workspace is cleared before the next call.
    let status = unsafe {
        emucell_view::read_all(given.inputs, given.n_inputs, given.n_cells, "inputs", inputs)?;
        emucell_view::write_all(given.outputs, given.n_outputs, given.n_cells, "outputs", outputs)?;
        status_bytes(given.status, given.n_cells)
    };
    check_apart(("outputs", outputs), &[("inputs", inputs)])?;
    check_bytes_apart(("outputs", outputs), ("status", given.status, given.n_cells))?;
    if let Some(fallback) = &inner.fallback {
        fallback.expect_evaluation(evaluation);
    }
    inner.session.evaluate(&inputs[..], &mut outputs[..], status)
}

/// # Safety
/// As [`emucell_evaluate_times`].
unsafe fn evaluate_times(
    inner: &mut Inner,
    n_cells: usize,
    given_inputs: *const emucell_view,
    times: *const [f64],
    given_outputs: *const emucell_view,
) -> Result<()> {
    if inner.fallback.is_some() {
        return Err(Error::unsupported("many times in one call, with a fallback function")
            .remedy("evaluate time by time, so that the function can be told which time is meant"));
    }
    let is_only_input = given_inputs.is_null() && inner.session.surrogate().inputs().len() == 1;
    let Workspace { inputs, outputs } = &mut inner.workspace;
    // SAFETY: as this function's contract says; the workspace is cleared before the next call.
    unsafe {
        emucell_view::read_all(given_inputs, usize::from(!is_only_input), n_cells, "inputs", inputs)?;
        emucell_view::write_all(given_outputs, 1, n_cells, "outputs", outputs)?;
    }
    let (first, n_times) = (times.cast::<f64>(), times.len());
    // No more of the times are read than can be right.
    let n_variables = outputs.iter().map(|view| view.layout().n_variables).sum();
    if n_times > n_variables {
        return Err(Error::invalid(format!("{n_times} times for outputs of {n_variables} variables"))
            .remedy("give outputs with the variables of all times"));
    }
    if n_times > 0 {
        check_pointer(first, "times")?;
    }
    check_apart(("outputs", outputs), &[("inputs", inputs)])?;
    check_bytes_apart(("outputs", outputs), ("times", first, n_times))?;
    let times = match n_times {
        0 => &[],
        // SAFETY: not NULL and aligned; the caller vouches for the rest.
        _ => unsafe { &*times },
    };
    let no_inputs = Layout { n_cells, n_variables: 0, cell_stride: 0, variable_stride: 0 };
    let inputs = match is_only_input {
        true => View::new::<f64>(&[], no_inputs)?.into(),
        false => Columns::SideBySide(inputs),
    };
    inner.session.evaluate_times(inputs, times, &mut outputs[..])
}

/// # Safety
/// As [`emucell_step`].
unsafe fn step(inner: &mut Inner, cells: *const emucell_cells, dt: f64, n_steps: u32) -> Result<()> {
    let mut copy = MaybeUninit::uninit();
    // SAFETY: as this function's contract says, here and below.
    let given = unsafe { structs::read(cells, "cells", &mut copy)? };
    check_reserved(given.reserved, "emucell_cells")?;
    let n_rows = n_rows(given)?;
    let (state, n_state) = either(&given.state, given.state_parts, given.n_state_parts, "state")?;
    let (parameters, n_parameters) =
        either(&given.parameters, given.parameter_parts, given.n_parameter_parts, "parameters")?;
    let Workspace { inputs, outputs } = &mut inner.workspace;
    // SAFETY: see above; the workspace is cleared before the next call.
    let (stimulus, index, status) = unsafe {
        emucell_view::write_all(state, n_state, n_rows, "state", outputs)?;
        emucell_view::read_all(parameters, n_parameters, n_rows, "parameters", inputs)?;
        let stimulus = match given.stimulus.data.is_null() {
            true => None,
            false => Some(given.stimulus.read(given.n_cells, "stimulus")?),
        };
        let index = match given.index.is_null() {
            true => None,
            false => {
                check_pointer(given.index, "index")?;
                Some(std::slice::from_raw_parts(given.index, given.n_cells))
            }
        };
        (stimulus, index, status_bytes(given.status, given.n_cells))
    };
    check_apart(("state", outputs), &[("parameters", inputs), ("stimulus", stimulus.as_slice())])?;
    check_bytes_apart(("state", outputs), ("status", given.status, given.n_cells))?;
    check_bytes_apart(("state", outputs), ("index", given.index, given.n_cells))?;
    if let Some(fallback) = &inner.fallback {
        fallback.expect_step(cells);
    }
    let parameters = (!inputs.is_empty()).then_some(Columns::SideBySide(inputs));
    let state = ColumnsMut::from(&mut outputs[..]);
    inner.session.step(Cells { state, stimulus, parameters, index, status }, dt, n_steps)
}

/// Rows of state and parameters.
fn n_rows(cells: &emucell_cells) -> Result<usize> {
    if cells.index.is_null() {
        return match cells.n_rows == 0 || cells.n_rows == cells.n_cells {
            true => Ok(cells.n_cells),
            false => Err(Error::invalid(format!(
                "{} rows for {} cells without an index",
                cells.n_rows, cells.n_cells
            ))),
        };
    }
    // Rows of an index are different: no more of the list is read than can be right.
    match cells.n_cells > cells.n_rows {
        true => Err(Error::invalid(format!("an index of {} cells for {} rows", cells.n_cells, cells.n_rows))),
        false => Ok(cells.n_rows),
    }
}

/// The one view or the parts, whichever was given; no views if neither was.
fn either(
    view: &emucell_view,
    parts: *const emucell_view,
    n_parts: usize,
    name: &str,
) -> Result<(*const emucell_view, usize)> {
    // A view of no cells may lead nowhere.
    let has_view = !view.data.is_null() || view.n_variables > 0;
    match (has_view, parts.is_null()) {
        (true, false) => {
            Err(Error::invalid(format!("both {name} and {name} in parts")).remedy("give one of them"))
        }
        (true, true) => Ok((view, 1)),
        (false, false) => Ok((parts, n_parts)),
        (false, true) => Ok((std::ptr::null(), 0)),
    }
}

fn check_reserved(reserved: u32, name: &str) -> Result<()> {
    match reserved {
        0 => Ok(()),
        _ => Err(Error::invalid(format!("a reserved field of {name} is not 0"))
            .remedy(format!("call {name}_init first"))),
    }
}

/// # Safety
/// `status` is NULL or leads to `n_cells` bytes that nobody else uses during `'a`.
unsafe fn status_bytes<'a>(status: *mut u8, n_cells: usize) -> Option<&'a mut [u8]> {
    // SAFETY: as this function's contract says.
    (!status.is_null()).then(|| unsafe { std::slice::from_raw_parts_mut(status, n_cells) })
}
