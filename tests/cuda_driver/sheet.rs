//! Cells of a small simulator on a GPU, and what the processor makes of them.

use std::sync::Arc;

use emucell::Result;
use emucell::session::{Cells, Device, Guard, Precision, Session, SessionOptions};
use emucell::view::{ElementType, Layout, View, ViewMut};

use super::driver::Simulator;
use super::on_gpu::surrogates;

pub const N_CELLS: usize = 200;
pub const DT: f64 = 0.1;

/// A step map's session on a GPU, on the simulator's stream or on one of its own.
pub fn session(gpu: usize, simulator: Option<&Simulator>) -> Result<Session> {
    let options = SessionOptions {
        device: Device::Cuda(gpu),
        precision: Precision::F32,
        guard: Guard::Count,
        stream: simulator.map(Simulator::stream),
        ..SessionOptions::default()
    };
    Session::new(Arc::new(surrogates::fhn_euler(1, DT)), &options)
}

pub fn start() -> Vec<f32> {
    (0..2 * N_CELLS).map(|i| (i * 37 % 101) as f32 * 0.009).collect()
}

pub fn stimulus() -> Vec<f32> {
    (0..N_CELLS).map(|i| (i % 13) as f32 * 0.01).collect()
}

/// Steps of the states at `state`, with the stimulus at `stimulus`.
pub fn step(session: &mut Session, state: *mut u8, stimulus: *mut u8, n_steps: u32) -> Result<()> {
    let (two, one) = (Layout::structure_of_arrays(N_CELLS, 2), Layout::structure_of_arrays(N_CELLS, 1));
    // SAFETY: addresses of so many numbers, or ones that the session is to refuse.
    let (state, stimulus) = unsafe {
        let stimulus = View::from_raw(stimulus, ElementType::F32, one);
        (ViewMut::from_raw(state, ElementType::F32, two)?, stimulus)
    };
    session.step(Cells { stimulus: Some(stimulus), ..Cells::new(state) }, DT, n_steps)
}

/// The states after `n_steps` steps on the processor.
pub fn expected(n_steps: u32) -> Vec<f32> {
    let (mut state, mut stimulus) = (start(), stimulus());
    let mut session =
        Session::new(Arc::new(surrogates::fhn_euler(1, DT)), &SessionOptions::default()).unwrap();
    step(&mut session, state.as_mut_ptr().cast(), stimulus.as_mut_ptr().cast(), n_steps).unwrap();
    state
}

pub fn assert_close(got: &[f32], expected: &[f32]) {
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() < 5e-6, "number {i}: {a} instead of {b}");
    }
}
