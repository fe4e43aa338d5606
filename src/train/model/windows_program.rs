//! A model in windows as a program and as a state dict.

use super::Model;
use super::windows::Windows;
use crate::activation::Activation;
use crate::error::Result;
use crate::format::pth::NamedTensor;
use crate::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder};
use crate::train::export::push_states;
use crate::train::network::Affine;

impl Model {
    /// [`Self::program`] of a model in windows. The clamps, gains and first layers of all windows are one operation
    /// each, hidden layers one a window: they share no numbers, and one matrix for all would be zeros for the most part.
    pub(in crate::train) fn program_of_windows(&self, windows: &Windows) -> Result<Program> {
        let mut builder = ProgramBuilder::new(self.n_inputs())?;
        let edges: Vec<f32> = windows.edges().iter().map(|&t| t as f32).collect();
        let n_windows = edges.len() - 1;
        let (time, relaxation) = self.solution();

        // Time spent in each window. The start is subtracted after the clamp, which is exact; folded into the first
        // layer it would cancel digits of late times.
        let spread = one_hot(n_windows, self.n_inputs(), |_| time);
        let t = builder.dense(BlockId::INPUT, spread, vec![0.0; n_windows], Activation::Linear)?;
        let starts = builder.constant(edges[..n_windows].to_vec())?;
        let ends = builder.constant(edges[1..].to_vec())?;
        let begun = builder.binary(BinaryOperator::Maximum, t, starts)?;
        let inside = builder.binary(BinaryOperator::Minimum, begun, ends)?;
        let elapsed = builder.binary(BinaryOperator::Subtract, inside, starts)?;

        let n_outputs = self.n_outputs();
        let exponents: Vec<f32> = one_hot(n_windows * n_outputs, n_windows, |row| row / n_outputs)
            .iter()
            .map(|w| (f64::from(*w) / -relaxation) as f32)
            .collect();
        let exponents =
            builder.dense(elapsed, exponents, vec![0.0; n_windows * n_outputs], Activation::Linear)?;
        let decays = builder.push(Operation::Exp { input: exponents })?;
        let one = builder.constant(vec![1.0])?;
        let gains = builder.binary(BinaryOperator::Subtract, one, decays)?;

        let networks = self.folded_windows(windows);
        let changes = self.push_networks(&mut builder, &networks, elapsed)?;
        let grown = builder.binary(BinaryOperator::Multiply, gains, changes)?;
        let sum: Vec<f32> = (0..n_outputs)
            .flat_map(|j| (0..n_windows * n_outputs).map(move |k| f32::from(u8::from(k % n_outputs == j))))
            .collect();
        let sum = builder.dense(grown, sum, vec![0.0; n_outputs], Activation::Linear)?;
        let start = push_states(&mut builder, &self.form().states().expect("a form with states"))?;
        let output = builder.binary(BinaryOperator::Add, start, sum)?;
        let output = self.push_bounds(&mut builder, output)?;
        Ok(builder.finish(output))
    }

    /// [`Self::state_dict`] of a model in windows: networks of names `windows.0.layers.0.weight` …, which read the
    /// time since their window began in place of the time.
    pub(in crate::train) fn state_dict_of_windows(&self, windows: &Windows) -> Vec<NamedTensor> {
        let named = |(i, layers): (usize, Vec<Affine>)| {
            let rename = move |tensor: NamedTensor| NamedTensor {
                name: format!("windows.{i}.{}", tensor.name),
                ..tensor
            };
            layers
                .into_iter()
                .enumerate()
                .flat_map(move |(k, layer)| layer.named(k).map(rename))
                .collect::<Vec<_>>()
        };
        self.folded_windows(windows).into_iter().enumerate().flat_map(named).collect()
    }

    /// What all networks give for the raw inputs and the time `elapsed` in each window, side by side.
    fn push_networks(
        &self,
        builder: &mut ProgramBuilder,
        networks: &[Vec<Affine>],
        elapsed: BlockId,
    ) -> Result<BlockId> {
        let (time, _) = self.solution();
        let (n_windows, n_inputs) = (networks.len(), self.n_inputs());
        let others: Vec<usize> = (0..n_inputs).filter(|&j| j != time).collect();
        let mut features = vec![elapsed];
        for &j in &others {
            features.push(builder.slice(BlockId::INPUT, j, 1)?);
        }
        let features = if others.is_empty() { elapsed } else { builder.concat(&features)? };
        let n_features = n_windows + others.len();
        let (mut weights, mut bias) = (Vec::new(), Vec::new());
        for (i, layers) in networks.iter().enumerate() {
            for (row, b) in layers[0].weights.chunks_exact(n_inputs).zip(&layers[0].bias) {
                let start = weights.len();
                weights.resize(start + n_features, 0.0);
                weights[start + i] = row[time] as f32;
                for (k, &j) in others.iter().enumerate() {
                    weights[start + n_windows + k] = row[j] as f32;
                }
                bias.push(*b as f32);
            }
        }
        let first = builder.dense(features, weights, bias, networks[0][0].activation)?;
        if networks[0].len() == 1 {
            return Ok(first);
        }
        let activation = networks[0][0].activation;
        let width = networks[0][0].bias.len() / activation.inputs_per_output();
        let mut changes = Vec::with_capacity(n_windows);
        for (i, layers) in networks.iter().enumerate() {
            let mut block = builder.slice(first, i * width, width)?;
            for layer in &layers[1..] {
                let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
                block =
                    builder.dense(block, single(&layer.weights), single(&layer.bias), layer.activation)?;
            }
            changes.push(block);
        }
        if n_windows == 1 { Ok(changes[0]) } else { builder.concat(&changes) }
    }

    /// The layers of each window's network with the scalings folded into the first and the last one.
    fn folded_windows(&self, windows: &Windows) -> Vec<Vec<Affine>> {
        let (time, _) = self.solution();
        let (inputs, outputs) = (self.input_scaling(), self.output_scaling());
        let folded = |(part, edges): (&crate::train::FullyConnected, &[f64])| {
            let mut layers: Vec<Affine> = part.layers().iter().map(Affine::of).collect();
            let width = layers[0].n_inputs();
            let first = &mut layers[0];
            for (row, bias) in first.weights.chunks_exact_mut(width).zip(&mut first.bias) {
                for (j, weight) in row.iter_mut().enumerate() {
                    if j == time {
                        *bias -= *weight;
                        *weight *= 2.0 / (edges[1] - edges[0]);
                    } else {
                        *weight /= inputs.scale()[j];
                        *bias -= *weight * inputs.shift()[j];
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
        };
        self.network().parts().iter().zip(windows.edges().windows(2)).map(folded).collect()
    }
}

/// A matrix of zeros with a one in column `column(row)` of each row.
fn one_hot(rows: usize, columns: usize, column: impl Fn(usize) -> usize) -> Vec<f32> {
    let mut matrix = vec![0.0; rows * columns];
    (0..rows).for_each(|row| matrix[row * columns + column(row)] = 1.0);
    matrix
}
