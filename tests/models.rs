//! The surrogates in models/ are as good as models/README.md says, run as users run them.

#![cfg(feature = "data")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use emucell::cell_model::CellModel;
use emucell::dataset::{Problem, sampling};
use emucell::format::onnx;
use emucell::session::{Cells, Session, SessionOptions};
use emucell::view::{Layout, View, ViewMut};

const N_CELLS: usize = 400;

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)
}

fn session(name: &str) -> Session {
    let surrogate = onnx::load(&model(name)).unwrap();
    Session::new(Arc::new(surrogate), &SessionOptions::default()).unwrap()
}

/// The exact (u, w) of a cell at `times`.
fn exact(u0: f64, w0: f64, stimulus: f64, times: &[f64]) -> Vec<f64> {
    emucell::cell_model::reference::solve(&CellModel::fhn_cubic(), &[u0, w0], stimulus, times).unwrap()
}

#[test]
fn the_step_map_rolls_out_to_50_ms() {
    let boxes = [[-0.1, 1.0], [0.0, 0.2], [0.0, 1.0]];
    let starts = sampling::uniform(&boxes, N_CELLS, 20_261_122).unwrap();
    let stimulus: Vec<f64> = starts.column(2).iter().map(|&k| Problem::D.stimulus(k)).collect();
    let mut state: Vec<f64> = starts.rows().into_iter().flat_map(|row| [row[0], row[1]]).collect();
    let mut session = session("fhn_cubic_step.onnx");
    let (mut squares, mut norms) = (vec![0.0; N_CELLS], vec![0.0; N_CELLS]);
    let times: Vec<f64> = (1..=50).map(f64::from).collect();
    let exact: Vec<Vec<f64>> =
        starts.rows().into_iter().zip(&stimulus).map(|(row, &s)| exact(row[0], row[1], s, &times)).collect();
    for sample in 0..times.len() {
        let cells = Cells {
            stimulus: Some(View::array_of_structures(&stimulus, 1).unwrap()),
            ..Cells::new(ViewMut::array_of_structures(&mut state, 2).unwrap())
        };
        session.step(cells, 0.1, 10).unwrap();
        for cell in 0..N_CELLS {
            let u = exact[cell][2 * sample];
            squares[cell] += (state[2 * cell] - u).powi(2);
            norms[cell] += u * u;
        }
    }
    let mean =
        squares.iter().zip(&norms).map(|(s, n): (&f64, &f64)| (s / n).sqrt()).sum::<f64>() / N_CELLS as f64;
    assert!(mean < 1e-3, "mean relative L2 of u: {mean}");
}

#[test]
fn the_solution_map_answers_problem_c() {
    let starts = sampling::uniform(&Problem::C.ranges(), N_CELLS, 20_261_123).unwrap();
    let times: Vec<f64> = (0..=20).map(f64::from).collect();
    let mut inputs = Vec::new();
    let mut expected = Vec::new();
    for row in starts.rows() {
        expected.extend(exact(row[0], row[1], Problem::C.stimulus(row[2]), &times));
        inputs.extend(times.iter().flat_map(|&t| [t, row[0], row[1], row[2]]));
    }
    let mut outputs = vec![0.0f64; expected.len()];
    let view = ViewMut::array_of_structures(&mut outputs, 2).unwrap();
    session("fhn_cubic_solution.onnx")
        .evaluate(View::array_of_structures(&inputs, 4).unwrap(), view, None)
        .unwrap();
    let errors = outputs.iter().zip(&expected).map(|(y, exact)| (y - exact).abs());
    let mean = errors.sum::<f64>() / expected.len() as f64;
    assert!(mean < 2e-3, "mean absolute error: {mean}");
}

#[test]
fn solution_maps_of_25_times_answer_their_problems_in_one_call() {
    for (name, problem, every) in
        [("fhn_cubic_b_25_times.onnx", Problem::B, 1.0), ("fhn_cubic_25_times.onnx", Problem::C, 0.8)]
    {
        let starts = sampling::uniform(&problem.ranges(), N_CELLS, 20_261_124).unwrap();
        let mut session = session(name);
        let times = session.surrogate().times().to_vec();
        assert_eq!((times.len(), times[0], times[24]), (25, every, problem.horizon()));
        let inputs: Vec<f64> = starts.iter().copied().collect();
        let exact: Vec<Vec<f64>> = starts
            .rows()
            .into_iter()
            .map(|row| exact(row[0], row[1], problem.stimulus(row[2]), &times))
            .collect();
        let expected = exact.concat();
        let mut outputs = vec![0.0f32; expected.len()];
        let view = ViewMut::array_of_structures(&mut outputs, 50).unwrap();
        // k, the third column, is no input of problem B.
        let layout = Layout {
            n_cells: N_CELLS,
            n_variables: session.surrogate().inputs().len(),
            cell_stride: 3,
            variable_stride: 1,
        };
        let columns = View::new(&inputs, layout).unwrap();
        session.evaluate(columns, view, None).unwrap();
        let errors: Vec<f64> =
            outputs.iter().zip(&expected).map(|(&y, exact)| (f64::from(y) - exact).abs()).collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let largest = errors.iter().copied().fold(0.0, f64::max);
        assert!(mean < 5e-5 && largest < 0.05, "{name}: mean absolute error {mean}, largest {largest}");
    }
}

/// APD90 in ms of the first action potential of a cell at rest that gets `strength` for 2 ms, and V's peak.
fn action_potential(name: &str, strength: f64) -> (f64, f64) {
    const DT: f64 = 0.02;
    let surrogate = Arc::new(onnx::load(&model(name)).unwrap());
    let mut state = surrogate.initial_state().unwrap().to_vec();
    let mut session = Session::new(surrogate, &SessionOptions::default()).unwrap();
    let n_states = state.len();
    let mut voltage = Vec::new();
    for step in 0..25_000 {
        voltage.push(state[0]);
        let stimulus = [if step < 100 { strength } else { 0.0 }];
        let cells = Cells {
            stimulus: Some(View::array_of_structures(&stimulus, 1).unwrap()),
            ..Cells::new(ViewMut::array_of_structures(&mut state, n_states).unwrap())
        };
        session.step(cells, DT, 1).unwrap();
    }
    let peak = voltage.iter().copied().fold(f64::MIN, f64::max);
    let threshold = peak - 0.9 * (peak - voltage[0]);
    let crossing = |i: usize| (i - 1) as f64 + (threshold - voltage[i - 1]) / (voltage[i] - voltage[i - 1]);
    let up = voltage.iter().position(|&v| v > threshold).unwrap();
    let top = voltage.iter().position(|&v| v == peak).unwrap();
    let down = top + voltage[top..].iter().position(|&v| v < threshold).unwrap();
    ((crossing(down) - crossing(up)) * DT, peak)
}

/// What MonoAlg3D's own libraries gave for the same stimulus, asked by another program.
#[test]
fn distilled_models_have_the_action_potentials_of_their_libraries() {
    let (duration, peak) = action_potential("ten_tusscher_3_epi.onnx", -40.0);
    assert!(
        (duration - 314.678_46).abs() < 0.01 && (peak - 48.7732).abs() < 0.01,
        "{duration} ms, {peak} mV"
    );
    // 0.03 %, the error that models/README.md gives.
    let (duration, peak) = action_potential("courtemanche.onnx", -3000.0);
    assert!(
        (duration - 295.262_54).abs() < 0.089 && (peak - 40.280_29).abs() < 0.01,
        "{duration} ms, {peak} mV"
    );
    let (duration, peak) = action_potential("ten_tusscher_2006.onnx", -40.0);
    assert!(
        (duration - 378.043_56).abs() < 0.5 && (peak - 60.940_11).abs() < 0.1,
        "{duration} ms, {peak} mV"
    );
    let (duration, peak) = action_potential("mitchell_schaeffer.onnx", 0.1);
    assert!((duration - 268.728_57).abs() < 0.02 && (peak - 0.936_80).abs() < 1e-4, "{duration} ms, {peak}");
}

/// The largest and the mean absolute error of a solution map of the time alone, evaluated as users do.
fn errors_over_time(name: &str, cell_model: &CellModel, start: &[f64; 2], stimulus: f64) -> [f64; 2] {
    const N: usize = 1000;
    let mut session = session(name);
    let horizon = session.surrogate().inputs()[0].range.unwrap()[1];
    let times: Vec<f64> = (1..=N).map(|i| horizon * i as f64 / N as f64).collect();
    let mut given = vec![0.0; 2 * N];
    let inputs = View::array_of_structures(&times, 1).unwrap();
    session.evaluate(inputs, ViewMut::array_of_structures(&mut given, 2).unwrap(), None).unwrap();
    let exact = emucell::cell_model::reference::solve(cell_model, start, stimulus, &times).unwrap();
    let errors = || given.iter().zip(&exact).map(|(g, e)| (g - e).abs());
    [errors().fold(0.0, f64::max), errors().sum::<f64>() / (2 * N) as f64]
}

#[test]
fn trajectories_learnt_from_equations_alone_are_exact_to_a_millionth() {
    let [largest, mean] = errors_over_time("fhn_a_pinn.onnx", &CellModel::fhn_cubic(), &[0.5, 0.0], 0.0);
    eprintln!("problem A: {mean:.2e}, at most {largest:.2e}");
    assert!(mean < 1e-6 && largest < 1e-5, "{mean} {largest}");
    let canonical = CellModel::from_name("fhn_canonical", &Default::default()).unwrap();
    let [largest, mean] = errors_over_time("fhn_canonical_pinn.onnx", &canonical, &[0.0, 0.0], 0.5);
    eprintln!("canonical: {mean:.2e}, at most {largest:.2e}");
    assert!(mean < 1e-5 && largest < 1e-4, "{mean} {largest}");
}
