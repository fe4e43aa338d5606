//! Dense layers for a single cell: vectors hold outputs instead of cells. The sums are formed in the
//! same order as for many cells, so that a cell's results do not depend on how many come with it.

use super::Vector;
use super::function::{Function, WithFunction, with_function};
use crate::kernels::packed::PackedDense;
use crate::kernels::{LANE_GROUP, TILE};

/// activation(weights · x + bias); see [`crate::kernels::Kernels::dense_one`].
#[inline(always)]
pub unsafe fn dense_one<V: Vector>(layer: &PackedDense, x: *const f32, y: *mut f32) {
    // SAFETY: the caller vouches for the instructions and the blocks.
    unsafe { with_function(layer.activation, Layer::<V> { layer, x, y, vector: std::marker::PhantomData }) }
}

struct Layer<'a, V> {
    layer: &'a PackedDense,
    x: *const f32,
    y: *mut f32,
    vector: std::marker::PhantomData<V>,
}

impl<V: Vector> WithFunction for Layer<'_, V> {
    #[inline(always)]
    unsafe fn run<F: Function>(self, function: F) {
        let mut first = 0;
        // SAFETY: blocks of whole vectors inside the padded outputs.
        unsafe {
            if self.layer.is_narrow() {
                self.block::<F, 1, 2>(function, 0);
                return;
            }
            while first < self.layer.padded_outputs {
                let done = match (self.layer.padded_outputs - first) / V::LANES {
                    8.. => self.block::<F, 8, 1>(function, first),
                    4.. => self.block::<F, 4, 1>(function, first),
                    2.. => self.block::<F, 2, 1>(function, first),
                    _ => self.block::<F, 1, 1>(function, first),
                };
                first += done * V::LANES;
            }
        }
    }
}

impl<V: Vector> Layer<'_, V> {
    /// `N` vectors of outputs from `first` on, sums in `S` parts as for many cells; gives back `N`.
    #[inline(always)]
    unsafe fn block<F: Function, const N: usize, const S: usize>(&self, function: F, first: usize) -> usize {
        const { assert!(LANE_GROUP.is_multiple_of(V::LANES)) }
        let PackedDense { n_inputs, n_outputs, .. } = *self.layer;
        // SAFETY: n_inputs + 1 rows of padded weights; the caller vouches for x and y.
        unsafe {
            let weights = self.layer.weights_by_input().add(first);
            let mut sums = [[V::splat(0.0); N]; S];
            for (n, sum) in sums[0].iter_mut().enumerate() {
                *sum = V::load(weights.add(n * V::LANES));
            }
            let mut input = 0;
            while input + S <= n_inputs {
                for (part, sums) in sums.iter_mut().enumerate() {
                    self.add_input(sums, weights, input + part);
                }
                input += S;
            }
            if S > 1 && input < n_inputs {
                self.add_input(&mut sums[0], weights, input);
            }
            let mut outputs = [0.0; LANE_GROUP];
            for n in 0..N {
                let mut sum = sums[0][n];
                for part in &sums[1..] {
                    sum = sum.add(part[n]);
                }
                let first = first + n * V::LANES;
                function.apply(sum).store(outputs.as_mut_ptr());
                let n_stored = V::LANES.min(n_outputs.saturating_sub(first));
                for (i, &output) in outputs[..n_stored].iter().enumerate() {
                    *self.y.add((first + i) * TILE) = output;
                }
            }
            N
        }
    }

    /// Adds what one input contributes to `N` vectors of sums.
    #[inline(always)]
    unsafe fn add_input<const N: usize>(&self, sums: &mut [V; N], weights: *const f32, input: usize) {
        // SAFETY: as in `block`.
        unsafe {
            let weights = weights.add((input + 1) * self.layer.padded_outputs);
            let value = V::splat(*self.x.add(input * TILE));
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(weights.add(n * V::LANES)).multiply_add(value, *sum);
            }
        }
    }
}
