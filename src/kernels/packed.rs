//! Weights in the order in which the dense kernels read them.

use super::LANE_GROUP;
use crate::activation::Activation;

/// Rows (outputs) that the dense kernels compute together: 6 rows × 2 vectors of accumulators,
/// 2 vectors of inputs and one weight fill the 16 registers of AVX2.
pub const ROWS: usize = 6;

/// A dense operation with its weights packed: blocks of a few rows (the last one smaller), in
/// each first the biases, then for each input the weights of all rows. For single cells there is a
/// second copy: the biases, then for each input the weights, each padded to whole vectors.
#[derive(Clone, Debug)]
pub struct PackedDense {
    pub(super) n_inputs: usize,
    pub(super) n_outputs: usize,
    pub(super) activation: Activation,
    pub(super) weights: Vec<f32>,
    /// Outputs rounded up to a multiple of [`LANE_GROUP`].
    pub(super) padded_outputs: usize,
    weights_by_input: Vec<WeightGroup>,
}

/// Weights of [`LANE_GROUP`] outputs, on a cache line of their own.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct WeightGroup([f32; LANE_GROUP]);

impl PackedDense {
    /// Packs row-major `weights` (one row an output) and `bias`.
    ///
    /// # Panics
    /// If `weights` are not whole rows, one for each bias.
    pub fn new(weights: &[f32], bias: &[f32], activation: Activation) -> Self {
        let (n_outputs, n_inputs) = (bias.len(), weights.len() / bias.len());
        assert_eq!(weights.len(), n_inputs * n_outputs);
        let mut packed = Vec::with_capacity(weights.len() + bias.len());
        for first in (0..n_outputs).step_by(ROWS) {
            let rows = first..(first + ROWS).min(n_outputs);
            packed.extend_from_slice(&bias[rows.clone()]);
            for input in 0..n_inputs {
                packed.extend(rows.clone().map(|row| weights[row * n_inputs + input]));
            }
        }
        let padded_outputs = n_outputs.next_multiple_of(LANE_GROUP);
        let groups = padded_outputs / LANE_GROUP;
        let mut weights_by_input = vec![WeightGroup([0.0; LANE_GROUP]); (n_inputs + 1) * groups];
        let mut set = |row: usize, output: usize, value: f32| {
            weights_by_input[row * groups + output / LANE_GROUP].0[output % LANE_GROUP] = value;
        };
        for (output, (row, &bias)) in weights.chunks_exact(n_inputs).zip(bias).enumerate() {
            set(0, output, bias);
            row.iter().enumerate().for_each(|(input, &weight)| set(input + 1, output, weight));
        }
        Self { n_inputs, n_outputs, activation, weights: packed, padded_outputs, weights_by_input }
    }

    /// First of (n_inputs + 1) rows of `padded_outputs` numbers: the biases, then for each input the
    /// weights of all outputs.
    pub(super) fn weights_by_input(&self) -> *const f32 {
        self.weights_by_input.as_ptr().cast()
    }
}
