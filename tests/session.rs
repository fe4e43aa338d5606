//! Evaluating and stepping on the caller's buffers, whatever their layout.

use std::sync::Arc;

use emucell::program::{BinaryOperator, BlockId, ProgramBuilder};
use emucell::session::{Cells, Guard, Session, SessionOptions, cell_status};
use emucell::surrogate::{Kind, Role, Surrogate, Variable};
use emucell::view::{Layout, View, ViewMut};
use emucell::{Activation, ErrorKind};

const N_CELLS: usize = 77;
const DT: f64 = 0.1;

/// A step map (u, w, stimulus s, parameter g) → (u, w) with a little network inside.
fn step_map() -> Arc<Surrogate> {
    let mut b = ProgramBuilder::new(4).unwrap();
    let weights = (0..32).map(|i| ((i * 7 % 11) as f32 - 5.0) * 0.08).collect();
    let h = b.dense(BlockId::INPUT, weights, vec![0.05; 8], Activation::Tanh).unwrap();
    let weights = (0..16).map(|i| ((i * 5 % 7) as f32 - 3.0) * 0.05).collect();
    let change = b.dense(h, weights, vec![0.01, -0.02], Activation::Linear).unwrap();
    let state = b.slice(BlockId::INPUT, 0, 2).unwrap();
    let next = b.binary(BinaryOperator::Add, state, change).unwrap();
    let variable = |name, role| Variable::new(name, "1", role).with_range(-1.0, 1.0);
    let inputs = vec![
        variable("u", Role::State),
        variable("w", Role::State),
        variable("s", Role::Stimulus),
        variable("g", Role::Parameter),
    ];
    let outputs = inputs[..2].to_vec();
    Arc::new(Surrogate::new(Kind::StepMap { dt: DT }, inputs, outputs, b.finish(next)).unwrap())
}

fn session(options: SessionOptions) -> Session {
    Session::new(step_map(), &options).unwrap()
}

fn state(cell: usize) -> [f64; 2] {
    [0.5 - cell as f64 / 80.0, (cell % 9) as f64 / 10.0]
}

fn stimulus(cell: usize) -> f64 {
    (cell % 4) as f64 * 0.2
}

fn parameter(cell: usize) -> f64 {
    1.0 - (cell % 5) as f64 * 0.3
}

/// The step map in double precision.
fn expected(cell: usize, n_steps: u32) -> [f64; 2] {
    let program = step_map().program().unwrap().clone();
    (0..n_steps).fold(state(cell), |x, _| {
        let y = program.evaluate_reference(&[x[0], x[1], stimulus(cell), parameter(cell)]);
        [y[0], y[1]]
    })
}

fn assert_stepped(found: impl Fn(usize, usize) -> f64, n_steps: u32) {
    for cell in 0..N_CELLS {
        for (variable, exact) in expected(cell, n_steps).into_iter().enumerate() {
            let found = found(cell, variable);
            assert!((found - exact).abs() < 3e-6, "cell {cell}, variable {variable}: {found} not {exact}");
        }
    }
}

#[test]
fn all_layouts_and_element_types_step_alike() {
    let stimuli: Vec<f32> = (0..N_CELLS).map(|c| stimulus(c) as f32).collect();
    let parameters: Vec<f64> = (0..N_CELLS).map(parameter).collect();
    for n_threads in [1, 2, 3] {
        let mut session = session(SessionOptions { n_threads, ..SessionOptions::default() });
        for layout in [
            Layout::array_of_structures(N_CELLS, 2),
            Layout::structure_of_arrays(N_CELLS, 2),
            Layout::pitched(N_CELLS, 2, N_CELLS + 19),
            Layout { n_cells: N_CELLS, n_variables: 2, cell_stride: 5, variable_stride: 2 },
        ] {
            let at = |c: usize, v: usize| c * layout.cell_stride + v * layout.variable_stride;
            let mut doubles = vec![f64::MAX; layout.required_len().unwrap() + 3];
            let cells = (0..N_CELLS).flat_map(|c| [(c, 0), (c, 1)]);
            cells.clone().for_each(|(c, v)| doubles[at(c, v)] = state(c)[v]);
            let mut singles: Vec<f32> = doubles.iter().map(|&x| x as f32).collect();
            let given = |state| Cells {
                stimulus: Some(View::array_of_structures(&stimuli, 1).unwrap()),
                parameters: Some(View::array_of_structures(&parameters, 1).unwrap().into()),
                ..Cells::new(state)
            };
            session.step(given(ViewMut::new(&mut doubles, layout).unwrap()), DT, 3).unwrap();
            session.step(given(ViewMut::new(&mut singles, layout).unwrap()), DT, 3).unwrap();
            assert_stepped(|c, v| doubles[at(c, v)], 3);
            assert_stepped(|c, v| f64::from(singles[at(c, v)]), 3);
            let touched: Vec<usize> = cells.map(|(c, v)| at(c, v)).collect();
            for (i, &x) in doubles.iter().enumerate() {
                assert!(touched.contains(&i) || x == f64::MAX, "a number between the cells was written");
            }
        }
    }
}

#[test]
fn an_index_picks_rows_in_its_own_order() {
    let rows: Vec<u32> = (0..N_CELLS as u32).rev().filter(|row| row % 3 != 0).collect();
    let mut numbers: Vec<f64> = (0..N_CELLS).flat_map(state).collect();
    let stimuli: Vec<f64> = rows.iter().map(|&row| stimulus(row as usize)).collect();
    let parameters: Vec<f64> = (0..N_CELLS).map(parameter).collect();
    let mut status = vec![9; rows.len()];
    let cells = Cells {
        state: ViewMut::array_of_structures(&mut numbers, 2).unwrap().into(),
        stimulus: Some(View::array_of_structures(&stimuli, 1).unwrap()),
        parameters: Some(View::array_of_structures(&parameters, 1).unwrap().into()),
        index: Some(&rows),
        status: Some(&mut status),
    };
    session(SessionOptions { n_threads: 2, ..SessionOptions::default() }).step(cells, DT, 1).unwrap();
    for cell in 0..N_CELLS {
        let exact = if cell % 3 == 0 { state(cell) } else { expected(cell, 1) };
        assert!((0..2).all(|v| (numbers[2 * cell + v] - exact[v]).abs() < 1e-6), "cell {cell}");
    }
    assert!(status.iter().all(|&s| s == 0));
}

#[test]
fn one_number_serves_all_cells_and_steps_fuse() {
    let (one_stimulus, one_parameter) = ([0.3f32], [0.7f64]);
    let constant = Layout { n_cells: N_CELLS, n_variables: 1, cell_stride: 0, variable_stride: 1 };
    let mut session = session(SessionOptions::default());
    let mut step = |numbers: &mut [f32], n_steps| {
        let cells = Cells {
            stimulus: Some(View::new(&one_stimulus, constant).unwrap()),
            parameters: Some(View::new(&one_parameter, constant).unwrap().into()),
            ..Cells::new(ViewMut::array_of_structures(numbers, 2).unwrap())
        };
        session.step(cells, DT * (1.0 + 1e-12), n_steps).unwrap();
    };
    let start: Vec<f32> = (0..N_CELLS).flat_map(state).map(|x| x as f32).collect();
    let (mut together, mut apart, mut still) = (start.clone(), start.clone(), start.clone());
    step(&mut together, 5);
    (0..5).for_each(|_| step(&mut apart, 1));
    step(&mut still, 0);
    assert_eq!(together, apart);
    assert_eq!(still, start);
    assert_ne!(together, start);
}

#[test]
fn bad_cells_are_reported_and_disturb_no_other() {
    let stimuli = vec![0.0f64; N_CELLS];
    let run = |guard, spoil: &dyn Fn(&mut Vec<f64>)| {
        let mut numbers: Vec<f64> = (0..N_CELLS).flat_map(state).collect();
        spoil(&mut numbers);
        let mut status = vec![9; N_CELLS];
        let cells = Cells {
            stimulus: Some(View::array_of_structures(&stimuli, 1).unwrap()),
            parameters: Some(View::array_of_structures(&stimuli, 1).unwrap().into()),
            status: Some(&mut status),
            ..Cells::new(ViewMut::array_of_structures(&mut numbers, 2).unwrap())
        };
        session(SessionOptions { guard, ..SessionOptions::default() }).step(cells, DT, 2).unwrap();
        (numbers, status)
    };
    let (clean, status) = run(Guard::Ignore, &|_| {});
    assert!(status.iter().all(|&s| s == 0));
    let spoil = |numbers: &mut Vec<f64>| {
        numbers[2 * 3] = f64::NAN;
        numbers[2 * 40 + 1] = f64::INFINITY;
        numbers[2 * 76] = 1.5;
    };
    for guard in [Guard::Ignore, Guard::Clamp] {
        let (numbers, status) = run(guard, &spoil);
        for cell in 0..N_CELLS {
            let same = numbers[2 * cell..2 * cell + 2] == clean[2 * cell..2 * cell + 2];
            match cell {
                3 => {
                    assert!(numbers[6].is_nan());
                    assert_eq!(status[3], cell_status::OUTSIDE_DOMAIN | cell_status::NOT_FINITE);
                }
                40 | 76 => assert!(status[cell] & cell_status::OUTSIDE_DOMAIN != 0),
                _ => assert!(same && status[cell] == 0, "cell {cell} was disturbed"),
            }
        }
        let clamped = guard == Guard::Clamp;
        assert_eq!(numbers[2 * 40 + 1].is_finite(), clamped);
        assert_eq!(status[40] & cell_status::NOT_FINITE != 0, !clamped);
    }
}

#[test]
fn wrong_calls_are_refused_and_write_nothing() {
    let mut session = session(SessionOptions::default());
    static NUMBERS: [f64; 6] = [0.25; 6];
    let one = View::array_of_structures(&NUMBERS[..3], 1).unwrap();
    let mut refused = |change: &dyn Fn(&mut Cells<'_>), dt| {
        let mut state = NUMBERS;
        let mut cells = Cells {
            stimulus: Some(one),
            parameters: Some(one.into()),
            ..Cells::new(ViewMut::array_of_structures(&mut state, 2).unwrap())
        };
        change(&mut cells);
        let error = session.step(cells, dt, 1).unwrap_err();
        assert_eq!(state, NUMBERS);
        (error.kind(), error.to_string())
    };
    let (kind, message) = refused(&|_| {}, 0.02);
    assert_eq!(kind, ErrorKind::WrongStep);
    assert!(message.contains("0.02") && message.contains("0.1"), "{message}");
    assert!(refused(&|_| {}, f64::NAN).0 == ErrorKind::WrongStep);
    assert!(refused(&|cells| cells.stimulus = None, DT).1.contains("no stimulus"));
    assert!(refused(&|cells| cells.parameters = None, DT).1.contains("no parameters"));
    let two = View::array_of_structures(&NUMBERS[..2], 1).unwrap();
    assert!(refused(&|cells| cells.stimulus = Some(two), DT).1.contains("2 cells where 3"));
    let wide = View::array_of_structures(&NUMBERS, 2).unwrap();
    assert!(refused(&|cells| cells.parameters = Some(wide.into()), DT).1.contains("2 variables"));

    let mut outputs = [7.0f32; 4];
    let inputs = View::array_of_structures(&NUMBERS[..4], 4).unwrap();
    let outputs_view = ViewMut::array_of_structures(&mut outputs, 2).unwrap();
    assert!(
        session.evaluate(inputs, outputs_view, None).unwrap_err().to_string().contains("2 cells where 1")
    );
    assert_eq!(outputs, [7.0; 4]);
    assert!(Session::new(step_map(), &SessionOptions { n_threads: 0, ..SessionOptions::default() }).is_err());
}

#[test]
fn a_solution_map_steps_with_any_length() {
    // x(t) = x0 + t·p
    let mut b = ProgramBuilder::new(3).unwrap();
    let column = |b: &mut ProgramBuilder, i| b.slice(BlockId::INPUT, i, 1).unwrap();
    let (t, x, p) = (column(&mut b, 0), column(&mut b, 1), column(&mut b, 2));
    let change = b.binary(BinaryOperator::Multiply, t, p).unwrap();
    let y = b.binary(BinaryOperator::Add, x, change).unwrap();
    let inputs = vec![
        Variable::new("t", "ms", Role::Time),
        Variable::new("x", "1", Role::State),
        Variable::new("p", "1/ms", Role::Parameter),
    ];
    let outputs = vec![inputs[1].clone()];
    let surrogate = Surrogate::new(Kind::SolutionMap, inputs, outputs, b.finish(y)).unwrap();
    let mut session = Session::new(Arc::new(surrogate), &SessionOptions::default()).unwrap();
    let mut x = [1.0f64, 2.0];
    let p = [0.5f64, -1.0];
    let cells = Cells {
        parameters: Some(View::array_of_structures(&p, 1).unwrap().into()),
        ..Cells::new(ViewMut::array_of_structures(&mut x, 1).unwrap())
    };
    session.step(cells, 0.25, 4).unwrap();
    assert_eq!(x, [1.5, 1.0]);
}

#[test]
fn many_times_of_the_same_cells_are_evaluations_at_each() {
    // (p, t, x) → (x + t·p, t)
    let mut b = ProgramBuilder::new(3).unwrap();
    let [p, t, x] = [0, 1, 2].map(|i| b.slice(BlockId::INPUT, i, 1).unwrap());
    let change = b.binary(BinaryOperator::Multiply, t, p).unwrap();
    let y = b.binary(BinaryOperator::Add, x, change).unwrap();
    let both = b.concat(&[y, t]).unwrap();
    let inputs = vec![
        Variable::new("p", "1/ms", Role::Parameter),
        Variable::new("t", "ms", Role::Time).with_range(0.0, 9.0),
        Variable::new("x", "1", Role::State),
    ];
    let outputs = ["x", "now"].map(|name| Variable::new(name, "1", Role::State)).to_vec();
    let surrogate = Arc::new(Surrogate::new(Kind::SolutionMap, inputs, outputs, b.finish(both)).unwrap());
    let count = SessionOptions { guard: Guard::Count, ..SessionOptions::default() };
    let mut session = Session::new(surrogate.clone(), &count).unwrap();
    let times: Vec<f64> = (0..70).map(|k| 0.125 * f64::from(k)).chain([10.0]).collect();
    let cells: Vec<f64> = (0..2 * N_CELLS).map(|i| i as f64 / 64.0).collect();
    let mut found = vec![-1.0; 2 * times.len() * N_CELLS];
    let of_outputs = Layout::structure_of_arrays(N_CELLS, 2 * times.len());
    let inputs = View::array_of_structures(&cells, 2).unwrap();
    session.evaluate_times(inputs, &times, ViewMut::new(&mut found, of_outputs).unwrap()).unwrap();
    for (k, t) in times.iter().enumerate() {
        for i in 0..N_CELLS {
            assert_eq!(found[2 * k * N_CELLS + i], cells[2 * i + 1] + t * cells[2 * i]);
            assert_eq!(found[(2 * k + 1) * N_CELLS + i], *t);
        }
    }
    let counters = session.counters();
    assert_eq!((counters.calls, counters.cell_steps), (1, (N_CELLS * times.len()) as u64));
    assert_eq!(counters.outside_domain, N_CELLS as u64);

    let before = found.clone();
    let mut refused = |session: &mut Session, times: &[f64], width: usize| {
        let inputs = View::array_of_structures(&cells[..width * N_CELLS], width).unwrap();
        let outputs = ViewMut::new(&mut found, of_outputs).unwrap();
        session.evaluate_times(inputs, times, outputs).unwrap_err().to_string()
    };
    let flag = SessionOptions { guard: Guard::Flag, ..SessionOptions::default() };
    let mut flagging = Session::new(surrogate, &flag).unwrap();
    let faults = [
        refused(&mut session, &times[1..], 2),
        refused(&mut session, &times, 1),
        refused(&mut flagging, &times, 2),
        refused(&mut self::session(SessionOptions::default()), &times, 2),
    ];
    for (fault, words) in
        faults.iter().zip(["of all times", "without the time", "guard Flag", "no solution map"])
    {
        assert!(fault.contains(words), "{fault}");
    }
    assert_eq!(found, before);
}

#[test]
fn denormals_count_as_zero_within_and_stay_numbers_without() {
    let mut b = ProgramBuilder::new(2).unwrap();
    let (x, y) = (b.slice(BlockId::INPUT, 0, 1).unwrap(), b.slice(BlockId::INPUT, 1, 1).unwrap());
    let product = b.binary(BinaryOperator::Multiply, x, y).unwrap();
    let variable = |name| Variable::new(name, "1", Role::State);
    let (inputs, outputs) = (vec![variable("x"), variable("y")], vec![variable("xy")]);
    let surrogate = Arc::new(Surrogate::new(Kind::SolutionMap, inputs, outputs, b.finish(product)).unwrap());
    for n_threads in [1, 2] {
        let options = SessionOptions { n_threads, ..SessionOptions::default() };
        let mut session = Session::new(surrogate.clone(), &options).unwrap();
        let cells: Vec<f32> = (0..N_CELLS).flat_map(|_| [1e-20f32, 1e-20]).collect();
        let mut products = vec![1f32; N_CELLS];
        let inputs = View::array_of_structures(&cells, 2).unwrap();
        let outputs = ViewMut::array_of_structures(&mut products, 1).unwrap();
        session.evaluate(inputs, outputs, None).unwrap();
        assert_eq!(products, [0.0; N_CELLS], "{n_threads} threads");
    }
    // A program that has denormals itself may divide by them: x / (x + c) at 0.
    let mut b = ProgramBuilder::new(1).unwrap();
    let c = b.constant([1e-40]).unwrap();
    let sum = b.binary(BinaryOperator::Add, BlockId::INPUT, c).unwrap();
    let quotient = b.binary(BinaryOperator::Divide, BlockId::INPUT, sum).unwrap();
    let (inputs, outputs) = (vec![variable("x")], vec![variable("y")]);
    let surrogate = Surrogate::new(Kind::SolutionMap, inputs, outputs, b.finish(quotient)).unwrap();
    let mut session = Session::new(Arc::new(surrogate), &SessionOptions::default()).unwrap();
    let mut quotients = [1f32; 3];
    let x = View::array_of_structures(&[0f32, 1e-40, 1.0], 1).unwrap();
    session.evaluate(x, ViewMut::array_of_structures(&mut quotients, 1).unwrap(), None).unwrap();
    assert_eq!(quotients, [0.0, 0.5, 1.0]);
    let tiny = std::hint::black_box(1e-20f32);
    assert!(std::hint::black_box(tiny * tiny) > 0.0);
}
