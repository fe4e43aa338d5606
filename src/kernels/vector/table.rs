//! Tables on a uniform grid: one position a cell serves all functions side by side.

use super::Vector;
use crate::kernels::{LANE_GROUP, TILE, UniformTable};

/// So many functions, left over by blocks of a vector's width, are faster gathered one by one.
const FEW_FUNCTIONS: usize = 3;

/// See [`crate::kernels::Kernels::table`].
///
/// The functions of a cell lie side by side, which is across the columns of a tile: vectors of
/// functions are interpolated cell by cell and transposed.
#[inline(always)]
pub unsafe fn table<V: Vector>(table: &UniformTable, x: *const f32, y: *mut f32, lanes: usize) {
    let (width, values) = (table.width, table.values.as_ptr());
    let many = width - if width % V::LANES <= FEW_FUNCTIONS { width % V::LANES } else { 0 };
    // SAFETY: rows are limited to 0 ..= n_rows − 2, so that the next one exists as well; vectors
    // that begin in the last row end in the padding.
    unsafe {
        for lane in (0..lanes).step_by(V::LANES) {
            let (rows, fraction) = position(table, V::load(x.add(lane)));
            let offsets = V::row_offsets(rows, width as i32);
            let y = y.add(lane);

            let (mut starts, mut fractions) = ([0; LANE_GROUP], [0.0; LANE_GROUP]);
            V::store_offsets(offsets, starts.as_mut_ptr());
            fraction.store(fractions.as_mut_ptr());
            for first in (0..many).step_by(V::LANES) {
                let mut block = [V::splat(0.0); LANE_GROUP];
                for cell in 0..V::LANES {
                    let row = values.add(starts[cell] as usize + first);
                    let value = V::load(row);
                    let rise = V::load(row.add(width)).subtract(value);
                    block[cell] = rise.multiply_add(V::splat(fractions[cell]), value);
                }
                V::transpose(&mut block);
                let n = V::LANES.min(width - first);
                for (column, values) in block[..n].iter().enumerate() {
                    values.store(y.add((first + column) * TILE));
                }
            }
            for column in many..width {
                let value = V::gather(values.add(column), offsets);
                let rise = V::gather(values.add(width + column), offsets).subtract(value);
                rise.multiply_add(fraction, value).store(y.add(column * TILE));
            }
        }
    }
}

/// Row and place within the row's segment, limited to the ends of the table; NaN gives row 0 and a
/// place of NaN.
#[inline(always)]
unsafe fn position<V: Vector>(table: &UniformTable, x: V) -> (V::Rows, V) {
    let last = (table.n_rows - 1) as i32;
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let position = x.subtract(V::splat(table.first)).multiply(V::splat(table.rows_per_unit));
        let position = V::splat(last as f32).minimum(V::splat(0.0).maximum(position));
        let rows = position.rows(last - 1);
        (rows, position.subtract(V::from_rows(rows)))
    }
}

/// See [`crate::kernels::Kernels::table_slope`].
#[inline(always)]
pub unsafe fn table_slope<V: Vector>(table: &UniformTable, x: *const f32, y: *mut f32, lanes: usize) {
    let last = (table.n_rows - 1) as i32;
    let values = table.values.as_ptr();
    // SAFETY: rows are limited to 0 ..= n_rows − 2, so that the next one exists as well.
    unsafe {
        let (zero, rows_per_unit) = (V::splat(0.0), V::splat(table.rows_per_unit));
        for lane in (0..lanes).step_by(V::LANES) {
            let position = V::load(x.add(lane)).subtract(V::splat(table.first)).multiply(rows_per_unit);
            let (before, beyond) = (zero.subtract(position), position.subtract(V::splat(last as f32)));
            let rows = V::splat(last as f32).minimum(zero.maximum(position)).rows(last - 1);
            let offsets = V::row_offsets(rows, table.width as i32);
            for column in 0..table.width {
                let value = V::gather(values.add(column), offsets);
                let rise = V::gather(values.add(table.width + column), offsets).subtract(value);
                let slope = rise.multiply(rows_per_unit);
                let inside = before.if_positive(zero, beyond.if_positive(zero, slope));
                inside.or_nan_of(position).store(y.add(column * TILE + lane));
            }
        }
    }
}
