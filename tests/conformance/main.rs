//! The same numbers from the native backend, from ONNX Runtime and from PyTorch, on the same files.

#[cfg(feature = "train")]
mod libtorch;
#[cfg(feature = "onnx")]
mod onnxruntime;
mod programs;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "train")]
mod trained;

use std::path::PathBuf;
use std::sync::Arc;

use emucell::Activation;
use emucell::format::onnx;
use emucell::kernels::Kernels;
use emucell::program::Program;
use emucell::session::{Session, SessionOptions};
use emucell::surrogate::Surrogate;
use emucell::view::{View, ViewMut};
use support::python::{self, read_numbers, write_numbers};

/// Cells of a comparison: several tiles and a ragged tail.
const N_CELLS: usize = 32 * 5 + 13;

/// Inputs between −2 and 2, cells × columns.
fn inputs(n_columns: usize) -> Vec<f32> {
    inputs_of(n_columns, N_CELLS)
}

fn inputs_of(n_columns: usize, n_cells: usize) -> Vec<f32> {
    (0..n_cells * n_columns).map(|i| 2.0 * programs::noise(i + 17)).collect()
}

fn evaluate(surrogate: &Surrogate, x: &[f32], kernels: &str) -> Vec<f32> {
    let options = SessionOptions { instruction_set: Some(kernels.to_owned()), ..SessionOptions::default() };
    let mut session = Session::new(Arc::new(surrogate.clone()), &options).unwrap();
    let (n_inputs, n_outputs) = (surrogate.inputs().len(), surrogate.outputs().len());
    let mut y = vec![0.0f32; x.len() / n_inputs * n_outputs];
    let outputs = ViewMut::array_of_structures(&mut y, n_outputs).unwrap();
    session.evaluate(View::array_of_structures(x, n_inputs).unwrap(), outputs, None).unwrap();
    y
}

/// Largest difference relative to the largest number.
fn relative_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let size = b.iter().fold(1e-30f32, |m, x| m.max(x.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / size).fold(0.0, f32::max)
}

fn assert_close(a: &[f32], b: &[f32], what: &str) {
    let difference = relative_difference(a, b);
    assert!(difference <= 2e-6, "{what}: relative difference {difference:e}");
}

fn double_precision(program: &Program, x: &[f32]) -> Vec<f32> {
    let cells = x.chunks_exact(program.n_inputs());
    let cells = cells.map(|cell| cell.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>());
    cells.flat_map(|cell| program.evaluate_reference(&cell)).map(|y| y as f32).collect()
}

#[test]
fn native_evaluation_and_onnx_runtime_agree_on_every_operation() {
    let folder = tempfile::tempdir().unwrap();
    let programs = programs::all();
    for (name, program) in &programs {
        let surrogate = Surrogate::anonymous(program.clone());
        onnx::save(&folder.path().join(format!("{name}.onnx")), &surrogate).unwrap();
        write_numbers(&folder.path().join(format!("{name}.x")), &inputs(program.n_inputs()));
    }
    python::run("run_onnx.py", &[folder.path()]);
    for (name, program) in &programs {
        let loaded = onnx::load(&folder.path().join(format!("{name}.onnx"))).unwrap();
        let x = inputs(program.n_inputs());
        let exact = double_precision(program, &x);
        assert!(
            double_precision(loaded.program().unwrap(), &x) == exact,
            "{name} changes when it is written and read"
        );
        let n_operations = |p: &Program| p.fused().operations().len();
        assert_eq!(n_operations(loaded.program().unwrap()), n_operations(program), "{name}");
        assert_close(
            &read_numbers(&folder.path().join(format!("{name}.y"))),
            &exact,
            &format!("{name}, ONNX Runtime"),
        );
        for kernels in Kernels::available() {
            assert_close(&evaluate(&loaded, &x, kernels.name), &exact, &format!("{name}, {}", kernels.name));
        }
    }
}

#[test]
fn networks_exported_by_pytorch_load_and_agree() {
    let folder = tempfile::tempdir().unwrap();
    let names = Activation::ALL.map(Activation::name).join("\n");
    std::fs::write(folder.path().join("activations.txt"), names).unwrap();
    let x = inputs(4);
    write_numbers(&folder.path().join("x"), &x);
    python::run("export_torch.py", &[folder.path()]);
    let mut exported: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    exported.retain(|path| path.extension().is_some_and(|e| e == "onnx"));
    assert_eq!(exported.len(), 2 * (Activation::ALL.len() + 1));
    for path in exported {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let surrogate = onnx::load(&path).unwrap();
        if name.starts_with("hardswish") {
            assert!(surrogate.program().unwrap_err().to_string().contains("operator HardS"), "{name}");
            continue;
        }
        assert_eq!(surrogate.inputs()[3].name, "x3");
        assert!(surrogate.inputs().iter().all(|v| v.range.is_none()));
        let expected = read_numbers(&path.with_extension("y"));
        for kernels in Kernels::available() {
            assert_close(
                &evaluate(&surrogate, &x, kernels.name),
                &expected,
                &format!("{name}, {}", kernels.name),
            );
        }
    }
}

#[test]
fn instruction_sets_agree_for_every_tail() {
    for (name, program) in programs::all() {
        let surrogate = Surrogate::anonymous(program);
        let all = inputs(surrogate.inputs().len());
        let whole = evaluate(&surrogate, &all, "scalar");
        for kernels in Kernels::available() {
            let complete = evaluate(&surrogate, &all, kernels.name);
            assert!(relative_difference(&complete, &whole) <= 1e-6, "{name}, {}", kernels.name);
            for n_cells in 1..=N_CELLS.min(70) {
                let x = &all[..n_cells * surrogate.inputs().len()];
                let y = evaluate(&surrogate, x, kernels.name);
                assert_eq!(y, complete[..y.len()], "{name}, {} with {n_cells} cells", kernels.name);
            }
        }
    }
}
