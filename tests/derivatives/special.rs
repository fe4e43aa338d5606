//! Kinks, structure that is known beforehand, guards, and several steps.

use emucell::program::{BinaryOperator, BlockId, Derivative, Operation, Program, ProgramBuilder, Table};
use emucell::session::{Guard, Session, SessionOptions};
use emucell::surrogate::{Kind, Surrogate};
use emucell::view::ViewMut;
use emucell::{Activation, ErrorKind};

use super::{doubles, evaluate, programs, surrogates};

fn network(widths: &[usize], activation: Activation) -> Program {
    let mut b = ProgramBuilder::new(widths[0]).unwrap();
    let mut h = BlockId::INPUT;
    for (i, pair) in widths.windows(2).enumerate() {
        let weights = (0..pair[0] * pair[1]).map(|j| programs::noise(j + i)).collect();
        let activation = if i + 2 == widths.len() { Activation::Linear } else { activation };
        h = b.dense(h, weights, vec![0.1; pair[1]], activation).unwrap();
    }
    b.finish(h)
}

/// The Jacobian of a program of one operation at `x`, by the kernels and in double precision.
fn slopes(program: Program, x: &[f32]) -> Vec<f32> {
    let m = program.n_outputs();
    let derivative = Surrogate::anonymous(program).derivative(Derivative::Jacobian).unwrap();
    let found = evaluate(&derivative, x, SessionOptions::default());
    let exact = derivative.program().unwrap().evaluate_reference(&doubles(x));
    assert!(found.iter().zip(&exact).all(|(a, b)| f64::from(*a) == *b || (a.is_nan() && b.is_nan())));
    found[m..].to_vec()
}

#[test]
fn kinks_take_the_documented_side() {
    let activated = |activation, x| {
        let mut b = ProgramBuilder::new(1).unwrap();
        let y = b.activation(BlockId::INPUT, activation).unwrap();
        slopes(b.finish(y), &[x])[0]
    };
    assert_eq!(activated(Activation::Relu, 0.0), 0.0);
    assert_eq!(activated(Activation::LeakyRelu { slope: 0.25 }, 0.0), 0.25);
    assert_eq!(activated(Activation::LeakyRelu { slope: -0.25 }, -1.0), -0.25);
    assert_eq!(activated(Activation::Elu { alpha: 0.5 }, 0.0), 0.5);
    assert!(activated(Activation::Relu, f32::NAN).is_nan());
    for operator in [BinaryOperator::Minimum, BinaryOperator::Maximum] {
        let mut b = ProgramBuilder::new(2).unwrap();
        let (l, r) = (b.slice(BlockId::INPUT, 0, 1).unwrap(), b.slice(BlockId::INPUT, 1, 1).unwrap());
        let y = b.binary(operator, l, r).unwrap();
        let program = b.finish(y);
        assert_eq!(slopes(program.clone(), &[0.5, 0.5]), [1.0, 0.0]);
        let left_is_taken = operator == BinaryOperator::Minimum;
        let expected = if left_is_taken { [1.0, 0.0] } else { [0.0, 1.0] };
        assert_eq!(slopes(program.clone(), &[0.5, 0.75]), expected);
        assert!(slopes(program, &[f32::NAN, 0.0])[0].is_nan());
    }
    let looked_up = |x| {
        let mut b = ProgramBuilder::new(1).unwrap();
        let table = Table { first: 1.0, rows_per_unit: 2.0, width: 1, values: vec![0.0, 1.0, 4.0] };
        let y = b.push(Operation::Table { input: BlockId::INPUT, table }).unwrap();
        slopes(b.finish(y), &[x])[0]
    };
    assert_eq!([0.9, 1.0, 1.2, 1.5, 2.0, 2.1].map(looked_up), [0.0, 2.0, 2.0, 6.0, 6.0, 0.0]);
}

#[test]
fn what_is_known_is_not_computed() {
    // Two adjoints through all layers but the last.
    let many_inputs = network(&[4, 64, 64, 32, 32, 2], Activation::Tanh).derivative(Derivative::Jacobian);
    let layers = [4 * 64, 64 * 64, 64 * 32, 32 * 32, 32 * 2];
    let one: usize = layers.iter().sum();
    assert_eq!(many_inputs.unwrap().multiply_adds(), one + 2 * (one - 32 * 2));
    // Two tangents through all layers but the first.
    let many_outputs = network(&[2, 16, 16, 5], Activation::Tanh).derivative(Derivative::Jacobian).unwrap();
    let one = 2 * 16 + 16 * 16 + 16 * 5;
    assert_eq!(many_outputs.multiply_adds(), one + 2 * (one - 2 * 16));
    // The forward pass stays fused where the slope follows from the value.
    let n_activations = |program: &Program| {
        let operations = program.operations().iter();
        operations.filter(|o| matches!(o, Operation::Activation { .. })).count()
    };
    assert_eq!(n_activations(&many_outputs), 0);
    // A linear program's Jacobian is a constant.
    let linear = network(&[3, 5, 2], Activation::Linear).derivative(Derivative::Jacobian).unwrap();
    assert_eq!(linear.operations().iter().filter(|o| matches!(o, Operation::Dense { .. })).count(), 2);
    // What depends on one column only is no derivative with respect to others.
    let mut b = ProgramBuilder::new(3).unwrap();
    let columns = [0, 1, 2].map(|i| b.slice(BlockId::INPUT, i, 1).unwrap());
    let parts = columns.map(|c| b.activation(c, Activation::Tanh).unwrap());
    let y = b.concat(&parts).unwrap();
    let diagonal = b.finish(y).derivative(Derivative::Jacobian).unwrap();
    let made = |wanted: fn(&Operation) -> bool| diagonal.operations().iter().filter(|o| wanted(o)).count();
    assert_eq!(made(|o| matches!(o, Operation::Slope { .. })), 3);
    assert_eq!(made(|o| matches!(o, Operation::Binary { .. } | Operation::Dense { .. })), 0);
}

#[test]
fn several_steps_are_the_product_of_one_after_the_other() {
    let (one, three) = (surrogates::fhn_euler(1, 0.1), surrogates::fhn_euler(3, 0.1));
    let step = one.derivative(Derivative::JacobianVector).unwrap();
    let whole = three.derivative(Derivative::JacobianVector).unwrap();
    assert_eq!(step.kind(), Kind::Derivative);
    for cell in 0..20 {
        let noise = |i: usize| f64::from(programs::noise(10 * cell + i));
        // u, w, s and a change of each.
        let start: Vec<f64> = vec![0.5 + 0.5 * noise(0), 0.1, 0.06, noise(1), noise(2), noise(3)];
        let mut now = start.clone();
        for _ in 0..3 {
            let next = step.program().unwrap().evaluate_reference(&now);
            now = vec![next[0], next[1], start[2], next[2], next[3], start[5]];
        }
        let expected = whole.program().unwrap().evaluate_reference(&start);
        for (a, b) in [now[0], now[1], now[3], now[4]].iter().zip(&expected) {
            assert!((a - b).abs() < 1e-12, "{now:?} {expected:?}");
        }
    }
}

#[test]
fn a_clamped_cell_gets_the_derivative_at_the_border() {
    let derivative = surrogates::formula_network().derivative(Derivative::JacobianVector).unwrap();
    let clamp = SessionOptions { guard: Guard::Clamp, n_threads: 2, ..SessionOptions::default() };
    let outside = [30.0, 0.5, -1.0, 7.0, -8.0, 9.0];
    let border = [25.0, 0.5, 0.0, 7.0, -8.0, 9.0];
    assert_eq!(
        evaluate(&derivative, &outside, clamp),
        evaluate(&derivative, &border, SessionOptions::default())
    );
}

#[test]
fn derivatives_are_evaluated_only() {
    let derivative = surrogates::fhn_euler(1, 0.1).derivative(Derivative::Jacobian).unwrap();
    let bytes = emucell::format::onnx::to_bytes(&derivative);
    let error = bytes.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Unsupported && error.to_string().contains("save the surrogate itself")
    );
    let mut session = Session::new(std::sync::Arc::new(derivative), &SessionOptions::default()).unwrap();
    let mut state = [0.0f32; 8];
    let cells = emucell::session::Cells::new(ViewMut::array_of_structures(&mut state, 8).unwrap());
    let error = session.step(cells, 0.1, 1).unwrap_err();
    assert!(error.to_string().contains("does not step"), "{error}");
    let mut b = ProgramBuilder::new(1).unwrap();
    let y = b.activation(BlockId::INPUT, Activation::Elu { alpha: -1.0 }).unwrap();
    let error = b.finish(y).derivative(Derivative::Jacobian).unwrap_err();
    assert!(error.to_string().contains("alpha -1"), "{error}");
}
