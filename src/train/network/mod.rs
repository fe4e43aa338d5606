//! What is trained: one or several fully connected networks with their parameters in one row.

mod affine;
mod fully_connected;

use tch::{Device, Kind, Tensor};

pub(crate) use affine::Affine;
pub use fully_connected::FullyConnected;
pub(crate) use fully_connected::Layer;

use crate::error::{Error, Result};

/// One or several fully connected networks that are trained together.
///
/// All parameters lie one after the other in one tensor, so that an optimiser, a copy or a checkpoint handles
/// one tensor, however many networks there are.
#[derive(Debug)]
pub struct Network {
    flat: Tensor,
    parts: Vec<FullyConnected>,
}

impl From<FullyConnected> for Network {
    fn from(single: FullyConnected) -> Self {
        Self { flat: single.parameters().shallow_clone(), parts: vec![single] }
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
        let parts = parts.into_iter().map(moved).collect();
        Ok(Self { flat, parts })
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

    /// The layers of all networks in turn.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.parts.iter().flat_map(FullyConnected::layers)
    }

    /// The leaves of the graph: weight and bias of each layer in turn.
    pub(crate) fn leaves(&self) -> Vec<&Tensor> {
        self.layers().flat_map(|l| [&l.weight, &l.bias]).collect()
    }
}

/// All numbers of a tensor, row-major, in double precision.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Double).contiguous().view([-1]);
    Vec::try_from(flat).expect("a contiguous row of doubles")
}
