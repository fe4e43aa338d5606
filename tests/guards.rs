//! Cells outside the domain handed to a fallback; `tests/c/guards.c` tests the other guards.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use emucell::cell_model::CellModel;
use emucell::cell_model::euler::Euler;
use emucell::program::{BlockId, ProgramBuilder};
use emucell::session::{
    BackendChoice, Cells, Device, Fallback, Guard, OutsideCells, Precision, Session, SessionOptions,
    cell_status,
};
use emucell::surrogate::{CellModelDescription, Kind, Role, Surrogate, Variable};
use emucell::view::{Layout, View, ViewMut};
use emucell::{Error, ErrorKind, Result};
use support::surrogates;

/// (t, u, w, stimulus s, parameter gain) → (u, w) unchanged: whatever changes is the fallback's.
fn idle_solution_map() -> Surrogate {
    let mut b = ProgramBuilder::new(5).unwrap();
    let state = b.slice(BlockId::INPUT, 1, 2).unwrap();
    let variable = |name, role, low, high| Variable::new(name, "1", role).with_range(low, high);
    let inputs = vec![
        variable("t", Role::Time, 0.0, 10.0),
        variable("u", Role::State, -0.5, 1.0),
        variable("w", Role::State, -0.5, 1.0),
        // Constant for a whole solution, as problem B of the papers has it.
        variable("s", Role::Parameter, 0.0, 0.1),
        variable("gain", Role::Parameter, 0.0, 1.0),
    ];
    let outputs = inputs[1..3].to_vec();
    let threshold = [("threshold".to_owned(), 0.3)].into();
    Surrogate::new(Kind::SolutionMap, inputs, outputs, b.finish(state))
        .unwrap()
        .with_cell_model(CellModelDescription { name: "fhn_cubic".to_owned(), parameters: threshold })
}

fn with_guard(guard: Guard) -> SessionOptions {
    SessionOptions { guard, ..SessionOptions::default() }
}

#[test]
fn the_own_cell_model_solves_what_lies_beyond_the_trained_time() {
    let mut session = Session::new(Arc::new(idle_solution_map()), &with_guard(Guard::Fallback)).unwrap();
    // Inside; beyond the trained time twice; a state outside at time 0; no number.
    let inputs = [
        [5.0, 0.5, 0.1, 0.05, 0.2],
        [20.004, 0.5, 0.1, 0.05, 0.2],
        [20.004, 0.7, 0.0, 0.0, 0.04],
        [0.0, 1.5, 0.0, 0.0, 0.04],
        [f64::NAN, 0.5, 0.1, 0.0, 0.04],
        [1e300, 0.5, 0.1, 0.0, 0.04],
    ];
    let (mut outputs, mut status) = ([[0.0f64; 2]; 6], [9; 6]);
    let rows = View::array_of_structures(inputs.as_flattened(), 5).unwrap();
    let to = ViewMut::array_of_structures(outputs.as_flattened_mut(), 2).unwrap();
    session.evaluate(rows, to, Some(&mut status)).unwrap();

    assert_eq!((outputs[0], status[0]), ([0.5f32 as f64, 0.1f32 as f64], 0));
    let fallback = cell_status::OUTSIDE_DOMAIN | cell_status::FALLBACK;
    for (input, output) in inputs[1..3].iter().zip(&outputs[1..]) {
        let [time, u, w, s, gain] = *input;
        // 2001 steps of no more than 0.01 ms.
        let model = CellModel::fhn_cubic().with_parameter("threshold", 0.3).unwrap();
        let model = model.with_parameter("gain", gain).unwrap();
        let mut state = [u, w];
        Euler::new(&model, time / 2001.0).unwrap().advance_structures(&mut state, Some(&[s]), 2001).unwrap();
        assert!((0..2).all(|i| (state[i] - output[i]).abs() < 1e-12), "{state:?} {output:?}");
    }
    assert_eq!(outputs[3], [1.5, 0.0]);
    assert_eq!(status[1..4], [fallback; 3]);
    assert!(outputs[4..].as_flattened().iter().all(|x| x.is_nan()));
    assert_eq!(status[4..], [fallback | cell_status::NOT_FINITE; 2]);
    assert_eq!((session.counters().fallback, session.counters().outside_domain), (5, 5));
}

/// Adds 1 to u, and fails once `calls_left` has run out.
struct Counting {
    calls_left: AtomicUsize,
}

impl Fallback for Counting {
    fn compute(&self, cells: &mut OutsideCells<'_>) -> Result<()> {
        let one_less = |n: usize| n.checked_sub(1);
        if self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err() {
            return Err(Error::new(ErrorKind::Callback, "enough"));
        }
        for i in 0..cells.rows().len() {
            assert_eq!((cells.dt(), cells.input(i, 2)), (Some(0.1), 0.05));
            cells.set_output(i, 0, cells.input(i, 0) + 1.0);
        }
        Ok(())
    }
}

#[test]
fn a_fallback_sees_each_step_and_may_fail() {
    let surrogate = Arc::new(surrogates::fhn_euler(1, 0.1));
    let options = SessionOptions {
        fallback: Some(Arc::new(Counting { calls_left: AtomicUsize::new(5) })),
        capacity: 4,
        ..with_guard(Guard::Fallback)
    };
    let mut session = Session::new(surrogate, &options).unwrap();
    // In double precision: a number that no float holds must come through unharmed.
    let precise = 2.0 + 1e-12;
    let mut state = [0.1, precise, 0.3, 0.0, 0.0, 0.0];
    let stimulus = [0.05];
    let one_for_all = Layout { n_cells: 3, n_variables: 1, cell_stride: 0, variable_stride: 1 };
    let mut step = |state: &mut [f64; 6], n_steps| {
        let cells = Cells {
            stimulus: Some(View::new(&stimulus, one_for_all).unwrap()),
            ..Cells::new(ViewMut::new(state, Layout::structure_of_arrays(3, 2)).unwrap())
        };
        session.step(cells, 0.1, n_steps)
    };
    step(&mut state, 3).unwrap();
    assert_eq!(state[1], precise + 3.0);
    let error = step(&mut state, 3).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Callback, "enough"));
    assert_eq!(state[1], precise + 5.0);
}

#[test]
fn views_side_by_side_step_as_one() {
    let mut session =
        Session::new(Arc::new(surrogates::fhn_euler(1, 0.1)), &SessionOptions::default()).unwrap();
    let mut together = [0.1f64, 0.2, 0.3, 0.01, 0.02, 0.03];
    let (mut u, mut w) = ([0.1f64, 0.2, 0.3], [0.01f32, 0.02, 0.03]);
    let stimulus = [0.05, 0.0, 0.0];
    let stimulus = Some(View::array_of_structures(&stimulus, 1).unwrap());
    let whole = ViewMut::new(&mut together, Layout::structure_of_arrays(3, 2)).unwrap();
    session.step(Cells { stimulus, ..Cells::new(whole) }, 0.1, 4).unwrap();
    let mut parts =
        [ViewMut::array_of_structures(&mut u, 1).unwrap(), ViewMut::array_of_structures(&mut w, 1).unwrap()];
    session.step(Cells { stimulus, ..Cells::new(&mut parts[..]) }, 0.1, 4).unwrap();
    // The state in single precision is rounded after every step.
    let close = |a: f64, b: f64| (a - b).abs() < 1e-7;
    assert!(u.iter().zip(&together).all(|(&a, &b)| close(a, b)), "{u:?} {together:?}");
    assert!(w.iter().zip(&together[3..]).all(|(&a, &b)| close(a.into(), b)), "{w:?} {together:?}");
}

#[test]
fn what_cannot_be_had_is_said() {
    let refused = |surrogate: Surrogate, options: SessionOptions| {
        let error = Session::new(Arc::new(surrogate), &options).err().unwrap();
        (error.kind(), error.to_string())
    };
    let step_map = || surrogates::fhn_euler(1, 0.1);
    let (kind, message) = refused(surrogates::formula_network(), with_guard(Guard::Fallback));
    assert!(kind == ErrorKind::Unsupported && message.contains("names no cell model"), "{message}");
    let foreign = CellModelDescription { name: "ten_tusscher".to_owned(), ..Default::default() };
    let (_, message) = refused(step_map().with_cell_model(foreign), with_guard(Guard::Fallback));
    assert!(message.contains("ten_tusscher") && message.contains("fallback of your own"), "{message}");
    let canonical = CellModelDescription { name: "fhn_canonical".to_owned(), ..Default::default() };
    let renamed = surrogates::fhn_euler_with_threshold(0.1).with_cell_model(canonical);
    let (_, message) = refused(renamed, with_guard(Guard::Fallback));
    assert!(message.contains("no \"threshold\""), "{message}");
    let (_, message) =
        refused(step_map(), SessionOptions { fallback_dt: f64::NAN, ..with_guard(Guard::Fallback) });
    assert!(message.contains("fallback"), "{message}");
    let unused = Some(Arc::new(Counting { calls_left: AtomicUsize::new(0) }) as Arc<dyn Fallback>);
    let (kind, message) =
        refused(step_map(), SessionOptions { fallback: unused, ..with_guard(Guard::Clamp) });
    assert!(kind == ErrorKind::InvalidArgument && message.contains("guard Clamp"), "{message}");
    for options in [
        SessionOptions { device: "cuda:1".parse().unwrap(), ..SessionOptions::default() },
        SessionOptions {
            backend: BackendChoice::OnnxRuntime,
            onnxruntime: Some("no/such/library.so".into()),
            ..SessionOptions::default()
        },
        SessionOptions { precision: Precision::F16, ..SessionOptions::default() },
    ] {
        assert_eq!(refused(step_map(), options).0, ErrorKind::Unsupported);
    }
    assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
    assert!("gpu".parse::<Device>().unwrap_err().to_string().contains("cuda:N"));
}
