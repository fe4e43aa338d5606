//! ONNX Runtime as a backend gives the same numbers.

use std::path::PathBuf;
use std::sync::Arc;

use emucell::Activation;
use emucell::format::onnx;
use emucell::session::{Session, SessionOptions};
use emucell::surrogate::{Network, Surrogate};
use emucell::view::{Layout, View, ViewMut};

use super::support::{onnxruntime, python};
use super::{assert_close, double_precision, inputs_of, programs, read_numbers, write_numbers};

/// Two batches and a ragged tail.
const N_CELLS: usize = 2 * 1024 + 45;

/// Evaluates cells that lie side by side, which ONNX Runtime reads and writes where they are.
fn in_place(session: &mut Session, x: &[f32], n_outputs: usize) -> Vec<f32> {
    let n_inputs = session.surrogate().inputs().len();
    let mut y = vec![f32::NAN; x.len() / n_inputs * n_outputs];
    let outputs = ViewMut::array_of_structures(&mut y, n_outputs).unwrap();
    session.evaluate(View::array_of_structures(x, n_inputs).unwrap(), outputs, None).unwrap();
    y
}

/// Evaluates doubles, variable after variable.
fn by_variable(session: &mut Session, x: &[f32], n_outputs: usize) -> Vec<f32> {
    let n_inputs = session.surrogate().inputs().len();
    let n_cells = x.len() / n_inputs;
    let turned: Vec<f64> = (0..x.len()).map(|i| f64::from(x[i % n_cells * n_inputs + i / n_cells])).collect();
    let mut y = vec![f64::NAN; n_cells * n_outputs];
    let outputs = ViewMut::new(&mut y, Layout::structure_of_arrays(n_cells, n_outputs)).unwrap();
    let inputs = View::new(&turned, Layout::structure_of_arrays(n_cells, n_inputs)).unwrap();
    session.evaluate(inputs, outputs, None).unwrap();
    (0..y.len()).map(|i| y[i % n_outputs * n_cells + i / n_outputs] as f32).collect()
}

#[test]
fn every_operation_in_every_layout_and_with_threads() {
    for (name, program) in programs::all() {
        let x = inputs_of(program.n_inputs(), N_CELLS);
        let exact = double_precision(&program, &x);
        let surrogate = Arc::new(Surrogate::anonymous(program));
        for n_threads in [1, 2] {
            let options = SessionOptions { n_threads, ..onnxruntime::options() };
            let mut session = Session::new(surrogate.clone(), &options).unwrap();
            let n_outputs = surrogate.outputs().len();
            assert_close(&in_place(&mut session, &x, n_outputs), &exact, &format!("{name}, in place"));
            assert_close(&by_variable(&mut session, &x, n_outputs), &exact, &format!("{name}, by variable"));
        }
    }
}

#[test]
fn networks_exported_by_pytorch_agree_whether_they_are_programs_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let names = Activation::ALL.map(Activation::name).join("\n");
    std::fs::write(folder.path().join("activations.txt"), names).unwrap();
    let x = inputs_of(4, N_CELLS);
    write_numbers(&folder.path().join("x"), &x);
    python::run("export_torch.py", &[folder.path()]);
    let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let exported: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "onnx")).collect();
    let mut n_graphs = 0;
    for path in exported {
        let surrogate = Arc::new(onnx::load(&path).unwrap());
        // Whoever can: native for programs, ONNX Runtime for the others.
        let any = SessionOptions { onnxruntime: Some(onnxruntime::library()), ..SessionOptions::default() };
        let name = path.file_stem().unwrap().to_string_lossy();
        for options in [onnxruntime::options(), any] {
            let mut session = Session::new(surrogate.clone(), &options).unwrap();
            let what = format!("{name}, {}", session.backend_name());
            assert_close(&in_place(&mut session, &x, 2), &read_numbers(&path.with_extension("y")), &what);
        }
        n_graphs += usize::from(matches!(surrogate.network(), Network::Graph { .. }));
    }
    // Hardswish.
    assert_eq!(n_graphs, 2);
}
