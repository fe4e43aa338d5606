//! Programs that together use every operation.

use emucell::Activation;
use emucell::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder, Table};

/// Numbers between −1 and 1 that look random and are the same everywhere.
pub fn noise(seed: usize) -> f32 {
    let mixed = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    mixed as f32 / (1u64 << 23) as f32 - 1.0
}

pub fn all() -> Vec<(String, Program)> {
    let mut programs: Vec<(String, Program)> = Activation::ALL
        .into_iter()
        .chain([
            Activation::LeakyRelu { slope: 0.3 },
            Activation::Elu { alpha: 0.7 },
            Activation::Celu { alpha: 1.7 },
        ])
        .enumerate()
        .map(|(i, activation)| (format!("network_{i}_{}", activation.name()), network(activation)))
        .collect();
    programs.push(("binary".to_owned(), binary()));
    programs.push(("constants".to_owned(), constants()));
    programs.push(("gates".to_owned(), gates()));
    programs.push(("mixed".to_owned(), mixed()));
    programs.push(("distilled".to_owned(), distilled()));
    programs.push(("identity".to_owned(), ProgramBuilder::new(3).unwrap().finish(BlockId::INPUT)));
    programs
}

fn dense(b: &mut ProgramBuilder, input: BlockId, n_outputs: usize, activation: Activation) -> BlockId {
    let n_inputs = b.width(input);
    let scale = 1.0 / (n_inputs as f32).sqrt();
    let weights = (0..n_inputs * n_outputs).map(|i| 1.7 * scale * noise(i + n_outputs)).collect();
    let bias = (0..n_outputs).map(|i| 0.3 * noise(i + 5)).collect();
    b.dense(input, weights, bias, activation).unwrap()
}

/// 4-13-8-3, or 4-14-8-3 where widths are even, with an activation of its own after the last layer.
fn network(activation: Activation) -> Program {
    let mut b = ProgramBuilder::new(4).unwrap();
    let h =
        dense(&mut b, BlockId::INPUT, 13usize.next_multiple_of(activation.inputs_per_output()), activation);
    let h = dense(&mut b, h, 8, activation);
    let y = dense(&mut b, h, 3, Activation::Linear);
    let y = if activation == Activation::Linear { y } else { b.activation(h, activation).unwrap() };
    b.finish(y).without_unread()
}

/// Every operator, single columns on either side, slices, concatenation and the exponential.
fn binary() -> Program {
    let mut b = ProgramBuilder::new(5).unwrap();
    let left = b.slice(BlockId::INPUT, 0, 2).unwrap();
    let right = b.slice(BlockId::INPUT, 2, 2).unwrap();
    let column = b.slice(BlockId::INPUT, 4, 1).unwrap();
    let scale = b.constant([0.5, -1.5]).unwrap();
    let mut parts = Vec::new();
    for operator in [
        BinaryOperator::Add,
        BinaryOperator::Subtract,
        BinaryOperator::Multiply,
        BinaryOperator::Minimum,
        BinaryOperator::Maximum,
    ] {
        parts.push(b.binary(operator, left, right).unwrap());
        parts.push(b.binary(operator, column, left).unwrap());
        parts.push(b.binary(operator, right, scale).unwrap());
    }
    let positive = b.push(Operation::Exp { input: right }).unwrap();
    parts.push(b.binary(BinaryOperator::Divide, left, positive).unwrap());
    let y = b.concat(&parts).unwrap();
    b.finish(y)
}

/// Constants that ONNX must repeat for every cell.
fn constants() -> Program {
    let mut b = ProgramBuilder::new(2).unwrap();
    let c = b.constant([0.25, -3.0, 7.0]).unwrap();
    let e = b.push(Operation::Exp { input: c }).unwrap();
    let y = b.concat(&[c, BlockId::INPUT, e, c]).unwrap();
    b.finish(y)
}

/// A membrane potential, three gates by tables, a current monomial, and the stimulus.
fn gates() -> Program {
    let mut b = ProgramBuilder::new(5).unwrap();
    let v = b.slice(BlockId::INPUT, 0, 1).unwrap();
    let gates = b.slice(BlockId::INPUT, 1, 3).unwrap();
    let stimulus = b.slice(BlockId::INPUT, 4, 1).unwrap();
    let table = |b: &mut ProgramBuilder, seed: usize, width: usize| {
        let values = (0..41 * width).map(|i| 0.4 + 0.3 * noise(seed + i)).collect();
        let table = Table { first: -1.5, rows_per_unit: 12.0, width, values };
        b.push(Operation::Table { input: v, table }).unwrap()
    };
    let rate = table(&mut b, 100, 3);
    let drive = table(&mut b, 300, 3);
    let relaxed = b.push(Operation::Relax { state: gates, rate, drive }).unwrap();
    let (m, h) = (b.slice(relaxed, 0, 1).unwrap(), b.slice(relaxed, 1, 1).unwrap());
    let conductance = table(&mut b, 500, 1);
    let squared = b.binary(BinaryOperator::Multiply, m, m).unwrap();
    let open = b.binary(BinaryOperator::Multiply, squared, h).unwrap();
    let current = b.binary(BinaryOperator::Multiply, conductance, open).unwrap();
    let change = b.binary(BinaryOperator::Subtract, stimulus, current).unwrap();
    let next = b.binary(BinaryOperator::Add, v, change).unwrap();
    let y = b.concat(&[next, relaxed]).unwrap();
    b.finish(y)
}

/// Quotients of wide blocks and single columns, overlapping slices, an operand used twice, a constant
/// rate, a residual connection, and columns of the inputs as outputs.
fn mixed() -> Program {
    let mut b = ProgramBuilder::new(4).unwrap();
    let wide = b.slice(BlockId::INPUT, 0, 3).unwrap();
    let overlapping = b.slice(BlockId::INPUT, 1, 3).unwrap();
    let column = b.slice(BlockId::INPUT, 2, 1).unwrap();
    let squares = b.binary(BinaryOperator::Multiply, wide, wide).unwrap();
    let one = b.constant([1.0]).unwrap();
    let divisors = b.binary(BinaryOperator::Add, one, squares).unwrap();
    let divisor = b.slice(divisors, 1, 1).unwrap();
    let narrow_by_wide = b.binary(BinaryOperator::Divide, column, divisors).unwrap();
    let wide_by_narrow = b.binary(BinaryOperator::Divide, overlapping, divisor).unwrap();
    let rate = b.constant([0.25, 0.5, 0.75]).unwrap();
    let relaxed = b.push(Operation::Relax { state: wide, rate, drive: wide_by_narrow }).unwrap();
    let hidden = dense(&mut b, relaxed, 7, Activation::Silu);
    let change = dense(&mut b, hidden, 3, Activation::Tanh);
    let residual = b.binary(BinaryOperator::Add, relaxed, change).unwrap();
    let both = b.concat(&[residual, narrow_by_wide, column]).unwrap();
    let across = b.slice(both, 2, 3).unwrap();
    let y = b.concat(&[across, BlockId::INPUT, both]).unwrap();
    b.finish(y)
}

/// As distillation makes them: wide and narrow tables of two columns, products of columns picked from them, sums in which most
/// columns have no weight, products that sums share, and a small network of columns from several blocks.
fn distilled() -> Program {
    let mut b = ProgramBuilder::new(4).unwrap();
    let column = |b: &mut ProgramBuilder, of: BlockId, i: usize| b.slice(of, i, 1).unwrap();
    let table = |b: &mut ProgramBuilder, input: BlockId, seed: usize, width: usize| {
        let values = (0..29 * width).map(|i| 0.4 + 0.3 * noise(seed + i)).collect();
        let table = Table { first: -1.5, rows_per_unit: 8.0, width, values };
        b.push(Operation::Table { input, table }).unwrap()
    };
    let (v, calcium) = (column(&mut b, BlockId::INPUT, 0), column(&mut b, BlockId::INPUT, 2));
    let wide = table(&mut b, v, 40, 9);
    let narrow = [1, 2, 3, 5].map(|width| table(&mut b, calcium, 700 + width, width));
    let pick = |b: &mut ProgramBuilder, of: &[(BlockId, usize)]| {
        let columns: Vec<BlockId> = of.iter().map(|&(block, i)| b.slice(block, i, 1).unwrap()).collect();
        b.concat(&columns).unwrap()
    };
    let left = pick(&mut b, &[(wide, 8), (wide, 0), (narrow[1], 1), (wide, 4), (narrow[3], 4), (wide, 7)]);
    let right =
        pick(&mut b, &[(narrow[0], 0), (narrow[2], 2), (wide, 3), (wide, 4), (BlockId::INPUT, 1), (wide, 1)]);
    let products = b.binary(BinaryOperator::Multiply, left, right).unwrap();
    let terms = b.concat(&[products, BlockId::INPUT, narrow[2]]).unwrap();
    let n_terms = b.width(terms);
    let weight = |row: usize, k: usize| match (row + 2 * k) % 5 {
        0 | 3 => 0.8 * noise(row * n_terms + k),
        _ => 0.0,
    };
    let weights = (0..4).flat_map(|row| (0..n_terms).map(move |k| weight(row, k))).collect();
    let sums = b.dense(terms, weights, vec![0.1, 0.0, -0.2, 0.3], Activation::Linear).unwrap();
    let read = pick(&mut b, &[(sums, 2), (wide, 8), (BlockId::INPUT, 3)]);
    let learned = dense(&mut b, read, 6, Activation::Tanh);
    let learned = dense(&mut b, learned, 1, Activation::Linear);
    let others = b.slice(sums, 0, 3).unwrap();
    let changes = b.concat(&[others, learned]).unwrap();
    let y = b.binary(BinaryOperator::Add, BlockId::INPUT, changes).unwrap();
    b.finish(y)
}
