//! Networks on libtorch, for the learner.

use tch::{Device, Kind, Tensor};

use super::learn::Fit;
use crate::activation::Activation;
use crate::error::Result;
use crate::train::{Adam, FullyConnected, GradientMethod, Network};

/// Beyond this argument of sinh an error is large enough.
const STEEPEST: f64 = 12.0;

/// A network of `n_features` inputs and one output.
pub fn start(n_features: usize, hidden: &[(Activation, usize)], seed: u64) -> Result<Box<dyn Fit>> {
    let mut network = FullyConnected::new(n_features, 1, hidden)?;
    network.initialise(seed);
    let nothing = || Tensor::zeros([0], (Kind::Float, Device::Cpu));
    let network = Network::from(network);
    let method = adam(&network);
    Ok(Box::new(Torch { network, method, inputs: nothing(), targets: nothing() }))
}

struct Torch {
    network: Network,
    method: Box<dyn GradientMethod>,
    inputs: Tensor,
    targets: Tensor,
}

fn adam(network: &Network) -> Box<dyn GradientMethod> {
    Box::new(Adam::default().start(network))
}

impl Fit for Torch {
    fn set(&mut self, inputs: &[f32], targets: &[f32]) {
        let n_cells = targets.len() as i64;
        self.inputs = Tensor::from_slice(inputs).view([n_cells, -1]);
        self.targets = Tensor::from_slice(targets).view([n_cells, 1]);
    }

    fn restart(&mut self) {
        self.method = adam(&self.network);
    }

    fn step(&mut self, cells: &[i64], rate: f64, width: f64, scale: f64, linear: f64) {
        let rows = Tensor::from_slice(cells);
        let (x, z) = (self.inputs.index_select(0, &rows), self.targets.index_select(0, &rows));
        let found = self.network.parts()[0].forward(&x);
        let curved = (&found - &z).square().mean(Kind::Float);
        let increment = |z: &Tensor| (z * width).clamp(-STEEPEST, STEEPEST).sinh() * scale;
        let straight = (increment(&found) - increment(&z)).square().mean(Kind::Float);
        let loss = curved + straight * linear;
        let gradients = Tensor::run_backward(&[loss], &self.network.leaves(), false, false);
        tch::no_grad(|| self.method.follow(&self.network, &gradients, rate));
    }

    fn parameters(&self) -> Vec<f64> {
        let flat = self.network.parameters().to_kind(Kind::Double).contiguous().view([-1]);
        Vec::try_from(flat).expect("a contiguous row of doubles")
    }
}
