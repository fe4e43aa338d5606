//! A solution map at many times of the same cells, beside evaluations of one time after the other.

mod support;

use std::sync::Arc;

use emucell::Activation;
use emucell::kernels::Kernels;
use emucell::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder};
use emucell::session::{Guard, Session, SessionOptions};
use emucell::surrogate::{Kind, Role, Surrogate, Variable};
use emucell::view::{Layout, View, ViewMut};

const N_CELLS: usize = 75;
const N_TIMES: usize = 70;
/// Range of the time, ms, and of everything else.
const TIME_RANGE: [f64; 2] = [0.25, 6.5];
const RANGE: [f64; 2] = [-0.9, 0.9];

fn noise(i: usize) -> f32 {
    (i * 37 % 101) as f32 * 0.02 - 1.0
}

fn dense(b: &mut ProgramBuilder, input: BlockId, n: usize, activation: Activation) -> BlockId {
    let scale = 1.7 / (b.width(input) as f32).sqrt();
    let weights = (0..n * b.width(input)).map(|i| scale * noise(i + 31 * n)).collect();
    b.dense(input, weights, (0..n).map(|i| 0.3 * noise(i + 3)).collect(), activation).unwrap()
}

fn plain(widths: &[usize], activation: Activation) -> Program {
    let mut b = ProgramBuilder::new(widths[0]).unwrap();
    let mut h = BlockId::INPUT;
    for &width in &widths[1..widths.len() - 1] {
        h = dense(&mut b, h, width, activation);
    }
    let y = dense(&mut b, h, widths[widths.len() - 1], Activation::Linear);
    b.finish(y)
}

/// x + (1 − e^(−t)) · network([t, x, features of t]), as solution maps are trained.
fn with_features() -> Program {
    let mut b = ProgramBuilder::new(4).unwrap();
    let weights = (0..68).map(|i| if i % 4 == 0 { -0.1 * (1 + i) as f32 } else { 0.0 }).collect();
    let decays = b.dense(BlockId::INPUT, weights, vec![0.0; 17], Activation::Linear).unwrap();
    let decays = b.push(Operation::Exp { input: decays }).unwrap();
    let features = b.slice(decays, 0, 16).unwrap();
    let inputs = b.concat(&[BlockId::INPUT, features]).unwrap();
    let one = b.constant([1.0]).unwrap();
    let last = b.slice(decays, 16, 1).unwrap();
    let share = b.binary(BinaryOperator::Subtract, one, last).unwrap();
    let mut hidden = dense(&mut b, inputs, 16, Activation::Silu);
    hidden = dense(&mut b, hidden, 16, Activation::Silu);
    let change = dense(&mut b, hidden, 3, Activation::Linear);
    let change = b.binary(BinaryOperator::Multiply, share, change).unwrap();
    let state = b.slice(BlockId::INPUT, 1, 3).unwrap();
    let y = b.binary(BinaryOperator::Add, state, change).unwrap();
    b.finish(y)
}

/// The time stands in the middle.
fn branch_trunk() -> Program {
    let mut b = ProgramBuilder::new(3).unwrap();
    let [first, t, last] = [0, 1, 2].map(|i| b.slice(BlockId::INPUT, i, 1).unwrap());
    let x = b.concat(&[first, last]).unwrap();
    let branch = dense(&mut b, x, 24, Activation::Tanh);
    let branch = dense(&mut b, branch, 20, Activation::Linear);
    let trunk = dense(&mut b, t, 20, Activation::Tanh);
    let product = b.binary(BinaryOperator::Multiply, branch, trunk).unwrap();
    let y = dense(&mut b, product, 2, Activation::Linear);
    b.finish(y)
}

/// Name, column of the time, and whether results are those of an evaluation to the last bit.
fn programs() -> Vec<(&'static str, Program, usize, bool)> {
    vec![
        ("plain", plain(&[3, 16, 16, 2], Activation::Relu), 1, true),
        ("one output", plain(&[4, 7, 1], Activation::Tanh), 3, true),
        ("many inputs", plain(&[20, 24, 3], Activation::Tanh), 5, false),
        ("features", with_features(), 0, false),
        ("branch and trunk", branch_trunk(), 1, true),
        ("time alone", plain(&[1, 8, 3], Activation::Tanh), 0, true),
    ]
}

fn solution_map(program: &Program, time: usize) -> Arc<Surrogate> {
    let input = |i: usize| match i == time {
        true => Variable::new("t", "ms", Role::Time).with_range(TIME_RANGE[0], TIME_RANGE[1]),
        false => Variable::new(&format!("x{i}"), "1", Role::Parameter).with_range(RANGE[0], RANGE[1]),
    };
    let output = |i: usize| Variable::new(&format!("y{i}"), "1", Role::State);
    let inputs = (0..program.n_inputs()).map(input).collect();
    let outputs = (0..program.n_outputs()).map(output).collect();
    Arc::new(Surrogate::new(Kind::SolutionMap, inputs, outputs, program.clone()).unwrap())
}

/// Some of them are outside the domain, one of them far.
fn cells(n_variables: usize) -> Vec<f32> {
    let mut x: Vec<f32> = (0..N_CELLS * n_variables).map(|i| noise(i + 5)).collect();
    if let Some(x) = x.get_mut(40 * n_variables) {
        *x = f32::INFINITY;
    }
    x
}

/// The first and the last ones are outside the domain; one, the first of those that are computed together, is no number.
fn times() -> Vec<f64> {
    let mut times: Vec<f64> = (0..N_TIMES).map(|k| 0.1 * k as f64).collect();
    times[32] = f64::NAN;
    times
}

/// Outputs of these cells, cell after cell, with all times of a cell together.
fn at_once(session: &mut Session, x: &[f32], n_cells: usize, times: &[f64]) -> Vec<f32> {
    let n_outputs = session.surrogate().outputs().len() * times.len();
    let mut y = vec![-7.5f32; n_cells * n_outputs];
    let n_inputs = session.surrogate().inputs().len() - 1;
    let inputs = View::new(x, Layout::array_of_structures(n_cells, n_inputs)).unwrap();
    let outputs = ViewMut::array_of_structures(&mut y, n_outputs).unwrap();
    session.evaluate_times(inputs, times, outputs).unwrap();
    y
}

/// The same from an evaluation for each time.
fn time_by_time(session: &mut Session, x: &[f32], n_cells: usize, times: &[f64]) -> Vec<f32> {
    let surrogate = session.surrogate().clone();
    let (n_inputs, n_outputs) = (surrogate.inputs().len(), surrogate.outputs().len());
    let time = surrogate.time_input().unwrap();
    let width = n_outputs * times.len();
    let mut y = vec![-7.5f32; n_cells * width];
    for (k, t) in times.iter().enumerate() {
        let mut with_time = Vec::new();
        for i in 0..n_cells {
            with_time.extend_from_slice(&x[i * (n_inputs - 1)..][..n_inputs - 1]);
            with_time.insert(i * n_inputs + time, *t as f32);
        }
        let layout = Layout { n_cells, n_variables: n_outputs, cell_stride: width, variable_stride: 1 };
        let outputs = ViewMut::new(&mut y[k * n_outputs..], layout).unwrap();
        session.evaluate(View::array_of_structures(&with_time, n_inputs).unwrap(), outputs, None).unwrap();
    }
    y
}

fn is_same(a: f32, b: f32, exactly: bool) -> bool {
    a.to_bits() == b.to_bits()
        || (a.is_nan() && b.is_nan())
        || (!exactly && (a - b).abs() <= 4e-6 * b.abs().max(1.0))
}

#[test]
fn results_are_those_of_one_time_after_the_other() {
    for kernels in Kernels::available() {
        for guard in [Guard::Ignore, Guard::Count, Guard::Clamp] {
            for (name, program, time, exactly) in programs() {
                let name = format!("{name}, {}, {guard:?}", kernels.name);
                let options = SessionOptions {
                    guard,
                    instruction_set: Some(kernels.name.into()),
                    ..SessionOptions::default()
                };
                let surrogate = solution_map(&program, time);
                let new_session = || Session::new(surrogate.clone(), &options).unwrap();
                let (mut session, mut reference) = (new_session(), new_session());
                let (x, times) = (cells(program.n_inputs() - 1), times());
                let found = at_once(&mut session, &x, N_CELLS, &times);
                let expected = time_by_time(&mut reference, &x, N_CELLS, &times);
                let differs = |&i: &usize| !is_same(found[i], expected[i], exactly);
                if let Some(i) = (0..found.len()).find(differs) {
                    panic!("{name}: {} instead of {} in {i}", found[i], expected[i]);
                }
                // What is not exact is not so by chance.
                let is_split = (0..found.len()).any(|i| !is_same(found[i], expected[i], true));
                assert_eq!(is_split, !exactly, "{name}");
                let [found, expected] = [session, reference].map(|session| session.counters());
                let seen = |c: emucell::session::Counters| (c.cell_steps, c.outside_domain, c.not_finite);
                assert_eq!(seen(found), seen(expected), "{name}");
                assert!(found.outside_domain > 0 || guard == Guard::Ignore, "{name}");
                assert!(found.not_finite > 0 || guard == Guard::Ignore, "{name}");
            }
        }
    }
}

#[test]
fn neither_the_other_cells_nor_the_other_times_matter() {
    for (name, program, time, _) in programs() {
        let surrogate = solution_map(&program, time);
        let mut session = Session::new(surrogate.clone(), &SessionOptions::default()).unwrap();
        let (n_inputs, n_outputs) = (program.n_inputs() - 1, program.n_outputs());
        let (x, times) = (cells(n_inputs), times());
        let all = at_once(&mut session, &x, N_CELLS, &times);
        let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
        for (first, n_cells) in [(0, 1), (3, 4), (30, 5), (17, 17), (1, 32), (10, 33)] {
            for (first_time, n_times) in [(69, 1), (5, 2), (30, 5), (20, 26), (0, 32), (0, 33)] {
                let some = &times[first_time..first_time + n_times];
                let found = at_once(&mut session, &x[first * n_inputs..], n_cells, some);
                for (i, found) in found.chunks(n_outputs * n_times).enumerate() {
                    let at = ((first + i) * N_TIMES + first_time) * n_outputs;
                    let expected = &all[at..at + n_outputs * n_times];
                    assert_eq!(bits(found), bits(expected), "{name}: {n_cells} cells, {n_times} times");
                }
            }
        }
        for n_threads in [2, 3] {
            let options = SessionOptions { n_threads, ..SessionOptions::default() };
            let mut session = Session::new(surrogate.clone(), &options).unwrap();
            let found = at_once(&mut session, &x, N_CELLS, &times);
            assert_eq!(bits(&found), bits(&all), "{name}, {n_threads} threads");
        }
    }
}

#[test]
fn outputs_may_lie_anywhere() {
    for (name, program, time, _) in programs() {
        let mut session = Session::new(solution_map(&program, time), &SessionOptions::default()).unwrap();
        let x = cells(program.n_inputs() - 1);
        let times: Vec<f64> = (0..7).map(|k| 0.4 * f64::from(k)).collect();
        let width = 7 * program.n_outputs();
        for n_cells in [3, N_CELLS] {
            let expected = at_once(&mut session, &x, n_cells, &times);
            let inputs = View::new(&x, Layout::array_of_structures(n_cells, program.n_inputs() - 1)).unwrap();
            let pitch = n_cells + 3;
            let mut y = vec![-7.5f64; width * pitch];
            let outputs = ViewMut::new(&mut y, Layout::pitched(n_cells, width, pitch)).unwrap();
            session.evaluate_times(inputs, &times, outputs).unwrap();
            for j in 0..width {
                for i in 0..pitch {
                    let is_there = i < n_cells;
                    let number = if is_there { f64::from(expected[i * width + j]) } else { -7.5 };
                    assert!(is_same(y[j * pitch + i] as f32, number as f32, true), "{name}: {i}, {j}");
                }
            }
            // In several places: times that are no neighbours, and numbers of both types.
            let first = 2 * program.n_outputs() + 1;
            let (mut left, mut right) = (vec![-7.5f32; n_cells * first], vec![-7.5f64; n_cells * width]);
            let rest = Layout { n_variables: width - first, ..Layout::array_of_structures(n_cells, width) };
            let mut parts = [
                ViewMut::new(&mut left, Layout::structure_of_arrays(n_cells, first)).unwrap(),
                ViewMut::new(&mut right[1..], rest).unwrap(),
            ];
            session.evaluate_times(inputs, &times, &mut parts[..]).unwrap();
            for (i, expected) in expected.chunks(width).enumerate() {
                for (j, &number) in expected.iter().enumerate() {
                    let found = match j.checked_sub(first) {
                        None => left[j * n_cells + i],
                        Some(behind) => right[i * width + 1 + behind] as f32,
                    };
                    assert!(is_same(found, number, true), "{name}: {i}, {j}");
                }
                assert!(right[i * width..][..1].iter().all(|&y| y == -7.5));
            }
        }
    }
}

#[test]
fn no_cells_and_no_times() {
    let mut session =
        Session::new(Arc::new(support::surrogates::formula_network()), &SessionOptions::default()).unwrap();
    assert!(at_once(&mut session, &[], 0, &times()).is_empty());
    let (x, mut y) = ([0.1f32; 4], [0.5f32; 1]);
    let inputs = View::array_of_structures(&x, 2).unwrap();
    let none = Layout { n_cells: 2, n_variables: 0, cell_stride: 1, variable_stride: 0 };
    let fault = session.evaluate_times(inputs, &[], ViewMut::new(&mut y, none).unwrap()).unwrap_err();
    assert!(fault.to_string().contains("no time to evaluate at"), "{fault}");
}
