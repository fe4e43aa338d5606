//! Between the caller's buffers and a tile: strides, index lists, f32 and f64.

use super::TILE;
use crate::view::{Column, Element, ElementType};

/// Which rows of a column a tile's cells are.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// `first`, `first + 1`, …
    From(usize),
    /// The listed ones.
    Listed(&'a [u32]),
}

impl Rows<'_> {
    /// The row of the tile's cell number `i`.
    fn row(self, i: usize) -> usize {
        match self {
            Self::From(first) => first + i,
            Self::Listed(list) => list[i] as usize,
        }
    }
}

/// Reads the `n_cells` cells in `rows` of a column into a column of a tile.
///
/// # Safety
/// `rows` may be read, `n_cells` ≤ [`TILE`] and, for listed rows, the length of the list.
pub unsafe fn load_tile(column: &Column, rows: Rows<'_>, n_cells: usize, tile: &mut [f32; TILE]) {
    // SAFETY: passed on, with the column's own element type.
    unsafe {
        match column.element {
            ElementType::F32 => load::<f32>(column, rows, n_cells, tile, |x| x),
            ElementType::F64 => load::<f64>(column, rows, n_cells, tile, |x| x as f32),
        }
    }
}

/// # Safety
/// See [`load_tile`]; `T` is the column's element type.
#[inline(always)]
unsafe fn load<T: Element>(
    column: &Column,
    rows: Rows<'_>,
    n_cells: usize,
    tile: &mut [f32; TILE],
    convert: impl Fn(T) -> f32,
) {
    let start = column.pointer.cast::<T>();
    // SAFETY: the caller vouches for the rows.
    unsafe {
        match rows {
            Rows::From(first) if column.stride == 1 => {
                for (i, x) in tile[..n_cells].iter_mut().enumerate() {
                    *x = convert(*start.add(first + i));
                }
            }
            Rows::From(first) => {
                for (i, x) in tile[..n_cells].iter_mut().enumerate() {
                    *x = convert(*start.add((first + i) * column.stride));
                }
            }
            Rows::Listed(list) => {
                for (x, &row) in tile.iter_mut().zip(&list[..n_cells]) {
                    *x = convert(*start.add(row as usize * column.stride));
                }
            }
        }
    }
}

/// Writes a column of a tile to the `n_cells` cells in `rows` of a column.
///
/// # Safety
/// As [`load_tile`], and the rows may be written; nobody else accesses them meanwhile.
pub unsafe fn store_tile(column: &Column, rows: Rows<'_>, n_cells: usize, tile: &[f32; TILE]) {
    // SAFETY: passed on, with the column's own element type.
    unsafe {
        match column.element {
            ElementType::F32 => store::<f32>(column, rows, n_cells, tile, |x| x),
            ElementType::F64 => store::<f64>(column, rows, n_cells, tile, f64::from),
        }
    }
}

/// [`store_tile`] for those cells that `wanted` says.
///
/// # Safety
/// As [`store_tile`].
pub unsafe fn store_wanted(
    column: &Column,
    rows: Rows<'_>,
    n_cells: usize,
    tile: &[f32; TILE],
    wanted: impl Fn(usize) -> bool,
) {
    for (i, &x) in tile[..n_cells].iter().enumerate() {
        if wanted(i) {
            // SAFETY: as this function's contract says.
            unsafe { column.set(rows.row(i), f64::from(x)) }
        }
    }
}

/// # Safety
/// See [`store_tile`]; `T` is the column's element type.
#[inline(always)]
unsafe fn store<T: Element>(
    column: &Column,
    rows: Rows<'_>,
    n_cells: usize,
    tile: &[f32; TILE],
    convert: impl Fn(f32) -> T,
) {
    let start = column.pointer.cast::<T>();
    // SAFETY: the caller vouches for the rows.
    unsafe {
        match rows {
            Rows::From(first) if column.stride == 1 => {
                for (i, &x) in tile[..n_cells].iter().enumerate() {
                    *start.add(first + i) = convert(x);
                }
            }
            Rows::From(first) => {
                for (i, &x) in tile[..n_cells].iter().enumerate() {
                    *start.add((first + i) * column.stride) = convert(x);
                }
            }
            Rows::Listed(list) => {
                for (&x, &row) in tile.iter().zip(&list[..n_cells]) {
                    *start.add(row as usize * column.stride) = convert(x);
                }
            }
        }
    }
}
