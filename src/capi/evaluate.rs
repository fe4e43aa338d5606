//! The two calls that everything else is there for.

use super::cells::emucell_cells;
use super::required;
use super::session::emucell_session;
use super::status::emucell_status;
use super::view::emucell_view;

/// Computes outputs (n_cells × outputs) from inputs (n_cells × inputs), columns in the order of
/// emucell_surrogate_input() and emucell_surrogate_output().
///
/// inputs and outputs are separate memory. Allocates nothing. A cell with NaN inputs gets NaN
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
    // SAFETY: as this function's contract says.
    unsafe {
        emucell_session::with(session, |session| {
            let inputs = required(inputs, "inputs")?.read(n_cells, "inputs")?;
            let outputs = required(outputs, "outputs")?.write(n_cells, "outputs")?;
            session.evaluate(inputs, outputs, None)
        })
    }
}

/// Advances cells in place by n_steps steps of length dt, in the unit of the surrogate's time.
///
/// A step map takes its own step only (emucell_surrogate_kind()), a solution map any: its time
/// column is dt. Stimulus and parameters are the same in all n_steps. Allocates nothing. A cell
/// with a NaN state stays NaN, is reported in its status byte and disturbs no other. One thread at
/// a time may use a session (EMUCELL_BUSY).
/// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_WRONG_STEP, EMUCELL_BUSY, EMUCELL_POISONED; the
/// state stays as it was.
///
/// # Safety
/// session is NULL or a live handle; what cells leads to is as large as it says, its index has no
/// row twice, and nobody else uses it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_step(
    session: *mut emucell_session,
    cells: *const emucell_cells,
    dt: f64,
    n_steps: u32,
) -> emucell_status {
    // SAFETY: as this function's contract says.
    unsafe {
        emucell_session::with(session, |session| {
            let cells = required(cells, "cells")?.checked()?;
            session.step(cells, dt, n_steps)
        })
    }
}
