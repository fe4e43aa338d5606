//! Views: where the caller's numbers lie.

use std::ffi::c_void;

use super::check_pointer;
use crate::error::{Error, Result};
use crate::view::{ElementType, Layout, View, ViewMut};

/// Element type: float.
pub const EMUCELL_F32: u32 = 1;
/// Element type: double.
pub const EMUCELL_F64: u32 = 2;

/// Where the numbers of some cells lie: variable j of cell i is element
/// i * cell_stride + j * variable_stride behind data.
///
/// Array-of-structures, structure-of-arrays and pitched rows are all views; a cell_stride of 0
/// makes one number serve all cells, for reading. Make one with emucell_view_of_structures() or
/// emucell_view_of_arrays(), or fill in the fields.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct emucell_view {
    /// Element (0, 0); aligned to its type. NULL where the view is optional and not given. For the native
    /// backend on a GPU it may be an address in that GPU's memory: calls then only queue work on the stream,
    /// and emucell_session_synchronize() waits for it. An index and status bytes are there, too, then.
    pub data: *mut c_void,
    /// Elements that may be accessed from data on; calls that would go beyond fail.
    pub length: usize,
    /// Elements from a cell to the next.
    pub cell_stride: usize,
    /// Elements from a variable to the next.
    pub variable_stride: usize,
    /// Variables of a cell.
    pub n_variables: u32,
    /// EMUCELL_F32 or EMUCELL_F64.
    pub element_type: u32,
}

/// A view of n_cells structures of n_variables numbers each, one after the other.
#[unsafe(no_mangle)]
pub extern "C" fn emucell_view_of_structures(
    data: *mut c_void,
    element_type: u32,
    n_cells: usize,
    n_variables: u32,
) -> emucell_view {
    emucell_view {
        data,
        length: n_cells.saturating_mul(n_variables as usize),
        cell_stride: n_variables as usize,
        variable_stride: 1,
        n_variables,
        element_type,
    }
}

/// A view of n_variables arrays, one behind the other, each with room for pitch numbers of which
/// the first n_cells belong to the cells. A pitch in bytes is to be divided by the element's size.
#[unsafe(no_mangle)]
pub extern "C" fn emucell_view_of_arrays(
    data: *mut c_void,
    element_type: u32,
    n_cells: usize,
    n_variables: u32,
    pitch: usize,
) -> emucell_view {
    let rows = (n_variables as usize).saturating_sub(1);
    emucell_view {
        data,
        length: rows.saturating_mul(pitch).saturating_add(n_cells),
        cell_stride: 1,
        variable_stride: pitch,
        n_variables,
        element_type,
    }
}

impl emucell_view {
    /// An optional view that is not given.
    pub(super) const NONE: Self = Self {
        data: std::ptr::null_mut(),
        length: 0,
        cell_stride: 0,
        variable_stride: 0,
        n_variables: 0,
        element_type: 0,
    };

    /// # Safety
    /// `length` elements behind `data` may be read during `'a`, and nobody writes them.
    pub(super) unsafe fn read<'a>(&self, n_cells: usize, name: &str) -> Result<View<'a>> {
        let (element, layout) = self.checked(n_cells, name)?;
        // SAFETY: pointer, alignment and length were checked; the caller vouches for the rest.
        Ok(unsafe { View::from_raw(self.data.cast_const().cast(), element, layout) })
    }

    /// # Safety
    /// `length` elements behind `data` may be read and written during `'a`, by nobody else.
    pub(super) unsafe fn write<'a>(&self, n_cells: usize, name: &str) -> Result<ViewMut<'a>> {
        let (element, layout) = self.checked(n_cells, name)?;
        // SAFETY: as above.
        unsafe { ViewMut::from_raw(self.data.cast(), element, layout) }.map_err(|e| e.at(name))
    }

    /// Replaces what is in `to` by the `n_views` views at `views`.
    ///
    /// # Safety
    /// `views` is NULL or leads to `n_views` views, for which the contract of [`read`](Self::read)
    /// holds until `to` is cleared.
    pub(super) unsafe fn read_all(
        views: *const Self,
        n_views: usize,
        n_cells: usize,
        name: &str,
        to: &mut Vec<View<'static>>,
    ) -> Result<()> {
        to.clear();
        // SAFETY: as this function's contract says.
        for view in unsafe { all(views, n_views, to.capacity(), name)? } {
            // SAFETY: as above.
            to.push(unsafe { view.read(n_cells, name)? });
        }
        Ok(())
    }

    /// As [`read_all`](Self::read_all), for writing.
    ///
    /// # Safety
    /// `views` is NULL or leads to `n_views` views, for which the contract of
    /// [`write`](Self::write) holds until `to` is cleared.
    pub(super) unsafe fn write_all(
        views: *const Self,
        n_views: usize,
        n_cells: usize,
        name: &str,
        to: &mut Vec<ViewMut<'static>>,
    ) -> Result<()> {
        to.clear();
        // SAFETY: as this function's contract says.
        for view in unsafe { all(views, n_views, to.capacity(), name)? } {
            // SAFETY: as above.
            to.push(unsafe { view.write(n_cells, name)? });
        }
        Ok(())
    }

    fn checked(&self, n_cells: usize, name: &str) -> Result<(ElementType, Layout)> {
        let element = match self.element_type {
            EMUCELL_F32 => ElementType::F32,
            EMUCELL_F64 => ElementType::F64,
            other => {
                return Err(Error::invalid(format!("element_type {other}"))
                    .at(name)
                    .remedy("use EMUCELL_F32 or EMUCELL_F64"));
            }
        };
        // Otherwise a view's length would not bound the number of cells.
        if self.n_variables == 0 {
            return Err(Error::invalid("n_variables is 0").at(name));
        }
        let layout = Layout {
            n_cells,
            n_variables: self.n_variables as usize,
            cell_stride: self.cell_stride,
            variable_stride: self.variable_stride,
        };
        let required = layout.required_len().map_err(|e| e.at(name))?;
        if required > self.length {
            return Err(Error::invalid(format!(
                "length {} where {n_cells} cells × {} variables need {required} elements",
                self.length, self.n_variables
            ))
            .at(name));
        }
        if required > 0 {
            match element {
                ElementType::F32 => check_pointer(self.data.cast_const().cast::<f32>(), "data"),
                ElementType::F64 => check_pointer(self.data.cast_const().cast::<f64>(), "data"),
            }
            .map_err(|e| e.at(name))?;
        }
        Ok((element, layout))
    }
}

/// The `n` views at `views`, no more than `capacity`: no memory is needed for them.
///
/// # Safety
/// `views` is NULL or leads to `n` views.
unsafe fn all<'a>(
    views: *const emucell_view,
    n: usize,
    capacity: usize,
    name: &str,
) -> Result<&'a [emucell_view]> {
    if n == 0 {
        return Ok(&[]);
    }
    check_pointer(views, name)?;
    if n > capacity {
        return Err(Error::invalid(format!("{n} views where the surrogate has fewer variables")).at(name));
    }
    // SAFETY: as this function's contract says.
    Ok(unsafe { std::slice::from_raw_parts(views, n) })
}
