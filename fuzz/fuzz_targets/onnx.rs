//! Surrogate files: what loads must evaluate, and must come back from a file as it was.

#![no_main]

use std::sync::Arc;

use emucell::format::onnx;
use emucell::session::{Session, SessionOptions};
use emucell::surrogate::Surrogate;
use emucell::view::{View, ViewMut};
use emucell_fuzz::within;
use libfuzzer_sys::fuzz_target;

/// Columns of all blocks of a program that is evaluated; wider ones only cost time.
const MAX_COLUMNS: usize = 1 << 11;
/// One tile and a rest.
const N_CELLS: usize = 35;

fuzz_target!(|bytes: &[u8]| {
    let Ok(surrogate) = within(bytes, 4096, || onnx::from_bytes(bytes)) else { return };
    let written = onnx::to_bytes(&surrogate).expect("no derivative");
    let again = onnx::from_bytes(&written).expect("what was loaded is written and loads");
    assert_eq!((surrogate.inputs(), surrogate.outputs()), (again.inputs(), again.outputs()));
    // Graphs that are no programs are for ONNX Runtime.
    let Ok(program) = surrogate.program() else { return };
    let columns: usize = program.steps().map(|(block, _)| program.width(block)).sum();
    if columns + program.n_inputs() <= MAX_COLUMNS {
        let (y, z) = (evaluate(surrogate), evaluate(again));
        assert!(y.iter().zip(&z).all(|(y, z)| y.to_bits() == z.to_bits() || y.is_nan() && z.is_nan()));
    }
});

fn evaluate(surrogate: Surrogate) -> Vec<f32> {
    let (n, m) = (surrogate.inputs().len(), surrogate.outputs().len());
    let x: Vec<f32> = (0..n * N_CELLS).map(|i| (i % 29) as f32 / 7.0 - 2.0).collect();
    let mut y = vec![0.0f32; m * N_CELLS];
    let mut status = vec![0u8; N_CELLS];
    let mut session = Session::new(Arc::new(surrogate), &SessionOptions::default()).expect("one thread");
    let inputs = View::array_of_structures(&x, n).expect("whole cells");
    let outputs = ViewMut::array_of_structures(&mut y, m).expect("whole cells");
    session.evaluate(inputs, outputs, Some(&mut status)).expect("views that fit");
    y
}
