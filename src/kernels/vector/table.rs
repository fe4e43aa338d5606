//! Tables on a uniform grid: one position a cell serves all functions side by side.

use super::Vector;
use crate::kernels::{TILE, UniformTable};

/// See [`crate::kernels::Kernels::table`].
#[inline(always)]
pub unsafe fn table<V: Vector>(table: &UniformTable, x: *const f32, y: *mut f32, lanes: usize) {
    let last = (table.values.len() / table.width - 1) as i32;
    let (values, differences) = (table.values.as_ptr(), table.differences.as_ptr());
    // SAFETY: rows are limited to 0 ..= last − 1, for which both matrices have `width` numbers.
    unsafe {
        for lane in (0..lanes).step_by(V::LANES) {
            let distance = V::load(x.add(lane)).subtract(V::splat(table.first));
            let position = distance.multiply(V::splat(table.rows_per_unit));
            let position = V::splat(last as f32).minimum(V::splat(0.0).maximum(position));
            let rows = position.rows(last - 1);
            let fraction = position.subtract(V::from_rows(rows));
            let offsets = V::row_offsets(rows, table.width as i32);
            for column in 0..table.width {
                let value = V::gather(values.add(column), offsets);
                let rise = V::gather(differences.add(column), offsets);
                rise.multiply_add(fraction, value).store(y.add(column * TILE + lane));
            }
        }
    }
}

/// See [`crate::kernels::Kernels::table_slope`].
#[inline(always)]
pub unsafe fn table_slope<V: Vector>(table: &UniformTable, x: *const f32, y: *mut f32, lanes: usize) {
    let last = (table.values.len() / table.width - 1) as i32;
    let differences = table.differences.as_ptr();
    // SAFETY: rows are limited to 0 ..= last − 1, for which there are `width` differences.
    unsafe {
        let (zero, rows_per_unit) = (V::splat(0.0), V::splat(table.rows_per_unit));
        for lane in (0..lanes).step_by(V::LANES) {
            let position = V::load(x.add(lane)).subtract(V::splat(table.first)).multiply(rows_per_unit);
            let (before, beyond) = (zero.subtract(position), position.subtract(V::splat(last as f32)));
            let rows = V::splat(last as f32).minimum(zero.maximum(position)).rows(last - 1);
            let offsets = V::row_offsets(rows, table.width as i32);
            for column in 0..table.width {
                let slope = V::gather(differences.add(column), offsets).multiply(rows_per_unit);
                let inside = before.if_positive(zero, beyond.if_positive(zero, slope));
                inside.or_nan_of(position).store(y.add(column * TILE + lane));
            }
        }
    }
}
