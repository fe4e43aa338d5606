//! Dense layers: blocks of rows × vectors of cells, accumulated in registers.

use super::Vector;
use super::function::{Function, WithFunction, with_function};
use crate::kernels::packed::{PackedDense, ROWS};
use crate::kernels::{LANE_GROUP, TILE};

/// activation(weights · x + bias); see [`crate::kernels::Kernels::dense`].
#[inline(always)]
pub unsafe fn dense<V: Vector>(layer: &PackedDense, x: *const f32, y: *mut f32, lanes: usize) {
    // SAFETY: the caller vouches for the instructions and the blocks.
    unsafe {
        with_function(layer.activation, Layer::<V> { layer, x, y, lanes, vector: std::marker::PhantomData })
    }
}

struct Layer<'a, V> {
    layer: &'a PackedDense,
    x: *const f32,
    y: *mut f32,
    lanes: usize,
    vector: std::marker::PhantomData<V>,
}

impl<V: Vector> WithFunction for Layer<'_, V> {
    #[inline(always)]
    unsafe fn run<F: Function>(self, function: F) {
        let Self { layer, x, y, lanes, .. } = self;
        let (n_inputs, n_outputs) = (layer.n_inputs, layer.n_outputs);
        // SAFETY: block after block of the packed weights; the caller vouches for x, y and lanes.
        unsafe {
            for first in (0..n_outputs).step_by(ROWS) {
                let weights = layer.weights.as_ptr().add(first * (n_inputs + 1));
                let y = y.add(first * TILE);
                match n_outputs - first {
                    1 => rows::<V, F, 1>(function, weights, n_inputs, x, y, lanes),
                    2 => rows::<V, F, 2>(function, weights, n_inputs, x, y, lanes),
                    3 => rows::<V, F, 3>(function, weights, n_inputs, x, y, lanes),
                    4 => rows::<V, F, 4>(function, weights, n_inputs, x, y, lanes),
                    5 => rows::<V, F, 5>(function, weights, n_inputs, x, y, lanes),
                    _ => rows::<V, F, ROWS>(function, weights, n_inputs, x, y, lanes),
                }
            }
        }
    }
}

/// `R` rows on all lanes, as many vectors at once as keep the multipliers busy: at least eight
/// independent sums hide their latency, and no more than twelve fit the registers.
#[inline(always)]
unsafe fn rows<V: Vector, F: Function, const R: usize>(
    function: F,
    weights: *const f32,
    n_inputs: usize,
    x: *const f32,
    y: *mut f32,
    lanes: usize,
) {
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
