//! Random programs: every combination of operations that the rules meet.

use emucell::Activation;
use emucell::kernels::Kernels;
use emucell::program::{BinaryOperator, BlockId, Derivative, Operation, Program, ProgramBuilder, Table};
use emucell::surrogate::Surrogate;
use proptest::prelude::*;

use super::{H, assert_derivatives, differences, doubles, evaluate, largest, programs, with};

const N_INPUTS: usize = 4;

/// What one operation is made from: which, and numbers to choose operands and constants by.
type Choice = (u8, u16, u16, u16);

fn program(choices: &[Choice]) -> Program {
    let mut b = ProgramBuilder::new(N_INPUTS).unwrap();
    let mut blocks = vec![BlockId::INPUT];
    for &(which, first, second, seed) in choices {
        let left = blocks[usize::from(first) % blocks.len()];
        let right = blocks[usize::from(second) % blocks.len()];
        let block = operation(&mut b, which, left, right, usize::from(seed));
        blocks.push(block);
    }
    // The last operations side by side, so that most of them matter.
    let from = blocks.len().saturating_sub(4);
    let y = b.concat(&blocks[from..]).unwrap();
    b.finish(y)
}

fn operation(b: &mut ProgramBuilder, which: u8, left: BlockId, right: BlockId, seed: usize) -> BlockId {
    let width = b.width(left);
    let noise = |n: usize| (0..n).map(|i| programs::noise(seed + i)).collect::<Vec<f32>>();
    let mut functions = Activation::functions().cycle();
    let function = functions.nth(seed % Activation::ALL.len()).expect("a cycle");
    match which % 10 {
        0 => {
            let n_outputs = 1 + seed % 5;
            b.dense(left, noise(n_outputs * width), noise(n_outputs), function).unwrap()
        }
        1 => b.activation(left, function).unwrap(),
        2 => {
            let bounded = b.activation(left, Activation::Tanh).unwrap();
            b.push(Operation::Exp { input: bounded }).unwrap()
        }
        3 => b.constant(noise(1 + seed % 3)).unwrap(),
        4 if width + b.width(right) <= 12 => b.concat(&[left, right, left]).unwrap(),
        4 | 5 => b.slice(left, seed % width, 1 + seed % (width - seed % width)).unwrap(),
        6 => {
            let input = b.slice(left, seed % width, 1).unwrap();
            let columns = 1 + seed % 3;
            let table = Table { first: -2.0, rows_per_unit: 1.5, width: columns, values: noise(7 * columns) };
            b.push(Operation::Table { input, table }).unwrap()
        }
        7 => {
            let [rate, drive] = [0, 1].map(|_| b.activation(left, Activation::Sigmoid).unwrap());
            let state = b.binary(BinaryOperator::Multiply, left, drive).unwrap();
            b.push(Operation::Relax { state, rate, drive }).unwrap()
        }
        _ => binary(b, left, right, seed),
    }
}

fn binary(b: &mut ProgramBuilder, left: BlockId, right: BlockId, seed: usize) -> BlockId {
    let common = match (b.width(left), b.width(right)) {
        (l, r) if l == 1 || r == 1 => (l, r),
        (l, r) => (l.min(r), l.min(r)),
    };
    let left = b.slice(left, 0, common.0).unwrap();
    let right = b.slice(right, 0, common.1).unwrap();
    match seed % 6 {
        0 => {
            let bounded = b.activation(right, Activation::Tanh).unwrap();
            let divisor = b.push(Operation::Exp { input: bounded }).unwrap();
            b.binary(BinaryOperator::Divide, left, divisor).unwrap()
        }
        1 => b.binary(BinaryOperator::Add, left, right).unwrap(),
        2 => b.binary(BinaryOperator::Subtract, left, right).unwrap(),
        3 => b.binary(BinaryOperator::Minimum, left, right).unwrap(),
        4 => b.binary(BinaryOperator::Maximum, left, right).unwrap(),
        _ => b.binary(BinaryOperator::Multiply, left, right).unwrap(),
    }
}

/// Whether a kink of the program lies so close to `x` that differences reach across it.
fn is_near_a_kink(program: &Program, x: &[f64], jacobian: &[f64]) -> bool {
    let y = program.evaluate_reference(x);
    (0..N_INPUTS).any(|j| {
        let mut shifted = x.to_vec();
        shifted[j] += 2.0 * H;
        let ahead = program.evaluate_reference(&shifted);
        let slopes = ahead.iter().zip(&y).map(|(a, b)| (a - b) / (2.0 * H));
        slopes.enumerate().any(|(i, s)| (s - jacobian[i * N_INPUTS + j]).abs() > 1e-3 * largest(jacobian))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_are_differentiated(
        choices in prop::collection::vec(any::<Choice>(), 1..12),
        x in prop::collection::vec(-2.0f64..2.0, N_INPUTS),
    ) {
        let program = program(&choices);
        let jacobian = differences(&program, &x);
        prop_assume!(largest(&jacobian) < 1e4 && !is_near_a_kink(&program, &x, &jacobian));
        assert_derivatives(&program, &x, &jacobian, 1e-6, &format!("{choices:?}"));
    }

    /// Memory is laid out anew for each program: a block that lies on another spoils most cells. Cells
    /// whose rounding takes them across a kink may differ.
    #[test]
    fn kernels_run_random_derivatives(choices in prop::collection::vec(any::<Choice>(), 1..12)) {
        let plain = program(&choices);
        for kind in [Derivative::Jacobian, Derivative::JacobianVector, Derivative::VectorJacobian] {
            let surrogate = Surrogate::anonymous(plain.clone()).derivative(kind).unwrap();
            let n = surrogate.inputs().len();
            let x: Vec<f32> = (0..24 * n).map(|i| programs::noise(i + 5)).collect();
            let rows = x.chunks_exact(n).map(|cell| surrogate.program().unwrap().evaluate_reference(&doubles(cell)));
            let exact: Vec<Vec<f64>> = rows.collect();
            for kernels in Kernels::available() {
                let found = evaluate(&surrogate, &x, with(kernels));
                let cells = found.chunks_exact(surrogate.outputs().len()).zip(&exact);
                let wrong = cells.filter(|(found, exact)| {
                    let size = largest(exact);
                    !found.iter().zip(*exact).all(|(a, b)| (f64::from(*a) - b).abs() <= 1e-3 * size)
                });
                let wrong = wrong.count();
                prop_assert!(wrong <= 2, "{kind:?}, {}: {wrong} cells of {choices:?}", kernels.name);
            }
        }
    }
}
