//! A trained model as a program for every backend, and as a PyTorch state dict.

use super::model::{Form, Model};
use super::network::Affine;
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
        let mut builder = ProgramBuilder::new(self.n_inputs())?;
        let (features, gain) = self.push_time_functions(&mut builder)?;
        let mut block = features;
        for layer in self.folded_layers() {
            let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
            block = builder.dense(block, single(&layer.weights), single(&layer.bias), layer.activation)?;
        }
        let change = block;
        let output = match self.form() {
            Form::Direct => change,
            Form::Step { .. } => {
                let state = push_states(&mut builder, &self.form().states().expect("a form with states"))?;
                builder.binary(BinaryOperator::Add, state, change)?
            }
            Form::Solution { .. } => {
                let state = push_states(&mut builder, &self.form().states().expect("a form with states"))?;
                let gain = gain.expect("a solution map's gain");
                let grown = builder.binary(BinaryOperator::Multiply, gain, change)?;
                builder.binary(BinaryOperator::Add, state, grown)?
            }
        };
        let output = self.push_bounds(&mut builder, output)?;
        Ok(builder.finish(output))
    }

    /// The network's state dict with the scalings folded into its first and last layer: it reads
    /// raw inputs (and the decays e^(−t/τᵢ) after them where the model has time features) and
    /// gives what the form adds up, in raw units.
    pub fn state_dict(&self) -> Vec<NamedTensor> {
        self.folded_layers().iter().enumerate().flat_map(|(i, layer)| layer.named(i)).collect()
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

    fn folded_layers(&self) -> Vec<Affine> {
        let mut layers: Vec<Affine> = self.network().layers().map(Affine::of).collect();
        let (inputs, outputs) = (self.input_scaling(), self.output_scaling());
        let first = &mut layers[0];
        let width = first.n_inputs();
        for (row, bias) in first.weights.chunks_exact_mut(width).zip(&mut first.bias) {
            for (j, weight) in row.iter_mut().enumerate() {
                // Scaled input (x − shift)/scale, then features 1 − 2·decay.
                if j < inputs.n_columns() {
                    *weight /= inputs.scale()[j];
                    *bias -= *weight * inputs.shift()[j];
                } else {
                    *bias += *weight;
                    *weight *= -2.0;
                }
            }
        }
        let last = layers.last_mut().expect("a network has a last layer");
        let width = last.n_inputs();
        for (j, (row, bias)) in last.weights.chunks_exact_mut(width).zip(&mut last.bias).enumerate() {
            row.iter_mut().for_each(|weight| *weight *= outputs.scale()[j]);
            *bias = *bias * outputs.scale()[j] + outputs.shift()[j];
        }
        layers
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

/// States as a block, with one slice or constant for each run of neighbours.
fn push_states(builder: &mut ProgramBuilder, states: &[Initial]) -> Result<BlockId> {
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
