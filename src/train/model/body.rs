//! How one or several networks make the numbers that a model's form scales and adds up.

use ndarray::Array2;
use tch::Tensor;

use super::{Constants, tensor_of};
use crate::train::network::Network;
use crate::train::scaling::Scaling;

/// What stands between scaled features and the network's numbers, one a scaled output.
#[derive(Debug)]
pub(crate) enum Body {
    /// One network gives them all.
    Single,
    /// Products of a network of the cell and one of the time.
    Product(Product),
    /// A network for each stretch of time, which starts where the one before ended.
    Stages {
        /// Numbers of a state; the first inputs are the initial one.
        n_states: usize,
        /// In order; all by the one network there is, or each by its own.
        stages: Vec<Stage>,
    },
}

/// number of state j = Σₚ branch\[j, p\](cell) · trunk\[j, p\](time); the networks' last biases make up for the offset of
/// DeepONets (Lu et al. 2021).
#[derive(Debug)]
pub(crate) struct Product {
    pub n_states: usize,
    /// Features that the trunk reads: the scaled time and the functions of it.
    pub trunk_columns: Vec<usize>,
    /// Features that the branch reads: all others.
    pub branch_columns: Vec<usize>,
    /// The trunk's features at each of the times that are asked for at once; none where the time is an input.
    pub at: Option<Array2<f64>>,
    trunk_index: Tensor,
    branch_index: Tensor,
    at_tensor: Option<Tensor>,
}

impl Product {
    pub fn new(
        n_states: usize,
        trunk_columns: Vec<usize>,
        branch_columns: Vec<usize>,
        at: Option<Array2<f64>>,
        network: &Network,
    ) -> Self {
        let index = |columns: &[usize]| {
            let columns: Vec<i64> = columns.iter().map(|&c| c as i64).collect();
            Tensor::from_slice(&columns).to_device(network.device())
        };
        let at_tensor = at.as_ref().map(|at| tensor_of(at.view(), network.kind(), network.device()));
        Self {
            n_states,
            trunk_index: index(&trunk_columns),
            branch_index: index(&branch_columns),
            trunk_columns,
            branch_columns,
            at,
            at_tensor,
        }
    }

    fn forward(&self, network: &Network, features: &Tensor) -> Tensor {
        let [branch, trunk] = network.parts() else { unreachable!("a product has two networks") };
        let terms = |x: Tensor| x.view([x.size()[0], self.n_states as i64, -1]);
        let of_cell = terms(branch.forward(&features.index_select(1, &self.branch_index)));
        match &self.at_tensor {
            None => {
                let of_time = terms(trunk.forward(&features.index_select(1, &self.trunk_index)));
                (of_cell * of_time).sum_dim_intlist(2, false, features.kind())
            }
            Some(at) => {
                let of_times = terms(trunk.forward(at));
                let numbers = Tensor::einsum("nsp,ksp->nks", &[of_cell, of_times], None::<&[i64]>);
                numbers.flatten(1, 2)
            }
        }
    }
}

/// One stretch of time: a network that reads the state in which it starts, and gives the changes since then at its times.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Scaling of the state at its start and of the other inputs.
    pub inputs: Scaling,
    /// Scaling of the changes, time after time.
    pub outputs: Scaling,
    constants: Constants,
}

impl Stage {
    pub fn new(inputs: Scaling, outputs: Scaling, network: &Network) -> Self {
        let constants = Constants::new(&inputs, &outputs, &[], None, network);
        Self { inputs, outputs, constants }
    }
}

impl Body {
    /// The stage that one network repeats from each time to the next, with the number of states: it can learn from all of
    /// these steps at once.
    pub fn repeated(&self, network: &Network) -> Option<(usize, &Stage)> {
        match self {
            Self::Stages { n_states, stages } if stages.len() > network.parts().len() => {
                stages.first().map(|stage| (*n_states, stage))
            }
            _ => None,
        }
    }

    /// The network's numbers for scaled features; `model` are the constants of the whole model.
    pub fn forward(&self, network: &Network, model: &Constants, features: &Tensor) -> Tensor {
        match self {
            Self::Single => network.parts()[0].forward(features),
            Self::Product(product) => product.forward(network, features),
            Self::Stages { n_states, stages } => in_stages(*n_states, stages, network, model, features),
        }
    }
}

fn in_stages(
    n_states: usize,
    stages: &[Stage],
    network: &Network,
    model: &Constants,
    features: &Tensor,
) -> Tensor {
    let n_states = n_states as i64;
    let raw = (features - &model.input_offset) / &model.input_factor;
    let others = raw.narrow(1, n_states, raw.size()[1] - n_states);
    let start = raw.narrow(1, 0, n_states);
    let mut state = start.shallow_clone();
    let mut samples = Vec::with_capacity(stages.len());
    for (i, (stage, part)) in stages.iter().zip(network.parts().iter().cycle()).enumerate() {
        let c = &stage.constants;
        let change = match i {
            0 => part.forward(features),
            _ => part.forward(&c.scaled(&Tensor::cat(&[&state, &others], 1))),
        };
        let change = c.output_shift.addcmul(&change, &c.output_scale);
        let n_times = change.size()[1] / n_states;
        let sample = state.repeat([1, n_times]) + change;
        state = sample.narrow(1, (n_times - 1) * n_states, n_states);
        samples.push(sample);
    }
    let samples = Tensor::cat(&samples, 1);
    let n_times = samples.size()[1] / n_states;
    (samples - start.repeat([1, n_times]) - &model.output_shift) / &model.output_scale
}
