//! Cells to advance in place.

use std::mem::offset_of;

use super::guard::guarded;
use super::status::emucell_status;
use super::structs::{self, Sized32};
use super::view::emucell_view;

/// Bit of a cell's status byte: an input was outside the domain.
pub const EMUCELL_CELL_OUTSIDE_DOMAIN: u8 = 1;
/// Bit of a cell's status byte: a result is NaN or infinite.
pub const EMUCELL_CELL_NOT_FINITE: u8 = 2;
/// Bit of a cell's status byte: the fallback computed the cell.
pub const EMUCELL_CELL_FALLBACK: u8 = 4;

/// Cells to advance in place. Call emucell_cells_init() before setting fields.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct emucell_cells {
    /// Size of this struct, set by emucell_cells_init().
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Cells to advance.
    pub n_cells: usize,
    /// Rows of state and parameters; n_cells if there is no index.
    pub n_rows: usize,
    /// Rows × states, read and written in place.
    pub state: emucell_view,
    /// Cells × stimulus variables: row i belongs to cell i of the call. Needed if the surrogate
    /// has a stimulus; data NULL if not.
    pub stimulus: emucell_view,
    /// Rows × parameters: a cell's parameters lie in the row of its state. Needed if the
    /// surrogate has parameters; data NULL if not.
    pub parameters: emucell_view,
    /// NULL, or n_cells different row numbers, one for each cell of the call.
    pub index: *const u32,
    /// NULL, or n_cells bytes that receive bits EMUCELL_CELL_…; 0 is a good cell.
    pub status: *mut u8,
    /// NULL, or n_state_parts views whose variables, side by side, are the states: for states that
    /// lie in separate arrays. Then state is not given (data NULL).
    pub state_parts: *const emucell_view,
    /// Views of state_parts.
    pub n_state_parts: usize,
    /// NULL, or n_parameter_parts views whose variables, side by side, are the parameters: some
    /// the same for all cells, some not. Then parameters is not given (data NULL).
    pub parameter_parts: *const emucell_view,
    /// Views of parameter_parts.
    pub n_parameter_parts: usize,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only.
unsafe impl Sized32 for emucell_cells {
    const NAME: &'static str = "emucell_cells";
    const FIRST_SIZE: usize = offset_of!(emucell_cells, state_parts);
}

impl emucell_cells {
    const DEFAULT: Self = Self {
        struct_size: size_of::<emucell_cells>() as u32,
        reserved: 0,
        n_cells: 0,
        n_rows: 0,
        state: emucell_view::NONE,
        stimulus: emucell_view::NONE,
        parameters: emucell_view::NONE,
        index: std::ptr::null(),
        status: std::ptr::null_mut(),
        state_parts: std::ptr::null(),
        n_state_parts: 0,
        parameter_parts: std::ptr::null(),
        n_parameter_parts: 0,
    };
}

/// Fills cells, struct_size bytes, with zeros and its size. Call the macro
/// emucell_cells_init(cells), which says the size that your header knows.
///
/// # Safety
/// cells is NULL or leads to struct_size bytes that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_cells_init_sized(
    cells: *mut emucell_cells,
    struct_size: u32,
) -> emucell_status {
    // SAFETY: as this function's contract says.
    guarded(|| unsafe { structs::init(cells, struct_size, emucell_cells::DEFAULT, "cells") })
}

/// For programs compiled against version 0.1, whose struct was shorter; not in the header.
///
/// # Safety
/// cells is NULL or may be written as far as version 0.1 knew it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_cells_init(cells: *mut emucell_cells) -> emucell_status {
    // SAFETY: as this function's contract says.
    unsafe { emucell_cells_init_sized(cells, emucell_cells::FIRST_SIZE as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::cell_status;

    #[test]
    fn status_bits_are_those_of_the_session() {
        assert_eq!(EMUCELL_CELL_OUTSIDE_DOMAIN, cell_status::OUTSIDE_DOMAIN);
        assert_eq!(EMUCELL_CELL_NOT_FINITE, cell_status::NOT_FINITE);
        assert_eq!(EMUCELL_CELL_FALLBACK, cell_status::FALLBACK);
    }
}
