//! States in double precision keep what a single-precision program adds to them.

use std::sync::Arc;

use emucell::program::{BinaryOperator, BlockId, Operation, Program, ProgramBuilder, Table};
use emucell::session::{Cells, Fallback, Guard, OutsideCells, Session, SessionOptions, cell_status};
use emucell::surrogate::{Kind, Role, Surrogate, Variable};
use emucell::view::{Layout, ViewMut};

/// A potential v that is replaced, a gate y that relaxes by a millionth of its distance in a step, and a concentration c
/// that loses a ten-millionth of itself, limited to 1 … 1000.
fn program() -> Program {
    let mut b = ProgramBuilder::new(3).unwrap();
    let [v, y, c] = [0, 1, 2].map(|start| b.slice(BlockId::INPUT, start, 1).unwrap());
    let table = |value: f32| Table { first: -1.0, rows_per_unit: 1.0, width: 1, values: vec![value; 3] };
    let rate = b.push(Operation::Table { input: v, table: table(1e-6) }).unwrap();
    let drive = b.push(Operation::Table { input: v, table: table(0.5e-6) }).unwrap();
    let next_y = b.push(Operation::Relax { state: y, rate, drive }).unwrap();
    let share = b.constant([-1e-7]).unwrap();
    let change = b.binary(BinaryOperator::Multiply, c, share).unwrap();
    let sum = b.binary(BinaryOperator::Add, c, change).unwrap();
    let [low, high] = [1.0, 1000.0].map(|limit| b.constant([limit]).unwrap());
    let sum = b.binary(BinaryOperator::Maximum, sum, low).unwrap();
    let next_c = b.binary(BinaryOperator::Minimum, sum, high).unwrap();
    let one = b.constant([0.25]).unwrap();
    let next_v = b.binary(BinaryOperator::Multiply, v, one).unwrap();
    let next = b.concat(&[next_v, next_y, next_c]).unwrap();
    b.finish(next)
}

fn session(options: &SessionOptions) -> Session {
    let variable = |name: &str, low, high| Variable::new(name, "1", Role::State).with_range(low, high);
    let states = vec![variable("v", -1.0, 1.0), variable("y", 0.0, 1.0), variable("c", 0.0, 2000.0)];
    let kind = Kind::StepMap { dt: 0.1 };
    let surrogate = Surrogate::new(kind, states.clone(), states, program()).unwrap();
    Session::new(Arc::new(surrogate), options).unwrap()
}

/// The step in double precision throughout, with the program's single-precision constants.
fn expected([v, y, c]: [f64; 3], n_steps: u32) -> [f64; 3] {
    let single = |x: f32| f64::from(x);
    (0..n_steps).fold([v, y, c], |[v, y, c], _| {
        let y = y + (single(0.5e-6) - single(1e-6) * y);
        [v * 0.25, y, (c - single(1e-7) * c).clamp(1.0, 1000.0)]
    })
}

#[test]
fn slow_states_move_where_single_precision_stands_still() {
    const STEPS: u32 = 20_000;
    let start = [0.9, 0.1, 140.0];
    for instruction_set in emucell::kernels::Kernels::available().iter().map(|k| k.name) {
        let options =
            SessionOptions { instruction_set: Some(instruction_set.into()), ..SessionOptions::default() };
        let mut session = session(&options);
        let (mut double, mut single) = (start, start.map(|x| x as f32));
        session.step(Cells::new(ViewMut::array_of_structures(&mut double, 3).unwrap()), 0.1, STEPS).unwrap();
        session.step(Cells::new(ViewMut::array_of_structures(&mut single, 3).unwrap()), 0.1, STEPS).unwrap();
        let exact = expected(start, STEPS);
        for j in 1..3 {
            let (gained, wanted) = (double[j] - start[j], exact[j] - start[j]);
            assert!(
                ((gained - wanted) / wanted).abs() < 1e-6,
                "{instruction_set}, state {j}: {gained} {wanted}"
            );
        }
        // Half a unit in the last place of 140 is 7.6e-6, less than what c loses, and more than it loses soon after: the
        // rounded steps add up to another loss.
        let lost = (f64::from(single[2]) - start[2]) / (exact[2] - start[2]);
        assert!((lost - 1.0).abs() > 0.01, "{lost}");
    }
}

#[test]
fn calls_of_one_step_are_a_call_of_many() {
    let n_cells = 70;
    let start: Vec<f64> = (0..n_cells).flat_map(|i| [0.01 * i as f64, 0.3, 1.0 + 20.0 * i as f64]).collect();
    let index: Vec<u32> = (0..n_cells as u32).rev().step_by(2).collect();
    let run = |calls: &[u32], structure_of_arrays: bool, n_threads| {
        let mut session = session(&SessionOptions { n_threads, ..SessionOptions::default() });
        let layout = match structure_of_arrays {
            true => Layout::structure_of_arrays(n_cells, 3),
            false => Layout::array_of_structures(n_cells, 3),
        };
        let at = |i: usize, j: usize| i * layout.cell_stride + j * layout.variable_stride;
        let mut state = vec![0.0; start.len()];
        (0..n_cells).for_each(|i| (0..3).for_each(|j| state[at(i, j)] = start[3 * i + j]));
        for &n_steps in calls {
            let cells =
                Cells { index: Some(&index), ..Cells::new(ViewMut::new(&mut state, layout).unwrap()) };
            session.step(cells, 0.1, n_steps).unwrap();
        }
        (0..n_cells).flat_map(|i| [0, 1, 2].map(|j| state[at(i, j)])).collect::<Vec<f64>>()
    };
    let reference = run(&[12], false, 1);
    assert_eq!(run(&[1; 12], false, 1), reference);
    assert_eq!(run(&[5, 7], true, 1), reference);
    assert_eq!(run(&[12], true, 2), reference);
    for i in 0..n_cells {
        let cell = [start[3 * i], start[3 * i + 1], start[3 * i + 2]];
        let wanted = if index.contains(&(i as u32)) { expected(cell, 12) } else { cell };
        for j in 0..3 {
            let found = reference[3 * i + j];
            assert!((found - wanted[j]).abs() <= 2e-7 * wanted[j].abs(), "{i} {j}: {found} {}", wanted[j]);
        }
    }
}

struct Nothing;

impl Fallback for Nothing {
    fn compute(&self, _: &mut OutsideCells<'_>) -> emucell::Result<()> {
        Ok(())
    }
}

#[test]
fn guards_see_states_in_double_precision() {
    let step = |options: SessionOptions, state: &mut [f64; 9]| {
        let mut status = [0; 3];
        let view = ViewMut::array_of_structures(&mut state[..], 3).unwrap();
        let cells = Cells { status: Some(&mut status), ..Cells::new(view) };
        session(&options).step(cells, 0.1, 1).unwrap();
        status
    };
    // The second cell is outside, the third is not a number and inside nothing.
    let start = [0.5, 0.1, 140.0, 0.5, 1.5, 1e-30, 0.5, 0.1, f64::NAN];
    let outside = cell_status::OUTSIDE_DOMAIN;
    let with = |guard| SessionOptions { guard, ..SessionOptions::default() };

    let mut state = start;
    let status = step(with(Guard::Clamp), &mut state);
    assert_eq!(status, [0, outside, outside | cell_status::NOT_FINITE]);
    let moved = expected([0.5, 1.0, 1e-30], 1);
    assert!((state[4] - moved[1]).abs() < 1e-12 && state[5] == 1.0, "{state:?}");
    assert!(state[8].is_nan());

    let mut state = start;
    let fallback = Some(Arc::new(Nothing) as Arc<dyn Fallback>);
    step(SessionOptions { fallback, ..with(Guard::Fallback) }, &mut state);
    assert_eq!(state[3..6], start[3..6], "the fallback's cell was touched");
    assert!((state[2] - expected([0.5, 0.1, 140.0], 1)[2]).abs() < 1e-12);
}
