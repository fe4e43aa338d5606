//! The C API as a host calls it, small enough for Miri, which sees every access of memory: `make miri`.

use std::ffi::CStr;
use std::ptr::{from_ref, null, null_mut};

use emucell::Activation;
use emucell::capi::*;
use emucell::program::{BinaryOperator, BlockId, ProgramBuilder};
use emucell::surrogate::{Kind, Role, Surrogate, Variable};

const OK: emucell_status = emucell_status::EMUCELL_OK;

/// A step map (u, w, stimulus, parameter) → (u, w) with a layer of 5 inside, as the bytes of a file.
fn file() -> Vec<u8> {
    let mut b = ProgramBuilder::new(4).unwrap();
    let weights = (0..20).map(|i| (i % 7) as f32 * 0.1 - 0.3).collect();
    let hidden = b.dense(BlockId::INPUT, weights, vec![0.1; 5], Activation::Tanh).unwrap();
    let weights = (0..10).map(|i| (i % 3) as f32 * 0.1 - 0.1).collect();
    let change = b.dense(hidden, weights, vec![0.0, 0.01], Activation::Linear).unwrap();
    let state = b.slice(BlockId::INPUT, 0, 2).unwrap();
    let next = b.binary(BinaryOperator::Add, state, change).unwrap();
    let variable = |name, role| Variable::new(name, "1", role).with_range(-2.0, 2.0);
    let inputs = vec![
        variable("u", Role::State),
        variable("w", Role::State),
        variable("s", Role::Stimulus),
        variable("g", Role::Parameter),
    ];
    let outputs = inputs[..2].to_vec();
    let surrogate = Surrogate::new(Kind::StepMap { dt: 0.1 }, inputs, outputs, b.finish(next)).unwrap();
    emucell::format::onnx::to_bytes(&surrogate).unwrap()
}

/// The host's handle, given back in the end.
struct Handle(*mut emucell_session);

// SAFETY: the C API lets sessions go from thread to thread.
unsafe impl Send for Handle {}
// SAFETY: and answers EMUCELL_BUSY where two threads use one at once.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is live and nobody uses it any more.
        unsafe { emucell_session_destroy(&mut self.0) };
        assert!(self.0.is_null());
    }
}

/// A solution map (t, x0, x1) → three products of functions of x with functions of t, as the bytes of a file.
fn solution_map() -> Vec<u8> {
    let mut b = ProgramBuilder::new(3).unwrap();
    let (t, x) = (b.slice(BlockId::INPUT, 0, 1).unwrap(), b.slice(BlockId::INPUT, 1, 2).unwrap());
    let weights = (0..6).map(|i| (i % 5) as f32 * 0.2 - 0.4).collect();
    let branch = b.dense(x, weights, vec![0.1; 3], Activation::Relu).unwrap();
    let trunk = b.dense(t, vec![0.1, -0.2, 0.3], vec![1.0; 3], Activation::Relu).unwrap();
    let y = b.binary(BinaryOperator::Multiply, branch, trunk).unwrap();
    let variable = |name, role| Variable::new(name, "1", role).with_range(-2.0, 2.0);
    let inputs =
        vec![variable("t", Role::Time), variable("x0", Role::Parameter), variable("x1", Role::Parameter)];
    let outputs = ["y0", "y1", "y2"].map(|name| variable(name, Role::State)).to_vec();
    let surrogate = Surrogate::new(Kind::SolutionMap, inputs, outputs, b.finish(y)).unwrap();
    emucell::format::onnx::to_bytes(&surrogate).unwrap()
}

/// A session of a step map whose surrogate is gone already.
fn session(n_threads: u32, guard: u32) -> Handle {
    session_of(&file(), n_threads, guard)
}

fn session_of(bytes: &[u8], n_threads: u32, guard: u32) -> Handle {
    let (mut surrogate, mut session) = (null_mut(), null_mut());
    // SAFETY: all pointers lead to what the functions ask for.
    unsafe {
        assert_eq!(emucell_surrogate_load_memory(bytes.as_ptr(), bytes.len(), &mut surrogate), OK);
        let mut options = std::mem::zeroed::<emucell_session_options>();
        let size = size_of::<emucell_session_options>() as u32;
        assert_eq!(emucell_session_options_init_sized(&mut options, size), OK);
        options.n_threads = n_threads;
        options.guard = guard;
        assert_eq!(emucell_session_create(surrogate, &options, &mut session), OK);
        emucell_surrogate_destroy(&mut surrogate);
    }
    Handle(session)
}

fn cells(n_cells: usize, state: emucell_view) -> emucell_cells {
    // SAFETY: the struct is as large as is said.
    let mut cells = unsafe {
        let mut cells = std::mem::zeroed();
        assert_eq!(emucell_cells_init_sized(&mut cells, size_of::<emucell_cells>() as u32), OK);
        cells
    };
    cells.n_cells = n_cells;
    cells.state = state;
    cells.stimulus = one_for_all(&0.5f32);
    cells.parameters = one_for_all(&0.25f32);
    cells
}

fn one_for_all(number: &'static f32) -> emucell_view {
    let mut view = emucell_view_of_structures(from_ref(number).cast_mut().cast(), EMUCELL_F32, 1, 1);
    view.cell_stride = 0;
    view
}

fn step(session: &Handle, cells: &emucell_cells) -> emucell_status {
    // SAFETY: what cells leads to lives as long as the call.
    unsafe { emucell_step(session.0, cells, 0.1, 2) }
}

fn message() -> String {
    // SAFETY: the text lives until this thread's next failing call.
    unsafe { CStr::from_ptr(emucell_last_error_message()) }.to_str().unwrap().to_owned()
}

/// State of `n` cells as one cell after the other computes it.
fn expected(n: usize) -> Vec<f32> {
    let session = session(1, EMUCELL_GUARD_IGNORE);
    let mut state: Vec<f32> = (0..2 * n).map(|i| i as f32 * 0.01).collect();
    for cell in state.chunks_exact_mut(2) {
        let view = emucell_view_of_structures(cell.as_mut_ptr().cast(), EMUCELL_F32, 1, 2);
        assert_eq!(step(&session, &cells(1, view)), OK);
    }
    state
}

/// The interpreter varies the last bits of tanh, to show what relies on them.
fn assert_close(found: f32, expected: f32) {
    assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
}

#[test]
fn layouts_and_element_types() {
    const N: usize = 35;
    let session = session(1, EMUCELL_GUARD_CLAMP);
    let expected = expected(N);
    for (cell_stride, variable_stride) in [(2, 1), (1, N), (1, N + 3), (5, 2), (1, 2 * N)] {
        let at = |i: usize| i / 2 * cell_stride + i % 2 * variable_stride;
        let length = at(2 * N - 1) + 1;
        // Exactly so long: one element more is out of bounds.
        let (mut doubles, mut singles) = (vec![f64::MAX; length], vec![f32::MAX; length]);
        for i in 0..2 * N {
            singles[at(i)] = i as f32 * 0.01;
            doubles[at(i)] = f64::from(singles[at(i)]);
        }
        let view = |data, element_type| emucell_view {
            data,
            length,
            cell_stride,
            variable_stride,
            n_variables: 2,
            element_type,
        };
        let mut status = [0xff; N];
        let mut in_singles = cells(N, view(singles.as_mut_ptr().cast(), EMUCELL_F32));
        in_singles.status = status.as_mut_ptr();
        assert_eq!(step(&session, &in_singles), OK);
        assert_eq!(step(&session, &cells(N, view(doubles.as_mut_ptr().cast(), EMUCELL_F64))), OK);
        assert_eq!(status, [0; N]);
        for i in 0..2 * N {
            assert_close(singles[at(i)], expected[i]);
            assert_close(doubles[at(i)] as f32, expected[i]);
        }
    }
}

#[test]
fn parts_index_and_threads() {
    const N: usize = 66;
    let expected = expected(N);
    let index: Vec<u32> = (0..N as u32).rev().filter(|row| row % 3 != 0).collect();
    for n_threads in [1, 3] {
        let session = session(n_threads, EMUCELL_GUARD_COUNT);
        let mut u: Vec<f64> = (0..N).map(|i| f64::from((2 * i) as f32 * 0.01)).collect();
        let mut w: Vec<f32> = (0..N).map(|i| (2 * i + 1) as f32 * 0.01).collect();
        let before = u.clone();
        let parts = [
            emucell_view_of_structures(u.as_mut_ptr().cast(), EMUCELL_F64, N, 1),
            emucell_view_of_structures(w.as_mut_ptr().cast(), EMUCELL_F32, N, 1),
        ];
        let mut cells = cells(index.len(), cells_without_state());
        cells.n_rows = N;
        cells.state_parts = parts.as_ptr();
        cells.n_state_parts = 2;
        cells.index = index.as_ptr();
        assert_eq!(step(&session, &cells), OK, "{}", message());
        for i in 0..N {
            let listed = i % 3 != 0;
            assert_close(u[i] as f32, if listed { expected[2 * i] } else { before[i] as f32 });
            assert_close(w[i], if listed { expected[2 * i + 1] } else { (2 * i + 1) as f32 * 0.01 });
        }
        let twice = [5, 6, 5];
        cells.index = twice.as_ptr();
        cells.n_cells = 3;
        assert_eq!(step(&session, &cells), emucell_status::EMUCELL_INVALID_ARGUMENT);
        assert!(message().contains("twice"), "{}", message());
    }
}

fn cells_without_state() -> emucell_view {
    emucell_view_of_structures(null_mut(), EMUCELL_F32, 0, 0)
}

#[test]
fn evaluation_in_parts() {
    const N: usize = 5;
    let session = session(1, EMUCELL_GUARD_FLAG);
    let (state, mut outputs, mut status) = ([0.5f32; 2 * N], [0.0f64; 2 * N], [7u8; N]);
    let inputs = [
        emucell_view_of_structures(state.as_ptr().cast_mut().cast(), EMUCELL_F32, N, 2),
        one_for_all(&0.5),
        one_for_all(&9.0),
    ];
    let out = emucell_view_of_arrays(outputs.as_mut_ptr().cast(), EMUCELL_F64, N, 2, N);
    // SAFETY: all pointers lead to what the functions ask for.
    unsafe {
        let mut evaluation = std::mem::zeroed();
        let size = size_of::<emucell_evaluation>() as u32;
        assert_eq!(emucell_evaluation_init_sized(&mut evaluation, size), OK);
        evaluation.n_cells = N;
        evaluation.inputs = inputs.as_ptr();
        evaluation.n_inputs = inputs.len();
        evaluation.outputs = &out;
        evaluation.n_outputs = 1;
        evaluation.status = status.as_mut_ptr();
        assert_eq!(emucell_evaluate_parts(session.0, &evaluation), OK, "{}", message());
        evaluation.status = null_mut();
        assert_ne!(emucell_evaluate_parts(session.0, &evaluation), OK);
    }
    assert_eq!(status, [EMUCELL_CELL_OUTSIDE_DOMAIN; N]);
    assert!(outputs.iter().all(|x| x.is_finite()) && (outputs[0] - outputs[N - 1]).abs() < 1e-5);
}

#[test]
fn many_times_and_threads() {
    let file = solution_map();
    let times: Vec<f64> = (0..34).map(|k| 0.05 * f64::from(k)).collect();
    // Lanes are times, then cells.
    for (n_cells, n_times, n_threads) in [(3, 34, 1), (66, 2, 3)] {
        let session = session_of(&file, n_threads, EMUCELL_GUARD_COUNT);
        let x: Vec<f64> = (0..2 * n_cells).map(|i| 0.01 * i as f64).collect();
        // Exactly so many numbers: one more is out of bounds.
        let (mut y, mut one) = (vec![f64::MAX; n_cells * n_times * 3], [0.0f64; 3]);
        let view = |first: *const f64, n_cells, n_variables| {
            emucell_view_of_structures(first.cast_mut().cast(), EMUCELL_F64, n_cells, n_variables)
        };
        let (inputs, outputs) =
            (view(x.as_ptr(), n_cells, 2), view(y.as_mut_ptr(), n_cells, 3 * n_times as u32));
        // SAFETY: all pointers lead to what the functions ask for.
        unsafe {
            let times = times.as_ptr();
            let status = emucell_evaluate_times(session.0, n_cells, &inputs, times, n_times, &outputs);
            assert_eq!(status, OK, "{}", message());
        }
        for (i, y) in y.chunks(3).enumerate() {
            let (cell, time) = (i / n_times, i % n_times);
            let inputs = [times[time], x[2 * cell], x[2 * cell + 1]];
            let (inputs, outputs) = (view(inputs.as_ptr(), 1, 3), view(one.as_mut_ptr(), 1, 3));
            // SAFETY: as above.
            unsafe { assert_eq!(emucell_evaluate(session.0, 1, &inputs, &outputs), OK) };
            assert_eq!(y, one);
        }
    }
}

#[test]
fn sessions_in_two_threads_at_once() {
    let session = session(2, EMUCELL_GUARD_IGNORE);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut state = [0.1f32; 2 * 40];
                for _ in 0..5 {
                    let view = emucell_view_of_structures(state.as_mut_ptr().cast(), EMUCELL_F32, 40, 2);
                    let status = step(&session, &cells(40, view));
                    assert!(status == OK || status == emucell_status::EMUCELL_BUSY);
                }
            });
        }
    });
}

#[test]
fn wrong_arguments() {
    let session = session(1, EMUCELL_GUARD_IGNORE);
    let mut state = [0.1f32; 6];
    let good = emucell_view_of_structures(state.as_mut_ptr().cast(), EMUCELL_F32, 3, 2);
    let invalid = emucell_status::EMUCELL_INVALID_ARGUMENT;
    // SAFETY: NULL is what is tested; the others are live.
    unsafe {
        assert_eq!(emucell_step(null_mut(), &cells(3, good), 0.1, 1), invalid);
        assert_eq!(emucell_step(session.0, null(), 0.1, 1), invalid);
        let mut surrogate = null_mut();
        assert_eq!(emucell_surrogate_load_memory(null(), 9, &mut surrogate), invalid);
        for length in [0, 1, 7, 100, 300] {
            let bytes = file();
            assert_ne!(emucell_surrogate_load_memory(bytes.as_ptr(), length, &mut surrogate), OK);
            assert!(surrogate.is_null());
        }
    }
    let mut unaligned = good;
    unaligned.data = unaligned.data.wrapping_byte_add(1);
    let mut short = good;
    short.length = 5;
    let mut shared = good;
    shared.cell_stride = 0;
    for view in [unaligned, short, shared, cells_without_state()] {
        assert_eq!(step(&session, &cells(3, view)), invalid);
    }
    let mut overlapping = cells(3, good);
    overlapping.parameters = emucell_view_of_structures(good.data, EMUCELL_F32, 3, 1);
    assert_eq!(step(&session, &overlapping), invalid);
    assert_eq!(state, [0.1; 6]);
    assert_eq!(step(&session, &cells(3, good)), OK);
    assert_eq!(step(&session, &cells(0, cells_without_state())), invalid);
}

#[test]
fn descriptions() {
    let bytes = file();
    // SAFETY: all pointers lead to what the functions ask for, texts live as long as the handle.
    unsafe {
        let mut surrogate = null_mut();
        assert_eq!(emucell_surrogate_load_memory(bytes.as_ptr(), bytes.len(), &mut surrogate), OK);
        drop(bytes);
        for i in 0..emucell_surrogate_n_inputs(surrogate) {
            let mut variable = std::mem::zeroed();
            assert_eq!(emucell_surrogate_input(surrogate, i, &mut variable), OK);
            assert_eq!(CStr::from_ptr(variable.name).to_bytes().len(), 1);
        }
        assert!(CStr::from_ptr(emucell_surrogate_provenance(surrogate)).to_str().unwrap().starts_with('{'));
        emucell_surrogate_destroy(&mut surrogate);
        emucell_surrogate_destroy(&mut surrogate);
        emucell_surrogate_destroy(null_mut());
    }
}
