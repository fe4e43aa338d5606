//! Cells to advance in place.

use super::guard::guarded;
use super::status::emucell_status;
use super::view::emucell_view;
use super::{check_pointer, check_struct_size, required_mut};
use crate::error::{Error, Result};
use crate::session::{CellIndex, Cells};

/// Bit of a cell's status byte: an input was outside the domain.
pub const EMUCELL_CELL_OUTSIDE_DOMAIN: u8 = 1;
/// Bit of a cell's status byte: a result is NaN or infinite.
pub const EMUCELL_CELL_NOT_FINITE: u8 = 2;

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
}

/// Fills cells with zeros and its size.
///
/// # Safety
/// cells is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emucell_cells_init(cells: *mut emucell_cells) -> emucell_status {
    guarded(|| {
        // SAFETY: as this function's contract says.
        *unsafe { required_mut(cells, "cells")? } = emucell_cells {
            struct_size: size_of::<emucell_cells>() as u32,
            reserved: 0,
            n_cells: 0,
            n_rows: 0,
            state: emucell_view::NONE,
            stimulus: emucell_view::NONE,
            parameters: emucell_view::NONE,
            index: std::ptr::null(),
            status: std::ptr::null_mut(),
        };
        Ok(())
    })
}

impl emucell_cells {
    /// # Safety
    /// Views, index and status lead to as many elements as they say, index has no row twice, and
    /// nobody else uses what is written during `'a`.
    pub(super) unsafe fn checked<'a>(&self) -> Result<Cells<'a>> {
        check_struct_size::<Self>(self.struct_size, "emucell_cells")?;
        if self.reserved != 0 {
            return Err(Error::invalid("a reserved field is not 0").remedy("call emucell_cells_init first"));
        }
        let n_rows = if self.index.is_null() { self.n_cells } else { self.n_rows };
        if self.index.is_null() && self.n_rows != 0 && self.n_rows != self.n_cells {
            return Err(Error::invalid(format!(
                "{} rows for {} cells without an index",
                self.n_rows, self.n_cells
            )));
        }
        // Otherwise the length of the state would not bound the number of cells.
        if self.state.n_variables == 0 {
            return Err(Error::invalid("state of 0 variables"));
        }
        // Rows of an index are different: no more of the list is read than can be right.
        if self.n_cells > n_rows {
            return Err(Error::invalid(format!("an index of {} cells for {n_rows} rows", self.n_cells)));
        }
        let given = |view: &emucell_view| !view.data.is_null();
        let (stimulus, parameters) = (&self.stimulus, &self.parameters);
        // SAFETY: as this function's contract says.
        unsafe {
            Ok(Cells {
                state: self.state.write(n_rows, "state")?,
                stimulus: given(stimulus).then(|| stimulus.read(self.n_cells, "stimulus")).transpose()?,
                parameters: given(parameters).then(|| parameters.read(n_rows, "parameters")).transpose()?,
                index: match self.index.is_null() {
                    true => None,
                    false => {
                        check_pointer(self.index, "index")?;
                        let list = std::slice::from_raw_parts(self.index, self.n_cells);
                        Some(CellIndex::new_distinct(list, n_rows)?)
                    }
                },
                status: match self.status.is_null() {
                    true => None,
                    false => Some(std::slice::from_raw_parts_mut(self.status, self.n_cells)),
                },
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::cell_status;

    #[test]
    fn status_bits_are_those_of_the_session() {
        assert_eq!(EMUCELL_CELL_OUTSIDE_DOMAIN, cell_status::OUTSIDE_DOMAIN);
        assert_eq!(EMUCELL_CELL_NOT_FINITE, cell_status::NOT_FINITE);
    }
}
