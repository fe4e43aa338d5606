//! Fully connected networks and where their numbers lie.

use std::cell::RefCell;

use tch::{Device, Kind, Tensor};

use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::program::MAX_WIDTH;
use crate::train::activation::{activate, activate_randomly};
use crate::train::random::Random;

/// One affine map followed by an activation.
#[derive(Debug)]
pub(crate) struct Layer {
    /// `[n_outputs, n_inputs]`, a leaf of the graph; with one such matrix a row of the batch while rows are parted.
    pub weight: Tensor,
    /// `[n_outputs]`, a leaf of the graph; `[n, n_outputs]` while rows are parted.
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
    /// What random activations draw from; none at inference.
    random: RefCell<Option<Random>>,
}

impl FullyConnected {
    /// A network of `n_inputs` columns, hidden layers of (activation, width) and `n_outputs`
    /// columns, in single precision on the CPU, initialised from seed 0.
    ///
    /// A width is that of the affine map, as in `nn.Linear(n, width)`: [`Activation::Glu`] hands on half of it.
    ///
    /// # Errors
    /// A width of 0 or beyond [`MAX_WIDTH`], or an odd one of [`Activation::Glu`].
    pub fn new(n_inputs: usize, n_outputs: usize, hidden: &[(Activation, usize)]) -> Result<Self> {
        Self::on(n_inputs, n_outputs, hidden, Kind::Float, Device::Cpu)
    }

    /// As [`Self::new`], of another element type (`Kind::Float` or `Kind::Double`) or device.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn on(
        n_inputs: usize,
        n_outputs: usize,
        hidden: &[(Activation, usize)],
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        check_width(n_inputs)?;
        check_width(n_outputs)?;
        check_hidden(hidden)?;
        let shapes = shapes(n_inputs, n_outputs, hidden);
        let n_parameters: usize = shapes.iter().map(|([n, m], _)| n * (m + 1)).sum();
        let flat = Tensor::zeros([n_parameters as i64], (kind, device));
        let layers = layers_in(&flat, &shapes);
        let random = RefCell::new(None);
        let mut network = Self { n_inputs, n_outputs, hidden: hidden.to_vec(), flat, layers, random };
        network.initialise(0);
        Ok(network)
    }

    /// The same network with its parameters in `flat`, whose numbers become its own.
    pub(super) fn moved_to(self, mut flat: Tensor) -> Self {
        tch::no_grad(|| flat.copy_(&self.flat));
        let layers = layers_in(&flat, &shapes(self.n_inputs, self.n_outputs, &self.hidden));
        Self { flat, layers, ..self }
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
        let mut random = self.random.borrow_mut();
        for layer in &self.layers {
            let sums = layer.affine(&x);
            x = match random.as_mut() {
                Some(random) => activate_randomly(layer.activation, &sums, random),
                None => activate(layer.activation, &sums),
            };
        }
        x
    }

    /// Draws what is random about activations from `random` until it is taken away again.
    pub(super) fn draw_from(&self, random: Option<Random>) {
        let is_random =
            |(activation, _): &(Activation, usize)| matches!(activation, Activation::RRelu { .. });
        self.random.replace(random.filter(|_| self.hidden.iter().any(is_random)));
    }

    /// What the last layer reads, for inputs `[n, n_inputs]`.
    pub(crate) fn hidden_outputs(&self, inputs: &Tensor) -> Tensor {
        let mut x = inputs.shallow_clone();
        for layer in &self.layers[..self.layers.len() - 1] {
            x = activate(layer.activation, &x.linear(&layer.weight, Some(&layer.bias)));
        }
        x
    }

    /// Copies the last layer's weight `[n_outputs, width]` and bias `[n_outputs]`.
    pub(crate) fn set_last_layer(&self, weight: &Tensor, bias: &Tensor) {
        let last = self.layers.last().expect("a network has a last layer");
        tch::no_grad(|| {
            last.weight.shallow_clone().copy_(weight);
            last.bias.shallow_clone().copy_(bias);
        });
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

    pub(super) fn part_rows(&mut self, n_rows: i64) {
        let part = |t: &Tensor| {
            let size = [&[n_rows], t.size().as_slice()].concat();
            t.detach().unsqueeze(0).expand(size, false).contiguous().set_requires_grad(true)
        };
        for layer in &mut self.layers {
            (layer.weight, layer.bias) = (part(&layer.weight), part(&layer.bias));
        }
    }

    pub(super) fn join_rows(&mut self) {
        self.layers = layers_in(&self.flat, &shapes(self.n_inputs, self.n_outputs, &self.hidden));
    }
}

/// Rejects hidden layers that no network has.
pub(crate) fn check_hidden(hidden: &[(Activation, usize)]) -> Result<()> {
    for &(activation, width) in hidden {
        check_width(width)?;
        if !width.is_multiple_of(activation.inputs_per_output()) {
            return Err(Error::invalid(format!("a layer of width {width} with {}", activation.name()))
                .remedy("give an even width: half of it goes on to the next layer"));
        }
    }
    Ok(())
}

fn check_width(width: usize) -> Result<()> {
    match width {
        1..=MAX_WIDTH => Ok(()),
        _ => Err(Error::invalid(format!("a layer of width {width}"))
            .remedy(format!("use widths from 1 to {MAX_WIDTH}"))),
    }
}

/// Outputs and inputs of each layer's affine map, and its activation.
fn shapes(
    n_inputs: usize,
    n_outputs: usize,
    hidden: &[(Activation, usize)],
) -> Vec<([usize; 2], Activation)> {
    let mut columns = n_inputs;
    let layers = hidden.iter().copied().chain([(Activation::Linear, n_outputs)]);
    let shape = |(activation, width): (Activation, usize)| {
        let shape = [width, columns];
        columns = width / activation.inputs_per_output();
        (shape, activation)
    };
    layers.map(shape).collect()
}

/// Layers whose weights and biases are parts of `flat`, one after the other.
fn layers_in(flat: &Tensor, shapes: &[([usize; 2], Activation)]) -> Vec<Layer> {
    let mut start = 0;
    let mut part = |shape: &[i64]| {
        let length: i64 = shape.iter().product();
        let part = flat.narrow(0, start, length).view(shape).detach().set_requires_grad(true);
        start += length;
        part
    };
    let layer = |&([n, m], activation): &([usize; 2], Activation)| Layer {
        weight: part(&[n as i64, m as i64]),
        bias: part(&[n as i64]),
        activation,
    };
    shapes.iter().map(layer).collect()
}

impl Layer {
    fn affine(&self, x: &Tensor) -> Tensor {
        match self.weight.dim() {
            2 => x.linear(&self.weight, Some(&self.bias)),
            _ => self.bias.unsqueeze(2).baddbmm(&self.weight, &x.unsqueeze(2), 1, 1).squeeze_dim(2),
        }
    }

    /// Number of outputs and inputs.
    pub(crate) fn shape(&self) -> [usize; 2] {
        let size = self.weight.size();
        [size[0] as usize, size[1] as usize]
    }
}
