//! The caller's own function for cells outside the domain.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::cells::emucell_cells;
use super::evaluation::emucell_evaluation;
use crate::error::{Error, ErrorKind, Result};
use crate::session::{Fallback, OutsideCells};

/// What a fallback is asked to do: compute n_cells cells of the call that is running.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct emucell_fallback_call {
    /// Size of this struct.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Cells to compute.
    pub n_cells: usize,
    /// Row of each cell's state and parameters, n_cells numbers; in an evaluation its position.
    pub rows: *const u32,
    /// Position of each cell in the call, n_cells numbers: row of its stimulus.
    pub positions: *const u32,
    /// What emucell_step() was called with: advance the state in place by one step of dt. NULL in
    /// an evaluation.
    pub cells: *const emucell_cells,
    /// What emucell_evaluate() or emucell_evaluate_parts() was called with: fill the outputs from
    /// the inputs. NULL in a step.
    pub evaluation: *const emucell_evaluation,
    /// Length of the step; 0 in an evaluation.
    pub dt: f64,
}

/// Computes cells outside the domain instead of the surrogate; returns 0, or any other number if
/// it could not, and the call then fails with EMUCELL_CALLBACK.
///
/// Called on the thread that called the session, at most once for each step or evaluation, under
/// the default floating-point settings. It must not use the session (EMUCELL_BUSY), throw, or jump
/// out.
pub type emucell_fallback =
    Option<unsafe extern "C" fn(data: *mut c_void, call: *const emucell_fallback_call) -> i32>;

/// The caller's function and what it was called for.
#[derive(Debug)]
pub(super) struct CallersFallback {
    function: unsafe extern "C" fn(*mut c_void, *const emucell_fallback_call) -> i32,
    data: AtomicPtr<c_void>,
    cells: AtomicPtr<emucell_cells>,
    evaluation: AtomicPtr<emucell_evaluation>,
}

impl CallersFallback {
    /// # Safety
    /// `function` may be called with `data` as [`emucell_fallback`] says while the session lives.
    pub unsafe fn new(
        function: unsafe extern "C" fn(*mut c_void, *const emucell_fallback_call) -> i32,
        data: *mut c_void,
    ) -> Self {
        let (cells, evaluation) = (AtomicPtr::new(null_mut()), AtomicPtr::new(null_mut()));
        Self { function, data: AtomicPtr::new(data), cells, evaluation }
    }

    /// Says which step is about to run.
    pub fn expect_step(&self, cells: *const emucell_cells) {
        self.cells.store(cells.cast_mut(), Ordering::Relaxed);
        self.evaluation.store(null_mut(), Ordering::Relaxed);
    }

    /// Says which evaluation is about to run.
    pub fn expect_evaluation(&self, evaluation: *const emucell_evaluation) {
        self.cells.store(null_mut(), Ordering::Relaxed);
        self.evaluation.store(evaluation.cast_mut(), Ordering::Relaxed);
    }
}

impl Fallback for CallersFallback {
    fn compute(&self, cells: &mut OutsideCells<'_>) -> Result<()> {
        let call = emucell_fallback_call {
            struct_size: size_of::<emucell_fallback_call>() as u32,
            reserved: 0,
            n_cells: cells.rows().len(),
            rows: cells.rows().as_ptr(),
            positions: cells.positions().as_ptr(),
            cells: self.cells.load(Ordering::Relaxed),
            evaluation: self.evaluation.load(Ordering::Relaxed),
            dt: cells.dt().unwrap_or(0.0),
        };
        // SAFETY: whoever made the session vouched for the function.
        match unsafe { (self.function)(self.data.load(Ordering::Relaxed), &call) } {
            0 => Ok(()),
            code => Err(Error::new(ErrorKind::Callback, format!("the fallback returned {code}"))
                .remedy("cells outside the domain may have made fewer steps than the others")),
        }
    }
}
