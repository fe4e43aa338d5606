//! Between the caller's buffers and a tile: strides, index lists, f32 and f64.

use super::TILE;
use crate::view::{Element, ElementType, View, ViewMut};

/// Which rows of a view a tile's cells are.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// `first`, `first + 1`, …
    From(usize),
    /// The listed ones.
    Listed(&'a [u32]),
}

/// Reads one `variable` of the `n_cells` cells in `rows` into a column of a tile.
///
/// # Safety
/// `rows` are rows of the view, `variable` is one of its variables, `n_cells` ≤ [`TILE`] and, for
/// listed rows, the length of the list.
pub unsafe fn load_tile(
    view: &View<'_>,
    variable: usize,
    rows: Rows<'_>,
    n_cells: usize,
    column: &mut [f32; TILE],
) {
    // SAFETY: passed on, with the view's own element type.
    unsafe {
        match view.element() {
            ElementType::F32 => load::<f32>(view, variable, rows, n_cells, column, |x| x),
            ElementType::F64 => load::<f64>(view, variable, rows, n_cells, column, |x| x as f32),
        }
    }
}

/// # Safety
/// See [`load_tile`]; `T` is the view's element type.
#[inline(always)]
unsafe fn load<T: Element>(
    view: &View<'_>,
    variable: usize,
    rows: Rows<'_>,
    n_cells: usize,
    column: &mut [f32; TILE],
    convert: impl Fn(T) -> f32,
) {
    let layout = view.layout();
    // SAFETY: rows and variable are inside the layout, whose elements the view vouches for.
    unsafe {
        let start = view.pointer().cast::<T>().add(variable * layout.variable_stride);
        match rows {
            Rows::From(first) if layout.cell_stride == 1 => {
                for (i, x) in column[..n_cells].iter_mut().enumerate() {
                    *x = convert(*start.add(first + i));
                }
            }
            Rows::From(first) => {
                for (i, x) in column[..n_cells].iter_mut().enumerate() {
                    *x = convert(*start.add((first + i) * layout.cell_stride));
                }
            }
            Rows::Listed(list) => {
                for (x, &row) in column.iter_mut().zip(&list[..n_cells]) {
                    *x = convert(*start.add(row as usize * layout.cell_stride));
                }
            }
        }
    }
}

/// Writes a column of a tile to one `variable` of the `n_cells` cells in `rows`.
///
/// # Safety
/// As [`load_tile`]; nobody else accesses those cells meanwhile.
pub unsafe fn store_tile(
    view: &mut ViewMut<'_>,
    variable: usize,
    rows: Rows<'_>,
    n_cells: usize,
    column: &[f32; TILE],
) {
    // SAFETY: passed on, with the view's own element type.
    unsafe {
        match view.element() {
            ElementType::F32 => store::<f32>(view, variable, rows, n_cells, column, |x| x),
            ElementType::F64 => store::<f64>(view, variable, rows, n_cells, column, f64::from),
        }
    }
}

/// # Safety
/// See [`store_tile`]; `T` is the view's element type.
#[inline(always)]
unsafe fn store<T: Element>(
    view: &mut ViewMut<'_>,
    variable: usize,
    rows: Rows<'_>,
    n_cells: usize,
    column: &[f32; TILE],
    convert: impl Fn(f32) -> T,
) {
    let layout = view.layout();
    // SAFETY: rows and variable are inside the layout, whose elements the view vouches for.
    unsafe {
        let start = view.pointer().cast::<T>().add(variable * layout.variable_stride);
        match rows {
            Rows::From(first) if layout.cell_stride == 1 => {
                for (i, &x) in column[..n_cells].iter().enumerate() {
                    *start.add(first + i) = convert(x);
                }
            }
            Rows::From(first) => {
                for (i, &x) in column[..n_cells].iter().enumerate() {
                    *start.add((first + i) * layout.cell_stride) = convert(x);
                }
            }
            Rows::Listed(list) => {
                for (&x, &row) in column.iter().zip(&list[..n_cells]) {
                    *start.add(row as usize * layout.cell_stride) = convert(x);
                }
            }
        }
    }
}
