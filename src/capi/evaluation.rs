//! Cells to evaluate, with inputs and outputs in several places.

use super::guard::guarded;
use super::status::emucell_status;
use super::structs::{self, Sized32};
use super::view::emucell_view;

/// Cells to evaluate. Call emucell_evaluation_init() before setting fields.
///
/// Inputs are one or more views whose variables, side by side, are the surrogate's inputs: a time
/// that is the same for all cells (cell_stride 0), states here, parameters there. So are outputs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct emucell_evaluation {
    /// Size of this struct, set by emucell_evaluation_init().
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Cells to evaluate.
    pub n_cells: usize,
    /// n_inputs views.
    pub inputs: *const emucell_view,
    /// Views of inputs.
    pub n_inputs: usize,
    /// n_outputs views.
    pub outputs: *const emucell_view,
    /// Views of outputs.
    pub n_outputs: usize,
    /// NULL, or n_cells bytes that receive bits EMUCELL_CELL_…; 0 is a good cell.
    pub status: *mut u8,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only.
unsafe impl Sized32 for emucell_evaluation {
    const NAME: &'static str = "emucell_evaluation";
}

impl emucell_evaluation {
    /// One view each.
    pub(super) fn of_views(
        n_cells: usize,
        inputs: *const emucell_view,
        outputs: *const emucell_view,
    ) -> Self {
        Self { n_cells, inputs, n_inputs: 1, outputs, n_outputs: 1, ..Self::DEFAULT }
    }

    const DEFAULT: Self = Self {
        struct_size: size_of::<Self>() as u32,
        reserved: 0,
        n_cells: 0,
        inputs: std::ptr::null(),
        n_inputs: 0,
        outputs: std::ptr::null(),
        n_outputs: 0,
        status: std::ptr::null_mut(),
    };
}

/// Fills evaluation, struct_size bytes, with zeros and its size. Call the macro
/// emucell_evaluation_init(evaluation), which says the size that your header knows.
///
/// # Safety
/// evaluation is NULL or leads to struct_size bytes that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_evaluation_init_sized(
    evaluation: *mut emucell_evaluation,
    struct_size: u32,
) -> emucell_status {
    // SAFETY: as this function's contract says.
    guarded(|| unsafe { structs::init(evaluation, struct_size, emucell_evaluation::DEFAULT, "evaluation") })
}
