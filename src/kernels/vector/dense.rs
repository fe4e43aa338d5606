//! Dense layers: blocks of rows × vectors of cells, accumulated in registers.

use super::Vector;
use super::elementwise::activation;
use super::function::{Function, LeakyRelu, Linear, Relu};
use crate::activation::Activation;
use crate::kernels::packed::PackedDense;
use crate::kernels::{LANE_GROUP, TILE};

/// activation(weights · x + bias); see [`crate::kernels::Kernels::dense`].
///
/// Activations of a few instructions are applied to the sums in the registers; the others to each
/// block of rows as soon as it is stored: they would only make this code larger.
#[inline(always)]
pub unsafe fn dense<V: Vector>(layer: &PackedDense, x: *const f32, y: *mut f32, lanes: usize) {
    // SAFETY: the caller vouches for the instructions and the blocks.
    unsafe {
        match layer.activation {
            Activation::Linear => blocks::<V, _>(Linear, None, layer, x, y, lanes),
            Activation::Relu => blocks::<V, _>(Relu, None, layer, x, y, lanes),
            Activation::LeakyRelu { slope } => blocks::<V, _>(LeakyRelu(slope), None, layer, x, y, lanes),
            other => blocks::<V, _>(Linear, Some(other), layer, x, y, lanes),
        }
    }
}

/// Block after block of the packed weights, `function` applied in the registers and `last` afterwards.
#[inline(always)]
unsafe fn blocks<V: Vector, F: Function>(
    function: F,
    last: Option<Activation>,
    layer: &PackedDense,
    x: *const f32,
    y: *mut f32,
    lanes: usize,
) {
    let n_inputs = layer.n_inputs;
    for block in layer.blocks() {
        // SAFETY: the block's weights and columns; the caller vouches for x, y and lanes.
        unsafe {
            let weights = layer.weights.as_ptr().add(block.start * (n_inputs + 1));
            let y = y.add(block.start * TILE);
            match block.len() {
                _ if layer.is_narrow() => narrow::<V, F>(function, layer, x, y, lanes),
                1 => rows::<V, F, 1, 1>(function, weights, n_inputs, x, y, lanes),
                2 => rows::<V, F, 2, 1>(function, weights, n_inputs, x, y, lanes),
                3 => rows::<V, F, 3, 1>(function, weights, n_inputs, x, y, lanes),
                4 => rows::<V, F, 4, 1>(function, weights, n_inputs, x, y, lanes),
                5 => rows::<V, F, 5, 1>(function, weights, n_inputs, x, y, lanes),
                6 => rows::<V, F, 6, 1>(function, weights, n_inputs, x, y, lanes),
                7 => rows::<V, F, 7, 1>(function, weights, n_inputs, x, y, lanes),
                8 => rows::<V, F, 8, 1>(function, weights, n_inputs, x, y, lanes),
                9 => rows::<V, F, 9, 1>(function, weights, n_inputs, x, y, lanes),
                10 => rows::<V, F, 10, 1>(function, weights, n_inputs, x, y, lanes),
                11 => rows::<V, F, 11, 1>(function, weights, n_inputs, x, y, lanes),
                _ => rows::<V, F, 12, 1>(function, weights, n_inputs, x, y, lanes),
            }
            if let Some(last) = last {
                activation::<V>(last, y, y, block.len(), lanes);
            }
        }
    }
}

/// A layer of so few rows that their sums would wait for each other: each is formed as two.
#[inline(always)]
unsafe fn narrow<V: Vector, F: Function>(
    function: F,
    layer: &PackedDense,
    x: *const f32,
    y: *mut f32,
    lanes: usize,
) {
    let (weights, n_inputs) = (layer.weights.as_ptr(), layer.n_inputs);
    // SAFETY: passed on.
    unsafe {
        match layer.n_outputs {
            1 => rows::<V, F, 1, 2>(function, weights, n_inputs, x, y, lanes),
            2 => rows::<V, F, 2, 2>(function, weights, n_inputs, x, y, lanes),
            _ => rows::<V, F, 3, 2>(function, weights, n_inputs, x, y, lanes),
        }
    }
}

/// `R` rows on all lanes, two vectors at once.
#[inline(always)]
unsafe fn rows<V: Vector, F: Function, const R: usize, const S: usize>(
    function: F,
    weights: *const f32,
    n_inputs: usize,
    x: *const f32,
    y: *mut f32,
    lanes: usize,
) {
    // No block has so many rows; the compiler need not make code for it.
    if R > V::DENSE_ROWS {
        return;
    }
    const { assert!(LANE_GROUP.is_multiple_of(V::LANES)) }
    let mut lane = 0;
    // SAFETY: every block of lanes lies inside the tile.
    unsafe {
        while lane + 2 * V::LANES <= lanes {
            block::<V, F, R, 2, S>(function, weights, n_inputs, x.add(lane), y.add(lane));
            lane += 2 * V::LANES;
        }
        while lane < lanes {
            block::<V, F, R, 1, S>(function, weights, n_inputs, x.add(lane), y.add(lane));
            lane += V::LANES;
        }
    }
}

/// `R` rows × `N` vectors; each sum in `S` parts, input by input in turn, which are added at the end.
#[inline(always)]
unsafe fn block<V: Vector, F: Function, const R: usize, const N: usize, const S: usize>(
    function: F,
    weights: *const f32,
    n_inputs: usize,
    x: *const f32,
    y: *mut f32,
) {
    // SAFETY: R·(n_inputs + 1) packed weights, n_inputs columns of x and R columns of y.
    unsafe {
        let mut sums = [[[V::splat(0.0); N]; R]; S];
        for (row, sums) in sums[0].iter_mut().enumerate() {
            *sums = [V::splat(*weights.add(row)); N];
        }
        let mut input = 0;
        while input + S <= n_inputs {
            for (part, sums) in sums.iter_mut().enumerate() {
                add_input(sums, weights, input + part, x);
            }
            input += S;
        }
        if S > 1 && input < n_inputs {
            add_input(&mut sums[0], weights, input, x);
        }
        for row in 0..R {
            for n in 0..N {
                let mut sum = sums[0][row][n];
                for part in &sums[1..] {
                    sum = sum.add(part[row][n]);
                }
                function.apply(sum).store(y.add(row * TILE + n * V::LANES));
            }
        }
    }
}

/// Adds what one input contributes to `R` rows × `N` vectors of sums.
#[inline(always)]
unsafe fn add_input<V: Vector, const R: usize, const N: usize>(
    sums: &mut [[V; N]; R],
    weights: *const f32,
    input: usize,
    x: *const f32,
) {
    // SAFETY: as in `block`.
    unsafe {
        let mut values = [V::splat(0.0); N];
        for (n, value) in values.iter_mut().enumerate() {
            *value = V::load(x.add(input * TILE + n * V::LANES));
        }
        let weights = weights.add((input + 1) * R);
        for (row, sums) in sums.iter_mut().enumerate() {
            let weight = V::splat(*weights.add(row));
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = weight.multiply_add(value, *sum);
            }
        }
    }
}
