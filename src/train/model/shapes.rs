//! Models of several networks: branch–trunk products, and stages of time one after the other.

use ndarray::Array2;

use super::body::Stage;
use super::{Body, Form, Model, Product, check_columns};
use crate::error::{Error, Result};
use crate::train::network::{FullyConnected, Network};
use crate::train::scaling::Scaling;

/// One stretch of time of a [`Model::in_stages`].
#[derive(Debug)]
pub struct StageNetwork {
    /// From the state at the start and the other inputs to the changes since then, time after time.
    pub network: FullyConnected,
    /// Scaling of what it reads.
    pub inputs: Scaling,
    /// Scaling of what it gives.
    pub outputs: Scaling,
}

impl Model {
    /// A branch–trunk product: each output is the sum of p products of what `branch` makes of the inputs and `trunk` of
    /// the time (input column `time`, and a feature for each of `time_constants`). Both networks give p numbers for the
    /// first output, then p for the second, ….
    ///
    /// # Errors
    /// Networks, scalings or columns that do not fit each other.
    pub fn branch_trunk(
        [branch, trunk]: [FullyConnected; 2],
        inputs: Scaling,
        outputs: Scaling,
        form: Form,
        time: usize,
        time_constants: &[f64],
    ) -> Result<Self> {
        check_columns(&inputs, &outputs, &form, time, time_constants)?;
        let (n_inputs, n_states) = (inputs.n_columns(), outputs.n_columns());
        let widths = [branch.n_inputs(), trunk.n_inputs()];
        let terms = [branch.n_outputs(), trunk.n_outputs()];
        if widths != [n_inputs - 1, 1 + time_constants.len()]
            || terms[0] != terms[1]
            || !terms[0].is_multiple_of(n_states)
        {
            return Err(Error::invalid(format!(
                "a branch of {} inputs and {} outputs and a trunk of {} and {} for {n_inputs} inputs, {} time \
                 features and {n_states} outputs",
                widths[0],
                terms[0],
                widths[1],
                terms[1],
                time_constants.len()
            )));
        }
        let network = Network::of_parts(vec![branch, trunk])?;
        let trunk_columns = std::iter::once(time).chain(n_inputs..n_inputs + time_constants.len()).collect();
        let branch_columns = (0..n_inputs).filter(|&c| c != time).collect();
        let product = Product::new(n_states, trunk_columns, branch_columns, None, &network);
        let model = Self::assemble(network, inputs, outputs, form, time, time_constants.to_vec());
        Ok(Self { body: Body::Product(product), ..model })
    }

    /// The same branch–trunk product for all of `times` at once: the time is no input any more, and the outputs are those
    /// at the first time, then those at the second, ….
    ///
    /// # Errors
    /// Another shape of model, or no times.
    pub fn at_times(self, times: &[f64]) -> Result<Self> {
        let Body::Product(product) = &self.body else {
            return Err(Error::invalid("times of a model whose networks read the time with everything else")
                .remedy("use a branch and a trunk"));
        };
        if times.is_empty() || product.at.is_some() || self.inputs.n_columns() < 2 {
            return Err(Error::invalid(format!("{} times of a branch and a trunk", times.len())));
        }
        let time = self.time;
        let (shift, scale) = (self.inputs.shift()[time], self.inputs.scale()[time]);
        let at = Array2::from_shape_fn((times.len(), 1 + self.time_constants.len()), |(k, j)| match j {
            0 => (times[k] - shift) / scale,
            _ => 1.0 - 2.0 * (-times[k] / self.time_constants[j - 1]).exp(),
        });
        let without_time = |values: &[f64]| {
            let kept = values.iter().enumerate().filter(|(c, _)| *c != time);
            kept.map(|(_, v)| *v).collect::<Vec<f64>>()
        };
        let inputs = Scaling::new(without_time(self.inputs.shift()), without_time(self.inputs.scale()))?;
        let column = |c: &usize| c - usize::from(*c > time);
        let repeated = |states: Vec<usize>| times.iter().flat_map(|_| states.iter().map(column)).collect();
        let (form, gains): (Form, Vec<f64>) = match &self.form {
            Form::Direct => (Form::Direct, vec![1.0; times.len()]),
            Form::Step { states } => {
                (Form::Step { states: repeated(states.clone()) }, vec![1.0; times.len()])
            }
            Form::Solution { states, relaxation, .. } => {
                let columns: Option<Vec<usize>> = states.iter().map(|s| s.column()).collect();
                let columns = columns.ok_or_else(|| {
                    Error::invalid("times of a map from states that do not vary")
                        .remedy("use the direct form")
                })?;
                let gains = times.iter().map(|t| -(-t / relaxation).exp_m1()).collect();
                (Form::Step { states: repeated(columns) }, gains)
            }
        };
        let times_gain =
            |values: &[f64]| gains.iter().flat_map(|g| values.iter().map(move |v| g * v)).collect();
        let outputs = Scaling::new(times_gain(self.outputs.shift()), times_gain(self.outputs.scale()))?;
        let branch_columns = (0..inputs.n_columns()).collect();
        let product = Product::new(product.n_states, Vec::new(), branch_columns, Some(at), &self.network);
        let model = Self::assemble(self.network, inputs, outputs, form, 0, Vec::new());
        Ok(Self { body: Body::Product(product), ..model })
    }

    /// States at several times in stages: the first network goes from the initial state, which are the first inputs, to the
    /// states at its times, the next one from the last of these to those at its own, …. What tells cells apart is the
    /// state in which a stage starts, so that no network has to resolve what an unstable state has spread in several stages.
    ///
    /// `inputs` and `outputs` are the scalings of the inputs and of all changes since the initial state, time after time.
    ///
    /// # Errors
    /// Networks or scalings that do not fit each other.
    pub fn in_stages(
        stages: Vec<StageNetwork>,
        n_states: usize,
        inputs: Scaling,
        outputs: Scaling,
    ) -> Result<Self> {
        let (n_inputs, n_outputs) = (inputs.n_columns(), outputs.n_columns());
        let fits = |s: &StageNetwork| {
            let n = s.network.n_outputs();
            s.network.n_inputs() == n_inputs
                && s.inputs.n_columns() == n_inputs
                && s.outputs.n_columns() == n
                && n > 0
                && n.is_multiple_of(n_states)
        };
        let given: usize = stages.iter().map(|s| s.network.n_outputs()).sum();
        if n_states == 0 || n_states > n_inputs || given != n_outputs || !stages.iter().all(fits) {
            return Err(Error::invalid(format!(
                "{} stages with {given} outputs for {n_inputs} inputs, {n_states} states and {n_outputs} outputs",
                stages.len()
            )));
        }
        // The first stage reads what the model reads.
        if stages.first().is_some_and(|first| first.inputs != inputs) {
            return Err(Error::invalid("a first stage whose inputs are scaled unlike the model's"));
        }
        let (networks, scalings): (Vec<_>, Vec<_>) =
            stages.into_iter().map(|s| (s.network, (s.inputs, s.outputs))).unzip();
        let network = Network::of_parts(networks)?;
        let stages = scalings.into_iter().map(|(x, y)| Stage::new(x, y, &network)).collect();
        let states = (0..n_outputs).map(|i| i % n_states).collect();
        let model = Self::assemble(network, inputs, outputs, Form::Step { states }, 0, Vec::new());
        Ok(Self { body: Body::Stages { n_states, stages }, ..model })
    }

    /// As [`Self::in_stages`], with one network for `n_times` stages of the same length: what it learns of one stretch of time
    /// serves in all. It is trained on all single stages, from the exact states at their starts.
    ///
    /// # Errors
    /// A network or scalings that do not fit each other.
    pub fn repeated(stage: StageNetwork, n_states: usize, n_times: usize, outputs: Scaling) -> Result<Self> {
        let StageNetwork { network, inputs, outputs: of_stage } = stage;
        let widths = [inputs.n_columns(), of_stage.n_columns(), outputs.n_columns()];
        let fits = [network.n_inputs(), network.n_outputs(), n_times * n_states] == widths
            && network.n_outputs() == n_states
            && (1..=network.n_inputs()).contains(&n_states);
        if !fits || n_times < 2 {
            return Err(Error::invalid(format!(
                "a network of {} inputs and {} outputs for {n_times} stages of {n_states} states",
                network.n_inputs(),
                network.n_outputs()
            )));
        }
        let network = Network::from(network);
        let stages = (0..n_times).map(|_| Stage::new(inputs.clone(), of_stage.clone(), &network)).collect();
        let states = (0..n_times * n_states).map(|i| i % n_states).collect();
        let model = Self::assemble(network, inputs, outputs, Form::Step { states }, 0, Vec::new());
        Ok(Self { body: Body::Stages { n_states, stages }, ..model })
    }
}
