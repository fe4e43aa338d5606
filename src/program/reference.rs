//! Evaluation of a program in double precision, one cell at a time: the yardstick for every
//! faster way of running it.

use super::{BinaryOperator, Operation, Program, Table};
use crate::activation::{Activation, SELU_ALPHA, SELU_SCALE};

impl Program {
    /// Outputs for one cell's inputs, in double precision with the file's own constants.
    ///
    /// # Panics
    /// If `inputs` has not [`Program::n_inputs`] elements.
    pub fn evaluate_reference(&self, inputs: &[f64]) -> Vec<f64> {
        assert_eq!(inputs.len(), self.n_inputs());
        let mut blocks = vec![inputs.to_vec()];
        for operation in &self.operations {
            let result = evaluate(operation, &blocks);
            blocks.push(result);
        }
        blocks.swap_remove(self.output.0)
    }
}

impl Table {
    /// Values of its functions at `x`, in double precision.
    pub(crate) fn look_up(&self, x: f64) -> Vec<f64> {
        let rows = self.n_rows();
        let position = position(self, x).clamp(0.0, (rows - 1) as f64);
        // NaN casts to 0 and stays NaN in the fraction.
        let row = (position as usize).min(rows - 2);
        let fraction = position - row as f64;
        let value = |r: usize, c: usize| f64::from(self.values[r * self.width + c]);
        (0..self.width).map(|c| value(row, c) + fraction * (value(row + 1, c) - value(row, c))).collect()
    }
}

fn evaluate(operation: &Operation, blocks: &[Vec<f64>]) -> Vec<f64> {
    match operation {
        Operation::Constant { values } => values.iter().map(|&v| f64::from(v)).collect(),
        Operation::Dense { input, weights, bias, activation } => {
            let x = &blocks[input.0];
            let rows = weights.chunks_exact(x.len());
            let sums = rows.zip(bias).map(|(row, &b)| {
                f64::from(b) + row.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum::<f64>()
            });
            sums.map(|s| activate(*activation, s)).collect()
        }
        Operation::Activation { input, activation } => {
            blocks[input.0].iter().map(|&x| activate(*activation, x)).collect()
        }
        Operation::Exp { input } => blocks[input.0].iter().map(|x| x.exp()).collect(),
        Operation::Binary { operator, left, right } => {
            let (l, r) = (&blocks[left.0], &blocks[right.0]);
            let column = |block: &[f64], i: usize| if block.len() == 1 { block[0] } else { block[i] };
            (0..l.len().max(r.len())).map(|i| combine(*operator, column(l, i), column(r, i))).collect()
        }
        Operation::Concat { inputs } => inputs.iter().flat_map(|b| blocks[b.0].clone()).collect(),
        Operation::Slice { input, start, width } => blocks[input.0][*start..start + width].to_vec(),
        Operation::Table { input, table } => table.look_up(blocks[input.0][0]),
        Operation::Relax { state, rate, drive } => {
            let (y, k, a) = (&blocks[state.0], &blocks[rate.0], &blocks[drive.0]);
            (0..y.len()).map(|i| y[i] + (a[i] - k[i] * y[i])).collect()
        }
        Operation::Slope { input, activation } => {
            blocks[input.0].iter().map(|&x| slope(*activation, x)).collect()
        }
        Operation::TableSlope { input, table } => slope_of_table(table, blocks[input.0][0]),
    }
}

pub(super) fn combine(operator: BinaryOperator, l: f64, r: f64) -> f64 {
    match operator {
        BinaryOperator::Add => l + r,
        BinaryOperator::Subtract => l - r,
        BinaryOperator::Multiply => l * r,
        BinaryOperator::Divide => l / r,
        BinaryOperator::Minimum | BinaryOperator::Maximum if l.is_nan() || r.is_nan() => f64::NAN,
        BinaryOperator::Minimum => l.min(r),
        BinaryOperator::Maximum => l.max(r),
    }
}

fn position(table: &Table, x: f64) -> f64 {
    (x - f64::from(table.first)) * f64::from(table.rows_per_unit)
}

fn slope_of_table(table: &Table, x: f64) -> Vec<f64> {
    let (position, last) = (position(table, x), table.n_rows() - 1);
    let row = (position as usize).min(last - 1);
    let value = |r: usize, c: usize| f64::from(table.values[r * table.width + c]);
    let slope = |c| match position {
        p if p.is_nan() => p,
        p if p < 0.0 || p > last as f64 => 0.0,
        _ => (value(row + 1, c) - value(row, c)) * f64::from(table.rows_per_unit),
    };
    (0..table.width).map(slope).collect()
}

fn activate(activation: Activation, x: f64) -> f64 {
    let elu = |alpha: f64| if x > 0.0 { x } else { alpha * x.exp_m1() };
    match activation {
        Activation::Linear => x,
        Activation::Relu if x.is_nan() => x,
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu { slope } => {
            if x > 0.0 {
                x
            } else {
                f64::from(slope) * x
            }
        }
        Activation::Elu { alpha } => elu(f64::from(alpha)),
        Activation::Selu => f64::from(SELU_SCALE) * elu(f64::from(SELU_ALPHA)),
        Activation::Celu { alpha } => {
            let alpha = f64::from(alpha);
            if x > 0.0 { x } else { alpha * (x / alpha).exp_m1() }
        }
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
        Activation::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p() + 0.0 * x,
        Activation::Silu => x * sigmoid(x),
        Activation::Gelu => x * 0.5 * erfc(-x / std::f64::consts::SQRT_2),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            x * sigmoid(2.0 * inner)
        }
        Activation::RRelu { .. } | Activation::Glu => activation.no_function(),
    }
}

/// The derivative of `activation`, from its value where that is enough, else from its argument.
fn slope(activation: Activation, from: f64) -> f64 {
    let step = |above: f64, below: f64| match from {
        y if y.is_nan() => y,
        y if y > 0.0 => above,
        _ => below,
    };
    let unit = |scale: f64, alpha: f64, width: f64| step(scale, (from + scale * alpha) / width);
    match activation {
        Activation::Linear => step(1.0, 1.0),
        Activation::Relu => step(1.0, 0.0),
        Activation::LeakyRelu { slope } => step(1.0, f64::from(slope)),
        Activation::Elu { alpha } => unit(1.0, f64::from(alpha), 1.0),
        Activation::Selu => unit(f64::from(SELU_SCALE), f64::from(SELU_ALPHA), 1.0),
        Activation::Celu { alpha } => unit(1.0, f64::from(alpha), f64::from(alpha)),
        Activation::Tanh => (1.0 - from) * (1.0 + from),
        Activation::Sigmoid => from * (1.0 - from),
        Activation::Softplus => -(-from).exp_m1(),
        Activation::Silu => sigmoid(from) * (1.0 + from * sigmoid(-from)),
        Activation::Gelu => {
            let density = (-0.5 * from * from).exp() / (2.0 * std::f64::consts::PI).sqrt();
            0.5 * erfc(-from / std::f64::consts::SQRT_2) + from * density
        }
        Activation::GeluTanh => {
            let k = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
            let (inner, slope) = (from + 0.044715 * from.powi(3), 1.0 + 3.0 * 0.044715 * from * from);
            sigmoid(k * inner) * (1.0 + from * sigmoid(-k * inner) * k * slope)
        }
        Activation::RRelu { .. } | Activation::Glu => activation.no_function(),
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Complementary error function of the C library.
fn erfc(x: f64) -> f64 {
    unsafe extern "C" {
        safe fn erfc(x: f64) -> f64;
    }
    erfc(x)
}
