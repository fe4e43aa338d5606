//! Fully connected networks and where their numbers lie.

use tch::{Device, Kind, Tensor};

use super::activation::activate;
use super::random::Random;
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::format::pth::NamedTensor;
use crate::program::MAX_WIDTH;

/// One affine map followed by an activation.
#[derive(Debug)]
pub(crate) struct Layer {
    /// `[n_outputs, n_inputs]`, a leaf of the graph.
    pub weight: Tensor,
    /// `[n_outputs]`, a leaf of the graph.
    pub bias: Tensor,
    pub activation: Activation,
}

/// A network of affine layers with activations between them and a linear last layer.
///
/// Parameters are called as in the papers' Python class: `layers.0.weight`, `layers.0.bias`,
/// `layers.2.weight`, …; the odd numbers are the activations.
#[derive(Debug)]
pub struct FullyConnected {
    n_inputs: usize,
    n_outputs: usize,
    hidden: Vec<(Activation, usize)>,
    /// All parameters one after the other; the layers' tensors are parts of it, so that an
    /// optimiser, a copy or a checkpoint handles one tensor instead of dozens.
    flat: Tensor,
    layers: Vec<Layer>,
}

impl FullyConnected {
    /// A network of `n_inputs` columns, hidden layers of (activation, width) and `n_outputs`
    /// columns, in single precision on the CPU, initialised from seed 0.
    ///
    /// # Errors
    /// A width of 0 or beyond [`MAX_WIDTH`].
    pub fn new(n_inputs: usize, n_outputs: usize, hidden: &[(Activation, usize)]) -> Result<Self> {
        Self::on(n_inputs, n_outputs, hidden, Kind::Float, Device::Cpu)
    }

    /// As [`Self::new`], of another element type (`Kind::Float` or `Kind::Double`) or device.
    ///
    /// # Errors
    /// A width of 0 or beyond [`MAX_WIDTH`].
    pub fn on(
        n_inputs: usize,
        n_outputs: usize,
        hidden: &[(Activation, usize)],
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let widths: Vec<usize> =
            std::iter::once(n_inputs).chain(hidden.iter().map(|h| h.1)).chain([n_outputs]).collect();
        if let Some(width) = widths.iter().find(|&&w| w == 0 || w > MAX_WIDTH) {
            return Err(Error::invalid(format!("a layer of width {width}"))
                .remedy(format!("use widths from 1 to {MAX_WIDTH}")));
        }
        let n_parameters: usize = widths.windows(2).map(|w| (w[0] + 1) * w[1]).sum();
        let flat = Tensor::zeros([n_parameters as i64], (kind, device));
        let activations = hidden.iter().map(|h| h.0).chain([Activation::Linear]);
        let mut start = 0;
        let mut part = |shape: &[i64]| {
            let length: i64 = shape.iter().product();
            let part = flat.narrow(0, start, length).view(shape).detach().set_requires_grad(true);
            start += length;
            part
        };
        let layers = widths
            .windows(2)
            .zip(activations)
            .map(|(w, activation)| Layer {
                weight: part(&[w[1] as i64, w[0] as i64]),
                bias: part(&[w[1] as i64]),
                activation,
            })
            .collect();
        let mut network = Self { n_inputs, n_outputs, hidden: hidden.to_vec(), flat, layers };
        network.initialise(0);
        Ok(network)
    }

    /// Draws all parameters anew, from U(−1/√n, 1/√n) with n inputs of a layer, as PyTorch's
    /// `nn.Linear` does; the numbers depend on nothing but `seed`.
    pub fn initialise(&mut self, seed: u64) {
        let mut random = Random::new(seed, 0);
        let mut values: Vec<f64> = Vec::new();
        for layer in &self.layers {
            let [n_outputs, n_inputs] = layer.shape();
            let bound = 1.0 / (n_inputs as f64).sqrt();
            values.extend((0..n_outputs * (n_inputs + 1)).map(|_| random.between(-bound, bound)));
        }
        self.set_parameters(&Tensor::from_slice(&values));
    }

    /// Number of input columns.
    pub fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// Number of output columns.
    pub fn n_outputs(&self) -> usize {
        self.n_outputs
    }

    /// The hidden layers as (activation, width).
    pub fn hidden(&self) -> &[(Activation, usize)] {
        &self.hidden
    }

    /// Number of trained numbers.
    pub fn n_parameters(&self) -> usize {
        self.flat.numel()
    }

    /// Element type of the parameters.
    pub fn kind(&self) -> Kind {
        self.flat.kind()
    }

    /// Where the parameters lie.
    pub fn device(&self) -> Device {
        self.flat.device()
    }

    /// Outputs `[n, n_outputs]` for inputs `[n, n_inputs]`.
    pub fn forward(&self, inputs: &Tensor) -> Tensor {
        let mut x = inputs.shallow_clone();
        for layer in &self.layers {
            x = activate(layer.activation, &x.linear(&layer.weight, Some(&layer.bias)));
        }
        x
    }

    /// All parameters as one row of numbers that shares memory with the network.
    pub fn parameters(&self) -> &Tensor {
        &self.flat
    }

    /// Copies all parameters from one row of numbers, as [`Self::parameters`] gives it.
    ///
    /// # Panics
    /// If the number of parameters differs.
    pub fn set_parameters(&mut self, values: &Tensor) {
        tch::no_grad(|| self.flat.copy_(values));
    }

    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The leaves of the graph: weight and bias of each layer in turn.
    pub(crate) fn leaves(&self) -> Vec<&Tensor> {
        self.layers.iter().flat_map(|l| [&l.weight, &l.bias]).collect()
    }
}

impl Layer {
    /// Number of outputs and inputs.
    pub(crate) fn shape(&self) -> [usize; 2] {
        let size = self.weight.size();
        [size[0] as usize, size[1] as usize]
    }
}

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

/// All numbers of a tensor, row-major, in double precision.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Double).contiguous().view([-1]);
    Vec::try_from(flat).expect("a contiguous row of doubles")
}
