//! The reference: plain loops, one lane at a time, with the standard library's functions.

use super::{ColumnSums, Kernels, Operand, OperandPair, Operator, PackedDense, TILE, UniformTable, pairs};
use crate::activation::{Activation, SELU_ALPHA, SELU_SCALE};

pub static KERNELS: Kernels = Kernels {
    name: "scalar",
    transfer: &pairs::SCALAR,
    dense_rows: 4,
    dense,
    dense_one,
    activation,
    exp,
    binary,
    binary_of_pairs,
    sums,
    table,
    relax,
    slope,
    table_slope,
};

/// # Safety
/// See [`Kernels`].
unsafe fn dense(layer: &PackedDense, x: *const f32, y: *mut f32, lanes: usize) {
    for block_rows in layer.blocks() {
        let (first, rows) = (block_rows.start, block_rows.len());
        let block = &layer.weights[first * (layer.n_inputs + 1)..];
        for row in 0..rows {
            for lane in 0..lanes {
                let mut sum = block[row];
                for input in 0..layer.n_inputs {
                    // SAFETY: inside the columns that the caller vouched for.
                    sum += block[(input + 1) * rows + row] * unsafe { *x.add(input * TILE + lane) };
                }
                // SAFETY: as above.
                unsafe { *y.add((first + row) * TILE + lane) = activate(layer.activation, sum) };
            }
        }
    }
}

/// # Safety
/// See [`Kernels`].
unsafe fn dense_one(layer: &PackedDense, x: *const f32, y: *mut f32) {
    for output in 0..layer.n_outputs {
        // SAFETY: inside the n_inputs + 1 rows.
        let weight =
            |row: usize| unsafe { *layer.weights_by_input().add(row * layer.padded_outputs + output) };
        let mut sum = weight(0);
        for input in 0..layer.n_inputs {
            // SAFETY: inside the columns that the caller vouched for.
            sum += weight(input + 1) * unsafe { *x.add(input * TILE) };
        }
        // SAFETY: as above.
        unsafe { *y.add(output * TILE) = activate(layer.activation, sum) };
    }
}

/// # Safety
/// See [`Kernels`].
unsafe fn activation(activation: Activation, x: *const f32, y: *mut f32, width: usize, lanes: usize) {
    // SAFETY: the caller's blocks are `width` columns wide.
    unsafe { for_each(width, lanes, |i| *y.add(i) = activate(activation, *x.add(i))) }
}

/// # Safety
/// See [`Kernels`].
unsafe fn exp(x: *const f32, y: *mut f32, width: usize, lanes: usize) {
    // SAFETY: the caller's blocks are `width` columns wide.
    unsafe { for_each(width, lanes, |i| *y.add(i) = (*x.add(i)).exp()) }
}

/// # Safety
/// See [`Kernels`].
unsafe fn binary(operator: Operator, left: Operand, right: Operand, y: *mut f32, width: usize, lanes: usize) {
    // SAFETY: a repeated operand has one column, any other `width` columns.
    let value = |operand: Operand, i: usize| unsafe {
        *operand.columns.add(if operand.repeated { i % TILE } else { i })
    };
    // SAFETY: the result is `width` columns wide.
    unsafe { for_each(width, lanes, |i| *y.add(i) = combine(operator, value(left, i), value(right, i))) }
}

/// # Safety
/// See [`Kernels`].
unsafe fn binary_of_pairs(
    operator: Operator,
    base: *const f32,
    pairs: &[OperandPair],
    y: *mut f32,
    lanes: usize,
) {
    for (i, pair) in pairs.iter().enumerate() {
        for lane in 0..lanes {
            // SAFETY: the caller vouches for the columns of all pairs.
            let value = |offset: u32| unsafe { *base.add(offset as usize + lane) };
            // SAFETY: the result has a column for each pair.
            unsafe { *y.add(i * TILE + lane) = combine(operator, value(pair.left), value(pair.right)) };
        }
    }
}

/// # Safety
/// See [`Kernels`].
unsafe fn sums(sums: &ColumnSums, base: *const f32, y: *mut f32, lanes: usize) {
    let mut first = 0;
    for (i, sum) in sums.sums.iter().enumerate() {
        let terms = &sums.terms[first..first + sum.n_terms];
        first += sum.n_terms;
        for lane in 0..lanes {
            // SAFETY: the caller vouches for the columns of all terms.
            let value = |offset: u32| unsafe { *base.add(offset as usize + lane) };
            let weighed = terms.iter().map(|term| term.weight * value(term.offset));
            // SAFETY: the result has a column for each sum.
            unsafe { *y.add(i * TILE + lane) = weighed.fold(sum.bias, |sum, term| sum + term) };
        }
    }
}

/// # Safety
/// See [`Kernels`].
unsafe fn table(table: &UniformTable, x: *const f32, y: *mut f32, lanes: usize) {
    let last = table.n_rows - 1;
    for lane in 0..lanes {
        // SAFETY: the argument is one column.
        let position = (unsafe { *x.add(lane) } - table.first) * table.rows_per_unit;
        let position = position.clamp(0.0, last as f32);
        // NaN casts to row 0 and stays NaN in the fraction.
        let row = (position as usize).min(last - 1);
        let fraction = position - row as f32;
        for column in 0..table.width {
            let i = row * table.width + column;
            let rise = table.values[i + table.width] - table.values[i];
            let value = table.values[i] + rise * fraction;
            // SAFETY: the result has the table's width.
            unsafe { *y.add(column * TILE + lane) = value };
        }
    }
}

/// # Safety
/// See [`Kernels`].
unsafe fn relax(
    state: *const f32,
    rate: *const f32,
    drive: *const f32,
    y: *mut f32,
    width: usize,
    lanes: usize,
) {
    // SAFETY: all blocks are `width` columns wide.
    unsafe {
        for_each(width, lanes, |i| *y.add(i) = *state.add(i) + (*drive.add(i) - *rate.add(i) * *state.add(i)))
    }
}

/// # Safety
/// See [`Kernels`].
unsafe fn slope(activation: Activation, x: *const f32, y: *mut f32, width: usize, lanes: usize) {
    // SAFETY: the caller's blocks are `width` columns wide.
    unsafe { for_each(width, lanes, |i| *y.add(i) = slope_at(activation, *x.add(i))) }
}

/// # Safety
/// See [`Kernels`].
unsafe fn table_slope(table: &UniformTable, x: *const f32, y: *mut f32, lanes: usize) {
    let last = table.n_rows - 1;
    for lane in 0..lanes {
        // SAFETY: the argument is one column.
        let position = (unsafe { *x.add(lane) } - table.first) * table.rows_per_unit;
        let row = (position as usize).min(last - 1);
        for column in 0..table.width {
            let slope = match position {
                p if p.is_nan() => p,
                p if p < 0.0 || p > last as f32 => 0.0,
                _ => {
                    let i = row * table.width + column;
                    (table.values[i + table.width] - table.values[i]) * table.rows_per_unit
                }
            };
            // SAFETY: the result has the table's width.
            unsafe { *y.add(column * TILE + lane) = slope };
        }
    }
}

/// Calls `f` with the offset of every lane of every column.
fn for_each(width: usize, lanes: usize, mut f: impl FnMut(usize)) {
    for column in 0..width {
        for lane in 0..lanes {
            f(column * TILE + lane);
        }
    }
}

fn combine(operator: Operator, left: f32, right: f32) -> f32 {
    match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Minimum | Operator::Maximum if left.is_nan() || right.is_nan() => f32::NAN,
        Operator::Minimum => left.min(right),
        Operator::Maximum => left.max(right),
    }
}

fn activate(activation: Activation, x: f32) -> f32 {
    let elu = |alpha: f32| if x > 0.0 { x } else { alpha * x.exp_m1() };
    match activation {
        Activation::Linear => x,
        Activation::Relu => {
            if x < 0.0 {
                0.0
            } else {
                x
            }
        }
        Activation::LeakyRelu { slope } => {
            if x > 0.0 {
                x
            } else {
                slope * x
            }
        }
        Activation::Elu { alpha } => elu(alpha),
        Activation::Selu => SELU_SCALE * elu(SELU_ALPHA),
        Activation::Celu { alpha } => {
            if x > 0.0 {
                x
            } else {
                alpha * (x / alpha).exp_m1()
            }
        }
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
        Activation::Softplus => (if x < 0.0 { 0.0 } else { x }) + (-x.abs()).exp().ln_1p(),
        Activation::Silu => x * sigmoid(x),
        Activation::Gelu => 0.5 * x * erfcf(-x * std::f32::consts::FRAC_1_SQRT_2),
        Activation::GeluTanh => {
            // √(2/π)
            let inner = 0.797_884_6 * (x + 0.044_715 * x * x * x);
            x * sigmoid(2.0 * inner)
        }
        Activation::RRelu { .. } | Activation::Glu => activation.no_function(),
    }
}

/// The derivative of `activation` from its value or argument; arguments are limited to where the
/// factors of its terms do not overflow.
fn slope_at(activation: Activation, from: f32) -> f32 {
    let step = |above: f32, below: f32| match from {
        y if y.is_nan() => y,
        y if y > 0.0 => above,
        _ => below,
    };
    let unit = |scale: f32, alpha: f32, width: f32| step(scale, (from + scale * alpha) / width);
    match activation {
        Activation::Linear => step(1.0, 1.0),
        Activation::Relu => step(1.0, 0.0),
        Activation::LeakyRelu { slope } => step(1.0, slope),
        Activation::Elu { alpha } => unit(1.0, alpha, 1.0),
        Activation::Selu => unit(SELU_SCALE, SELU_ALPHA, 1.0),
        Activation::Celu { alpha } => unit(1.0, alpha, alpha),
        Activation::Tanh => (1.0 - from) * (1.0 + from),
        Activation::Sigmoid => from * (1.0 - from),
        Activation::Softplus => -(-from).exp_m1(),
        Activation::Silu => {
            let x = from.clamp(-88.0, 88.0);
            sigmoid(x) * (1.0 + x * sigmoid(-x))
        }
        Activation::Gelu => {
            let x = from.clamp(-13.0, 13.0);
            // 1/√(2π)
            let density = 0.398_942_3 * (-0.5 * x * x).exp();
            0.5 * erfcf(-x * std::f32::consts::FRAC_1_SQRT_2) + x * density
        }
        Activation::GeluTanh => {
            let x = from.clamp(-10.0, 10.0);
            // 2·√(2/π)
            let inner = 1.595_769 * (x + 0.044_715 * x * x * x);
            let slope = 1.595_769 * (1.0 + 3.0 * 0.044_715 * x * x);
            sigmoid(inner) * (1.0 + x * sigmoid(-inner) * slope)
        }
        Activation::RRelu { .. } | Activation::Glu => activation.no_function(),
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Complementary error function of the C library.
fn erfcf(x: f32) -> f32 {
    unsafe extern "C" {
        safe fn erfcf(x: f32) -> f32;
    }
    erfcf(x)
}
