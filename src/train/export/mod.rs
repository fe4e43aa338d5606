//! A trained model as a program for every backend, and as a PyTorch state dict.

mod folded;

use ndarray::Array2;

use self::folded::Folded;
use super::model::{Body, Form, Model, Product, Stage};
use super::network::numbers;
use super::scaling::Scaling;
use super::task::Initial;
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::format::pth::NamedTensor;
use crate::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder};

impl Model {
    /// The model as a program from raw inputs to raw outputs. The scalings are folded into the
    /// first and last layer, in double precision, so that they cost nothing.
    ///
    /// # Errors
    /// Parameters that are not finite.
    pub fn program(&self) -> Result<Program> {
        if let Some(windows) = self.windows() {
            return self.program_of_windows(windows);
        }
        let mut builder = ProgramBuilder::new(self.n_inputs())?;
        if let Body::Stages { n_states, stages } = self.body() {
            let output = self.push_stages(&mut builder, *n_states, stages.len())?;
            return Ok(builder.finish(output));
        }
        let (features, gain) = self.push_time_functions(&mut builder)?;
        let networks = self.folded_networks();
        let change = match self.body() {
            Body::Product(product) if product.at.is_none() => {
                self.push_product(&mut builder, product, &networks, features)?
            }
            _ => networks[0].push(&mut builder, features)?,
        };
        let output = match self.form() {
            Form::Direct => change,
            Form::Step { states } => {
                let state = columns(&mut builder, BlockId::INPUT, states)?;
                builder.binary(BinaryOperator::Add, state, change)?
            }
            Form::Solution { states, .. } => {
                let state = push_states(&mut builder, states)?;
                let gain = gain.expect("a solution map's gain");
                let grown = builder.binary(BinaryOperator::Multiply, gain, change)?;
                builder.binary(BinaryOperator::Add, state, grown)?
            }
        };
        let output = self.push_bounds(&mut builder, output)?;
        Ok(builder.finish(output))
    }

    /// The networks' state dict with the scalings folded into their first and last layers: a network reads raw inputs
    /// (and the decays e^(−t/τᵢ) after them where the model has time features) and gives what the form adds up, in raw
    /// units. Of several networks the names begin with `branch.` and `trunk.`, or with `stages.0.`, ….
    pub fn state_dict(&self) -> Vec<NamedTensor> {
        if let Some(windows) = self.windows() {
            return self.state_dict_of_windows(windows);
        }
        self.folded_networks().iter().flat_map(|network| network.named().collect::<Vec<_>>()).collect()
    }

    /// The input of the first layer, and the gain 1 − e^(−t/τ) of a solution map.
    fn push_time_functions(&self, builder: &mut ProgramBuilder) -> Result<(BlockId, Option<BlockId>)> {
        let (time, constants) = self.time_features();
        let mut decays: Vec<(usize, f64)> = constants.iter().map(|&tau| (time, tau)).collect();
        if let Form::Solution { time, relaxation, .. } = self.form() {
            decays.push((*time, *relaxation));
        }
        if decays.is_empty() {
            return Ok((BlockId::INPUT, None));
        }
        let mut weights = vec![0.0; decays.len() * self.n_inputs()];
        for (i, (column, tau)) in decays.iter().enumerate() {
            weights[i * self.n_inputs() + column] = (-1.0 / tau) as f32;
        }
        let bias = vec![0.0; decays.len()];
        let exponents = builder.dense(BlockId::INPUT, weights, bias, Activation::Linear)?;
        let decays = builder.push(Operation::Exp { input: exponents })?;
        let features = match constants.len() {
            0 => BlockId::INPUT,
            n => {
                let decays = builder.slice(decays, 0, n)?;
                builder.concat(&[BlockId::INPUT, decays])?
            }
        };
        let gain = match self.form() {
            Form::Solution { .. } => {
                let one = builder.constant(vec![1.0])?;
                let decay = builder.slice(decays, constants.len(), 1)?;
                Some(builder.binary(BinaryOperator::Subtract, one, decay)?)
            }
            Form::Direct | Form::Step { .. } => None,
        };
        Ok((features, gain))
    }

    /// The networks with the scalings folded into their layers; a product at known times is one network.
    fn folded_networks(&self) -> Vec<Folded> {
        let parts = self.network().parts();
        let (inputs, outputs) = (self.input_scaling(), self.output_scaling());
        let of_inputs = pairs(inputs);
        // A feature of the time is 1 − 2·decay.
        let features: Vec<_> =
            of_inputs.iter().copied().chain(self.time_features().1.iter().map(|_| (0.5, -0.5))).collect();
        match self.body() {
            Body::Single => {
                let network = Folded::of("", &parts[0]).with_inputs(&features);
                vec![network.with_outputs(outputs.shift(), outputs.scale())]
            }
            Body::Product(product) => {
                let chosen = |columns: &[usize]| columns.iter().map(|&c| features[c]).collect::<Vec<_>>();
                match &product.at {
                    None => vec![
                        Folded::of("branch.", &parts[0]).with_inputs(&chosen(&product.branch_columns)),
                        Folded::of("trunk.", &parts[1]).with_inputs(&chosen(&product.trunk_columns)),
                    ],
                    Some(at) => {
                        let at = self.tensor(at.view());
                        let factors = numbers(&tch::no_grad(|| parts[1].forward(&at)));
                        let shape = (product.at.as_ref().map_or(0, Array2::nrows), parts[1].n_outputs());
                        let factors = Array2::from_shape_vec(shape, factors).expect("one row a time");
                        let branch = Folded::of("", &parts[0]).with_inputs(&features);
                        let network = branch.with_factors(&factors, product.n_states);
                        vec![network.with_outputs(outputs.shift(), outputs.scale())]
                    }
                }
            }
            Body::Stages { stages, .. } => {
                let folded = |(i, (stage, part)): (usize, (&Stage, _))| {
                    let network = Folded::of(format!("stages.{i}."), part).with_inputs(&pairs(&stage.inputs));
                    network.with_outputs(stage.outputs.shift(), stage.outputs.scale())
                };
                parts.iter().zip(stages).map(|(part, stage)| (stage, part)).enumerate().map(folded).collect()
            }
        }
    }

    /// The sums of products of branch and trunk, in raw units.
    fn push_product(
        &self,
        builder: &mut ProgramBuilder,
        product: &Product,
        networks: &[Folded],
        features: BlockId,
    ) -> Result<BlockId> {
        let cell = columns(builder, features, &product.branch_columns)?;
        let time = columns(builder, features, &product.trunk_columns)?;
        let (branch, trunk) = (networks[0].push(builder, cell)?, networks[1].push(builder, time)?);
        let terms = builder.binary(BinaryOperator::Multiply, branch, trunk)?;
        let n_terms = builder.width(terms);
        let rank = n_terms / product.n_states;
        let outputs = self.output_scaling();
        let mut weights = vec![0.0; product.n_states * n_terms];
        for j in 0..product.n_states {
            weights[j * n_terms + j * rank..][..rank].fill(outputs.scale()[j] as f32);
        }
        let bias = outputs.shift().iter().map(|&x| x as f32).collect::<Vec<_>>();
        builder.dense(terms, weights, bias, Activation::Linear)
    }

    /// The states at the times of all stages.
    fn push_stages(&self, builder: &mut ProgramBuilder, n_states: usize, n_stages: usize) -> Result<BlockId> {
        let n_others = self.n_inputs() - n_states;
        let others = match n_others {
            0 => None,
            n => Some(builder.slice(BlockId::INPUT, n_states, n)?),
        };
        let mut state = columns(builder, BlockId::INPUT, &(0..n_states).collect::<Vec<_>>())?;
        let mut input = BlockId::INPUT;
        let mut samples = Vec::new();
        // One network may be repeated.
        for network in self.folded_networks().iter().cycle().take(n_stages) {
            let change = network.push(builder, input)?;
            let n_times = builder.width(change) / n_states;
            let start = match n_times {
                1 => state,
                n => builder.concat(&vec![state; n])?,
            };
            let sample = builder.binary(BinaryOperator::Add, start, change)?;
            state = match n_times {
                1 => sample,
                n => builder.slice(sample, (n - 1) * n_states, n_states)?,
            };
            input = match others {
                None => state,
                Some(others) => builder.concat(&[state, others])?,
            };
            samples.push(sample);
        }
        match samples.as_slice() {
            [single] => Ok(*single),
            several => builder.concat(several),
        }
    }

    /// Compares the program with the network on `inputs` (raw, one row a cell).
    ///
    /// # Errors
    /// A difference beyond single precision: the exported file would not be what was trained.
    pub fn check_program(&self, program: &Program, inputs: ndarray::ArrayView2<f64>) -> Result<()> {
        let trained = self.predict(inputs);
        for (row, expected) in inputs.rows().into_iter().zip(trained.rows()) {
            let given = program.evaluate_reference(&row.to_vec());
            for (j, (&given, &expected)) in given.iter().zip(expected).enumerate() {
                let scale = expected.abs().max(self.output_scaling().scale()[j]);
                if (given - expected).abs() > 1e-4 * scale || !given.is_finite() {
                    return Err(Error::numeric(format!(
                        "the exported program gives {given} where the network gives {expected}, for inputs {row}"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Shift and scale of each column.
fn pairs(scaling: &Scaling) -> Vec<(f64, f64)> {
    scaling.shift().iter().copied().zip(scaling.scale().iter().copied()).collect()
}

/// States as a block, with one slice or constant for each run of neighbours.
pub(super) fn push_states(builder: &mut ProgramBuilder, states: &[Initial]) -> Result<BlockId> {
    let follows = |a: &Initial, b: &Initial| match (a, b) {
        (Initial::Column(a), Initial::Column(b)) => a + 1 == *b,
        (Initial::Fixed(_), Initial::Fixed(_)) => true,
        _ => false,
    };
    let run = |run: &[Initial]| match run[0] {
        Initial::Column(start) => builder.slice(BlockId::INPUT, start, run.len()),
        Initial::Fixed(_) => {
            builder.constant(run.iter().filter_map(|s| s.fixed()).map(|x| x as f32).collect::<Vec<_>>())
        }
    };
    let runs = states.chunk_by(follows).map(run).collect::<Result<Vec<_>>>()?;
    match runs.as_slice() {
        [single] => Ok(*single),
        several => builder.concat(several),
    }
}

/// Columns of `block` as a block, with one slice for each run of neighbours.
fn columns(builder: &mut ProgramBuilder, block: BlockId, columns: &[usize]) -> Result<BlockId> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &column in columns {
        match runs.last_mut() {
            Some((start, length)) if *start + *length == column => *length += 1,
            _ => runs.push((column, 1)),
        }
    }
    let mut slices: Vec<BlockId> = Vec::with_capacity(runs.len());
    for (i, &(start, length)) in runs.iter().enumerate() {
        // The states of many times are the same columns again and again.
        let slice = match runs[..i].iter().position(|&earlier| earlier == (start, length)) {
            Some(earlier) => slices[earlier],
            None if (start, length) == (0, builder.width(block)) => block,
            None => builder.slice(block, start, length)?,
        };
        slices.push(slice);
    }
    match slices.as_slice() {
        [single] => Ok(*single),
        several => builder.concat(several),
    }
}
