//! Layers with the scalings folded into them, in double precision, so that they cost nothing.

use ndarray::{Array2, ArrayView1, s};

use crate::activation::Activation;
use crate::error::Result;
use crate::format::pth::NamedTensor;
use crate::program::{BlockId, ProgramBuilder};
use crate::train::network::{Affine, FullyConnected};

/// A network's numbers, to be exported.
pub(super) struct Folded {
    /// In front of the names of its layers, empty for a single network.
    prefix: String,
    layers: Vec<Affine>,
}

impl Folded {
    pub fn of(prefix: impl Into<String>, network: &FullyConnected) -> Self {
        Self { prefix: prefix.into(), layers: network.layers().iter().map(Affine::of).collect() }
    }

    /// The first layer, which read (x − shift)/scale of each column, reads x.
    pub fn with_inputs(mut self, scalings: &[(f64, f64)]) -> Self {
        let first = &mut self.layers[0];
        for (row, bias) in first.weights.chunks_exact_mut(scalings.len()).zip(&mut first.bias) {
            for (weight, (shift, scale)) in row.iter_mut().zip(scalings) {
                *weight /= scale;
                *bias -= *weight * shift;
            }
        }
        self
    }

    /// The last layer, which gave y, gives shift + scale·y of each column.
    pub fn with_outputs(mut self, shift: &[f64], scale: &[f64]) -> Self {
        let last = self.layers.last_mut().expect("a network has a last layer");
        let width = last.n_inputs();
        for (j, (row, bias)) in last.weights.chunks_exact_mut(width).zip(&mut last.bias).enumerate() {
            row.iter_mut().for_each(|weight| *weight *= scale[j]);
            *bias = *bias * scale[j] + shift[j];
        }
        self
    }

    /// The last layer, whose outputs are terms of `n_states` sums, gives the sums at several times, of which `factors`
    /// (times × terms) are the other factors. Where there are fewer terms than inputs of the last layer, a layer of its own
    /// forms the sums, if that takes fewer multiplications.
    pub fn with_factors(mut self, factors: &Array2<f64>, n_states: usize) -> Self {
        let last = self.layers.pop().expect("a network has a last layer");
        let (n_terms, width) = (last.bias.len(), last.n_inputs());
        let (n_sums, rank) = (factors.nrows() * n_states, n_terms / n_states);
        // Row k·states + j of the sums has the factors of time k for the terms of state j, and zeros.
        let mut sums = Array2::zeros((n_sums, n_terms));
        for (k, of_time) in factors.rows().into_iter().enumerate() {
            for j in 0..n_states {
                let terms = s![j * rank..(j + 1) * rank];
                sums.slice_mut(s![k * n_states + j, j * rank..(j + 1) * rank]).assign(&of_time.slice(terms));
            }
        }
        let dense = |weights: Array2<f64>, bias: Vec<f64>| Affine {
            weights: weights.into_iter().collect(),
            bias,
            activation: Activation::Linear,
        };
        if n_terms * (width + n_sums) < width * n_sums {
            self.layers.push(last);
            self.layers.push(dense(sums, vec![0.0; n_sums]));
        } else {
            let weights = Array2::from_shape_vec((n_terms, width), last.weights).expect("one row an output");
            let bias = sums.dot(&ArrayView1::from(&last.bias)).to_vec();
            self.layers.push(dense(sums.dot(&weights), bias));
        }
        self
    }

    /// Appends the layers to a program, reading `input`.
    pub fn push(&self, builder: &mut ProgramBuilder, input: BlockId) -> Result<BlockId> {
        let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
        self.layers.iter().try_fold(input, |block, layer| {
            builder.dense(block, single(&layer.weights), single(&layer.bias), layer.activation)
        })
    }

    /// Weights and biases as PyTorch names them.
    pub fn named(&self) -> impl Iterator<Item = NamedTensor> + '_ {
        let prefixed =
            |tensor: NamedTensor| NamedTensor { name: format!("{}{}", self.prefix, tensor.name), ..tensor };
        self.layers.iter().enumerate().flat_map(|(i, layer)| layer.named(i)).map(prefixed)
    }
}
