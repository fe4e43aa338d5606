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
            // Collected first, whole tiles are converted by vectors.
            Rows::From(first) if n_cells == TILE => {
                let numbers: [T; TILE] = collect(|i| start.add((first + i) * column.stride));
                tile.iter_mut().zip(numbers).for_each(|(x, number)| *x = convert(number));
            }
            Rows::Listed(list) if n_cells == TILE => {
                let list: &[u32; TILE] = list[..TILE].try_into().expect("a tile");
                let numbers: [T; TILE] = collect(|i| start.add(list[i] as usize * column.stride));
                tile.iter_mut().zip(numbers).for_each(|(x, number)| *x = convert(number));
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

const EVERYTHING: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

/// Ranges of the numbers that [`add_tile`] adds to; a NaN stays NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddLimits {
    /// The number is moved into this range before something is added,
    pub before: [f32; 2],
    /// and the sum into this one.
    pub after: [f32; 2],
}

impl AddLimits {
    /// No limits.
    pub const NONE: Self = Self { before: EVERYTHING, after: EVERYTHING };

    #[inline(always)]
    fn sum(&self, x: f64, change: f32) -> f64 {
        let limited = |x: f64, [low, high]: [f32; 2]| x.clamp(low.into(), high.into());
        limited(limited(x, self.before) + f64::from(change), self.after)
    }
}

/// Adds a column of a tile to the numbers of the `n_cells` cells in `rows` of a column, in double
/// precision; the tile then holds the sums.
///
/// # Safety
/// As [`store_tile`].
pub unsafe fn add_tile(
    column: &Column,
    rows: Rows<'_>,
    n_cells: usize,
    tile: &mut [f32; TILE],
    limits: AddLimits,
) {
    // SAFETY: passed on, with the column's own element type.
    unsafe {
        match (column.element, limits == AddLimits::NONE) {
            (ElementType::F64, true) => {
                add::<f64>(column, rows, n_cells, tile, |x, change| x + f64::from(change))
            }
            (ElementType::F64, false) => {
                add::<f64>(column, rows, n_cells, tile, |x, change| limits.sum(x, change))
            }
            (ElementType::F32, _) => {
                add::<f32>(column, rows, n_cells, tile, |x, change| limits.sum(x.into(), change) as f32);
            }
        }
    }
}

/// [`add_tile`] for those cells that `wanted` says; the other numbers stay as they are.
///
/// # Safety
/// As [`store_tile`].
pub unsafe fn add_wanted(
    column: &Column,
    rows: Rows<'_>,
    n_cells: usize,
    tile: &mut [f32; TILE],
    limits: AddLimits,
    wanted: impl Fn(usize) -> bool,
) {
    for (i, change) in tile[..n_cells].iter_mut().enumerate().filter(|(i, _)| wanted(*i)) {
        // SAFETY: as this function's contract says.
        unsafe {
            let next = limits.sum(column.get(rows.row(i)), *change);
            column.set(rows.row(i), next);
            *change = next as f32;
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

/// # Safety
/// See [`add_tile`]; `T` is the column's element type.
#[inline(always)]
unsafe fn add<T: Element + Into<f64>>(
    column: &Column,
    rows: Rows<'_>,
    n_cells: usize,
    tile: &mut [f32; TILE],
    sum: impl Fn(T, f32) -> T,
) {
    let start = column.pointer.cast::<T>();
    // SAFETY: the caller vouches for the rows, which differ.
    unsafe {
        match rows {
            Rows::From(first) if n_cells == TILE => {
                add_whole(|i| start.add((first + i) * column.stride), tile, sum);
            }
            Rows::Listed(list) if n_cells == TILE => {
                let list: &[u32; TILE] = list[..TILE].try_into().expect("a tile");
                add_whole(|i| start.add(list[i] as usize * column.stride), tile, sum);
            }
            _ => {
                for (i, change) in tile[..n_cells].iter_mut().enumerate() {
                    let x = start.add(rows.row(i) * column.stride);
                    *x = sum(*x, *change);
                    *change = (*x).into() as f32;
                }
            }
        }
    }
}

/// [`add`] for a whole tile: collected first, its numbers are added by vectors.
///
/// # Safety
/// The addresses `at` are those of different numbers, which may be read and written.
#[inline(always)]
unsafe fn add_whole<T: Element + Into<f64>>(
    at: impl Fn(usize) -> *mut T,
    tile: &mut [f32; TILE],
    sum: impl Fn(T, f32) -> T,
) {
    // SAFETY: as this function's contract says.
    let mut numbers: [T; TILE] = unsafe { collect(&at) };
    for (x, change) in numbers.iter_mut().zip(tile) {
        *x = sum(*x, *change);
        *change = (*x).into() as f32;
    }
    for (i, x) in numbers.into_iter().enumerate() {
        // SAFETY: as above.
        unsafe { *at(i) = x };
    }
}

/// The numbers of a whole tile.
///
/// # Safety
/// The addresses `at` may be read.
#[inline(always)]
unsafe fn collect<T: Element>(at: impl Fn(usize) -> *mut T) -> [T; TILE] {
    // SAFETY: as this function's contract says.
    std::array::from_fn(|i| unsafe { *at(i) })
}
