//! The same on a GPU, where there is one: networks in every precision, steps beside those of the processor, graphs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use emucell::backend::cuda::Workplace;
use emucell::program::Program;
use emucell::session::{Cells, Device, Guard, Precision, Session, SessionOptions};
use emucell::surrogate::Surrogate;
use emucell::view::{ElementType, Layout, View, ViewMut};

use super::programs::{self, network, noise};

#[path = "../support/surrogates.rs"]
#[allow(dead_code)]
pub mod surrogates;

/// One test at a time has the GPU: its memory is all the test's then.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A GPU; none where there is none, which is said.
fn workplace() -> Option<Workplace> {
    super::nvrtc()?;
    match Workplace::open(0) {
        Ok(workplace) => Some(workplace),
        Err(fault) => {
            // bench/cuda.sh, which is for machines with a GPU, demands one.
            let is_required = std::env::var_os("EMUCELL_REQUIRE_GPU").is_some_and(|value| !value.is_empty());
            assert!(!is_required, "{fault}");
            eprintln!("this test is skipped: {fault}");
            None
        }
    }
}

fn options(workplace: &Workplace, precision: Precision, guard: Guard) -> SessionOptions {
    let (device, stream) = (Device::Cuda(0), Some(workplace.stream()));
    SessionOptions { device, stream, precision, guard, ..SessionOptions::default() }
}

/// Outputs of cells in the GPU's memory, cell after cell.
fn evaluated(program: &Program, precision: Precision, x: &[f32]) -> Vec<f32> {
    let mut workplace = Workplace::open(0).unwrap();
    let (n_inputs, n_outputs) = (program.n_inputs(), program.n_outputs());
    let n_cells = x.len() / n_inputs;
    let surrogate = Arc::new(Surrogate::anonymous(program.clone()));
    let mut session = Session::new(surrogate, &options(&workplace, precision, Guard::Ignore)).unwrap();
    let mut y = vec![f32::NAN; n_cells * n_outputs];
    let [from, to] = [x.len(), y.len()].map(|len| workplace.reserve(4 * len).unwrap());
    workplace.put(from, x).unwrap();
    workplace.put(to, &y).unwrap();
    // SAFETY: pieces of the GPU's memory of these sizes.
    let (inputs, outputs) = unsafe {
        let inputs = Layout::array_of_structures(n_cells, n_inputs);
        let outputs = Layout::array_of_structures(n_cells, n_outputs);
        let inputs = View::from_raw(workplace.address(from), ElementType::F32, inputs);
        (inputs, ViewMut::from_raw(workplace.address(to), ElementType::F32, outputs).unwrap())
    };
    session.evaluate(inputs, outputs, None).unwrap();
    session.synchronize().unwrap();
    workplace.get(to, &mut y).unwrap();
    y
}

/// Largest difference from double precision, relative to the largest number, of cells in the GPU's memory.
fn error(program: &Program, precision: Precision, n_cells: usize) -> f64 {
    let n_inputs = program.n_inputs();
    let x: Vec<f32> = (0..n_cells * n_inputs).map(|i| 2.0 * noise(i + 17)).collect();
    let y = evaluated(program, precision, &x);
    let cells = x.chunks_exact(n_inputs).map(|cell| cell.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
    let exact: Vec<f64> = cells.flat_map(|cell| program.evaluate_reference(&cell)).collect();
    let size = exact.iter().fold(1e-30, |m: f64, x| m.max(x.abs()));
    let difference = |(y, e): (&f32, &f64)| (f64::from(*y) - e).abs() / size;
    y.iter().zip(&exact).map(difference).fold(0.0, |m: f64, d| if d > m || d.is_nan() { d } else { m })
}

#[test]
fn networks_and_operations_in_every_precision() {
    let _alone = alone();
    if workplace().is_none() {
        return;
    }
    let mut all = if super::EVERYTHING {
        programs::all()
    } else {
        programs::all().split_off(programs::all().len() - 2)
    };
    let widths = [
        &[3, 16, 16, 2][..],
        &[4, 64, 64, 64, 2],
        &[20, 128, 100, 36],
        &[4, 128, 128, 64, 2],
        &[3, 256, 256, 2],
    ];
    for widths in &widths[..if super::EVERYTHING { 5 } else { 1 }] {
        all.push((format!("{widths:?}"), network(widths, emucell::Activation::Tanh)));
    }
    let limits = [
        (Precision::Auto, 4e-6),
        (Precision::F32, 4e-6),
        (Precision::Tf32, 5e-3),
        (Precision::F16, 5e-3),
        (Precision::Bf16, 4e-2),
    ];
    for (precision, limit) in limits {
        if !super::EVERYTHING && !matches!(precision, Precision::F32 | Precision::F16) {
            continue;
        }
        for (name, program) in &all {
            for n_cells in [1, 1000 + 37] {
                let error = error(program, precision, n_cells);
                eprintln!("{name}, {precision:?}, {n_cells} cells: {error:.1e}");
                assert!(error < limit, "{name}, {precision:?}, {n_cells} cells: {error:e}");
            }
        }
    }
}

#[test]
fn random_networks_and_inputs_stay_within_their_errors_and_bad_cells_alone() {
    let _alone = alone();
    let Some(_) = workplace() else { return };
    let activations: Vec<emucell::Activation> = emucell::Activation::functions().collect();
    let mut seed = 12345usize;
    let mut random = |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    for i in 0..if super::EVERYTHING { 40 } else { 2 } {
        let widths: Vec<usize> = (0..3 + random(3)).map(|_| 1 + random(70)).collect();
        let activation = activations[random(activations.len())];
        let program = network(&widths, activation);
        let precision = [Precision::F32, Precision::Auto, Precision::F16][i % 3];
        let (n, n_inputs, n_outputs) = (1 + random(3000), program.n_inputs(), program.n_outputs());
        let bad = [random(n), random(n)];
        let mut x: Vec<f32> = (0..n * n_inputs).map(|_| random(1 << 20) as f32 / 131_072.0 - 4.0).collect();
        x[bad[0] * n_inputs + random(n_inputs)] = f32::NAN;
        x[bad[1] * n_inputs + random(n_inputs)] = f32::INFINITY;
        let what = format!("{widths:?} {} {precision:?}, {n} cells", activation.name());
        let y = evaluated(&program, precision, &x);
        let cells = || x.chunks_exact(n_inputs).zip(y.chunks_exact(n_outputs)).enumerate();
        let exact =
            |x: &[f32]| program.evaluate_reference(&x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        let good: Vec<_> = cells().filter(|(cell, _)| !bad.contains(cell)).collect();
        let size = good.iter().flat_map(|(_, (x, _))| exact(x)).fold(1e-30, |m: f64, y| m.max(y.abs()));
        let limit = size * if precision == Precision::F16 { 2e-2 } else { 1e-5 };
        for (cell, (x, y)) in good {
            for (y, exact) in y.iter().zip(exact(x)) {
                let difference = (f64::from(*y) - exact).abs();
                assert!(difference <= limit, "{what}, cell {cell}: {y} instead of {exact}");
            }
        }
        let of_nan = &y[bad[0] * n_outputs..][..n_outputs];
        assert!(of_nan.iter().all(|y| y.is_nan()), "{what}: {of_nan:?} of NaN");
    }
}

#[test]
fn steps_and_counters_are_those_of_the_processor_from_both_memories() {
    let _alone = alone();
    let Some(_) = workplace() else { return };
    let surrogate = Arc::new(surrogates::fhn_euler(1, 0.1));
    let n = 5000;
    let start: Vec<f32> = (0..2 * n).map(|i| (i * 37 % 101) as f32 * 0.012 - 0.2).collect();
    let stimulus: Vec<f32> = (0..n).map(|i| (i % 13) as f32 * 0.01).collect();
    for guard in [Guard::Ignore, Guard::Clamp, Guard::Count] {
        let mut outcomes = Vec::new();
        for place in ["processor", "gpu", "host numbers on the gpu"] {
            let mut workplace = Workplace::open(0).unwrap();
            let on_gpu = options(&workplace, Precision::F32, guard);
            let options = if place == "processor" {
                SessionOptions { guard, ..SessionOptions::default() }
            } else {
                on_gpu
            };
            let mut session = Session::new(surrogate.clone(), &options).unwrap();
            let mut state = start.clone();
            let piece = workplace.reserve(4 * state.len()).unwrap();
            workplace.put(piece, &state).unwrap();
            let layout = Layout::structure_of_arrays(n, 2);
            for n_steps in [1, 20] {
                let view = match place {
                    // SAFETY: a piece of the GPU's memory of that size.
                    "gpu" => unsafe {
                        ViewMut::from_raw(workplace.address(piece), ElementType::F32, layout).unwrap()
                    },
                    _ => ViewMut::new(&mut state, layout).unwrap(),
                };
                let stimulus = Some(View::array_of_structures(&stimulus, 1).unwrap());
                session.step(Cells { stimulus, ..Cells::new(view) }, 0.1, n_steps).unwrap();
            }
            session.synchronize().unwrap();
            if place == "gpu" {
                workplace.get(piece, &mut state).unwrap();
            }
            outcomes.push((place, state, session.counters()));
        }
        for (place, state, counters) in &outcomes[1..] {
            let worst = state.iter().zip(&outcomes[0].1).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 5e-6, "{guard:?}, {place}: {worst:e}");
            assert_eq!(counters.cell_steps, outcomes[0].2.cell_steps);
            let difference = counters.outside_domain.abs_diff(outcomes[0].2.outside_domain);
            // A cell at the very border may fall on either side.
            assert!(difference <= 3, "{guard:?}, {place}: {counters:?} and {:?}", outcomes[0].2);
        }
    }
}

#[test]
fn steps_are_recorded_in_a_graph_and_repeated() {
    let _alone = alone();
    let Some(mut workplace) = workplace() else { return };
    let surrogate = Arc::new(surrogates::fhn_euler(1, 0.1));
    let n = 1000;
    let start: Vec<f32> = (0..2 * n).map(|i| 0.3 + 0.1 * noise(i)).collect();
    let stimulus: Vec<f32> = (0..n).map(|i| 0.05 + 0.05 * noise(i)).collect();
    let pieces = [start.len(), n].map(|len| workplace.reserve(4 * len).unwrap());
    workplace.put(pieces[1], &stimulus).unwrap();
    let addresses = pieces.map(|piece| workplace.address(piece));
    let mut session = Session::new(surrogate, &options(&workplace, Precision::F32, Guard::Ignore)).unwrap();
    let mut step = |n_steps| {
        // SAFETY: pieces of the GPU's memory of these sizes.
        let (state, stimulus) = unsafe {
            let layout = Layout::structure_of_arrays(n, 2);
            let column = Layout::structure_of_arrays(n, 1);
            let state = ViewMut::from_raw(addresses[0], ElementType::F32, layout)?;
            (state, View::from_raw(addresses[1], ElementType::F32, column))
        };
        session.step(Cells { stimulus: Some(stimulus), ..Cells::new(state) }, 0.1, n_steps)
    };
    let mut results = [vec![0f32; 2 * n], vec![0f32; 2 * n]];
    workplace.put(pieces[0], &start).unwrap();
    step(50).unwrap();
    workplace.get(pieces[0], &mut results[0]).unwrap();
    let recording = workplace.record(|| step(5)).unwrap();
    workplace.put(pieces[0], &start).unwrap();
    (0..10).for_each(|_| workplace.repeat(&recording).unwrap());
    workplace.get(pieces[0], &mut results[1]).unwrap();
    assert_eq!(results[0], results[1]);
}

/// States of a step map's cells in a GPU's memory, with what belongs to them.
struct Sheet {
    // Before the workplace, whose stream it uses.
    session: Session,
    workplace: Workplace,
    n: usize,
    pieces: [usize; 2],
}

impl Sheet {
    fn new(n: usize) -> Self {
        let mut workplace = Workplace::open(0).unwrap();
        let pieces = [2 * n, n].map(|len| workplace.reserve(4 * len).unwrap());
        workplace.put(pieces[0], &Self::start(n)).unwrap();
        workplace.put(pieces[1], &Self::stimulus(n)).unwrap();
        let surrogate = Arc::new(surrogates::fhn_euler(1, 0.1));
        let session = Session::new(surrogate, &options(&workplace, Precision::F32, Guard::Count)).unwrap();
        Self { session, workplace, n, pieces }
    }

    /// Each kind of cell comes again after 101.
    fn start(n: usize) -> Vec<f32> {
        (0..2 * n).map(|i| (i % n * 37 % 101) as f32 * 0.008).collect()
    }

    fn stimulus(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i % 101) as f32 * 0.001).collect()
    }

    fn step(&mut self, n_steps: u32) {
        let [state, stimulus] = self.pieces.map(|piece| self.workplace.address(piece));
        // SAFETY: pieces of the GPU's memory of these sizes.
        let (state, stimulus) = unsafe {
            let layout = Layout::structure_of_arrays(self.n, 2);
            let column = Layout::structure_of_arrays(self.n, 1);
            let state = ViewMut::from_raw(state, ElementType::F32, layout).unwrap();
            (state, View::from_raw(stimulus, ElementType::F32, column))
        };
        let cells = Cells { stimulus: Some(stimulus), ..Cells::new(state) };
        self.session.step(cells, 0.1, n_steps).unwrap();
    }

    fn state(&mut self) -> Vec<f32> {
        let mut state = vec![f32::NAN; 2 * self.n];
        self.workplace.get(self.pieces[0], &mut state).unwrap();
        state
    }

    /// What the processor makes of the kinds of cells.
    fn on_processor(n: usize, n_steps: u32) -> Vec<f32> {
        let (mut state, stimulus) = (Self::start(n), Self::stimulus(n));
        let surrogate = Arc::new(surrogates::fhn_euler(1, 0.1));
        let mut session = Session::new(surrogate, &SessionOptions::default()).unwrap();
        let view = ViewMut::new(&mut state, Layout::structure_of_arrays(n, 2)).unwrap();
        let stimulus = Some(View::array_of_structures(&stimulus, 1).unwrap());
        session.step(Cells { stimulus, ..Cells::new(view) }, 0.1, n_steps).unwrap();
        state
    }
}

#[test]
fn sessions_on_several_streams_keep_to_their_own() {
    let _alone = alone();
    let Some(_) = workplace() else { return };
    let mut sheets = [101, 707, 1010].map(Sheet::new);
    for _ in 0..10 {
        sheets.iter_mut().for_each(|sheet| sheet.step(5));
    }
    for sheet in &mut sheets {
        let (got, expected) = (sheet.state(), Sheet::on_processor(sheet.n, 50));
        let worst = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{} cells: {worst:e}", sheet.n);
    }
}

#[test]
fn a_billion_cell_steps_lose_no_cell() {
    let _alone = alone();
    let Some(_) = workplace() else { return };
    // Of a thousand steps, in calls of fifty.
    let n = if super::EVERYTHING { 101 * 10_000 } else { 101 * 2 };
    let mut sheet = Sheet::new(n);
    (0..20).for_each(|_| sheet.step(50));
    sheet.session.synchronize().unwrap();
    assert_eq!(sheet.session.counters().cell_steps, n as u64 * 1000);
    let (state, expected) = (sheet.state(), Sheet::on_processor(101, 1000));
    for j in 0..2 {
        for i in 0..n {
            let (a, b) = (state[j * n + i], expected[j * 101 + i % 101]);
            // Cells of one kind are the same to the last bit, wherever they are computed.
            assert!(a == state[j * n + i % 101] && (a - b).abs() < 1e-3, "cell {i}: {a} and {b}");
        }
    }
}

#[test]
fn many_times_of_the_same_cells_are_those_of_the_processor() {
    let _alone = alone();
    let Some(mut workplace) = workplace() else { return };
    let surrogate = Arc::new(surrogates::formula_network());
    let (n, times) = (300, (0..40).map(|k| 0.025 * f64::from(k)).collect::<Vec<f64>>());
    let x: Vec<f32> = (0..2 * n).map(noise).collect();
    let n_outputs = 2 * times.len();
    let mut expected = vec![0f32; n * n_outputs];
    let of_outputs = Layout::structure_of_arrays(n, n_outputs);
    let of_inputs = Layout::structure_of_arrays(n, 2);
    let inputs = View::new(&x, of_inputs).unwrap();
    let mut on_processor = Session::new(surrogate.clone(), &SessionOptions::default()).unwrap();
    on_processor.evaluate_times(inputs, &times, ViewMut::new(&mut expected, of_outputs).unwrap()).unwrap();
    let pieces = [x.len(), expected.len()].map(|len| workplace.reserve(4 * len).unwrap());
    workplace.put(pieces[0], &x).unwrap();
    let addresses = pieces.map(|piece| workplace.address(piece));
    let mut session = Session::new(surrogate, &options(&workplace, Precision::F32, Guard::Count)).unwrap();
    // SAFETY: pieces of the GPU's memory of these sizes.
    let mut evaluate = || unsafe {
        let inputs = View::from_raw(addresses[0], ElementType::F32, of_inputs);
        session.evaluate_times(inputs, &times, ViewMut::from_raw(addresses[1], ElementType::F32, of_outputs)?)
    };
    evaluate().unwrap();
    let mut results = [vec![0f32; expected.len()], vec![0f32; expected.len()]];
    workplace.get(pieces[1], &mut results[0]).unwrap();
    // The times are part of what a graph records.
    let recording = workplace.record(&mut evaluate).unwrap();
    workplace.put(pieces[1], &results[1]).unwrap();
    workplace.repeat(&recording).unwrap();
    workplace.get(pieces[1], &mut results[1]).unwrap();
    assert_eq!(results[0], results[1]);
    for (i, (a, b)) in expected.iter().zip(&results[0]).enumerate() {
        assert!((a - b).abs() < 5e-6, "number {i}: {a} {b}");
    }
    let mut from_processor = vec![0f32; expected.len()];
    let outputs = ViewMut::new(&mut from_processor, of_outputs).unwrap();
    session.evaluate_times(inputs, &times, outputs).unwrap();
    for (a, b) in expected.iter().zip(&from_processor) {
        assert!((a - b).abs() < 5e-6, "{a} {b}");
    }
    session.synchronize().unwrap();
    assert_eq!(session.counters().cell_steps, 3 * (n * times.len()) as u64);
}
