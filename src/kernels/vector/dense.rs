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
                1 => rows::<V, F, 1>(function, weights, n_inputs, x, y, lanes),
                2 => rows::<V, F, 2>(function, weights, n_inputs, x, y, lanes),
                3 => rows::<V, F, 3>(function, weights, n_inputs, x, y, lanes),
                4 => rows::<V, F, 4>(function, weights, n_inputs, x, y, lanes),
                5 => rows::<V, F, 5>(function, weights, n_inputs, x, y, lanes),
                6 => rows::<V, F, 6>(function, weights, n_inputs, x, y, lanes),
                7 => rows::<V, F, 7>(function, weights, n_inputs, x, y, lanes),
                8 => rows::<V, F, 8>(function, weights, n_inputs, x, y, lanes),
                9 => rows::<V, F, 9>(function, weights, n_inputs, x, y, lanes),
                10 => rows::<V, F, 10>(function, weights, n_inputs, x, y, lanes),
                11 => rows::<V, F, 11>(function, weights, n_inputs, x, y, lanes),
                _ => rows::<V, F, 12>(function, weights, n_inputs, x, y, lanes),
            }
            if let Some(last) = last {
                activation::<V>(last, y, y, block.len(), lanes);
            }
        }
    }
}

/// `R` rows on all lanes, as many vectors at once as keep the multipliers busy: at least eight
/// independent sums hide their latency.
#[inline(always)]
unsafe fn rows<V: Vector, F: Function, const R: usize>(
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
    let mut lane = 0;
    // SAFETY: every block of lanes lies inside the tile.
    unsafe {
        if R <= 3 {
            while lane + 4 * V::LANES <= lanes {
                block::<V, F, R, 4>(function, weights, n_inputs, x.add(lane), y.add(lane));
                lane += 4 * V::LANES;
            }
        }
        while lane + 2 * V::LANES <= lanes {
            block::<V, F, R, 2>(function, weights, n_inputs, x.add(lane), y.add(lane));
            lane += 2 * V::LANES;
        }
        const { assert!(LANE_GROUP.is_multiple_of(V::LANES)) }
        while lane < lanes {
            block::<V, F, R, 1>(function, weights, n_inputs, x.add(lane), y.add(lane));
            lane += V::LANES;
        }
    }
}

/// `R` rows × `N` vectors.
#[inline(always)]
unsafe fn block<V: Vector, F: Function, const R: usize, const N: usize>(
    function: F,
    weights: *const f32,
    n_inputs: usize,
    x: *const f32,
    y: *mut f32,
) {
    // SAFETY: R·(n_inputs + 1) packed weights, n_inputs columns of x and R columns of y.
    unsafe {
        let mut sums = [[V::splat(0.0); N]; R];
        for (row, sums) in sums.iter_mut().enumerate() {
            *sums = [V::splat(*weights.add(row)); N];
        }
        for input in 0..n_inputs {
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
        for (row, sums) in sums.into_iter().enumerate() {
            for (n, sum) in sums.into_iter().enumerate() {
                function.apply(sum).store(y.add(row * TILE + n * V::LANES));
            }
        }
    }
}
