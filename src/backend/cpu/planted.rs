//! An internal fault on request, so that tests see what becomes of one. No part of any library that
//! is shipped: see the feature `planted-faults`.

use crate::kernels::TileColumn;

/// The NaN that asks for it, in any input of a cell.
const REQUEST: u32 = 0x7fc0_dead;

pub fn fault_if_asked(inputs: &[TileColumn], n_cells: usize) {
    let asks = |x: &f32| x.to_bits() == REQUEST;
    if let Some(column) = inputs.iter().position(|column| column.0[..n_cells].iter().any(asks)) {
        panic!("planted in input {column}");
    }
}
