//! What is trained: one or several fully connected networks with their parameters in one row.

mod affine;
mod fully_connected;

use std::ops::Range;

use tch::{Device, Kind, Tensor};

pub(crate) use affine::Affine;
pub use fully_connected::FullyConnected;
pub(crate) use fully_connected::{Layer, check_hidden};

use super::random::Random;
use crate::error::{Error, Result};

/// Tells the seeds of random activations from those of weights and batches.
const SLOPES: u64 = 0x736c_6f70_6573_0000;

/// One or several fully connected networks that are trained together.
///
/// All parameters lie one after the other in one tensor, so that an optimiser, a copy or a checkpoint handles
/// one tensor, however many networks there are.
#[derive(Debug)]
pub struct Network {
    flat: Tensor,
    parts: Vec<FullyConnected>,
    /// The parts that training changes; the others keep their numbers.
    trained: Range<usize>,
}

impl From<FullyConnected> for Network {
    fn from(single: FullyConnected) -> Self {
        Self { flat: single.parameters().shallow_clone(), parts: vec![single], trained: 0..1 }
    }
}

impl Network {
    /// The networks `parts` with their present parameters, of one element type on one device.
    ///
    /// # Errors
    /// No networks, or networks of different element types or devices.
    pub fn of_parts(parts: Vec<FullyConnected>) -> Result<Self> {
        let options = parts.first().map(|p| (p.kind(), p.device()));
        let Some(options) = options.filter(|o| parts.iter().all(|p| (p.kind(), p.device()) == *o)) else {
            return Err(Error::invalid(format!(
                "{} networks of unlike element types or devices",
                parts.len()
            ))
            .remedy("make all networks of a model alike"));
        };
        let n_parameters: usize = parts.iter().map(FullyConnected::n_parameters).sum();
        let flat = Tensor::zeros([n_parameters as i64], options);
        let mut start = 0;
        let moved = |part: FullyConnected| {
            let length = part.n_parameters() as i64;
            let place = flat.narrow(0, start, length);
            start += length;
            part.moved_to(place)
        };
        let parts: Vec<_> = parts.into_iter().map(moved).collect();
        let trained = 0..parts.len();
        Ok(Self { flat, parts, trained })
    }

    /// The networks in order.
    pub fn parts(&self) -> &[FullyConnected] {
        &self.parts
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

    /// All parameters as one row of numbers that shares memory with the networks.
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

    /// Calls `f` with random activations as they are in iteration `iteration` of a training: what they draw
    /// depends on nothing else but `seed`.
    pub(crate) fn in_training<T>(&self, seed: u64, iteration: u64, f: impl FnOnce() -> T) -> T {
        let each = |part: usize| Random::new(seed ^ SLOPES ^ ((part as u64) << 32), iteration);
        self.parts.iter().enumerate().for_each(|(i, part)| part.draw_from(Some(each(i))));
        let result = f();
        self.parts.iter().for_each(|part| part.draw_from(None));
        result
    }

    /// Lets training change these parts only.
    pub(crate) fn train_parts(&mut self, parts: Range<usize>) {
        assert!(
            !parts.is_empty() && parts.end <= self.parts.len(),
            "parts {parts:?} of {}",
            self.parts.len()
        );
        self.trained = parts;
    }

    /// The parameters that training changes, sharing memory with the networks.
    pub(crate) fn trained_parameters(&self) -> Tensor {
        let length =
            |parts: &[FullyConnected]| parts.iter().map(FullyConnected::n_parameters).sum::<usize>() as i64;
        let start = length(&self.parts[..self.trained.start]);
        self.flat.narrow(0, start, length(&self.parts[self.trained.clone()]))
    }

    /// The layers of all networks in turn.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.parts.iter().flat_map(FullyConnected::layers)
    }

    /// The layers that training changes, in turn.
    pub(crate) fn trained_layers(&self) -> impl Iterator<Item = &Layer> {
        self.parts[self.trained.clone()].iter().flat_map(FullyConnected::layers)
    }

    /// Number of layers of the networks before those that training changes.
    pub(crate) fn layers_before_trained(&self) -> usize {
        self.parts[..self.trained.start].iter().map(|part| part.layers().len()).sum()
    }

    /// The leaves of the graph that training changes: weight `[outputs, inputs]` and bias `[outputs]` of each layer
    /// in turn.
    pub fn leaves(&self) -> Vec<&Tensor> {
        self.trained_layers().flat_map(|l| [&l.weight, &l.bias]).collect()
    }

    /// Gives every row of a batch of `n_rows` parameters of its own, as leaves of the graph with the numbers that all
    /// rows shared: one backward pass then gives the gradient of each row.
    pub(crate) fn part_rows(&mut self, n_rows: i64) {
        self.parts[self.trained.clone()].iter_mut().for_each(|part| part.part_rows(n_rows));
    }

    /// All rows share the parameters again.
    pub(crate) fn join_rows(&mut self) {
        self.parts[self.trained.clone()].iter_mut().for_each(FullyConnected::join_rows);
    }
}

/// All numbers of a tensor, row-major, in double precision.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Double).contiguous().view([-1]);
    Vec::try_from(flat).expect("a contiguous row of doubles")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;

    #[test]
    fn slopes_are_random_in_training_and_their_mean_at_inference() {
        let (lower, upper) = (0.2, 0.5);
        let network = FullyConnected::new(1, 64, &[(Activation::RRelu { lower, upper }, 64)]).unwrap();
        let mut network = Network::of_parts(vec![network]).unwrap();
        // The first layer gives −1, the last hands its values on.
        let unit = Tensor::cat(
            &[Tensor::zeros([64], tch::kind::FLOAT_CPU), -Tensor::ones([64], tch::kind::FLOAT_CPU)],
            0,
        );
        let last = Tensor::eye(64, tch::kind::FLOAT_CPU).view([-1]);
        network.set_parameters(&Tensor::cat(&[unit, last, Tensor::zeros([64], tch::kind::FLOAT_CPU)], 0));
        let values = || numbers(&network.parts()[0].forward(&Tensor::zeros([200, 1], tch::kind::FLOAT_CPU)));
        let in_training = |seed, iteration| network.in_training(seed, iteration, values);

        let slopes = in_training(1, 3);
        let mean = -slopes.iter().sum::<f64>() / slopes.len() as f64;
        let spread = slopes.iter().map(|s| (s + mean).powi(2)).sum::<f64>() / slopes.len() as f64;
        assert!(slopes.iter().all(|s| (0.2..=0.5).contains(&-s)), "{slopes:?}");
        // 12 800 numbers of a uniform distribution.
        assert!((mean - 0.35).abs() < 0.003 && (spread - 0.3 * 0.3 / 12.0).abs() < 3e-4, "{mean} {spread}");
        assert_eq!(in_training(1, 3), slopes);
        assert_ne!(in_training(1, 4), slopes);
        assert_ne!(in_training(2, 3), slopes);
        assert!(values().iter().all(|s| (s + 0.35).abs() < 1e-7));
    }
}
