//! Weights in the order in which the dense kernels read them.

use std::ops::Range;

use super::LANE_GROUP;
use crate::activation::Activation;

/// A dense operation with its weights packed: blocks of about equally many rows (outputs), in each
/// first the biases, then for each input the weights of all rows. For single cells there is a second
/// copy: the biases, then for each input the weights, each padded to whole vectors.
#[derive(Clone, Debug)]
pub struct PackedDense {
    pub(super) n_inputs: usize,
    pub(super) n_outputs: usize,
    pub(super) activation: Activation,
    pub(super) weights: Vec<f32>,
    n_blocks: usize,
    /// Outputs rounded up to a multiple of [`LANE_GROUP`].
    pub(super) padded_outputs: usize,
    weights_by_input: Vec<WeightGroup>,
}

/// Weights of [`LANE_GROUP`] outputs, on a cache line of their own.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct WeightGroup([f32; LANE_GROUP]);

impl PackedDense {
    /// Packs row-major `weights` (one row an output) and `bias` in blocks of at most `block_rows` rows.
    ///
    /// # Panics
    /// If `weights` are not whole rows, one for each bias.
    pub fn new(weights: &[f32], bias: &[f32], activation: Activation, block_rows: usize) -> Self {
        let (n_outputs, n_inputs) = (bias.len(), weights.len() / bias.len());
        assert_eq!(weights.len(), n_inputs * n_outputs);
        let n_blocks = n_outputs.div_ceil(block_rows);
        let mut packed = Vec::with_capacity(weights.len() + bias.len());
        for rows in blocks(n_outputs, n_blocks) {
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
        Self { n_inputs, n_outputs, activation, weights: packed, n_blocks, padded_outputs, weights_by_input }
    }

    /// Whether there are so few rows that each sum is formed in two parts: that of the inputs 0, 2, … and
    /// the bias, and that of the inputs 1, 3, …
    pub(super) fn is_narrow(&self) -> bool {
        self.n_outputs <= 3
    }

    /// The rows of each block; its weights begin at (n_inputs + 1) · first row.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        blocks(self.n_outputs, self.n_blocks)
    }

    /// First of (n_inputs + 1) rows of `padded_outputs` numbers: the biases, then for each input the
    /// weights of all outputs.
    pub(super) fn weights_by_input(&self) -> *const f32 {
        self.weights_by_input.as_ptr().cast()
    }
}

/// `n_blocks` ranges that differ by one row at most: a small block left over would not keep the
/// multipliers busy.
fn blocks(n_rows: usize, n_blocks: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n_blocks).map(move |block| n_rows * block / n_blocks..n_rows * (block + 1) / n_blocks)
}
