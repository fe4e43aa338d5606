//! Sessions on ONNX Runtime and on the native backend do the same.

use std::sync::Arc;

use emucell::ErrorKind;
use emucell::session::{
    BackendChoice, Cells, Counters, Device, Fallback, Guard, OutsideCells, Precision, Session,
    SessionOptions, cell_status,
};
use emucell::surrogate::Surrogate;
use emucell::view::{Layout, View, ViewMut};

use super::support::{onnxruntime, surrogates};

/// More than a batch, and a ragged tail.
const N_CELLS: usize = 1024 + 77;
const GUARDS: [Guard; 5] = [Guard::Ignore, Guard::Clamp, Guard::Count, Guard::Flag, Guard::Fallback];

/// (u, w, s, threshold) of cells of which some are outside the domain, and one is NaN.
fn cell(i: usize) -> [f64; 4] {
    let u = if i == 1050 { f64::NAN } else { (i % 23) as f64 * 0.06 - 0.2 };
    [u, (i % 7) as f64 * 0.03, (i % 5) as f64 * 0.025, 0.2 + (i % 3) as f64 * 0.1]
}

fn sessions(surrogate: &Arc<Surrogate>, guard: Guard) -> [Session; 2] {
    let native = SessionOptions { guard, ..SessionOptions::default() };
    let other = SessionOptions { guard, ..onnxruntime::options() };
    [native, other].map(|options| Session::new(surrogate.clone(), &options).unwrap())
}

fn assert_same(a: &[f64], b: &[f64], what: &str) {
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() < 2e-6 || (a.is_nan() && b.is_nan()), "{what}: number {i}: {a} and {b}");
    }
}

/// Numbers, status bytes and counters after a call.
type Outcome = (Vec<f64>, Vec<u8>, Counters);

fn assert_outcomes(outcomes: [Outcome; 2], what: &str) -> Outcome {
    let [native, other] = outcomes;
    assert_same(&native.0, &other.0, what);
    assert!(native.1 == other.1, "{what}: status bytes");
    assert_eq!(native.2, other.2, "{what}");
    native
}

#[test]
fn many_times_of_the_same_cells_are_the_same() {
    let surrogate = Arc::new(surrogates::formula_network());
    let times: Vec<f64> = (0..40).map(|k| 0.66 * f64::from(k)).collect();
    let cells: Vec<f64> = (0..N_CELLS).flat_map(|i| cell(i)[..2].to_vec()).collect();
    for guard in [Guard::Ignore, Guard::Clamp, Guard::Count] {
        let outcomes = sessions(&surrogate, guard).map(|mut session| {
            let mut states = vec![-7.5; N_CELLS * 2 * times.len()];
            let inputs = View::array_of_structures(&cells, 2).unwrap();
            let outputs = ViewMut::array_of_structures(&mut states, 2 * times.len()).unwrap();
            session.evaluate_times(inputs, &times, outputs).unwrap();
            let counters = session.counters();
            (states, Vec::new(), counters)
        });
        let (.., counters) = assert_outcomes(outcomes, &format!("guard {guard:?}"));
        assert!(guard == Guard::Ignore || (counters.outside_domain > 0 && counters.not_finite > 0));
    }
}

#[test]
fn steps_are_the_same_for_every_guard_and_number_of_steps() {
    let surrogate = Arc::new(surrogates::fhn_euler_with_threshold(0.1));
    // Every second row, backwards, and the rows of a last batch.
    let index: Vec<u32> = (0..N_CELLS as u32).rev().filter(|i| i % 2 == 0 || *i > 900).collect();
    for guard in GUARDS {
        for (n_steps, index) in [(0, None), (1, None), (3, None), (3, Some(&index[..]))] {
            let outcomes = sessions(&surrogate, guard).map(|mut session| {
                let mut state: Vec<f64> =
                    (0..2).flat_map(|j| (0..N_CELLS).map(move |i| cell(i)[j])).collect();
                let n_cells = index.map_or(N_CELLS, <[u32]>::len);
                let stimulus: Vec<f32> = (0..n_cells).map(|i| cell(i)[2] as f32).collect();
                let threshold: Vec<f64> = (0..N_CELLS).map(|i| cell(i)[3]).collect();
                let mut status = vec![0xaa; n_cells];
                let layout = Layout::structure_of_arrays(N_CELLS, 2);
                let cells = Cells {
                    stimulus: Some(View::array_of_structures(&stimulus, 1).unwrap()),
                    parameters: Some(View::array_of_structures(&threshold, 1).unwrap().into()),
                    index,
                    status: Some(&mut status),
                    ..Cells::new(ViewMut::new(&mut state, layout).unwrap())
                };
                session.step(cells, 0.1, n_steps).unwrap();
                let counters = session.counters();
                (state, status, counters)
            });
            let what = format!("guard {guard:?}, {n_steps} steps, index {}", index.is_some());
            let (_, status, counters) = assert_outcomes(outcomes, &what);
            if n_steps > 0 {
                assert!(status.iter().any(|s| s & cell_status::OUTSIDE_DOMAIN != 0), "{what}");
                assert!(counters.outside_domain > 0 && counters.not_finite > 0, "{what}");
            }
        }
    }
}

/// Single precision side by side is used where it lies; nothing else is.
#[test]
fn evaluations_are_the_same_for_every_guard_with_and_without_status() {
    let surrogate = Arc::new(surrogates::formula_network());
    let numbers: Vec<f32> =
        (0..N_CELLS).flat_map(|i| [cell(i)[2] * 200.0, cell(i)[0], cell(i)[1]]).map(|x| x as f32).collect();
    for guard in GUARDS {
        // The network is no cell model: the fallback cannot be its own.
        if guard == Guard::Fallback {
            continue;
        }
        for wants_status in [true, guard == Guard::Flag] {
            let outcomes = sessions(&surrogate, guard).map(|mut session| {
                let (mut y, mut status) = (vec![0.0f32; 2 * N_CELLS], vec![0xaa; N_CELLS]);
                let to = ViewMut::array_of_structures(&mut y, 2).unwrap();
                let from = View::array_of_structures(&numbers, 3).unwrap();
                session.evaluate(from, to, wants_status.then_some(&mut status[..])).unwrap();
                (y.into_iter().map(f64::from).collect(), status, session.counters())
            });
            assert_outcomes(outcomes, &format!("guard {guard:?}, status {wants_status}"));
        }
    }
}

/// A solution map with a cell model of its own: its cells outside are left to the solver.
#[test]
fn the_fallback_computes_what_it_should() {
    let surrogate = Arc::new(surrogates::fhn_euler(10, 0.01));
    let x: Vec<f32> = (0..N_CELLS).flat_map(|i| cell(i)[..3].to_vec()).map(|x| x as f32).collect();
    let outcomes = sessions(&surrogate, Guard::Fallback).map(|mut session| {
        let mut y = vec![7.0f32; 2 * N_CELLS];
        let to = ViewMut::array_of_structures(&mut y, 2).unwrap();
        session.evaluate(View::array_of_structures(&x, 3).unwrap(), to, None).unwrap();
        (y.into_iter().map(f64::from).collect(), vec![], session.counters())
    });
    assert!(assert_outcomes(outcomes, "fallback").2.fallback > 100);
}

/// Leaves cells as they are.
struct Nobody;

impl Fallback for Nobody {
    fn compute(&self, _: &mut OutsideCells<'_>) -> emucell::Result<()> {
        Ok(())
    }
}

#[test]
fn cells_that_are_left_to_the_fallback_are_not_written() {
    let surrogate = Arc::new(surrogates::fhn_euler(10, 0.01));
    let fallback = Some(Arc::new(Nobody) as Arc<dyn Fallback>);
    let options = SessionOptions { guard: Guard::Fallback, fallback, ..onnxruntime::options() };
    let mut session = Session::new(surrogate, &options).unwrap();
    let x = [0.5f32, 0.1, 0.0, 5.0, 0.1, 0.0];
    let mut y = [7.0f32; 4];
    let to = ViewMut::array_of_structures(&mut y, 2).unwrap();
    session.evaluate(View::array_of_structures(&x, 3).unwrap(), to, None).unwrap();
    assert!(y[0] != 7.0 && y[1] != 7.0 && y[2..] == [7.0, 7.0], "{y:?}");
}

/// Rows shared by all cells and padded rows are no tensors: they are copied.
#[test]
fn rows_with_strides_are_read_as_they_are() {
    let surrogate = Arc::new(surrogates::formula_network());
    let outcomes = sessions(&surrogate, Guard::Ignore).map(|mut session| {
        let (time, mut y) = ([2.0f32], vec![0.0f32; 3 * N_CELLS]);
        let states: Vec<f32> =
            (0..N_CELLS).flat_map(|i| [cell(i)[1], cell(i)[2], 99.0]).map(|x| x as f32).collect();
        let one_for_all = Layout { n_cells: N_CELLS, n_variables: 1, cell_stride: 0, variable_stride: 0 };
        let padded = Layout { n_cells: N_CELLS, n_variables: 2, cell_stride: 3, variable_stride: 1 };
        let views = [View::new(&time, one_for_all).unwrap(), View::new(&states, padded).unwrap()];
        session.evaluate(&views[..], ViewMut::new(&mut y, padded).unwrap(), None).unwrap();
        (y.into_iter().map(f64::from).collect(), vec![], session.counters())
    });
    let (y, ..) = assert_outcomes(outcomes, "strides");
    assert!(y.chunks(3).all(|row| row[2] == 0.0), "what lies between the rows was written");
}

fn refused(options: SessionOptions) -> String {
    let error = Session::new(Arc::new(surrogates::formula_network()), &options).err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidArgument), "{error}");
    error.to_string()
}

/// The wheel of the tests has no provider but the CPU's: whoever asks for another one must be told
/// so, and never get the CPU.
#[test]
fn providers_that_are_not_there_are_errors() {
    let cuda = || SessionOptions { device: Device::Cuda(0), ..onnxruntime::options() };
    let message = refused(cuda());
    assert!(
        message.contains("without its CUDA provider") && message.contains("onnxruntime-gpu"),
        "{message}"
    );
    let message = refused(SessionOptions { backend: BackendChoice::Auto, ..cuda() });
    // The native backend comes first where it was built for GPUs.
    let expected =
        if cfg!(feature = "cuda") { "native backend on cuda:0" } else { "without its CUDA provider" };
    assert!(message.contains(expected), "{message}");
    let message = refused(SessionOptions { precision: Precision::F16, ..cuda() });
    assert!(message.contains("F16") && message.contains("TensorRT"), "{message}");
    for precision in [Precision::Auto, Precision::F16, Precision::Bf16] {
        let message = refused(SessionOptions { backend: BackendChoice::TensorRt, precision, ..cuda() });
        assert!(message.contains("without its TensorRT provider"), "{message}");
    }
    let message = refused(SessionOptions { backend: BackendChoice::Native, ..cuda() });
    assert!(message.contains("native backend on cuda:0"), "{message}");
}

#[test]
fn options_that_cannot_be_are_errors() {
    let message = refused(SessionOptions { precision: Precision::F16, ..onnxruntime::options() });
    assert!(message.contains("F16 on the CPU"), "{message}");
    let message = refused(SessionOptions { backend: BackendChoice::TensorRt, ..onnxruntime::options() });
    assert!(message.contains("TensorRT on the CPU"), "{message}");
    let message =
        refused(SessionOptions { instruction_set: Some("avx2".to_owned()), ..onnxruntime::options() });
    assert!(message.contains("avx2"), "{message}");
    let message = refused(SessionOptions { n_threads: 0, ..onnxruntime::options() });
    assert!(message.contains("0 threads"), "{message}");
}
