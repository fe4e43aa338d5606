//! Networks on libtorch, for the learner.

use tch::{Device, Kind, Tensor};

use super::fitting::{Curve, Fit};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::train::{Adam, FullyConnected, GradientMethod, Network};

/// Beyond this argument of sinh an error is large enough.
const STEEPEST: f64 = 12.0;

/// A network of `n_features` inputs and `n_outputs` outputs.
pub fn start(
    n_features: usize,
    n_outputs: usize,
    hidden: &[(Activation, usize)],
    seed: u64,
) -> Result<Box<dyn Fit>> {
    let mut network = FullyConnected::new(n_features, n_outputs, hidden)?;
    network.initialise(seed);
    let nothing = || Tensor::zeros([0], (Kind::Float, Device::Cpu));
    let network = Network::from(network);
    let (method, linear) = (adam(&network), 0.0);
    let [inputs, targets, width, scale] = [nothing(), nothing(), nothing(), nothing()];
    Ok(Box::new(Torch { network, method, inputs, targets, width, scale, linear }))
}

struct Torch {
    network: Network,
    method: Box<dyn GradientMethod>,
    inputs: Tensor,
    targets: Tensor,
    width: Tensor,
    scale: Tensor,
    linear: f64,
}

fn adam(network: &Network) -> Box<dyn GradientMethod> {
    Box::new(Adam::default().start(network))
}

/// The mean square of curved errors, and `linear` times that of the errors of what they are curves of; all of one shape, with
/// [`Curve::width`] and [`Curve::scale`] of each output.
pub fn error(found: &Tensor, target: &Tensor, width: &Tensor, scale: &Tensor, linear: f64) -> Tensor {
    let curved = (found - target).square().mean(Kind::Float);
    let increment = |z: &Tensor| (z * width).clamp(-STEEPEST, STEEPEST).sinh() * scale;
    let straight = (increment(found) - increment(target)).square().mean(Kind::Float);
    curved + straight * linear
}

/// Parameters and everything else that the next step of `method` depends on, as one row.
pub fn state(network: &Network, method: &dyn GradientMethod) -> Vec<f64> {
    let mut numbers = row(network.parameters());
    method.state().values().for_each(|tensor| numbers.extend(row(tensor)));
    numbers
}

/// Takes back what [`state`] gave.
pub fn restore(network: &mut Network, method: &mut dyn GradientMethod, numbers: &[f64]) -> Result<()> {
    let mut state = method.state();
    let expected = network.n_parameters() + state.values().map(Tensor::numel).sum::<usize>();
    if expected != numbers.len() {
        let what = format!("{} numbers of a network in training where it has {expected}", numbers.len());
        return Err(Error::format(what));
    }
    let (parameters, mut rest) = numbers.split_at(network.n_parameters());
    network.set_parameters(&Tensor::from_slice(parameters));
    for tensor in state.values_mut() {
        let (own, after) = rest.split_at(tensor.numel());
        *tensor = Tensor::from_slice(own).to_kind(tensor.kind()).view(&tensor.size()[..]);
        rest = after;
    }
    method.restore(&state)
}

/// The numbers of a tensor.
pub fn row(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.to_kind(Kind::Double).contiguous().view([-1]);
    Vec::try_from(flat).expect("a contiguous row of doubles")
}

impl Fit for Torch {
    fn set(&mut self, inputs: &[f32], targets: &[f32], curves: &[Curve], linear: f64) {
        let n_cells = (targets.len() / curves.len()) as i64;
        self.inputs = Tensor::from_slice(inputs).view([n_cells, -1]);
        self.targets = Tensor::from_slice(targets).view([n_cells, -1]);
        let of = |f: &dyn Fn(&Curve) -> f64| {
            Tensor::from_slice(&curves.iter().map(f).collect::<Vec<_>>()).to_kind(Kind::Float)
        };
        self.width = of(&|c| c.width);
        self.scale = of(&|c| c.scale / c.deviation);
        self.linear = linear;
    }

    fn restart(&mut self) {
        self.method = adam(&self.network);
    }

    fn step(&mut self, cells: &[i64], rate: f64) {
        let rows = Tensor::from_slice(cells);
        let (x, z) = (self.inputs.index_select(0, &rows), self.targets.index_select(0, &rows));
        let found = self.network.parts()[0].forward(&x);
        let loss = error(&found, &z, &self.width, &self.scale, self.linear);
        let gradients = Tensor::run_backward(&[loss], &self.network.leaves(), false, false);
        tch::no_grad(|| self.method.follow(&self.network, &gradients, rate));
    }

    fn parameters(&self) -> Vec<f64> {
        row(self.network.parameters())
    }

    fn state(&self) -> Vec<f64> {
        state(&self.network, &*self.method)
    }

    fn restore(&mut self, state: &[f64]) -> Result<()> {
        restore(&mut self.network, &mut *self.method, state)
    }
}
