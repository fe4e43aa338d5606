//! An affine layer's numbers, out of libtorch.

use super::{Layer, numbers};
use crate::activation::Activation;
use crate::format::pth::NamedTensor;

/// An affine layer's numbers on the CPU in double precision, weights row-major with one row an
/// output.
pub(crate) struct Affine {
    pub weights: Vec<f64>,
    pub bias: Vec<f64>,
    pub activation: Activation,
}

impl Affine {
    pub(crate) fn of(layer: &Layer) -> Self {
        Self { weights: numbers(&layer.weight), bias: numbers(&layer.bias), activation: layer.activation }
    }

    pub(crate) fn n_inputs(&self) -> usize {
        self.weights.len() / self.bias.len()
    }

    /// Weight and bias under the names of the `index`-th layer in the papers' class.
    pub(crate) fn named(&self, index: usize) -> [NamedTensor; 2] {
        let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect();
        let name = |what: &str| format!("layers.{}.{what}", 2 * index);
        let (n_outputs, n_inputs) = (self.bias.len(), self.n_inputs());
        [
            NamedTensor {
                name: name("weight"),
                shape: vec![n_outputs, n_inputs],
                values: single(&self.weights),
            },
            NamedTensor { name: name("bias"), shape: vec![n_outputs], values: single(&self.bias) },
        ]
    }
}
